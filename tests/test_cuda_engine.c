// Every layer, and small networks, on the engine 'cuda' against the reference; the same bits from run to run, with and
// without a captured graph, and however the steps are cut into calls; the examples' bits. Skips without a card.
//
// The same program is run once more on the plugin of tests/cuda_on_host, which computes on the processor: that is where
// everything of the engine but the card itself, cuDNN and cuBLASLt is tested on a machine without one.
//
// Limits. fp32: as of other engines (test_engine_compare.c), but all with those of networks, since cuDNN may choose
// minimal filtering, which rounds more coarsely; and where the weights have grown, so that the right class is ahead by
// hundreds, the relative error of a tiny loss is the absolute one of the logits. tf32: factors are rounded to 11 bits,
// 2^-12 of a relative error each, in three layers forward and back 1e-3; in networks four times as many. bf16: as of
// the engine 'cpu', with one more rounding: the gradients of convolutions' filters are bfloat16, 2^-9.
#include "engine_exam.h"

static const limits fp32_layer = {.forward = 1e-5, .gradient = 5e-5, .state = 5e-4};
static const limits fp32_network = {.forward = 1e-5, .gradient = 5e-5, .state = 0.02};
static const limits tf32_layer = {.forward = 2e-3, .gradient = 5e-3, .state = 0.02};
static const limits tf32_network = {.forward = 5e-3, .gradient = 0.05, .state = 0.1};
static const limits bf16_layer = {.forward = 0.02, .gradient = 0.05, .state = 0.1};
static const limits bf16_network = {.forward = 0.05, .gradient = 0.2, .state = 0.3};

static void fp32_agrees(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  assert_int_equal(judge_backend("cuda", SHT_FP32, fp32_layer, fp32_network), 0);
}

static void tf32_agrees(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_TF32);
  assert_int_equal(judge_backend("cuda", SHT_TF32, tf32_layer, tf32_network), 0);
}

static void bf16_agrees(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_BF16);
  assert_int_equal(judge_backend("cuda", SHT_BF16, bf16_layer, bf16_network), 0);
}

// With bias and ReLU in the launch of a convolution.
static void fused_agrees(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_BF16);
  assert_int_equal(setenv("SHATTER_CUDA_FUSE", "1", 1), 0);
  assert_int_equal(judge_backend("cuda", SHT_BF16, bf16_layer, bf16_network), 0);
  assert_int_equal(unsetenv("SHATTER_CUDA_FUSE"), 0);
}

// What the shift of theory's networks does: not of the table, for the engine 'cpu' has none.
static int case_shift(graph_builder *b, int from) { return graph_relu(b, graph_shift(b, from, 11)); }

static void shift_agrees(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  const engine_case shift = {"shift", {1, 1, 1}, case_shift, false, false};
  exam e;
  outcome found;
  exam_open(&e, &shift);
  assert_int_equal(trial_run(&e.trial, "cuda", SHT_FP32, 1, &found, NULL), SHT_OK);
  verdict v = outcome_compare(&e.trial, &found, &e.expected, fp32_layer);
  verdict_print(&v);
  assert_int_equal(v.failures, 0);
  outcome_close(&found);
  exam_close(&e);
}

static void repeats_are_the_same_bits(void **state) {
  (void)state;
  static const sht_precision precisions[] = {SHT_FP32, SHT_BF16};
  skip_unless_present("cuda", SHT_FP32);
  for (size_t i = 1; i < ENGINE_CASES; i += 3) {
    exam e;
    exam_open(&e, &engine_cases[i]);
    for (size_t p = 0; p < sizeof precisions / sizeof precisions[0]; p++) {
      outcome one;
      outcome two;
      outcome plain;
      assert_int_equal(trial_run(&e.trial, "cuda", precisions[p], 1, &one, NULL), SHT_OK);
      assert_int_equal(setenv("ON_HOST_EARLY", "1", 1), 0);  // the second stream is ahead, else behind
      assert_int_equal(trial_run(&e.trial, "cuda", precisions[p], 1, &two, NULL), SHT_OK);
      assert_int_equal(unsetenv("ON_HOST_EARLY"), 0);
      assert_int_equal(setenv("SHATTER_CUDA_GRAPH", "0", 1), 0);
      assert_int_equal(trial_run(&e.trial, "cuda", precisions[p], 1, &plain, NULL), SHT_OK);
      assert_int_equal(unsetenv("SHATTER_CUDA_GRAPH"), 0);
      if (!outcome_same_bits(&e.trial, &one, &two) || !outcome_same_bits(&e.trial, &one, &plain)) {
        fail_msg("%s: other bits in another run, or without a captured graph", engine_cases[i].name);
      }
      outcome_close(&one);
      outcome_close(&two);
      outcome_close(&plain);
    }
    exam_close(&e);
  }
}

// ---- the examples, bit for bit: a linear layer, one example a step, weights 0 and no momentum. Then the momentum of a
// weight is the product of its output's gradient, which the bias's momentum shows, with the input: one rounding.

enum { INPUT_EXAMPLES = 9, INPUT_CLASSES = 3, INPUT_VALUES_MAX = 8 * 7 * 3 };

typedef struct input_test {
  graph_builder builder;
  engine_data data;
  sht_engine *engine;
} input_test;

static void open_input_test(input_test *t, const char *augment) {
  graph_start(&t->builder, "inputs", (sht_shape){3, 8, 7}, INPUT_CLASSES);
  (void)graph_linear(&t->builder, 0, INPUT_CLASSES, true);
  sht_graph *graph = &t->builder.graph;
  (void)graph_finish(&t->builder);
  const sht_shape seen = graph->input;
  graph->input = (sht_shape){3, 11, 10};  // stored with a margin
  engine_data_open(&t->data, graph, INPUT_EXAMPLES, 3);
  graph->input = seen;
  t->data.pipeline.height = seen.height;
  t->data.pipeline.width = seen.width;
  t->data.pipeline.seed = 12;
  assert_int_equal(sht_augmentation_parse(augment, &t->data.pipeline.augment, NULL), SHT_OK);
  sht_engine_options options = {
      .backend = "cuda", .precision = SHT_FP32, .batch = 1, .seed = 5, .train_examples = INPUT_EXAMPLES};
  assert_int_equal(sht_engine_open(graph, &options, &t->engine, NULL), SHT_OK);
}

// One step from zero; the momentum against what the host makes of the example.
static void check_input(input_test *t, uint32_t epoch, uint64_t step, uint32_t example) {
  static float zeros[INPUT_CLASSES * INPUT_VALUES_MAX + INPUT_CLASSES], momentum[sizeof zeros / sizeof zeros[0]];
  const sht_graph *graph = &t->builder.graph;
  const uint64_t values = INPUT_VALUES_MAX;
  const sht_step_rates rates = {0.5F, 0, 0};
  float x[INPUT_VALUES_MAX];
  uint16_t label = 0;
  sht_step_metrics metrics;
  uint64_t done = 0;
  sht_pipeline_fill(&t->data.pipeline, epoch, &example, 1, x, &label);
  assert_int_equal(sht_engine_put(t->engine, SHT_STATE_PARAMETERS, zeros, graph->parameter_count, NULL), SHT_OK);
  assert_int_equal(sht_engine_train(t->engine, &t->data.pipeline, epoch, step, 1, &rates, &metrics, &done, NULL),
                   SHT_OK);
  assert_int_equal(sht_engine_get(t->engine, SHT_STATE_MOMENTUM, momentum, graph->parameter_count, NULL), SHT_OK);
  const float *bias = momentum + graph->parameters[1].offset;
  for (uint32_t k = 0; k < INPUT_CLASSES; k++) {
    assert_true((bias[k] < 0) == (k == label));
    for (uint64_t i = 0; i < values; i++) {
      if (momentum[k * values + i] != bias[k] * x[i]) {
        fail_msg("epoch %u, example %u, value %u: %a, not %a", epoch, example, (unsigned)i,
                 (double)momentum[k * values + i], (double)(bias[k] * x[i]));
      }
    }
  }
}

static void examples_have_the_hosts_bits(void **state) {
  (void)state;
  static const char *const lists[] = {"none", "crop", "crop:2,flip", "rotate:30,crop:1", "crop:1,flip,rotate:40,color"};
  skip_unless_present("cuda", SHT_FP32);
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    input_test t;
    uint32_t order[INPUT_EXAMPLES];
    uint64_t scratch[2 * INPUT_EXAMPLES];
    open_input_test(&t, lists[i]);
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
      sht_order_fill(5, epoch, INPUT_EXAMPLES, order, scratch);
      for (uint64_t step = 0; step < INPUT_EXAMPLES; step++) {
        check_input(&t, epoch, step, order[step]);
      }
    }
    sht_engine_close(t.engine);
    engine_data_close(&t.data);
  }
}

// ---- how steps are cut into calls, and data that change

typedef struct cut_test {
  exam exam;
  sht_engine *engine;
} cut_test;

static void open_cut_test(cut_test *t) {
  exam_open(&t->exam, &engine_cases[ENGINE_CASES - 2]);
  const trial *run = &t->exam.trial;
  sht_engine_options options = {
      .backend = "cuda", .precision = SHT_FP32, .batch = run->batch, .seed = run->seed, .train_examples = EXAMPLES};
  outcome start = {.parameters = outcome_array(run->graph->parameter_count),
                   .momentum = outcome_array(run->graph->parameter_count),
                   .statistics = outcome_array(run->graph->statistic_count)};
  assert_int_equal(sht_engine_open(run->graph, &options, &t->engine, NULL), SHT_OK);
  assert_int_equal(trial_put_state(run, t->engine, &start, NULL), SHT_OK);
  outcome_close(&start);
}

static void close_cut_test(cut_test *t) {
  sht_engine_close(t->engine);
  exam_close(&t->exam);
}

// Two epochs in calls of at most `most` steps, with an evaluation between them; the parameters then, the caller's.
static float *train_in_calls(cut_test *t, uint64_t most) {
  const trial *run = &t->exam.trial;
  const uint64_t steps = (EXAMPLES + BATCH - 1) / BATCH;
  sht_step_metrics metrics[TRIAL_STEPS_MAX];
  float losses[EXAMPLES];
  float *parameters = outcome_array(run->graph->parameter_count);
  for (uint32_t epoch = 0; epoch < 2; epoch++) {
    for (uint64_t first = 0; first < steps; first += most) {
      uint64_t count = steps - first < most ? steps - first : most;
      uint64_t done = 0;
      assert_int_equal(
          sht_engine_train(t->engine, &run->data->pipeline, epoch, first, count, &run->rates, metrics, &done, NULL),
          SHT_OK);
      assert_int_equal(done, count);
    }
    assert_int_equal(sht_engine_evaluate(t->engine, &run->data->pipeline, 0, EXAMPLES, NULL, losses, NULL), SHT_OK);
  }
  assert_int_equal(sht_engine_get(t->engine, SHT_STATE_PARAMETERS, parameters, run->graph->parameter_count, NULL),
                   SHT_OK);
  return parameters;
}

static void cuts_do_not_matter(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  cut_test whole;
  cut_test cut;
  open_cut_test(&whole);
  open_cut_test(&cut);
  float *a = train_in_calls(&whole, TRIAL_STEPS_MAX);
  float *b = train_in_calls(&cut, 1);
  assert_memory_equal(a, b, whole.exam.trial.graph->parameter_count * sizeof *a);
  free(a);
  free(b);
  close_cut_test(&whole);
  close_cut_test(&cut);
}

// A split that was seen before with other labels, and other splits than the card has room for.
static void changed_data_are_seen(void **state) {
  (void)state;
  enum { SPLITS = 7 };
  skip_unless_present("cuda", SHT_FP32);
  cut_test t;
  engine_data others[SPLITS];
  float losses[2][EXAMPLES];
  open_cut_test(&t);
  const trial *run = &t.exam.trial;
  sht_split *split = &t.exam.data.split;
  assert_int_equal(sht_engine_evaluate(t.engine, &run->data->pipeline, 0, EXAMPLES, NULL, losses[0], NULL), SHT_OK);
  for (int i = 0; i < SPLITS; i++) {
    engine_data_open(&others[i], run->graph, EXAMPLES, (uint64_t)i);
    assert_int_equal(sht_engine_evaluate(t.engine, &others[i].pipeline, 0, EXAMPLES, NULL, losses[1], NULL), SHT_OK);
    assert_memory_not_equal(losses[0], losses[1], sizeof losses[0]);
  }
  assert_int_equal(sht_engine_evaluate(t.engine, &run->data->pipeline, 0, EXAMPLES, NULL, losses[1], NULL), SHT_OK);
  assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
  split->labels[4] = (uint16_t)((split->labels[4] + 1) % CLASSES);
  assert_int_equal(sht_engine_evaluate(t.engine, &run->data->pipeline, 0, EXAMPLES, NULL, losses[1], NULL), SHT_OK);
  for (int i = 0; i < EXAMPLES; i++) {
    assert_true((losses[0][i] == losses[1][i]) == (i != 4));
  }
  for (int i = 0; i < SPLITS; i++) {
    engine_data_close(&others[i]);
  }
  close_cut_test(&t);
}

// A rate that is far too large: the step says so, and later steps of the call leave everything as it is.
static void divergence_ends_the_call(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  cut_test t;
  sht_step_metrics metrics[TRIAL_STEPS_MAX];
  const sht_step_rates rates = {1e38F, 0, 0};
  const uint64_t steps = (EXAMPLES + BATCH - 1) / BATCH;
  uint64_t done = 0;
  open_cut_test(&t);
  assert_int_equal(sht_engine_train(t.engine, &t.exam.data.pipeline, 0, 0, steps, &rates, metrics, &done, NULL),
                   SHT_OK);
  assert_true(done < steps && !metrics[done - 1].finite);
  close_cut_test(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fp32_agrees),
      cmocka_unit_test(tf32_agrees),
      cmocka_unit_test(bf16_agrees),
      cmocka_unit_test(fused_agrees),
      cmocka_unit_test(shift_agrees),
      cmocka_unit_test(repeats_are_the_same_bits),
      cmocka_unit_test(examples_have_the_hosts_bits),
      cmocka_unit_test(cuts_do_not_matter),
      cmocka_unit_test(changed_data_are_seen),
      cmocka_unit_test(divergence_ends_the_call),
  };
  return cmocka_run_group_tests_name("cuda against the reference", tests, NULL, NULL);
}
