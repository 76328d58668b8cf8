// Gradients of the reference engine against finite differences of its own loss, in double: every layer and small whole
// networks, for every parameter and every input element.
//
// The mathematics. f'(x) = (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h + O(h^4). With h = 5e-5 the truncation is
// h^4 / 30 times the fifth derivative, some 1e-19, and rounding the loss (2^-53) gives 1e-16 / h = 2e-12: far below the
// limit of 1e-6 of the larger of the element itself and a typical element (root mean square) of its tensor.
//
// Kinks. ReLU and maximum pooling have no derivative where their choice changes. Single layers get inputs on a shuffled
// grid, whose points lie many h from one another and from zero, so that no choice changes. In whole networks
// that cannot be arranged: the signs of all ReLU outputs and the winners of all maxima are compared at the five points,
// and an element for which they differ is left out; at most 1 in 50 may be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the headers that it needs
#include <cmocka.h>

#include "engine/ref/ref.h"
#include "engine_cases.h"

enum { EXAMPLES = 5, CLASSES = 3, EPOCH = 2 };
static const double step = 5e-5;
static const double limit = 1e-6;

typedef struct fixture {
  graph_builder builder;
  sht__ref *ref;
  uint16_t labels[EXAMPLES];
  uint32_t examples[EXAMPLES];  // for dropout
} fixture;

static uint64_t input_size(const fixture *f) { return EXAMPLES * sht__ref_volume(f->builder.graph.input); }

// A random permutation of a grid with as many points as the input has elements, none of them at zero.
static void fill_input(fixture *f) {
  uint32_t count = (uint32_t)input_size(f);
  uint32_t *place = calloc(count, sizeof *place);
  uint64_t *scratch = calloc(2 * (size_t)count, sizeof *scratch);
  assert_true(place != NULL && scratch != NULL);
  sht_rng_permutation(sht_rng_make(3, SHT_PURPOSE_PIXELS), 0, 0, count, place, scratch);
  for (uint32_t i = 0; i < count; i++) {
    f->ref->layers[0].y[i] = 4 * ((2 * place[i] + 1.5) / (2.0 * count) - 0.5);
  }
  free(place);
  free(scratch);
}

static void fixture_open(fixture *f, const engine_case *c) {
  graph_start(&f->builder, c->name, c->shape, CLASSES);
  (void)graph_linear(&f->builder, c->build(&f->builder, 0), CLASSES, true);
  const sht_graph *graph = graph_finish(&f->builder);
  sht_engine_options options = {.backend = "ref", .precision = SHT_FP64, .threads = 1, .batch = EXAMPLES, .seed = 5};
  sht_engine *engine = NULL;
  assert_int_equal(sht_engine_open(graph, &options, &engine, NULL), SHT_OK);
  float *parameters = calloc(graph->parameter_count, sizeof *parameters);
  assert_non_null(parameters);
  graph_fill_parameters(graph, 9, parameters);
  assert_int_equal(sht_engine_put(engine, SHT_STATE_PARAMETERS, parameters, graph->parameter_count, NULL), SHT_OK);
  free(parameters);
  f->ref = (sht__ref *)engine;
  for (uint32_t i = 0; i < EXAMPLES; i++) {
    f->labels[i] = (uint16_t)(i * 7 % CLASSES);
    f->examples[i] = 40 + 3 * i;
  }
  f->ref->batch.n = EXAMPLES;
  f->ref->batch.training = true;
  f->ref->batch.epoch = EPOCH;
  f->ref->batch.examples = f->examples;
  fill_input(f);
}

static void fixture_close(fixture *f) { sht_engine_close(&f->ref->base); }

// A number that changes (but for a chance of 2^-64) when a ReLU or a maximum makes another choice.
static uint64_t choices(const fixture *f) {
  uint64_t hash = 14695981039346656037U;
  for (int i = 0; i < f->builder.graph.node_count; i++) {
    const sht__ref_layer *layer = &f->ref->layers[i];
    sht_op op = layer->node->op;
    for (uint64_t j = 0; (op == SHT_OP_RELU || op == SHT_OP_MAXPOOL) && j < sht__ref_size(layer); j++) {
      uint64_t choice = op == SHT_OP_RELU ? layer->y[j] > 0 : (uint64_t)layer->scratch[j];
      hash = (hash ^ choice) * 1099511628211U;
    }
  }
  return hash;
}

static double mean_loss(const fixture *f) {
  uint32_t correct = 0;
  sht__ref_forward(f->ref);
  return sht__ref_loss(f->ref, f->labels, false, &correct) / EXAMPLES;
}

// The derivative of the loss by *place; false when a kink lies in the way.
static bool differentiate(const fixture *f, double *place, double *derivative) {
  static const double offsets[] = {-2, -1, 1, 2};
  static const double weights[] = {1, -8, 8, -1};
  const double middle = *place;
  bool smooth = true;
  (void)mean_loss(f);
  const uint64_t expected = choices(f);
  *derivative = 0;
  for (int i = 0; i < 4; i++) {
    *place = middle + offsets[i] * step;
    *derivative += weights[i] * mean_loss(f) / (12 * step);
    smooth = smooth && choices(f) == expected;
  }
  *place = middle;
  return smooth;
}

typedef struct tally {
  uint64_t checked, left_out;
  double worst;
} tally;

static void check_tensor(const fixture *f, const char *name, double *values, const double *gradient, uint64_t count,
                         tally *t) {
  double squares = 0;
  for (uint64_t i = 0; i < count; i++) {
    squares += gradient[i] * gradient[i];
  }
  const double typical = sqrt(squares / (double)count);
  for (uint64_t i = 0; i < count; i++) {
    double expected = 0;
    if (!differentiate(f, &values[i], &expected)) {
      t->left_out++;
      continue;
    }
    double error = fabs(gradient[i] - expected) / fmax(fabs(expected), typical);
    if (!(error <= limit)) {
      fail_msg("%s, %s, element %llu: %.12g, by differences %.12g", f->builder.graph.name, name, (unsigned long long)i,
               gradient[i], expected);
    }
    t->worst = fmax(t->worst, error);
    t->checked++;
  }
}

// A copy, because the differences overwrite nothing but what they recompute, and backward's results must outlive them.
static double *copy_of(const double *values, uint64_t count) {
  double *copy = calloc(count, sizeof *copy);
  assert_non_null(copy);
  memcpy(copy, values, count * sizeof *copy);
  return copy;
}

static tally check_all(fixture *f) {
  const sht_graph *graph = &f->builder.graph;
  tally t = {0};
  uint32_t correct = 0;
  sht__ref_forward(f->ref);
  (void)sht__ref_loss(f->ref, f->labels, true, &correct);
  sht__ref_backward(f->ref);
  double *gradients = copy_of(f->ref->gradients, graph->parameter_count);
  double *input_gradient = copy_of(f->ref->layers[0].dy, input_size(f));
  for (int i = 0; i < graph->parameter_tensors; i++) {
    const sht_parameter *tensor = &graph->parameters[i];
    check_tensor(f, tensor->name, f->ref->parameters + tensor->offset, gradients + tensor->offset, tensor->count, &t);
  }
  check_tensor(f, "input", f->ref->layers[0].y, input_gradient, input_size(f), &t);
  free(gradients);
  free(input_gradient);
  return t;
}

static void gradients_are_derivatives(void **state) {
  (void)state;
  for (size_t i = 0; i < ENGINE_CASES; i++) {
    if (engine_cases[i].wide) {
      continue;
    }
    fixture f;
    fixture_open(&f, &engine_cases[i]);
    tally t = check_all(&f);
    printf("  %-32s %5llu elements, %3llu at a kink, largest error %.2g\n", engine_cases[i].name,
           (unsigned long long)t.checked, (unsigned long long)t.left_out, t.worst);
    assert_true(t.left_out * 50 <= t.checked);
    assert_true(engine_cases[i].network || t.left_out == 0);
    fixture_close(&f);
  }
}

// What the reference alone has, and so is not among the cases of all engines.
static int case_shift(graph_builder *b, int from) {
  return graph_relu(b, graph_shift(b, graph_linear(b, from, 1, true), 7));
}

static void shift_has_gradients(void **state) {
  (void)state;
  static const engine_case shift = {.name = "shift", .shape = {3, 3, 2}, .build = case_shift, .network = true};
  fixture f;
  fixture_open(&f, &shift);
  tally t = check_all(&f);
  assert_true(t.checked > 100 && t.left_out * 10 <= t.checked);
  fixture_close(&f);
}

// The check finds a gradient that is off by a hundred-thousandth.
static void wrong_gradient_is_found(void **state) {
  (void)state;
  fixture f;
  double derivative = 0;
  uint32_t correct = 0;
  fixture_open(&f, &engine_cases[0]);
  sht__ref_forward(f.ref);
  (void)sht__ref_loss(f.ref, f.labels, true, &correct);
  sht__ref_backward(f.ref);
  double gradient = f.ref->gradients[0];
  assert_true(differentiate(&f, &f.ref->parameters[0], &derivative));
  assert_true(fabs(gradient - derivative) <= limit * fabs(derivative));
  assert_false(fabs(gradient * (1 + 1e-5) - derivative) <= limit * fabs(derivative));
  fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_are_derivatives),
      cmocka_unit_test(shift_has_gradients),
      cmocka_unit_test(wrong_gradient_is_found),
  };
  return cmocka_run_group_tests_name("gradients by finite differences", tests, NULL, NULL);
}
