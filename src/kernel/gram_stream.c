// Products with streamed features in double: see gram_stream.h.
#include "kernel/gram_stream.h"

#include <string.h>

#include "base/memory.h"
#include "kernel/sides.h"

enum { SCRATCH = 2 * SHT_BLOCK + SHT__CHUNK_F64 * SHT_LANES };

typedef struct pass {
  const sht__gram *gram;
  sht__panels train, rows;  // features of the block at hand; rows: of the others, or the same memory
  sht__sides in, sums;
  double *images;   // [groups][features of the block, padded to 32][32 vectors]: F^T v
  double *scratch;  // [threads][SCRATCH]
} pass;

// images of features 32 f .. : sum over the examples, in order.
static void image_task(void *context, size_t f, int worker) {
  pass *work = context;
  const sht__block_kernels *kernels = work->gram->kernels;
  double *turned = work->scratch + (size_t)worker * SCRATCH, *sums = turned + SHT_BLOCK;
  uint64_t left = work->train.width - f * SHT_LANES, count = left < SHT_LANES ? left : SHT_LANES;
  for (uint64_t g = 0; g < work->in.groups; g++) {
    memset(sums, 0, SHT_BLOCK * sizeof *sums);
    for (uint64_t panel = 0; panel < work->in.rows / SHT_LANES; panel++) {
      const float *from = sht__panel_at(&work->train, panel) + f * SHT_BLOCK;
      memset(turned, 0, SHT_BLOCK * sizeof *turned);
      for (size_t c = 0; c < count; c++) {
        for (size_t r = 0; r < SHT_LANES; r++) {
          turned[r * SHT_LANES + c] = from[c * SHT_LANES + r];
        }
      }
      kernels->multiply_f64(sums, turned, sht__sides_row(&work->in, g, panel * SHT_LANES), SHT_LANES,
                            sht__sides_used(&work->in, g));
    }
    uint64_t padded = (work->train.width + SHT_LANES - 1) / SHT_LANES * SHT_LANES;
    double *to = work->images + (g * padded + f * SHT_LANES) * SHT_LANES;
    for (size_t c = 0; c < SHT_LANES; c++) {
      for (size_t v = 0; v < SHT_LANES; v++) {
        to[c * SHT_LANES + v] = sums[v * SHT_LANES + c];
      }
    }
  }
}

// sums of a panel of rows += its features times the images.
static void sum_task(void *context, size_t panel, int worker) {
  pass *work = context;
  double *wide = work->scratch + (size_t)worker * SCRATCH + 2 * (size_t)SHT_BLOCK;
  uint64_t width = work->rows.width, padded = (width + SHT_LANES - 1) / SHT_LANES * SHT_LANES;
  for (uint64_t first = 0; first < width; first += SHT__CHUNK_F64) {
    uint64_t count = width - first < SHT__CHUNK_F64 ? width - first : SHT__CHUNK_F64;
    work->gram->kernels->widen(sht__panel_at(&work->rows, panel) + first * SHT_LANES, wide, count * SHT_LANES);
    for (uint64_t g = 0; g < work->in.groups; g++) {
      work->gram->kernels->multiply_f64(sht__sides_panel(&work->sums, g, panel), wide,
                                        work->images + (g * padded + first) * SHT_LANES, count,
                                        sht__sides_used(&work->in, g));
    }
  }
}

static sht_status run_block(pass *work, const sht__side *rows, uint64_t block, sht_error *error) {
  const sht__gram *gram = work->gram;
  SHT_TRY(sht__panels_fill(&work->train, &gram->map, gram->train.split, block, gram->pool, gram->work, error));
  sht_pool_run(gram->pool, (size_t)((work->train.width + SHT_LANES - 1) / SHT_LANES), image_task, work);
  if (rows != NULL) {
    SHT_TRY(sht__panels_fill(&work->rows, &gram->map, rows->split, block, gram->pool, gram->work, error));
  } else {
    work->rows = work->train;
  }
  sht_pool_run(gram->pool, (size_t)(work->sums.rows / SHT_LANES), sum_task, work);
  return SHT_OK;
}

static sht_status run(pass *work, const sht__side *rows, sht_error *error) {
  const sht__feature_map *map = &work->gram->map;
  for (uint64_t block = 0; block < map->blocks; block++) {
    uint64_t left = map->width - block * map->block;
    work->train.width = work->rows.width = left < map->block ? left : map->block;
    SHT_TRY(run_block(work, rows, block, error));
  }
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
  SHT_TRY(sht__panels_open(gram->train.n, gram->map.block, &work->train, error));
  if (rows != NULL) {
    SHT_TRY(sht__panels_open(rows->n, gram->map.block, &work->rows, error));
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
