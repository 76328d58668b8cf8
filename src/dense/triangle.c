// Solves and products with a Cholesky factor: see triangle.h.
#include "dense/triangle.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "dense/spread_triangle.h"
#include "dense/tile_ops.h"

// One step of a solve or product: all tiles of one row or column of the factor.
typedef struct step {
  const sht__triangle *triangle;
  uint64_t k;  // the row or column
  float *x;    // [N][256][32]
  float *y;    // [N][256][32]
} step;

sht_status sht__triangle_open(const sht__tiles *factor, sht_pool *pool, sht__triangle *out, sht_error *error) {
  *out = (sht__triangle){.factor = factor, .pool = pool, .kernels = sht__block_choose()};
  if (factor->grid != NULL) {
    return SHT_ALLOC(&out->panels, sht__spread_panels(factor->grid), "panels of right-hand sides", error);
  }
  return SHT_OK;
}

void sht__triangle_close(sht__triangle *triangle) {
  sht_free(triangle->panels);
  triangle->panels = NULL;
}

// x_i -= L_ik x_k, rows i below k.
static void forward_task(void *context, size_t task, int worker) {
  (void)worker;
  step *s = context;
  uint64_t i = s->k + 1 + task;
  sht__panel_multiply(s->triangle->kernels, s->x + i * SHT_PANEL, s->x + s->k * SHT_PANEL,
                      sht__tile_at(s->triangle->factor, i, s->k), -1);
}

// x_i -= L_ki^T x_k, rows i above k.
static void backward_task(void *context, size_t task, int worker) {
  (void)worker;
  step *s = context;
  sht__panel_multiply_turned(s->triangle->kernels, s->x + task * SHT_PANEL, s->x + s->k * SHT_PANEL,
                             sht__tile_at(s->triangle->factor, s->k, task), -1);
}

sht_status sht__triangle_solve(const sht__triangle *triangle, float *x, sht_error *error) {
  const sht__tiles *factor = triangle->factor;
  if (triangle->far.context != NULL) {
    return triangle->far.solve(triangle->far.context, x, error);
  }
  if (factor->grid != NULL) {
    sht__spread_solve(triangle, x);
    return SHT_OK;
  }
  for (uint64_t k = 0; k < factor->count; k++) {
    sht__panel_solve_transposed(triangle->kernels, x + k * SHT_PANEL, sht__tile_at(factor, k, k));
    step s = {.triangle = triangle, .k = k, .x = x};
    sht_pool_run(triangle->pool, factor->count - 1 - k, forward_task, &s);
  }
  for (uint64_t k = factor->count; k-- > 0;) {
    sht__panel_solve(triangle->kernels, x + k * SHT_PANEL, sht__tile_at(factor, k, k));
    step s = {.triangle = triangle, .k = k, .x = x};
    sht_pool_run(triangle->pool, k, backward_task, &s);
  }
  return SHT_OK;
}

// y_j = sum over i >= j of L_ij^T x_i.
static void turned_product_task(void *context, size_t j, int worker) {
  (void)worker;
  step *s = context;
  memset(s->y + j * SHT_PANEL, 0, SHT_PANEL * sizeof(float));
  for (uint64_t i = j; i < s->triangle->factor->count; i++) {
    sht__panel_multiply_turned(s->triangle->kernels, s->y + j * SHT_PANEL, s->x + i * SHT_PANEL,
                               sht__tile_at(s->triangle->factor, i, j), 1);
  }
}

// x_i = sum over j <= i of L_ij y_j.
static void product_task(void *context, size_t i, int worker) {
  (void)worker;
  step *s = context;
  memset(s->x + i * SHT_PANEL, 0, SHT_PANEL * sizeof(float));
  for (uint64_t j = 0; j <= i; j++) {
    sht__panel_multiply(s->triangle->kernels, s->x + i * SHT_PANEL, s->y + j * SHT_PANEL,
                        sht__tile_at(s->triangle->factor, i, j), 1);
  }
}

sht_status sht__triangle_product(const sht__triangle *triangle, float *x, float *y, sht_error *error) {
  step s = {.triangle = triangle, .x = x, .y = y};
  if (triangle->far.context != NULL) {
    return triangle->far.product(triangle->far.context, x, y, error);
  }
  if (triangle->factor->grid != NULL) {
    sht__spread_product(triangle, x, y);
    return SHT_OK;
  }
  sht_pool_run(triangle->pool, triangle->factor->count, turned_product_task, &s);
  sht_pool_run(triangle->pool, triangle->factor->count, product_task, &s);
  memcpy(y, x, sht__sides_size(triangle->factor) * sizeof *y);
  return SHT_OK;
}

// Columns of tiles of the inverse of L, each in its worker's scratch; only the sums of their squares are kept.
typedef struct inversion {
  const sht__triangle *triangle;
  const sht_work *work;
  float *columns;   // [threads][N][SHT_TILE_SIZE]: of one column of tiles, turned: [32 columns of it a panel]
  uint32_t *rooms;  // [threads][sht__product_words]
  double *out;      // [n]
  atomic_ullong done;
  double total;  // tile products
  atomic_bool stop;
} inversion;

static void tell(inversion *job) {
  if (sht__work_tell(job->work, "diagonal of the inverse", (double)atomic_load(&job->done), job->total)) {
    atomic_store(&job->stop, true);
  }
}

static void set_identity(float *tile) {
  memset(tile, 0, SHT_TILE_SIZE * sizeof *tile);
  for (size_t i = 0; i < SHT_TILE; i++) {
    tile[sht__tile_place(i, i)] = 1;
  }
}

// Adds the squares of a turned tile's rows, which are columns of the inverse.
static void add_squares(const float *tile, double sums[SHT_TILE]) {
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    for (size_t c = 0; c < SHT_TILE; c++) {
      for (size_t r = 0; r < SHT_LANES; r++) {
        double value = tile[p * SHT_PANEL + c * SHT_LANES + r];
        sums[p * SHT_LANES + r] += value * value;
      }
    }
  }
}

// Column j of L^-1 from the top down, turned: X_i = (E_ij - sum over m < i of X_m L_im^T) L_ii^-T.
static void invert_column(void *context, size_t j, int worker) {
  inversion *job = context;
  const sht__triangle *triangle = job->triangle;
  const uint64_t count = triangle->factor->count, n = triangle->factor->n;
  float *column = job->columns + (size_t)worker * count * SHT_TILE_SIZE;
  sht__product product = {.kernels = triangle->kernels,
                          .parts = triangle->kernels->split != NULL,
                          .room = job->rooms + (size_t)worker * sht__product_words(triangle->kernels)};
  double sums[SHT_TILE] = {0};
  for (uint64_t i = j; i < count && !atomic_load(&job->stop); i++) {
    float *tile = column + i * SHT_TILE_SIZE;
    memset(tile, 0, SHT_TILE_SIZE * sizeof *tile);
    if (i == j) {
      set_identity(tile);
    }
    for (uint64_t m = j; m < i; m++) {
      sht__product_begin(&product, sht__tile_at(triangle->factor, i, m));
      sht__product_subtract(&product, tile, column + m * SHT_TILE_SIZE, false, column + (m + 1) * SHT_TILE_SIZE);
    }
    sht__tile_solve(triangle->kernels, tile, sht__tile_at(triangle->factor, i, i));
    add_squares(tile, sums);
    (void)atomic_fetch_add(&job->done, i - j + 1);
    if (worker == 0) {
      tell(job);
    }
  }
  for (size_t r = 0; r < SHT_TILE && j * SHT_TILE + r < n; r++) {
    job->out[j * SHT_TILE + r] = sums[r];
  }
}

sht_status sht__triangle_inverse_diagonal(const sht__triangle *triangle, const sht_work *work, double *out,
                                          sht_error *error) {
  const uint64_t count = triangle->factor->count;
  inversion job = {.triangle = triangle, .work = work, .out = out};
  for (uint64_t j = 0; j < count; j++) {
    job.total += (double)(count - j) * (double)(count - j + 1) / 2;
  }
  SHT_TRY(SHT_ALLOC(&job.columns, (uint64_t)sht_pool_threads(triangle->pool) * count * SHT_TILE_SIZE,
                    "columns of the inverse", error));
  sht_status status =
      SHT_ALLOC(&job.rooms, (uint64_t)sht_pool_threads(triangle->pool) * sht__product_words(triangle->kernels),
                "parts of tiles", error);
  if (status == SHT_OK) {
    sht_pool_run(triangle->pool, count, invert_column, &job);
  }
  sht_free(job.rooms);
  sht_free(job.columns);
  SHT_TRY(status);
  return atomic_load(&job.stop) ? SHT_FAIL(error, SHT_STOPPED, "stopped while inverting the factor") : SHT_OK;
}
