// The engine's interface: finding backends, checking arguments, the update rule, the metrics, NaN in the step it
// happens, and state that goes out and comes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>
// after the headers that it needs
#include <cmocka.h>

#include "engine/backend.h"
#include "engine_cases.h"
#include "shatter/engine.h"

enum { BATCH = 4, EXAMPLES = 10, STEPS = 3, CLASSES = 3 };
static const sht_step_rates rates = {.learning_rate = 0.1F, .momentum = 0.9F, .weight_decay = 0.01F};

typedef struct fixture {
  graph_builder builder;
  engine_data data;
  sht_engine *engine;
  sht_error error;
} fixture;

static sht_engine_options default_options(void) {
  return (sht_engine_options){
      .backend = "ref", .precision = SHT_FP64, .threads = 1, .batch = BATCH, .seed = 3, .train_examples = EXAMPLES};
}

// input -> linear -> batchnorm -> linear, parameters and statistics filled.
static void fixture_open(fixture *f, sht_precision precision, int threads) {
  float values[256] = {0};
  *f = (fixture){0};
  graph_start(&f->builder, "little", (sht_shape){2, 2, 1}, CLASSES);
  int hidden = graph_batchnorm(&f->builder, graph_linear(&f->builder, 0, 5, true), true, true);
  (void)graph_linear(&f->builder, hidden, CLASSES, true);
  const sht_graph *graph = graph_finish(&f->builder);
  engine_data_open(&f->data, graph, EXAMPLES, 2);
  sht_engine_options options = default_options();
  options.precision = precision;
  options.threads = threads;
  assert_int_equal(sht_engine_open(graph, &options, &f->engine, &f->error), SHT_OK);
  graph_fill_parameters(graph, 4, values);
  assert_int_equal(sht_engine_put(f->engine, SHT_STATE_PARAMETERS, values, graph->parameter_count, NULL), SHT_OK);
}

static void fixture_close(fixture *f) {
  sht_engine_close(f->engine);
  engine_data_close(&f->data);
}

static sht_status open_named(const char *backend, const char *plugin_dir, sht_error *error) {
  graph_builder b;
  graph_start(&b, "probe", (sht_shape){2, 1, 1}, 2);
  (void)graph_linear(&b, 0, 2, true);
  sht_engine_options options = default_options();
  options.backend = backend;
  options.plugin_dir = plugin_dir;
  sht_engine *engine = NULL;
  sht_status status = sht_engine_open(graph_finish(&b), &options, &engine, error);
  sht_engine_close(engine);
  return status;
}

static void missing_backend_is_said(void **state) {
  (void)state;
  sht_error error;
  assert_int_equal(open_named("abacus", "/nowhere", &error), SHT_UNAVAILABLE);
  assert_non_null(strstr(error.message, "shatter-engine-abacus.so"));
  assert_non_null(strstr(error.message, "/nowhere"));
  assert_int_equal(open_named("../cpu", NULL, &error), SHT_CONFIG);
  assert_int_equal(open_named("", NULL, &error), SHT_CONFIG);
}

static void other_version_is_refused(void **state) {
  (void)state;
  sht_error error;
  assert_int_equal(open_named("old", ENGINE_OLD_PLUGIN_DIR, &error), SHT_UNAVAILABLE);
  char versions[64];
  (void)snprintf(versions, sizeof versions, "interface %d, this shatter has %d", SHT_BACKEND_VERSION + 1,
                 SHT_BACKEND_VERSION);
  assert_non_null(strstr(error.message, versions));
}

// A file that is no library, and a library that is no engine.
static void what_is_no_plugin_is_refused(void **state) {
  (void)state;
  sht_error error;
  char folder[] = "/tmp/shatter-engine-XXXXXX";
  char path[128];
  char library[1024];
  assert_non_null(mkdtemp(folder));
  (void)snprintf(path, sizeof path, "%s/shatter-engine-text.so", folder);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs("not a library\n", file) >= 0 && fclose(file) == 0);
  assert_int_equal(open_named("text", folder, &error), SHT_UNAVAILABLE);
  assert_non_null(strstr(error.message, "cannot be loaded"));
  assert_int_equal(unlink(path), 0);

  (void)snprintf(library, sizeof library, "%s/shatter-engine-old.so", ENGINE_OLD_PLUGIN_DIR);
  (void)snprintf(path, sizeof path, "%s/shatter-engine-odd.so", folder);
  assert_int_equal(symlink(library, path), 0);
  assert_int_equal(open_named("odd", folder, &error), SHT_UNAVAILABLE);
  assert_non_null(strstr(error.message, "exports no 'sht_backend_odd'"));
  assert_int_equal(unlink(path), 0);
  assert_int_equal(rmdir(folder), 0);
}

static void options_are_checked(void **state) {
  (void)state;
  fixture f;
  fixture_open(&f, SHT_FP64, 1);
  sht_engine *engine = NULL;
  sht_engine_options options = default_options();
  options.batch = 0;
  assert_int_equal(sht_engine_open(&f.builder.graph, &options, &engine, &f.error), SHT_CONFIG);
  options = default_options();
  options.threads = -1;
  assert_int_equal(sht_engine_open(&f.builder.graph, &options, &engine, &f.error), SHT_CONFIG);
  options = default_options();
  options.train_examples = ((uint64_t)1 << 24) + 1;
  assert_int_equal(sht_engine_open(&f.builder.graph, &options, &engine, &f.error), SHT_CONFIG);
  options = default_options();
  options.precision = SHT_BF16;
  assert_int_equal(sht_engine_open(&f.builder.graph, &options, &engine, &f.error), SHT_UNAVAILABLE);
  assert_int_equal(sht_engine_open(NULL, &options, &engine, &f.error), SHT_USAGE);
  options = default_options();
  f.builder.graph.classes = CLASSES + 1;
  assert_int_equal(sht_engine_open(&f.builder.graph, &options, &engine, &f.error), SHT_CONFIG);
  assert_null(engine);
  f.builder.graph.classes = CLASSES;
  fixture_close(&f);
}

static void ranges_and_shapes_are_checked(void **state) {
  (void)state;
  fixture f;
  sht_step_metrics metrics[STEPS];
  uint64_t done = 9;
  float values[64];
  fixture_open(&f, SHT_FP64, 1);
  sht_pipeline *data = &f.data.pipeline;
  assert_int_equal(sht_engine_train(f.engine, data, 0, 1, STEPS, &rates, metrics, &done, &f.error), SHT_USAGE);
  assert_int_equal(done, 0);
  assert_int_equal(sht_engine_train(f.engine, data, 0, 2, UINT64_MAX, &rates, metrics, &done, NULL), SHT_USAGE);
  assert_int_equal(sht_engine_train(f.engine, data, 0, 0, 1, NULL, metrics, &done, NULL), SHT_USAGE);
  assert_int_equal(sht_engine_gradient(f.engine, data, (uint32_t[]){EXAMPLES}, 1, metrics, NULL), SHT_USAGE);
  assert_int_equal(sht_engine_gradient(f.engine, data, (uint32_t[]){0}, 0, metrics, NULL), SHT_USAGE);
  assert_int_equal(sht_engine_gradient(f.engine, data, (uint32_t[]){0}, BATCH + 1, metrics, NULL), SHT_USAGE);
  assert_int_equal(sht_engine_evaluate(f.engine, data, 1, EXAMPLES, NULL, NULL, NULL), SHT_USAGE);
  assert_int_equal(sht_engine_evaluate(f.engine, NULL, 0, 1, NULL, NULL, NULL), SHT_USAGE);
  assert_int_equal(sht_engine_evaluate(f.engine, data, EXAMPLES, 0, NULL, NULL, NULL), SHT_OK);
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_PARAMETERS, values, 1, NULL), SHT_USAGE);
  assert_int_equal(sht_engine_put(f.engine, SHT_STATE_STATISTICS, values, 11, NULL), SHT_USAGE);
  uint64_t parameters = f.builder.graph.parameter_count;
  assert_int_equal(sht_engine_put(f.engine, SHT_STATE_GRADIENTS, values, parameters, NULL), SHT_USAGE);
  data->height = 1;
  assert_int_equal(sht_engine_evaluate(f.engine, data, 0, 1, NULL, NULL, NULL), SHT_CONFIG);
  data->height = 2;
  f.data.split.labels[7] = CLASSES;
  assert_int_equal(sht_engine_train(f.engine, data, 0, 0, 1, &rates, metrics, &done, &f.error), SHT_DATA);
  fixture_close(&f);
}

// All parameters zero: every logit is 0, the loss log K, and the first class wins all ties.
static void metrics_of_an_empty_model(void **state) {
  (void)state;
  fixture f;
  float zeros[256] = {0};
  float losses[EXAMPLES];
  sht_step_metrics metrics;
  uint32_t examples[] = {8, 1, 4};
  fixture_open(&f, SHT_FP64, 1);
  uint64_t parameters = f.builder.graph.parameter_count;
  assert_int_equal(sht_engine_put(f.engine, SHT_STATE_PARAMETERS, zeros, parameters, NULL), SHT_OK);
  assert_int_equal(sht_engine_gradient(f.engine, &f.data.pipeline, examples, 3, &metrics, NULL), SHT_OK);
  uint32_t first_class = 0;
  for (int i = 0; i < 3; i++) {
    first_class += f.data.split.labels[examples[i]] == 0;
  }
  assert_int_equal(metrics.count, 3);
  assert_int_equal(metrics.correct, first_class);
  assert_true(is_near(metrics.loss_sum, 3 * log(CLASSES), 1e-12));
  assert_true(metrics.finite);
  assert_int_equal(sht_engine_evaluate(f.engine, &f.data.pipeline, 0, EXAMPLES, NULL, losses, NULL), SHT_OK);
  assert_true(is_near(losses[EXAMPLES - 1], log(CLASSES), 1e-6));
  fixture_close(&f);
}

// v <- momentum v + (g + decay w), w <- w - rate v, computed here from the engine's own gradient of the same batch.
static void update_follows_the_rule(void **state) {
  (void)state;
  fixture f;
  float w[256], v[256], g[256], statistics[16], moved[16], new_w[256], new_v[256];
  uint32_t order[EXAMPLES];
  uint64_t scratch[2 * EXAMPLES];
  sht_step_metrics metrics;
  uint64_t done = 0;
  fixture_open(&f, SHT_FP64, 1);
  const sht_graph *graph = &f.builder.graph;
  const uint64_t count = graph->parameter_count;
  for (uint64_t i = 0; i < count; i++) {
    v[i] = 0.01F * (float)i - 0.1F;
  }
  assert_int_equal(sht_engine_put(f.engine, SHT_STATE_MOMENTUM, v, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_PARAMETERS, w, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_STATISTICS, statistics, 10, NULL), SHT_OK);
  sht_order_fill(3, 5, EXAMPLES, order, scratch);
  // The last step of the epoch: two examples.
  assert_int_equal(sht_engine_gradient(f.engine, &f.data.pipeline, order + 8, 2, &metrics, NULL), SHT_OK);
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_GRADIENTS, g, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_STATISTICS, moved, 10, NULL), SHT_OK);
  assert_memory_equal(moved, statistics, 10 * sizeof(float));  // a gradient alone moves nothing
  assert_int_equal(sht_engine_train(f.engine, &f.data.pipeline, 5, 2, 1, &rates, &metrics, &done, NULL), SHT_OK);
  assert_true(done == 1 && metrics.count == 2 && metrics.finite);
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_PARAMETERS, new_w, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_MOMENTUM, new_v, count, NULL), SHT_OK);
  for (int t = 0; t < graph->parameter_tensors; t++) {
    const sht_parameter *tensor = &graph->parameters[t];
    for (uint64_t i = tensor->offset; i < tensor->offset + tensor->count; i++) {
      double decay = tensor->weight_decay ? 0.01 : 0;
      double expected_v = 0.9 * v[i] + (g[i] + decay * w[i]);
      assert_true(is_near(new_v[i], expected_v, 1e-6));
      assert_true(is_near(new_w[i], w[i] - 0.1 * expected_v, 1e-6));
    }
  }
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_STATISTICS, moved, 10, NULL), SHT_OK);
  assert_memory_not_equal(moved, statistics, 10 * sizeof(float));
  fixture_close(&f);
}

// A NaN weight makes the loss NaN; a rate that overflows makes the weights infinite while the loss is still finite.
static void divergence_is_caught_in_its_step(void **state) {
  (void)state;
  fixture f;
  float w[256];
  sht_step_metrics metrics[STEPS];
  uint64_t done = 0;
  const sht_step_rates absurd = {.learning_rate = 3e38F};
  fixture_open(&f, SHT_FP32, 1);
  const uint64_t count = f.builder.graph.parameter_count;
  assert_int_equal(sht_engine_get(f.engine, SHT_STATE_PARAMETERS, w, count, NULL), SHT_OK);
  float momentum[256];
  for (uint64_t i = 0; i < count; i++) {
    momentum[i] = 100;
  }
  sht_step_rates carried = absurd;
  carried.momentum = 1;
  assert_int_equal(sht_engine_put(f.engine, SHT_STATE_MOMENTUM, momentum, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_train(f.engine, &f.data.pipeline, 0, 0, STEPS, &carried, metrics, &done, NULL), SHT_OK);
  assert_int_equal(done, 1);
  assert_true(isfinite(metrics[0].loss_sum));
  assert_false(metrics[0].finite);

  w[2] = NAN;
  assert_int_equal(sht_engine_put(f.engine, SHT_STATE_PARAMETERS, w, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_train(f.engine, &f.data.pipeline, 0, 1, 2, &rates, metrics, &done, NULL), SHT_OK);
  assert_int_equal(done, 1);
  assert_true(isnan(metrics[0].loss_sum));
  assert_false(metrics[0].finite);
  fixture_close(&f);
}

static void take_state(const fixture *f, float *values) {
  const uint64_t count = f->builder.graph.parameter_count;
  assert_int_equal(sht_engine_get(f->engine, SHT_STATE_PARAMETERS, values, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_get(f->engine, SHT_STATE_MOMENTUM, values + count, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_get(f->engine, SHT_STATE_STATISTICS, values + 2 * count, 10, NULL), SHT_OK);
}

static void give_state(const fixture *f, const float *values) {
  const uint64_t count = f->builder.graph.parameter_count;
  assert_int_equal(sht_engine_put(f->engine, SHT_STATE_PARAMETERS, values, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_put(f->engine, SHT_STATE_MOMENTUM, values + count, count, NULL), SHT_OK);
  assert_int_equal(sht_engine_put(f->engine, SHT_STATE_STATISTICS, values + 2 * count, 10, NULL), SHT_OK);
}

// With float state, two steps, the state through get and put into another engine, and the rest are all steps at once.
static void state_resumes_exactly(void **state) {
  (void)state;
  fixture whole, first, second;
  float at_end[512] = {0}, between[512] = {0}, resumed[512] = {0};
  sht_step_metrics metrics[STEPS];
  uint64_t done = 0;
  fixture_open(&whole, SHT_FP32, 1);
  fixture_open(&first, SHT_FP32, 2);
  fixture_open(&second, SHT_FP32, 3);
  sht_pipeline *data = &whole.data.pipeline;
  assert_int_equal(sht_engine_train(whole.engine, data, 0, 0, STEPS, &rates, metrics, &done, NULL), SHT_OK);
  take_state(&whole, at_end);
  assert_int_equal(sht_engine_train(first.engine, data, 0, 0, 2, &rates, metrics, &done, NULL), SHT_OK);
  take_state(&first, between);
  assert_memory_not_equal(between, at_end, sizeof at_end);
  give_state(&second, between);
  assert_int_equal(sht_engine_train(second.engine, data, 0, 2, 1, &rates, metrics, &done, NULL), SHT_OK);
  take_state(&second, resumed);
  assert_memory_equal(resumed, at_end, sizeof at_end);
  fixture_close(&whole);
  fixture_close(&first);
  fixture_close(&second);
}

static void engine_describes_itself(void **state) {
  (void)state;
  fixture f;
  sht_engine_info info;
  fixture_open(&f, SHT_FP32, 2);
  sht_engine_describe(f.engine, &info);
  assert_string_equal(info.backend, "ref");
  assert_string_equal(info.numerics, "reference 1, double, state float");
  assert_int_equal(info.threads, 2);
  assert_true(info.bytes > 3 * f.builder.graph.parameter_count * sizeof(double));
  fixture_close(&f);
  sht_engine_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(missing_backend_is_said),       cmocka_unit_test(other_version_is_refused),
      cmocka_unit_test(what_is_no_plugin_is_refused),  cmocka_unit_test(options_are_checked),
      cmocka_unit_test(ranges_and_shapes_are_checked), cmocka_unit_test(metrics_of_an_empty_model),
      cmocka_unit_test(update_follows_the_rule),       cmocka_unit_test(divergence_is_caught_in_its_step),
      cmocka_unit_test(state_resumes_exactly),         cmocka_unit_test(engine_describes_itself),
  };
  return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
