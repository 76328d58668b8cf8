// A chain of fully connected layers: memory and state. See dense.h.
#include "engine/cpu/dense.h"

#include <string.h>

#include "base/memory.h"
#include "engine/cpu/dense_private.h"

enum { SIZE_MAX_OF_LAYER = 1 << 24 };

static sht_status check_size(const char *what, uint32_t size, sht_error *error) {
  if (size < 1 || size > SIZE_MAX_OF_LAYER) {
    return SHT_FAIL(error, SHT_CONFIG, "fully connected layers: %s is %u; expected 1 to %d", what, size,
                    SIZE_MAX_OF_LAYER);
  }
  return SHT_OK;
}

static sht_status check_spec(const cpu_dense_spec *spec, sht_error *error) {
  SHT_TRY(check_size("the number of inputs", spec->inputs, error));
  SHT_TRY(check_size("the batch", spec->batch, error));
  SHT_TRY(check_size("the number of layers", spec->layers, error));
  for (uint32_t l = 0; l < spec->layers; l++) {
    SHT_TRY(check_size("the number of outputs", spec->layer[l].outputs, error));
  }
  if (spec->precision != SHT_FP32 && spec->precision != SHT_BF16) {
    return SHT_FAIL(error, SHT_CONFIG, "fully connected layers: the cpu engine multiplies in fp32 or bf16 only");
  }
  if (spec->input != SHT_FP32 && spec->input != SHT_BF16) {
    return SHT_FAIL(error, SHT_CONFIG, "fully connected layers: their input is fp32 or bf16");
  }
  return SHT_OK;
}

// Zeroed words or floats, counted.
static sht_status take(cpu_dense *d, void **out, uint64_t count, const char *what, sht_error *error) {
  SHT_TRY(sht_alloc(out, count, sizeof(float), what, error));
  d->bytes += count * sizeof(float);
  return SHT_OK;
}

static uint64_t panelled(uint64_t rows, size_t columns) { return dense_panels(columns) * rows * DENSE_LANES; }

static sht_status open_layer(cpu_dense *d, uint32_t l, const cpu_dense_layer *spec, sht_error *error) {
  static const char what[] = "weights of a fully connected layer";
  dense_layer *layer = &d->layer[l];
  layer->spec = *spec;
  layer->inputs = d->signal[l].features;
  layer->outputs = spec->outputs;
  uint64_t count = panelled(layer->outputs, layer->inputs);
  uint64_t biases = dense_panels(layer->outputs) * DENSE_LANES;
  SHT_TRY(take(d, (void **)&layer->weight, count, what, error));
  SHT_TRY(take(d, (void **)&layer->momentum, count, what, error));
  SHT_TRY(take(d, (void **)&layer->bias, biases, what, error));
  SHT_TRY(take(d, (void **)&layer->bias_momentum, biases, what, error));
  SHT_TRY(take(d, (void **)&layer->bias_gradient, biases, what, error));
  if (d->kind == DENSE_FP32) {
    layer->forward = layer->backward = (uint32_t *)layer->weight;
    return SHT_OK;
  }
  SHT_TRY(take(d, (void **)&layer->forward, panelled(layer->outputs, dense_words_of(d, layer->inputs)), what, error));
  if (l > 0 || d->input_gradient) {
    uint64_t words = panelled(dense_words_of(d, layer->outputs), layer->inputs);
    SHT_TRY(take(d, (void **)&layer->backward, words, what, error));
  }
  return SHT_OK;
}

static sht_status open_signal(cpu_dense *d, uint32_t s, sht_error *error) {
  static const char what[] = "activations of a fully connected layer";
  dense_signal *signal = &d->signal[s];
  size_t features = signal->features, words = dense_words_of(d, features), examples = dense_words_of(d, d->batch);
  bool last = s == d->layers;
  if (!last) {
    SHT_TRY(take(d, (void **)&signal->by_feature, panelled(words, d->batch), what, error));
  }
  if (!last || d->layer[s - 1].spec.relu) {
    // The mask of relu reads whole tiles, hence up to 32 rows beyond.
    uint64_t count = panelled(examples, features) + DENSE_TILE;
    SHT_TRY(take(d, (void **)&signal->by_example, count, what, error));
  }
  if (s > 1 || (s == 1 && d->input_gradient)) {
    SHT_TRY(take(d, (void **)&signal->slope_by_example, panelled(d->batch, words), what, error));
  }
  if (s > 0) {
    SHT_TRY(take(d, (void **)&signal->slope_by_feature, panelled(features, examples), what, error));
  }
  return SHT_OK;
}

static sht_status open_parts(cpu_dense *d, const cpu_dense_spec *spec, sht_error *error) {
  SHT_TRY(SHT_ALLOC(&d->layer, d->layers, "fully connected layers", error));
  SHT_TRY(SHT_ALLOC(&d->signal, (uint64_t)d->layers + 1, "fully connected layers", error));
  d->signal[0].features = spec->inputs;
  for (uint32_t l = 0; l < d->layers; l++) {
    d->signal[l + 1].features = spec->layer[l].outputs;
    SHT_TRY(open_layer(d, l, &spec->layer[l], error));
  }
  for (uint32_t s = 0; s <= d->layers; s++) {
    SHT_TRY(open_signal(d, s, error));
  }
  size_t workers = d->pool == NULL ? 1 : (size_t)sht_pool_threads(d->pool);
  d->scratch_stride = (dense_panels(d->batch) + 1) * DENSE_TILE;
  return take(d, (void **)&d->scratch, workers * d->scratch_stride, "scratch of the fully connected layers", error);
}

static dense_words kind_of(sht_precision precision) { return precision == SHT_BF16 ? DENSE_BF16 : DENSE_FP32; }

sht_status cpu_dense_open(const cpu_dense_spec *spec, sht_pool *pool, cpu_dense **out, sht_error *error) {
  *out = NULL;
  SHT_TRY(check_spec(spec, error));
  cpu_dense *d = NULL;
  SHT_TRY(SHT_ALLOC(&d, 1, "fully connected layers", error));
  d->kind = kind_of(spec->precision);
  d->kernels = dense_kernels_choose(d->kind);
  d->pool = pool;
  d->layers = spec->layers;
  d->batch = spec->batch;
  d->input = spec->input;
  d->input_gradient = spec->input_gradient;
  sht_status status = open_parts(d, spec, error);
  if (status != SHT_OK) {
    cpu_dense_close(d);
    return status;
  }
  *out = d;
  return SHT_OK;
}

static void close_layer(const cpu_dense *d, dense_layer *layer) {
  if (d->kind == DENSE_BF16) {
    sht_free(layer->forward);
    sht_free(layer->backward);
  }
  sht_free(layer->weight);
  sht_free(layer->momentum);
  sht_free(layer->gradient);
  sht_free(layer->bias);
  sht_free(layer->bias_momentum);
  sht_free(layer->bias_gradient);
}

void cpu_dense_close(cpu_dense *d) {
  if (d == NULL) {
    return;
  }
  for (uint32_t l = 0; d->layer != NULL && l < d->layers; l++) {
    close_layer(d, &d->layer[l]);
  }
  for (uint32_t s = 0; d->signal != NULL && s <= d->layers; s++) {
    sht_free(d->signal[s].by_feature);
    sht_free(d->signal[s].by_example);
    sht_free(d->signal[s].slope_by_example);
    sht_free(d->signal[s].slope_by_feature);
  }
  sht_free(d->layer);
  sht_free(d->signal);
  sht_free(d->scratch);
  sht_free(d);
}

void dense_refresh_panel(cpu_dense *d, dense_layer *layer, size_t panel) {
  if (d->kind == DENSE_FP32) {
    return;
  }
  size_t rows = layer->outputs;
  const float *weight = layer->weight + panel * rows * DENSE_LANES;
  uint32_t *forward = layer->forward + panel / 2 * rows * DENSE_LANES + panel % 2 * (DENSE_LANES / 2);
  d->kernels->pair_lanes(weight, rows, forward);
  if (layer->backward == NULL) {
    return;
  }
  uint32_t *backward = layer->backward + panel * dense_words_of(d, rows) * DENSE_LANES;
  d->kernels->pair_rows(weight, rows / 2 * 2, backward);
  if (rows % 2 != 0) {
    float last[2 * DENSE_LANES] __attribute__((aligned(64))) = {0};
    memcpy(last, weight + (rows - 1) * DENSE_LANES, DENSE_LANES * sizeof *last);
    d->kernels->pair_rows(last, 2, backward + rows / 2 * DENSE_LANES);
  }
}

// The values that `state` names; NULL when there are none.
static float *weights_of(const dense_layer *layer, sht_state state) {
  switch (state) {
    case SHT_STATE_PARAMETERS:
      return layer->weight;
    case SHT_STATE_MOMENTUM:
      return layer->momentum;
    case SHT_STATE_GRADIENTS:
      return layer->gradient;
    default:
      return NULL;
  }
}

static float *biases_of(const dense_layer *layer, sht_state state) {
  switch (state) {
    case SHT_STATE_PARAMETERS:
      return layer->bias;
    case SHT_STATE_MOMENTUM:
      return layer->bias_momentum;
    default:
      return layer->bias_gradient;
  }
}

void cpu_dense_get(const cpu_dense *d, uint32_t l, sht_state state, float *weight, float *bias) {
  const dense_layer *layer = &d->layer[l];
  const float *from = weights_of(layer, state);
  for (size_t o = 0; o < layer->outputs; o++) {
    for (size_t p = 0; p < dense_panels(layer->inputs); p++) {
      float *to = weight + o * layer->inputs + p * DENSE_LANES;
      size_t bytes = dense_block(layer->inputs, p) * sizeof *to;
      if (from == NULL) {
        memset(to, 0, bytes);
      } else {
        memcpy(to, from + (p * layer->outputs + o) * DENSE_LANES, bytes);
      }
    }
  }
  if (layer->spec.bias) {
    memcpy(bias, biases_of(layer, state), layer->outputs * sizeof *bias);
  }
}

void cpu_dense_put(cpu_dense *d, uint32_t l, sht_state state, const float *weight, const float *bias) {
  dense_layer *layer = &d->layer[l];
  float *to = weights_of(layer, state);
  if (state == SHT_STATE_GRADIENTS || to == NULL) {
    return;
  }
  for (size_t p = 0; p < dense_panels(layer->inputs); p++) {
    for (size_t o = 0; o < layer->outputs; o++) {
      memcpy(to + (p * layer->outputs + o) * DENSE_LANES, weight + o * layer->inputs + p * DENSE_LANES,
             dense_block(layer->inputs, p) * sizeof *to);
    }
    if (state == SHT_STATE_PARAMETERS) {
      dense_refresh_panel(d, layer, p);
    }
  }
  if (layer->spec.bias) {
    memcpy(biases_of(layer, state), bias, layer->outputs * sizeof *bias);
  }
}

uint64_t cpu_dense_bytes(const cpu_dense *d) { return d->bytes; }

const char *cpu_dense_kernels_name(sht_precision precision) { return dense_kernels_choose(kind_of(precision))->name; }
