// What a chain of fully connected layers is made of: see dense.h for what it does, dense_kernels.h for panels and
// words.
//
// Layer l takes signal l to signal l + 1; signal 0 is x, signal L is y. Every signal is kept in the forms that the
// products want, and made by the task that has its values at hand:
//   forward     y'[o][n]  = W[o][i] x'[i][n]     `by_feature` of signal l is B, `forward` of the layer is A
//   backward    dx[n][i]  = dy[n][o] W[o][i]     `slope_by_example` of signal l + 1 is A, `backward` of the layer is B
//   gradient    dW[o][i]  = dy'[o][n] x[n][i]    `slope_by_feature` of signal l + 1 is A, `by_example` of signal l is B
// Letters: F features of a signal, N examples (n of this batch, B at most), w values in a word (1 or 2).
#ifndef SHT_ENGINE_CPU_DENSE_PRIVATE_H
#define SHT_ENGINE_CPU_DENSE_PRIVATE_H

#include <stdatomic.h>

#include "engine/cpu/dense.h"
#include "engine/cpu/dense_kernels.h"

typedef struct dense_signal {
  size_t features;             // F
  uint32_t *by_feature;        // words [F / w][N lanes]
  uint32_t *by_example;        // words [N / w][F lanes]
  uint32_t *slope_by_example;  // words [N][F / w]
  uint32_t *slope_by_feature;  // words [F][N / w]
} dense_signal;

typedef struct dense_layer {
  cpu_dense_layer spec;
  size_t inputs, outputs;
  float *weight, *momentum;      // panels of [O][I]
  float *gradient;               // the same, or NULL before it is first asked for
  float *bias, *bias_momentum;   // [O], padded to 32
  float *bias_gradient;          // the same
  uint32_t *forward, *backward;  // words [O][I / w] and [O / w][I]; in fp32 the weights themselves
} dense_layer;

struct cpu_dense {
  const dense_kernels *kernels;
  dense_words kind;
  sht_pool *pool;
  uint32_t layers;
  size_t batch;  // B
  sht_precision input;
  bool input_gradient;
  dense_layer *layer;    // [L]
  dense_signal *signal;  // [L + 1]
  float *scratch;        // [workers][scratch_stride]
  size_t scratch_stride;
  uint64_t bytes;

  // The step in progress.
  size_t n;
  const void *x;
  float *y;
  const float *dy;
  void *dx;
  sht_step_rates rates;
  bool training, updating;
  atomic_bool finite;
};

static inline size_t dense_panels(size_t columns) { return (columns + DENSE_LANES - 1) / DENSE_LANES; }

// Words that hold `values` neighbours.
static inline size_t dense_words_of(const cpu_dense *d, size_t values) {
  return d->kind == DENSE_BF16 ? (values + 1) / 2 : values;
}

// Values of a block of 32 that lie within `total`.
static inline size_t dense_block(size_t total, size_t block) {
  size_t left = total - block * DENSE_LANES;
  return left < DENSE_LANES ? left : DENSE_LANES;
}

// The bf16 copies of one panel of weights, from the weights; nothing in fp32.
void dense_refresh_panel(cpu_dense *d, dense_layer *layer, size_t panel);

// Tiles are [32][32]: `examples` has examples for rows and features for lanes, `features` the other way round; f and e
// number blocks of 32. What lies beyond n or F is zero.

// Reads a tile of values [n][stride], fp32 or bf16.
void dense_load_tile(const cpu_dense *d, const void *values, sht_precision precision, size_t features, size_t f,
                     size_t e, float *examples);
void dense_store_tile(const cpu_dense *d, void *values, sht_precision precision, size_t features, size_t f, size_t e,
                      const float *examples);
// Zeroes the rows of a tile of examples that lie beyond n.
void dense_clear_tail(const cpu_dense *d, size_t e, float *examples);

void dense_emit_activation(cpu_dense *d, dense_signal *signal, size_t f, size_t e, const float *features,
                           const float *examples);
void dense_emit_slope(cpu_dense *d, dense_signal *signal, size_t f, size_t e, const float *examples,
                      const float *features);
// Zeroes the slopes of a tile where relu was off.
void dense_mask_tile(const cpu_dense *d, const dense_signal *signal, size_t f, size_t e, float *examples);

#endif
