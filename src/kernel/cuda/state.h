// A kernel problem on a card: what is in its memory, and the parts of the work (gram.c, factor.c; for streamed features
// convolutions.c and stream.c; card.c is the seam).
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
  void *pixels;      // streamed features: [n][H][W][C]
} card_side;

// Streamed features: blocks of random filters, and what their features are made with. In bf16 but where types say more.
typedef struct card_convolutions {
  sht__card_blocks blocks;
  card_layer layer;
  uint16_t *bank;      // [all filters][depth]
  uint16_t *patches;   // [images][places][depth]
  float *responses;    // [images][places][filters]
  uint16_t *features;  // [longest side][width] of the block at hand
  uint16_t **kept;     // [count] of the training examples [n][width]; NULL: made for every product
  bool *made;          // [count] whether `kept` holds them
  double *wide;        // [SHT__CARD_WIDE][width]
  double *sums;        // [columns][width] F^T v
  float *corners;      // [ceil(n / SHT__CARD_BLOCK)][SHT__CARD_BLOCK][SHT__CARD_BLOCK] of K, along its diagonal
} card_convolutions;

typedef struct card_state {
  const sht__gram *gram;
  cuda_device device;
  cuda_memory memory;
  cudaStream_t stream;
  cublasHandle_t cublas;
  card_function function;
  card_side train, test;
  uint64_t n, width, leading_columns;  // of streamed features the last two are 0
  card_convolutions convolutions;
  float *factor;        // [n][n], the lower triangle; of streamed features K stays in the upper one
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
// *pointer <- zeros for `count` values of the card's memory: count and `what` as of SHT_ALLOC.
#define CARD_TAKE(s, pointer, count, what) \
  cuda_memory_take(&(s)->memory, (void **)(pointer), (count) * sizeof **(pointer), what, error)
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

// Streamed features. test: NULL: none.
sht_status card_open_convolutions(card_state *s, const sht__side *test, uint64_t columns, sht_error *error);
void card_close_convolutions(card_state *s);
uint64_t card_filters_of(const card_convolutions *c, uint64_t block);
// *out <- [n][18 filters] of block `block` of the training or of the test examples, until the next call.
sht_status card_make_features(const card_state *s, bool test, uint64_t block, const uint16_t **out, sht_error *error);
sht_status card_accumulate(void *state, double *squares, sht_error *error);
// As fill and multiply of sht__card_functions.
sht_status card_fill_streamed(const card_state *s, double shift, sht__cholesky_result *result, sht_error *error);
sht_status card_multiply_streamed(const card_state *s, bool test, const double *v, double *out, uint64_t columns,
                                  sht_error *error);

#endif
