// Products with the kernel matrix in double, of stored features or kept products: see gram.h.
//
// A tile of K is computed once and used twice, for its own rows and, transposed, for those of its mirror image. Tiles
// go row by row. Within a row each task adds to the sums of its own column of tiles; what it gives to the row's own
// sums goes into a slot, and the slots are added in order when the row is done: the same bits at any number of threads.
//
// Over ranks, rank j mod r has column j of tiles and the sums of row j. The slots of a row go to the rank of its sums.
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "dense/tile_ops.h"
#include "kernel/card.h"
#include "kernel/gram.h"
#include "kernel/gram_stream.h"
#include "kernel/products.h"
#include "kernel/spread.h"

enum { SCRATCH = SHT_TILE_SIZE + SHT__TILE_F64_SCRATCH + SHT_BLOCK };

typedef struct product {
  const sht__gram *gram;
  const sht__side *side;  // along the rows; the training examples, or others
  sht__sides in, sums;
  double *slots;    // [ranks][ceil(N / ranks)][groups][8][32][32]: of column j at j / ranks of rank j mod ranks
  uint64_t places;  // ceil(N / ranks)
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

// Inner products of features in fp32.
static void multiply_features(const sht__gram *gram, const sht__side *side, uint64_t i, uint64_t j, double *tile,
                              double *scratch) {
  const sht__panels *rows = &side->panels, *columns = &gram->train.panels;
  double *a = scratch, *b = scratch + SHT__TILE_F64_SCRATCH / 2;
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
}

void sht__gram_tile_f64(const sht__gram *gram, const sht__side *side, uint64_t i, uint64_t j, double *tile,
                        double *scratch) {
  if (side->products != NULL) {
    sht__products_tile(gram, side, i, j, tile);
  } else if (side->panels.fours != NULL) {
    sht__levels_tile(gram->kernels, &side->panels, side->lacks, i, &gram->train.panels, j, tile, scratch);
  } else {
    multiply_features(gram, side, i, j, tile, scratch);
  }
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    sht__kernel_apply(&gram->function, gram->kernels, tile + p * SHT_PANEL,
                      side->squares + (i * SHT_TILE_PANELS + p) * SHT_LANES, gram->train.squares + j * SHT_TILE,
                      SHT_TILE);
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

// Sums of the rows 256 j .. += tile^T times rows 256 i .. of `in`. turned: [SHT_BLOCK].
static void multiply_columns(product *job, const double *tile, uint64_t i, uint64_t j, double *turned) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
      sht__block_turn_f64(tile + p * SHT_PANEL + q * SHT_BLOCK, turned);
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

static uint64_t ranks_of(const product *job) { return (uint64_t)sht__cluster_ranks(job->gram->cluster); }

static uint64_t rank_of(const product *job) { return (uint64_t)sht__cluster_rank(job->gram->cluster); }

static double *slot_at(const product *job, uint64_t rank, uint64_t place) {
  return job->slots + (rank * job->places + place) * job->in.groups * SHT_PANEL;
}

// Tiles of row `row` that a rank has.
static uint64_t tiles_of(const product *job, uint64_t rank, uint64_t row) {
  return (row + ranks_of(job) - rank) / ranks_of(job);
}

static void symmetric_task(void *context, size_t task, int worker) {
  product *job = context;
  const uint64_t j = rank_of(job) + task * ranks_of(job);
  if (atomic_load(&job->stop)) {
    return;
  }
  double *slot = slot_at(job, rank_of(job), task);
  double *tile = job->scratch + (size_t)worker * SCRATCH, *rest = tile + SHT_TILE_SIZE;
  sht__gram_tile_f64(job->gram, job->side, job->row, j, tile, rest);
  memset(slot, 0, job->in.groups * SHT_PANEL * sizeof *slot);
  multiply_rows(job, tile, j, slot, SHT_PANEL);
  if (j != job->row) {
    multiply_columns(job, tile, job->row, j, rest + SHT__TILE_F64_SCRATCH);
  }
  finish_tile(job, worker);
}

// The slots of the row at hand to the rank that has its sums; true there.
static bool collect_slots(product *job) {
  sht_cluster *cluster = job->gram->cluster;
  const uint64_t owner = job->row % ranks_of(job), bytes = job->in.groups * SHT_PANEL * sizeof *job->slots;
  if (rank_of(job) != owner) {
    sht__cluster_send(cluster, (int)owner, slot_at(job, rank_of(job), 0),
                      tiles_of(job, rank_of(job), job->row) * bytes);
    return false;
  }
  for (uint64_t r = 0; r < ranks_of(job); r++) {
    if (r != owner) {
      sht__cluster_receive(cluster, (int)r, slot_at(job, r, 0), tiles_of(job, r, job->row) * bytes);
    }
  }
  return true;
}

static void add_slots(product *job) {
  for (uint64_t j = 0; j <= job->row; j++) {
    for (uint64_t g = 0; g < job->in.groups; g++) {
      const double *from = slot_at(job, j % ranks_of(job), j / ranks_of(job)) + g * SHT_PANEL;
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

// The sums of each row of tiles from the rank that has them to all.
static void share_sums(product *job) {
  for (uint64_t g = 0; g < job->sums.groups; g++) {
    for (uint64_t i = 0; i < sht__tile_rows(job->gram->train.n); i++) {
      sht__cluster_broadcast(job->gram->cluster, SHT_CLUSTER_ALL, (int)(i % ranks_of(job)),
                             sht__sides_row(&job->sums, g, i * SHT_TILE), SHT_PANEL * sizeof *job->sums.data);
    }
  }
}

static sht_status multiply_rows_of_tiles(product *job, uint64_t count, sht_error *error) {
  for (job->row = 0; job->row < count; job->row++) {
    sht_pool_run(job->gram->pool, (size_t)tiles_of(job, rank_of(job), job->row), symmetric_task, job);
    SHT_TRY(stopped(job, error));
    if (collect_slots(job)) {
      add_slots(job);
    }
  }
  share_sums(job);
  return SHT_OK;
}

static sht_status multiply_stored(const sht__gram *gram, const double *v, double *out, uint64_t columns,
                                  sht_error *error) {
  const uint64_t count = sht__tile_rows(gram->train.n);
  product job = {.gram = gram, .side = &gram->train, .phase = "solution"};
  job.places = (count + ranks_of(&job) - 1) / ranks_of(&job);
  for (uint64_t row = 0; row < count; row++) {
    job.total += (double)tiles_of(&job, rank_of(&job), row);
  }
  sht_status status = open_product(&job, v, columns, error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&job.slots, ranks_of(&job) * job.places * job.in.groups * SHT_PANEL, "sums of tiles", error);
  }
  if (status == SHT_OK) {
    status = multiply_rows_of_tiles(&job, count, error);
  }
  if (status == SHT_OK) {
    sht__sides_store(&job.sums, v, gram->ridge, out);
  }
  close_product(&job);
  return status;
}

sht_status sht__gram_multiply(void *context, const double *v, double *out, uint64_t columns, sht_error *error) {
  const sht__gram *gram = context;
  if (gram->card != NULL) {
    return sht__card_multiply(gram, v, out, columns, error);
  }
  if (gram->streamed) {
    return sht__stream_multiply(gram, NULL, v, gram->ridge, out, columns, error);
  }
  return multiply_stored(gram, v, out, columns, error);
}

static void predict_task(void *context, size_t task, int worker) {
  product *job = context;
  const uint64_t i = job->row + task;
  double *tile = job->scratch + (size_t)worker * SCRATCH;
  for (uint64_t j = 0; j < sht__tile_rows(job->gram->train.n) && !atomic_load(&job->stop); j++) {
    sht__gram_tile_f64(job->gram, job->side, i, j, tile, tile + SHT_TILE_SIZE);
    multiply_rows(job, tile, j, sht__sides_panel(&job->sums, 0, i * SHT_TILE_PANELS), job->sums.rows * SHT_LANES);
    finish_tile(job, worker);
  }
}

sht_status sht__gram_predict(const sht__gram *gram, const sht__side *test, const double *v, double *out,
                             uint64_t columns, sht_error *error) {
  if (gram->card != NULL) {
    return sht__card_predict(gram, v, out, columns, error);
  }
  if (gram->streamed) {
    return sht__stream_multiply(gram, test, v, 0, out, columns, error);
  }
  product job = {.gram = gram, .side = test, .phase = "prediction"};
  uint64_t last = 0;
  sht__cluster_share(gram->cluster, sht__cluster_rank(gram->cluster), sht__tile_rows(test->n), &job.row, &last);
  job.total = (double)(sht__tile_rows(gram->train.n) * (last - job.row));
  sht_status status = open_product(&job, v, columns, error);
  if (status == SHT_OK) {
    sht_pool_run(gram->pool, (size_t)(last - job.row), predict_task, &job);
    status = stopped(&job, error);
  }
  if (status == SHT_OK) {
    sht__spread_complete(gram->cluster, &job.sums);
    sht__sides_store(&job.sums, NULL, 0, out);
  }
  close_product(&job);
  return status;
}
