// Kernel machines on a card against the same on the processor (which test_kernel and test_kernel_scipy judge): every
// kernel, sizes around the blocks of 512 columns and 64 rows, a path of ridges, jitter, what is refused, being stopped.
//
// On a card where there is one; and (test_cuda_kernel_on_host) with the same kernels and driver on the processor.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// cmocka needs the first four

#include <cmocka.h>

#include "base/memory.h"
#include "shatter/kernel.h"

enum { OUTPUTS = 3 };

typedef struct sample {
  sht_kernel_examples train, test;
  float *inputs[2];
  double *targets[2];
} sample;

static void *take(uint64_t count, uint64_t size) {
  void *block = NULL;
  assert_int_equal(sht_alloc(&block, count, size, "a test's array", NULL), SHT_OK);
  return block;
}

// Inputs in [0, 1], targets of a smooth function.
static sht_kernel_examples make_examples(uint64_t n, uint64_t d, uint64_t outputs, uint32_t which, sample *s) {
  const sht_rng rng = sht_rng_make(7, SHT_PURPOSE_SHAPES);
  float *x = s->inputs[which] = take(n * d, sizeof(float));
  double *y = s->targets[which] = take(n * outputs, sizeof(double));
  for (uint64_t i = 0; i < n * d; i++) {
    x[i] = (float)sht_rng_unit(rng, which, i, 0);
  }
  for (uint64_t i = 0; i < n * outputs; i++) {
    y[i] = sin(3 * x[i / outputs * d] + (double)(i % outputs));
  }
  return (sht_kernel_examples){.count = n, .inputs = x, .width = d, .targets = y, .outputs = outputs};
}

static sample make_sample(uint64_t n, uint64_t tests, uint64_t d, uint64_t outputs) {
  sample s;
  s.train = make_examples(n, d, outputs, 0, &s);
  s.test = make_examples(tests, d, outputs, 1, &s);
  return s;
}

static void free_sample(sample *s) {
  for (int i = 0; i < 2; i++) {
    sht_free(s->inputs[i]);
    sht_free(s->targets[i]);
  }
}

static sht_kernel_options options_of(sht_kernel_kind kind, double sigma, double ridge) {
  sht_kernel_options o;
  sht_kernel_options_default(&o);
  o.kind = kind;
  o.sigma_rule = SHT_SIGMA_GIVEN;
  o.sigma = sigma;
  o.ridges[0] = ridge;
  o.tolerance = 1e-12;
  return o;
}

static sht_kernel_result *solve(const sample *s, sht_kernel_options o, const char *device) {
  sht_kernel_result *result = NULL;
  sht_error error = {.message = ""};
  o.device = device;
  if (sht_kernel_solve(&s->train, &s->test, &o, &result, &error) != SHT_OK) {
    fail_msg("%s: %s", device, error.message);
  }
  return result;
}

// The largest difference, relative to the largest value.
static double difference(const double *a, const double *b, uint64_t count) {
  double most = 0, largest = 0;
  for (uint64_t i = 0; i < count; i++) {
    most = !(fabs(a[i] - b[i]) <= most) ? fabs(a[i] - b[i]) : most;
    largest = fmax(largest, fabs(a[i]));
  }
  return largest > 0 ? most / largest : most;
}

static bool near(double a, double b, double share) { return (isnan(a) && isnan(b)) || fabs(a - b) <= share * fabs(a); }

// Both solve the same system in double to a residual of `tolerance`, so that predictions differ by no more than that
// times its condition: `share`. Pivots and eigenvalues come from factors in fp32.
static void compare(const sample *s, const sht_kernel_solution *here, const sht_kernel_solution *card, double share) {
  const uint64_t m = s->train.outputs;
  assert_true(here->converged && card->converged);
  assert_true((here->jitter > 0) == (card->jitter > 0));
  assert_true(near(here->jitter, card->jitter, 1e-12));
  assert_true(difference(here->predictions, card->predictions, s->test.count * m) <= share);
  assert_true(fabs(here->test_error - card->test_error) <= share);
  assert_true(near(here->norms.solution, card->norms.solution, share));
  assert_true(near(here->largest_eigenvalue, card->largest_eigenvalue, 1e-4));
  if (here->jitter == 0) {  // else many coefficients make the same function
    assert_true(difference(here->coefficients, card->coefficients, s->train.count * m) <= share);
    assert_true(near(here->smallest_pivot, card->smallest_pivot, 0.02));
    assert_true(near(here->smallest_eigenvalue, card->smallest_eigenvalue, 0.02));
    assert_true(card->iterations <= here->iterations + 2);
  }
}

static void check(const sample *s, const sht_kernel_options *o, double share) {
  sht_kernel_result *here = solve(s, *o, "cpu"), *card = solve(s, *o, "cuda");
  assert_int_equal(here->solution_count, card->solution_count);
  assert_string_not_equal(here->arithmetic, card->arithmetic);
  for (uint32_t r = 0; r < here->solution_count; r++) {
    compare(s, &here->solutions[r], &card->solutions[r], share);
  }
  sht_kernel_result_close(here);
  sht_kernel_result_close(card);
}

static void test_kernels(void **state) {
  (void)state;
  sample s = make_sample(1300, 40, 9, OUTPUTS);
  sht_kernel_options o = options_of(SHT_KERNEL_GAUSSIAN, 0.3, 0);
  check(&s, &o, 1e-8);
  o = options_of(SHT_KERNEL_LAPLACIAN, 1, 0);
  check(&s, &o, 1e-8);
  o = options_of(SHT_KERNEL_LINEAR, 1, 0.5);
  o.centre = true;
  check(&s, &o, 1e-8);
  o = options_of(SHT_KERNEL_POLYNOMIAL, 2, 0.5);
  o.degree = 3;
  check(&s, &o, 1e-8);
  free_sample(&s);
}

// Within the leading columns, at their end, behind it, at the ends of blocks; more test than training examples.
static void test_sizes(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1, 31, 64, 511, 512, 513, 577, 1024, 1025};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    sample s = make_sample(sizes[i], 97, 6, OUTPUTS);
    const sht_kernel_options o = options_of(SHT_KERNEL_LAPLACIAN, 0.5, 0.01);
    check(&s, &o, 1e-8);
    free_sample(&s);
  }
}

// Two groups of right-hand sides; several ridges on the same card.
static void test_path(void **state) {
  (void)state;
  sample s = make_sample(600, 20, 6, 40);
  sht_kernel_options o = options_of(SHT_KERNEL_GAUSSIAN, 0.4, 1);
  o.ridges[1] = 0.1;
  o.ridge_count = 2;
  check(&s, &o, 1e-8);
  free_sample(&s);
}

// A pivot that is lost among the leading columns (in double it is above 0), and one in the last row: K + jitter is
// factored, K is solved.
static void test_jitter(void **state) {
  (void)state;
  sample s = make_sample(200, 20, 3, OUTPUTS);
  sht_kernel_options o = options_of(SHT_KERNEL_GAUSSIAN, 0.6, 1e-8);
  o.tolerance = 1e-9;
  o.iterations_max = 2000;
  check(&s, &o, 1e-5);
  free_sample(&s);
  s = make_sample(700, 20, 9, OUTPUTS);
  memcpy(s.inputs[0] + 699 * 9, s.inputs[0] + 7 * 9, 9 * sizeof(float));
  memcpy(s.targets[0] + 699 * OUTPUTS, s.targets[0] + 7 * OUTPUTS, OUTPUTS * sizeof(double));
  o = options_of(SHT_KERNEL_LAPLACIAN, 1, 0);
  check(&s, &o, 1e-8);
  free_sample(&s);
}

// Images with labels: Gabor features, the column of ones for other codings, errors in shares.
static void test_images(void **state) {
  (void)state;
  sht_dataset *data = NULL;
  sht_error error = {.message = ""};
  const sht_dataset_options how = {.seed = 1};
  assert_int_equal(sht_dataset_open("shapes:560,40", &how, &data, &error), SHT_OK);
  sample s = {.train = {.count = 560, .images = &data->train, .labels = data->train.labels, .outputs = data->classes},
              .test = {.count = 40, .images = &data->test, .labels = data->test.labels, .outputs = data->classes}};
  sht_kernel_options o = options_of(SHT_KERNEL_GAUSSIAN, 1, 0);
  o.features = "gabor";
  o.sigma_rule = SHT_SIGMA_MEDIAN;
  check(&s, &o, 1e-7);
  sht_dataset_close(data);
}

static void refused(const sample *s, const sht_kernel_options *o, sht_status expected, const char *word) {
  sht_kernel_result *result = NULL;
  sht_error error = {.message = ""};
  assert_int_equal(sht_kernel_solve(&s->train, NULL, o, &result, &error), expected);
  if (strstr(error.message, word) == NULL) {
    fail_msg("'%s' does not say '%s'", error.message, word);
  }
}

static void test_refusals(void **state) {
  (void)state;
  sample s = make_sample(40, 1, 3, OUTPUTS);
  const sht_kernel_options plain = options_of(SHT_KERNEL_GAUSSIAN, 1, 0);
  sht_kernel_options o = plain;
  o.device = "ref";
  refused(&s, &o, SHT_CONFIG, "cpu and cuda");
  o.device = "cuda";
  o.leave_one_out = true;
  refused(&s, &o, SHT_CONFIG, "--leave-one-out");
  o.leave_one_out = false;
  o.folder = "progress";
  refused(&s, &o, SHT_CONFIG, "no progress is saved");
  free_sample(&s);
  s = make_sample(600000, 1, 1, 1);  // 1.4 TB of K
  o.folder = NULL;
  refused(&s, &o, SHT_MEMORY, "examples would fit");
  free_sample(&s);
}

static const char *stop_in;

static bool stop_requested(void *context) { return *(const bool *)context; }

static void progressed(void *context, const char *phase, double done, double total) {
  assert_true(done >= 0 && done <= total * (1 + 1e-12));
  *(bool *)context = *(bool *)context || strcmp(phase, stop_in) == 0;
}

static void test_stop(void **state) {
  (void)state;
  static const char *const phases[] = {"kernel matrix", "factorisation", "solution", "prediction"};
  sample s = make_sample(600, 20, 9, OUTPUTS);
  for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
    bool stop = false;
    const sht_work work = {.context = &stop, .progressed = progressed, .stop_requested = stop_requested};
    sht_kernel_options o = options_of(SHT_KERNEL_LAPLACIAN, 1, 0);
    sht_kernel_result *result = NULL;
    sht_error error = {.message = ""};
    stop_in = phases[i];
    o.device = "cuda";
    o.work = &work;
    assert_int_equal(sht_kernel_solve(&s.train, &s.test, &o, &result, &error), SHT_STOPPED);
    assert_null(result);
  }
  free_sample(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_kernels), cmocka_unit_test(test_sizes),  cmocka_unit_test(test_path),
      cmocka_unit_test(test_jitter),  cmocka_unit_test(test_images), cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_stop),
  };
  sht_kernel_card card;
  sht_error error = {.message = ""};
  if (sht_kernel_find_card(&card, &error) != SHT_OK) {
    (void)printf("SKIP: %s\n", error.message);
    return 77;
  }
  (void)printf("on %s\n", card.name);
  return cmocka_run_group_tests_name("kernel machines on a card", tests, NULL, NULL);
}
