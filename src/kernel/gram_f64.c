// Products with the kernel matrix in double, stored features: see gram.h.
//
// A tile of K is computed once and used twice, for its own rows and, transposed, for those of its mirror image. Tiles
// go row by row. Within a row each task adds to the sums of its own column of tiles; what it gives to the row's own
// sums goes into a slot, and the slots are added in order when the row is done: the same bits at any number of threads.
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "kernel/gram.h"
#include "kernel/gram_stream.h"
#include "kernel/sides.h"

enum {
  WIDE_CHUNK = SHT_TILE_PANELS * SHT__CHUNK_F64 * SHT_LANES,
  SCRATCH = SHT_TILE_SIZE + 2 * WIDE_CHUNK + SHT_BLOCK
};

typedef struct product {
  const sht__gram *gram;
  const sht__side *side;  // along the rows; the training examples, or others
  sht__sides in, sums;
  double *slots;    // [N][groups][8][32][32]
  double *scratch;  // [threads][SCRATCH]
  uint64_t row;     // of tiles
  const char *phase;
  atomic_ullong done;
  double total;
  atomic_bool stop;
} product;

// Panels i*8 .. i*8+7, features first .. first+count-1, widened: to: [8][count][32].
static void widen_chunk(const sht__block_kernels *kernels, const sht__panels *panels, uint64_t i, uint64_t first,
                        uint64_t count, double *to) {
  for (uint64_t p = 0; p < SHT_TILE_PANELS; p++) {
    kernels->widen(sht__panel_at(panels, i * SHT_TILE_PANELS + p) + first * SHT_LANES, to + p * count * SHT_LANES,
                   count * SHT_LANES);
  }
}

// tile [8][256][32] <- k(rows 256 i .. of the side, training examples 256 j ..). scratch: [2 * WIDE_CHUNK].
static void make_tile(const product *job, uint64_t i, uint64_t j, double *tile, double *scratch) {
  const sht__gram *gram = job->gram;
  const sht__panels *rows = &job->side->panels, *columns = &gram->train.panels;
  double *a = scratch, *b = scratch + WIDE_CHUNK;
  memset(tile, 0, SHT_TILE_SIZE * sizeof *tile);
  for (uint64_t first = 0; first < columns->width; first += SHT__CHUNK_F64) {
    uint64_t left = columns->width - first, count = left < SHT__CHUNK_F64 ? left : SHT__CHUNK_F64;
    widen_chunk(gram->kernels, rows, i, first, count, a);
    widen_chunk(gram->kernels, columns, j, first, count, b);
    for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
      for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
        gram->kernels->multiply_f64(tile + p * SHT_PANEL + q * SHT_BLOCK, a + p * count * SHT_LANES,
                                    b + q * count * SHT_LANES, count, SHT_LANES);
      }
    }
  }
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    sht__kernel_apply_f64(&gram->function, gram->kernels, tile + p * SHT_PANEL,
                          job->side->squares_f64 + (i * SHT_TILE_PANELS + p) * SHT_LANES,
                          gram->train.squares_f64 + j * SHT_TILE, SHT_TILE);
  }
}

// sums [groups][8][32][32], `stride` doubles from a group to the next, += tile times rows 256 j .. of `in`.
static void multiply_rows(const product *job, const double *tile, uint64_t j, double *sums, uint64_t stride) {
  for (uint64_t g = 0; g < job->in.groups; g++) {
    for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
      job->gram->kernels->multiply_f64(sums + g * stride + p * SHT_BLOCK, tile + p * SHT_PANEL,
                                       sht__sides_row(&job->in, g, j * SHT_TILE), SHT_TILE,
                                       sht__sides_used(&job->in, g));
    }
  }
}

static void turn_block(const double *from, double *to) {
  for (size_t c = 0; c < SHT_LANES; c++) {
    for (size_t r = 0; r < SHT_LANES; r++) {
      to[r * SHT_LANES + c] = from[c * SHT_LANES + r];
    }
  }
}

// Sums of the rows 256 j .. += tile^T times rows 256 i .. of `in`. turned: [SHT_BLOCK].
static void multiply_columns(product *job, const double *tile, uint64_t i, uint64_t j, double *turned) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
      turn_block(tile + p * SHT_PANEL + q * SHT_BLOCK, turned);
      for (uint64_t g = 0; g < job->in.groups; g++) {
        job->gram->kernels->multiply_f64(sht__sides_panel(&job->sums, g, j * SHT_TILE_PANELS + q), turned,
                                         sht__sides_row(&job->in, g, i * SHT_TILE + p * SHT_LANES), SHT_LANES,
                                         sht__sides_used(&job->in, g));
      }
    }
  }
}

static void tell(product *job) {
  if (sht__work_tell(job->gram->work, job->phase, (double)atomic_load(&job->done), job->total)) {
    atomic_store(&job->stop, true);
  }
}

static void finish_tile(product *job, int worker) {
  (void)atomic_fetch_add(&job->done, 1);
  if (worker == 0) {
    tell(job);
  }
}

static void symmetric_task(void *context, size_t j, int worker) {
  product *job = context;
  if (atomic_load(&job->stop)) {
    return;
  }
  const uint64_t slot = job->in.groups * SHT_PANEL;
  double *tile = job->scratch + (size_t)worker * SCRATCH, *rest = tile + SHT_TILE_SIZE;
  make_tile(job, job->row, j, tile, rest);
  memset(job->slots + j * slot, 0, slot * sizeof *job->slots);
  multiply_rows(job, tile, j, job->slots + j * slot, SHT_PANEL);
  if (j != job->row) {
    multiply_columns(job, tile, job->row, j, rest + (size_t)2 * WIDE_CHUNK);
  }
  finish_tile(job, worker);
}

static void add_slots(product *job) {
  for (uint64_t j = 0; j <= job->row; j++) {
    for (uint64_t g = 0; g < job->in.groups; g++) {
      const double *from = job->slots + (j * job->in.groups + g) * SHT_PANEL;
      double *to = sht__sides_panel(&job->sums, g, job->row * SHT_TILE_PANELS);
      for (size_t e = 0; e < SHT_PANEL; e++) {
        to[e] += from[e];
      }
    }
  }
}

static sht_status open_product(product *job, const double *v, uint64_t columns, sht_error *error) {
  const sht__gram *gram = job->gram;
  uint64_t threads = (uint64_t)sht_pool_threads(gram->pool);
  SHT_TRY(sht__sides_open(gram->train.n, columns, &job->in, error));
  SHT_TRY(sht__sides_open(job->side->n, columns, &job->sums, error));
  SHT_TRY(SHT_ALLOC(&job->scratch, threads * SCRATCH, "tiles in double", error));
  sht__sides_load(&job->in, v);
  return SHT_OK;
}

static void close_product(product *job) {
  sht__sides_close(&job->in);
  sht__sides_close(&job->sums);
  sht_free(job->slots);
  sht_free(job->scratch);
}

static sht_status stopped(const product *job, sht_error *error) {
  return atomic_load(&job->stop) ? SHT_FAIL(error, SHT_STOPPED, "stopped in a product with the kernel matrix") : SHT_OK;
}

static sht_status multiply_stored(const sht__gram *gram, const double *v, double *out, uint64_t columns,
                                  sht_error *error) {
  const uint64_t count = sht__tile_rows(gram->train.n);
  product job = {.gram = gram, .side = &gram->train, .phase = "solution"};
  const uint64_t tasks = count * (count + 1) / 2;
  job.total = (double)tasks;
  sht_status status = open_product(&job, v, columns, error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&job.slots, count * job.in.groups * SHT_PANEL, "sums of tiles", error);
  }
  if (status == SHT_OK) {
    for (job.row = 0; job.row < count && !atomic_load(&job.stop); job.row++) {
      sht_pool_run(gram->pool, (size_t)job.row + 1, symmetric_task, &job);
      add_slots(&job);
    }
    sht__sides_store(&job.sums, v, gram->ridge, out);
    status = stopped(&job, error);
  }
  close_product(&job);
  return status;
}

sht_status sht__gram_multiply(void *context, const double *v, double *out, uint64_t columns, sht_error *error) {
  const sht__gram *gram = context;
  if (gram->streamed) {
    return sht__stream_multiply(gram, NULL, v, gram->ridge, out, columns, error);
  }
  return multiply_stored(gram, v, out, columns, error);
}

static void predict_task(void *context, size_t i, int worker) {
  product *job = context;
  double *tile = job->scratch + (size_t)worker * SCRATCH;
  for (uint64_t j = 0; j < sht__tile_rows(job->gram->train.n) && !atomic_load(&job->stop); j++) {
    make_tile(job, i, j, tile, tile + SHT_TILE_SIZE);
    multiply_rows(job, tile, j, sht__sides_panel(&job->sums, 0, i * SHT_TILE_PANELS), job->sums.rows * SHT_LANES);
    finish_tile(job, worker);
  }
}

sht_status sht__gram_predict(const sht__gram *gram, const sht__side *test, const double *v, double *out,
                             uint64_t columns, sht_error *error) {
  if (gram->streamed) {
    return sht__stream_multiply(gram, test, v, 0, out, columns, error);
  }
  product job = {.gram = gram, .side = test, .phase = "prediction"};
  job.total = (double)(sht__tile_rows(gram->train.n) * sht__tile_rows(test->n));
  sht_status status = open_product(&job, v, columns, error);
  if (status == SHT_OK) {
    sht_pool_run(gram->pool, (size_t)sht__tile_rows(test->n), predict_task, &job);
    sht__sides_store(&job.sums, NULL, 0, out);
    status = stopped(&job, error);
  }
  close_product(&job);
  return status;
}
