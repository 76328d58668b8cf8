// The Cholesky factorisation on the card, in place, in fp32; and what the factor is used for.
//
// Left-looking by blocks of 512 columns: a block takes everything from the columns before it in one product, which is
// where nearly all of the arithmetic is; then its diagonal block is factored by halves, down to blocks of 64 that are
// factored by one kernel in double; then the rows below are solved.
#include "kernel/cuda/state.h"

static const float ONE = 1, MINUS_ONE = -1;
static const char *const DOING = "factorisation";

// c [columns][rows] -= a b^T, a [k][rows], b [k][columns]: all parts of the factor.
static sht_status subtract(const card_state *s, uint64_t rows, uint64_t columns, uint64_t k, const float *a,
                           const float *b, float *c, sht_error *error) {
  const int64_t n = (int64_t)s->n;
  return card_check(cublasSgemm_64(s->cublas, CUBLAS_OP_N, CUBLAS_OP_T, (int64_t)rows, (int64_t)columns, (int64_t)k,
                                   &MINUS_ONE, a, n, b, n, &ONE, c, n),
                    DOING, error);
}

// x [count][rows] <- x l^-T for the rows below the diagonal block of `count` columns at `first`.
static sht_status solve_below(const card_state *s, uint64_t first, uint64_t count, uint64_t rows, sht_error *error) {
  const int64_t n = (int64_t)s->n;
  return card_check(cublasStrsm_64(s->cublas, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_T,
                                   CUBLAS_DIAG_NON_UNIT, (int64_t)rows, (int64_t)count, &ONE,
                                   card_factor_at(s, first, first), n, card_factor_at(s, first + count, first), n),
                    DOING, error);
}

static sht_status factor_diagonal(const card_state *s, uint64_t first, uint64_t count, float floor, sht_error *error) {
  if (count <= CARD_LEAF) {
    card_run_factor(card_factor_at(s, first, first), s->n, (uint32_t)count, first, s->diagonal + first, floor,
                    s->pivots, s->stream);
    return SHT_OK;
  }
  const uint64_t half = (count / 2 + CARD_LEAF - 1) / CARD_LEAF * CARD_LEAF, rest = count - half;
  const float *below = card_factor_at(s, first + half, first);
  SHT_TRY(factor_diagonal(s, first, half, floor, error));
  SHT_TRY(solve_below(s, first, half, rest, error));
  SHT_TRY(subtract(s, rest, rest, half, below, below, card_factor_at(s, first + half, first + half), error));
  return factor_diagonal(s, first + half, rest, floor, error);
}

static sht_status factor_block(const card_state *s, uint64_t first, uint64_t count, float floor, sht_error *error) {
  const float *before = card_factor_at(s, first, s->leading_columns);
  if (first > s->leading_columns) {
    SHT_TRY(subtract(s, s->n - first, count, first - s->leading_columns, before, before,
                     card_factor_at(s, first, first), error));
  }
  SHT_TRY(factor_diagonal(s, first, count, floor, error));
  return first + count < s->n ? solve_below(s, first, count, s->n - first - count, error) : SHT_OK;
}

static double cube(double x) { return x * x * x; }

sht_status card_factorize(void *state, const float *diagonal, float floor, sht__cholesky_result *result,
                          sht_error *error) {
  const card_state *s = state;
  card_pivots pivots = {.failed_row = UINT64_MAX, .smallest = result->smallest_pivot};
  const double total = cube((double)s->n);
  SHT_TRY(cuda_copy(s->stream, s->pivots, &pivots, sizeof pivots, cudaMemcpyHostToDevice, DOING, error));
  SHT_TRY(cuda_copy(s->stream, s->diagonal, diagonal, s->n * sizeof *diagonal, cudaMemcpyHostToDevice, DOING, error));
  for (uint64_t first = s->leading_columns; first < s->n; first += SHT__CARD_BLOCK) {
    const uint64_t count = card_block_from(first, s->n);
    SHT_TRY(factor_block(s, first, count, floor, error));
    SHT_TRY(cuda_copy(s->stream, &pivots, s->pivots, sizeof pivots, cudaMemcpyDeviceToHost, DOING, error));
    result->smallest_pivot = pivots.smallest;
    if (pivots.failed_row != UINT64_MAX) {
      result->complete = false;
      result->failed_row = pivots.failed_row;
      return SHT_OK;
    }
    result->columns = sht__tile_rows(first + count);
    SHT_TRY(card_tell(s, DOING, total - cube((double)(s->n - first - count)), total, error));
  }
  return SHT_OK;
}

// x <- x op(l)^-1; x: [n][32].
static cublasStatus_t solve_once(const card_state *s, cublasOperation_t form) {
  return cublasStrsm_64(s->cublas, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER, form, CUBLAS_DIAG_NON_UNIT, SHT_LANES,
                        (int64_t)s->n, &ONE, s->factor, (int64_t)s->n, s->x, SHT_LANES);
}

// to <- from op(l); both [n][32].
static cublasStatus_t multiply_once(const card_state *s, cublasOperation_t form, const float *from, float *to) {
  return cublasStrmm_64(s->cublas, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER, form, CUBLAS_DIAG_NON_UNIT, SHT_LANES,
                        (int64_t)s->n, &ONE, s->factor, (int64_t)s->n, from, SHT_LANES, to, SHT_LANES);
}

static sht_status move_sides(const card_state *s, void *to, const void *from, enum cudaMemcpyKind kind,
                             const char *doing, sht_error *error) {
  return cuda_copy(s->stream, to, from, s->n * SHT_LANES * sizeof(float), kind, doing, error);
}

sht_status card_solve(void *state, float *x, sht_error *error) {
  static const char *const doing = "solving with the factor";
  const card_state *s = state;
  SHT_TRY(move_sides(s, s->x, x, cudaMemcpyHostToDevice, doing, error));
  SHT_TRY(card_check(solve_once(s, CUBLAS_OP_T), doing, error));
  SHT_TRY(card_check(solve_once(s, CUBLAS_OP_N), doing, error));
  return move_sides(s, x, s->x, cudaMemcpyDeviceToHost, doing, error);
}

sht_status card_product(void *state, float *x, float *y, sht_error *error) {
  static const char *const doing = "a product with the factor";
  const card_state *s = state;
  SHT_TRY(move_sides(s, s->x, x, cudaMemcpyHostToDevice, doing, error));
  SHT_TRY(card_check(multiply_once(s, CUBLAS_OP_N, s->x, s->y), doing, error));
  SHT_TRY(card_check(multiply_once(s, CUBLAS_OP_T, s->y, s->x), doing, error));
  return move_sides(s, y, s->x, cudaMemcpyDeviceToHost, doing, error);
}
