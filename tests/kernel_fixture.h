// What the tests of kernel machines share: a sample of random arrays, pictures, and options that ask for a solution as
// good as double allows.
#ifndef SHATTER_TESTS_KERNEL_FIXTURE_H
#define SHATTER_TESTS_KERNEL_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// after the four headers that it needs
#include <cmocka.h>

#include "base/memory.h"
#include "shatter/kernel.h"

// Inputs in [0, 1), labels drawn, targets a smooth function of the first input. free_sample frees all of it.
typedef struct sample {
  sht_kernel_examples train, test;
  float *inputs, *test_inputs;  // [n][d]
  uint16_t *labels, *test_labels;
  double *targets, *test_targets;  // [n][m]
} sample;

// An array of zeros; sht_free frees it.
static inline void *take(uint64_t count, uint64_t size) {
  void *block = NULL;
  assert_int_equal(sht_alloc(&block, count, size, "a test's array", NULL), SHT_OK);
  return block;
}

static inline sample make_sample(uint64_t n, uint64_t tests, uint64_t d, uint64_t outputs) {
  sample s = {0};
  sht_rng rng = sht_rng_make(11, SHT_PURPOSE_SHAPES);
  s.inputs = take(n * d, sizeof(float));
  s.test_inputs = take(tests * d, sizeof(float));
  s.labels = take(n, sizeof(uint16_t));
  s.test_labels = take(tests, sizeof(uint16_t));
  s.targets = take(n * outputs, sizeof(double));
  s.test_targets = take(tests * outputs, sizeof(double));
  for (uint64_t i = 0; i < n * d; i++) {
    s.inputs[i] = (float)sht_rng_unit(rng, 0, i, 0);
  }
  for (uint64_t i = 0; i < tests * d; i++) {
    s.test_inputs[i] = (float)sht_rng_unit(rng, 1, i, 0);
  }
  for (uint64_t i = 0; i < n; i++) {
    s.labels[i] = (uint16_t)sht_rng_below(rng, 2, i, 0, (uint32_t)outputs);
    for (uint64_t k = 0; k < outputs; k++) {
      s.targets[i * outputs + k] = sin(3 * s.inputs[i * d] + (double)k);
    }
  }
  for (uint64_t i = 0; i < tests; i++) {
    s.test_labels[i] = (uint16_t)sht_rng_below(rng, 3, i, 0, (uint32_t)outputs);
    for (uint64_t k = 0; k < outputs; k++) {
      s.test_targets[i * outputs + k] = sin(3 * s.test_inputs[i * d] + (double)k);
    }
  }
  s.train = (sht_kernel_examples){.count = n, .inputs = s.inputs, .width = d, .labels = s.labels, .outputs = outputs};
  s.test = (sht_kernel_examples){
      .count = tests, .inputs = s.test_inputs, .width = d, .labels = s.test_labels, .outputs = outputs};
  return s;
}

// Targets instead of labels.
static inline void make_regression(sample *s) {
  s->train.labels = s->test.labels = NULL;
  s->train.targets = s->targets;
  s->test.targets = s->test_targets;
}

static inline void free_sample(sample *s) {
  void *const blocks[] = {s->inputs, s->test_inputs, s->labels, s->test_labels, s->targets, s->test_targets};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    sht_free(blocks[i]);
  }
}

static inline sht_kernel_options plain_options(sht_kernel_kind kind, double sigma, double ridge) {
  sht_kernel_options o;
  sht_kernel_options_default(&o);
  o.kind = kind;
  o.sigma_rule = SHT_SIGMA_GIVEN;
  o.sigma = sigma;
  o.ridges[0] = ridge;
  o.tolerance = 1e-12;
  return o;
}

// Training examples of pictures; they are the data set's, which the caller closes.
static inline sht_kernel_examples open_shapes(const char *name, sht_dataset **data) {
  sht_dataset_options options = {.seed = 3};
  assert_int_equal(sht_dataset_open(name, &options, data, NULL), SHT_OK);
  const sht_split *train = &(*data)->train;
  return (sht_kernel_examples){
      .count = train->count, .images = train, .labels = train->labels, .outputs = (*data)->classes};
}

#endif
