// Convolution: y[n][oy][ox][o] = b[o] + sum over ky, kx, i of w[o][i][ky][kx] * x[n][oy*s+ky-p][ox*s+kx-p][i].
//
// Scratch holds the weights twice and their gradient once, turned so that the innermost loops run over neighbouring
// numbers: [K*K][I][O] for y, [K*K][O][I] for dx, [K*K][I][O] for dw.
#include "base/memory.h"
#include "engine/ref/window.h"

static uint64_t taps(const sht__ref_layer *layer) { return (uint64_t)layer->node->kernel * layer->node->kernel; }

static uint64_t weights(const sht__ref_layer *layer) {
  return taps(layer) * layer->in[0].channels * layer->node->out.channels;
}

static bool scratch_count(const sht__ref_layer *layer, uint64_t batch, uint64_t *count) {
  (void)batch;
  return sht_size_mul(3, weights(layer), count);
}

// Offsets of weight (o, i, tap) in the three orders.
static uint64_t at_graph(const sht__ref_layer *layer, uint64_t o, uint64_t i, uint64_t tap) {
  return (o * layer->in[0].channels + i) * taps(layer) + tap;
}
static uint64_t at_outputs_last(const sht__ref_layer *layer, uint64_t o, uint64_t i, uint64_t tap) {
  return (tap * layer->in[0].channels + i) * layer->node->out.channels + o;
}
static uint64_t at_inputs_last(const sht__ref_layer *layer, uint64_t o, uint64_t i, uint64_t tap) {
  return (tap * layer->node->out.channels + o) * layer->in[0].channels + i;
}

static double *weights_for_dx(const sht__ref_layer *layer) { return layer->scratch + weights(layer); }
static double *turned_dw(const sht__ref_layer *layer) { return layer->scratch + 2 * weights(layer); }

static void turn_weights(const sht__ref_layer *layer) {
  for (uint64_t o = 0; o < layer->node->out.channels; o++) {
    for (uint64_t i = 0; i < layer->in[0].channels; i++) {
      for (uint64_t tap = 0; tap < taps(layer); tap++) {
        double w = layer->weight[at_graph(layer, o, i, tap)];
        layer->scratch[at_outputs_last(layer, o, i, tap)] = w;
        weights_for_dx(layer)[at_inputs_last(layer, o, i, tap)] = w;
      }
    }
  }
}

static void add_to_y(const sht__ref_layer *layer, sht__ref_tap tap, uint64_t unused) {
  (void)unused;
  const uint64_t outputs = layer->node->out.channels;
  for (uint64_t i = 0; i < layer->in[0].channels; i++) {
    const double *row = layer->scratch + at_outputs_last(layer, 0, i, tap.index);
    sht__ref_add_scaled(layer->y + tap.y_at, row, layer->x[0][tap.x_at + i], outputs);
  }
}

static void forward_example(void *context, size_t example, int worker) {
  (void)worker;
  const sht__ref_layer *layer = context;
  const uint64_t outputs = layer->node->out.channels;
  const uint64_t size = sht__ref_volume(layer->node->out);
  for (uint64_t i = 0; i < size; i++) {
    layer->y[example * size + i] = layer->bias == NULL ? 0 : layer->bias[i % outputs];
  }
  sht__ref_each_tap(layer, example, add_to_y, 0);
}

static void forward(const sht__ref_layer *layer) {
  turn_weights(layer);
  sht_pool_run(layer->pool, layer->batch->n, forward_example, (void *)layer);
}

static void add_to_dx(const sht__ref_layer *layer, sht__ref_tap tap, uint64_t unused) {
  (void)unused;
  const uint64_t inputs = layer->in[0].channels;
  for (uint64_t o = 0; o < layer->node->out.channels; o++) {
    const double *row = weights_for_dx(layer) + at_inputs_last(layer, o, 0, tap.index);
    sht__ref_add_scaled(layer->dx[0] + tap.x_at, row, layer->dy[tap.y_at + o], inputs);
  }
}

static void backward_example(void *context, size_t example, int worker) {
  (void)worker;
  sht__ref_each_tap(context, example, add_to_dx, 0);
}

static void add_to_dw(const sht__ref_layer *layer, sht__ref_tap tap, uint64_t input) {
  double *row = turned_dw(layer) + at_outputs_last(layer, 0, input, tap.index);
  sht__ref_add_scaled(row, layer->dy + tap.y_at, layer->x[0][tap.x_at + input], layer->node->out.channels);
}

// The whole batch's contribution to the weights that read one input channel.
static void backward_input_channel(void *context, size_t input, int worker) {
  (void)worker;
  const sht__ref_layer *layer = context;
  const uint64_t outputs = layer->node->out.channels;
  for (uint64_t tap = 0; tap < taps(layer); tap++) {
    for (uint64_t o = 0; o < outputs; o++) {
      turned_dw(layer)[at_outputs_last(layer, o, input, tap)] = 0;
    }
  }
  for (uint64_t example = 0; example < layer->batch->n; example++) {
    sht__ref_each_tap(layer, example, add_to_dw, input);
  }
  for (uint64_t tap = 0; tap < taps(layer); tap++) {
    for (uint64_t o = 0; o < outputs; o++) {
      layer->dweight[at_graph(layer, o, input, tap)] += turned_dw(layer)[at_outputs_last(layer, o, input, tap)];
    }
  }
}

static void backward(const sht__ref_layer *layer) {
  const uint64_t outputs = layer->node->out.channels;
  sht_pool_run(layer->pool, layer->batch->n, backward_example, (void *)layer);
  sht_pool_run(layer->pool, layer->in[0].channels, backward_input_channel, (void *)layer);
  for (uint64_t i = 0; layer->dbias != NULL && i < sht__ref_size(layer); i++) {
    layer->dbias[i % outputs] += layer->dy[i];
  }
}

const sht__ref_op sht__ref_conv = {.scratch_count = scratch_count, .forward = forward, .backward = backward};
