// Leading columns in double: see lead.h.
#include "kernel/lead.h"

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "dense/small.h"

// Columns of tiles. Each costs as much as 256 features more would, and one does most of what four do.
enum { LEAD = 2 };

typedef struct job {
  const sht__gram *gram;
  const sht__lead *lead;
  sht__tiles *tiles;
  double shift;     // of the diagonal
  double *scratch;  // [threads][SHT_TILE_SIZE + SHT__TILE_F64_SCRATCH]
  double *factor;   // [SHT_TILE_SIZE] of the diagonal tile of column `column`
  double *square;   // [256][256] the same in rows
  uint64_t column;
  double total;  // tiles
  atomic_ullong done;
  atomic_bool stop;
} job;

static uint64_t columns_of(uint64_t count) { return count < LEAD ? count : LEAD; }

double sht__lead_flops(uint64_t n, uint64_t width) {
  const double columns = (double)(columns_of(sht__tile_rows(n)) * SHT_TILE);
  return sht__gram_flops(n, width) + (double)n * (double)n * columns;
}

uint64_t sht__lead_bytes(uint64_t n, int ranks) {
  return ranks > 1 ? LEAD * sht__tile_rows(n) * SHT_TILE_SIZE * sizeof(float) : 0;
}

sht_status sht__lead_open(const sht__tiles *tiles, sht__lead *out, sht_error *error) {
  *out = (sht__lead){.columns = columns_of(tiles->count), .tiles = *tiles};
  if (tiles->grid == NULL) {
    return SHT_OK;
  }
  SHT_TRY(SHT_ALLOC(&out->copy, out->columns * tiles->count * SHT_TILE_SIZE, "the first columns of the factor", error));
  out->tiles.data = out->copy;
  out->tiles.grid = NULL;
  return SHT_OK;
}

void sht__lead_close(sht__lead *lead) {
  sht_free(lead->copy);
  *lead = (sht__lead){0};
}

static sht_status open_job(job *work, sht_error *error) {
  const uint64_t each = SHT_TILE_SIZE + SHT__TILE_F64_SCRATCH, threads = (uint64_t)sht_pool_threads(work->gram->pool);
  return SHT_ALLOC(&work->scratch, threads * each, "tiles in double", error);
}

static double *scratch_of(const job *work, int worker) {
  return work->scratch + (size_t)worker * (SHT_TILE_SIZE + SHT__TILE_F64_SCRATCH);
}

static void finish_tile(job *work, int worker) {
  (void)atomic_fetch_add(&work->done, 1);
  if (worker == 0 && sht__work_tell(work->gram->work, "kernel matrix", (double)atomic_load(&work->done), work->total)) {
    atomic_store(&work->stop, true);
  }
}

static sht_status stopped(job *work, sht_error *error) {
  return atomic_load(&work->stop) ? SHT_FAIL(error, SHT_STOPPED, "stopped while filling the kernel matrix") : SHT_OK;
}

static void negate(double *values) {
  for (size_t e = 0; e < SHT_TILE_SIZE; e++) {
    values[e] = -values[e];
  }
}

// sums += a b^T for the columns first .. of two tiles in fp32. wide: [2][8][SHT__CHUNK_F64][32].
static void add_chunk(const sht__block_kernels *kernels, const float *a, const float *b, uint64_t first, double *sums,
                      double *wide) {
  enum { CHUNK = SHT__CHUNK_F64 * SHT_LANES };
  double *wide_a = wide, *wide_b = wide + (size_t)SHT_TILE_PANELS * CHUNK;
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    kernels->widen(a + p * SHT_PANEL + first * SHT_LANES, wide_a + p * CHUNK, CHUNK);
    kernels->widen(b + p * SHT_PANEL + first * SHT_LANES, wide_b + p * CHUNK, CHUNK);
  }
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
      kernels->multiply_f64(sums + p * SHT_PANEL + q * SHT_BLOCK, wide_a + p * CHUNK, wide_b + q * CHUNK,
                            SHT__CHUNK_F64, SHT_LANES);
    }
  }
}

void sht__lead_remainder(const sht__gram *gram, const sht__lead *lead, uint64_t before, uint64_t i, uint64_t j,
                         double *tile, double *scratch) {
  sht__gram_tile_f64(gram, &gram->train, i, j, tile, scratch);
  negate(tile);
  for (uint64_t k = 0; k < before; k++) {
    const float *a = sht__tile_at(&lead->tiles, i, k), *b = sht__tile_at(&lead->tiles, j, k);
    for (uint64_t first = 0; first < SHT_TILE; first += SHT__CHUNK_F64) {
      add_chunk(gram->kernels, a, b, first, tile, scratch);
    }
  }
  negate(tile);
}

static void round_tile(const double *from, float *to) {
  for (size_t e = 0; e < SHT_TILE_SIZE; e++) {
    to[e] = (float)from[e];
  }
}

// Rows from n on: zeros, and the identity where they meet the diagonal.
static void pad(const job *work, uint64_t i, uint64_t j, double *tile) {
  const uint64_t first = i * SHT_TILE, n = work->tiles->n;
  for (size_t r = n > first ? n - first : 0; r < SHT_TILE; r++) {
    for (size_t c = 0; c < SHT_TILE; c++) {
      tile[sht__tile_place(r, c)] = i == j && r == c;
    }
  }
}

// The first row of the diagonal tile whose pivot is not above `floor` of the diagonal, or 256; *smallest as in
// sht__tile_factor. factored: rows of work->square that have a pivot.
static size_t first_bad(const job *work, size_t factored, const float *diagonal, float floor, float *smallest) {
  for (size_t r = 0; r < factored; r++) {
    double root = work->square[r * SHT_TILE + r], quotient = root * root / (double)diagonal[r];
    if (!(quotient > (double)floor)) {
      return r;
    }
    *smallest = quotient < (double)*smallest ? (float)quotient : *smallest;
  }
  return factored;
}

// Tile (k, k) into work->factor and the lead; the row that failed, or 256.
static size_t factor_diagonal(job *work, uint64_t k, const float *diagonal, float floor, float *smallest) {
  double *tile = scratch_of(work, 0);
  sht__lead_remainder(work->gram, work->lead, k, k, k, tile, tile + SHT_TILE_SIZE);
  for (size_t r = 0; r < SHT_TILE; r++) {
    tile[sht__tile_place(r, r)] += work->shift;
  }
  pad(work, k, k, tile);
  for (size_t r = 0; r < SHT_TILE; r++) {
    for (size_t c = 0; c <= r; c++) {
      work->square[r * SHT_TILE + c] = tile[sht__tile_place(r, c)];
    }
  }
  const size_t factored = sht__small_factor(work->square, SHT_TILE);
  const size_t bad = first_bad(work, factored, diagonal + k * SHT_TILE, floor, smallest);
  for (size_t r = 0; r < SHT_TILE && bad == SHT_TILE; r++) {
    for (size_t c = 0; c < SHT_TILE; c++) {
      work->factor[sht__tile_place(r, c)] = c <= r ? work->square[r * SHT_TILE + c] : 0;
    }
  }
  round_tile(work->factor, sht__tile_at(&work->lead->tiles, k, k));
  return bad;
}

// x <- x l^-T for the block of 32 columns of a panel: x [32 columns][32 rows], l [32 columns][32 rows].
static void solve_block(double *x, const double *l) {
  for (size_t c = 0; c < SHT_LANES; c++) {
    for (size_t m = 0; m < c; m++) {
      for (size_t r = 0; r < SHT_LANES; r++) {
        x[c * SHT_LANES + r] -= x[m * SHT_LANES + r] * l[m * SHT_LANES + c];
      }
    }
    for (size_t r = 0; r < SHT_LANES; r++) {
      x[c * SHT_LANES + r] /= l[c * SHT_LANES + c];
    }
  }
}

// x <- x l^-T; x: [256 columns][32 rows], l: a tile in double.
static void solve_panel(const sht__block_kernels *kernels, double *x, const double *l) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    double sums[SHT_BLOCK] __attribute__((aligned(64))) = {0};
    kernels->multiply_f64(sums, x, l + q * SHT_PANEL, q * SHT_LANES, SHT_LANES);
    for (size_t e = 0; e < SHT_BLOCK; e++) {
      x[q * SHT_BLOCK + e] -= sums[e];
    }
    solve_block(x + q * SHT_BLOCK, l + q * SHT_PANEL + q * SHT_BLOCK);
  }
}

// Tile (k + 1 + task, k).
static void solve_task(void *context, size_t task, int worker) {
  job *work = context;
  if (atomic_load(&work->stop)) {
    return;
  }
  const uint64_t k = work->column, i = k + 1 + task;
  double *tile = scratch_of(work, worker);
  sht__lead_remainder(work->gram, work->lead, k, i, k, tile, tile + SHT_TILE_SIZE);
  pad(work, i, k, tile);
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    solve_panel(work->gram->kernels, tile + p * SHT_PANEL, work->factor);
  }
  round_tile(tile, sht__tile_at(&work->lead->tiles, i, k));
  finish_tile(work, worker);
}

// Own tiles out of the copy that every rank has.
static void take_own_tiles(const job *work) {
  for (uint64_t k = 0; k < work->lead->columns && work->lead->copy != NULL; k++) {
    for (uint64_t i = k; i < work->tiles->count; i++) {
      if (sht__tile_is_here(work->tiles, i, k)) {
        memcpy(sht__tile_at(work->tiles, i, k), sht__tile_at(&work->lead->tiles, i, k), SHT_TILE_SIZE * sizeof(float));
      }
    }
  }
}

static sht_status factor_columns(job *work, const float *diagonal, float floor, sht__cholesky_result *result,
                                 sht_error *error) {
  for (uint64_t k = 0; k < work->lead->columns; k++) {
    work->column = k;
    const size_t bad = factor_diagonal(work, k, diagonal, floor, &result->smallest_pivot);
    if (bad < SHT_TILE) {
      result->failed_row = k * SHT_TILE + bad;
      return SHT_OK;
    }
    sht_pool_run(work->gram->pool, (size_t)(work->tiles->count - k - 1), solve_task, work);
    SHT_TRY(stopped(work, error));
    result->columns = k + 1;
  }
  take_own_tiles(work);
  result->complete = true;
  return SHT_OK;
}

sht_status sht__lead_factor(const sht__gram *gram, double jitter, const float *diagonal, float floor,
                            const sht__lead *lead, sht__tiles *tiles, sht__cholesky_result *result, sht_error *error) {
  job work = {.gram = gram, .lead = lead, .tiles = tiles, .shift = gram->ridge + jitter};
  work.total = 0.5 * (double)(tiles->count * (tiles->count + 1));
  *result = (sht__cholesky_result){.smallest_pivot = 1};
  sht_status status = open_job(&work, error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&work.factor, SHT_TILE_SIZE, "a tile in double", error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&work.square, SHT_TILE_SIZE, "a tile in double", error);
  }
  if (status == SHT_OK) {
    status = factor_columns(&work, diagonal, floor, result, error);
  }
  sht_free(work.scratch);
  sht_free(work.factor);
  sht_free(work.square);
  return status;
}

static void fill_task(void *context, size_t task, int worker) {
  job *work = context;
  uint64_t i, j;
  if (atomic_load(&work->stop)) {
    return;
  }
  sht__tile_locate(work->tiles, work->column, task, &i, &j);
  double *tile = scratch_of(work, worker);
  if (j >= work->lead->columns) {
    sht__lead_remainder(work->gram, work->lead, work->lead->columns, i, j, tile, tile + SHT_TILE_SIZE);
    round_tile(tile, sht__tile_at(work->tiles, i, j));
  }
  finish_tile(work, worker);
}

sht_status sht__lead_fill(const sht__gram *gram, const sht__lead *lead, uint64_t column, sht__tiles *tiles,
                          sht_error *error) {
  job work = {.gram = gram, .lead = lead, .tiles = tiles, .column = column};
  const uint64_t tasks = sht__tiles_from(tiles, column);
  const uint64_t before = tiles->grid == NULL ? sht__tiles_from(tiles, 0) - tasks : 0;
  work.total = (double)(before + tasks);
  atomic_store(&work.done, before);
  sht_status status = open_job(&work, error);
  if (status == SHT_OK) {
    sht_pool_run(gram->pool, (size_t)tasks, fill_task, &work);
    status = stopped(&work, error);
  }
  sht_free(work.scratch);
  return status;
}
