// Keeping inner products of features in blocks: see products.h.
#include "kernel/products.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "dense/tile_ops.h"
#include "kernel/card.h"
#include "kernel/estimate.h"
#include "kernel/identity.h"
#include "kernel/saved.h"

// Rows of the triangle: of training padded to whole tiles, then of the test set.
static uint64_t rows_of(uint64_t n, uint64_t tests) { return tests > 0 ? sht__tile_rows(n) * SHT_TILE + tests : n; }

uint64_t sht__products_bytes(uint64_t n, uint64_t tests) { return sht__tiles_bytes(rows_of(n, tests)); }

void sht__products_folder(const char *folder, char *out, uint64_t size) {
  (void)snprintf(out, size, "%s/products", folder);
}

typedef struct gathering {
  sht__problem *problem;
  sht__saved saved;
} gathering;

static sht_status save(void *context, uint64_t done, sht_error *error) {
  gathering *work = context;
  const sht__problem *problem = work->problem;
  return sht__saved_add_gram(&work->saved, &problem->products, done, done == problem->gram.map.blocks,
                             problem->options->checkpoint_seconds, error);
}

// Opens what is saved; *first: the blocks whose products the tiles now hold.
static sht_status resume(gathering *work, uint64_t *first, sht_error *error) {
  sht__problem *problem = work->problem;
  char identity[65], folder[sizeof work->saved.folder];
  bool sound = false;
  sht__products_folder(problem->options->folder, folder, sizeof folder);
  SHT_TRY(sht__products_identity(problem, identity, error));
  SHT_TRY(sht__saved_open(folder, identity, problem->products.count, 2 * sht__tiles_bytes(problem->products.n),
                          &work->saved, error));
  if (work->saved.gram_blocks > 0) {
    SHT_TRY(sht__saved_load_gram(&work->saved, &problem->products, &sound, error));
    *first = work->saved.gram_blocks;
  }
  return SHT_OK;
}

// Of the blocks from `first` on.
static double flops_from(const sht__problem *problem, uint64_t first) {
  const sht__feature_map *map = &problem->gram.map;
  const double n = (double)problem->gram.train.n, tests = (double)problem->test_side.n;
  const double all = (n + tests) * map->flops + (n + 2 * tests) * n * (double)map->width;
  return all * (double)(map->blocks - first) / (double)map->blocks;
}

static sht_status gather(gathering *work, sht_error *error) {
  sht__problem *problem = work->problem;
  const sht__side *others = problem->test != NULL ? &problem->test_side : NULL;
  const bool saves = problem->options->folder != NULL;
  uint64_t first = 0;
  if (saves) {
    SHT_TRY(resume(work, &first, error));
  }
  problem->products_flops = flops_from(problem, first);
  return sht__gram_accumulate(&problem->gram, others, first, saves ? save : NULL, work, &problem->products, error);
}

static sht_status take_side(sht__problem *problem, sht__side *side, sht_error *error) {
  side->products = &problem->products;
  return sht__side_measure_tiles(side, &problem->products, error);
}

static sht_status open_here(sht__problem *problem, sht_error *error) {
  gathering work = {.problem = problem};
  const uint64_t n = problem->gram.train.n, tests = problem->test_side.n;
  problem->test_side.place = sht__tile_rows(n);
  SHT_TRY(sht__tiles_open(rows_of(n, tests), &problem->products, error));
  sht_status status = gather(&work, error);
  sht__saved_close(&work.saved);
  SHT_TRY(status);
  SHT_TRY(take_side(problem, &problem->gram.train, error));
  return tests > 0 ? take_side(problem, &problem->test_side, error) : SHT_OK;
}

// A card sums in an order that may depend on where a pair stands. The products of equal examples are equal all the
// same, so that K is singular where there are some, and not indefinite by rounding.
static sht_status open_on_card(sht__problem *problem, sht_error *error) {
  uint32_t *same = NULL;
  problem->products = sht__tiles_elsewhere(rows_of(problem->gram.train.n, problem->test_side.n));
  problem->gram.train.products = &problem->products;
  problem->products_flops = flops_from(problem, 0);
  SHT_TRY(SHT_ALLOC(&same, problem->train->count, "equal examples", error));
  sht_status status = sht__problem_find_equal(problem->train, same, error);
  if (status == SHT_OK) {
    status = sht__card_accumulate(&problem->gram, same, error);
  }
  sht_free(same);
  return status;
}

sht_status sht__products_open(sht__problem *problem, sht_error *error) {
  const double start = sht__work_clock();
  SHT_TRY(problem->gram.card != NULL ? open_on_card(problem, error) : open_here(problem, error));
  problem->products_seconds = sht__work_clock() - start;
  return SHT_OK;
}

// A diagonal tile has blocks of 32 x 32 on and below its diagonal only: those above from them.
static void mirror(double *tile) {
  for (size_t q = 1; q < SHT_TILE_PANELS; q++) {
    for (size_t p = 0; p < q; p++) {
      sht__block_turn_f64(tile + q * SHT_PANEL + p * SHT_BLOCK, tile + p * SHT_PANEL + q * SHT_BLOCK);
    }
  }
}

void sht__products_tile(const sht__gram *gram, const sht__side *side, uint64_t i, uint64_t j, double *tile) {
  gram->kernels->widen(sht__tile_at(side->products, side->place + i, j), tile, SHT_TILE_SIZE);
  if (side->place + i == j) {
    mirror(tile);
  }
}

static float product_of(const sht__tiles *products, uint64_t a, uint64_t b) {
  const uint64_t row = a > b ? a : b, column = a > b ? b : a;
  return sht__tile_at(products, row / SHT_TILE, column / SHT_TILE)[sht__tile_place(row % SHT_TILE, column % SHT_TILE)];
}

double sht__products_distance(const sht__tiles *products, uint64_t a, uint64_t b) {
  const double square =
      (double)product_of(products, a, a) + (double)product_of(products, b, b) - 2 * (double)product_of(products, a, b);
  return square > 0 ? square : 0;
}

// rows [some][count] <- those of order[first] .. and order[0] .. order[count-1].
static sht_status fetch_rows(const sht__gram *gram, const uint32_t *order, uint64_t count, uint64_t first,
                             uint64_t some, float *rows, sht_error *error) {
  const sht__card *card = gram->card;
  if (card != NULL) {
    return card->functions->select(card->state, order, count, first, some, rows, error);
  }
  for (uint64_t i = 0; i < some; i++) {
    for (uint64_t j = 0; j < count; j++) {
      rows[i * count + j] = product_of(gram->train.products, order[first + i], order[j]);
    }
  }
  return SHT_OK;
}

// Row i to the end of the block of 32 x 32 on the diagonal, which is whole.
static void put_row(const sht__tiles *tiles, uint64_t i, const float *row) {
  const uint64_t end = i / SHT_LANES * SHT_LANES + SHT_LANES;
  for (uint64_t j = 0; j < end && j < tiles->n; j++) {
    sht__tile_at(tiles, i / SHT_TILE, j / SHT_TILE)[sht__tile_place(i % SHT_TILE, j % SHT_TILE)] = row[j];
  }
}

sht_status sht__products_select(const sht__gram *gram, const uint32_t *order, uint64_t count, sht__tiles *out,
                                sht_error *error) {
  float *rows = NULL;
  SHT_TRY(sht__tiles_open(count, out, error));
  SHT_TRY(SHT_ALLOC(&rows, SHT__CARD_BLOCK * count, "inner products", error));
  sht_status status = SHT_OK;
  for (uint64_t first = 0; status == SHT_OK && first < count; first += SHT__CARD_BLOCK) {
    const uint64_t some = count - first < SHT__CARD_BLOCK ? count - first : SHT__CARD_BLOCK;
    status = fetch_rows(gram, order, count, first, some, rows, error);
    for (uint64_t i = 0; status == SHT_OK && i < some; i++) {
      put_row(out, first + i, rows + i * count);
    }
  }
  sht_free(rows);
  return status;
}
