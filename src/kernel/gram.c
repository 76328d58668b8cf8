// The triangle of the kernel matrix in fp32: see gram.h.
#include "kernel/gram.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "base/work.h"
#include "kernel/spread.h"

enum { LINE = 16 };  // words of a line of the cache

typedef struct job {
  const sht__gram *gram;
  const sht__panels *panels;  // of the block at hand
  const uint32_t *right;      // the same as products take their right factor: [panels][right_words]
  uint64_t right_words;       // of a panel
  sht__tiles *tiles;
  uint64_t apart;      // from this row of tiles on, only diagonal tiles of the columns from it on are wanted
  double done_before;  // of `total`
  double total;
  atomic_ullong done;  // tiles
  atomic_bool stop;
} job;

double sht__gram_flops(uint64_t n, uint64_t width) { return (double)n * (double)n * (double)width; }

// Asks for a piece of what the next chunk reads, which comes from far: without it products would wait for it.
static void prefetch(const uint32_t *from, uint64_t words) {
  for (uint64_t word = 0; word < words; word += LINE) {
    __builtin_prefetch(from + word);
  }
}

static const uint32_t *left_at(const job *work, uint64_t panel) { return sht__panel_pairs_at(work->panels, panel); }
static const uint32_t *right_at(const job *work, uint64_t panel) { return work->right + panel * work->right_words; }

// tile += the inner products of examples 256 i .. with examples 256 j .. over pairs first .. first + count - 1. `ahead`
// words further on the next chunk begins, 0: there is none; each product asks for a share of it.
static void add_chunk(const job *work, uint64_t i, uint64_t j, uint64_t first, uint64_t count, uint64_t ahead,
                      float *tile) {
  const uint64_t start = first * SHT_LANES, piece = ahead / SHT_TILE_PANELS;
  for (uint64_t q = 0; q < SHT_TILE_PANELS; q++) {
    const uint32_t *b = right_at(work, j * SHT_TILE_PANELS + q) + start;
    for (uint64_t p = i == j ? q : 0; p < SHT_TILE_PANELS; p++) {
      prefetch(left_at(work, i * SHT_TILE_PANELS + q) + start + ahead + p * piece, piece);
      prefetch(b + ahead + p * piece, piece);
      work->gram->kernels->multiply_bf16(tile + p * SHT_PANEL + q * SHT_BLOCK,
                                         left_at(work, i * SHT_TILE_PANELS + p) + start, b, count);
    }
  }
}

static void add_products(const job *work, uint64_t i, uint64_t j, float *tile) {
  const uint64_t pairs = work->panels->width / 2, chunk = work->gram->kernels->chunk;
  for (uint64_t first = 0; first < pairs; first += chunk) {
    const uint64_t left = pairs - first;
    add_chunk(work, i, j, first, left < chunk ? left : chunk, left >= 2 * chunk ? chunk * SHT_LANES : 0, tile);
  }
}

static void tell(job *work, unsigned long long done) {
  const char *phase = work->gram->streamed ? "kernel matrix" : "inner products";
  if (sht__work_tell(work->gram->work, phase, work->done_before + (double)done, work->total)) {
    atomic_store(&work->stop, true);
  }
}

static void fill_tile(void *context, size_t task, int worker) {
  job *work = context;
  uint64_t i, j;
  if (atomic_load(&work->stop)) {
    return;
  }
  sht__tile_locate(work->tiles, 0, task, &i, &j);
  if (j < work->apart || i == j) {
    add_products(work, i, j, sht__tile_at(work->tiles, i, j));
  }
  unsigned long long done = atomic_fetch_add(&work->done, 1) + 1;
  if (worker == 0) {
    tell(work, done);
  }
}

static sht_status run(job *work, sht_error *error) {
  size_t tasks = (size_t)sht__tiles_from(work->tiles, 0);
  sht_pool_run(work->gram->pool, tasks, fill_tile, work);
  return atomic_load(&work->stop) ? SHT_FAIL(error, SHT_STOPPED, "stopped while filling the kernel matrix") : SHT_OK;
}

// A block of a side into the panels from `first` on.
static sht_status fill_side(const sht__gram *gram, const sht__side *side, uint64_t block, const sht__panels *panels,
                            uint64_t first, sht_error *error) {
  sht__panels part = {.n = side->n, .width = panels->width, .pairs = sht__panel_pairs_at(panels, first)};
  return sht__spread_fill(gram, side, block, &part, error);
}

static sht_status fill_block(const sht__gram *gram, const sht__side *others, uint64_t block, const sht__panels *panels,
                             sht_error *error) {
  SHT_TRY(fill_side(gram, &gram->train, block, panels, 0, error));
  return others != NULL ? fill_side(gram, others, block, panels, others->place * SHT_TILE_PANELS, error) : SHT_OK;
}

typedef struct turning {
  const job *work;
  uint32_t *to;  // as job.right
} turning;

static void turn_panel(void *context, size_t panel, int worker) {
  (void)worker;
  const turning *t = context;
  t->work->gram->kernels->turn(left_at(t->work, panel), t->to + panel * t->work->right_words,
                               t->work->panels->width / 2);
}

// Features as the right factor, for kernels that want that turned; own: NULL, or what is to be freed.
static sht_status make_right(job *work, uint32_t **own, sht_error *error) {
  const uint64_t pairs = work->panels->width / 2, count = work->tiles->count * SHT_TILE_PANELS;
  *own = NULL;
  work->right = work->panels->pairs;
  work->right_words = pairs * SHT_LANES;
  if (work->gram->kernels->turn == NULL) {
    return SHT_OK;
  }
  work->right_words = sht__block_turned(pairs);
  SHT_TRY(SHT_ALLOC(own, count * work->right_words, "features", error));
  sht_pool_run(work->gram->pool, (size_t)count, turn_panel, &(turning){work, *own});
  work->right = *own;
  return SHT_OK;
}

static sht_status add_block(job *work, sht_error *error) {
  uint32_t *turned = NULL;
  sht_status status = make_right(work, &turned, error);
  if (status == SHT_OK) {
    status = run(work, error);
  }
  sht_free(turned);
  return status;
}

sht_status sht__gram_accumulate(const sht__gram *gram, const sht__side *others, uint64_t first, sht__block_saver saver,
                                void *context, sht__tiles *tiles, sht_error *error) {
  const double count = (double)sht__tiles_from(tiles, 0);
  for (uint64_t block = first; block < gram->map.blocks; block++) {
    sht__panels panels;
    uint64_t left = gram->map.width - block * gram->map.block;
    SHT_TRY(sht__panels_open_pairs(tiles->n, left < gram->map.block ? left : gram->map.block, &panels, error));
    job work = {.gram = gram, .panels = &panels, .tiles = tiles};
    work.apart = others != NULL ? others->place : tiles->count;
    work.done_before = (double)block * count;
    work.total = (double)gram->map.blocks * count;
    sht_status status = fill_block(gram, others, block, &panels, error);
    if (status == SHT_OK) {
      status = add_block(&work, error);
    }
    sht__panels_close(&panels);
    SHT_TRY(status);
    if (saver != NULL) {
      SHT_TRY(saver(context, block + 1, error));
    }
  }
  return SHT_OK;
}

void sht__gram_finish(const sht__gram *gram, double jitter, uint64_t column, sht__tiles *tiles) {
  for (uint64_t j = column; j < tiles->count; j++) {
    for (size_t r = 0; r < SHT_TILE && sht__tile_is_here(tiles, j, j); r++) {
      float *element = &sht__tile_at(tiles, j, j)[sht__tile_place(r, r)];
      *element = (float)(*element + (gram->ridge + jitter));
    }
    if (sht__tile_is_here(tiles, tiles->count - 1, j)) {
      sht__tile_pad(tiles, tiles->count - 1, j);
    }
  }
}

void sht__gram_diagonal(const sht__gram *gram, float *out) {
  const uint64_t n = gram->train.n;
  for (uint64_t i = 0; i < sht__tile_rows(n) * SHT_TILE; i++) {
    double value = i < n ? sht__kernel_diagonal(&gram->function, gram->train.squares[i]) + gram->ridge : 1;
    out[i] = value > 0 ? (float)value : 1;
  }
}

static sht_status open_squares(sht__side *side, sht_error *error) {
  return SHT_ALLOC(&side->squares, sht__tile_rows(side->n) * SHT_TILE, "squared lengths", error);
}

// Squared lengths of the 32 examples of a panel: the diagonal of the panel's product with itself, in the same order of
// sums as the products of tiles, so that equal examples are at distance zero exactly.
static void measure_panel(void *context, size_t panel, int worker) {
  (void)worker;
  sht__side *side = context;
  const sht__block_kernels *kernels = sht__block_choose();
  const float *features = sht__panel_at(&side->panels, panel);
  double products[SHT_BLOCK] __attribute__((aligned(64))) = {0};
  double wide[SHT__CHUNK_F64 * SHT_LANES] __attribute__((aligned(64)));
  for (uint64_t first = 0; first < side->panels.width; first += SHT__CHUNK_F64) {
    uint64_t left = side->panels.width - first, count = left < SHT__CHUNK_F64 ? left : SHT__CHUNK_F64;
    kernels->widen(features + first * SHT_LANES, wide, count * SHT_LANES);
    kernels->multiply_f64(products, wide, wide, count, SHT_LANES);
  }
  for (size_t r = 0; r < SHT_LANES; r++) {
    side->squares[panel * SHT_LANES + r] = products[r * SHT_LANES + r];
  }
}

sht_status sht__side_measure(sht__side *side, sht_pool *pool, sht_error *error) {
  SHT_TRY(open_squares(side, error));
  if (side->panels.fours != NULL) {
    SHT_TRY(SHT_ALLOC(&side->lacks, sht__tile_rows(side->n) * SHT_TILE, "sums of levels", error));
    sht__levels_measure(&side->panels, side->squares, side->lacks);
    return SHT_OK;
  }
  sht_pool_run(pool, (size_t)(sht__tile_rows(side->n) * SHT_TILE_PANELS), measure_panel, side);
  return SHT_OK;
}

sht_status sht__side_measure_tiles(sht__side *side, const sht__tiles *tiles, sht_error *error) {
  SHT_TRY(open_squares(side, error));
  for (uint64_t i = 0; i < side->n; i++) {
    uint64_t j = side->place + i / SHT_TILE, r = i % SHT_TILE;
    side->squares[i] = sht__tile_is_here(tiles, j, j) ? (double)sht__tile_at(tiles, j, j)[sht__tile_place(r, r)] : 0;
  }
  sht__spread_squares(tiles, side);
  return SHT_OK;
}

void sht__side_close(sht__side *side) {
  sht__panels_close(&side->panels);
  sht__feature_file_close(side->made);
  sht_free(side->squares);
  sht_free(side->lacks);
  *side = (sht__side){0};
}
