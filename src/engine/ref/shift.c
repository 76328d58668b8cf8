// Shift: y[n][j] = x[n] - s[j], one value to as many as there are shifts.
#include "engine/ref/layer.h"

static void forward(const sht__ref_layer *layer) {
  const uint64_t units = layer->node->out.channels;
  for (uint64_t example = 0; example < layer->batch->n; example++) {
    for (uint64_t j = 0; j < units; j++) {
      layer->y[example * units + j] = layer->x[0][example] - layer->bias[j];
    }
  }
}

static void backward(const sht__ref_layer *layer) {
  const uint64_t units = layer->node->out.channels;
  for (uint64_t example = 0; example < layer->batch->n; example++) {
    for (uint64_t j = 0; j < units; j++) {
      layer->dx[0][example] += layer->dy[example * units + j];
      layer->dbias[j] -= layer->dy[example * units + j];
    }
  }
}

const sht__ref_op sht__ref_shift = {.forward = forward, .backward = backward};
