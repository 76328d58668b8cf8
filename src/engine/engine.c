// Dispatch: opens a backend, checks every argument once, and passes the calls on.
#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "engine/backend.h"

// sht_rng_permutation's limit, and so the largest epoch.
static const uint64_t examples_max = (uint64_t)1 << 24;

static sht_status check_graph(const sht_graph *graph, sht_error *error) {
  if (graph->node_count < 1) {
    return SHT_FAIL(error, SHT_USAGE, "model '%s' has no layers", graph->name);
  }
  const sht_shape out = graph->nodes[graph->node_count - 1].out;
  if (graph->classes < 1 || out.channels != graph->classes || out.height != 1 || out.width != 1) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "model '%s': its last layer '%s' gives %u x %u x %u (height, width, channels), expected one logit "
                    "for each of the %u classes; end the model with a linear layer",
                    graph->name, graph->nodes[graph->node_count - 1].name, out.height, out.width, out.channels,
                    graph->classes);
  }
  return SHT_OK;
}

static sht_status check_options(const sht_engine_options *options, sht_error *error) {
  if (options->batch < 1) {
    return SHT_FAIL(error, SHT_CONFIG, "batch of 0 examples: expected at least 1");
  }
  if (options->train_examples > examples_max) {
    return SHT_FAIL(error, SHT_CONFIG, "%llu training examples: an epoch holds at most %llu",
                    (unsigned long long)options->train_examples, (unsigned long long)examples_max);
  }
  if (options->threads < 0) {
    return SHT_FAIL(error, SHT_CONFIG, "%d threads: expected 1 or more, or 0 for all cores", options->threads);
  }
  return SHT_OK;
}

static sht_status find_backend(const sht_engine_options *options, const sht_backend **backend, void **plugin,
                               sht_error *error) {
  const char *name = options->backend == NULL ? "cpu" : options->backend;
  if (strcmp(name, sht__backend_ref.name) == 0) {
    *backend = &sht__backend_ref;
    *plugin = NULL;
    return SHT_OK;
  }
  return sht__backend_load(name, options->plugin_dir, backend, plugin, error);
}

sht_status sht_engine_open(const sht_graph *graph, const sht_engine_options *options, sht_engine **out,
                           sht_error *error) {
  if (graph == NULL || options == NULL || out == NULL) {
    return SHT_FAIL(error, SHT_USAGE, "sht_engine_open: graph, options and out are needed");
  }
  *out = NULL;
  SHT_TRY(check_graph(graph, error));
  SHT_TRY(check_options(options, error));
  const sht_backend *backend = NULL;
  void *plugin = NULL;
  SHT_TRY(find_backend(options, &backend, &plugin, error));
  sht_engine *engine = NULL;
  sht_status status = options->group != NULL && backend->join != NULL
                          ? backend->join(options->group, graph, options, &engine, error)
                          : backend->open(graph, options, &engine, error);
  if (status != SHT_OK) {
    if (plugin != NULL) {
      dlclose(plugin);
    }
    return status;
  }
  engine->backend = backend;
  engine->plugin = plugin;
  engine->graph = graph;
  engine->batch = options->batch;
  engine->train_examples = options->train_examples;
  *out = engine;
  return SHT_OK;
}

void sht_engine_close(sht_engine *engine) {
  if (engine == NULL) {
    return;
  }
  void *plugin = engine->plugin;
  engine->backend->close(engine);
  if (plugin != NULL) {
    dlclose(plugin);
  }
}

// One pass over the labels, so that no backend reads beyond its logits.
static sht_status check_labels(const sht_split *split, uint32_t classes, sht_error *error) {
  uint16_t largest = 0;
  for (uint64_t i = 0; i < split->count; i++) {
    largest = split->labels[i] > largest ? split->labels[i] : largest;
  }
  if (split->count > 0 && largest >= classes) {
    return SHT_FAIL(error, SHT_DATA,
                    "a label is %u, the model has %u classes (0 to %u); open it with the data's classes", largest,
                    classes, classes - 1);
  }
  return SHT_OK;
}

static sht_status check_data(const sht_engine *engine, const sht_pipeline *data, sht_error *error) {
  if (engine == NULL || data == NULL || data->split == NULL) {
    return SHT_FAIL(error, SHT_USAGE, "the engine and a pipeline with its split are needed");
  }
  const sht_shape in = engine->graph->input;
  const sht_split *split = data->split;
  if (data->height != in.height || data->width != in.width || split->channels != in.channels) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "the data are %u x %u x %u (height, width, channels), model '%s' takes %u x %u x %u; open the "
                    "model with the data's shape",
                    data->height, data->width, split->channels, engine->graph->name, in.height, in.width, in.channels);
  }
  if (data->height > split->height || data->width > split->width) {
    return SHT_FAIL(error, SHT_CONFIG, "a window of %u x %u cannot be cut out of images of %u x %u", data->height,
                    data->width, split->height, split->width);
  }
  return check_labels(split, engine->graph->classes, error);
}

// Whether first .. first+count-1 lies in 0 .. limit-1, without overflow.
static bool range_is_inside(uint64_t first, uint64_t count, uint64_t limit) {
  return first <= limit && count <= limit - first;
}

sht_status sht_engine_train(sht_engine *engine, const sht_pipeline *train, uint32_t epoch, uint64_t first,
                            uint64_t count, const sht_step_rates *rates, sht_step_metrics *metrics, uint64_t *done,
                            sht_error *error) {
  if (rates == NULL || metrics == NULL || done == NULL) {
    return SHT_FAIL(error, SHT_USAGE, "sht_engine_train: rates, metrics and done are needed");
  }
  *done = 0;
  SHT_TRY(check_data(engine, train, error));
  if (train->split->count != engine->train_examples) {
    return SHT_FAIL(error, SHT_CONFIG, "the split holds %llu examples, the engine was opened for %llu",
                    (unsigned long long)train->split->count, (unsigned long long)engine->train_examples);
  }
  uint64_t steps = (engine->train_examples + engine->batch - 1) / engine->batch;
  if (!range_is_inside(first, count, steps)) {
    return SHT_FAIL(error, SHT_USAGE, "steps %llu to %llu: an epoch has %llu", (unsigned long long)first,
                    (unsigned long long)(first + count), (unsigned long long)steps);
  }
  return engine->backend->train(engine, train, epoch, first, count, rates, metrics, done, error);
}

sht_status sht_engine_gradient(sht_engine *engine, const sht_pipeline *data, const uint32_t *examples, uint32_t n,
                               sht_step_metrics *metrics, sht_error *error) {
  if (examples == NULL || metrics == NULL) {
    return SHT_FAIL(error, SHT_USAGE, "sht_engine_gradient: examples and metrics are needed");
  }
  SHT_TRY(check_data(engine, data, error));
  if (n < 1 || n > engine->batch) {
    return SHT_FAIL(error, SHT_USAGE, "a batch of %u examples: expected 1 to %u", n, engine->batch);
  }
  for (uint32_t i = 0; i < n; i++) {
    if (examples[i] >= data->split->count) {
      return SHT_FAIL(error, SHT_USAGE, "example %u: the split has %llu", examples[i],
                      (unsigned long long)data->split->count);
    }
  }
  return engine->backend->gradient(engine, data, examples, n, metrics, error);
}

sht_status sht_engine_evaluate(sht_engine *engine, const sht_pipeline *data, uint64_t first, uint64_t count,
                               float *logits, float *losses, sht_error *error) {
  SHT_TRY(check_data(engine, data, error));
  if (!range_is_inside(first, count, data->split->count)) {
    return SHT_FAIL(error, SHT_USAGE, "%llu examples from %llu on: the split has %llu", (unsigned long long)count,
                    (unsigned long long)first, (unsigned long long)data->split->count);
  }
  sht_pipeline plain = *data;
  plain.augment = (sht_augmentation){0};
  return engine->backend->evaluate(engine, &plain, first, count, logits, losses, error);
}

static sht_status check_state(const sht_engine *engine, sht_state state, const float *values, uint64_t count,
                              sht_error *error) {
  if (engine == NULL || (values == NULL && count > 0)) {
    return SHT_FAIL(error, SHT_USAGE, "the engine and the values are needed");
  }
  uint64_t expected = state == SHT_STATE_STATISTICS ? engine->graph->statistic_count : engine->graph->parameter_count;
  if (count != expected) {
    return SHT_FAIL(error, SHT_USAGE, "%llu values for a state of %llu", (unsigned long long)count,
                    (unsigned long long)expected);
  }
  return SHT_OK;
}

sht_status sht_engine_get(sht_engine *engine, sht_state state, float *values, uint64_t count, sht_error *error) {
  SHT_TRY(check_state(engine, state, values, count, error));
  return engine->backend->get(engine, state, values, count, error);
}

sht_status sht_engine_put(sht_engine *engine, sht_state state, const float *values, uint64_t count, sht_error *error) {
  SHT_TRY(check_state(engine, state, values, count, error));
  if (state == SHT_STATE_GRADIENTS) {
    return SHT_FAIL(error, SHT_USAGE, "gradients cannot be put: they are computed");
  }
  return engine->backend->put(engine, state, values, count, error);
}

void sht_engine_describe(const sht_engine *engine, sht_engine_info *info) { engine->backend->describe(engine, info); }
