// Products with streamed features in double: see gram_stream.h.
#include "kernel/gram_stream.h"

#include <string.h>

#include "base/memory.h"
#include "dense/tile_ops.h"
#include "kernel/spread.h"

enum { SCRATCH = 2 * SHT_BLOCK + SHT__CHUNK_F64 * SHT_LANES };

typedef struct pass {
  const sht__gram *gram;
  sht__panels train, rows;  // features of the block at hand; rows: of the others, or the same memory
  sht__sides in, sums;
  uint64_t first;   // task of this rank
  double *images;   // [groups][features of the block, padded to 32][32 vectors]: F^T v
  double *scratch;  // [threads][SCRATCH]
} pass;

// images of features 32 f .. : sum over the examples, in order.
static void image_task(void *context, size_t task, int worker) {
  pass *work = context;
  const uint64_t f = work->first + task;
  const sht__block_kernels *kernels = work->gram->kernels;
  double *turned = work->scratch + (size_t)worker * SCRATCH, *sums = turned + SHT_BLOCK, *wide = sums + SHT_BLOCK;
  uint64_t left = work->train.width - f * SHT_LANES, count = left < SHT_LANES ? left : SHT_LANES;
  for (uint64_t g = 0; g < work->in.groups; g++) {
    memset(sums, 0, SHT_BLOCK * sizeof *sums);
    memset(wide, 0, SHT_BLOCK * sizeof *wide);  // features beyond the last
    for (uint64_t panel = 0; panel < work->in.rows / SHT_LANES; panel++) {
      kernels->widen_bf16(sht__panel_pairs_at(&work->train, panel) + f * SHT_BLOCK / 2, wide, count / 2);
      sht__block_turn_f64(wide, turned);
      kernels->multiply_f64(sums, turned, sht__sides_row(&work->in, g, panel * SHT_LANES), SHT_LANES,
                            sht__sides_used(&work->in, g));
    }
    uint64_t padded = (work->train.width + SHT_LANES - 1) / SHT_LANES * SHT_LANES;
    sht__block_turn_f64(sums, work->images + (g * padded + f * SHT_LANES) * SHT_LANES);
  }
}

// sums of a panel of rows += its features times the images.
static void sum_task(void *context, size_t task, int worker) {
  pass *work = context;
  const uint64_t panel = work->first + task;
  double *wide = work->scratch + (size_t)worker * SCRATCH + 2 * (size_t)SHT_BLOCK;
  uint64_t width = work->rows.width, padded = (width + SHT_LANES - 1) / SHT_LANES * SHT_LANES;
  for (uint64_t first = 0; first < width; first += SHT__CHUNK_F64) {
    uint64_t count = width - first < SHT__CHUNK_F64 ? width - first : SHT__CHUNK_F64;
    work->gram->kernels->widen_bf16(sht__panel_pairs_at(&work->rows, panel) + first / 2 * SHT_LANES, wide, count / 2);
    for (uint64_t g = 0; g < work->in.groups; g++) {
      work->gram->kernels->multiply_f64(sht__sides_panel(&work->sums, g, panel), wide,
                                        work->images + (g * padded + first) * SHT_LANES, count,
                                        sht__sides_used(&work->in, g));
    }
  }
}

// This rank's share of `count` units of `tasks` tasks each.
static void run_share(pass *work, uint64_t count, uint64_t tasks, sht_task task) {
  sht_cluster *cluster = work->gram->cluster;
  uint64_t last = 0;
  sht__cluster_share(cluster, sht__cluster_rank(cluster), count, &work->first, &last);
  const uint64_t own = last - work->first;
  work->first *= tasks;
  sht_pool_run(work->gram->pool, (size_t)(own * tasks), task, work);
}

// Images of 32 features are made by one rank; all need them.
static void make_images(pass *work) {
  const uint64_t count = (work->train.width + SHT_LANES - 1) / SHT_LANES;
  run_share(work, count, 1, image_task);
  for (uint64_t g = 0; g < work->in.groups; g++) {
    sht__cluster_complete(work->gram->cluster, work->images + g * count * SHT_BLOCK, count,
                          SHT_BLOCK * sizeof *work->images);
  }
}

static sht_status run_block(pass *work, const sht__side *rows, uint64_t block, sht_error *error) {
  const sht__gram *gram = work->gram;
  SHT_TRY(sht__spread_fill(gram, &gram->train, block, &work->train, error));
  make_images(work);
  if (rows != NULL) {
    SHT_TRY(sht__spread_fill(gram, rows, block, &work->rows, error));
  } else {
    work->rows = work->train;
  }
  run_share(work, work->sums.rows / SHT_TILE, SHT_TILE_PANELS, sum_task);
  return SHT_OK;
}

static sht_status run(pass *work, const sht__side *rows, sht_error *error) {
  const sht__feature_map *map = &work->gram->map;
  for (uint64_t block = 0; block < map->blocks; block++) {
    uint64_t left = map->width - block * map->block;
    work->train.width = work->rows.width = left < map->block ? left : map->block;
    SHT_TRY(run_block(work, rows, block, error));
  }
  sht__spread_complete(work->gram->cluster, &work->sums);
  return SHT_OK;
}

static sht_status open_pass(pass *work, const sht__side *rows, const double *v, uint64_t columns, sht_error *error) {
  const sht__gram *gram = work->gram;
  uint64_t threads = (uint64_t)sht_pool_threads(gram->pool);
  uint64_t padded = (gram->map.block + SHT_LANES - 1) / SHT_LANES * SHT_LANES;
  SHT_TRY(sht__sides_open(gram->train.n, columns, &work->in, error));
  SHT_TRY(sht__sides_open(rows != NULL ? rows->n : gram->train.n, columns, &work->sums, error));
  SHT_TRY(SHT_ALLOC(&work->images, work->in.groups * padded * SHT_LANES, "images of right-hand sides", error));
  SHT_TRY(SHT_ALLOC(&work->scratch, threads * SCRATCH, "scratch", error));
  SHT_TRY(sht__panels_open_pairs(gram->train.n, gram->map.block, &work->train, error));
  if (rows != NULL) {
    SHT_TRY(sht__panels_open_pairs(rows->n, gram->map.block, &work->rows, error));
  }
  sht__sides_load(&work->in, v);
  return SHT_OK;
}

sht_status sht__stream_multiply(const sht__gram *gram, const sht__side *rows, const double *v, double factor,
                                double *out, uint64_t columns, sht_error *error) {
  pass work = {.gram = gram};
  sht_status status = open_pass(&work, rows, v, columns, error);
  if (status == SHT_OK) {
    status = run(&work, rows, error);
  }
  if (status == SHT_OK) {
    sht__sides_store(&work.sums, rows == NULL ? v : NULL, factor, out);
  }
  sht__sides_close(&work.in);
  sht__sides_close(&work.sums);
  sht_free(work.images);
  sht_free(work.scratch);
  if (rows != NULL) {
    sht__panels_close(&work.rows);
  }
  sht__panels_close(&work.train);
  return status;
}
