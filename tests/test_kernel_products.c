// Kernels of features that are made in blocks: the same solutions as those of arrays that hold these features, which
// test_kernel.c holds against plain ones.
//
// Kept inner products are rounded to fp32, sums of 4,680 values near 2^-4: about 1e-6 of |x|^2, of which a squared
// distance is about a fifth; with a ridge that bounds the condition, predictions were seen to agree to 5e-6.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the first four

#include <cmocka.h>

#include "base/memory.h"
#include "base/pool.h"
#include "kernel/features.h"
#include "shatter/kernel.h"

enum { TRAIN = 300, TESTS = 70 };  // more than a tile of training examples, less than one of tests
#define FEATURES "randconv:260"    // two blocks of filters

typedef struct sample {
  sht_dataset *data;
  sht_kernel_examples train, test;    // images
  sht_kernel_examples arrays, array;  // the same examples, training and test, with their features as inputs
  float *inputs, *test_inputs;        // [n][width]
} sample;

static void *take(uint64_t count, uint64_t size) {
  void *block = NULL;
  assert_int_equal(sht_alloc(&block, count, size, "a test's array", NULL), SHT_OK);
  return block;
}

static float *inputs_of(const sht__feature_map *map, const sht_split *split) {
  float *out = take(split->count * map->width, sizeof(float)), *scratch = take(map->scratch, sizeof(float));
  float *panel = take(map->block * SHT_LANES, sizeof(float));
  for (uint64_t block = 0; block < map->blocks; block++) {
    const uint64_t left = map->width - block * map->block, width = left < map->block ? left : map->block;
    for (uint64_t i = 0; i < split->count; i++) {
      if (i % SHT_LANES == 0) {
        const uint64_t rest = split->count - i;
        map->fill(map, split, block, i, rest < SHT_LANES ? rest : SHT_LANES, panel, scratch);
      }
      for (uint64_t f = 0; f < width; f++) {
        out[i * map->width + block * map->block + f] = panel[f * SHT_LANES + i % SHT_LANES];
      }
    }
  }
  sht_free(panel);
  sht_free(scratch);
  return out;
}

static sample make_sample(void) {
  sample s = {0};
  char name[64];
  sht_dataset_options options = {.seed = 3};
  sht__feature_map map;
  (void)snprintf(name, sizeof name, "shapes:%d,%d", TRAIN, TESTS);
  assert_int_equal(sht_dataset_open(name, &options, &s.data, NULL), SHT_OK);
  s.train = (sht_kernel_examples){
      .count = TRAIN, .images = &s.data->train, .labels = s.data->train.labels, .outputs = s.data->classes};
  s.test = (sht_kernel_examples){
      .count = TESTS, .images = &s.data->test, .labels = s.data->test.labels, .outputs = s.data->classes};
  assert_int_equal(sht__features_open(FEATURES, &s.data->train, 1, &map, NULL), SHT_OK);
  assert_int_equal(map.blocks, 2);
  s.inputs = inputs_of(&map, &s.data->train);
  s.test_inputs = inputs_of(&map, &s.data->test);
  s.arrays = s.train;
  s.array = s.test;
  s.arrays.images = s.array.images = NULL;
  s.arrays.inputs = s.inputs;
  s.array.inputs = s.test_inputs;
  s.arrays.width = s.array.width = map.width;
  sht__features_close(&map);
  return s;
}

static void free_sample(sample *s) {
  sht_free(s->inputs);
  sht_free(s->test_inputs);
  sht_dataset_close(s->data);
}

static sht_kernel_options options_of(sht_kernel_kind kind) {
  sht_kernel_options o;
  sht_kernel_options_default(&o);
  o.kind = kind;
  o.features = FEATURES;
  o.ridges[0] = kind == SHT_KERNEL_POLYNOMIAL ? 10 : 0.1;  // whose K is hundreds of times as large
  return o;
}

static sht_kernel_result *solve_arrays(const sample *s, sht_kernel_options o) {
  sht_kernel_result *result = NULL;
  o.features = NULL;
  assert_int_equal(sht_kernel_solve(&s->arrays, &s->array, &o, &result, NULL), SHT_OK);
  return result;
}

static sht_kernel_result *solve(const sample *s, const sht_kernel_options *o) {
  sht_kernel_result *result = NULL;
  assert_int_equal(sht_kernel_solve(&s->train, &s->test, o, &result, NULL), SHT_OK);
  return result;
}

static double largest_difference(const double *a, const double *b, uint64_t n) {
  double largest = 0;
  for (uint64_t i = 0; i < n; i++) {
    largest = fmax(largest, fabs(a[i] - b[i]));
  }
  return largest;
}

static void check_solutions(const sample *s, const sht_kernel_result *found, const sht_kernel_result *wanted) {
  assert_int_equal(found->solution_count, wanted->solution_count);
  for (uint32_t r = 0; r < found->solution_count; r++) {
    const sht_kernel_solution *a = &found->solutions[r], *b = &wanted->solutions[r];
    assert_true(a->converged && b->converged && a->residual <= 1e-10);
    assert_true(fabs(a->sigma / b->sigma - 1) < 1e-5);
    assert_true(fabs(a->norms.solution / b->norms.solution - 1) < 1e-4);
    assert_true(largest_difference(a->predictions, b->predictions, TESTS * s->test.outputs) < 3e-5);
    assert_true(isnan(b->loo_error) ? isnan(a->loo_error) : fabs(a->loo_error - b->loo_error) < 1e-9);
  }
}

// Each kernel, at the median width (which is of the features' distances), with a path of ridges and leave-one-out.
static void test_as_arrays(void **state) {
  (void)state;
  sample s = make_sample();
  static const sht_kernel_kind kinds[] = {SHT_KERNEL_GAUSSIAN, SHT_KERNEL_LAPLACIAN, SHT_KERNEL_POLYNOMIAL};
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    sht_kernel_options o = options_of(kinds[k]);
    o.leave_one_out = true;
    o.ridge_count = 2;
    o.ridges[1] = 30 * o.ridges[0];
    sht_kernel_result *found = solve(&s, &o), *wanted = solve_arrays(&s, o);
    check_solutions(&s, found, wanted);
    assert_string_equal(found->solutions[0].phases[0].name, "inner products");
    assert_string_equal(found->solutions[1].phases[0].name, "gram");  // the products are shared
    sht_kernel_result_close(found);
    sht_kernel_result_close(wanted);
  }
  free_sample(&s);
}

// The search takes its part out of the products, not a multiple of 32 examples.
static void test_search(void **state) {
  (void)state;
  sample s = make_sample();
  sht_kernel_options o = options_of(SHT_KERNEL_GAUSSIAN);
  o.sigma_rule = SHT_SIGMA_SEARCH;
  o.search_examples = 275;
  sht_kernel_result *found = solve(&s, &o), *wanted = solve_arrays(&s, o);
  assert_int_equal(found->trial_count, wanted->trial_count);
  for (uint32_t t = 0; t < found->trial_count; t++) {
    assert_true(fabs(found->trials[t].loo_squared / wanted->trials[t].loo_squared - 1) < 1e-4);
  }
  check_solutions(&s, found, wanted);
  sht_kernel_result_close(found);
  sht_kernel_result_close(wanted);
  free_sample(&s);
}

static void check_same_bits(const sample *s, const sht_kernel_result *a, const sht_kernel_result *b) {
  const uint64_t size = s->train.outputs * sizeof(double);
  assert_memory_equal(a->solutions[0].coefficients, b->solutions[0].coefficients, TRAIN * size);
  assert_memory_equal(a->solutions[0].predictions, b->solutions[0].predictions, TESTS * size);
}

static void test_threads(void **state) {
  (void)state;
  sample s = make_sample();
  sht_kernel_options o = options_of(SHT_KERNEL_GAUSSIAN);
  sht_pool *pool = NULL;
  sht_kernel_result *alone = solve(&s, &o);
  assert_int_equal(sht_pool_open(3, &pool, NULL), SHT_OK);
  o.pool = pool;
  sht_kernel_result *three = solve(&s, &o);
  check_same_bits(&s, alone, three);
  sht_kernel_result_close(alone);
  sht_kernel_result_close(three);
  sht_pool_close(pool);
  free_sample(&s);
}

static bool stop(void *context) {
  int *polls_left = context;
  return (*polls_left)-- <= 0;
}

// Stopped again and again, each time going on from what was saved: the bits of one go, and nothing is left.
static void test_resume(void **state) {
  (void)state;
  sample s = make_sample();
  sht_kernel_options o = options_of(SHT_KERNEL_GAUSSIAN);
  char folder[] = "/tmp/test_kernel_XXXXXX";
  int polls_left = 0, stops = 0;
  const sht_work work = {.context = &polls_left, .stop_requested = stop};
  sht_kernel_result *whole = solve(&s, &o), *parts = NULL;
  assert_non_null(mkdtemp(folder));
  o.folder = folder;
  o.checkpoint_seconds = 0;
  o.work = &work;
  for (int polls = 3; parts == NULL; polls += 9) {
    polls_left = polls;
    sht_status status = sht_kernel_solve(&s.train, &s.test, &o, &parts, NULL);
    assert_true(status == SHT_OK || status == SHT_STOPPED);
    stops += status == SHT_STOPPED;
  }
  assert_true(stops > 1);
  assert_true(parts->solutions[0].phases[0].gflops == 0);  // all products were found
  check_same_bits(&s, whole, parts);
  sht_kernel_forget(folder);
  assert_int_equal(access(folder, F_OK), -1);
  sht_kernel_result_close(whole);
  sht_kernel_result_close(parts);
  free_sample(&s);
}

// Another triangle of memory, with the test examples' tiles, and twice that of files.
static void test_estimate(void **state) {
  (void)state;
  sample s = make_sample();
  sht_kernel_options o = options_of(SHT_KERNEL_GAUSSIAN);
  sht_kernel_estimate gaussian, linear;
  const uint64_t tile = (uint64_t)256 * 256 * sizeof(float), products = 6 * tile, triangle = 3 * tile;
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &gaussian, NULL), SHT_OK);
  o.kind = SHT_KERNEL_LINEAR;
  assert_int_equal(sht_kernel_estimate_cost(&s.train, &s.test, &o, &linear, NULL), SHT_OK);
  assert_true(gaussian.bytes == linear.bytes + products);
  // Features of a block of 256 filters, for the test examples' one row of tiles, as both factors of products.
  sht_kernel_estimate alone;
  assert_int_equal(sht_kernel_estimate_cost(&s.train, NULL, &o, &alone, NULL), SHT_OK);
  const uint64_t forms = sht__block_choose()->turn != NULL ? 2 : 1;
  assert_true(linear.bytes - alone.bytes >= forms * 256 * 256 * 18 * sizeof(uint16_t));
  assert_true(gaussian.folder_bytes == triangle + 2 * products && linear.folder_bytes == 3 * triangle);
  assert_true(gaussian.gram_flops > linear.gram_flops && gaussian.product_flops < linear.product_flops);
  free_sample(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_as_arrays), cmocka_unit_test(test_search),   cmocka_unit_test(test_threads),
      cmocka_unit_test(test_resume),    cmocka_unit_test(test_estimate),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
