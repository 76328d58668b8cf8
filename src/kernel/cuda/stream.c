// K = F F^T of streamed features on the card: every factorisation takes the sums of products.c out of the upper
// triangle into the lower one; products in double.
#include "kernel/cuda/state.h"
#include "kernel/randconv.h"

static const float ONE = 1, ZERO = 0;
static const double ONE_F64 = 1, ZERO_F64 = 0;
static const char *const FILLING = "kernel matrix";

sht_status card_open_streamed(card_state *s, uint64_t columns, sht_error *error) {
  card_convolutions *c = &s->convolutions;
  SHT_TRY(CARD_TAKE(s, &c->wide, SHT__CARD_WIDE * c->blocks.width, "features in double"));
  SHT_TRY(CARD_TAKE(s, &c->sums, columns * c->blocks.width, "images of right-hand sides"));
  return card_keep_blocks(s, error);
}

// The lower triangle of columns first .. : the block on the diagonal, and the rows below out of the columns beside it.
static sht_status take_columns(const card_state *s, uint64_t first, sht_error *error) {
  const uint64_t count = card_block_from(first, s->n), next = first + count;
  const int64_t n = (int64_t)s->n;
  SHT_TRY(card_copy_corner(s, first, true, error));
  if (next == s->n) {
    return SHT_OK;
  }
  float *below = card_factor_at(s, next, first);
  return card_check(cublasSgeam_64(s->cublas, CUBLAS_OP_T, CUBLAS_OP_N, n - (int64_t)next, (int64_t)count, &ONE,
                                   card_factor_at(s, first, next), n, &ZERO, below, n, below, n),
                    FILLING, error);
}

sht_status card_fill_streamed(const card_state *s, double shift, sht__cholesky_result *result, sht_error *error) {
  for (uint64_t first = 0; first < s->n; first += SHT__CARD_BLOCK) {
    SHT_TRY(take_columns(s, first, error));
  }
  card_run_shift(s->factor, s->n, shift, s->stream);
  result->complete = true;
  return card_wait(s, FILLING, error);
}

// Some of the features of a block, in double: examples first .. of [n][width]; *count: how many.
static void widen_some(const card_state *s, const uint16_t *features, uint64_t width, uint64_t n, uint64_t first,
                       int64_t *count) {
  const uint64_t some = n - first < SHT__CARD_WIDE ? n - first : SHT__CARD_WIDE;
  card_run_widen(features + first * width, some * width, s->convolutions.wide, s->stream);
  *count = (int64_t)some;
}

// sums [columns][width] = F^T v of a block.
static sht_status sum_features(const card_state *s, const uint16_t *features, uint64_t width, uint64_t columns,
                               sht_error *error) {
  const card_convolutions *c = &s->convolutions;
  const int64_t w = (int64_t)width;
  int64_t count = 0;
  for (uint64_t first = 0; first < s->n; first += SHT__CARD_WIDE) {
    widen_some(s, features, width, s->n, first, &count);
    SHT_TRY(
        card_check(cublasDgemm_64(s->cublas, CUBLAS_OP_N, CUBLAS_OP_N, w, (int64_t)columns, count, &ONE_F64, c->wide, w,
                                  s->v + first, (int64_t)s->n, first == 0 ? &ZERO_F64 : &ONE_F64, c->sums, w),
                   "images of right-hand sides", error));
  }
  return SHT_OK;
}

// out [columns][n] += F sums of a block of the n examples of a side.
static sht_status add_features(const card_state *s, const uint16_t *features, uint64_t width, uint64_t n,
                               uint64_t columns, sht_error *error) {
  const card_convolutions *c = &s->convolutions;
  const int64_t w = (int64_t)width;
  int64_t count = 0;
  for (uint64_t first = 0; first < n; first += SHT__CARD_WIDE) {
    widen_some(s, features, width, n, first, &count);
    SHT_TRY(card_check(cublasDgemm_64(s->cublas, CUBLAS_OP_T, CUBLAS_OP_N, count, (int64_t)columns, w, &ONE_F64,
                                      c->wide, w, c->sums, w, &ONE_F64, s->out + first, (int64_t)n),
                       "a product with features", error));
  }
  return SHT_OK;
}

static sht_status multiply_block(const card_state *s, bool test, uint64_t block, uint64_t columns, sht_error *error) {
  const uint64_t width = card_filters_of(&s->convolutions, block) * SHT__RANDCONV_FEATURES;
  const uint16_t *features = NULL;
  SHT_TRY(card_make_features(s, false, block, &features, error));
  SHT_TRY(sum_features(s, features, width, columns, error));
  if (test) {
    SHT_TRY(card_make_features(s, true, block, &features, error));
  }
  return add_features(s, features, width, test ? s->test.n : s->n, columns, error);
}

sht_status card_multiply_streamed(const card_state *s, bool test, const double *v, double *out, uint64_t columns,
                                  sht_error *error) {
  const uint64_t blocks = s->convolutions.blocks.count;
  const uint64_t bytes = columns * (test ? s->test.n : s->n) * sizeof *out;
  const char *phase = test ? "prediction" : "solution";
  SHT_TRY(cuda_copy(s->stream, s->v, v, columns * s->n * sizeof *v, cudaMemcpyHostToDevice, phase, error));
  SHT_TRY(cuda_check(cudaMemsetAsync(s->out, 0, bytes, s->stream), phase, error));
  for (uint64_t block = 0; block < blocks; block++) {
    SHT_TRY(multiply_block(s, test, block, columns, error));
    SHT_TRY(card_tell(s, phase, (double)block + 1, (double)blocks, error));
  }
  return cuda_copy(s->stream, out, s->out, bytes, cudaMemcpyDeviceToHost, phase, error);
}
