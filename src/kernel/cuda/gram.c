// K on the card: its columns in double, a stripe of 512 at a time; the leading columns of the factor; products.
#include "base/memory.h"
#include "dense/small.h"
#include "kernel/cuda/state.h"

static const double ONE = 1, MINUS_ONE = -1, ZERO = 0;

// A squared distance below this part of the squared lengths that it is the difference of consists of their rounding.
// cuBLAS sums the products of two examples in an order of its own, so that equal ones are not at distance 0 by
// themselves. Sums of 16,000 products in double are off by up to about sqrt(16,000) 2^-53 = 2^-46 of their size.
static const double OF_F64 = 1.0 / (1ULL << 46);
// Kept products are sums in fp32 on tensor cores, which cut digits off: up to 2^-23 of what is there at each 16 of a
// block's 9,216 products, 2^-16 or so in the end, and less of it in the difference of two sums. Features that differ in
// nothing but the rounding of each to bf16 are nearer as a rule. That is for a test example beside those of
// training: among these equal ones have equal products, and K, to be definite, takes no other distances for 0.
static const double OF_KEPT = 1.0 / (1 << 18);

static double rounding_of(const sht__gram *gram, bool test) {
  return !card_keeps_products(gram) ? OF_F64 : test ? OF_KEPT : 0;
}

static card_function function_of(const sht__gram *gram, bool test) {
  const sht__kernel_function *f = &gram->function;
  card_function function = {.form = CARD_LINEAR, .rounding = rounding_of(gram, test)};
  switch (f->kind) {
    case SHT_KERNEL_GAUSSIAN:
      function.form = CARD_OF_SQUARE;
      function.factor = -0.5 / (f->sigma * f->sigma);
      break;
    case SHT_KERNEL_LAPLACIAN:
      function.form = CARD_OF_DISTANCE;
      function.factor = -1 / f->sigma;
      break;
    case SHT_KERNEL_POLYNOMIAL:
      function.form = CARD_POWER;
      function.factor = 1 / (f->sigma * f->sigma);
      function.offset = f->offset;
      function.degree = f->degree;
      break;
    default:
      break;
  }
  return function;
}

// out [count][rows] <- k(examples first_row .. of a side, training examples first .. first+count-1), rows: those of the
// side from first_row on: of the test examples all, of the training examples those from `first` on.
static sht_status make_stripe(const card_state *s, bool test, uint64_t first, uint64_t count, double *out,
                              sht_error *error) {
  const card_function function = function_of(s->gram, test);
  if (card_keeps_products(s->gram)) {
    card_take_stripe(s, &function, test, first, count, out);
    return SHT_OK;
  }
  const card_side *side = test ? &s->test : &s->train;
  const uint64_t first_row = test ? 0 : first, rows = side->n - first_row;
  const int64_t width = (int64_t)s->width, side_rows = (int64_t)rows;
  SHT_TRY(card_check(cublasDgemm_64(s->cublas, CUBLAS_OP_T, CUBLAS_OP_N, side_rows, (int64_t)count, width, &ONE,
                                    side->features + first_row * s->width, width, s->train.features + first * s->width,
                                    width, &ZERO, out, side_rows),
                     "inner products", error));
  card_run_function(&function, out, rows, count, side->squares + first_row, s->train.squares + first, s->stream);
  return SHT_OK;
}

// The rows before the first whose pivot is not above the floor; *smallest: of the pivots before it.
static uint64_t sound_rows(const double *square, uint64_t count, uint64_t factored, const float *diagonal, float floor,
                           float *smallest) {
  for (uint64_t r = 0; r < factored; r++) {
    const double root = square[r * count + r];
    const float quotient = (float)(root * root / (double)diagonal[r]);
    if (!(quotient > floor)) {
      return r;
    }
    *smallest = quotient < *smallest ? quotient : *smallest;
  }
  return factored;
}

// The first rows of the leading columns, on the processor. square, turned: [count][count].
static sht_status factor_square(const card_state *s, double shift, const float *diagonal, float floor, double *square,
                                double *turned, sht__cholesky_result *result, sht_error *error) {
  const uint64_t count = s->leading_columns, row = count * sizeof(double), pitch = s->n * sizeof(double);
  static const char *const doing = "leading columns of the factor";
  SHT_TRY(cuda_check(cudaMemcpy2DAsync(square, row, s->leading, pitch, row, count, cudaMemcpyDeviceToHost, s->stream),
                     doing, error));
  SHT_TRY(card_wait(s, doing, error));
  for (uint64_t r = 0; r < count; r++) {
    square[r * count + r] += shift;
  }
  const uint64_t factored = sht__small_factor(square, count);
  result->failed_row = sound_rows(square, count, factored, diagonal, floor, &result->smallest_pivot);
  result->complete = result->failed_row == count;
  for (uint64_t r = 0; r < count; r++) {
    for (uint64_t c = 0; c < count; c++) {
      turned[c * count + r] = c <= r ? square[r * count + c] : 0;
    }
  }
  SHT_TRY(cuda_check(cudaMemcpy2DAsync(s->leading, pitch, turned, row, row, count, cudaMemcpyHostToDevice, s->stream),
                     doing, error));
  return card_wait(s, doing, error);
}

static sht_status factor_leading(const card_state *s, double shift, const float *diagonal, float floor,
                                 sht__cholesky_result *result, sht_error *error) {
  const uint64_t count = s->leading_columns;
  double *squares = NULL;
  SHT_TRY(SHT_ALLOC(&squares, 2 * count * count, "the first rows of the factor", error));
  sht_status status = factor_square(s, shift, diagonal, floor, squares, squares + count * count, result, error);
  sht_free(squares);
  if (status != SHT_OK || !result->complete) {
    return status;
  }
  const int64_t n = (int64_t)s->n, lead = (int64_t)count;
  if (n > lead) {
    SHT_TRY(card_check(cublasDtrsm_64(s->cublas, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_T,
                                      CUBLAS_DIAG_NON_UNIT, n - lead, lead, &ONE, s->leading, n, s->leading + lead, n),
                       "leading columns of the factor", error));
  }
  card_run_round(s->leading, s->n, s->n, count, 0, s->factor, s->n, s->stream);
  return SHT_OK;
}

// What the leading columns leave of columns first .. first+count-1, in fp32.
static sht_status fill_stripe(const card_state *s, uint64_t first, uint64_t count, double shift, sht_error *error) {
  const int64_t n = (int64_t)s->n, rows = n - (int64_t)first;
  SHT_TRY(make_stripe(s, false, first, count, s->stripe, error));
  SHT_TRY(
      card_check(cublasDgemm_64(s->cublas, CUBLAS_OP_N, CUBLAS_OP_T, rows, (int64_t)count, (int64_t)s->leading_columns,
                                &MINUS_ONE, s->leading + first, n, s->leading + first, n, &ONE, s->stripe, rows),
                 "taking the leading columns off", error));
  card_run_round(s->stripe, (uint64_t)rows, (uint64_t)rows, count, shift, card_factor_at(s, first, first), s->n,
                 s->stream);
  return SHT_OK;
}

// Elements of the triangle in the columns before `column`.
static double triangle_before(const card_state *s, uint64_t column) {
  return (double)column * ((double)s->n - 0.5 * (double)column);
}

sht_status card_fill(void *state, double shift, const float *diagonal, float floor, sht__cholesky_result *result,
                     sht_error *error) {
  const card_state *s = state;
  *result = (sht__cholesky_result){.smallest_pivot = 1};
  if (s->gram->streamed) {
    return card_fill_streamed(s, shift, result, error);
  }
  SHT_TRY(make_stripe(s, false, 0, s->leading_columns, s->leading, error));
  SHT_TRY(factor_leading(s, shift, diagonal, floor, result, error));
  if (!result->complete) {
    return SHT_OK;
  }
  for (uint64_t first = s->leading_columns; first < s->n; first += SHT__CARD_BLOCK) {
    const uint64_t count = card_block_from(first, s->n);
    SHT_TRY(fill_stripe(s, first, count, shift, error));
    SHT_TRY(card_tell(s, "kernel matrix", triangle_before(s, first + count), triangle_before(s, s->n), error));
  }
  result->columns = sht__tile_rows(s->leading_columns);
  return card_wait(s, "kernel matrix", error);
}

// out += stripe v for the stripe's rows; and of the training examples out += stripe^T v for its columns, from the rows
// below its diagonal block on: K is symmetric, and every element is made once. v, out: [columns][n or rows].
static sht_status add_stripe(const card_state *s, bool test, uint64_t first, uint64_t count, uint64_t columns,
                             sht_error *error) {
  static const char *const doing = "a product with the kernel matrix";
  const int64_t n = (int64_t)s->n, start = (int64_t)first, wide = (int64_t)count, sides = (int64_t)columns;
  const int64_t all = test ? (int64_t)s->test.n : n, rows = test ? all : n - start;
  SHT_TRY(card_check(cublasDgemm_64(s->cublas, CUBLAS_OP_N, CUBLAS_OP_N, rows, sides, wide, &ONE, s->stripe, rows,
                                    s->v + start, n, &ONE, s->out + (all - rows), all),
                     doing, error));
  if (test || rows == wide) {
    return SHT_OK;
  }
  return card_check(cublasDgemm_64(s->cublas, CUBLAS_OP_T, CUBLAS_OP_N, wide, sides, rows - wide, &ONE,
                                   s->stripe + wide, rows, s->v + start + wide, n, &ONE, s->out + start, n),
                    doing, error);
}

sht_status card_multiply(void *state, bool test, const double *v, double *out, uint64_t columns, sht_error *error) {
  const card_state *s = state;
  const char *phase = test ? "prediction" : "solution";
  const uint64_t bytes = columns * (test ? s->test.n : s->n) * sizeof *out;
  if (s->gram->streamed) {
    return card_multiply_streamed(s, test, v, out, columns, error);
  }
  SHT_TRY(cuda_copy(s->stream, s->v, v, columns * s->n * sizeof *v, cudaMemcpyHostToDevice, phase, error));
  SHT_TRY(cuda_check(cudaMemsetAsync(s->out, 0, bytes, s->stream), phase, error));
  for (uint64_t first = 0; first < s->n; first += SHT__CARD_BLOCK) {
    const uint64_t count = card_block_from(first, s->n);
    SHT_TRY(make_stripe(s, test, first, count, s->stripe, error));
    SHT_TRY(add_stripe(s, test, first, count, columns, error));
    SHT_TRY(card_tell(s, phase, triangle_before(s, first + count), triangle_before(s, s->n), error));
  }
  return cuda_copy(s->stream, out, s->out, bytes, cudaMemcpyDeviceToHost, phase, error);
}
