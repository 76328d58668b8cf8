// Several runs at once on the engine 'cuda': every run of a group has the bits that it has alone, whoever is beside it:
// other seeds, labels, pixels and rates; one that diverges, one that ends early, one that is interrupted and goes on in
// another group, one that asks for something else than the others, one that fails. Dense networks and convolutional
// ones, and whatever order a card gives to streams that do not wait for each other. Skips without a card; run once more
// on the plugin of tests/cuda_on_host.
#include <pthread.h>

#include "engine_exam.h"

enum { MEMBERS_MAX = 6, EPOCHS = 2, MARGIN = 2, GROUP_CLASSES = 9, STEPS = (EXAMPLES + BATCH - 1) / BATCH };

// What a run does besides training for EPOCHS epochs.
typedef enum habit {
  STEADY,
  DIVERGES,      // in its first step, by its rate
  ENDS_EARLY,    // after one epoch
  STOPS_INSIDE,  // after the first step of epoch 1: what it left goes on in another group
  FAILS,         // has examples whose shape is another after an epoch
  LOOKS_ASIDE,   // wants gradients and answers after the first step, so that it and the others sit passes out
} habit;

typedef struct run_plan {
  graph_builder builder;
  engine_data data;
  sht_step_rates rates;
  uint64_t seed;
  uint64_t most;  // steps of a call
  habit habit;
} run_plan;

// Everything that a run says.
typedef struct run_said {
  sht_step_metrics metrics[EPOCHS * STEPS];
  uint64_t steps;
  float *gradients, *parameters, *momentum;            // [P]
  float *statistics;                                   // [S]
  float logits[EPOCHS + 1][EXAMPLES * GROUP_CLASSES];  // before any step, after each epoch
  float losses[EPOCHS + 1][EXAMPLES];
  sht_status status;
} run_said;

typedef struct seat {
  const run_plan *plan;
  run_said *said;
  const run_said *from;  // where a run goes on from; NULL: from the start
  sht_precision precision;
  sht_engine_group *group;
  pthread_t thread;
} seat;

static int group_dense(graph_builder *b, int from) {
  int hidden = graph_relu(b, graph_linear(b, from, 20, true));
  int wide = graph_relu(b, graph_linear(b, graph_dropout(b, hidden, 0.25F), 20, false));
  return graph_add(b, hidden, wide);
}
// Biases, frames around images, the engine's own loops (5 x 5, and 3 x 3 with a stride: none of the stand-in's).
static int group_biases(graph_builder *b, int from) {
  from = graph_relu(b, graph_conv(b, from, 6, (window){4, 1, 1, 2}, true));
  from = graph_lrn(b, from, 2, 1, 0.3F, 0.75F);
  from = graph_relu(b, graph_conv(b, from, 9, (window){3, 2, 0, 1}, true));
  from = graph_conv(b, from, 5, (window){5, 1, 2, 2}, true);
  return graph_dropout(b, from, 0.25F);
}
// More channels than a column of blocks sums, branches that are written straight into a concatenation and one that is
// no whole vectors, normalisation that nothing follows.
static int group_wide(graph_builder *b, int from) {
  int fused = graph_relu(b, graph_conv(b, from, 8, (window){3, 1, 1, 1}, true));
  int wide = graph_conv_bn_relu(b, from, 72, (window){1, 1, 0, 0});
  int narrow = graph_maxpool(b, graph_batchnorm(b, graph_conv(b, from, 5, (window){2, 1, 0, 1}, true), true, true),
                             (window){3, 1, 1, 1});
  return graph_avgpool(b, graph_concat(b, 3, (int[]){fused, wide, narrow}), (window){3, 2, 0, 1});
}
static int group_shift(graph_builder *b, int from) { return graph_relu(b, graph_shift(b, from, 11)); }

static const engine_case group_cases[] = {
    {"dense", {3, 4, 4}, group_dense, true, false},
    {"biases", {3, 7, 7}, group_biases, true, false},
    {"wide", {3, 5, 5}, group_wide, true, true},
    {"small alexnet", {3, 8, 8}, case_alexnet, true, false},
    {"small inception", {3, 8, 8}, case_inception, true, false},
    {"small resnet", {3, 6, 6}, case_resnet, true, false},
    {"shift", {1, 1, 1}, group_shift, true, false},
};
enum { GROUP_CASES = sizeof group_cases / sizeof group_cases[0] };

// The last layer's columns are more than one vector, or one and no more (which the stand-in for cuBLASLt does not take
// for several runs at once).
static void open_plan(run_plan *plan, const engine_case *network, uint32_t classes, uint64_t seed, uint64_t pixels,
                      habit is) {
  *plan = (run_plan){.rates = {0.02F + 0.01F * (float)seed, 0.9F, 1e-3F * (float)seed}, .seed = seed, .habit = is};
  plan->most = 1 + seed % 3;
  plan->rates.learning_rate = is == DIVERGES ? 1e38F : plan->rates.learning_rate;
  graph_start(&plan->builder, network->name, network->shape, classes);
  (void)graph_linear(&plan->builder, network->build(&plan->builder, 0), classes, true);
  sht_graph *graph = &plan->builder.graph;
  (void)graph_finish(&plan->builder);
  const sht_shape seen = graph->input;
  graph->input.height += MARGIN;  // as stored
  graph->input.width += MARGIN;
  engine_data_open(&plan->data, graph, EXAMPLES, pixels);
  graph->input = seen;
  for (uint64_t i = 0; i < EXAMPLES; i++) {  // pixels may be in common, labels are not
    plan->data.split.labels[i] = (uint16_t)((plan->data.split.labels[i] + seed * i) % classes);
  }
  plan->data.pipeline.height = seen.height;
  plan->data.pipeline.width = seen.width;
  plan->data.pipeline.seed = seed;
  assert_int_equal(sht_augmentation_parse(seed % 2 == 0 ? "crop" : "crop,flip", &plan->data.pipeline.augment, NULL),
                   SHT_OK);
}

static void open_said(run_said *said, const sht_graph *graph) {
  *said = (run_said){.gradients = outcome_array(graph->parameter_count),
                     .parameters = outcome_array(graph->parameter_count),
                     .momentum = outcome_array(graph->parameter_count),
                     .statistics = outcome_array(graph->statistic_count)};
}

static void close_said(run_said *said) {
  free(said->gradients);
  free(said->parameters);
  free(said->momentum);
  free(said->statistics);
}

static sht_status evaluate_run(const seat *s, sht_engine *engine, uint32_t after) {
  return sht_engine_evaluate(engine, &s->plan->data.pipeline, 0, EXAMPLES, s->said->logits[after],
                             s->said->losses[after], NULL);
}

static sht_status read_gradients(const seat *s, sht_engine *engine) {
  static const uint32_t examples[] = {4, 1, 17, 30, 8};
  sht_step_metrics metrics;
  SHT_TRY(sht_engine_gradient(engine, &s->plan->data.pipeline, examples, sizeof examples / sizeof examples[0], &metrics,
                              NULL));
  return sht_engine_get(engine, SHT_STATE_GRADIENTS, s->said->gradients, s->plan->builder.graph.parameter_count, NULL);
}

// When others asked for gradients in the pass that trained this run, it had one without examples: zeros and no NaN,
// which would look like a fault to whoever looks for one on the card.
static sht_status check_left_gradients(const seat *s, sht_engine *engine) {
  const uint64_t count = s->plan->builder.graph.parameter_count;
  float *gradients = outcome_array(count);
  bool finite = true;
  sht_status status = sht_engine_get(engine, SHT_STATE_GRADIENTS, gradients, count, NULL);
  for (uint64_t i = 0; i < count; i++) {
    finite = finite && isfinite(gradients[i]);
  }
  free(gradients);
  return status == SHT_OK && !finite ? SHT_INTERNAL : status;
}

// Steps first .. end-1 of the epoch, in calls of at most plan->most, each of which may do less.
static sht_status train_part(const seat *s, sht_engine *engine, uint32_t epoch, uint64_t first, uint64_t end) {
  const run_plan *plan = s->plan;
  while (first < end) {
    const uint64_t count = end - first < plan->most ? end - first : plan->most;
    uint64_t done = 0;
    SHT_TRY(sht_engine_train(engine, &plan->data.pipeline, epoch, first, count, &plan->rates,
                             &s->said->metrics[epoch * STEPS + first], &done, NULL));
    if (done == 0 || done > count) {
      return SHT_INTERNAL;
    }
    first += done;
    s->said->steps += done;
    if (!s->said->metrics[epoch * STEPS + first - 1].finite) {
      return SHT_DIVERGED;
    }
    SHT_TRY(check_left_gradients(s, engine));
    if (plan->habit == LOOKS_ASIDE && first == 1) {
      SHT_TRY(read_gradients(s, engine));
      SHT_TRY(evaluate_run(s, engine, epoch + 1));
    }
  }
  return SHT_OK;
}

static sht_status read_state(const seat *s, sht_engine *engine) {
  const sht_graph *graph = &s->plan->builder.graph;
  const uint64_t count = graph->parameter_count;
  SHT_TRY(sht_engine_get(engine, SHT_STATE_STATISTICS, s->said->statistics, graph->statistic_count, NULL));
  SHT_TRY(sht_engine_get(engine, SHT_STATE_PARAMETERS, s->said->parameters, count, NULL));
  return sht_engine_get(engine, SHT_STATE_MOMENTUM, s->said->momentum, count, NULL);
}

static sht_status begin_run(const seat *s, sht_engine *engine) {
  const sht_graph *graph = &s->plan->builder.graph;
  graph_fill_parameters(graph, s->plan->seed, s->said->parameters);
  const float *parameters = s->from != NULL ? s->from->parameters : s->said->parameters;
  const float *momentum = s->from != NULL ? s->from->momentum : s->said->momentum;
  const float *statistics = s->from != NULL ? s->from->statistics : s->said->statistics;
  SHT_TRY(sht_engine_put(engine, SHT_STATE_PARAMETERS, parameters, graph->parameter_count, NULL));
  SHT_TRY(sht_engine_put(engine, SHT_STATE_MOMENTUM, momentum, graph->parameter_count, NULL));
  SHT_TRY(sht_engine_put(engine, SHT_STATE_STATISTICS, statistics, graph->statistic_count, NULL));
  SHT_TRY(read_gradients(s, engine));
  return evaluate_run(s, engine, 0);
}

// What FAILS does: asks for something that is refused.
static sht_status ask_for_nonsense(const seat *s, sht_engine *engine) {
  sht_pipeline wrong = s->plan->data.pipeline;
  wrong.height++;
  return sht_engine_evaluate(engine, &wrong, 0, EXAMPLES, NULL, s->said->losses[0], NULL);
}

static sht_status run_epochs(const seat *s, sht_engine *engine) {
  const habit is = s->plan->habit;
  const bool goes_on = s->from != NULL;
  const uint32_t epochs = is == ENDS_EARLY ? 1 : EPOCHS;
  for (uint32_t epoch = goes_on ? 1 : 0; epoch < epochs; epoch++) {
    const bool stops = is == STOPS_INSIDE && epoch == 1 && !goes_on;
    SHT_TRY(train_part(s, engine, epoch, goes_on && epoch == 1 ? 1 : 0, stops ? 1 : STEPS));
    if (stops) {
      return SHT_STOPPED;
    }
    SHT_TRY(evaluate_run(s, engine, epoch + 1));
    if (is == FAILS) {
      return ask_for_nonsense(s, engine);
    }
  }
  return SHT_OK;
}

static sht_status run_seat(const seat *s) {
  const sht_engine_options options = {.backend = "cuda",
                                      .precision = s->precision,
                                      .batch = BATCH,
                                      .seed = s->plan->seed,
                                      .train_examples = EXAMPLES,
                                      .group = s->group};
  sht_engine *engine = NULL;
  SHT_TRY(sht_engine_open(&s->plan->builder.graph, &options, &engine, NULL));
  sht_status status = begin_run(s, engine);
  status = status == SHT_OK ? run_epochs(s, engine) : status;
  const sht_status read = read_state(s, engine);
  sht_engine_close(engine);
  return read != SHT_OK ? read : status;
}

static void *sit(void *context) {
  seat *s = context;
  s->said->status = run_seat(s);
  if (s->group != NULL) {
    sht_engine_group_leave(s->group);
  }
  return NULL;
}

static void run_group(seat *seats, uint32_t count) {
  sht_engine_group *group = NULL;
  assert_int_equal(sht_engine_group_open(count, &group, NULL), SHT_OK);
  for (uint32_t i = 0; i < count; i++) {
    seats[i].group = group;
    assert_int_equal(pthread_create(&seats[i].thread, NULL, sit, &seats[i]), 0);
  }
  for (uint32_t i = 0; i < count; i++) {
    assert_int_equal(pthread_join(seats[i].thread, NULL), 0);
  }
  sht_engine_group_close(group);
}

static bool same_floats(const float *a, const float *b, uint64_t count) { return memcmp(a, b, count * sizeof *a) == 0; }

// from, epoch: what was said from there on.
static void assert_same(const run_plan *plan, const run_said *a, const run_said *b, uint64_t from, uint32_t epoch) {
  const uint64_t count = plan->builder.graph.parameter_count;
  assert_int_equal(a->status, b->status);
  assert_true(same_floats(a->parameters, b->parameters, count));
  assert_true(same_floats(a->momentum, b->momentum, count));
  assert_true(same_floats(a->statistics, b->statistics, plan->builder.graph.statistic_count));
  for (uint64_t i = from; i < EPOCHS * STEPS; i++) {
    assert_memory_equal(&a->metrics[i], &b->metrics[i], sizeof a->metrics[i]);
  }
  assert_memory_equal(a->logits[epoch], b->logits[epoch], (EPOCHS + 1 - epoch) * sizeof a->logits[0]);
  assert_memory_equal(a->losses[epoch], b->losses[epoch], (EPOCHS + 1 - epoch) * sizeof a->losses[0]);
}

typedef struct group_test {
  run_plan plans[MEMBERS_MAX];
  run_said alone[MEMBERS_MAX], together[MEMBERS_MAX];
  uint32_t count;
  sht_precision precision;
} group_test;

static void open_group_test(group_test *t, const engine_case *network, uint32_t classes, const habit *habits,
                            uint32_t count, sht_precision precision) {
  t->count = count;
  t->precision = precision;
  for (uint32_t i = 0; i < count; i++) {
    open_plan(&t->plans[i], network, classes, i, i / 2, habits[i]);
    open_said(&t->alone[i], &t->plans[i].builder.graph);
    open_said(&t->together[i], &t->plans[i].builder.graph);
  }
}

static void close_group_test(group_test *t) {
  for (uint32_t i = 0; i < t->count; i++) {
    close_said(&t->alone[i]);
    close_said(&t->together[i]);
    engine_data_close(&t->plans[i].data);
  }
}

// Alone, or all together.
static void run_alone(group_test *t) {
  static const sht_status expected[] = {SHT_OK, SHT_DIVERGED, SHT_OK, SHT_STOPPED, SHT_CONFIG, SHT_OK};
  for (uint32_t i = 0; i < t->count; i++) {
    seat alone = {.plan = &t->plans[i], .said = &t->alone[i], .precision = t->precision};
    (void)sit(&alone);
    assert_int_equal(t->alone[i].status, expected[t->plans[i].habit]);
  }
}

static void run_together(group_test *t) {
  seat seats[MEMBERS_MAX];
  for (uint32_t i = 0; i < t->count; i++) {
    close_said(&t->together[i]);
    open_said(&t->together[i], &t->plans[i].builder.graph);
    seats[i] = (seat){.plan = &t->plans[i], .said = &t->together[i], .precision = t->precision};
  }
  run_group(seats, t->count);
}

static void compare_with_alone(const group_test *t) {
  for (uint32_t i = 0; i < t->count; i++) {
    const uint64_t parameters = t->plans[i].builder.graph.parameter_count;
    assert_same(&t->plans[i], &t->together[i], &t->alone[i], 0, 0);
    assert_true(same_floats(t->together[i].gradients, t->alone[i].gradients, parameters));
  }
}

static void describe_alone(const engine_case *network, sht_engine_info *out) {
  graph_builder b;
  sht_engine *engine = NULL;
  graph_start(&b, network->name, network->shape, CLASSES);
  (void)graph_linear(&b, network->build(&b, 0), CLASSES, true);
  const sht_engine_options options = {.backend = "cuda", .batch = BATCH, .train_examples = EXAMPLES};
  assert_int_equal(sht_engine_open(graph_finish(&b), &options, &engine, NULL), SHT_OK);
  sht_engine_describe(engine, out);
  sht_engine_close(engine);
}

static bool is_stand_in(void) {
  sht_engine_info info;
  describe_alone(&group_cases[0], &info);
  return strstr(info.numerics, "the processor") != NULL;
}

// What a card does at the same time, the stand-in does in one of these orders (tests/cuda_on_host/streams.cpp).
static const char *const orders[] = {NULL, "ON_HOST_EARLY", "ON_HOST_TURNS"};
enum { ORDERS = sizeof orders / sizeof orders[0] };

static void judge_groups(const engine_case *network, uint32_t classes, const habit *habits, uint32_t count,
                         sht_precision precision, int in_orders) {
  group_test *t = calloc(1, sizeof *t);
  assert_non_null(t);
  print_message("  %s, %u runs, %s\n", network->name, count, precision == SHT_BF16 ? "bf16" : "fp32");
  open_group_test(t, network, classes, habits, count, precision);
  run_alone(t);
  for (int i = 0; i < in_orders; i++) {
    assert_int_equal(orders[i] != NULL ? setenv(orders[i], "1", 1) : 0, 0);
    run_together(t);
    compare_with_alone(t);
    assert_int_equal(orders[i] != NULL ? unsetenv(orders[i]) : 0, 0);
  }
  close_group_test(t);
  free(t);
}

static const habit all_steady[MEMBERS_MAX] = {STEADY};
static const habit mixed[MEMBERS_MAX] = {STEADY, DIVERGES, ENDS_EARLY, LOOKS_ASIDE, FAILS, STEADY};

static void a_run_has_the_bits_that_it_has_alone(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  for (int i = 0; i < GROUP_CASES; i++) {
    judge_groups(&group_cases[i], i % 2 == 0 ? GROUP_CLASSES : 5, all_steady, 1 + i % 3,
                 i % 2 == 0 ? SHT_FP32 : SHT_BF16, 1);
  }
}

static void whoever_ends_leaves_the_others_alone(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  const bool stand_in = is_stand_in();
  for (int i = 0; i < GROUP_CASES; i++) {
    const bool branches = group_cases[i].build == group_wide || group_cases[i].build == case_inception;
    judge_groups(&group_cases[i], GROUP_CLASSES, mixed, 6, SHT_BF16, stand_in && branches ? ORDERS : 1);
    assert_int_equal(setenv("SHATTER_CUDA_GRAPH", "0", 1), 0);
    judge_groups(&group_cases[i], 5, mixed, 6, SHT_FP32, 1);
    assert_int_equal(unsetenv("SHATTER_CUDA_GRAPH"), 0);
  }
}

static void biases_of_a_convolutions_launch_are_each_runs_own(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_BF16);
  assert_int_equal(setenv("SHATTER_CUDA_FUSE", "1", 1), 0);
  for (int i = 0; i < GROUP_CASES; i++) {
    if (group_cases[i].build == group_biases || group_cases[i].build == group_wide) {
      judge_groups(&group_cases[i], GROUP_CLASSES, mixed, 6, SHT_BF16, 1);
    }
  }
  assert_int_equal(unsetenv("SHATTER_CUDA_FUSE"), 0);
}

// A run that was stopped inside an epoch goes on, second of another group, and ends like one that was never stopped.
static void interrupt(const engine_case *network) {
  static const habit habits[] = {STEADY, STOPS_INSIDE, STEADY};
  group_test *t = calloc(1, sizeof *t);
  run_said whole;
  seat seats[3];
  assert_non_null(t);
  open_group_test(t, network, GROUP_CLASSES, habits, 3, SHT_FP32);
  for (uint32_t i = 0; i < 3; i++) {
    seats[i] = (seat){.plan = &t->plans[i], .said = &t->together[i]};
  }
  run_group(seats, 3);
  assert_int_equal(t->together[1].status, SHT_STOPPED);
  seat again[2] = {{.plan = &t->plans[2], .said = &t->alone[2]},
                   {.plan = &t->plans[1], .said = &t->alone[1], .from = &t->together[1]}};
  run_group(again, 2);
  open_said(&whole, &t->plans[1].builder.graph);
  t->plans[1].habit = STEADY;
  seat never = {.plan = &t->plans[1], .said = &whole};
  (void)sit(&never);
  assert_same(&t->plans[1], &t->alone[1], &whole, STEPS + 1, 2);
  assert_same(&t->plans[2], &t->alone[2], &t->together[2], 0, 0);
  close_said(&whole);
  close_group_test(t);
  free(t);
}

static void an_interrupted_run_goes_on(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  for (int i = 0; i < GROUP_CASES; i++) {
    interrupt(&group_cases[i]);
  }
}

// Of the stand-in's memory a known share is free: one run more needs as much as the first.
static void as_many_are_together_as_is_of_use(void **state) {
  (void)state;
  sht_engine_info dense;
  sht_engine_info convolutions;
  char bytes[32];
  skip_unless_present("cuda", SHT_FP32);
  describe_alone(&group_cases[0], &dense);
  describe_alone(&group_cases[1], &convolutions);
  if (is_stand_in()) {
    assert_int_equal(dense.together, 64);
    assert_int_equal(convolutions.together, 8);
    (void)snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)(convolutions.bytes * 9 / 2));
    assert_int_equal(setenv("ON_HOST_BYTES", bytes, 1), 0);
    describe_alone(&group_cases[1], &convolutions);
    assert_int_equal(unsetenv("ON_HOST_BYTES"), 0);
    assert_int_equal(convolutions.together, 4);  // 0.9 of 3.5 times as much is free for others
  } else {
    assert_in_range(convolutions.together, 1, 8);
    assert_in_range(dense.together, convolutions.together, 64);
  }
}

static float first_statistic(sht_engine *engine, const sht_graph *graph) {
  float *values = outcome_array(graph->statistic_count);
  assert_int_equal(sht_engine_get(engine, SHT_STATE_STATISTICS, values, graph->statistic_count, NULL), SHT_OK);
  const float first = values[0];
  free(values);
  return first;
}

// A place that another run had is empty for the next one, as an engine of its own would be.
static void a_new_run_finds_nothing_of_another(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  run_plan plan;
  sht_engine_group *group = NULL;
  sht_engine *engines[3] = {NULL};
  open_plan(&plan, &group_cases[5], GROUP_CLASSES, 1, 1, STEADY);
  const sht_graph *graph = &plan.builder.graph;
  float *statistics = outcome_array(graph->statistic_count);
  statistics[0] = 3;
  assert_int_equal(sht_engine_group_open(3, &group, NULL), SHT_OK);
  const sht_engine_options options = {.backend = "cuda", .batch = BATCH, .train_examples = EXAMPLES, .group = group};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(sht_engine_open(graph, &options, &engines[i], NULL), SHT_OK);
    assert_true(first_statistic(engines[i], graph) == 0);
    assert_int_equal(sht_engine_put(engines[i], SHT_STATE_STATISTICS, statistics, graph->statistic_count, NULL),
                     SHT_OK);
    if (i == 1) {
      sht_engine_close(engines[i]);
      sht_engine_group_leave(group);
    }
  }
  assert_true(first_statistic(engines[0], graph) == 3);
  sht_engine_close(engines[0]);
  sht_engine_close(engines[2]);
  sht_engine_group_close(group);
  free(statistics);
  engine_data_close(&plan.data);
}

// Another number anywhere in a layer makes another network, even where no size tells.
static void refuse_changes(const graph_builder *same, const sht_engine_options *options) {
  static const size_t numbers[] = {
      offsetof(sht_node, kernel),     offsetof(sht_node, stride),   offsetof(sht_node, pad_before),
      offsetof(sht_node, pad_after),  offsetof(sht_node, epsilon),  offsetof(sht_node, decay),
      offsetof(sht_node, lrn_radius), offsetof(sht_node, lrn_bias), offsetof(sht_node, lrn_alpha),
      offsetof(sht_node, lrn_beta),   offsetof(sht_node, dropout),  offsetof(sht_node, statistics),
  };
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    graph_builder changed = *same;
    sht_engine *engine = NULL;
    sht_error error = {.message = ""};
    ((unsigned char *)&changed.nodes[1])[numbers[i]] ^= 1;
    assert_int_equal(sht_engine_open(graph_finish(&changed), options, &engine, &error), SHT_USAGE);
    assert_non_null(strstr(error.message, "another network"));
  }
}

// Another network, another size: not of this group.
static void another_network_is_refused(void **state) {
  (void)state;
  skip_unless_present("cuda", SHT_FP32);
  run_plan plan;
  sht_engine_group *group = NULL;
  sht_engine *first = NULL, *other = NULL;
  sht_error error = {.message = ""};
  sht_engine_info info;
  open_plan(&plan, &group_cases[0], GROUP_CLASSES, 1, 1, STEADY);
  assert_int_equal(sht_engine_group_open(2, &group, &error), SHT_OK);
  sht_engine_options options = {.backend = "cuda", .batch = BATCH, .train_examples = EXAMPLES, .group = group};
  assert_int_equal(sht_engine_open(&plan.builder.graph, &options, &first, &error), SHT_OK);
  sht_engine_describe(first, &info);
  assert_true(info.together > 1);
  options.batch++;
  assert_int_equal(sht_engine_open(&plan.builder.graph, &options, &other, &error), SHT_USAGE);
  assert_non_null(strstr(error.message, "another network"));
  options.batch--;
  graph_builder wide;
  graph_start(&wide, "wide", plan.builder.graph.input, GROUP_CLASSES);
  (void)graph_linear(&wide, graph_relu(&wide, graph_linear(&wide, 0, 24, true)), GROUP_CLASSES, true);
  assert_int_equal(sht_engine_open(graph_finish(&wide), &options, &other, &error), SHT_USAGE);
  refuse_changes(&plan.builder, &options);
  sht_engine_close(first);
  sht_engine_group_close(group);
  engine_data_close(&plan.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_has_the_bits_that_it_has_alone),
      cmocka_unit_test(whoever_ends_leaves_the_others_alone),
      cmocka_unit_test(biases_of_a_convolutions_launch_are_each_runs_own),
      cmocka_unit_test(an_interrupted_run_goes_on),
      cmocka_unit_test(as_many_are_together_as_is_of_use),
      cmocka_unit_test(a_new_run_finds_nothing_of_another),
      cmocka_unit_test(another_network_is_refused),
  };
  return cmocka_run_group_tests_name("several runs at once on cuda", tests, NULL, NULL);
}
