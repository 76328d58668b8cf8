// Kernel machines on a card against the same on the processor (which test_kernel and test_kernel_scipy judge): every
// kernel, sizes around the blocks of 512 columns and 64 rows, a path of ridges, jitter, streamed features, kept inner
// products, what is refused, being stopped.
//
// On a card where there is one; and (test_cuda_kernel_on_host) with the same kernels and driver on the processor.
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

#include "kernel_fixture.h"

enum { OUTPUTS = 3 };
static const double FEATURES_SHARE = 5e-4;
#define KEPT "randconv:257"  // more filters than one block of the processor's

static sample make_targets(uint64_t n, uint64_t tests, uint64_t d, uint64_t outputs) {
  sample s = make_sample(n, tests, d, outputs);
  make_regression(&s);
  return s;
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

// Relative pivots that are rounding errors.
static const double SINGULAR = 1e-6;

// Both solve the same system in double to a residual of `tolerance`, so that predictions differ by no more than that
// times its condition: `share`. Pivots and eigenvalues come from factors in fp32.
static void compare(const sample *s, const sht_kernel_solution *here, const sht_kernel_solution *card, double share) {
  const uint64_t m = s->train.outputs;
  assert_true(here->converged && card->converged);
  assert_true(near(here->sigma, card->sigma, FEATURES_SHARE));
  // Of a matrix that is singular, rounding decides whether the last pivot is above the floor.
  const bool singular = here->smallest_pivot < SINGULAR || card->smallest_pivot < SINGULAR;
  assert_true(singular || (here->jitter > 0) == (card->jitter > 0));
  assert_true(singular || near(here->jitter, card->jitter, share));
  assert_true(difference(here->predictions, card->predictions, s->test.count * m) <= share);
  assert_true(fabs(here->test_error - card->test_error) <= share);
  assert_true(near(here->norms.solution, card->norms.solution, share));
  assert_true(near(here->largest_eigenvalue, card->largest_eigenvalue, 1e-4));
  if (here->jitter == 0 && !singular) {  // else many coefficients make the same function
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
  sample s = make_targets(1300, 40, 9, OUTPUTS);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.3, 0);
  check(&s, &o, 1e-8);
  o = plain_options(SHT_KERNEL_LAPLACIAN, 1, 0);
  check(&s, &o, 1e-8);
  o = plain_options(SHT_KERNEL_LINEAR, 1, 0.5);
  o.centre = true;
  check(&s, &o, 1e-8);
  o = plain_options(SHT_KERNEL_POLYNOMIAL, 2, 0.5);
  o.degree = 3;
  check(&s, &o, 1e-8);
  free_sample(&s);
}

// Within the leading columns, at their end, behind it, at the ends of blocks; more test than training examples.
static void test_sizes(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1, 31, 64, 511, 512, 513, 577, 1024, 1025};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    sample s = make_targets(sizes[i], 97, 6, OUTPUTS);
    const sht_kernel_options o = plain_options(SHT_KERNEL_LAPLACIAN, 0.5, 0.01);
    check(&s, &o, 1e-8);
    free_sample(&s);
  }
}

// Two groups of right-hand sides; several ridges on the same card.
static void test_path(void **state) {
  (void)state;
  sample s = make_targets(600, 20, 6, 40);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.4, 1);
  o.ridges[1] = 0.1;
  o.ridge_count = 2;
  check(&s, &o, 1e-8);
  free_sample(&s);
}

// A pivot that is lost among the leading columns (in double it is above 0), and one in the last row: K + jitter is
// factored, K is solved.
static void test_jitter(void **state) {
  (void)state;
  sample s = make_targets(200, 20, 3, OUTPUTS);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 0.6, 1e-8);
  o.tolerance = 1e-9;
  o.iterations_max = 2000;
  check(&s, &o, 1e-5);
  free_sample(&s);
  s = make_targets(700, 20, 9, OUTPUTS);
  memcpy(s.inputs + 699 * 9, s.inputs + 7 * 9, 9 * sizeof(float));
  memcpy(s.targets + 699 * OUTPUTS, s.targets + 7 * OUTPUTS, OUTPUTS * sizeof(double));
  o = plain_options(SHT_KERNEL_LAPLACIAN, 1, 0);
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
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 1, 0);
  o.features = "gabor";
  o.sigma_rule = SHT_SIGMA_MEDIAN;
  check(&s, &o, 1e-7);
  sht_dataset_close(data);
}

// Images of 11 x 10, a blob of a width that its label says, on noise; in words: beyond 0..255 as well.
enum { HEIGHT = 11, WIDTH = 10, LABELS = 4 };

static void draw_blobs(uint64_t n, sht_pixel_type type, uint32_t which, sht_split *split) {
  const sht_rng rng = sht_rng_make(5, SHT_PURPOSE_SHAPES);
  const double parts = type == SHT_PIXEL_U8 ? 1 : 64;
  uint8_t *bytes = take(n * HEIGHT * WIDTH, sizeof(int16_t));
  int16_t *words = (int16_t *)(void *)bytes;
  *split = (sht_split){.count = n, .height = HEIGHT, .width = WIDTH, .channels = 1, .type = type, .pixels = bytes};
  split->labels = take(n, sizeof *split->labels);
  for (uint64_t i = 0; i < n; i++) {
    split->labels[i] = (uint16_t)sht_rng_below(rng, which, i, 0, LABELS);
    const double y = 3 + 5 * sht_rng_unit(rng, which, i, 1), x = 3 + 4 * sht_rng_unit(rng, which, i, 2);
    for (uint64_t p = 0; p < (uint64_t)HEIGHT * WIDTH; p++) {
      const double down = (double)(p / WIDTH) - y, right = (double)(p % WIDTH) - x;
      const double blob = exp(-(down * down + right * right) / (1 + 2.0 * split->labels[i]));
      const double grey = parts * (150 * blob + 100 * sht_rng_unit(rng, which, i, (uint32_t)p + 3));
      if (type == SHT_PIXEL_U8) {
        bytes[i * HEIGHT * WIDTH + p] = (uint8_t)grey;
      } else {
        words[i * HEIGHT * WIDTH + p] = (int16_t)(grey - 1000);
      }
    }
  }
}

static sample make_blobs(uint64_t n, uint64_t tests, sht_pixel_type type, sht_split splits[2]) {
  sample s = {.inputs = NULL};
  draw_blobs(n, type, 0, &splits[0]);
  draw_blobs(tests, type, 1, &splits[1]);
  s.train = (sht_kernel_examples){.count = n, .images = &splits[0], .labels = splits[0].labels, .outputs = LABELS};
  s.test = (sht_kernel_examples){.count = tests, .images = &splits[1], .labels = splits[1].labels, .outputs = LABELS};
  return s;
}

static void free_blobs(sht_split splits[2]) {
  for (int i = 0; i < 2; i++) {
    sht_free(splits[i].pixels);
    sht_free(splits[i].labels);
  }
}

// Two blocks of random filters, two blocks of columns, a path of ridges; then pixels in words, and an image twice, so
// that K is singular. Sums of responses in another order round a feature in some hundreds to the other neighbour of 8
// bits (2^-8 of it): the solution is that of another K.
static void test_streamed(void **state) {
  (void)state;
  sht_split splits[2];
  sample s = make_blobs(530, 40, SHT_PIXEL_U8, splits);
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 1);
  o.features = "randconv:530";
  o.ridges[1] = 0.01;
  o.ridge_count = 2;
  check(&s, &o, FEATURES_SHARE);
  free_blobs(splits);
  s = make_blobs(530, 600, SHT_PIXEL_I16, splits);
  int16_t *words = splits[0].pixels;
  memcpy(words + 529 * HEIGHT * WIDTH, words + 3 * HEIGHT * WIDTH, HEIGHT * WIDTH * sizeof *words);
  splits[0].labels[529] = splits[0].labels[3];
  o = plain_options(SHT_KERNEL_LINEAR, 1, 0);
  o.features = "randconv:270";
  o.tolerance = 1e-9;
  check(&s, &o, FEATURES_SHARE);
  free_blobs(splits);
}

// Of the stand-in for a card. (A real one has more.)
static void give_bytes(uint64_t count) {
  char bytes[32];
  (void)snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)count);
  assert_int_equal(setenv("ON_HOST_BYTES", bytes, 1), 0);
}

// Features that are kept and those that are made again are the same bits: the stand-in for a card has room for those of
// one block, then for all. (A real card has more room.)
static void test_streamed_memory(void **state) {
  (void)state;
  sht_split splits[2];
  sht_kernel_estimate estimate;
  sample s = make_blobs(70, 20, SHT_PIXEL_U8, splits);
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 0.1);
  o.features = "randconv:530";
  o.device = "cuda";
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &estimate, NULL), SHT_OK);
  const uint64_t block = 70 * 512 * 18 * sizeof(uint16_t);
  give_bytes(estimate.card_bytes + block + block / 2);
  sht_kernel_result *again = solve(&s, o, "cuda");
  assert_int_equal(unsetenv("ON_HOST_BYTES"), 0);
  sht_kernel_result *kept = solve(&s, o, "cuda");
  assert_memory_equal(again->solutions[0].predictions, kept->solutions[0].predictions,
                      s.test.count * LABELS * sizeof(double));
  sht_kernel_result_close(again);
  sht_kernel_result_close(kept);
  free_blobs(splits);
}

// Kernels of kept inner products: two blocks of random filters, two of examples on either side, a path of ridges.
static void check_kept(const sample *s, sht_kernel_kind kind, double sigma, double ridge) {
  sht_kernel_options o = plain_options(kind, sigma, ridge);
  o.features = "randconv:530";
  o.ridges[1] = 10 * ridge;
  o.ridge_count = 2;
  check(s, &o, FEATURES_SHARE);
}

static void test_kept(void **state) {
  (void)state;
  sht_split splits[2];
  sample s = make_blobs(530, 600, SHT_PIXEL_U8, splits);
  check_kept(&s, SHT_KERNEL_GAUSSIAN, 4, 0.01);
  check_kept(&s, SHT_KERNEL_LAPLACIAN, 4, 0.01);
  check_kept(&s, SHT_KERNEL_POLYNOMIAL, 8, 1);
  free_blobs(splits);
}

// Within a block of columns, at its end, behind it.
static void test_kept_sizes(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1, 33, 512, 513, 1025};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    sht_split splits[2];
    sample s = make_blobs(sizes[i], 40, SHT_PIXEL_I16, splits);
    sht_kernel_options o = plain_options(SHT_KERNEL_LAPLACIAN, 4, 0.01);
    o.features = KEPT;
    check(&s, &o, FEATURES_SHARE);
    free_blobs(splits);
  }
}

// Without a test set.
static void test_kept_alone(void **state) {
  (void)state;
  sht_split splits[2];
  sht_kernel_result *here = NULL, *card = NULL;
  sample s = make_blobs(40, 1, SHT_PIXEL_U8, splits);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 4, 0.1);
  o.features = KEPT;
  assert_int_equal(sht_kernel_solve(&s.train, NULL, &o, &here, NULL), SHT_OK);
  o.device = "cuda";
  assert_int_equal(sht_kernel_solve(&s.train, NULL, &o, &card, NULL), SHT_OK);
  assert_true(difference(here->solutions[0].coefficients, card->solutions[0].coefficients, 40 * LABELS) <=
              FEATURES_SHARE);
  sht_kernel_result_close(here);
  sht_kernel_result_close(card);
  free_blobs(splits);
}

// Equal images are at distance 0, of which a root would show what rounding leaves: an image three times, whose pivot is
// lost among the leading columns or behind them, and one of training among those of the test set.
static void test_kept_equal(void **state) {
  (void)state;
  const uint64_t size = HEIGHT * WIDTH;
  static const uint64_t places[] = {100, 528};
  for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
    sht_split splits[2];
    sample s = make_blobs(530, 40, SHT_PIXEL_U8, splits);
    uint8_t *bytes = splits[0].pixels, *test_bytes = splits[1].pixels;
    for (uint64_t place = places[p]; place < places[p] + 2; place++) {
      memcpy(bytes + place * size, bytes + 3 * size, size);
      splits[0].labels[place] = splits[0].labels[3];
    }
    memcpy(test_bytes + 6 * size, bytes + 521 * size, size);
    sht_kernel_options o = plain_options(SHT_KERNEL_LAPLACIAN, 4, 0);
    o.features = KEPT;
    o.tolerance = 1e-9;
    sht_kernel_result *here = solve(&s, o, "cpu"), *card = solve(&s, o, "cuda");
    compare(&s, &here->solutions[0], &card->solutions[0], FEATURES_SHARE);
    assert_true(card->solutions[0].jitter > 0 || card->solutions[0].smallest_pivot < SINGULAR);
    for (uint64_t k = 0; k < LABELS; k++) {
      const double wanted = splits[0].labels[521] == k ? 1 : 0;
      assert_true(fabs(card->solutions[0].predictions[6 * LABELS + k] - wanted) < 1e-5);
    }
    sht_kernel_result_close(here);
    sht_kernel_result_close(card);
    free_blobs(splits);
  }
}

// The width by the median, and by a search among most examples, whose products come from the card in two blocks.
static void test_kept_sigma(void **state) {
  (void)state;
  sht_split splits[2];
  sample s = make_blobs(530, 40, SHT_PIXEL_U8, splits);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 1, 0.01);
  o.features = KEPT;
  o.sigma_rule = SHT_SIGMA_MEDIAN;
  check(&s, &o, FEATURES_SHARE);
  o.sigma_rule = SHT_SIGMA_SEARCH;
  o.search_examples = 521;
  sht_kernel_result *here = solve(&s, o, "cpu"), *card = solve(&s, o, "cuda");
  compare(&s, &here->solutions[0], &card->solutions[0], FEATURES_SHARE);
  assert_int_equal(here->trial_count, card->trial_count);
  for (uint32_t t = 0; t < here->trial_count; t++) {
    assert_true(near(here->trials[t].loo_squared, card->trials[t].loo_squared, FEATURES_SHARE));
  }
  sht_kernel_result_close(here);
  sht_kernel_result_close(card);
  free_blobs(splits);
}

// Features of images and their mirror images, in colour; streamed, kept, and those of few filters, which are copied.
static void test_mirror(void **state) {
  (void)state;
  sht_dataset *data = NULL;
  const sht_dataset_options how = {.seed = 1};
  assert_int_equal(sht_dataset_open("shapes:60,20", &how, &data, NULL), SHT_OK);
  sample s = {.train = {.count = 60, .images = &data->train, .labels = data->train.labels, .outputs = data->classes},
              .test = {.count = 20, .images = &data->test, .labels = data->test.labels, .outputs = data->classes}};
  assert_true(data->train.channels > 1);
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 0.1);
  o.features = "randconv-mirror:257";
  check(&s, &o, FEATURES_SHARE);
  o = plain_options(SHT_KERNEL_GAUSSIAN, 4, 0.1);
  o.features = "randconv-mirror:257";
  check(&s, &o, FEATURES_SHARE);
  o.features = "randconv-mirror:40";
  check(&s, &o, 1e-8);
  sht_dataset_close(data);
}

// All of the card's memory that is asked for beforehand is enough, a byte less is refused; with as many images as
// CIFAR-10 has most of it is inner products.
static void test_kept_memory(void **state) {
  (void)state;
  sht_split splits[2];
  sht_kernel_estimate estimate;
  sht_kernel_result *result = NULL;
  sht_error error = {.message = ""};
  sample s = make_blobs(70, 20, SHT_PIXEL_U8, splits);
  sht_kernel_options o = plain_options(SHT_KERNEL_GAUSSIAN, 4, 0.1);
  o.features = KEPT;
  o.device = "cuda";
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &estimate, NULL), SHT_OK);
  give_bytes(estimate.card_bytes);
  sht_kernel_result_close(solve(&s, o, "cuda"));
  give_bytes(estimate.card_bytes - 1);
  assert_int_equal(sht_kernel_solve(&s.train, &s.test, &o, &result, &error), SHT_MEMORY);
  assert_non_null(strstr(error.message, "examples would fit"));
  assert_int_equal(unsetenv("ON_HOST_BYTES"), 0);
  s.train.count = 50000;
  s.test.count = 10000;
  const uint64_t products = (s.train.count + s.test.count) * s.train.count * sizeof(float);
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &estimate, NULL), SHT_OK);
  assert_true(estimate.card_bytes > products + products / 8 && estimate.card_bytes < products + products / 4);
  free_blobs(splits);
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
  sample s = make_targets(40, 1, 3, OUTPUTS);
  const sht_kernel_options plain = plain_options(SHT_KERNEL_GAUSSIAN, 1, 0);
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
  s = make_targets(600000, 1, 1, 1);  // 1.4 TB of K
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

// In each of the phases from `first` on.
static void check_stops(const sample *s, sht_kernel_options o, size_t first) {
  static const char *const phases[] = {"inner products", "kernel matrix", "factorisation", "solution", "prediction"};
  for (size_t i = first; i < sizeof phases / sizeof phases[0]; i++) {
    bool stop = false;
    const sht_work work = {.context = &stop, .progressed = progressed, .stop_requested = stop_requested};
    sht_kernel_result *result = NULL;
    sht_error error = {.message = ""};
    stop_in = phases[i];
    o.device = "cuda";
    o.work = &work;
    assert_int_equal(sht_kernel_solve(&s->train, &s->test, &o, &result, &error), SHT_STOPPED);
    assert_null(result);
  }
}

static void test_stop(void **state) {
  (void)state;
  sht_split splits[2];
  sample s = make_targets(600, 20, 9, OUTPUTS);
  check_stops(&s, plain_options(SHT_KERNEL_LAPLACIAN, 1, 0), 1);
  free_sample(&s);
  s = make_blobs(40, 5, SHT_PIXEL_U8, splits);
  sht_kernel_options o = plain_options(SHT_KERNEL_LINEAR, 1, 0.1);
  o.features = "randconv:260";
  check_stops(&s, o, 1);
  free_blobs(splits);
  s = make_blobs(530, 5, SHT_PIXEL_U8, splits);
  o = plain_options(SHT_KERNEL_GAUSSIAN, 4, 0.1);
  o.features = KEPT;
  check_stops(&s, o, 0);
  free_blobs(splits);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_kernels),    cmocka_unit_test(test_sizes),      cmocka_unit_test(test_path),
      cmocka_unit_test(test_jitter),     cmocka_unit_test(test_images),     cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_stop),       cmocka_unit_test(test_streamed),   cmocka_unit_test(test_streamed_memory),
      cmocka_unit_test(test_kept),       cmocka_unit_test(test_kept_sizes), cmocka_unit_test(test_kept_alone),
      cmocka_unit_test(test_kept_equal), cmocka_unit_test(test_kept_sigma), cmocka_unit_test(test_kept_memory),
      cmocka_unit_test(test_mirror),
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
