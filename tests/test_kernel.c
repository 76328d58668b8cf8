// Kernel machines against plain solutions in double, and what must not happen.
//
// The reference solves (K + ridge I) a = y by Cholesky in double with K from its definition; with condition numbers
// below 1e6 its coefficients are good to 1e-9, and so must ours be: the residual is at most 1e-12.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four

#include <cmocka.h>

#include "base/pool.h"
#include "dense/small.h"
#include "kernel_fixture.h"

enum { CLASSES = 3 };

static double plain_kernel(const sht_kernel_options *o, const float *x, const float *z, uint64_t d) {
  double product = 0, square = 0;
  for (uint64_t f = 0; f < d; f++) {
    product += (double)x[f] * (double)z[f];
    square += ((double)x[f] - (double)z[f]) * ((double)x[f] - (double)z[f]);
  }
  switch (o->kind) {
    case SHT_KERNEL_LINEAR:
      return product;
    case SHT_KERNEL_GAUSSIAN:
      return exp(-square / (2 * o->sigma * o->sigma));
    case SHT_KERNEL_LAPLACIAN:
      return exp(-sqrt(square) / o->sigma);
    default:
      return pow(product / (o->sigma * o->sigma) + o->offset, o->degree);
  }
}

static double target_of(const sht_kernel_examples *e, uint64_t i, uint64_t k) {
  return e->labels != NULL ? e->labels[i] == k : e->targets[i * e->outputs + k];
}

// The factor of K + ridge I of the training examples without number `without` (UINT64_MAX: all): [n][n].
static double *plain_factor(const sample *s, const sht_kernel_options *o, uint64_t without) {
  const uint64_t n = s->train.count, d = s->train.width;
  double *k = take(n * n, sizeof(double));
  for (uint64_t i = 0; i < n; i++) {
    for (uint64_t j = 0; j < n; j++) {
      bool out = i == without || j == without;
      double value = out ? 0 : plain_kernel(o, s->inputs + i * d, s->inputs + j * d, d);
      k[i * n + j] = value + (i == j ? (out ? 1 : o->ridges[0]) : 0);
    }
  }
  assert_int_equal(sht__small_factor(k, n), n);
  return k;
}

// Coefficients of output k: [n]. Targets minus `mean`; that of `without` is 0.
static void plain_solve(const sample *s, const double *factor, uint64_t k, double mean, uint64_t without, double *a) {
  for (uint64_t i = 0; i < s->train.count; i++) {
    a[i] = i == without ? 0 : target_of(&s->train, i, k) - mean;
  }
  sht__small_solve(factor, s->train.count, a);
}

static double plain_mean(const sample *s, uint64_t k) {
  double sum = 0;
  for (uint64_t i = 0; i < s->train.count; i++) {
    sum += target_of(&s->train, i, k);
  }
  return sum / (double)s->train.count;
}

static double plain_value(const sample *s, const sht_kernel_options *o, const double *a, const float *x) {
  double sum = 0;
  for (uint64_t j = 0; j < s->train.count; j++) {
    sum += a[j] * plain_kernel(o, x, s->inputs + j * s->train.width, s->train.width);
  }
  return sum;
}

static sht_kernel_result *solve(const sample *s, const sht_kernel_options *o) {
  sht_kernel_result *result = NULL;
  sht_error error = {0};
  if (sht_kernel_solve(&s->train, &s->test, o, &result, &error) != SHT_OK) {
    fail_msg("%s", error.message);
  }
  return result;
}

// Coefficients, predictions and norms of one kernel.
static void check_kernel(const sample *s, const sht_kernel_options *o) {
  const uint64_t n = s->train.count, m = s->train.outputs;
  sht_kernel_result *result = solve(s, o);
  const sht_kernel_solution *found = &result->solutions[0];
  assert_true(found->converged && found->residual <= 1e-12 && found->jitter == 0);
  double *factor = plain_factor(s, o, UINT64_MAX), *a = take(n, sizeof(double)), total = 0;
  for (uint64_t k = 0; k < m; k++) {
    double mean = o->centre ? plain_mean(s, k) : 0, square = 0, largest = 0;
    plain_solve(s, factor, k, mean, UINT64_MAX, a);
    for (uint64_t i = 0; i < n; i++) {
      largest = fmax(largest, fabs(a[i]));
      square += a[i] * plain_value(s, o, a, s->inputs + i * s->train.width);
    }
    for (uint64_t i = 0; i < n; i++) {
      assert_true(fabs(found->coefficients[i * m + k] - a[i]) <= 1e-8 * largest);
    }
    for (uint64_t t = 0; t < s->test.count; t++) {
      double wanted = plain_value(s, o, a, s->test_inputs + t * s->train.width) + mean;
      assert_true(fabs(found->predictions[t * m + k] - wanted) <= 1e-7);
    }
    assert_true(fabs(found->norms.outputs[k] - sqrt(square)) <= 1e-7 * sqrt(square));
    total += square;
  }
  assert_true(fabs(found->norms.solution - sqrt(total)) <= 1e-7 * sqrt(total));
  sht_free(factor);
  sht_free(a);
  sht_kernel_result_close(result);
}

static void test_kernels(void **state) {
  (void)state;
  sample s = make_sample(300, 40, 9, CLASSES);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.4, 0);
  check_kernel(&s, &o);
  o.centre = true;
  o.ridges[0] = 0.1;
  check_kernel(&s, &o);
  make_regression(&s);
  check_kernel(&s, &o);
  o = plain_options(SHT_KERNEL_LAPLACIAN, 1, 0);
  check_kernel(&s, &o);
  o = plain_options(SHT_KERNEL_LINEAR, 1, 0.5);
  check_kernel(&s, &o);
  o = plain_options(SHT_KERNEL_POLYNOMIAL, 2, 0.5);
  o.degree = 3;
  check_kernel(&s, &o);
  free_sample(&s);
}

// 33 outputs take two groups of right-hand sides; all other codings of the targets against their definition.
static void test_codings(void **state) {
  (void)state;
  sample s = make_sample(270, 5, 6, 33);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.3, 0.2);
  check_kernel(&s, &o);
  const uint64_t n = s.train.count;
  sht_kernel_result *result = solve(&s, &o);
  const sht_kernel_norms *norms = &result->solutions[0].norms;
  double *factor = plain_factor(&s, &o, UINT64_MAX), *a = take(n, sizeof(double)), sums[4] = {0};
  for (int coding = 0; coding < 4; coding++) {
    for (uint64_t k = 0; k < (coding == 3 ? 1 : s.train.outputs); k++) {
      double mean = plain_mean(&s, k);
      for (uint64_t i = 0; i < n; i++) {
        double hot = s.labels[i] == k;
        a[i] = coding == 0 ? hot : coding == 1 ? hot - mean : coding == 2 ? 2 * hot - 1 : s.labels[i];
      }
      sht__small_solve(factor, n, a);
      for (uint64_t i = 0; i < n; i++) {
        sums[coding] += a[i] * plain_value(&s, &o, a, s.inputs + i * s.train.width);
      }
    }
  }
  const double found[] = {norms->one_hot, norms->centred, norms->plus_minus, norms->label_number};
  for (int coding = 0; coding < 4; coding++) {
    assert_true(fabs(found[coding] - sqrt(sums[coding])) <= 1e-7 * sqrt(sums[coding]));
  }
  sht_free(factor);
  sht_free(a);
  sht_kernel_result_close(result);
  free_sample(&s);
}

// The leave-one-out error against leaving each one out; training and test errors against predictions.
static void test_leave_one_out(void **state) {
  (void)state;
  for (int regression = 0; regression < 2; regression++) {
    sample s = make_sample(60, 30, 4, CLASSES);
    sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.3, 0.05);
    o.leave_one_out = true;
    if (regression) {
      make_regression(&s);
    }
    const uint64_t n = s.train.count;
    sht_kernel_result *result = solve(&s, &o);
    double *a = take(n, sizeof(double)), wrong = 0, squares = 0;
    for (uint64_t i = 0; i < n; i++) {
      double *factor = plain_factor(&s, &o, i), values[CLASSES];
      uint64_t best = 0;
      for (uint64_t k = 0; k < CLASSES; k++) {
        plain_solve(&s, factor, k, 0, i, a);
        a[i] = 0;
        values[k] = plain_value(&s, &o, a, s.inputs + i * s.train.width);
        best = values[k] > values[best] ? k : best;
        squares += pow(values[k] - target_of(&s.train, i, k), 2) / (double)(n * CLASSES);
      }
      wrong += best != s.labels[i];
      sht_free(factor);
    }
    double wanted = regression ? sqrt(squares) : wrong / (double)n;
    assert_true(fabs(result->solutions[0].loo_error - wanted) <= (regression ? 1e-5 * wanted : 1e-12));
    sht_free(a);
    sht_kernel_result_close(result);
    free_sample(&s);
  }
}

// Every bit of coefficients and predictions at 1 to 8 threads.
static void test_threads(void **state) {
  (void)state;
  sample s = make_sample(700, 300, 20, CLASSES);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 1, 1e-3);
  sht_kernel_result *first = solve(&s, &o);
  for (int threads = 1; threads <= 8; threads++) {
    sht_pool *pool = NULL;
    assert_int_equal(sht_pool_open(threads, &pool, NULL), SHT_OK);
    o.pool = pool;
    sht_kernel_result *other = solve(&s, &o);
    assert_memory_equal(first->solutions[0].coefficients, other->solutions[0].coefficients, 700 * CLASSES * 8);
    assert_memory_equal(first->solutions[0].predictions, other->solutions[0].predictions, 300 * CLASSES * 8);
    sht_kernel_result_close(other);
    sht_pool_close(pool);
  }
  sht_kernel_result_close(first);
  free_sample(&s);
}

// A matrix that fp32 cannot factor (smooth kernel, condition 1e10 and more) is still solved, with jitter that is told
// and does not change the solution: residual of K itself.
static void test_breakdown(void **state) {
  (void)state;
  sample s = make_sample(200, 10, 3, CLASSES);
  make_regression(&s);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.6, 1e-8);
  o.tolerance = 1e-9;
  o.iterations_max = 2000;
  o.leave_one_out = true;
  sht_kernel_result *result = solve(&s, &o);
  const sht_kernel_solution *found = &result->solutions[0];
  assert_true(found->jitter > 0 && found->converged && found->residual <= 1e-9);
  assert_true(isnan(found->loo_error) && strstr(found->remark, "leave-one-out") != NULL);
  double *factor = plain_factor(&s, &o, UINT64_MAX), *a = take(200, sizeof(double));
  plain_solve(&s, factor, 0, 0, UINT64_MAX, a);
  for (uint64_t t = 0; t < s.test.count; t++) {
    assert_true(fabs(found->predictions[t * CLASSES] - plain_value(&s, &o, a, s.test_inputs + t * 3)) < 1e-6);
  }
  sht_free(factor);
  sht_free(a);
  sht_kernel_result_close(result);
  free_sample(&s);
}

// The same without any ridge, condition above 1e10 and the targets of a smooth function: it converges, or it would say
// the best iterate. Nothing is said of a smallest eigenvalue that jitter hides.
static void test_breakdown_without_ridge(void **state) {
  (void)state;
  sample s = make_sample(200, 10, 3, CLASSES);
  make_regression(&s);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.45, 0);
  o.tolerance = 1e-9;
  o.iterations_max = 3000;
  sht_kernel_result *result = solve(&s, &o);
  const sht_kernel_solution *found = &result->solutions[0];
  assert_true(found->jitter > 0 && found->converged && found->residual <= 1e-6);
  assert_true(isnan(found->smallest_eigenvalue) && found->largest_eigenvalue > 1 && found->eigenvalue_bound > 0);
  double miss = 0;
  for (uint64_t t = 0; t < 10; t++) {
    miss = fmax(miss, fabs(found->predictions[t * CLASSES] - s.test_targets[t * CLASSES]));
  }
  assert_true(miss < 0.05);
  sht_kernel_result_close(result);
  o.iterations_max = 6;
  result = solve(&s, &o);
  assert_true(!result->solutions[0].converged && result->solutions[0].residual < 1);
  assert_non_null(strstr(result->solutions[0].remark, "ran out"));
  assert_true(result->solutions[0].iterations <= o.iterations_max + 2);  // as the option's help says
  sht_kernel_result_close(result);
  free_sample(&s);
}

// A factor near breakdown has no leave-one-out error that could be trusted: none is told, and the reason is.
static void test_weak_pivots(void **state) {
  (void)state;
  sample s = make_sample(200, 10, 3, CLASSES);
  make_regression(&s);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.6, 5e-5);
  o.leave_one_out = true;
  sht_kernel_result *result = solve(&s, &o);
  const sht_kernel_solution *found = &result->solutions[0];
  assert_true(found->converged && found->jitter == 0 && found->smallest_pivot < 8e-5);
  assert_true(isnan(found->loo_error) && strstr(found->remark, "smallest pivot") != NULL);
  sht_kernel_result_close(result);
  free_sample(&s);
}

// Examples 7 and n - 1 are equal, with equal targets: the same function as without the second of them, although K is
// singular.
static void check_equal_pair(sample *s, const sht_kernel_options *o) {
  const uint64_t n = s->train.count;
  sht_kernel_result *result = solve(s, o);
  s->train.count = n - 1;
  sht_kernel_result *without = solve(s, o);
  s->train.count = n;
  assert_true(result->solutions[0].converged && result->solutions[0].jitter > 0);
  assert_true(result->solutions[0].train_error == 0 && without->solutions[0].jitter == 0);
  for (uint64_t i = 0; i < 5 * CLASSES; i++) {
    assert_true(fabs(result->solutions[0].predictions[i] - without->solutions[0].predictions[i]) < 1e-7);
  }
  double norm = without->solutions[0].norms.solution;
  assert_true(fabs(result->solutions[0].norms.solution - norm) < 1e-7 * norm);
  sht_kernel_result_close(without);
  sht_kernel_result_close(result);
}

// Equal examples with equal targets, whose pivot fails among the leading columns of the factor and behind them; with
// different targets a sentence that names them; with different targets and a ridge a solution.
static void test_duplicates(void **state) {
  (void)state;
  static const uint64_t sizes[] = {50, 600};
  for (size_t i = 0; i < 2; i++) {
    const uint64_t n = sizes[i];
    sample s = make_sample(n, 5, 4, CLASSES);
    sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.2, 0);
    o.tolerance = 1e-10;
    s.inputs[(size_t)7 * 4] = 0;
    memcpy(s.inputs + (n - 1) * 4, s.inputs + (size_t)7 * 4, 4 * sizeof(float));
    s.inputs[(n - 1) * 4] = -0.0F;  // the same number
    s.labels[n - 1] = s.labels[7];
    check_equal_pair(&s, &o);
    s.labels[n - 1] = (uint16_t)((s.labels[7] + 1) % CLASSES);
    char expected[32];
    sht_error error = {0};
    sht_kernel_result *result = NULL;
    (void)snprintf(expected, sizeof expected, "examples 7 and %llu", (unsigned long long)(n - 1));
    assert_int_equal(sht_kernel_solve(&s.train, &s.test, &o, &result, &error), SHT_DATA);
    assert_non_null(strstr(error.message, expected));
    o.ridges[0] = 0.1;
    result = solve(&s, &o);
    assert_true(result->solutions[0].converged);
    sht_kernel_result_close(result);
    free_sample(&s);
  }
}

// Without a solution the best iterate is told: never worse than x = 0, and its residual, error and norm are those of
// its coefficients. The codings that need the column of ones are not told.
static void check_best_iterate(const sample *s, const sht_kernel_options *o) {
  for (uint32_t most = 5; most <= 320; most *= 2) {
    const uint64_t n = s->train.count;
    sht_kernel_options some = *o;
    some.iterations_max = most;
    sht_kernel_result *result = solve(s, &some);
    const sht_kernel_solution *found = &result->solutions[0];
    double worst = 0, squares = 0;
    assert_true(!found->converged && found->residual <= 1 && isnan(found->smallest_eigenvalue));
    assert_true(isnan(found->norms.centred) && isnan(found->norms.plus_minus));
    double *a = take(n, sizeof(double));
    for (uint64_t k = 0; k < CLASSES; k++) {
      double rest = 0, size = 0;
      for (uint64_t i = 0; i < n; i++) {
        a[i] = found->coefficients[i * CLASSES + k];
      }
      for (uint64_t i = 0; i < n; i++) {
        double value = plain_value(s, o, a, s->inputs + i * s->train.width), target = target_of(&s->train, i, k);
        rest += (target - value) * (target - value);
        size += target * target;
        squares += a[i] * value;
      }
      worst = fmax(worst, sqrt(rest / size));
    }
    assert_true(fabs(found->residual - worst) < 1e-6);
    assert_true(fabs(found->norms.one_hot - sqrt(squares)) < 0.01 * sqrt(squares));  // coefficients of 1e6 cancel
    sht_free(a);
    sht_kernel_result_close(result);
  }
}

// A linear kernel of 4 features cannot interpolate 50 examples: an outcome with a remark, not an error.
static void test_not_solvable(void **state) {
  (void)state;
  sample s = make_sample(50, 5, 4, CLASSES);
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 0);
  sht_kernel_result *result = solve(&s, &o);
  assert_false(result->solutions[0].converged);
  assert_non_null(strstr(result->solutions[0].remark, "more examples than features"));
  sht_kernel_result_close(result);
  check_best_iterate(&s, &o);
  free_sample(&s);
}

// One example; more classes than examples; no test examples.
static void test_tiny(void **state) {
  (void)state;
  sample s = make_sample(1, 3, 4, 50);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 1, 0);
  check_kernel(&s, &o);
  free_sample(&s);
  s = make_sample(12, 3, 4, 50);
  check_kernel(&s, &o);
  sht_kernel_result *result = NULL;
  assert_int_equal(sht_kernel_solve(&s.train, NULL, &o, &result, NULL), SHT_OK);
  assert_true(isnan(result->solutions[0].test_error) && result->solutions[0].train_error == 0);
  sht_kernel_result_close(result);
  free_sample(&s);
}

// Images of one grey: equal ones are interpolated when their labels agree, have no median distance to set a width by,
// and give random convolutions nothing to see: no solution without a ridge, the function 0 with one.
static void test_constant_images(void **state) {
  (void)state;
  enum { COUNT = 20, SIDE = 10 };
  uint8_t *pixels = take(COUNT * SIDE * SIDE, 1);
  uint16_t labels[COUNT] = {0};
  memset(pixels, 90, COUNT * SIDE * SIDE);
  sht_split split = {.count = COUNT, .height = SIDE, .width = SIDE, .channels = 1, .pixels = pixels, .labels = labels};
  sample s = {.train = {.count = COUNT, .images = &split, .labels = labels, .outputs = CLASSES}};
  s.test = s.train;
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 1, 0);
  sht_kernel_result *result = solve(&s, &o);
  assert_true(result->solutions[0].converged && result->solutions[0].train_error == 0);
  assert_true(fabs(result->solutions[0].norms.solution - 1) < 1e-6);
  sht_kernel_result_close(result);
  o.sigma_rule = SHT_SIGMA_MEDIAN;
  sht_error error = {0};
  assert_int_equal(sht_kernel_solve(&s.train, NULL, &o, &result, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "median distance"));
  o = plain_options(SHT_KERNEL_LINEAR, 1, 0);
  o.features = "randconv:3";
  o.iterations_max = 5;
  result = solve(&s, &o);
  assert_true(!result->solutions[0].converged && result->solutions[0].residual == 1);
  sht_kernel_result_close(result);
  o.ridges[0] = 1;
  result = solve(&s, &o);
  assert_true(result->solutions[0].converged && result->solutions[0].norms.solution == 0);
  sht_kernel_result_close(result);
  sht_free(pixels);
}

// Whole numbers from 0 to 255, which products of bytes take.
static void make_levels(sample *s) {
  for (uint64_t i = 0; i < s->train.count * s->train.width; i++) {
    s->inputs[i] = i % 11 == 0 ? 255 : floorf(256 * s->inputs[i]);
  }
  for (uint64_t i = 0; i < s->test.count * s->test.width; i++) {
    s->test_inputs[i] = i % 7 == 0 ? 255 : floorf(256 * s->test_inputs[i]);
  }
}

static sht_split split_of(const float *levels, uint64_t count, uint32_t width, uint16_t *labels) {
  uint8_t *pixels = take(count * width, 1);
  for (uint64_t i = 0; i < count * width; i++) {
    pixels[i] = (uint8_t)levels[i];
  }
  return (sht_split){.count = count, .height = 1, .width = width, .channels = 1, .pixels = pixels, .labels = labels};
}

// Images are the same levels, 255 times smaller.
static void check_images(const sample *s, const sht_kernel_options *arrays) {
  const uint32_t width = (uint32_t)s->train.width;
  sht_split train = split_of(s->inputs, s->train.count, width, s->labels);
  sht_split test = split_of(s->test_inputs, s->test.count, width, s->test_labels);
  sample images = *s;
  images.train.images = &train;
  images.test.images = &test;
  images.train.inputs = images.test.inputs = NULL;
  sht_kernel_options o = *arrays;
  o.sigma = arrays->sigma / 255;
  sht_kernel_result *found = solve(&images, &o), *wanted = solve(s, arrays);
  for (uint64_t i = 0; i < s->test.count * CLASSES; i++) {
    assert_true(fabs(found->solutions[0].predictions[i] - wanted->solutions[0].predictions[i]) < 1e-9);
  }
  sht_kernel_result_close(found);
  sht_kernel_result_close(wanted);
  sht_free(train.pixels);
  sht_free(test.pixels);
}

// Levels, with features that do not fill a word, and more than products take at once; and arrays that are nearly such.
static void test_levels(void **state) {
  (void)state;
  const uint64_t widths[] = {9, 602};
  for (size_t w = 0; w < 2; w++) {
    sample s = make_sample(300, 40, widths[w], CLASSES);
    make_levels(&s);
    sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 40 * sqrt((double)widths[w]), 0);
    check_kernel(&s, &o);
    check_images(&s, &o);
    o = plain_options(SHT_KERNEL_LAPLACIAN, 255, 0.1);
    check_kernel(&s, &o);
    o = plain_options(SHT_KERNEL_LINEAR, 1, 30000);
    check_kernel(&s, &o);
    s.test_inputs[5] = 0.5F;
    check_kernel(&s, &o);
    s.inputs[5] = -1;
    check_kernel(&s, &o);
    free_sample(&s);
  }
}

static void expect(const sample *s, const sht_kernel_options *o, sht_status status, const char *words) {
  sht_kernel_result *result = NULL;
  sht_error error = {0};
  assert_int_equal(sht_kernel_solve(&s->train, &s->test, o, &result, &error), status);
  assert_null(result);
  assert_non_null(strstr(error.message, words));
}

static void test_refusals(void **state) {
  (void)state;
  sample s = make_sample(30, 3, 4, CLASSES);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 1, 0);
  s.inputs[17] = (float)NAN;
  expect(&s, &o, SHT_DATA, "value 1 of example 4");
  s.inputs[17] = 0;
  s.test_inputs[3] = (float)INFINITY;
  expect(&s, &o, SHT_DATA, "test inputs");
  s.test_inputs[3] = 0;
  s.labels[9] = CLASSES;
  expect(&s, &o, SHT_DATA, "example 9 has label 3");
  s.labels[9] = 0;
  make_regression(&s);
  s.targets[5] = (double)NAN;
  expect(&s, &o, SHT_DATA, "training targets");
  s.targets[5] = 0;
  o.sigma = 0;
  expect(&s, &o, SHT_CONFIG, "sigma");
  o.sigma = 1e-170;
  expect(&s, &o, SHT_CONFIG, "sigma");
  o.sigma = 1;
  o.ridges[0] = 1e39;
  expect(&s, &o, SHT_CONFIG, "ridge 1e+39");
  o.ridges[0] = 0;
  o.memory_max = 100000;
  expect(&s, &o, SHT_MEMORY, "examples would fit");
  o.memory_max = 0;
  o.features = "gabor";
  expect(&s, &o, SHT_CONFIG, "images");
  o.features = NULL;
  for (int i = 0; i < 30 * 4; i++) {
    s.inputs[i] = 1e25F;
  }
  for (int i = 0; i < 30 * CLASSES; i++) {
    s.targets[i] = 1;
  }
  o.kind = SHT_KERNEL_POLYNOMIAL;
  expect(&s, &o, SHT_DATA, "too large for fp32");
  free_sample(&s);
}

// The median and the search end with a width near the best one, and the search's leave-one-out error is exact: it is
// the one that a solution at that width has.
static void test_sigma(void **state) {
  (void)state;
  sample s = make_sample(300, 50, 3, CLASSES);
  for (uint64_t i = 0; i < 300; i++) {
    s.labels[i] = s.inputs[i * 3] > 0.6F ? 2 : s.inputs[i * 3] > 0.3F;
  }
  sht_kernel_options o = plain_options(SHT_KERNEL_LAPLACIAN, 0, 0);
  o.sigma_rule = SHT_SIGMA_SEARCH;
  o.leave_one_out = true;
  o.tolerance = 1e-6;
  sht_kernel_result *result = solve(&s, &o);
  double best = 1;
  assert_int_equal(result->trial_count, SHT_KERNEL_SEARCH_STEPS);
  for (uint32_t t = 0; t < result->trial_count; t++) {
    best = fmin(best, result->trials[t].loo_error);
  }
  assert_true(result->solutions[0].loo_error == best);
  assert_true(best < 0.1);
  sht_kernel_result_close(result);
  free_sample(&s);
}

// What a path of ridges takes beforehand: arithmetic, files and results of each ridge; the memory that is promised
// covers what is really held, also with many outputs.
static void test_estimate(void **state) {
  (void)state;
  sht_dataset *data = NULL;
  sht_kernel_examples train = open_shapes("shapes:300,10", &data);
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 1);
  sht_kernel_estimate one, three;
  o.features = "randconv:260";
  assert_int_equal(sht_kernel_estimate_cost(&train, NULL, &o, &one, NULL), SHT_OK);
  o.ridge_count = 3;
  assert_int_equal(sht_kernel_estimate_cost(&train, NULL, &o, &three, NULL), SHT_OK);
  const uint64_t tiles = (uint64_t)2 * 3 / 2 * 256 * 256 * sizeof(float);
  assert_true(one.folder_bytes == 3 * tiles && three.folder_bytes == 5 * tiles);
  assert_true(three.feature_flops == one.feature_flops && three.gram_flops == one.gram_flops);
  assert_true(three.factor_flops == 3 * one.factor_flops);
  assert_true(three.bytes == one.bytes + tiles + 2 * 300 * data->classes * sizeof(double));
  o.folder = "somewhere";
  assert_int_equal(sht_kernel_estimate_cost(&train, NULL, &o, &three, NULL), SHT_OK);
  assert_true(one.kept_bytes == 0 && three.kept_bytes == (uint64_t)2 * 512 * 256 * 18 * sizeof(uint16_t));
  assert_true(three.product_flops < one.product_flops);
  assert_true(three.bytes == one.bytes + 2 * 300 * data->classes * sizeof(double));
  o.folder = NULL;
  sht_dataset_close(data);
  sample s = make_sample(2000, 100, 5, 400);
  make_regression(&s);
  o = plain_options(SHT_KERNEL_GAUSSIAN, 0.2, 1);
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &one, NULL), SHT_OK);
  const uint64_t triangle = (uint64_t)8 * 9 / 2 * 256 * 256 * sizeof(float);
  assert_true(one.bytes >= triangle + (9 + 3 + 1) * 400 * (uint64_t)2000 * sizeof(double));
  o.spectrum_steps = UINT32_MAX;  // there are as many steps as examples, at most
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &three, NULL), SHT_OK);
  assert_true(three.bytes > one.bytes && three.bytes <= one.bytes + (uint64_t)2048 * 2001 * sizeof(double));
  // A search among all examples has its own features, and leave-one-out; one among few has less than the solution.
  o.spectrum_steps = 0;
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &one, NULL), SHT_OK);
  o.sigma_rule = SHT_SIGMA_SEARCH;
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &three, NULL), SHT_OK);
  assert_true(three.bytes >= one.bytes + 2000 * 5 * sizeof(float));
  o.search_examples = 100;
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &three, NULL), SHT_OK);
  assert_true(three.bytes == one.bytes);
  free_sample(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_estimate),
      cmocka_unit_test(test_kernels),
      cmocka_unit_test(test_codings),
      cmocka_unit_test(test_threads),
      cmocka_unit_test(test_leave_one_out),
      cmocka_unit_test(test_breakdown),
      cmocka_unit_test(test_breakdown_without_ridge),
      cmocka_unit_test(test_weak_pivots),
      cmocka_unit_test(test_duplicates),
      cmocka_unit_test(test_tiny),
      cmocka_unit_test(test_levels),
      cmocka_unit_test(test_constant_images),
      cmocka_unit_test(test_not_solvable),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_sigma),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
