// The reference engine's life: open, close, state in and out. See ref.h.
#include "engine/ref/ref.h"

#include <stdio.h>

#include "base/memory.h"

static void close_engine(sht_engine *engine) {
  sht__ref *ref = (sht__ref *)engine;
  if (ref == NULL) {
    return;
  }
  for (int i = 0; ref->layers != NULL && i < ref->base.graph->node_count; i++) {
    sht_free(ref->layers[i].y);
    sht_free(ref->layers[i].dy);
    sht_free(ref->layers[i].scratch);
  }
  sht_free(ref->layers);
  sht_free(ref->parameters);
  sht_free(ref->momentum);
  sht_free(ref->gradients);
  sht_free(ref->statistics);
  sht_free(ref->losses);
  sht_free(ref->pixels);
  sht_free(ref->labels);
  sht_free(ref->examples);
  sht_free(ref->order);
  sht_free(ref->order_scratch);
  sht_pool_close(ref->pool);
  sht_free(ref);
}

// Allocates and adds to the engine's count of bytes.
static sht_status allocate(sht__ref *ref, void **out, uint64_t count, uint64_t size, const char *what,
                           sht_error *error) {
  SHT_TRY(sht_alloc(out, count, size, what, error));
  ref->bytes += count * size;
  return SHT_OK;
}

#define ALLOCATE(ref, pointer, count, what, error) \
  allocate((ref), (void **)(pointer), (count), sizeof **(pointer), (what), (error))

static sht_status allocate_state(sht__ref *ref, sht_error *error) {
  const sht_graph *graph = ref->base.graph;
  SHT_TRY(ALLOCATE(ref, &ref->parameters, graph->parameter_count, "parameters", error));
  SHT_TRY(ALLOCATE(ref, &ref->momentum, graph->parameter_count, "momentum", error));
  SHT_TRY(ALLOCATE(ref, &ref->gradients, graph->parameter_count, "gradients", error));
  return ALLOCATE(ref, &ref->statistics, graph->statistic_count, "statistics", error);
}

static sht_status allocate_batch(sht__ref *ref, sht_error *error) {
  const uint64_t batch = ref->base.batch;
  uint64_t pixels = 0;
  if (!sht_size_mul(batch, sht__ref_volume(ref->base.graph->input), &pixels)) {
    return SHT_FAIL(error, SHT_MEMORY, "a batch of %u examples is more than a machine can address", ref->base.batch);
  }
  SHT_TRY(ALLOCATE(ref, &ref->losses, batch, "losses", error));
  SHT_TRY(ALLOCATE(ref, &ref->pixels, pixels, "input", error));
  SHT_TRY(ALLOCATE(ref, &ref->labels, batch, "labels", error));
  SHT_TRY(ALLOCATE(ref, &ref->examples, batch, "batch", error));
  SHT_TRY(ALLOCATE(ref, &ref->order, ref->base.train_examples, "order of the examples", error));
  return ALLOCATE(ref, &ref->order_scratch, 2 * ref->base.train_examples, "order of the examples", error);
}

static void connect_parameters(sht__ref *ref, sht__ref_layer *layer) {
  const sht_parameter *tensors = ref->base.graph->parameters;
  const sht_node *node = layer->node;
  if (node->weight >= 0) {
    layer->weight = ref->parameters + tensors[node->weight].offset;
    layer->dweight = ref->gradients + tensors[node->weight].offset;
  }
  if (node->bias >= 0) {
    layer->bias = ref->parameters + tensors[node->bias].offset;
    layer->dbias = ref->gradients + tensors[node->bias].offset;
  }
  if (node->statistics >= 0) {
    layer->statistics = ref->statistics + node->statistics;
  }
}

static sht_status allocate_layer(sht__ref *ref, sht__ref_layer *layer, sht_error *error) {
  const sht__ref_op *op = sht__ref_op_of(layer->node->op);
  const char *name = layer->node->name;
  uint64_t outputs = 0;
  uint64_t scratch = 0;
  if (!sht__ref_scratch_like_output(layer, ref->base.batch, &outputs) ||
      (op->scratch_count != NULL && !op->scratch_count(layer, ref->base.batch, &scratch))) {
    return SHT_FAIL(error, SHT_MEMORY, "layer '%s' with a batch of %u is more than a machine can address", name,
                    ref->base.batch);
  }
  SHT_TRY(ALLOCATE(ref, &layer->y, outputs, name, error));
  SHT_TRY(ALLOCATE(ref, &layer->dy, outputs, name, error));
  return ALLOCATE(ref, &layer->scratch, scratch, name, error);
}

static sht_status make_layer(sht__ref *ref, int index, sht_error *error) {
  const sht_node *node = &ref->base.graph->nodes[index];
  sht__ref_layer *layer = &ref->layers[index];
  if (sht__ref_op_of(node->op) == NULL) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "the engine 'ref' has no operation %d (layer '%s')", (int)node->op,
                    node->name);
  }
  *layer = (sht__ref_layer){.node = node, .index = (uint32_t)index, .batch = &ref->batch, .pool = ref->pool};
  for (int i = 0; i < node->input_count; i++) {
    const sht__ref_layer *from = &ref->layers[node->inputs[i]];
    layer->in[i] = from->node->out;
    layer->x[i] = from->y;
    layer->dx[i] = from->dy;
  }
  connect_parameters(ref, layer);
  return allocate_layer(ref, layer, error);
}

static sht_status prepare(sht__ref *ref, int threads, sht_error *error) {
  const sht_graph *graph = ref->base.graph;
  SHT_TRY(sht_pool_open(threads, &ref->pool, error));
  SHT_TRY(ALLOCATE(ref, &ref->layers, (uint64_t)graph->node_count, "layers", error));
  SHT_TRY(allocate_state(ref, error));
  SHT_TRY(allocate_batch(ref, error));
  for (int i = 0; i < graph->node_count; i++) {
    SHT_TRY(make_layer(ref, i, error));
  }
  return SHT_OK;
}

static sht_status open_engine(const sht_graph *graph, const sht_engine_options *options, sht_engine **out,
                              sht_error *error) {
  if (options->precision == SHT_BF16 || options->precision == SHT_TF32) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "the engine 'ref' computes in double: use --precision fp64 or fp32");
  }
  sht__ref *ref = NULL;
  SHT_TRY(SHT_ALLOC(&ref, 1, "engine", error));
  ref->base = (sht_engine){.graph = graph, .batch = options->batch, .train_examples = options->train_examples};
  ref->precision = options->precision;
  ref->seed = options->seed;
  ref->batch.dropout = sht_rng_make(options->seed, SHT_PURPOSE_DROPOUT);
  sht_status status = prepare(ref, options->threads, error);
  if (status != SHT_OK) {
    close_engine(&ref->base);
    return status;
  }
  *out = &ref->base;
  return SHT_OK;
}

static double *state_values(sht__ref *ref, sht_state state) {
  switch (state) {
    case SHT_STATE_PARAMETERS:
      return ref->parameters;
    case SHT_STATE_MOMENTUM:
      return ref->momentum;
    case SHT_STATE_STATISTICS:
      return ref->statistics;
    case SHT_STATE_GRADIENTS:
      return ref->gradients;
  }
  return NULL;
}

static sht_status get_state(sht_engine *engine, sht_state state, float *values, uint64_t count, sht_error *error) {
  (void)error;
  const double *from = state_values((sht__ref *)engine, state);
  for (uint64_t i = 0; i < count; i++) {
    values[i] = (float)from[i];
  }
  return SHT_OK;
}

static sht_status put_state(sht_engine *engine, sht_state state, const float *values, uint64_t count,
                            sht_error *error) {
  (void)error;
  double *to = state_values((sht__ref *)engine, state);
  for (uint64_t i = 0; i < count; i++) {
    to[i] = (double)values[i];
  }
  return SHT_OK;
}

static void describe(const sht_engine *engine, sht_engine_info *info) {
  const sht__ref *ref = (const sht__ref *)engine;
  *info = (sht_engine_info){.bytes = ref->bytes, .threads = sht_pool_threads(ref->pool)};
  (void)snprintf(info->backend, sizeof info->backend, "ref");
  (void)snprintf(info->numerics, sizeof info->numerics, "reference 1, double, state %s",
                 ref->precision == SHT_FP32 ? "float" : "double");
}

const sht_backend sht__backend_ref = {
    .version = SHT_BACKEND_VERSION,
    .name = "ref",
    .open = open_engine,
    .close = close_engine,
    .train = sht__ref_train,
    .gradient = sht__ref_gradient,
    .evaluate = sht__ref_evaluate,
    .get = get_state,
    .put = put_state,
    .describe = describe,
};
