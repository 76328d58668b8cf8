// Inner products of features in blocks on the card: sums in fp32 over the blocks, on tensor cores.
//
// They stay in the upper triangle, while factors come and go in the lower one. A factorisation works on whole blocks of
// 512 along the diagonal: these are kept beside, in `corners`. Of a linear kernel they are K; any other one is made of
// them, and of those of training and test examples, whenever it is needed, as in kernel/products.h.
#include "kernel/cuda/state.h"
#include "kernel/randconv.h"

static const float ONE = 1;

static const char *phase_of(const card_state *s) { return s->gram->streamed ? "kernel matrix" : "inner products"; }

static sht_status take_corners(card_state *s, card_side *side, sht_error *error) {
  const uint64_t corners = (side->n + SHT__CARD_BLOCK - 1) / SHT__CARD_BLOCK;
  SHT_TRY(CARD_TAKE(s, &side->squares, side->n, "squared lengths"));
  return CARD_TAKE(s, &side->corners, corners * SHT__CARD_BLOCK * SHT__CARD_BLOCK, "inner products");
}

sht_status card_open_products(card_state *s, sht_error *error) {
  SHT_TRY(take_corners(s, &s->train, error));
  if (!card_keeps_products(s->gram)) {
    return SHT_OK;
  }
  SHT_TRY(take_corners(s, &s->test, error));
  SHT_TRY(CARD_TAKE(s, &s->tests, s->test.n * s->n, "inner products"));
  return CARD_TAKE(s, &s->order, s->n, "an order of examples");
}

// out [columns][rows] += inner products of features a [rows][width] and b [columns][width].
static sht_status add(const card_state *s, uint64_t rows, uint64_t columns, uint64_t width, const uint16_t *a,
                      const uint16_t *b, float *out, uint64_t ld, sht_error *error) {
  const int64_t w = (int64_t)width;
  return card_check(
      cublasGemmEx_64(s->cublas, CUBLAS_OP_T, CUBLAS_OP_N, (int64_t)rows, (int64_t)columns, w, &ONE, a, CUDA_R_16BF, w,
                      b, CUDA_R_16BF, w, &ONE, out, CUDA_R_32F, (int64_t)ld, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      "inner products", error);
}

// The upper triangle, in columns of blocks.
static sht_status add_train(const card_state *s, const uint16_t *features, uint64_t width, sht_error *error) {
  for (uint64_t first = 0; first < s->n; first += SHT__CARD_BLOCK) {
    const uint64_t count = card_block_from(first, s->n);
    SHT_TRY(add(s, first + count, count, width, features, features + first * width, card_factor_at(s, 0, first), s->n,
                error));
  }
  return SHT_OK;
}

// Test examples with those of training, and in blocks with one another, for their lengths.
static sht_status add_tests(const card_state *s, const uint16_t *train, const uint16_t *test, uint64_t width,
                            sht_error *error) {
  SHT_TRY(add(s, s->n, s->test.n, width, train, test, s->tests, s->n, error));
  for (uint64_t first = 0; first < s->test.n; first += SHT__CARD_BLOCK) {
    const uint64_t count = card_block_from(first, s->test.n);
    const uint16_t *some = test + first * width;
    SHT_TRY(add(s, count, count, width, some, some, card_corner_at(&s->test, first), SHT__CARD_BLOCK, error));
  }
  return SHT_OK;
}

static sht_status add_block(const card_state *s, uint64_t block, sht_error *error) {
  const uint64_t width = card_filters_of(&s->convolutions, block) * SHT__RANDCONV_FEATURES;
  const uint16_t *train = NULL, *test = NULL;
  SHT_TRY(card_make_features(s, false, block, &train, error));
  SHT_TRY(add_train(s, train, width, error));
  if (s->gram->streamed || s->test.n == 0) {
    return SHT_OK;
  }
  SHT_TRY(card_make_features(s, true, block, &test, error));
  return add_tests(s, train, test, width, error);
}

sht_status card_copy_corner(const card_state *s, uint64_t first, bool back, sht_error *error) {
  const uint64_t count = card_block_from(first, s->n), pitch = s->n * sizeof(float);
  const uint64_t corner_pitch = SHT__CARD_BLOCK * sizeof(float);
  float *matrix = card_factor_at(s, first, first), *corner = card_corner_at(&s->train, first);
  return cuda_check(
      cudaMemcpy2DAsync(back ? matrix : corner, back ? pitch : corner_pitch, back ? corner : matrix,
                        back ? corner_pitch : pitch, count * sizeof(float), count, cudaMemcpyDeviceToDevice, s->stream),
      phase_of(s), error);
}

// An example that is equal to one before it gets that one's products with those of training.
static void repeat_equal(const card_state *s, const uint32_t *same) {
  for (uint64_t i = 0; same != NULL && i < s->n; i++) {
    if (same[i] != i) {
      card_run_repeat(s->factor, s->n, same[i], i, s->stream);
    }
  }
}

static void measure_side(const card_state *s, const card_side *side) {
  for (uint64_t first = 0; first < side->n; first += SHT__CARD_BLOCK) {
    card_run_diagonal(card_corner_at(side, first), SHT__CARD_BLOCK, card_block_from(first, side->n),
                      side->squares + first, s->stream);
  }
}

// The blocks on the diagonal, of which the upper triangle counts: nobody promises that cuBLAS sums a pair both ways
// round in the same order, and K is symmetric.
static sht_status keep_corners(const card_state *s, sht_error *error) {
  for (uint64_t first = 0; first < s->n; first += SHT__CARD_BLOCK) {
    SHT_TRY(card_copy_corner(s, first, false, error));
    card_run_mirror(card_corner_at(&s->train, first), SHT__CARD_BLOCK, card_block_from(first, s->n), s->stream);
  }
  return SHT_OK;
}

sht_status card_accumulate(void *state, const uint32_t *same, double *squares, sht_error *error) {
  const card_state *s = state;
  const uint64_t blocks = s->convolutions.blocks.count;
  for (uint64_t block = 0; block < blocks; block++) {
    SHT_TRY(add_block(s, block, error));
    SHT_TRY(card_tell(s, phase_of(s), (double)block + 1, (double)blocks, error));
  }
  repeat_equal(s, same);
  SHT_TRY(keep_corners(s, error));
  measure_side(s, &s->train);
  if (!s->gram->streamed) {
    measure_side(s, &s->test);
  }
  return cuda_copy(s->stream, squares, s->train.squares, s->n * sizeof *squares, cudaMemcpyDeviceToHost, phase_of(s),
                   error);
}

sht_status card_select(void *state, const uint32_t *order, uint64_t count, uint64_t first, uint64_t rows, float *out,
                       sht_error *error) {
  const card_state *s = state;
  float *selected = (float *)s->stripe;  // which nothing is in before `fill`
  SHT_TRY(cuda_copy(s->stream, s->order, order, count * sizeof *order, cudaMemcpyHostToDevice, phase_of(s), error));
  card_run_select(s->factor, s->n, s->order + first, rows, s->order, count, selected, s->stream);
  return cuda_copy(s->stream, out, selected, rows * count * sizeof *out, cudaMemcpyDeviceToHost, phase_of(s), error);
}

void card_take_stripe(const card_state *s, const card_function *function, bool test, uint64_t first, uint64_t count,
                      double *out) {
  const uint64_t n = s->n, next = first + count;
  const double *squares = s->train.squares, *columns = squares + first;
  if (test) {
    card_run_take(function, s->tests + first, n, s->test.n, count, s->test.squares, columns, out, s->test.n, s->stream);
    return;
  }
  card_run_take(function, card_corner_at(&s->train, first), SHT__CARD_BLOCK, count, count, columns, columns, out,
                n - first, s->stream);
  if (next < n) {
    card_run_take(function, card_factor_at(s, first, next), n, n - next, count, squares + next, columns, out + count,
                  n - first, s->stream);
  }
}
