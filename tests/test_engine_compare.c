// Every layer, and small networks, on another engine against the reference: forward, every gradient tensor, and
// weights, momentum, running statistics and evaluation after several steps; the same bits at any number of threads; and
// steps that go by the gradient.
//
// Limits. fp32: a sum of m products in float has a relative error of about sqrt(m) 2^-24, 1e-6 for the largest m here
// (a few hundred); some of them in a row, forward and back, give 1e-5, and five steps that feed on one another's
// weights a few times that. bf16: inputs, weights and gradients of a layer are rounded to 8 bits, a relative error of
// at most 2^-9 each, in three layers forward and back: 2 %; a small network has four times the layers, and where a
// rounded pre-activation falls on the other side of zero its whole gradient comes or goes: a share of 2^-8 of them,
// whose square root, 6 %, is their part in the norm.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the headers that it needs
#include <cmocka.h>

#include "base/amx.h"
#include "engine_exam.h"

static const limits fp32_layer = {.forward = 3e-6, .gradient = 1e-5, .state = 5e-5};
static const limits fp32_network = {.forward = 1e-5, .gradient = 5e-5, .state = 5e-4};
static const limits bf16_layer = {.forward = 0.02, .gradient = 0.05, .state = 0.1};
static const limits bf16_network = {.forward = 0.05, .gradient = 0.2, .state = 0.3};

static void cpu_fp32_agrees(void **state) {
  (void)state;
  skip_unless_present("cpu", SHT_FP32);
  assert_int_equal(judge_backend("cpu", SHT_FP32, fp32_layer, fp32_network), 0);
}

static void cpu_bf16_agrees(void **state) {
  (void)state;
  skip_unless_present("cpu", SHT_BF16);
  assert_int_equal(judge_backend("cpu", SHT_BF16, bf16_layer, bf16_network), 0);
}

static void check_threads(const char *backend, sht_precision precision) {
  static const int threads[] = {2, 3, 4, 8};
  for (size_t i = 0; i < ENGINE_CASES; i++) {
    exam e;
    outcome one;
    exam_open(&e, &engine_cases[i]);
    assert_int_equal(trial_run(&e.trial, backend, precision, 1, &one, NULL), SHT_OK);
    for (size_t j = 0; j < sizeof threads / sizeof threads[0]; j++) {
      outcome other;
      assert_int_equal(trial_run(&e.trial, backend, precision, threads[j], &other, NULL), SHT_OK);
      if (!outcome_same_bits(&e.trial, &one, &other)) {
        fail_msg("%s: %d threads give other bits than one", engine_cases[i].name, threads[j]);
      }
      outcome_close(&other);
    }
    outcome_close(&one);
    exam_close(&e);
  }
}

static void cpu_fp32_same_bits_at_any_threads(void **state) {
  (void)state;
  skip_unless_present("cpu", SHT_FP32);
  check_threads("cpu", SHT_FP32);
}

static void cpu_bf16_same_bits_at_any_threads(void **state) {
  (void)state;
  skip_unless_present("cpu", SHT_BF16);
  check_threads("cpu", SHT_BF16);
}

// Filters so heavy that several shards have one gradient between them: of six shards in two groups, the last one short,
// and of fewer in a smaller batch. Which threads meet in a group must not show.
static void cpu_bf16_groups_of_shards_agree(void **state) {
  (void)state;
  skip_unless_present("cpu", SHT_BF16);
  if (!sht_amx_available()) {
    print_message("groups of shards on AMX: not on this processor, NOT TESTED\n");
  }
  static const int threads[] = {1, 2, 3, 8};
  static const engine_case heavy = {"conv 3x3 heavy", {16, 3, 3}, case_conv_wide, false, true};
  exam e;
  outcome found[4];
  exam_open_batch(&e, &heavy, 111, 45);
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(trial_run(&e.trial, "cpu", SHT_BF16, threads[i], &found[i], NULL), SHT_OK);
    if (!outcome_same_bits(&e.trial, &found[0], &found[i])) {
      fail_msg("%d threads give other bits than one", threads[i]);
    }
  }
  verdict v = outcome_compare(&e.trial, &found[0], &e.expected, bf16_network);
  verdict_print(&v);
  assert_int_equal(v.failures, 0);
  for (size_t i = 0; i < 4; i++) {
    outcome_close(&found[i]);
  }
  exam_close(&e);
}

static const engine_case *case_called(const char *name) {
  for (size_t i = 0; i < ENGINE_CASES; i++) {
    if (strcmp(engine_cases[i].name, name) == 0) {
      return &engine_cases[i];
    }
  }
  fail_msg("no case is called %s", name);
  return NULL;
}

// The gradient of all examples, and what one step over them, without momentum and decay, leaves as momentum: the same
// gradient, made while weights are updated. The rate is so large that a weight which is read after its update shows.
static sht_status gradient_and_step(const trial *t, sht_engine *engine, outcome *o, sht_error *error) {
  static const sht_step_rates rates = {.learning_rate = 8};
  uint64_t done = 0;
  SHT_TRY(trial_put_state(t, engine, o, error));
  SHT_TRY(trial_gradient(t, engine, o, error));
  SHT_TRY(sht_engine_train(engine, &t->data->pipeline, 0, 0, 1, &rates, o->metrics, &done, error));
  return sht_engine_get(engine, SHT_STATE_MOMENTUM, o->momentum, t->graph->parameter_count, error);
}

// The order of the examples is another, and with it that of sums.
static void step_follows_gradient(const char *name, sht_precision precision) {
  exam e;
  sht_engine *engine = NULL;
  sht_error error = {.message = ""};
  exam_open_batch(&e, case_called(name), 40, 40);
  sht_engine_options options = {
      .backend = "cpu", .precision = precision, .threads = 2, .batch = 40, .seed = 7, .train_examples = 40};
  // The arrays are borrowed from the reference's outcome, whose momentum must begin at zero.
  memset(e.expected.momentum, 0, e.trial.graph->parameter_count * sizeof(float));
  assert_int_equal(sht_engine_open(e.trial.graph, &options, &engine, &error), SHT_OK);
  assert_int_equal(gradient_and_step(&e.trial, engine, &e.expected, &error), SHT_OK);
  verdict v = {.name = name};
  judge_tensors(&v, &e.trial, "step", e.expected.momentum, e.expected.gradients, 0.02, &v.worst.gradient);
  printf("  %-32s step against gradient %8.2g of %.0e\n", name, v.worst.gradient, 0.02);
  sht_engine_close(engine);
  exam_close(&e);
  if (v.failures > 0) {
    fail_msg("%s: %s", name, v.first_failure);
  }
}

static void steps_follow_gradients(sht_precision precision) {
  skip_unless_present("cpu", precision);
  step_follows_gradient("branches of other depths", precision);
  step_follows_gradient("small inception", precision);
}

static void cpu_fp32_step_follows_gradient(void **state) {
  (void)state;
  steps_follow_gradients(SHT_FP32);
}

static void cpu_bf16_step_follows_gradient(void **state) {
  (void)state;
  steps_follow_gradients(SHT_BF16);
}

static void reference_same_bits_at_any_threads(void **state) {
  (void)state;
  check_threads("ref", SHT_FP64);
}

// The reference with its state rounded to float is an fp32 engine with the best of roundings: it must pass.
static void rounded_reference_passes(void **state) {
  (void)state;
  assert_int_equal(judge_backend("ref", SHT_FP32, fp32_layer, fp32_network), 0);
}

// The harness finds what it is there for: one wrong element in each kind of result, and NaN.
static void faults_are_found(void **state) {
  (void)state;
  exam e;
  exam_open(&e, &engine_cases[ENGINE_CASES - 2]);
  float *arrays[] = {e.expected.gradients,  e.expected.first_logits, e.expected.parameters, e.expected.momentum,
                     e.expected.statistics, e.expected.logits,       e.expected.losses};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
    outcome other;
    assert_int_equal(trial_run(&e.trial, "ref", SHT_FP64, 2, &other, NULL), SHT_OK);
    assert_int_equal(outcome_compare(&e.trial, &other, &e.expected, fp32_network).failures, 0);
    float *element[] = {other.gradients,  other.first_logits, other.parameters, other.momentum,
                        other.statistics, other.logits,       other.losses};
    float sound = element[i][3];
    element[i][3] = sound * 1.5F + 0.01F;
    assert_true(outcome_compare(&e.trial, &other, &e.expected, fp32_network).failures > 0);
    assert_false(outcome_same_bits(&e.trial, &other, &e.expected));
    element[i][3] = NAN;
    assert_true(outcome_compare(&e.trial, &other, &e.expected, fp32_network).failures > 0);
    outcome_close(&other);
  }
  exam_close(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(faults_are_found),
      cmocka_unit_test(rounded_reference_passes),
      cmocka_unit_test(reference_same_bits_at_any_threads),
      cmocka_unit_test(cpu_fp32_agrees),
      cmocka_unit_test(cpu_bf16_agrees),
      cmocka_unit_test(cpu_bf16_groups_of_shards_agree),
      cmocka_unit_test(cpu_fp32_step_follows_gradient),
      cmocka_unit_test(cpu_bf16_step_follows_gradient),
      cmocka_unit_test(cpu_fp32_same_bits_at_any_threads),
      cmocka_unit_test(cpu_bf16_same_bits_at_any_threads),
  };
  return cmocka_run_group_tests_name("engines against the reference", tests, NULL, NULL);
}
