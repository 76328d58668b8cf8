// What follows from weights: batch normalisation taken in, path norms against sums over every path, Lipschitz bounds
// against closed forms, against single layers that move as far as they can, and against whole networks.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs those four

#include <cmocka.h>

#include "base/memory.h"
#include "engine_graphs.h"
#include "measure/bounds.h"
#include "measure/linear_map.h"
#include "shatter/engine.h"

static float *take_floats(uint64_t count) {
  float *values = NULL;
  assert_int_equal(SHT_ALLOC(&values, count, "a test's array", NULL), SHT_OK);
  return values;
}

static double *take(uint64_t count) {
  double *values = NULL;
  assert_int_equal(SHT_ALLOC(&values, count, "a test's array", NULL), SHT_OK);
  return values;
}

static uint64_t volume(sht_shape s) { return (uint64_t)s.height * s.width * s.channels; }

// Means around 0, variances from 0.25 to 1.25.
static void fill_statistics(const sht_graph *graph, float *statistics) {
  const sht_rng rng = sht_rng_make(5, SHT_PURPOSE_SHAPES);
  for (int i = 0; i < graph->node_count; i++) {
    const sht_node *node = &graph->nodes[i];
    for (uint32_t c = 0; node->statistics >= 0 && c < node->out.channels; c++) {
      statistics[node->statistics + c] = (float)(sht_rng_unit(rng, (uint32_t)i, c, 0) - 0.5);
      statistics[node->statistics + node->out.channels + c] = (float)(sht_rng_unit(rng, (uint32_t)i, c, 1) + 0.25);
    }
  }
}

// ---- batch normalisation

// A 1x1 convolution of one channel to two and a batch normalisation with scale; if `forked`, the convolution's output
// is also added to the normalised one.
static const sht_graph *normalized_pair(graph_builder *b, bool forked) {
  graph_start(b, "pair", (sht_shape){1, 1, 1}, 2);
  const int conv = graph_conv(b, 0, 2, (window){1, 1, 0, 0}, true);
  const int normal = graph_batchnorm(b, conv, true, true);
  if (forked) {
    (void)graph_add(b, conv, normal);
  }
  return graph_finish(b);
}

// weight 2, 3; bias .5, -1; scale 4, .5; shift .25, 2
static const float pair_parameters[] = {2, 3, 0.5F, -1, 4, 0.5F, 0.25F, 2};
static const float pair_statistics[] = {1, -2, 3, 8};  // means, variances

static void normalisation_is_taken_in(void **state) {
  (void)state;
  graph_builder b;
  sht__measured_network network;
  const sht_graph *graph = normalized_pair(&b, false);
  assert_int_equal(sht__measured_open(graph, pair_parameters, pair_statistics, &network, NULL), SHT_OK);
  const double epsilon = 1e-3F, first = 4 / sqrt(3 + epsilon), second = 0.5 / sqrt(8 + epsilon);
  const sht__measured_node *conv = &network.nodes[1];
  assert_true(is_near(conv->weight[0], 2 * first, 1e-14) && is_near(conv->weight[1], 3 * second, 1e-14));
  assert_true(is_near(conv->bias[0], (0.5 - 1) * first + 0.25, 1e-14));
  assert_true(is_near(conv->bias[1], (-1 + 2) * second + 2, 1e-14));
  assert_null(network.nodes[2].scale);
  assert_true(sht__graph_is_chain(graph));
  sht__measured_close(&network);
}

static void normalisation_of_what_others_read_stands_alone(void **state) {
  (void)state;
  graph_builder b;
  sht__measured_network network;
  const sht_graph *graph = normalized_pair(&b, true);
  assert_int_equal(sht__measured_open(graph, pair_parameters, pair_statistics, &network, NULL), SHT_OK);
  const double scale = 4 / sqrt(3 + (double)1e-3F);
  assert_true(network.nodes[1].weight[0] == 2 && network.nodes[1].bias[1] == -1);
  assert_non_null(network.nodes[2].scale);
  assert_true(is_near(network.nodes[2].scale[0], scale, 1e-14));
  assert_true(is_near(network.nodes[2].shift[0], 0.25 - scale, 1e-14));
  assert_false(sht__graph_is_chain(graph));
  sht__measured_close(&network);
}

// ---- path norm

static double paths_to(const sht__measured_network *network, int i, uint64_t element);

// Paths through a window: squared weights of a convolution, 1 / positions of a mean.
static double paths_through_window(const sht__measured_network *network, int i, uint64_t element) {
  const sht_node *node = &network->graph->nodes[i];
  const sht_shape in = network->graph->nodes[node->inputs[0]].out;
  const uint64_t o = element % node->out.channels;
  const int64_t x0 = (int64_t)(element / node->out.channels % node->out.width * node->stride) - node->pad_before;
  const int64_t y0 = (int64_t)(element / node->out.channels / node->out.width * node->stride) - node->pad_before;
  double sum = 0;
  uint64_t positions = 0;
  for (int64_t y = y0; y < y0 + node->kernel; y++) {
    for (int64_t x = x0; x < x0 + node->kernel; x++) {
      if (y < 0 || x < 0 || y >= in.height || x >= in.width) {
        continue;
      }
      positions++;
      for (uint64_t c = 0; c < in.channels; c++) {
        const uint64_t place =
            ((o * in.channels + c) * node->kernel + (uint64_t)(y - y0)) * node->kernel + (uint64_t)(x - x0);
        const double w = node->op == SHT_OP_CONV ? network->nodes[i].weight[place] : (double)(c == o);
        const uint64_t from = ((uint64_t)y * in.width + (uint64_t)x) * in.channels + c;
        sum += w == 0 ? 0 : w * w * paths_to(network, node->inputs[0], from);
      }
    }
  }
  const double bias = node->op == SHT_OP_CONV ? network->nodes[i].bias[o] : 0;
  return node->op == SHT_OP_CONV ? sum + bias * bias : sum / ((double)positions * (double)positions);
}

static double paths_through_dense(const sht__measured_network *network, int i, uint64_t element) {
  const sht_node *node = &network->graph->nodes[i];
  const uint64_t inputs = volume(network->graph->nodes[node->inputs[0]].out);
  const double bias = network->nodes[i].bias[element];
  double sum = bias * bias;
  for (uint64_t k = 0; k < inputs; k++) {
    const double w = network->nodes[i].weight[element * inputs + k];
    sum += w * w * paths_to(network, node->inputs[0], k);
  }
  return sum;
}

static double paths_through_join(const sht__measured_network *network, int i, uint64_t element) {
  const sht_node *node = &network->graph->nodes[i];
  uint64_t channel = element % node->out.channels;
  double sum = 0;
  for (int k = 0; k < node->input_count; k++) {
    const uint32_t channels = network->graph->nodes[node->inputs[k]].out.channels;
    if (node->op == SHT_OP_ADD) {
      sum += paths_to(network, node->inputs[k], element);
    } else if (channel < channels) {
      return paths_to(network, node->inputs[k], element / node->out.channels * channels + channel);
    }
    channel -= node->op == SHT_OP_ADD ? 0 : channels;
  }
  return sum;
}

// The sum over every path that ends in this element, one by one, from its end.
static double paths_to(const sht__measured_network *network, int i, uint64_t element) {
  const sht_node *node = &network->graph->nodes[i];
  const uint64_t channel = element % node->out.channels;
  const sht__measured_node *own = &network->nodes[i];
  switch (node->op) {
    case SHT_OP_INPUT:
      return 1;
    case SHT_OP_CONV:
    case SHT_OP_AVGPOOL:
      return paths_through_window(network, i, element);
    case SHT_OP_LINEAR:
      return paths_through_dense(network, i, element);
    case SHT_OP_ADD:
    case SHT_OP_CONCAT:
      return paths_through_join(network, i, element);
    case SHT_OP_SHIFT:
      return paths_to(network, node->inputs[0], 0) + own->bias[channel] * own->bias[channel];
    case SHT_OP_BATCHNORM:
      return own->scale == NULL
                 ? paths_to(network, node->inputs[0], element)
                 : own->scale[channel] * own->scale[channel] * paths_to(network, node->inputs[0], element) +
                       own->shift[channel] * own->shift[channel];
    default:
      return paths_to(network, node->inputs[0], element);
  }
}

static void check_paths(const sht_graph *graph) {
  sht__measured_network network;
  float *parameters = take_floats(graph->parameter_count), *statistics = take_floats(graph->statistic_count);
  double found = 0, sum = 0;
  graph_fill_parameters(graph, 3, parameters);
  fill_statistics(graph, statistics);
  assert_int_equal(sht__measured_open(graph, parameters, statistics, &network, NULL), SHT_OK);
  assert_int_equal(sht__path_norm(&network, &found, NULL), SHT_OK);
  for (uint32_t k = 0; k < graph->classes; k++) {
    sum += paths_to(&network, graph->node_count - 1, k);
  }
  assert_true(sum > 0 && is_near(found, sqrt(sum), 1e-12 * found));
  sht__measured_close(&network);
  sht_free(parameters);
  sht_free(statistics);
}

static void path_norm_is_the_sum_over_paths(void **state) {
  (void)state;
  graph_builder b;
  graph_start(&b, "paths", (sht_shape){2, 5, 5}, 3);
  const int first = graph_relu(&b, graph_batchnorm(&b, graph_conv(&b, 0, 2, (window){3, 2, 1, 1}, true), true, true));
  const int side = graph_conv(&b, first, 2, (window){1, 1, 0, 0}, true);
  const int normal = graph_batchnorm(&b, side, false, true);  // stands alone: the sum reads `side`, too
  const int sum = graph_dropout(&b, graph_add(&b, side, normal), 0.5F);
  const int parts[2] = {sum, first};
  const int joined = graph_concat(&b, 2, parts);
  const int mean = graph_avgpool(&b, joined, (window){2, 2, 0, 1});
  (void)graph_linear(&b, mean, 3, true);
  check_paths(graph_finish(&b));

  graph_start(&b, "shift", (sht_shape){1, 2, 2}, 2);
  (void)graph_linear(&b, graph_relu(&b, graph_shift(&b, graph_linear(&b, 0, 1, false), 4)), 2, false);
  check_paths(graph_finish(&b));
}

// A max-pool hands on the largest of its window: weights 1 to 4 on four pixels, then twice that.
static void path_norm_of_a_maximum(void **state) {
  (void)state;
  graph_builder b;
  sht__measured_network network;
  graph_start(&b, "largest", (sht_shape){4, 1, 1}, 2);
  const int parts[2] = {graph_conv(&b, 0, 1, (window){1, 1, 0, 0}, false),
                        graph_conv(&b, 0, 1, (window){1, 1, 0, 0}, false)};
  (void)graph_linear(&b, graph_maxpool(&b, graph_concat(&b, 2, parts), (window){1, 1, 0, 0}), 2, false);
  const float parameters[] = {1, 2, 3, 4, 0, 0, 0, 1, 2, 0, 0, 5};  // paths of squares: 4 * 30 + 25 * 1
  double found = 0;
  assert_int_equal(sht__measured_open(graph_finish(&b), parameters, NULL, &network, NULL), SHT_OK);
  assert_int_equal(sht__path_norm(&network, &found, NULL), SHT_OK);
  assert_true(is_near(found, sqrt(145), 1e-12));
  sht__measured_close(&network);

  // 2x2 pixels to one value each, of which the window takes the largest: 1 + 1 / 4 (bias 1/2), not four times that
  graph_start(&b, "window", (sht_shape){1, 2, 2}, 1);
  (void)graph_maxpool(&b, graph_conv(&b, 0, 1, (window){1, 1, 0, 0}, true), (window){2, 2, 0, 0});
  const float one[] = {1, 0.5F};
  assert_int_equal(sht__measured_open(graph_finish(&b), one, NULL, &network, NULL), SHT_OK);
  assert_int_equal(sht__path_norm(&network, &found, NULL), SHT_OK);
  assert_true(is_near(found, sqrt(1.25), 1e-12));
  sht__measured_close(&network);
}

// ---- Lipschitz bounds: closed forms

static double bound_of(const sht_graph *graph, const double *spectral) {
  double bound = 0;
  assert_int_equal(sht__lipschitz_bound(graph, spectral, &bound, NULL), SHT_OK);
  return bound;
}

static void bounds_of_chains_and_branches(void **state) {
  (void)state;
  graph_builder b;
  const window plain = {3, 1, 1, 1};
  // conv 2, overlapping pool 2, dense 3
  graph_start(&b, "chain", (sht_shape){1, 8, 8}, 2);
  (void)graph_linear(&b, graph_maxpool(&b, graph_relu(&b, graph_conv(&b, 0, 1, plain, false)), (window){3, 2, 0, 1}), 2,
                     false);
  const double chain[] = {0, 2, 0, 0, 3};
  assert_true(is_near(bound_of(graph_finish(&b), chain), 12, 1e-12));
  // beside one another 2 and 5: joined sqrt 29, added to the images 2 + 1
  graph_start(&b, "branches", (sht_shape){1, 8, 8}, 2);
  const int left = graph_conv(&b, 0, 1, plain, false), right = graph_conv(&b, 0, 1, plain, false);
  const int both[2] = {left, right};
  (void)graph_linear(&b, graph_concat(&b, 2, both), 2, false);
  const double branches[] = {0, 2, 5, 0, 1};
  assert_true(is_near(bound_of(graph_finish(&b), branches), sqrt(29), 1e-12));
  graph_start(&b, "residual", (sht_shape){1, 8, 8}, 2);
  (void)graph_linear(&b, graph_add(&b, graph_conv(&b, 0, 1, plain, false), 0), 2, false);
  const double residual[] = {0, 2, 0, 7};
  assert_true(is_near(bound_of(graph_finish(&b), residual), 21, 1e-12));
  // one value to nine, each less its own
  graph_start(&b, "shift", (sht_shape){1, 1, 1}, 9);
  (void)graph_shift(&b, graph_linear(&b, 0, 1, false), 9);
  const double shift[] = {0, 2, 0};
  assert_true(is_near(bound_of(graph_finish(&b), shift), 6, 1e-12));
}

// The mean of all n pixels has the norm 1 / sqrt n; of windows without overlap, 1 / side.
static void bounds_of_means(void **state) {
  (void)state;
  graph_builder b;
  graph_start(&b, "mean", (sht_shape){3, 7, 7}, 3);
  (void)graph_avgpool(&b, 0, (window){7, 7, 0, 0});
  assert_true(is_near(bound_of(graph_finish(&b), (double[2]){0}), 1.0 / 7, 1e-12));
  graph_start(&b, "mean", (sht_shape){3, 8, 8}, 3);
  (void)graph_avgpool(&b, 0, (window){2, 2, 0, 0});
  assert_true(is_near(bound_of(graph_finish(&b), (double[2]){0}), 0.5, 1e-12));
}

// ---- Lipschitz bounds: what networks do

// The network's answers, by the reference engine in double, to images [count] as `pipeline` makes them.
static void answer(const sht_graph *graph, const float *parameters, const float *statistics,
                   const sht_pipeline *pipeline, float *logits) {
  sht_engine *engine = NULL;
  sht_error error = {.message = ""};
  const uint64_t count = pipeline->split->count;
  const sht_engine_options options = {
      .backend = "ref", .precision = SHT_FP64, .threads = 1, .batch = (uint32_t)count, .train_examples = count};
  if (sht_engine_open(graph, &options, &engine, &error) != SHT_OK) {
    fail_msg("%s", error.message);
  }
  assert_int_equal(sht_engine_put(engine, SHT_STATE_PARAMETERS, parameters, graph->parameter_count, NULL), SHT_OK);
  if (graph->statistic_count > 0) {
    assert_int_equal(sht_engine_put(engine, SHT_STATE_STATISTICS, statistics, graph->statistic_count, NULL), SHT_OK);
  }
  assert_int_equal(sht_engine_evaluate(engine, pipeline, 0, count, logits, NULL, NULL), SHT_OK);
  sht_engine_close(engine);
}

// Each layer's norm, and the bound that they give.
static double network_bound(const sht_graph *graph, const float *parameters, const float *statistics) {
  sht__measured_network network;
  double *spectral = take((uint64_t)graph->node_count);
  assert_int_equal(sht__measured_open(graph, parameters, statistics, &network, NULL), SHT_OK);
  for (int i = 0; i < graph->node_count; i++) {
    const sht__measured_node *own = &network.nodes[i];
    spectral[i] = graph->nodes[i].op == SHT_OP_BATCHNORM ? 1 : 0;
    if (own->weight != NULL) {
      sht__linear_map map;
      const sht_shape in = graph->nodes[graph->nodes[i].inputs[0]].out;
      assert_int_equal(sht__linear_map_open(&graph->nodes[i], in, own->weight, &map, NULL), SHT_OK);
      assert_int_equal(sht__linear_map_norm(&map, 1, NULL, &spectral[i], NULL), SHT_OK);
      sht__linear_map_close(&map);
    } else if (own->scale != NULL) {
      spectral[i] = 0;
      for (uint32_t c = 0; c < graph->nodes[i].out.channels; c++) {
        spectral[i] = fmax(spectral[i], fabs(own->scale[c]));
      }
    }
  }
  const double bound = bound_of(graph, spectral);
  sht__measured_close(&network);
  sht_free(spectral);
  return bound;
}

enum { BASES = 4, MOVES = 6, IMAGES = BASES * (1 + MOVES) };

// Images of 1/64 grey levels, and after each some that differ a little: in one pixel, in all, in size.
static void draw_images(const sht_graph *graph, double size, int16_t *pixels) {
  const sht_rng rng = sht_rng_make(8, SHT_PURPOSE_SHAPES);
  const uint64_t values = volume(graph->input);
  for (uint64_t e = 0; e < IMAGES; e++) {
    const uint64_t base = e / (1 + MOVES), move = e % (1 + MOVES);
    for (uint64_t i = 0; i < values; i++) {
      const double level = size * (2 * sht_rng_unit(rng, (uint32_t)base, i, 0) - 1);
      const double everywhere = 40 * (sht_rng_unit(rng, (uint32_t)e, i, 1) - 0.5);
      const double one = i == sht_rng_below(rng, (uint32_t)e, 0, 2, (uint32_t)values) ? 300 : 0;
      const double change = move == 0 ? 0 : move <= 2 ? everywhere : move <= 4 ? one : level * 0.01;
      pixels[e * values + i] = (int16_t)lrint(level + change);
    }
  }
}

static double distance(const float *a, const float *b, uint64_t count) {
  double squares = 0;
  for (uint64_t i = 0; i < count; i++) {
    const double d = (double)a[i] - b[i];
    squares += d * d;
  }
  return sqrt(squares);
}

// The largest move of the logits for a move of the image by 1.
static double largest_ratio(const sht_graph *graph, const float *parameters, const float *statistics, double size) {
  const uint64_t values = volume(graph->input), classes = graph->classes;
  float *logits = take_floats(IMAGES * classes), *images = take_floats(IMAGES * values);
  int16_t *pixels = NULL;
  uint16_t labels[IMAGES] = {0};
  double largest = 0;
  assert_int_equal(SHT_ALLOC(&pixels, IMAGES * values, "images", NULL), SHT_OK);
  draw_images(graph, size, pixels);
  const sht_split split = {.count = IMAGES,
                           .height = graph->input.height,
                           .width = graph->input.width,
                           .channels = graph->input.channels,
                           .type = SHT_PIXEL_I16,
                           .pixels = pixels,
                           .labels = labels,
                           .true_labels = labels};
  const sht_pipeline pipeline = {.split = &split, .height = split.height, .width = split.width};
  answer(graph, parameters, statistics, &pipeline, logits);
  for (uint32_t e = 0; e < IMAGES; e++) {
    uint16_t unused = 0;
    sht_pipeline_fill(&pipeline, 0, &e, 1, images + e * values, &unused);
    const uint64_t base = e / (1 + MOVES) * (1 + MOVES);
    const double moved = distance(images + e * values, images + base * values, values);
    if (moved > 0) {
      largest = fmax(largest, distance(logits + e * classes, logits + base * classes, classes) / moved);
    }
  }
  sht_free(logits);
  sht_free(images);
  sht_free(pixels);
  return largest;
}

// size: of the images, in 1/64 grey levels; factor: on all weights.
static void check_network(const sht_graph *graph, double size, float factor) {
  float *parameters = take_floats(graph->parameter_count), *statistics = take_floats(graph->statistic_count);
  graph_fill_parameters(graph, 2, parameters);
  fill_statistics(graph, statistics);
  for (uint64_t i = 0; i < graph->parameter_count; i++) {
    parameters[i] *= factor;
  }
  const double bound = network_bound(graph, parameters, statistics);
  const double found = largest_ratio(graph, parameters, statistics, size);
  print_message("%s: logits move by %.3g, at most %.3g\n", graph->name, found, bound);
  assert_true(isfinite(bound) && found > 0 && found <= bound);
  sht_free(parameters);
  sht_free(statistics);
}

static void check_model(const char *name, const char *text, double size, float factor) {
  const sht_graph_options options = {.input = {3, 12, 12}, .classes = 10, .text = text};
  sht_graph *graph = NULL;
  sht_error error = {.message = ""};
  if (sht_graph_open(name, &options, &graph, &error) != SHT_OK) {
    fail_msg("%s", error.message);
  }
  check_network(graph, size, factor);
  sht_graph_close(graph);
}

static void networks_move_no_further(void **state) {
  (void)state;
  // Pre-activation: a normalisation without a layer of its own before it, and a sum that is read twice.
  static const char residual[] =
      "name: residual\n"
      "layers:\n"
      "  - conv: {filters: 4, kernel: 3, bias: false}\n"
      "  - batchnorm: {name: before, scale: true}\n"
      "  - relu: {name: opened}\n"
      "  - conv: {name: narrow, filters: 6, kernel: 3, stride: 2, bias: false}\n"
      "  - batchnorm: {scale: true}\n"
      "  - relu\n"
      "  - conv: {name: wide, filters: 6, kernel: 3}\n"
      "  - conv: {name: shortcut, from: opened, filters: 6, kernel: 1, stride: 2}\n"
      "  - add: {name: sum, from: [wide, shortcut]}\n"
      "  - batchnorm: {name: after}\n"
      "  - relu\n"
      "  - conv: {name: last, filters: 6, kernel: 3}\n"
      "  - add: {from: [last, sum]}\n"
      "  - avgpool: {kernel: 3, stride: 2}\n"
      "  - dropout: {probability: 0.5}\n"
      "  - linear: {units: classes}\n";
  check_model("inception-small", NULL, 16000, 1);
  check_model("residual.yaml", residual, 16000, 1);
  check_model("alexnet", NULL, 16000, 1);
  check_model("alexnet", NULL, 16000, 100);  // large values: local response normalisation bends
}

// Ends a graph with a dense layer that hands on what it is given, and returns its weights.
static float *end_with_identity(graph_builder *b) {
  const uint32_t outputs = (uint32_t)volume(b->nodes[graph_last(b)].out);
  float *weights = take_floats((uint64_t)outputs * outputs);
  (void)graph_linear(b, graph_last(b), outputs, false);
  b->graph.classes = outputs;
  for (uint64_t i = 0; i < outputs; i++) {
    weights[i * outputs + i] = 1;
  }
  return weights;
}

// How near one layer's bound its worst move comes.
static double single_ratio(graph_builder *b, double size) {
  float *weights = end_with_identity(b);
  const sht_graph *graph = graph_finish(b);
  const double ratio = largest_ratio(graph, weights, NULL, size) / bound_of(graph, (double[]){0, 0, 1});
  sht_free(weights);
  return ratio;
}

static void single_layers_move_no_further(void **state) {
  (void)state;
  static const float biases[] = {1, 0.01F, 4}, alphas[] = {0.1F, 1, 100, 1e4F}, betas[] = {0.25F, 0.75F, 1, 3};
  double nearest = 0;
  graph_builder b;
  for (int i = 0; i < 3 * 4 * 4; i++) {
    graph_start(&b, "lrn", (sht_shape){5, 2, 2}, 2);
    (void)graph_lrn(&b, 0, (uint32_t)(i % 3), biases[i / 16], alphas[i / 4 % 4], betas[i % 4]);
    const double ratio = single_ratio(&b, 20000);
    assert_true(ratio <= 1);
    nearest = fmax(nearest, ratio);
  }
  print_message("local response normalisation: %.2g of its bound\n", nearest);
  assert_true(nearest > 0.3);
}

// A pixel that is the largest of all its windows moves each of them.
static void a_pixel_moves_all_its_windows(void **state) {
  (void)state;
  static const struct {
    uint32_t side, at;
    window window;
    double wanted;
  } cases[] = {{8, 2, {3, 2, 0, 1}, 2}, {8, 3, {3, 1, 1, 1}, 3}, {8, 3, {2, 2, 0, 0}, 1},
               {9, 4, {5, 2, 2, 2}, 3}, {9, 4, {1, 2, 0, 0}, 1}, {2, 1, {3, 1, 1, 1}, 2}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    graph_builder b;
    const uint32_t side = cases[c].side;
    uint8_t pixels[2 * 81] = {0};
    uint16_t labels[2] = {0};
    float logits[2 * 81];
    graph_start(&b, "largest", (sht_shape){1, side, side}, 2);
    (void)graph_maxpool(&b, 0, cases[c].window);
    const uint64_t outputs = volume(b.nodes[1].out);
    float *weights = end_with_identity(&b);
    const sht_graph *graph = graph_finish(&b);
    pixels[(uint64_t)side * side + (uint64_t)cases[c].at * side + cases[c].at] = 255;
    const sht_split split = {2, side, side, 1, SHT_PIXEL_U8, pixels, labels, labels};
    answer(graph, weights, NULL, &(sht_pipeline){.split = &split, .height = side, .width = side}, logits);
    const double moved = distance(logits, logits + outputs, outputs);
    assert_true(is_near(moved, cases[c].wanted, 1e-6));
    assert_true(is_near(bound_of(graph, (double[]){0, 0, 1}), cases[c].wanted, 1e-12));
    sht_free(weights);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(normalisation_is_taken_in),
      cmocka_unit_test(normalisation_of_what_others_read_stands_alone),
      cmocka_unit_test(path_norm_is_the_sum_over_paths),
      cmocka_unit_test(path_norm_of_a_maximum),
      cmocka_unit_test(bounds_of_chains_and_branches),
      cmocka_unit_test(bounds_of_means),
      cmocka_unit_test(networks_move_no_further),
      cmocka_unit_test(single_layers_move_no_further),
      cmocka_unit_test(a_pixel_moves_all_its_windows),
  };
  return cmocka_run_group_tests_name("measure: bounds", tests, NULL, NULL);
}
