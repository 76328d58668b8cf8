// The triangle of the kernel matrix in fp32: see gram.h.
#include "kernel/gram.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "base/work.h"
#include "kernel/spread.h"

typedef struct job {
  const sht__gram *gram;
  const sht__panels *panels;  // of the block at hand
  const uint32_t *right;      // the same as products take their right factor: [panels][right_words]
  uint64_t right_words;       // of a panel
  uint32_t *turned;           // where `right` is made; NULL: it is the panels
  sht__tiles *tiles;
  uint64_t apart;      // from this row of tiles on, only diagonal tiles of the columns from it on are wanted
  double done_before;  // of `total`
  double total;
  atomic_ullong done;  // tiles
  atomic_bool stop;
} job;

double sht__gram_flops(uint64_t n, uint64_t width) { return (double)n * (double)n * (double)width; }

static const uint32_t *left_at(const job *work, uint64_t panel) { return sht__panel_pairs_at(work->panels, panel); }
static const uint32_t *right_at(const job *work, uint64_t panel) { return work->right + panel * work->right_words; }

// tile += the inner products of examples 256 i .. with examples 256 j .. over pairs first .. first + count - 1. `ahead`
// words further on the next chunk begins, 0: there is none.
static void add_chunk(const job *work, uint64_t i, uint64_t j, uint64_t first, uint64_t count, uint64_t ahead,
                      float *tile) {
  const uint64_t start = first * SHT_LANES;
  sht__block_walk walk = {.c_step = SHT_PANEL, .a_step = work->panels->width / 2 * SHT_LANES};
  for (uint64_t q = 0; q < SHT_TILE_PANELS; q++) {
    const uint32_t *b = right_at(work, j * SHT_TILE_PANELS + q) + start;
    const uint64_t p = i == j ? q : 0;
    walk.panels = SHT_TILE_PANELS - p;
    walk.ahead[0] = left_at(work, i * SHT_TILE_PANELS + q) + start + ahead;
    walk.ahead[1] = b + ahead;
    walk.piece = ahead / SHT_TILE_PANELS;
    work->gram->kernels->multiply_bf16(tile + p * SHT_PANEL + q * SHT_BLOCK,
                                       left_at(work, i * SHT_TILE_PANELS + p) + start, b, count, &walk);
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

// What is kept from block to block, since clearing it takes time.
typedef struct room {
  sht__panels panels;  // of a block
  uint32_t *turned;    // as job.right; NULL: kernels take panels
} room;

static void close_room(room *r) {
  sht__panels_close(&r->panels);
  sht_free(r->turned);
  *r = (room){0};
}

// Room for blocks of `width` features of n examples in whole tiles.
static sht_status open_room(const sht__gram *gram, uint64_t n, uint64_t width, room *out, sht_error *error) {
  if (out->panels.width == width) {
    return SHT_OK;
  }
  close_room(out);
  SHT_TRY(sht__panels_open_pairs(n, width, &out->panels, error));
  if (gram->kernels->turn == NULL) {
    return SHT_OK;
  }
  return SHT_ALLOC(&out->turned, sht__tile_rows(n) * SHT_TILE_PANELS * sht__block_turned(width / 2), "features", error);
}

static void turn_panel(void *context, size_t panel, int worker) {
  (void)worker;
  const job *work = context;
  work->gram->kernels->turn(left_at(work, panel), work->turned + panel * work->right_words, work->panels->width / 2);
}

// Features as the right factor.
static void make_right(job *work, room *r) {
  const uint64_t pairs = r->panels.width / 2;
  work->panels = &r->panels;
  work->turned = r->turned;
  work->right = r->turned != NULL ? r->turned : r->panels.pairs;
  work->right_words = r->turned != NULL ? sht__block_turned(pairs) : pairs * SHT_LANES;
  if (r->turned != NULL) {
    sht_pool_run(work->gram->pool, (size_t)(work->tiles->count * SHT_TILE_PANELS), turn_panel, work);
  }
}

static sht_status add_block(job *work, const sht__side *others, uint64_t block, room *r, sht_error *error) {
  const sht__gram *gram = work->gram;
  const uint64_t left = gram->map.width - block * gram->map.block;
  const double count = (double)sht__tiles_from(work->tiles, 0);
  SHT_TRY(open_room(gram, work->tiles->n, left < gram->map.block ? left : gram->map.block, r, error));
  SHT_TRY(fill_block(gram, others, block, &r->panels, error));
  make_right(work, r);
  work->apart = others != NULL ? others->place : work->tiles->count;
  work->done_before = (double)block * count;
  work->total = (double)gram->map.blocks * count;
  atomic_store(&work->done, 0);
  return run(work, error);
}

sht_status sht__gram_accumulate(const sht__gram *gram, const sht__side *others, uint64_t first, sht__block_saver saver,
                                void *context, sht__tiles *tiles, sht_error *error) {
  job work = {.gram = gram, .tiles = tiles};
  room r = {0};
  sht_status status = SHT_OK;
  for (uint64_t block = first; block < gram->map.blocks && status == SHT_OK; block++) {
    status = add_block(&work, others, block, &r, error);
    if (status == SHT_OK && saver != NULL) {
      status = saver(context, block + 1, error);
    }
  }
  close_room(&r);
  return status;
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
