// Every kind of layer on small odd shapes, and small whole networks: the table that the tests of engines go through.
//
// A case builds what stands between `from` and the last linear layer, which the test adds.
#ifndef SHT_TESTS_ENGINE_CASES_H
#define SHT_TESTS_ENGINE_CASES_H

#include "engine_graphs.h"

static inline int case_conv_1x1(graph_builder *b, int from) {
  return graph_conv(b, from, 7, (window){1, 1, 0, 0}, true);
}
static inline int case_conv_3x3(graph_builder *b, int from) {
  return graph_conv(b, from, 4, (window){3, 1, 1, 1}, false);
}
// 'Same' padding of an even size with stride 2: nothing before, one after.
static inline int case_conv_stride2(graph_builder *b, int from) {
  return graph_conv(b, from, 5, (window){3, 2, 0, 1}, true);
}
static inline int case_conv_5x5(graph_builder *b, int from) {
  return graph_conv(b, from, 3, (window){5, 1, 2, 2}, true);
}
// More padding after than before at stride 1, as 'same' gives an even window.
static inline int case_conv_even(graph_builder *b, int from) {
  return graph_conv(b, from, 3, (window){4, 1, 1, 2}, false);
}
static inline int case_conv_stride3(graph_builder *b, int from) {
  return graph_conv(b, from, 3, (window){2, 3, 0, 0}, true);
}
static inline int case_conv_1x1_stride2(graph_builder *b, int from) {
  return graph_conv(b, from, 5, (window){1, 2, 0, 0}, false);
}
// Widths of whole vectors, as minimal filtering wants them; one, two and three vectors in a panel of filters.
static inline int case_conv_wide(graph_builder *b, int from) {
  return graph_conv(b, from, 48, (window){3, 1, 1, 1}, false);
}
static inline int case_conv_wide_relu(graph_builder *b, int from) {
  return graph_relu(b, graph_conv(b, from, 80, (window){3, 1, 1, 1}, true));
}
static inline int case_conv_wide_valid(graph_builder *b, int from) {
  return graph_conv(b, from, 32, (window){3, 1, 0, 0}, true);
}
static inline int case_conv_wide_full(graph_builder *b, int from) {
  return graph_conv(b, from, 16, (window){3, 1, 2, 2}, false);
}
static inline int case_conv_wide_even(graph_builder *b, int from) {
  return graph_conv(b, from, 32, (window){3, 1, 0, 2}, false);
}
// Convolutions that read and write slices of concatenated tensors.
static inline int case_inception_wide(graph_builder *b, int from) {
  for (int i = 0; i < 2; i++) {
    int one = graph_conv_bn_relu(b, from, 16, (window){1, 1, 0, 0});
    int three = graph_conv_bn_relu(b, from, 32, (window){3, 1, 1, 1});
    from = graph_concat(b, 2, (int[]){one, three});
    from = i == 0 ? graph_conv(b, from, 16, (window){3, 1, 1, 1}, true) : from;
  }
  return graph_avgpool(b, from, (window){b->nodes[from].out.height, 1, 0, 0});
}
// The same without normalisation: bias and ReLU on the way into a slice.
static inline int case_inception_biased(graph_builder *b, int from) {
  int one = graph_relu(b, graph_conv(b, from, 16, (window){1, 1, 0, 0}, true));
  int three = graph_relu(b, graph_conv(b, from, 24, (window){3, 1, 1, 1}, true));
  int plain = graph_relu(b, graph_conv(b, from, 8, (window){3, 1, 1, 1}, false));
  return graph_conv(b, graph_concat(b, 3, (int[]){one, three, plain}), 8, (window){3, 1, 1, 1}, true);
}
// Channels of more than one block, and an odd number of them.
static inline int case_conv_wide_stride2(graph_builder *b, int from) {
  return graph_conv(b, from, 80, (window){3, 2, 0, 1}, true);
}
static inline int case_conv_wide_1x1(graph_builder *b, int from) {
  return graph_relu(b, graph_conv(b, from, 112, (window){1, 1, 0, 0}, true));
}
// Whose gradients with respect to their common input are one sum; one is added to it by a pool.
static inline int case_conv_siblings(graph_builder *b, int from) {
  int one = graph_conv(b, from, 48, (window){1, 1, 0, 0}, false);
  int five = graph_conv(b, from, 16, (window){5, 1, 2, 2}, true);
  int pool = graph_maxpool(b, from, (window){3, 1, 1, 1});
  int three = graph_conv(b, from, 32, (window){3, 1, 1, 1}, false);
  return graph_concat(b, 4, (int[]){one, five, pool, three});
}
// Branches whose first layers share an input and get their gradients at different times.
static inline int case_depths(graph_builder *b, int from) {
  static const int depths[] = {1, 3, 4};
  int ends[3];
  from = graph_conv(b, from, 16, (window){1, 1, 0, 0}, true);
  for (int i = 0; i < 3; i++) {
    ends[i] = from;
    for (int layer = 0; layer < depths[i]; layer++) {
      ends[i] = graph_conv_bn_relu(b, ends[i], 16, (window){3, 1, 1, 1});
    }
  }
  return graph_avgpool(b, graph_concat(b, 3, ends), (window){b->nodes[from].out.height, 1, 0, 0});
}
static inline int case_linear(graph_builder *b, int from) { return graph_linear(b, from, 11, true); }
static inline int case_linear_no_bias(graph_builder *b, int from) { return graph_linear(b, from, 6, false); }
static inline int case_batchnorm(graph_builder *b, int from) { return graph_batchnorm(b, from, false, true); }
static inline int case_batchnorm_scale(graph_builder *b, int from) { return graph_batchnorm(b, from, true, true); }
static inline int case_batchnorm_plain(graph_builder *b, int from) { return graph_batchnorm(b, from, false, false); }
// As a dense layer's output: one position.
static inline int case_batchnorm_flat(graph_builder *b, int from) {
  return graph_batchnorm(b, graph_linear(b, from, 9, false), true, true);
}
static inline int case_relu(graph_builder *b, int from) { return graph_relu(b, from); }
static inline int case_maxpool_stride2(graph_builder *b, int from) {
  return graph_maxpool(b, from, (window){3, 2, 0, 1});
}
static inline int case_maxpool_overlap(graph_builder *b, int from) {
  return graph_maxpool(b, from, (window){3, 1, 1, 1});
}
static inline int case_maxpool_2x2(graph_builder *b, int from) { return graph_maxpool(b, from, (window){2, 2, 0, 0}); }
static inline int case_avgpool_padded(graph_builder *b, int from) {
  return graph_avgpool(b, from, (window){3, 1, 1, 1});
}
static inline int case_avgpool_stride2(graph_builder *b, int from) {
  return graph_avgpool(b, from, (window){3, 2, 0, 1});
}
static inline int case_avgpool_all(graph_builder *b, int from) {
  return graph_avgpool(b, from, (window){b->nodes[from].out.height, 1, 0, 0});
}
static inline int case_lrn(graph_builder *b, int from) { return graph_lrn(b, from, 2, 1, 0.3F, 0.75F); }
static inline int case_lrn_alexnet(graph_builder *b, int from) { return graph_lrn(b, from, 4, 1, 0.001F / 9, 0.75F); }
static inline int case_lrn_wide(graph_builder *b, int from) { return graph_lrn(b, from, 20, 2, 0.1F, 0.5F); }
static inline int case_dropout(graph_builder *b, int from) { return graph_dropout(b, from, 0.3F); }
static inline int case_add(graph_builder *b, int from) {
  return graph_add(b, from, graph_conv(b, from, b->nodes[from].out.channels, (window){3, 1, 1, 1}, true));
}
static inline int case_add_itself(graph_builder *b, int from) { return graph_add(b, from, from); }
static inline int case_concat(graph_builder *b, int from) {
  int one = graph_conv(b, from, 5, (window){1, 1, 0, 0}, false);
  int two = graph_conv(b, from, 2, (window){3, 1, 1, 1}, true);
  return graph_concat(b, 3, (int[]){two, from, one});
}

static inline int case_mlp(graph_builder *b, int from) {
  int first = graph_relu(b, graph_linear(b, from, 17, true));
  return graph_relu(b, graph_linear(b, first, 13, true));
}
static inline int case_alexnet(graph_builder *b, int from) {
  for (int i = 0; i < 2; i++) {
    from = graph_relu(b, graph_conv(b, from, 6, (window){5, 1, 2, 2}, true));
    from = graph_maxpool(b, from, (window){3, 2, i == 0 ? 0 : 1, 1});
    from = graph_lrn(b, from, 4, 1, 0.01F, 0.75F);
  }
  return graph_relu(b, graph_linear(b, from, 12, true));
}
static inline int case_inception(graph_builder *b, int from) {
  from = graph_conv_bn_relu(b, from, 6, (window){3, 1, 1, 1});
  int one = graph_conv_bn_relu(b, from, 4, (window){1, 1, 0, 0});
  int three = graph_conv_bn_relu(b, from, 5, (window){3, 1, 1, 1});
  from = graph_concat(b, 2, (int[]){one, three});
  int down = graph_conv_bn_relu(b, from, 5, (window){3, 2, 0, 1});
  int pool = graph_maxpool(b, from, (window){3, 2, 0, 1});
  from = graph_concat(b, 2, (int[]){down, pool});
  return graph_avgpool(b, from, (window){b->nodes[from].out.height, 1, 0, 0});
}
static inline int case_resnet(graph_builder *b, int from) {
  from = graph_conv_bn_relu(b, from, 6, (window){3, 1, 1, 1});
  int branch = graph_conv_bn_relu(b, from, 6, (window){3, 1, 1, 1});
  branch = graph_batchnorm(b, graph_conv(b, branch, 6, (window){3, 1, 1, 1}, false), true, true);
  from = graph_relu(b, graph_add(b, from, branch));
  return graph_avgpool(b, graph_dropout(b, from, 0.25F), (window){2, 2, 0, 0});
}

typedef struct engine_case {
  const char *name;
  sht_shape shape;  // of the layer's input: channels, height, width
  int (*build)(graph_builder *b, int from);
  bool network;  // several layers: rounding has a way to grow
  bool wide;     // many parameters: too many for finite differences, and nothing new to the reference
} engine_case;

static const engine_case engine_cases[] = {
    {"conv 1x1", {5, 7, 5}, case_conv_1x1, false, false},
    {"conv 3x3", {3, 7, 5}, case_conv_3x3, false, false},
    {"conv 3x3 stride 2", {3, 8, 6}, case_conv_stride2, false, false},
    {"conv 5x5", {2, 7, 6}, case_conv_5x5, false, false},
    {"conv 5x5 larger than its input", {2, 3, 4}, case_conv_5x5, false, false},
    {"conv 4x4", {3, 6, 5}, case_conv_even, false, false},
    {"conv 2x2 stride 3", {3, 8, 5}, case_conv_stride3, false, false},
    {"conv 1x1 stride 2", {4, 7, 5}, case_conv_1x1_stride2, false, false},
    {"conv 3x3 wide", {32, 7, 5}, case_conv_wide, false, true},
    {"conv 3x3 wide, tiny", {16, 3, 3}, case_conv_wide, false, true},
    {"conv 3x3 wide with ReLU", {16, 9, 6}, case_conv_wide_relu, false, true},
    {"conv 3x3 wide, no padding", {16, 6, 5}, case_conv_wide_valid, false, true},
    {"conv 3x3 wide, full padding", {16, 5, 4}, case_conv_wide_full, false, true},
    {"conv 3x3 wide, padding after", {16, 8, 8}, case_conv_wide_even, false, true},
    {"conv 3x3 wide, stride 2", {48, 9, 7}, case_conv_wide_stride2, false, true},
    {"conv 1x1 wide", {48, 6, 7}, case_conv_wide_1x1, false, true},
    {"convs of one input", {48, 9, 7}, case_conv_siblings, false, true},
    {"inception, wide", {16, 8, 8}, case_inception_wide, true, true},
    {"branches of other depths", {16, 8, 8}, case_depths, true, true},
    {"inception with biases", {5, 6, 5}, case_inception_biased, true, false},
    {"linear", {3, 3, 2}, case_linear, false, false},
    {"linear without bias", {7, 1, 1}, case_linear_no_bias, false, false},
    {"batchnorm shift", {5, 4, 3}, case_batchnorm, false, false},
    {"batchnorm scale and shift", {3, 5, 4}, case_batchnorm_scale, false, false},
    {"batchnorm plain", {6, 3, 3}, case_batchnorm_plain, false, false},
    {"batchnorm after linear", {3, 3, 2}, case_batchnorm_flat, false, false},
    {"relu", {5, 5, 3}, case_relu, false, false},
    {"maxpool 3x3 stride 2", {3, 8, 6}, case_maxpool_stride2, false, false},
    {"maxpool 3x3 overlapping", {3, 5, 6}, case_maxpool_overlap, false, false},
    {"maxpool 2x2", {5, 7, 5}, case_maxpool_2x2, false, false},
    {"avgpool 3x3 padded", {3, 5, 6}, case_avgpool_padded, false, false},
    {"avgpool 3x3 stride 2", {3, 8, 6}, case_avgpool_stride2, false, false},
    {"avgpool whole", {6, 4, 4}, case_avgpool_all, false, false},
    {"lrn radius 2", {7, 3, 4}, case_lrn, false, false},
    {"lrn of Alexnet", {16, 3, 3}, case_lrn_alexnet, false, false},
    {"lrn wider than its input", {5, 3, 3}, case_lrn_wide, false, false},
    {"dropout", {5, 4, 3}, case_dropout, false, false},
    {"add", {4, 5, 4}, case_add, false, false},
    {"add to itself", {3, 4, 4}, case_add_itself, false, false},
    {"concat", {3, 5, 4}, case_concat, false, false},
    {"small mlp", {3, 5, 4}, case_mlp, true, false},
    {"small alexnet", {3, 8, 8}, case_alexnet, true, false},
    {"small inception", {3, 8, 8}, case_inception, true, false},
    {"small resnet", {3, 6, 6}, case_resnet, true, false},
};
enum { ENGINE_CASES = sizeof engine_cases / sizeof engine_cases[0] };

#endif
