// Parameters on the card: where each tensor lies, and the way between the graph's order and that.
#include <string.h>

#include "base/memory.h"
#include "engine/cuda/cuda.h"

static sht_shape input_of(const sht_graph *graph, const sht_node *node) { return graph->nodes[node->inputs[0]].out; }

static void describe_weight(const cuda_engine *engine, const sht_node *node, cuda_tensor *tensor) {
  const sht_shape in = input_of(engine->graph, node);
  tensor->outputs = node->out.channels;
  tensor->inputs = in.channels;
  tensor->positions = node->op == SHT_OP_CONV ? node->kernel * node->kernel : in.height * in.width;
  tensor->inputs_first = node->op == SHT_OP_CONV;
  tensor->rounded = node->op == SHT_OP_CONV && engine->type == CUDA_BFLOAT16;
  tensor->padded_outputs = cuda_padded(tensor->outputs);
  tensor->padded_inputs = cuda_padded(tensor->inputs);
}

static void describe_vector(cuda_tensor *tensor) {
  tensor->outputs = tensor->positions = tensor->padded_outputs = 1;
  tensor->inputs = (uint32_t)tensor->spec->count;
  tensor->padded_inputs = cuda_padded(tensor->inputs);
}

static sht_status describe_tensor(cuda_engine *engine, int index, sht_error *error) {
  cuda_parameters *all = &engine->parameters;
  const sht_parameter *spec = &engine->graph->parameters[index];
  const sht_node *node = &engine->graph->nodes[spec->node];
  cuda_tensor *tensor = &all->tensors[index];
  uint64_t count = 0;
  *tensor = (cuda_tensor){.spec = spec, .offset = all->count};
  if (node->weight == index && node->op != SHT_OP_BATCHNORM) {
    describe_weight(engine, node, tensor);
  } else {
    describe_vector(tensor);
  }
  if (!sht_size_mul(tensor->padded_outputs, tensor->positions, &count) ||
      !sht_size_mul(count, tensor->padded_inputs, &count)) {
    return SHT_FAIL(error, SHT_MEMORY, "layer '%s': more parameters than a card can hold", node->name);
  }
  tensor->count = count;
  all->count += (count + CUDA_CHUNK - 1) / CUDA_CHUNK * CUDA_CHUNK;
  return SHT_OK;
}

static sht_status take(cuda_engine *engine, void **out, uint64_t bytes, const char *what, sht_error *error) {
  return cuda_memory_take(&engine->memory, out, bytes, what, error);
}

// What each chunk of the update is to know.
static sht_status fill_chunks(cuda_engine *engine, sht_error *error) {
  const cuda_parameters *all = &engine->parameters;
  const uint64_t chunks = all->count / CUDA_CHUNK;
  uint8_t *flags = NULL;
  SHT_TRY(SHT_ALLOC(&flags, chunks, "parameters", error));
  for (int t = 0; t < engine->graph->parameter_tensors; t++) {
    const cuda_tensor *tensor = &all->tensors[t];
    for (uint64_t c = tensor->offset / CUDA_CHUNK; c * CUDA_CHUNK < tensor->offset + tensor->count; c++) {
      flags[c] =
          (uint8_t)((tensor->spec->weight_decay ? CUDA_CHUNK_DECAYS : 0) | (tensor->rounded ? CUDA_CHUNK_ROUNDED : 0));
    }
  }
  sht_status status =
      cuda_copy(engine->stream, all->chunks, flags, chunks, cudaMemcpyHostToDevice, "parameters", error);
  sht_free(flags);
  return status;
}

static sht_status take_families(cuda_engine *engine, sht_error *error) {
  cuda_parameters *all = &engine->parameters;
  const uint64_t room = engine->room * all->count;
  SHT_TRY(take(engine, (void **)&all->weights, room * sizeof(float), "weights", error));
  SHT_TRY(take(engine, (void **)&all->momentum, room * sizeof(float), "momentum", error));
  SHT_TRY(take(engine, (void **)&all->gradients, room * sizeof(float), "gradients", error));
  SHT_TRY(take(engine, (void **)&all->chunks, all->count / CUDA_CHUNK, "parameters", error));
  if (engine->type == CUDA_FLOAT) {
    return SHT_OK;
  }
  SHT_TRY(take(engine, &all->rounded, room * 2, "bf16 weights", error));
  return take(engine, &all->rounded_gradients, room * 2, "bf16 gradients", error);
}

sht_status cuda_parameters_open(cuda_engine *engine, sht_error *error) {
  const int tensors = engine->graph->parameter_tensors;
  SHT_TRY(SHT_ALLOC(&engine->parameters.tensors, tensors, "parameters", error));
  for (int t = 0; t < tensors; t++) {
    SHT_TRY(describe_tensor(engine, t, error));
  }
  SHT_TRY(take_families(engine, error));
  return fill_chunks(engine, error);
}

void *cuda_weights_at(const cuda_engine *engine, int tensor) {
  const uint64_t offset = engine->parameters.tensors[tensor].offset;
  return engine->type == CUDA_FLOAT ? (char *)engine->parameters.weights + offset * 4
                                    : (char *)engine->parameters.rounded + offset * 2;
}

void *cuda_gradient_at(const cuda_engine *engine, int tensor) {
  const cuda_tensor *t = &engine->parameters.tensors[tensor];
  return t->rounded ? (char *)engine->parameters.rounded_gradients + t->offset * 2
                    : (char *)engine->parameters.gradients + t->offset * 4;
}

// ---- between the graph's order and ours

typedef struct place {
  uint64_t given, held;
} place;

static place place_of(const cuda_tensor *t, uint32_t output, uint32_t position, uint32_t input) {
  const uint64_t o = output;
  const uint64_t given = t->inputs_first ? (o * t->inputs + input) * t->positions + position
                                         : (o * t->positions + position) * t->inputs + input;
  return (place){.given = t->spec->offset + given,
                 .held = t->offset + (o * t->positions + position) * t->padded_inputs + input};
}

// Copies one tensor between values [P] and held [P'].
static void permute(const cuda_tensor *t, float *values, float *held, bool put) {
  for (uint32_t o = 0; o < t->outputs; o++) {
    for (uint32_t p = 0; p < t->positions; p++) {
      for (uint32_t i = 0; i < t->inputs; i++) {
        place at = place_of(t, o, p, i);
        *(put ? &held[at.held] : &values[at.given]) = put ? values[at.given] : held[at.held];
      }
    }
  }
}

static void permute_all(const cuda_engine *engine, float *values, float *held, bool put) {
  for (int t = 0; t < engine->graph->parameter_tensors; t++) {
    permute(&engine->parameters.tensors[t], values, held, put);
  }
}

// The running statistics of each normalisation: mean [C], variance [C] in the graph's vector.
static void permute_statistics(const cuda_engine *engine, float *values, float *means, float *variances, bool put) {
  const sht_graph *graph = engine->graph;
  for (int i = 0; i < graph->node_count; i++) {
    const uint32_t channels = graph->nodes[i].out.channels;
    for (uint32_t c = 0; graph->nodes[i].statistics >= 0 && c < channels; c++) {
      float *given = values + graph->nodes[i].statistics + c;
      float *mean = &means[engine->norms.offsets[i] + c];
      float *variance = &variances[engine->norms.offsets[i] + c];
      *(put ? mean : given) = put ? *given : *mean;
      *(put ? variance : given + channels) = put ? given[channels] : *variance;
    }
  }
}

static sht_status to_card(const cuda_engine *engine, void *to, const void *from, uint64_t bytes, sht_error *error) {
  return cuda_copy(engine->stream, to, from, bytes, cudaMemcpyHostToDevice, "copying to the card", error);
}

static sht_status from_card(const cuda_engine *engine, void *to, const void *from, uint64_t bytes, sht_error *error) {
  return cuda_copy(engine->stream, to, from, bytes, cudaMemcpyDeviceToHost, "copying from the card", error);
}

static sht_status copy_statistics(cuda_engine *engine, uint32_t run, float *values, bool put, sht_error *error) {
  const uint64_t count = engine->norms.count;
  const uint64_t bytes = count * sizeof(float);
  float *held = NULL;
  SHT_TRY(SHT_ALLOC(&held, 2 * count, "statistics", error));
  float *variances = held + count;
  float *card_means = engine->norms.running_mean + run * count;
  float *card_variances = engine->norms.running_variance + run * count;
  sht_status status = from_card(engine, held, card_means, bytes, error);
  status = status == SHT_OK ? from_card(engine, variances, card_variances, bytes, error) : status;
  if (status == SHT_OK) {
    permute_statistics(engine, values, held, variances, put);
  }
  if (put) {
    status = status == SHT_OK ? to_card(engine, card_means, held, bytes, error) : status;
    status = status == SHT_OK ? to_card(engine, card_variances, variances, bytes, error) : status;
  }
  sht_free(held);
  return status;
}

// Gradients that are bfloat16 on the card, into `held` as floats: their upper halves.
static sht_status read_rounded(cuda_engine *engine, uint32_t run, float *held, sht_error *error) {
  const cuda_parameters *all = &engine->parameters;
  uint16_t *halves = NULL;
  if (all->rounded_gradients == NULL) {
    return SHT_OK;
  }
  SHT_TRY(SHT_ALLOC(&halves, all->count, "gradients", error));
  const uint16_t *from = (const uint16_t *)all->rounded_gradients + run * all->count;
  sht_status status = from_card(engine, halves, from, all->count * sizeof *halves, error);
  for (int t = 0; status == SHT_OK && t < engine->graph->parameter_tensors; t++) {
    const cuda_tensor *tensor = &all->tensors[t];
    for (uint64_t i = tensor->offset; tensor->rounded && i < tensor->offset + tensor->count; i++) {
      const uint32_t bits = (uint32_t)halves[i] << 16;
      memcpy(&held[i], &bits, sizeof bits);
    }
  }
  sht_free(halves);
  return status;
}

static float *family_of(const cuda_engine *engine, uint32_t run, sht_state state) {
  float *first = state == SHT_STATE_PARAMETERS ? engine->parameters.weights
                 : state == SHT_STATE_MOMENTUM ? engine->parameters.momentum
                                               : engine->parameters.gradients;
  return first + run * engine->parameters.count;
}

sht_status cuda_parameters_get(cuda_engine *engine, uint32_t run, sht_state state, float *values, sht_error *error) {
  const uint64_t count = engine->parameters.count;
  float *held = NULL;
  if (state == SHT_STATE_STATISTICS) {
    return copy_statistics(engine, run, values, false, error);
  }
  SHT_TRY(SHT_ALLOC(&held, count, "parameters", error));
  sht_status status = from_card(engine, held, family_of(engine, run, state), count * sizeof *held, error);
  if (status == SHT_OK && state == SHT_STATE_GRADIENTS) {
    status = read_rounded(engine, run, held, error);
  }
  if (status == SHT_OK) {
    permute_all(engine, values, held, false);
  }
  sht_free(held);
  return status;
}

// The copy that layers read.
static sht_status round_weights(cuda_engine *engine, uint32_t run, sht_error *error) {
  const cuda_parameters *all = &engine->parameters;
  if (all->rounded == NULL) {
    return SHT_OK;
  }
  const uint64_t first = run * all->count;
  cuda_run_round(all->weights + first, (uint16_t *)all->rounded + first, all->count, engine->stream);
  SHT_TRY(cuda_check(cudaGetLastError(), "rounding the weights", error));
  return cuda_check(cudaStreamSynchronize(engine->stream), "rounding the weights", error);
}

sht_status cuda_parameters_put(cuda_engine *engine, uint32_t run, sht_state state, const float *values,
                               sht_error *error) {
  const uint64_t count = engine->parameters.count;
  float *held = NULL;
  if (state == SHT_STATE_STATISTICS) {
    return copy_statistics(engine, run, (float *)values, true, error);
  }
  SHT_TRY(SHT_ALLOC(&held, count, "parameters", error));
  permute_all(engine, (float *)values, held, true);
  sht_status status = to_card(engine, family_of(engine, run, state), held, count * sizeof *held, error);
  sht_free(held);
  return status == SHT_OK && state == SHT_STATE_PARAMETERS ? round_weights(engine, run, error) : status;
}

// ---- all that is known of a run

enum { FAMILIES = 7 };

typedef struct family {
  char *first;     // NULL: none
  uint64_t bytes;  // of one run
} family;

// The inverses of running variances are made anew before each evaluation.
static void list_families(const cuda_engine *engine, family out[FAMILIES]) {
  const cuda_parameters *all = &engine->parameters;
  const uint64_t floats = all->count * sizeof(float);
  const uint64_t halves = all->count * 2;
  const uint64_t statistics = engine->norms.count * sizeof(float);
  const family families[FAMILIES] = {{(char *)all->weights, floats},
                                     {(char *)all->momentum, floats},
                                     {(char *)all->gradients, floats},
                                     {all->rounded, halves},
                                     {all->rounded_gradients, halves},
                                     {(char *)engine->norms.running_mean, statistics},
                                     {(char *)engine->norms.running_variance, statistics}};
  memcpy(out, families, sizeof families);
}

sht_status cuda_parameters_move(cuda_engine *engine, uint32_t from, uint32_t to, sht_error *error) {
  family families[FAMILIES];
  list_families(engine, families);
  for (int f = 0; f < FAMILIES; f++) {
    const uint64_t bytes = families[f].bytes;
    if (families[f].first != NULL) {
      SHT_TRY(cuda_copy(engine->stream, families[f].first + to * bytes, families[f].first + from * bytes, bytes,
                        cudaMemcpyDeviceToDevice, "a run's parameters", error));
    }
  }
  return SHT_OK;
}

sht_status cuda_parameters_clear(cuda_engine *engine, uint32_t run, sht_error *error) {
  static const char *const doing = "a run's parameters";
  family families[FAMILIES];
  list_families(engine, families);
  for (int f = 0; f < FAMILIES; f++) {
    const uint64_t bytes = families[f].bytes;
    if (families[f].first != NULL) {
      SHT_TRY(cuda_check(cudaMemsetAsync(families[f].first + run * bytes, 0, bytes, engine->stream), doing, error));
    }
  }
  return cuda_check(cudaStreamSynchronize(engine->stream), doing, error);
}
