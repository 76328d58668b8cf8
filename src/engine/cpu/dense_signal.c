// Tiles of activations and slopes, to and from the layouts of the products: see dense_private.h.
#include <string.h>

#include "engine/cpu/dense_private.h"

static size_t even(size_t rows) { return (rows + 1) / 2 * 2; }

static float widen_bf16(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float value = 0;
  memcpy(&value, &bits, sizeof value);
  return value;
}

void dense_load_tile(const cpu_dense *d, const void *values, sht_precision precision, size_t features, size_t f,
                     size_t e, float *examples) {
  size_t rows = dense_block(d->n, e), columns = dense_block(features, f);
  for (size_t r = 0; r < rows; r++) {
    size_t place = (e * DENSE_LANES + r) * features + f * DENSE_LANES;
    float *row = examples + r * DENSE_LANES;
    if (precision == SHT_FP32) {
      memcpy(row, (const float *)values + place, columns * sizeof *row);
    } else {
      const uint16_t *from = (const uint16_t *)values + place;
      for (size_t c = 0; c < columns; c++) {
        row[c] = widen_bf16(from[c]);
      }
    }
    memset(row + columns, 0, (DENSE_LANES - columns) * sizeof *row);
  }
  dense_clear_tail(d, e, examples);
}

void dense_store_tile(const cpu_dense *d, void *values, sht_precision precision, size_t features, size_t f, size_t e,
                      const float *examples) {
  size_t rows = dense_block(d->n, e), columns = dense_block(features, f);
  uint32_t pairs[DENSE_TILE] __attribute__((aligned(64)));
  if (precision == SHT_BF16) {
    d->kernels->pair_lanes(examples, rows, pairs);
  }
  for (size_t r = 0; r < rows; r++) {
    size_t place = (e * DENSE_LANES + r) * features + f * DENSE_LANES;
    if (precision == SHT_FP32) {
      memcpy((float *)values + place, examples + r * DENSE_LANES, columns * sizeof(float));
    } else {
      memcpy((uint16_t *)values + place, pairs + r * DENSE_LANES, columns * sizeof(uint16_t));
    }
  }
}

void dense_clear_tail(const cpu_dense *d, size_t e, float *examples) {
  size_t rows = dense_block(d->n, e);
  memset(examples + rows * DENSE_LANES, 0, (DENSE_LANES - rows) * DENSE_LANES * sizeof *examples);
}

// rows of a tile to words [rows / w][32 lanes].
static void emit_rows(const cpu_dense *d, const float *tile, size_t rows, uint32_t *to) {
  if (d->kind == DENSE_BF16) {
    d->kernels->pair_rows(tile, even(rows), to);
  } else {
    memcpy(to, tile, rows * DENSE_LANES * sizeof *tile);
  }
}

// rows of a tile to block `block` of the columns of words [all_rows][columns / w].
static void emit_lanes(const cpu_dense *d, const float *tile, size_t rows, uint32_t *to, size_t all_rows, size_t row,
                       size_t block) {
  if (d->kind == DENSE_BF16) {
    d->kernels->pair_lanes(tile, rows, to + (block / 2 * all_rows + row) * DENSE_LANES + block % 2 * (DENSE_LANES / 2));
  } else {
    memcpy(to + (block * all_rows + row) * DENSE_LANES, tile, rows * DENSE_LANES * sizeof *tile);
  }
}

// First word of block `row_block` of the rows, in panel `panel`, of words [rows / w][lanes].
static uint32_t *row_block_of(const cpu_dense *d, uint32_t *words, size_t rows, size_t row_block, size_t panel) {
  size_t row = row_block * dense_words_of(d, DENSE_LANES);
  return words + (panel * dense_words_of(d, rows) + row) * DENSE_LANES;
}

void dense_emit_activation(cpu_dense *d, dense_signal *signal, size_t f, size_t e, const float *features,
                           const float *examples) {
  if (signal->by_feature != NULL) {
    emit_rows(d, features, dense_block(signal->features, f),
              row_block_of(d, signal->by_feature, signal->features, f, e));
  }
  if (d->training && signal->by_example != NULL) {
    emit_rows(d, examples, dense_block(d->n, e), row_block_of(d, signal->by_example, d->batch, e, f));
  }
}

void dense_emit_slope(cpu_dense *d, dense_signal *signal, size_t f, size_t e, const float *examples,
                      const float *features) {
  if (signal->slope_by_example != NULL) {
    emit_lanes(d, examples, dense_block(d->n, e), signal->slope_by_example, d->batch, e * DENSE_LANES, f);
  }
  emit_lanes(d, features, dense_block(signal->features, f), signal->slope_by_feature, signal->features, f * DENSE_LANES,
             e);
}

void dense_mask_tile(const cpu_dense *d, const dense_signal *signal, size_t f, size_t e, float *examples) {
  d->kernels->mask[d->kind](row_block_of(d, signal->by_example, d->batch, e, f), examples);
}
