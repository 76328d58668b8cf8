// A kernel problem on a card: what is in its memory, and the parts of the work (gram.c, factor.c; for features in
// blocks convolutions.c, products.c and stream.c; card.c is the seam).
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
  double *features;  // [n][width] that are stored
  double *squares;   // [n] |x|^2
  void *pixels;      // of features in blocks: [n][H][W][C]
  uint16_t *block;   // [n][width of a block] in bf16, of the block at hand
  float *corners;  // [ceil(n / SHT__CARD_BLOCK)][SHT__CARD_BLOCK][SHT__CARD_BLOCK] inner products of examples that are
                   // in a block along the diagonal, with one another
} card_side;

// Features in blocks: blocks of random filters, and what their features are made with. In bf16 but where types say
// more.
typedef struct card_convolutions {
  sht__card_blocks blocks;
  card_layer layer;
  uint16_t *bank;     // [all filters][depth]
  uint16_t *patches;  // [images][places of all views][depth]
  float *responses;   // [images][places of all views][filters]
  uint16_t **kept;    // [count] of the training examples [n][width]; NULL: made for every product. Streamed features
  bool *made;         // [count] whether `kept` holds them
  double *wide;       // [SHT__CARD_WIDE][width]
  double *sums;       // [columns][width] F^T v
} card_convolutions;

typedef struct card_state {
  const sht__gram *gram;
  cuda_device device;
  cuda_memory memory;
  cudaStream_t stream;
  cublasHandle_t cublas;
  card_side train, test;
  uint64_t n, width, leading_columns;  // of streamed features the last two are 0
  card_convolutions convolutions;
  float *factor;        // [n][n], the lower triangle; inner products of features in blocks stay in the upper one
  float *tests;         // [test n][n] those of training and test examples, where they are kept
  uint32_t *order;      // [n] of examples, to select some
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

static inline float *card_corner_at(const card_side *side, uint64_t first) {
  return side->corners + first * SHT__CARD_BLOCK;
}

// Features in blocks with another kernel than the linear one, which is made of their inner products.
static inline bool card_keeps_products(const sht__gram *gram) { return gram->map.blocks > 1 && !gram->streamed; }

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

// Features in blocks. test: NULL: none.
sht_status card_open_convolutions(card_state *s, const sht__side *test, sht_error *error);
// Room for the features of as many blocks as fit, so that they are made once; after everything else.
sht_status card_keep_blocks(card_state *s, sht_error *error);
void card_close_convolutions(card_state *s);
uint64_t card_filters_of(const card_convolutions *c, uint64_t block);
// *out <- [n][18 filters] of block `block` of the training or of the test examples, until the next call for them.
sht_status card_make_features(const card_state *s, bool test, uint64_t block, const uint16_t **out, sht_error *error);

// Their inner products. See sht__card_functions.
sht_status card_open_products(card_state *s, sht_error *error);
sht_status card_accumulate(void *state, const uint32_t *same, double *squares, sht_error *error);
sht_status card_select(void *state, const uint32_t *order, uint64_t count, uint64_t first, uint64_t rows, float *out,
                       sht_error *error);
// Between a block of the matrix on the diagonal and its copy in `corners`; back: from the copy.
sht_status card_copy_corner(const card_state *s, uint64_t first, bool back, sht_error *error);
// out [count][rows] <- k(test or training examples, training examples first .. first+count-1) of kept products; rows:
// all of the test examples, or the training examples from `first` on.
void card_take_stripe(const card_state *s, const card_function *function, bool test, uint64_t first, uint64_t count,
                      double *out);

// Streamed features.
sht_status card_open_streamed(card_state *s, uint64_t columns, sht_error *error);
// As fill and multiply of sht__card_functions.
sht_status card_fill_streamed(const card_state *s, double shift, sht__cholesky_result *result, sht_error *error);
sht_status card_multiply_streamed(const card_state *s, bool test, const double *v, double *out, uint64_t columns,
                                  sht_error *error);

#endif
