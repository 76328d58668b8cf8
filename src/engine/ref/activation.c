// ReLU and dropout: one output for one input.
#include "engine/ref/layer.h"

// Written so that NaN passes through: it must reach the loss.
static void relu_forward(const sht__ref_layer *layer) {
  for (uint64_t i = 0; i < sht__ref_size(layer); i++) {
    double x = layer->x[0][i];
    layer->y[i] = x <= 0 ? 0 : x;
  }
}

static void relu_backward(const sht__ref_layer *layer) {
  for (uint64_t i = 0; i < sht__ref_size(layer); i++) {
    layer->dx[0][i] += layer->y[i] > 0 ? layer->dy[i] : 0;
  }
}

const sht__ref_op sht__ref_relu = {.forward = relu_forward, .backward = relu_backward};

// Scratch of dropout: the factor of each element, 0 or 1 / (1 - p). Addressing: shatter/engine.h.
static void draw_factors(const sht__ref_layer *layer, uint64_t n) {
  const sht__ref_batch *batch = layer->batch;
  const uint64_t size = sht__ref_volume(layer->node->out);
  const uint64_t address = (uint64_t)layer->index << 32 | batch->examples[n];
  const uint32_t threshold = (uint32_t)((double)layer->node->dropout * 0x1p32);
  const double kept = 1 / (1 - (double)layer->node->dropout);
  uint32_t words[4];
  for (uint64_t e = 0; e < size; e++) {
    if (e % 4 == 0) {
      sht_rng_block(batch->dropout, batch->epoch, address, (uint32_t)(e / 4), words);
    }
    layer->scratch[n * size + e] = words[e % 4] < threshold ? 0 : kept;
  }
}

static void dropout_forward(const sht__ref_layer *layer) {
  for (uint64_t n = 0; layer->batch->training && n < layer->batch->n; n++) {
    draw_factors(layer, n);
  }
  for (uint64_t i = 0; i < sht__ref_size(layer); i++) {
    layer->y[i] = layer->batch->training ? layer->x[0][i] * layer->scratch[i] : layer->x[0][i];
  }
}

static void dropout_backward(const sht__ref_layer *layer) {
  for (uint64_t i = 0; i < sht__ref_size(layer); i++) {
    layer->dx[0][i] += layer->dy[i] * layer->scratch[i];
  }
}

const sht__ref_op sht__ref_dropout = {
    .scratch_count = sht__ref_scratch_like_output, .forward = dropout_forward, .backward = dropout_backward};
