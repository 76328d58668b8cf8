// A kernel problem on a card: what is in its memory, and the parts of the work (gram.c, factor.c; card.c is the seam).
//
// Matrices have their columns one after another, as cuBLAS wants them: [columns][rows] in these comments.
#ifndef SHT_KERNEL_CUDA_STATE_H
#define SHT_KERNEL_CUDA_STATE_H

#include <cublas_v2.h>

#include "engine/cuda/device.h"
#include "kernel/card.h"
#include "kernel/cuda/kernels.h"

typedef struct card_side {
  uint64_t n;
  double *features;  // [n][width]
  double *squares;   // [n] |x|^2
} card_side;

typedef struct card_state {
  const sht__gram *gram;
  cuda_device device;
  cuda_memory memory;
  cudaStream_t stream;
  cublasHandle_t cublas;
  card_function function;
  card_side train, test;
  uint64_t n, width, leading_columns;
  float *factor;        // [n][n], the lower triangle
  double *leading;      // [leading_columns][n]: of the factor, as rounded to fp32
  double *stripe;       // [SHT__CARD_BLOCK][longest side]: columns of K at hand
  double *v, *out;      // [columns][n], [columns][longest side]
  float *x, *y;         // [n][32]
  float *diagonal;      // [n]
  float *panel;         // [width][32]
  card_pivots *pivots;  // one
} card_state;

static inline float *card_factor_at(const card_state *s, uint64_t row, uint64_t column) {
  return s->factor + column * s->n + row;
}

static inline uint64_t card_block_from(uint64_t first, uint64_t n) {
  return n - first < SHT__CARD_BLOCK ? n - first : SHT__CARD_BLOCK;
}

// A sentence for an error of cuBLAS.
sht_status card_check(cublasStatus_t code, const char *doing, sht_error *error);
// Waits for what was launched; a sentence when it failed.
sht_status card_wait(const card_state *s, const char *doing, sht_error *error);
// Waits, and tells how far a phase is. Errors: SHT_STOPPED.
sht_status card_tell(const card_state *s, const char *phase, double done, double total, sht_error *error);

// See sht__card_functions.
sht_status card_fill(void *state, double shift, const float *diagonal, float floor, sht__cholesky_result *result,
                     sht_error *error);
sht_status card_multiply(void *state, bool test, const double *v, double *out, uint64_t columns, sht_error *error);
sht_status card_factorize(void *state, const float *diagonal, float floor, sht__cholesky_result *result,
                          sht_error *error);
sht_status card_solve(void *state, float *x, sht_error *error);
sht_status card_product(void *state, float *x, float *y, sht_error *error);

#endif
