// The path norm: the network with squared weights on an image of ones. See bounds.h.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "measure/bounds.h"
#include "measure/linear_map.h"

static uint64_t volume(sht_shape shape) { return (uint64_t)shape.height * shape.width * shape.channels; }

static void square(const double *from, double *to, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    to[i] = from[i] * from[i];
  }
}

// y[position][channel] = x * scale^2 + offset^2
static void pass_affine(const double *x, const double *scale, const double *offset, sht_shape shape, double *y) {
  for (uint64_t i = 0; i < volume(shape); i++) {
    const uint64_t c = i % shape.channels;
    y[i] = x[i] * (scale == NULL ? 1 : scale[c] * scale[c]) + offset[c] * offset[c];
  }
}

static sht_status pass_weights(const sht__measured_network *network, int i, const double *x, double *y,
                               sht_error *error) {
  const sht_node *node = &network->graph->nodes[i];
  const sht__measured_node *own = &network->nodes[i];
  const uint64_t count = sht__measured_weights(network->graph, i);
  double *squares = NULL;
  sht__linear_map map;
  SHT_TRY(SHT_ALLOC(&squares, count, "squares of weights", error));
  square(own->weight, squares, count);
  sht_status status = sht__linear_map_open(node, network->graph->nodes[node->inputs[0]].out, squares, &map, error);
  sht_free(squares);
  SHT_TRY(status);
  sht__linear_map_apply(&map, x, y, NULL);
  sht__linear_map_close(&map);
  pass_affine(y, NULL, own->bias, node->out, y);
  return SHT_OK;
}

// The window of output position o in one direction, within the image.
static uint32_t window_first(const sht_node *node, uint32_t o) {
  const int64_t first = (int64_t)o * node->stride - node->pad_before;
  return first > 0 ? (uint32_t)first : 0;
}
static uint32_t window_end(const sht_node *node, uint32_t o, uint32_t in) {
  const int64_t end = (int64_t)o * node->stride - node->pad_before + node->kernel;
  return end < in ? (uint32_t)end : in;
}

// A mean's weights are 1 / positions: their squares sum to mean / positions.
static double pool_window(const sht_node *node, sht_shape in, const double *x, uint32_t oy, uint32_t ox) {
  const uint32_t y0 = window_first(node, oy), y1 = window_end(node, oy, in.height);
  const uint32_t x0 = window_first(node, ox), x1 = window_end(node, ox, in.width);
  const double positions = (double)(y1 - y0) * (x1 - x0);
  double largest = 0, sum = 0;
  for (uint32_t iy = y0; iy < y1; iy++) {
    for (uint32_t ix = x0; ix < x1; ix++) {
      const double value = x[((uint64_t)iy * in.width + ix) * in.channels];
      largest = fmax(largest, value);
      sum += value;
    }
  }
  return node->op == SHT_OP_MAXPOOL ? largest : sum / (positions * positions);
}

static void pass_pool(const sht_node *node, sht_shape in, const double *x, double *y) {
  for (uint32_t oy = 0; oy < node->out.height; oy++) {
    for (uint32_t ox = 0; ox < node->out.width; ox++) {
      for (uint32_t c = 0; c < in.channels; c++) {
        y[((uint64_t)oy * node->out.width + ox) * in.channels + c] = pool_window(node, in, x + c, oy, ox);
      }
    }
  }
}

static void pass_concat(const sht_graph *graph, const sht_node *node, double *const *values, double *y) {
  const uint64_t positions = (uint64_t)node->out.height * node->out.width;
  uint32_t at = 0;
  for (int k = 0; k < node->input_count; k++) {
    const uint32_t channels = graph->nodes[node->inputs[k]].out.channels;
    for (uint64_t p = 0; p < positions; p++) {
      memcpy(y + p * node->out.channels + at, values[node->inputs[k]] + p * channels, channels * sizeof *y);
    }
    at += channels;
  }
}

static void pass_add(const sht_node *node, double *const *values, double *y) {
  for (int k = 0; k < node->input_count; k++) {
    for (uint64_t i = 0; i < volume(node->out); i++) {
      y[i] += values[node->inputs[k]][i];
    }
  }
}

// One value to several, each less a shift of its own, which is a weight of 1 and a bias.
static void pass_shift(const sht_node *node, const double *shifts, const double *x, double *y) {
  for (uint64_t i = 0; i < volume(node->out); i++) {
    const double shift = shifts[i % node->out.channels];
    y[i] = x[i / node->out.channels] + shift * shift;
  }
}

static void scale(const double *x, double factor, uint64_t count, double *y) {
  for (uint64_t i = 0; i < count; i++) {
    y[i] = x[i] * factor;
  }
}

// values: of all nodes before i; values[i]: [C * H * W] zeros.
static sht_status pass(const sht__measured_network *network, int i, double *const *values, sht_error *error) {
  const sht_node *node = &network->graph->nodes[i];
  const sht__measured_node *own = &network->nodes[i];
  const double *x = values[node->inputs[0]];
  const sht_shape in = network->graph->nodes[node->inputs[0]].out;
  double *y = values[i];
  switch (node->op) {
    case SHT_OP_INPUT:
      break;
    case SHT_OP_CONV:
    case SHT_OP_LINEAR:
      return pass_weights(network, i, x, y, error);
    case SHT_OP_BATCHNORM:
      if (own->scale != NULL) {
        pass_affine(x, own->scale, own->shift, node->out, y);
        break;
      }
      scale(x, 1, volume(node->out), y);
      break;
    case SHT_OP_RELU:
    case SHT_OP_DROPOUT:
      scale(x, 1, volume(node->out), y);
      break;
    case SHT_OP_LRN:  // it divides by at least bias^beta
      scale(x, pow(node->lrn_bias, -2 * (double)node->lrn_beta), volume(node->out), y);
      break;
    case SHT_OP_MAXPOOL:
    case SHT_OP_AVGPOOL:
      pass_pool(node, in, x, y);
      break;
    case SHT_OP_ADD:
      pass_add(node, values, y);
      break;
    case SHT_OP_CONCAT:
      pass_concat(network->graph, node, values, y);
      break;
    case SHT_OP_SHIFT:
      pass_shift(node, own->bias, x, y);
      break;
  }
  return SHT_OK;
}

static double sum_of(const double *values, uint64_t count) {
  double sum = 0;
  for (uint64_t i = 0; i < count; i++) {
    sum += values[i];
  }
  return sum;
}

static sht_status pass_all(const sht__measured_network *network, double **values, double *out, sht_error *error) {
  const sht_graph *graph = network->graph;
  for (int i = 0; i < graph->node_count; i++) {
    SHT_TRY(SHT_ALLOC(&values[i], volume(graph->nodes[i].out), "sums over paths", error));
    if (i > 0) {
      SHT_TRY(pass(network, i, values, error));
      continue;
    }
    for (uint64_t k = 0; k < volume(graph->nodes[0].out); k++) {
      values[0][k] = 1;
    }
  }
  *out = sqrt(sum_of(values[graph->node_count - 1], graph->classes));
  return SHT_OK;
}

sht_status sht__path_norm(const sht__measured_network *network, double *out, sht_error *error) {
  const int count = network->graph->node_count;
  double **values = NULL;
  SHT_TRY(SHT_ALLOC(&values, count, "sums over paths", error));
  sht_status status = pass_all(network, values, out, error);
  for (int i = 0; i < count; i++) {
    sht_free(values[i]);
  }
  sht_free((void *)values);
  return status;
}
