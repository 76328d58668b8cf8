// Layers with several inputs: sum and concatenation in channels.
#include <string.h>

#include "engine/ref/layer.h"

static void add_forward(const sht__ref_layer *layer) {
  for (uint64_t i = 0; i < sht__ref_size(layer); i++) {
    double sum = 0;
    for (int input = 0; input < layer->node->input_count; input++) {
      sum += layer->x[input][i];
    }
    layer->y[i] = sum;
  }
}

static void add_backward(const sht__ref_layer *layer) {
  for (int input = 0; input < layer->node->input_count; input++) {
    sht__ref_add_scaled(layer->dx[input], layer->dy, 1, sht__ref_size(layer));
  }
}

const sht__ref_op sht__ref_add = {.forward = add_forward, .backward = add_backward};

static uint64_t pixels(const sht__ref_layer *layer) { return layer->batch->n * sht__ref_area(layer->node->out); }

static void concat_forward(const sht__ref_layer *layer) {
  uint64_t offset = 0;
  for (int input = 0; input < layer->node->input_count; input++) {
    const uint64_t channels = layer->in[input].channels;
    for (uint64_t i = 0; i < pixels(layer); i++) {
      double *y = layer->y + i * layer->node->out.channels + offset;
      memcpy(y, layer->x[input] + i * channels, channels * sizeof *y);
    }
    offset += channels;
  }
}

static void concat_backward(const sht__ref_layer *layer) {
  uint64_t offset = 0;
  for (int input = 0; input < layer->node->input_count; input++) {
    const uint64_t channels = layer->in[input].channels;
    for (uint64_t i = 0; i < pixels(layer); i++) {
      const double *dy = layer->dy + i * layer->node->out.channels + offset;
      sht__ref_add_scaled(layer->dx[input] + i * channels, dy, 1, channels);
    }
    offset += channels;
  }
}

const sht__ref_op sht__ref_concat = {.forward = concat_forward, .backward = concat_backward};
