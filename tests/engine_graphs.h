// Graphs built in C, for tests of engines on shapes that no shipped model has, and the data that go with them.
//
// graph_start, then one graph_LAYER call for each layer (each returns its node's index), then graph_finish. The builder
// holds what the graph points to: it must not move afterwards. Nothing here is freed but engine_data.
#ifndef SHT_TESTS_ENGINE_GRAPHS_H
#define SHT_TESTS_ENGINE_GRAPHS_H

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shatter/data.h"
#include "shatter/model.h"
#include "shatter/random.h"

// cmocka's assert_float_equal compares floats; NaN is near nothing.
static inline bool is_near(double a, double b, double distance) { return fabs(a - b) <= distance; }

enum { GRAPH_NODES_MAX = 64, GRAPH_TENSORS_MAX = 64 };

typedef struct graph_builder {
  sht_graph graph;
  sht_node nodes[GRAPH_NODES_MAX];
  sht_parameter tensors[GRAPH_TENSORS_MAX];
} graph_builder;

// A square window: its size, its stride, and the padding before (top, left) and after (bottom, right).
typedef struct window {
  uint32_t kernel, stride, before, after;
} window;

static inline sht_node *graph_add_node(graph_builder *b, sht_op op, const char *kind, int from, sht_shape out) {
  assert(b->graph.node_count < GRAPH_NODES_MAX);
  sht_node *node = &b->nodes[b->graph.node_count];
  *node = (sht_node){.op = op, .out = out, .weight = -1, .bias = -1, .statistics = -1};
  (void)snprintf(node->name, sizeof node->name, "%s%d", kind, b->graph.node_count);
  if (from >= 0) {
    node->inputs[0] = from;
    node->input_count = 1;
  }
  b->graph.node_count++;
  return node;
}

static inline int graph_last(const graph_builder *b) { return b->graph.node_count - 1; }

// Adds a tensor of the last node and returns its index.
static inline int graph_add_tensor(graph_builder *b, const char *what, int rank, const uint32_t dims[4], bool decay) {
  assert(b->graph.parameter_tensors < GRAPH_TENSORS_MAX);
  sht_parameter *tensor = &b->tensors[b->graph.parameter_tensors];
  *tensor = (sht_parameter){
      .node = graph_last(b), .rank = rank, .offset = b->graph.parameter_count, .count = 1, .weight_decay = decay};
  (void)snprintf(tensor->name, sizeof tensor->name, "node%d.%s", graph_last(b), what);
  for (int i = 0; i < rank; i++) {
    tensor->dims[i] = dims[i];
    tensor->count *= dims[i];
  }
  b->graph.parameter_count += tensor->count;
  return b->graph.parameter_tensors++;
}

static inline void graph_start(graph_builder *b, const char *name, sht_shape input, uint32_t classes) {
  memset(b, 0, sizeof *b);
  (void)snprintf(b->graph.name, sizeof b->graph.name, "%s", name);
  b->graph.input = input;
  b->graph.classes = classes;
  (void)graph_add_node(b, SHT_OP_INPUT, "input", -1, input);
}

static inline uint32_t graph_window_size(uint32_t size, window w) {
  return (size + w.before + w.after - w.kernel) / w.stride + 1;
}

static inline sht_node *graph_add_window(graph_builder *b, sht_op op, const char *kind, int from, uint32_t channels,
                                         window w) {
  sht_shape in = b->nodes[from].out;
  sht_shape out = {channels, graph_window_size(in.height, w), graph_window_size(in.width, w)};
  sht_node *node = graph_add_node(b, op, kind, from, out);
  node->kernel = w.kernel;
  node->stride = w.stride;
  node->pad_before = w.before;
  node->pad_after = w.after;
  return node;
}

static inline int graph_conv(graph_builder *b, int from, uint32_t filters, window w, bool bias) {
  uint32_t inputs = b->nodes[from].out.channels;
  sht_node *node = graph_add_window(b, SHT_OP_CONV, "conv", from, filters, w);
  node->weight = graph_add_tensor(b, "weight", 4, (uint32_t[4]){filters, inputs, w.kernel, w.kernel}, true);
  node->bias = bias ? graph_add_tensor(b, "bias", 1, (uint32_t[4]){filters}, false) : -1;
  return graph_last(b);
}

static inline int graph_linear(graph_builder *b, int from, uint32_t outputs, bool bias) {
  sht_shape in = b->nodes[from].out;
  sht_node *node = graph_add_node(b, SHT_OP_LINEAR, "linear", from, (sht_shape){outputs, 1, 1});
  uint32_t dims[4] = {outputs, in.channels * in.height * in.width};
  node->weight = graph_add_tensor(b, "weight", 2, dims, true);
  node->bias = bias ? graph_add_tensor(b, "bias", 1, (uint32_t[4]){outputs}, false) : -1;
  return graph_last(b);
}

static inline int graph_batchnorm(graph_builder *b, int from, bool scale, bool shift) {
  sht_shape shape = b->nodes[from].out;
  sht_node *node = graph_add_node(b, SHT_OP_BATCHNORM, "batchnorm", from, shape);
  node->epsilon = 1e-3F;
  node->decay = 0.9F;
  node->weight = scale ? graph_add_tensor(b, "scale", 1, (uint32_t[4]){shape.channels}, false) : -1;
  node->bias = shift ? graph_add_tensor(b, "shift", 1, (uint32_t[4]){shape.channels}, false) : -1;
  node->statistics = (int64_t)b->graph.statistic_count;
  b->graph.statistic_count += 2 * (uint64_t)shape.channels;
  return graph_last(b);
}

static inline int graph_relu(graph_builder *b, int from) {
  (void)graph_add_node(b, SHT_OP_RELU, "relu", from, b->nodes[from].out);
  return graph_last(b);
}

static inline int graph_maxpool(graph_builder *b, int from, window w) {
  (void)graph_add_window(b, SHT_OP_MAXPOOL, "maxpool", from, b->nodes[from].out.channels, w);
  return graph_last(b);
}

static inline int graph_avgpool(graph_builder *b, int from, window w) {
  (void)graph_add_window(b, SHT_OP_AVGPOOL, "avgpool", from, b->nodes[from].out.channels, w);
  return graph_last(b);
}

static inline int graph_lrn(graph_builder *b, int from, uint32_t radius, float bias, float alpha, float beta) {
  sht_node *node = graph_add_node(b, SHT_OP_LRN, "lrn", from, b->nodes[from].out);
  node->lrn_radius = radius;
  node->lrn_bias = bias;
  node->lrn_alpha = alpha;
  node->lrn_beta = beta;
  return graph_last(b);
}

static inline int graph_dropout(graph_builder *b, int from, float probability) {
  graph_add_node(b, SHT_OP_DROPOUT, "dropout", from, b->nodes[from].out)->dropout = probability;
  return graph_last(b);
}

static inline int graph_add(graph_builder *b, int one, int other) {
  sht_node *node = graph_add_node(b, SHT_OP_ADD, "add", one, b->nodes[one].out);
  node->inputs[1] = other;
  node->input_count = 2;
  return graph_last(b);
}

static inline int graph_concat(graph_builder *b, int count, const int *from) {
  sht_shape out = b->nodes[from[0]].out;
  out.channels = 0;
  for (int i = 0; i < count; i++) {
    out.channels += b->nodes[from[i]].out.channels;
  }
  sht_node *node = graph_add_node(b, SHT_OP_CONCAT, "concat", from[0], out);
  memcpy(node->inputs, from, (size_t)count * sizeof *from);
  node->input_count = count;
  return graph_last(b);
}

static inline int graph_shift(graph_builder *b, int from, uint32_t units) {
  sht_node *node = graph_add_node(b, SHT_OP_SHIFT, "shift", from, (sht_shape){units, 1, 1});
  node->bias = graph_add_tensor(b, "shift", 1, (uint32_t[4]){units}, false);
  return graph_last(b);
}

static inline const sht_graph *graph_finish(graph_builder *b) {
  b->graph.nodes = b->nodes;
  b->graph.parameters = b->tensors;
  return &b->graph;
}

static inline int graph_conv_bn_relu(graph_builder *b, int from, uint32_t filters, window w) {
  return graph_relu(b, graph_batchnorm(b, graph_conv(b, from, filters, w, false), false, true));
}

// Parameters that leave no term at zero: weights normal with variance 2 / fan-in, vectors around 0 (scales around 1).
static inline void graph_fill_parameters(const sht_graph *graph, uint64_t seed, float *parameters) {
  sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_WEIGHTS);
  for (int t = 0; t < graph->parameter_tensors; t++) {
    const sht_parameter *tensor = &graph->parameters[t];
    double deviation = tensor->rank > 1 ? sqrt(2.0 * tensor->dims[0] / (double)tensor->count) : 0.1;
    bool scale = graph->nodes[tensor->node].op == SHT_OP_BATCHNORM && graph->nodes[tensor->node].weight == t;
    for (uint64_t i = 0; i < tensor->count; i++) {
      double normal[2];
      sht_rng_normal2(rng, (uint32_t)t, i, 0, normal);
      parameters[tensor->offset + i] = (float)((scale ? 1 : 0) + deviation * normal[0]);
    }
  }
}

// A split of random bytes and random labels, and a whitening pipeline over all of each image.
typedef struct engine_data {
  sht_split split;
  sht_pipeline pipeline;
} engine_data;

static inline void engine_data_open(engine_data *data, const sht_graph *graph, uint64_t count, uint64_t seed) {
  sht_shape shape = graph->input;
  uint64_t size = (uint64_t)shape.channels * shape.height * shape.width;
  sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_SHAPES);
  uint8_t *pixels = calloc(count * size, 1);
  uint16_t *labels = calloc(count, sizeof *labels);
  assert(pixels != NULL && labels != NULL);
  for (uint64_t i = 0; i < count * size; i++) {
    pixels[i] = (uint8_t)(sht_rng_u32(rng, 0, i, 0) >> 24);
  }
  for (uint64_t i = 0; i < count; i++) {
    labels[i] = (uint16_t)sht_rng_below(rng, 1, i, 0, graph->classes);
  }
  data->split = (sht_split){.count = count,
                            .height = shape.height,
                            .width = shape.width,
                            .channels = shape.channels,
                            .type = SHT_PIXEL_U8,
                            .pixels = pixels,
                            .labels = labels,
                            .true_labels = labels};
  data->pipeline = (sht_pipeline){.split = &data->split, .height = shape.height, .width = shape.width, .whiten = true};
}

static inline void engine_data_close(engine_data *data) {
  free(data->split.pixels);
  free(data->split.labels);
}

#endif
