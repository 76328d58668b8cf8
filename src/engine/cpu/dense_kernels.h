// The kernels of the fully connected layers, one set for each instruction set, and the layout that they share.
//
// A word is 32 bits: one fp32 value, or two bf16 values that are neighbours along the sum. A matrix of words
// [rows][columns] is kept in panels of 32 columns: [ceil(columns / 32)][rows][32]. Every product is
//   C[rows][32] += A[rows][k] B[k][32]   for one panel of B and C,
// with single words of A broadcast against vectors of B (with AMX: tiles against tiles), and k running from 0 upwards
// whatever the blocking, so that the bits of a sum do not depend on how the work is cut.
#ifndef SHT_ENGINE_CPU_DENSE_KERNELS_H
#define SHT_ENGINE_CPU_DENSE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  DENSE_LANES = 32,                       // columns of a panel
  DENSE_TILE = DENSE_LANES * DENSE_LANES  // values of a square tile, the unit of transposition
};

typedef enum dense_words { DENSE_FP32, DENSE_BF16, DENSE_WORD_KINDS } dense_words;

typedef struct dense_factors {
  const uint32_t *a;  // first row of A's first panel
  size_t a_panel;     // words from a panel of A to the next
  const uint32_t *b;  // [k][32]
  size_t rows;
  size_t k;
} dense_factors;

// Where a panel of weights lies, and how it moves.
typedef struct dense_update {
  float *weight;          // [rows][32]
  float *momentum;        // [rows][32]
  uint32_t *along_lanes;  // bf16: [rows] of 16 words, 32 words apart: columns 2j, 2j+1 paired; NULL: not wanted
  uint32_t *along_rows;   // bf16: [ceil(rows / 2)][32 words]: rows 2j, 2j+1 paired; NULL: not wanted
  float rate, momentum_factor, decay;
} dense_update;

typedef struct dense_kernels {
  const char *name;
  bool (*supported)(void);
  // c [rows][32] += A B
  void (*multiply[DENSE_WORD_KINDS])(const dense_factors *factors, float *c);
  // g = A B + decay * weight; momentum = momentum_factor * momentum + g; weight -= rate * momentum; copies refreshed.
  // False when an updated weight is not finite.
  bool (*update[DENSE_WORD_KINDS])(const dense_factors *factors, const dense_update *update);
  // to [32][32] = from [32][32] transposed; from and to differ.
  void (*transpose)(const float *from, float *to);
  // Rounding to bf16. values: [rows][32], rows even. to: [rows] of 16 words, 32 apart, neighbours along lanes paired.
  void (*pair_lanes)(const float *values, size_t rows, uint32_t *to);
  // to: [rows / 2][32 words], neighbouring rows paired.
  void (*pair_rows)(const float *values, size_t rows, uint32_t *to);
  // values [rows][32]: negative ones become 0; a NaN stays.
  void (*relu)(float *values, size_t rows);
  // values [32][32] become 0 where the activation is not positive. activations: [32][32] fp32, or [16][32] row pairs.
  void (*mask[DENSE_WORD_KINDS])(const uint32_t *activations, float *values);
  // sums [32] += the rows of values [rows][32], in order.
  void (*sum_rows)(const float *values, size_t rows, float *sums);
} dense_kernels;

extern const dense_kernels dense_kernels_amx, dense_kernels_avx512_bf16, dense_kernels_avx512, dense_kernels_avx2,
    dense_kernels_portable;

// The best set that this processor supports for words of this kind.
const dense_kernels *dense_kernels_choose(dense_words kind);

// All sets, best first, NULL at the end: for tests.
const dense_kernels *const *dense_kernels_all(void);

#endif
