// The dense linear algebra against definitions computed in double, and the same bits at any number of threads.
//
// Matrices: A = B B^T / n + I with B of n x n uniform numbers, so that eigenvalues lie between 1 and about 2; an fp32
// factor of n rows then has elements within n * 2^-24 of the true ones, and usually within 8 units of 2^-24.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs those four

#include <cmocka.h>

#include "base/memory.h"
#include "base/pool.h"
#include "dense/cholesky.h"
#include "dense/conjugate.h"
#include "dense/lanczos.h"
#include "dense/triangle.h"
#include "shatter/random.h"

static const sht_work silent = {0};

// A dense symmetric matrix [n][n]; free with sht_free.
static double *make_matrix(uint64_t n) {
  double *b = NULL, *a = NULL;
  assert_int_equal(SHT_ALLOC(&b, n * n, "b", NULL), SHT_OK);
  assert_int_equal(SHT_ALLOC(&a, n * n, "a", NULL), SHT_OK);
  sht_rng rng = sht_rng_make(5, SHT_PURPOSE_WEIGHTS);
  for (uint64_t i = 0; i < n * n; i++) {
    b[i] = sht_rng_unit(rng, 0, i, 0) - 0.5;
  }
  for (uint64_t i = 0; i < n; i++) {
    for (uint64_t j = 0; j <= i; j++) {
      double sum = i == j ? 1 : 0;
      for (uint64_t k = 0; k < n; k++) {
        sum += b[i * n + k] * b[j * n + k] / (double)n;
      }
      a[i * n + j] = a[j * n + i] = (float)sum;
    }
  }
  sht_free(b);
  return a;
}

static void fill(const double *a, sht__tiles *tiles) {
  for (uint64_t i = 0; i < tiles->count; i++) {
    for (uint64_t j = 0; j <= i; j++) {
      float *tile = sht__tile_at(tiles, i, j);
      for (uint64_t r = 0; r < SHT_TILE && i * SHT_TILE + r < tiles->n; r++) {
        for (uint64_t c = 0; c < SHT_TILE && j * SHT_TILE + c < tiles->n; c++) {
          tile[sht__tile_place(r, c)] = (float)a[(i * SHT_TILE + r) * tiles->n + j * SHT_TILE + c];
        }
      }
      sht__tile_pad(tiles, i, j);
    }
  }
}

static float *diagonal_of(const double *a, uint64_t n) {
  float *diagonal = NULL;
  assert_int_equal(SHT_ALLOC(&diagonal, sht__tile_rows(n) * SHT_TILE, "diagonal", NULL), SHT_OK);
  for (uint64_t i = 0; i < sht__tile_rows(n) * SHT_TILE; i++) {
    diagonal[i] = i < n ? (float)a[i * n + i] : 1;
  }
  return diagonal;
}

static double element(const sht__tiles *tiles, uint64_t i, uint64_t j) {
  const float *tile = sht__tile_at(tiles, i / SHT_TILE, j / SHT_TILE);
  return tile[sht__tile_place(i % SHT_TILE, j % SHT_TILE)];
}

static sht__cholesky_result factor(const double *a, sht__tiles *tiles, sht_pool *pool, uint64_t n) {
  float *diagonal = diagonal_of(a, n);
  sht__cholesky_options options = {.diagonal = diagonal, .floor = 1e-7F};
  sht__cholesky_result result;
  assert_int_equal(sht__cholesky_factor(tiles, &options, pool, &silent, &result, NULL), SHT_OK);
  sht_free(diagonal);
  return result;
}

// The factor by its definition, in double, in place of the lower triangle of a.
static void factor_plainly(double *a, uint64_t n) {
  for (uint64_t j = 0; j < n; j++) {
    for (uint64_t i = j; i < n; i++) {
      double sum = a[i * n + j];
      for (uint64_t k = 0; k < j; k++) {
        sum -= a[i * n + k] * a[j * n + k];
      }
      a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
    }
  }
}

// scale: a power of 4, of the matrix.
static void check_size(uint64_t n, double scale) {
  double *a = make_matrix(n);
  for (uint64_t i = 0; i < n * n; i++) {
    a[i] *= scale;
  }
  sht__tiles tiles;
  sht_pool *pool = NULL;
  assert_int_equal(sht_pool_open(2, &pool, NULL), SHT_OK);
  assert_int_equal(sht__tiles_open(n, &tiles, NULL), SHT_OK);
  fill(a, &tiles);
  sht__cholesky_result result = factor(a, &tiles, pool, n);
  assert_true(result.complete && result.columns == tiles.count);
  factor_plainly(a, n);
  double worst = 0;
  for (uint64_t i = 0; i < n; i++) {
    for (uint64_t j = 0; j <= i; j++) {
      worst = fmax(worst, fabs(element(&tiles, i, j) - a[i * n + j]));
    }
  }
  assert_true(worst < 20 * 0x1p-24 * sqrt(scale));
  sht__tiles_close(&tiles);
  sht_pool_close(pool);
  sht_free(a);
}

static void test_factor(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1, 2, 31, 32, 33, 255, 256, 257, 700};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    check_size(sizes[i], 1);
  }
  check_size(300, 0x1p-110);  // products too small for parts in bf16
  check_size(300, 0x1p120);
}

// 1 to 8 threads, and a factorisation that goes on from its first column of tiles, give the same bits. Six rows of
// tiles: more than one task makes together.
static void test_threads(void **state) {
  (void)state;
  const uint64_t n = 1300;
  double *a = make_matrix(n);
  float *diagonal = diagonal_of(a, n);
  sht__tiles first, other;
  assert_int_equal(sht__tiles_open(n, &first, NULL), SHT_OK);
  assert_int_equal(sht__tiles_open(n, &other, NULL), SHT_OK);
  for (int threads = 1; threads <= 8; threads++) {
    sht_pool *pool = NULL;
    assert_int_equal(sht_pool_open(threads, &pool, NULL), SHT_OK);
    fill(a, threads == 1 ? &first : &other);
    (void)factor(a, threads == 1 ? &first : &other, pool, n);
    sht_pool_close(pool);
    assert_true(threads == 1 || memcmp(first.data, other.data, sht__tiles_bytes(n)) == 0);
  }
  fill(a, &other);
  memcpy(other.data, first.data, first.count * SHT_TILE_SIZE * sizeof(float));
  sht__cholesky_options options = {.first = 1, .diagonal = diagonal, .floor = 1e-7F};
  sht__cholesky_result result;
  assert_int_equal(sht__cholesky_factor(&other, &options, NULL, &silent, &result, NULL), SHT_OK);
  assert_memory_equal(first.data, other.data, sht__tiles_bytes(n));
  sht__tiles_close(&first);
  sht__tiles_close(&other);
  sht_free(diagonal);
  sht_free(a);
}

// A matrix whose row 300 repeats row 10 fails at pivot 300, whatever the number of threads.
static void test_failure(void **state) {
  (void)state;
  const uint64_t n = 600;
  double *a = make_matrix(n);
  for (uint64_t i = 0; i < n; i++) {
    a[300 * n + i] = a[10 * n + i];
  }
  for (uint64_t i = 0; i < n; i++) {
    a[i * n + 300] = a[i * n + 10];
  }
  sht__tiles tiles;
  assert_int_equal(sht__tiles_open(n, &tiles, NULL), SHT_OK);
  for (int threads = 1; threads <= 4; threads++) {
    sht_pool *pool = NULL;
    assert_int_equal(sht_pool_open(threads, &pool, NULL), SHT_OK);
    fill(a, &tiles);
    float *diagonal = diagonal_of(a, n);
    sht__cholesky_options options = {.diagonal = diagonal, .floor = 1e-6F};
    sht__cholesky_result result;
    assert_int_equal(sht__cholesky_factor(&tiles, &options, pool, &silent, &result, NULL), SHT_OK);
    assert_false(result.complete);
    assert_int_equal(result.failed_row, 300);
    sht_free(diagonal);
    sht_pool_close(pool);
  }
  sht__tiles_close(&tiles);
  sht_free(a);
}

typedef struct matrix {
  const double *a;
  uint64_t n;
} matrix;

static sht_status multiply(void *context, const double *v, double *out, uint64_t columns, sht_error *error) {
  (void)error;
  const matrix *m = context;
  for (uint64_t c = 0; c < columns; c++) {
    for (uint64_t i = 0; i < m->n; i++) {
      double sum = 0;
      for (uint64_t j = 0; j < m->n; j++) {
        sum += m->a[i * m->n + j] * v[c * m->n + j];
      }
      out[c * m->n + i] = sum;
    }
  }
  return SHT_OK;
}

// Refinement reaches 1e-13; so does a factor of A + 0.5 I, in more steps; both give the same solution.
static void test_solve(void **state) {
  (void)state;
  enum { N = 517, COLUMNS = 35 };
  double *a = make_matrix(N), *x = NULL, *y = NULL, *other = NULL, *left = NULL;
  assert_int_equal(SHT_ALLOC(&x, N * COLUMNS, "x", NULL), SHT_OK);
  assert_int_equal(SHT_ALLOC(&other, N * COLUMNS, "x", NULL), SHT_OK);
  assert_int_equal(SHT_ALLOC(&y, N * COLUMNS, "y", NULL), SHT_OK);
  assert_int_equal(SHT_ALLOC(&left, N * COLUMNS, "left", NULL), SHT_OK);
  for (uint64_t i = 0; i < N * COLUMNS; i++) {
    y[i] = sin((double)i);
  }
  sht__tiles tiles;
  sht_pool *pool = NULL;
  assert_int_equal(sht_pool_open(3, &pool, NULL), SHT_OK);
  assert_int_equal(sht__tiles_open(N, &tiles, NULL), SHT_OK);
  sht__triangle triangle;
  assert_int_equal(sht__triangle_open(&tiles, pool, &triangle, NULL), SHT_OK);
  matrix m = {a, N};
  sht__system system = {.n = N,
                        .columns = COLUMNS,
                        .multiply = multiply,
                        .context = &m,
                        .preconditioner = &triangle,
                        .tolerance = 1e-13,
                        .iterations_max = 50};
  sht__convergence found;
  fill(a, &tiles);
  (void)factor(a, &tiles, pool, N);
  assert_int_equal(sht__conjugate_solve(&system, y, x, left, &found, NULL), SHT_OK);
  assert_true(found.converged && found.residual <= 1e-13 && found.iterations <= 5);
  double *jittered = make_matrix(N);
  for (uint64_t i = 0; i < N; i++) {
    jittered[i * N + i] += 0.5;
  }
  fill(jittered, &tiles);
  (void)factor(jittered, &tiles, pool, N);
  assert_int_equal(sht__conjugate_solve(&system, y, other, left, &found, NULL), SHT_OK);
  assert_true(found.converged && found.residual <= 1e-13);
  for (uint64_t i = 0; i < N * COLUMNS; i++) {
    assert_true(fabs(x[i] - other[i]) < 1e-11);
  }
  sht__triangle_close(&triangle);
  sht__tiles_close(&tiles);
  sht_pool_close(pool);
  void *const blocks[] = {a, x, y, other, left, jittered};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    sht_free(blocks[i]);
  }
}

// The inverse's diagonal against solves with unit vectors in double; the spectrum against its definition: with
// eigenvector v of the largest, |A v - l v| is small, so compare with power iteration in double.
static void test_inverse_and_spectrum(void **state) {
  (void)state;
  const uint64_t n = 530;
  double *a = make_matrix(n);
  double *inverse = NULL;
  assert_int_equal(SHT_ALLOC(&inverse, n, "inverse", NULL), SHT_OK);
  sht__tiles tiles;
  sht_pool *pool = NULL;
  assert_int_equal(sht_pool_open(2, &pool, NULL), SHT_OK);
  assert_int_equal(sht__tiles_open(n, &tiles, NULL), SHT_OK);
  fill(a, &tiles);
  (void)factor(a, &tiles, pool, n);
  sht__triangle triangle;
  assert_int_equal(sht__triangle_open(&tiles, pool, &triangle, NULL), SHT_OK);
  assert_int_equal(sht__triangle_inverse_diagonal(&triangle, &silent, inverse, NULL), SHT_OK);
  sht__spectrum ends;
  assert_int_equal(sht__lanczos_ends(&triangle, 200, 1, &silent, &ends, NULL), SHT_OK);
  double *l = make_matrix(n), *x = NULL;
  factor_plainly(l, n);
  assert_int_equal(SHT_ALLOC(&x, n, "x", NULL), SHT_OK);
  double largest = 0, smallest = 0;
  for (uint64_t k = 0; k < n; k++) {  // column k of L^-1
    double sum = 0;
    for (uint64_t i = k; i < n; i++) {
      double value = i == k ? 1 : 0;
      for (uint64_t j = k; j < i; j++) {
        value -= l[i * n + j] * x[j];
      }
      x[i] = value / l[i * n + i];
      sum += x[i] * x[i];
    }
    assert_true(fabs(inverse[k] - sum) < 1e-5 * sum);
  }
  for (int which = 0; which < 2; which++) {  // power iteration on A, and on cI - A
    double shift = which == 0 ? 0 : largest, value = 0, *v = x, *w = inverse;
    for (uint64_t i = 0; i < n; i++) {
      v[i] = sin((double)(i * i));
    }
    for (int step = 0; step < 3000; step++) {
      matrix m = {a, n};
      (void)multiply(&m, v, w, 1, NULL);
      double length = 0;
      for (uint64_t i = 0; i < n; i++) {
        w[i] = which == 0 ? w[i] : shift * v[i] - w[i];
        length += w[i] * w[i];
      }
      value = sqrt(length);
      for (uint64_t i = 0; i < n; i++) {
        v[i] = w[i] / value;
      }
    }
    *(which == 0 ? &largest : &smallest) = which == 0 ? value : shift - value;
  }
  assert_true(fabs(ends.largest / largest - 1) < 1e-4);
  assert_true(fabs(ends.smallest / smallest - 1) < 1e-4);
  sht__triangle_close(&triangle);
  sht__tiles_close(&tiles);
  sht_pool_close(pool);
  void *const blocks[] = {a, l, x, inverse};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    sht_free(blocks[i]);
  }
}

// exp against the C library's in higher precision, every instruction set that runs here.
static void check_exp(const sht__block_kernels *kernels) {
  enum { COUNT = 32 * 4096 };
  double *y = NULL;
  assert_int_equal(SHT_ALLOC(&y, COUNT, "y", NULL), SHT_OK);
  for (int i = 0; i < COUNT; i++) {
    y[i] = -708 + 1416.0 * i / COUNT;
  }
  kernels->exp_f64(y, COUNT);
  for (int i = 0; i < COUNT; i++) {
    long double exact = expl((long double)(-708 + 1416.0 * i / COUNT));
    assert_true(fabsl(y[i] - exact) <= 1.1L * ldexpl(1, ilogbl(exact) - 52));
  }
  double edges[SHT_LANES] = {-INFINITY, INFINITY, NAN, 0, -2000, 2000};
  kernels->exp_f64(edges, SHT_LANES);
  assert_true(edges[0] == 0 && isinf(edges[1]) && isnan(edges[2]) && edges[3] == 1);
  assert_true(edges[4] == 0 && isinf(edges[5]));
  sht_free(y);
}

// Products of panels against their definition; integers, so that every order of the sum is exact.
static void check_products(const sht__block_kernels *kernels) {
  enum { K = 40 };
  float a[K * SHT_LANES] __attribute__((aligned(64))), b[K * SHT_LANES] __attribute__((aligned(64)));
  float c[SHT_BLOCK] __attribute__((aligned(64)));
  double wide_a[K * SHT_LANES] __attribute__((aligned(64))), wide_b[K * SHT_LANES] __attribute__((aligned(64)));
  double wide_c[SHT_BLOCK] __attribute__((aligned(64)));
  for (int i = 0; i < K * SHT_LANES; i++) {
    a[i] = (float)(i % 11 - 5);
    b[i] = (float)(i % 13 - 6);
  }
  for (int i = 0; i < SHT_BLOCK; i++) {
    c[i] = (float)i;
    wide_c[i] = i;
  }
  kernels->widen(a, wide_a, K * SHT_LANES);
  kernels->widen(b, wide_b, K * SHT_LANES);
  float turned[2 * SHT_BLOCK] __attribute__((aligned(64))) = {0};
  for (int e = 0; e < K * SHT_LANES; e++) {
    const int k = e / SHT_LANES, j = e % SHT_LANES;
    turned[k / SHT_LANES * SHT_BLOCK + j * SHT_LANES + k % SHT_LANES] = b[e];
  }
  float other[SHT_BLOCK] __attribute__((aligned(64))) = {0};
  kernels->multiply_turned(other, a, turned, SHT_BLOCK, K, 2);
  kernels->multiply(c, a, b, K, -1);
  kernels->multiply_f64(wide_c, wide_a, wide_b, K, 8);
  for (int j = 0; j < SHT_LANES; j++) {
    for (int i = 0; i < SHT_LANES; i++) {
      float sum = 0;
      for (int k = 0; k < K; k++) {
        sum += a[k * SHT_LANES + i] * b[k * SHT_LANES + j];
      }
      int place = j * SHT_LANES + i;
      assert_true(c[place] == (float)place - sum);
      assert_true(other[place] == 2 * sum);
      assert_true(wide_c[place] == place + (j < 8 ? sum : 0));
    }
  }
}

// The sums that a product of bf16 in pairs gives: of each pair the second first, each product and sum rounded to fp32;
// fmaf comes to the same, as products of two bf16 are exact.
static float sum_of_pairs(const float *a, const float *b, int i, int j, int columns) {
  float sum = 0;
  for (int k = 0; k < columns; k++) {
    const int column = (k ^ 1) * SHT_LANES;
    sum = fmaf(a[column + i], b[column + j], sum);
  }
  return sum;
}

// The same with a matrix unit (Intel's manual, TDPBF16PS): first and second values of 16 pairs are summed apart, fused,
// then with one another, then onto what there is.
static float sum_of_tiles(const float *a, const float *b, int i, int j, int columns) {
  float sum = 0;
  for (int first = 0; first < columns; first += 32) {
    float part[2] = {0, 0};
    for (int k = first; k < first + 32 && k < columns; k++) {
      part[k % 2] = fmaf(a[k * SHT_LANES + i], b[k * SHT_LANES + j], part[k % 2]);
    }
    sum += part[0] + part[1];
  }
  return sum;
}

// b as the kernels take it; room: [sht__block_turned(k)].
static const uint32_t *right_factor(const sht__block_kernels *kernels, const uint32_t *b, size_t k, uint32_t *room) {
  if (kernels->turn == NULL) {
    return b;
  }
  memset(room, 0xff, sht__block_turned(k) * sizeof *room);
  kernels->turn(b, room, k);
  return room;
}

static const sht__block_walk alone = {.panels = 1};

// Numbers of many sizes; every 17th zero, every 19th too small, every 23rd halfway between two bf16.
static void fill_uneven(float *values, uint64_t count, uint64_t stream) {
  sht_rng rng = sht_rng_make(6, SHT_PURPOSE_WEIGHTS);
  for (uint64_t i = 0; i < count; i++) {
    double value = ldexp(sht_rng_unit(rng, stream, i, 0) - 0.5, (int)sht_rng_below(rng, stream, i, 1, 12) - 6);
    values[i] = i % 17 == 0 ? 0 : i % 19 == 0 ? 0x1p-51F : (float)value;
    values[i] = i % 23 == 0 ? 1 + (float)(2 * (i % 128) + 1) * 0x1p-8F : values[i];
  }
}

static double nearest_bf16(double value) {
  int exponent;
  double mantissa = frexp(value, &exponent);
  return fabs(value) < 0x1p-50 ? 0 : ldexp(nearbyint(ldexp(mantissa, 8)), exponent - 8);
}

// Rounding, products and responses in bf16: the same bits with every set on vectors, and those of its unit with AMX.
static void check_bf16(const sht__block_kernels *kernels) {
  enum { PAIRS = 45, VALUES = 2 * PAIRS * SHT_LANES };
  float values[2][VALUES] __attribute__((aligned(64))), c[3][SHT_BLOCK] __attribute__((aligned(64)));
  uint32_t pairs[2][VALUES / 2] __attribute__((aligned(64)));
  double wide[VALUES] __attribute__((aligned(64)));
  for (int side = 0; side < 2; side++) {
    fill_uneven(values[side], VALUES, (uint64_t)side);
    kernels->round_bf16(values[side], pairs[side], PAIRS);
    kernels->widen_bf16(pairs[side], wide, PAIRS);
    for (int i = 0; i < VALUES; i++) {
      assert_true(wide[i] == nearest_bf16(values[side][i]));
      values[side][i] = (float)wide[i];
    }
  }
  for (int i = 0; i < SHT_BLOCK; i++) {
    c[0][i] = c[1][i] = c[2][i] = (float)i / 3;
  }
  uint32_t room[(PAIRS + 15) / 16 * 16 * SHT_LANES] __attribute__((aligned(64)));
  const uint32_t *right = right_factor(kernels, pairs[1], PAIRS, room);
  kernels->multiply_bf16(c[0], pairs[0], right, PAIRS, &alone);
  kernels->respond_bf16(c[1], c[2], pairs[0], right, PAIRS, 0.25F);
  for (int place = 0; place < SHT_BLOCK; place++) {
    const float sum = (kernels->turn != NULL ? sum_of_tiles : sum_of_pairs)(values[0], values[1], place % SHT_LANES,
                                                                            place / SHT_LANES, 2 * PAIRS);
    const float before = (float)place / 3;
    assert_true(c[0][place] == before + sum);
    assert_true(c[1][place] == before + fmaxf(sum - 0.25F, 0));
    assert_true(c[2][place] == before + fmaxf(-sum - 0.25F, 0));
  }
}

// A product of floats in parts is within the roundings of its sums; the smallest part left out would leave 2^-17.
static void check_parts(const sht__block_kernels *kernels) {
  enum { K = 64, WORDS = SHT_PARTS * K / 2 * SHT_LANES };
  float values[2][K * SHT_LANES] __attribute__((aligned(64))), c[SHT_BLOCK] __attribute__((aligned(64))) = {0};
  uint32_t parts[2][WORDS] __attribute__((aligned(64))), turned[WORDS] __attribute__((aligned(64)));
  for (int side = 0; side < 2; side++) {
    fill_uneven(values[side], K * SHT_LANES, (uint64_t)side);
    kernels->split(values[side], parts[side], K);
  }
  kernels->turn(parts[1], turned, WORDS / SHT_LANES);
  kernels->subtract_parts(c, parts[0], turned, K, &alone);
  for (int place = 0; place < SHT_BLOCK; place++) {
    double sum = 0, size = 0;
    for (int k = 0; k < K; k++) {
      double term = (double)values[0][k * SHT_LANES + place % SHT_LANES] * values[1][k * SHT_LANES + place / SHT_LANES];
      sum += term;
      size += fabs(term);
    }
    assert_true(fabs(c[place] + sum) <= 0x1p-21 * size);
  }
}

static int32_t byte_of(const uint32_t *words, int column, int row, bool sign) {
  const uint32_t byte = words[column / 4 * SHT_LANES + row] >> column % 4 * 8 & 0xff;
  return sign && byte > 127 ? (int32_t)byte - 256 : (int32_t)byte;
}

// Products of bytes, among them those of the largest, are exact.
static void check_bytes(const sht__block_kernels *kernels) {
  enum { FOURS = 13, WORDS = FOURS * SHT_LANES };
  uint32_t words[2][WORDS] __attribute__((aligned(64)));
  int32_t c[SHT_BLOCK] __attribute__((aligned(64)));
  sht_rng rng = sht_rng_make(7, SHT_PURPOSE_WEIGHTS);
  for (int i = 0; i < 2 * WORDS; i++) {
    const uint32_t extreme = i < WORDS ? 0xffffffff : i % 3 == 0 ? 0x80808080 : 0x7f7f7f7f;
    words[i / WORDS][i % WORDS] = i % 5 == 0 ? extreme : sht_rng_below(rng, 0, (uint64_t)i, 0, UINT32_MAX);
  }
  for (int i = 0; i < SHT_BLOCK; i++) {
    c[i] = i - 100;
  }
  uint32_t room[16 * SHT_LANES] __attribute__((aligned(64)));
  kernels->multiply_bytes(c, words[0], right_factor(kernels, words[1], FOURS, room), FOURS, &alone);
  for (int place = 0; place < SHT_BLOCK; place++) {
    int32_t sum = place - 100;
    for (int k = 0; k < 4 * FOURS; k++) {
      sum += byte_of(words[0], k, place % SHT_LANES, false) * byte_of(words[1], k, place / SHT_LANES, true);
    }
    assert_int_equal(c[place], sum);
  }
}

enum { WALKS = 3, WALK_WORDS = 48, WALK_STEP = WALK_WORDS * SHT_LANES };

// Product number `way` of those that walk over panels.
static void walk(const sht__block_kernels *kernels, int way, uint32_t *c, const uint32_t *a, const uint32_t *b,
                 const sht__block_walk *panels) {
  enum { TAIL = 5, PARTS_COLUMNS = 32 };
  uint32_t room[WALK_STEP] __attribute__((aligned(64)));
  if (way == 0) {
    kernels->multiply_bf16((float *)c, a, right_factor(kernels, b, WALK_WORDS - TAIL, room), WALK_WORDS - TAIL, panels);
  } else if (way == 1) {
    kernels->multiply_bytes((int32_t *)c, a, right_factor(kernels, b, WALK_WORDS - TAIL, room), WALK_WORDS - TAIL,
                            panels);
  } else if (kernels->split != NULL) {
    kernels->subtract_parts((float *)c, a, right_factor(kernels, b, WALK_WORDS, room), PARTS_COLUMNS, panels);
  }
}

// A walk over panels gives the bits of products one by one, and leaves what is between the blocks.
static void check_walk(const sht__block_kernels *kernels) {
  enum { PANELS = 5, BLOCKS = 2 * PANELS };
  float values[(PANELS + 1) * 2 * WALK_STEP] __attribute__((aligned(64)));
  uint32_t words[(PANELS + 1) * WALK_STEP] __attribute__((aligned(64)));
  uint32_t c[2][BLOCKS * SHT_BLOCK] __attribute__((aligned(64)));
  fill_uneven(values, (PANELS + 1) * 2 * WALK_STEP, 3);
  kernels->round_bf16(values, words, (PANELS + 1) * WALK_WORDS);
  const uint32_t *a = words + WALK_STEP;
  const sht__block_walk all = {
      .panels = PANELS, .c_step = 2 * SHT_BLOCK, .a_step = WALK_STEP, .ahead = {words, a}, .piece = SHT_LANES};
  for (int way = 0; way < WALKS; way++) {
    memset(c, 0, sizeof c);
    walk(kernels, way, c[0], a, words, &all);
    for (size_t p = 0; p < PANELS; p++) {
      walk(kernels, way, c[1] + p * 2 * SHT_BLOCK, a + p * WALK_STEP, words, &alone);
    }
    assert_memory_equal(c[0], c[1], sizeof c[0]);
  }
}

static void test_blocks(void **state) {
  (void)state;
  for (const sht__block_kernels *const *set = sht__block_all(); *set != NULL; set++) {
    if (!(*set)->supported()) {
      print_message("%s: not on this processor, NOT TESTED\n", (*set)->name);
    } else {
      check_exp(*set);
      check_products(*set);
      check_bf16(*set);
      check_bytes(*set);
      check_walk(*set);
      if ((*set)->split != NULL) {
        check_parts(*set);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_blocks),  cmocka_unit_test(test_factor), cmocka_unit_test(test_threads),
      cmocka_unit_test(test_failure), cmocka_unit_test(test_solve),  cmocka_unit_test(test_inverse_and_spectrum),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
