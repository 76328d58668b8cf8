// Initial weights: moments of every law, bounds, what a draw depends on, and the shipped models' own choices.
//
// Bounds are 4 standard errors: a sound generator misses one of them with chance 6e-5, and the draws are fixed, so a
// test that passes once passes always.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// after the four headers that it needs
#include <cmocka.h>

#include "model/build.h"
#include "shatter/model.h"
#include "shatter/random.h"

static const sht_graph_options cifar = {.input = {3, 28, 28}, .classes = 10};

static sht_graph *must_read(const char *text) {
  sht_graph *graph = NULL;
  sht_error error = {0};
  if (sht__graph_read("m.yaml", "m", text, strlen(text), &cifar, &graph, &error) != SHT_OK) {
    fail_msg("%s", error.message);
  }
  return graph;
}

static float *initialize(const sht_graph *graph, uint64_t seed) {
  float *values = calloc(graph->parameter_count, sizeof *values);
  assert_non_null(values);
  sht_graph_initialize(graph, seed, values);
  return values;
}

// Mean 0, variance and largest value of n draws. kurtosis: E z^4 / (E z^2)^2, which gives the variance's own error
// sqrt((kurtosis - 1) / n) * variance.
static void assert_law(const float *values, uint64_t n, double variance, double kurtosis, double bound) {
  double sum = 0;
  double squares = 0;
  double largest = 0;
  for (uint64_t i = 0; i < n; i++) {
    sum += values[i];
    squares += (double)values[i] * values[i];
    largest = fmax(largest, fabs(values[i]));
  }
  double count = (double)n;
  assert_true(fabs(sum / count) < 4 * sqrt(variance / count));
  assert_true(fabs(squares / count - variance) < 4 * variance * sqrt((kurtosis - 1) / count));
  assert_true(largest <= bound * (1 + 1e-6));
  assert_true(bound > 1e6 || largest > 0.999 * bound);
}

// A normal law cut at two deviations has variance 1 - 4 phi(2) / P and fourth moment 3 var - 16 phi(2) / P, with
// P = 2 Phi(2) - 1.
static double cut_moment(int order) {
  double density = exp(-2.0) / sqrt(2 * 3.14159265358979323846);
  double inside = erf(sqrt(2.0));
  double variance = 1 - 4 * density / inside;
  return order == 2 ? variance : 3 * variance - 16 * density / inside;
}

// linear: 2352 inputs, 512 units: 1,204,224 weights.
static void laws_have_their_moments(void **state) {
  (void)state;
  const double cut = cut_moment(2);
  const double cut_kurtosis = cut_moment(4) / (cut * cut);
  const struct {
    const char *init;
    double variance, kurtosis, bound;
  } rows[] = {
      {"he-normal", 2.0 / 2352, 3, 1e9},
      {"he-uniform", 2.0 / 2352, 1.8, sqrt(6.0 / 2352)},
      {"glorot-normal", 2.0 / (2352 + 512), 3, 1e9},
      {"glorot-uniform", 2.0 / (2352 + 512), 1.8, sqrt(6.0 / (2352 + 512))},
      {"lecun-normal", 1.0 / 2352, 3, 1e9},
      {"lecun-uniform", 1.0 / 2352, 1.8, sqrt(3.0 / 2352)},
      {"{he-normal: 0.5}", 0.5 / 2352, 3, 1e9},
      {"{normal: 0.05}", 0.0025, 3, 1e9},
      {"{truncated-normal: 0.05}", 0.0025 * cut, cut_kurtosis, 0.1},
      {"{uniform: 0.25}", 0.0625 / 3, 1.8, 0.25},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char text[256];
    (void)snprintf(text, sizeof text, "layers:\n  - linear: {units: 512, init: %s}\n  - linear: {units: classes}\n",
                   rows[i].init);
    sht_graph *graph = must_read(text);
    float *values = initialize(graph, 1 + i);
    assert_law(values, graph->parameters[0].count, rows[i].variance, rows[i].kurtosis, rows[i].bound);
    for (uint64_t j = 0; j < 512; j++) {
      assert_true(values[graph->parameters[1].offset + j] == 0);
    }
    free(values);
    sht_graph_close(graph);
  }
}

// Convolution: fan_in = 3*3*3, fan_out = 3*3*64.
static void fans_of_a_convolution(void **state) {
  (void)state;
  sht_graph *graph = must_read(
      "init: glorot-uniform\n"
      "layers:\n"
      "  - conv: {filters: 64, kernel: 3, bias-init: {constant: 0.25}}\n"
      "  - conv: {filters: 4, kernel: 1, init: {constant: 0.5}, bias-init: -1.5, padding: valid}\n"
      "  - batchnorm: {scale: true}\n"
      "  - linear: {units: classes, bias: false}\n");
  assert_true(graph->parameters[0].init_value == (float)sqrt(6.0 / (27 + 576)));
  assert_true(graph->parameters[0].init == SHT_INIT_UNIFORM);
  float *values = initialize(graph, 3);
  assert_true(values[graph->parameters[1].offset + 63] == 0.25F);
  assert_true(values[graph->parameters[2].offset] == 0.5F && values[graph->parameters[3].offset + 3] == -1.5F);
  assert_string_equal(graph->parameters[4].name, "batchnorm.scale");
  assert_string_equal(graph->parameters[5].name, "batchnorm.shift");
  assert_true(values[graph->parameters[4].offset] == 1 && values[graph->parameters[5].offset] == 0);
  assert_int_equal(graph->parameter_tensors, 7);
  free(values);
  sht_graph_close(graph);
}

// The contract of the draws, spelled out: tensor in the high half of the index, element in the low half.
static void draws_are_addressed(void **state) {
  (void)state;
  sht_graph *graph = must_read(
      "layers:\n"
      "  - linear: {units: 700, init: {normal: 2}, bias-init: {uniform: 3}}\n"
      "  - linear: {units: classes, init: {truncated-normal: 1}}\n");
  float *values = initialize(graph, 42);
  sht_rng rng = sht_rng_make(42, SHT_PURPOSE_WEIGHTS);
  for (uint64_t i = 0; i < 700ULL * 2352; i++) {
    double pair[2];
    sht_rng_normal2(rng, 0, i & ~1ULL, 0, pair);
    assert_true(values[i] == (float)(2 * pair[i & 1]));
  }
  for (uint64_t i = 0; i < 700; i++) {
    double unit = sht_rng_unit(rng, 0, 1ULL << 32 | i, 0);
    assert_true(values[graph->parameters[1].offset + i] == (float)(3 * (2 * unit - 1)));
  }
  int redrawn = 0;
  for (uint64_t i = 0; i < 7000; i++) {
    double pair[2] = {9, 9};
    uint32_t draw = 0;
    for (; fabs(pair[i & 1]) > 2; draw++) {
      sht_rng_normal2(rng, 0, 2ULL << 32 | (i & ~1ULL), draw, pair);
    }
    redrawn += draw > 1;
    assert_true(values[graph->parameters[2].offset + i] == (float)pair[i & 1]);
  }
  assert_true(redrawn > 0);
  free(values);
  sht_graph_close(graph);
}

// The same seed gives the same bits, another seed others, and no two weights of a model share their draw.
static void seeds_decide(void **state) {
  (void)state;
  sht_graph *graph = NULL;
  assert_int_equal(sht_graph_open("inception-small", &cifar, &graph, NULL), SHT_OK);
  float *a = initialize(graph, 1);
  float *b = initialize(graph, 1);
  float *c = initialize(graph, 2);
  assert_memory_equal(a, b, graph->parameter_count * sizeof *a);
  uint64_t equal = 0;
  for (uint64_t i = 0; i < graph->parameters[0].count; i++) {
    equal += a[i] == c[i];
  }
  assert_true(equal == 0);
  assert_true(a[graph->parameters[0].offset] != a[graph->parameters[2].offset]);
  free(a);
  free(b);
  free(c);
  sht_graph_close(graph);
}

static void shipped_choices(void **state) {
  (void)state;
  sht_graph *graph = NULL;
  assert_int_equal(sht_graph_open("alexnet", &cifar, &graph, NULL), SHT_OK);
  static const float deviations[] = {0.05F, 0.05F, 0.04F, 0.04F, 1.0F / 192};
  static const float biases[] = {0, 0.1F, 0.1F, 0.1F, 0};
  assert_int_equal(graph->parameter_tensors, 10);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(graph->parameters[2 * i].init, SHT_INIT_TRUNCATED_NORMAL);
    assert_true(fabsf(graph->parameters[2 * i].init_value - deviations[i]) < 1e-9F);
    assert_int_equal(graph->parameters[2 * i + 1].init, SHT_INIT_CONSTANT);
    assert_true(graph->parameters[2 * i + 1].init_value == biases[i]);
  }
  sht_graph_close(graph);
}

static void statistics_begin_at_zero_and_one(void **state) {
  (void)state;
  sht_graph *graph = NULL;
  assert_int_equal(sht_graph_open("inception-small", &cifar, &graph, NULL), SHT_OK);
  float *statistics = calloc(graph->statistic_count, sizeof *statistics);
  sht_graph_initialize_statistics(graph, statistics);
  uint64_t seen = 0;
  for (int i = 0; i < graph->node_count; i++) {
    const sht_node *node = &graph->nodes[i];
    if (node->op != SHT_OP_BATCHNORM) {
      assert_true(node->statistics == -1);
      continue;
    }
    assert_true(node->statistics == (int64_t)seen);
    for (uint32_t c = 0; c < node->out.channels; c++) {
      assert_true(statistics[seen + c] == 0 && statistics[seen + node->out.channels + c] == 1);
    }
    seen += 2 * (uint64_t)node->out.channels;
  }
  assert_true(seen == graph->statistic_count);
  free(statistics);
  sht_graph_close(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(laws_have_their_moments), cmocka_unit_test(fans_of_a_convolution),
      cmocka_unit_test(draws_are_addressed),     cmocka_unit_test(seeds_decide),
      cmocka_unit_test(shipped_choices),         cmocka_unit_test(statistics_begin_at_zero_and_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
