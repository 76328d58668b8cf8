// Forward, backward and update of a chain of fully connected layers: see dense.h.
//
// Each phase is one run of the pool over blocks of 32 features. The weight gradient of layer l + 1 shares a phase with
// the input gradient of layer l, since neither needs the other; the update overwrites the weights one phase after their
// last use.
#include <string.h>

#include "base/memory.h"
#include "engine/cpu/dense_private.h"

enum {
  SUM_BLOCK = 8,  // panels of A in a blocked sum: 256 words of B's panel are 32 KiB and stay in the first cache
  FEW_BLOCKS = 8  // layers with fewer blocks of outputs are cut along the batch too
};

typedef struct phase {
  cpu_dense *d;
  size_t slopes;       // layer whose input gradient is made
  size_t slope_tasks;  // the first tasks
  size_t weights;      // layer whose weight gradient is made, by the other tasks
} phase;

static float *scratch_of(const cpu_dense *d, int worker) { return d->scratch + (size_t)worker * d->scratch_stride; }

// c [rows][32] += A B, blocked along the sum.
static void multiply_block(const cpu_dense *d, dense_factors factors, size_t first, size_t k, float *c) {
  size_t left = k - first * DENSE_LANES, most = (size_t)SUM_BLOCK * DENSE_LANES;
  factors.a += first * factors.a_panel;
  factors.b += first * DENSE_LANES * DENSE_LANES;
  factors.k = left < most ? left : most;
  d->kernels->multiply[d->kind](&factors, c);
}

static void pack_input(void *context, size_t f, int worker) {
  cpu_dense *d = context;
  float *examples = scratch_of(d, worker), *features = examples + DENSE_TILE;
  dense_signal *signal = &d->signal[0];
  for (size_t e = 0; e < dense_panels(d->n); e++) {
    dense_load_tile(d, d->x, d->input, signal->features, f, e, examples);
    d->kernels->transpose(examples, features);
    dense_emit_activation(d, signal, f, e, features, examples);
  }
}

// Bias in every lane of c [examples / 32][32 outputs][32 examples].
static void fill_bias(const dense_layer *layer, size_t f, size_t tiles, float *c) {
  for (size_t row = 0; row < tiles * DENSE_LANES; row++) {
    float bias = layer->bias[f * DENSE_LANES + row % DENSE_LANES];
    for (size_t lane = 0; lane < DENSE_LANES; lane++) {
      c[row * DENSE_LANES + lane] = bias;
    }
  }
}

static void finish_outputs(cpu_dense *d, size_t l, size_t f, size_t e, float *features, float *examples) {
  dense_layer *layer = &d->layer[l];
  if (layer->spec.relu) {
    d->kernels->relu(features, DENSE_LANES);
  }
  d->kernels->transpose(features, examples);
  dense_clear_tail(d, e, examples);
  dense_emit_activation(d, &d->signal[l + 1], f, e, features, examples);
  if (l + 1 == d->layers) {
    dense_store_tile(d, d->y, SHT_FP32, layer->outputs, f, e, examples);
  }
}

// Outputs of block f for the examples of blocks first .. last-1.
static void make_outputs(cpu_dense *d, size_t l, size_t f, size_t first, size_t last, float *scratch) {
  dense_layer *layer = &d->layer[l];
  size_t words = dense_words_of(d, layer->inputs), tiles = last - first;
  float *c = scratch, *examples = scratch + tiles * DENSE_TILE;
  fill_bias(layer, f, tiles, c);
  for (size_t k = 0; k < dense_panels(words); k += SUM_BLOCK) {
    for (size_t e = first; e < last; e++) {
      dense_factors factors = {.a = layer->forward + f * DENSE_TILE,
                               .a_panel = layer->outputs * DENSE_LANES,
                               .b = d->signal[l].by_feature + e * words * DENSE_LANES,
                               .rows = dense_block(layer->outputs, f)};
      multiply_block(d, factors, k, words, c + (e - first) * DENSE_TILE);
    }
  }
  for (size_t e = first; e < last; e++) {
    finish_outputs(d, l, f, e, c + (e - first) * DENSE_TILE, examples);
  }
}

static void forward_task(void *context, size_t task, int worker) {
  phase *p = context;
  size_t blocks = dense_panels(p->d->layer[p->weights].outputs), tiles = dense_panels(p->d->n);
  if (blocks < FEW_BLOCKS) {
    make_outputs(p->d, p->weights, task / tiles, task % tiles, task % tiles + 1, scratch_of(p->d, worker));
  } else {
    make_outputs(p->d, p->weights, task, 0, tiles, scratch_of(p->d, worker));
  }
}

void cpu_dense_forward(cpu_dense *d, const void *x, uint32_t n, bool training, float *y) {
  d->x = x;
  d->y = y;
  d->n = n;
  d->training = training;
  sht_pool_run(d->pool, dense_panels(d->signal[0].features), pack_input, d);
  for (size_t l = 0; l < d->layers; l++) {
    phase p = {.d = d, .weights = l};
    size_t blocks = dense_panels(d->layer[l].outputs);
    sht_pool_run(d->pool, blocks < FEW_BLOCKS ? blocks * dense_panels(n) : blocks, forward_task, &p);
  }
}

// Bias of the layer below a signal: gradients [32] of block f.
static void finish_bias(cpu_dense *d, dense_layer *layer, size_t f, const float *gradients) {
  size_t count = layer->spec.bias ? dense_block(layer->outputs, f) : 0;
  float decay = layer->spec.decay_bias ? d->rates.weight_decay : 0;
  for (size_t i = 0; i < count; i++) {
    size_t o = f * DENSE_LANES + i;
    if (!d->updating) {
      layer->bias_gradient[o] = gradients[i];
      continue;
    }
    layer->bias_momentum[o] = d->rates.momentum * layer->bias_momentum[o] + (gradients[i] + decay * layer->bias[o]);
    layer->bias[o] -= d->rates.learning_rate * layer->bias_momentum[o];
    if (!(layer->bias[o] - layer->bias[o] == 0)) {
      atomic_store_explicit(&d->finite, false, memory_order_relaxed);
    }
  }
}

// Slopes of block f of signal s >= 1, tiles [examples / 32][32][32], before the mask of relu.
static void finish_slopes(cpu_dense *d, size_t s, size_t f, float *tiles, float *features) {
  dense_signal *signal = &d->signal[s];
  float sums[DENSE_LANES] __attribute__((aligned(64))) = {0};
  for (size_t e = 0; e < dense_panels(d->n); e++) {
    float *examples = tiles + e * DENSE_TILE;
    if (d->layer[s - 1].spec.relu) {
      dense_mask_tile(d, signal, f, e, examples);
    }
    dense_clear_tail(d, e, examples);
    d->kernels->sum_rows(examples, dense_block(d->n, e), sums);
    d->kernels->transpose(examples, features);
    dense_emit_slope(d, signal, f, e, examples, features);
  }
  finish_bias(d, &d->layer[s - 1], f, sums);
}

static void pack_slopes(void *context, size_t f, int worker) {
  cpu_dense *d = context;
  float *tiles = scratch_of(d, worker);
  size_t count = dense_panels(d->n);
  for (size_t e = 0; e < count; e++) {
    dense_load_tile(d, d->dy, SHT_FP32, d->signal[d->layers].features, f, e, tiles + e * DENSE_TILE);
  }
  finish_slopes(d, d->layers, f, tiles, tiles + count * DENSE_TILE);
}

// Input gradient of layer l for block f of its inputs.
static void make_slopes(cpu_dense *d, size_t l, size_t f, float *c) {
  dense_layer *layer = &d->layer[l];
  size_t words = dense_words_of(d, layer->outputs), tiles = dense_panels(d->n);
  memset(c, 0, tiles * DENSE_TILE * sizeof *c);
  dense_factors factors = {.a = d->signal[l + 1].slope_by_example,
                           .a_panel = d->batch * DENSE_LANES,
                           .b = layer->backward + f * words * DENSE_LANES,
                           .rows = d->n};
  for (size_t k = 0; k < dense_panels(words); k += SUM_BLOCK) {
    multiply_block(d, factors, k, words, c);
  }
  if (l > 0) {
    finish_slopes(d, l, f, c, c + tiles * DENSE_TILE);
    return;
  }
  for (size_t e = 0; e < tiles; e++) {
    dense_store_tile(d, d->dx, d->input, layer->inputs, f, e, c + e * DENSE_TILE);
  }
}

// Weight gradient of layer l for block f of its inputs, and the update of those weights.
static void make_weights(cpu_dense *d, size_t l, size_t f) {
  dense_layer *layer = &d->layer[l];
  size_t place = f * layer->outputs * DENSE_LANES;
  dense_factors factors = {.a = d->signal[l + 1].slope_by_feature,
                           .a_panel = layer->outputs * DENSE_LANES,
                           .b = d->signal[l].by_example + f * dense_words_of(d, d->batch) * DENSE_LANES,
                           .rows = layer->outputs,
                           .k = dense_words_of(d, d->n)};
  if (!d->updating) {
    memset(layer->gradient + place, 0, layer->outputs * DENSE_LANES * sizeof(float));
    d->kernels->multiply[d->kind](&factors, layer->gradient + place);
    return;
  }
  dense_update update = {.weight = layer->weight + place,
                         .momentum = layer->momentum + place,
                         .rate = d->rates.learning_rate,
                         .momentum_factor = d->rates.momentum,
                         .decay = layer->spec.decay_weight ? d->rates.weight_decay : 0};
  if (d->kind == DENSE_BF16) {
    update.along_lanes = layer->forward + f / 2 * layer->outputs * DENSE_LANES + f % 2 * (DENSE_LANES / 2);
    update.along_rows =
        layer->backward == NULL ? NULL : layer->backward + f * dense_words_of(d, layer->outputs) * DENSE_LANES;
  }
  if (!d->kernels->update[d->kind](&factors, &update)) {
    atomic_store_explicit(&d->finite, false, memory_order_relaxed);
  }
}

static void backward_task(void *context, size_t task, int worker) {
  phase *p = context;
  if (task < p->slope_tasks) {
    make_slopes(p->d, p->slopes, task, scratch_of(p->d, worker));
  } else {
    make_weights(p->d, p->weights, task - p->slope_tasks);
  }
}

static void run_backward(cpu_dense *d) {
  sht_pool_run(d->pool, dense_panels(d->signal[d->layers].features), pack_slopes, d);
  for (size_t step = 0; step <= d->layers; step++) {
    phase p = {.d = d, .weights = d->layers - step};
    size_t tasks = step == 0 ? 0 : dense_panels(d->layer[p.weights].inputs);
    if (step < d->layers) {
      p.slopes = d->layers - 1 - step;
      p.slope_tasks = p.slopes > 0 || d->dx != NULL ? dense_panels(d->layer[p.slopes].inputs) : 0;
    }
    sht_pool_run(d->pool, p.slope_tasks + tasks, backward_task, &p);
  }
}

void cpu_dense_backward(cpu_dense *d, const float *dy, uint32_t n, void *dx, const sht_step_rates *rates,
                        bool *finite) {
  d->dy = dy;
  d->dx = dx;
  d->n = n;
  d->rates = *rates;
  d->updating = true;
  atomic_store_explicit(&d->finite, true, memory_order_relaxed);
  run_backward(d);
  *finite = atomic_load_explicit(&d->finite, memory_order_relaxed);
}

static sht_status make_room_for_gradients(cpu_dense *d, sht_error *error) {
  for (size_t l = 0; l < d->layers; l++) {
    dense_layer *layer = &d->layer[l];
    if (layer->gradient == NULL) {
      size_t count = dense_panels(layer->inputs) * layer->outputs * DENSE_LANES;
      SHT_TRY(SHT_ALLOC(&layer->gradient, count, "gradients of a fully connected layer", error));
      d->bytes += count * sizeof *layer->gradient;
    }
  }
  return SHT_OK;
}

sht_status cpu_dense_gradient(cpu_dense *d, const float *dy, uint32_t n, void *dx, sht_error *error) {
  SHT_TRY(make_room_for_gradients(d, error));
  d->dy = dy;
  d->dx = dx;
  d->n = n;
  d->updating = false;
  run_backward(d);
  return SHT_OK;
}
