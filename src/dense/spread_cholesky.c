// Cholesky factorisation over ranks: see spread_cholesky.h.
#include "dense/spread_cholesky.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "base/work.h"
#include "dense/tile_ops.h"

// Columns of tiles that are held back.
enum { DEPTH = 4 };
static const uint64_t TILE_BYTES = SHT_TILE_SIZE * sizeof(float);

// A column k of the factor as this rank needs it: tiles (i, k) for the rows i of its own tiles, and for their columns.
typedef struct column_tiles {
  float **rows;     // [ceil(N / p)] at i / p
  float **columns;  // [ceil(N / q)] at i / q
} column_tiles;

typedef struct job {
  sht__tiles *tiles;
  const sht__grid *grid;
  const sht__cholesky_options *options;
  const sht__block_kernels *kernels;
  sht_pool *pool;
  const sht_work *work;
  uint64_t rows, columns;    // ceil(N / p), ceil(N / q)
  column_tiles held[DEPTH];  // column k at k mod DEPTH
  float **pointers;          // [DEPTH][rows + columns]
  float *received;           // [DEPTH][rows + columns][SHT_TILE_SIZE] of other ranks
  float *diagonal;           // [SHT_TILE_SIZE] tile (k, k)
  uint32_t *rooms;           // [threads][sht__product_words]
  bool parts;                // see sht__product
  float *first_solved;       // the first tile of the column at hand that is to be solved
  uint64_t first_updated;    // place of the first tile that is to be updated
  uint64_t from, to;         // the columns held that it takes
  atomic_ullong updates;     // tile products done here
  double total;              // of them
  atomic_bool stop;
} job;

// What the rank of tile (k, k) tells all others.
typedef struct pivot_report {
  int bad;  // row of the tile; SHT_TILE: none
  float smallest;
} pivot_report;

uint64_t sht__spread_factor_bytes(const sht_cluster_info *info, uint64_t count) {
  uint64_t rows = count / (uint64_t)info->rows + 1, columns = count / (uint64_t)info->columns + 1;
  return (DEPTH * (rows + columns) + 1) * TILE_BYTES;
}

static sht_status open_job(job *s, sht_error *error) {
  const sht__grid *grid = s->grid;
  s->rows = (grid->count + grid->rows - 1) / grid->rows;
  s->columns = (grid->count + grid->columns - 1) / grid->columns;
  const uint64_t each = s->rows + s->columns;
  SHT_TRY(SHT_ALLOC(&s->pointers, DEPTH * each, "places of tiles", error));
  SHT_TRY(SHT_ALLOC(&s->received, DEPTH * each * SHT_TILE_SIZE, "tiles of other ranks", error));
  SHT_TRY(SHT_ALLOC(&s->rooms, (uint64_t)sht_pool_threads(s->pool) * sht__product_words(s->kernels), "parts of tiles",
                    error));
  SHT_TRY(SHT_ALLOC(&s->diagonal, SHT_TILE_SIZE, "a tile of another rank", error));
  s->parts = sht__product_has_parts(s->kernels, s->options->diagonal, grid->count * SHT_TILE);
  for (uint64_t w = 0; w < DEPTH; w++) {
    s->held[w].rows = s->pointers + w * each;
    s->held[w].columns = s->held[w].rows + s->rows;
  }
  for (uint64_t t = 0; t < grid->held; t++) {
    const uint64_t j = grid->where[t].j;
    s->total += j > s->options->lead ? (double)(j - s->options->lead) : 0;
  }
  return SHT_OK;
}

static void close_job(job *s) {
  sht_free(s->pointers);
  sht_free(s->received);
  sht_free(s->diagonal);
  sht_free(s->rooms);
}

static void tell(job *s) {
  if (sht__work_tell(s->work, "factorisation", (double)atomic_load(&s->updates), s->total)) {
    atomic_store(&s->stop, true);
  }
}

// Factors tile (k, k) where it is; all learn how that went.
static pivot_report factor_diagonal(job *s, uint64_t k) {
  pivot_report report = {.bad = SHT_TILE, .smallest = 1};
  if (sht__grid_has(s->grid, k, k)) {
    report.bad = sht__tile_factor(s->kernels, sht__tile_at(s->tiles, k, k), s->options->diagonal + k * SHT_TILE,
                                  s->options->floor, &report.smallest);
  }
  sht__cluster_broadcast(s->grid->cluster, SHT_CLUSTER_ALL, sht__grid_rank(s->grid, k, k), &report, sizeof report);
  return report;
}

static void solve_task(void *context, size_t task, int worker) {
  (void)worker;
  job *s = context;
  sht__tile_solve(s->kernels, s->first_solved + task * SHT_TILE_SIZE, s->diagonal);
}

// The tiles below (k, k), by the ranks that have them.
static void solve_column(job *s, uint64_t k) {
  const sht__grid *grid = s->grid;
  if (k % grid->columns != grid->column) {
    return;
  }
  if (sht__grid_has(grid, k, k)) {
    const float *own = sht__tile_at(s->tiles, k, k);
    for (size_t e = 0; e < SHT_TILE_SIZE; e++) {
      s->diagonal[e] = own[e];
    }
  }
  sht__cluster_broadcast(grid->cluster, SHT_CLUSTER_COLUMN, (int)(k % grid->rows), s->diagonal, TILE_BYTES);
  const uint64_t first = grid->start[k] + (sht__grid_has(grid, k, k) ? 1 : 0);
  s->first_solved = s->tiles->data + first * SHT_TILE_SIZE;
  sht_pool_run(s->pool, (size_t)(grid->start[k + 1] - first), solve_task, s);
}

// Column k along the rows of the grid: each rank gets the tiles of its row.
static void pass_along_rows(job *s, uint64_t k) {
  const sht__grid *grid = s->grid;
  const uint64_t w = k % DEPTH, first = sht__grid_rows_before(grid, k + 1);
  const uint64_t count = sht__grid_rows_before(grid, grid->count) - first;
  float *tiles = s->received + (w * (s->rows + s->columns) + first) * SHT_TILE_SIZE;
  if (k % grid->columns == grid->column) {
    tiles = s->tiles->data + (grid->start[k + 1] - count) * SHT_TILE_SIZE;
  }
  sht__cluster_broadcast(grid->cluster, SHT_CLUSTER_ROW, (int)(k % grid->columns), tiles, count * TILE_BYTES);
  for (uint64_t t = 0; t < count; t++) {
    s->held[w].rows[first + t] = tiles + t * SHT_TILE_SIZE;
  }
}

// Then along its columns: each rank gets tile (i, k) for its columns i from the rank that has row i.
static void pass_along_columns(job *s, uint64_t k) {
  const sht__grid *grid = s->grid;
  const uint64_t w = k % DEPTH;
  float *received = s->received + (w * (s->rows + s->columns) + s->rows) * SHT_TILE_SIZE;
  for (uint64_t i = sht__grid_column_from(grid, k + 1); i < grid->count; i += grid->columns) {
    const uint64_t place = i / grid->columns;
    bool own = i % grid->rows == grid->row;
    float *tile = own ? s->held[w].rows[i / grid->rows] : received + place * SHT_TILE_SIZE;
    sht__cluster_broadcast(grid->cluster, SHT_CLUSTER_COLUMN, (int)(i % grid->rows), tile, TILE_BYTES);
    s->held[w].columns[place] = tile;
  }
}

static void update_task(void *context, size_t task, int worker) {
  job *s = context;
  if (atomic_load_explicit(&s->stop, memory_order_relaxed)) {
    return;
  }
  const uint64_t place = s->first_updated + task;
  const uint64_t i = s->grid->where[place].i, j = s->grid->where[place].j;
  float *tile = s->tiles->data + place * SHT_TILE_SIZE;
  sht__product product = {
      .kernels = s->kernels, .parts = s->parts, .room = s->rooms + (size_t)worker * sht__product_words(s->kernels)};
  for (uint64_t w = s->from; w < s->to; w++) {
    const float *left = s->held[w].rows[i / s->grid->rows];
    sht__product_begin(&product, i == j ? left : s->held[w].columns[j / s->grid->columns]);
    sht__product_subtract(&product, tile, left, i == j, NULL);
  }
  (void)atomic_fetch_add(&s->updates, s->to - s->from);
  if (worker == 0) {
    tell(s);
  }
}

// Takes the held columns from .. to-1 off the tiles of columns first .. last-1.
static void update(job *s, uint64_t first, uint64_t last, uint64_t from, uint64_t to) {
  s->from = from;
  s->to = to;
  s->first_updated = s->grid->start[first];
  sht_pool_run(s->pool, (size_t)(s->grid->start[last] - s->first_updated), update_task, s);
}

static sht_status factor_columns(job *s, sht__cholesky_result *result, sht_error *error) {
  const uint64_t count = s->grid->count, lead = s->options->lead;
  for (uint64_t k = lead; k < count; k++) {
    pivot_report report = factor_diagonal(s, k);
    result->smallest_pivot = report.smallest < result->smallest_pivot ? report.smallest : result->smallest_pivot;
    if (report.bad < SHT_TILE) {
      result->failed_row = k * SHT_TILE + (uint64_t)report.bad;
      return SHT_OK;
    }
    solve_column(s, k);
    pass_along_rows(s, k);
    pass_along_columns(s, k);
    const uint64_t w = k % DEPTH, end = k - w + DEPTH < count ? k - w + DEPTH : count;
    update(s, k + 1, end, w, w + 1);
    if (k + 1 == end) {
      update(s, end, count, k - w < lead ? lead % DEPTH : 0, w + 1);
    }
    tell(s);
    if (atomic_load(&s->stop)) {
      return SHT_FAIL(error, SHT_STOPPED, "the factorisation was stopped after %llu of %llu columns of tiles",
                      (unsigned long long)k, (unsigned long long)count);
    }
    result->columns = k + 1;
  }
  result->complete = true;
  return SHT_OK;
}

sht_status sht__spread_factor(sht__tiles *tiles, const sht__cholesky_options *options, sht_pool *pool,
                              const sht_work *work, sht__cholesky_result *result, sht_error *error) {
  job s = {.tiles = tiles,
           .grid = tiles->grid,
           .options = options,
           .kernels = sht__block_choose(),
           .pool = pool,
           .work = work};
  *result =
      (sht__cholesky_result){.columns = options->lead, .smallest_pivot = options->lead > 0 ? options->smallest : 1};
  sht_status status = open_job(&s, error);
  if (status == SHT_OK) {
    status = factor_columns(&s, result, error);
  }
  close_job(&s);
  return status;
}
