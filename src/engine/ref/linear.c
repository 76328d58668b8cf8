// Dense layer: y[n][o] = b[o] + sum over j of w[o][j] * x[n][j], x flattened in (H, W, C) order.
#include "engine/ref/layer.h"

static void forward_output(void *context, size_t output, int worker) {
  (void)worker;
  const sht__ref_layer *layer = context;
  const uint64_t inputs = sht__ref_volume(layer->in[0]);
  const uint64_t outputs = layer->node->out.channels;
  const double *w = layer->weight + output * inputs;
  for (uint64_t example = 0; example < layer->batch->n; example++) {
    const double *x = layer->x[0] + example * inputs;
    double sum = layer->bias == NULL ? 0 : layer->bias[output];
    for (uint64_t j = 0; j < inputs; j++) {
      sum += w[j] * x[j];
    }
    layer->y[example * outputs + output] = sum;
  }
}

static void forward(const sht__ref_layer *layer) {
  sht_pool_run(layer->pool, layer->node->out.channels, forward_output, (void *)layer);
}

// Gradient of one output's weights and bias.
static void backward_output(void *context, size_t output, int worker) {
  (void)worker;
  const sht__ref_layer *layer = context;
  const uint64_t inputs = sht__ref_volume(layer->in[0]);
  const uint64_t outputs = layer->node->out.channels;
  for (uint64_t example = 0; example < layer->batch->n; example++) {
    double dy = layer->dy[example * outputs + output];
    sht__ref_add_scaled(layer->dweight + output * inputs, layer->x[0] + example * inputs, dy, inputs);
    if (layer->dbias != NULL) {
      layer->dbias[output] += dy;
    }
  }
}

static void backward_example(void *context, size_t example, int worker) {
  (void)worker;
  const sht__ref_layer *layer = context;
  const uint64_t inputs = sht__ref_volume(layer->in[0]);
  const uint64_t outputs = layer->node->out.channels;
  for (uint64_t o = 0; o < outputs; o++) {
    double dy = layer->dy[example * outputs + o];
    sht__ref_add_scaled(layer->dx[0] + example * inputs, layer->weight + o * inputs, dy, inputs);
  }
}

static void backward(const sht__ref_layer *layer) {
  sht_pool_run(layer->pool, layer->node->out.channels, backward_output, (void *)layer);
  sht_pool_run(layer->pool, layer->batch->n, backward_example, (void *)layer);
}

const sht__ref_op sht__ref_linear = {.forward = forward, .backward = backward};
