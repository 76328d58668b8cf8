// One layer: its options, its shape, its parameters. See build.h; the options are described in docs/models.md.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/scalar.h"
#include "model/build.h"
#include "model/layer_weights.h"
#include "model/window.h"

struct sht__layer_kind {
  const char *name;
  sht_op op;
  int fewest, most;                  // inputs
  const char *const *keys;           // options, NULL-terminated
  void (*build)(sht__layer *layer);  // fills the node; leaves out.channels 0 at a fault
};

static bool read_float(sht__layer *layer, const char *key, double minimum, double maximum, float *out) {
  double value = *out;
  bool good = sht__layer_number(layer, key, minimum, maximum, &value);
  *out = (float)value;
  return good;
}

static bool read_padding(sht__layer *layer, sht__window *window) {
  const sht__yaml_node *value = sht__layer_option(layer, "padding");
  if (value == NULL || (value->kind == SHT__YAML_SCALAR && strcmp(value->text, "same") == 0)) {
    return true;
  }
  if (value->kind == SHT__YAML_SCALAR && strcmp(value->text, "valid") == 0) {
    window->padding = SHT__PADDING_VALID;
    return true;
  }
  uint64_t fixed = 0;
  char found[SHT__FAULT_TEXT / 2];
  if (value->kind != SHT__YAML_SCALAR || value->quoted || !sht__scalar_count(value->text, &fixed) ||
      fixed >= window->kernel) {
    SHT__LAYER_FAULT(layer, value, NULL,
                     "padding must be same, valid or a number of pixels below the kernel's %" PRIu32 ", not %s",
                     window->kernel, sht__yaml_describe(value, found, sizeof found));
    return false;
  }
  window->padding = SHT__PADDING_FIXED;
  window->fixed = (uint32_t)fixed;
  return true;
}

// Kernel, stride and padding. stride 0: the kernel's.
static bool read_window(sht__layer *layer, uint32_t stride, sht__window *window) {
  *window = (sht__window){.kernel = 1};
  bool good = sht__layer_needs(layer, "kernel", "kernel: 3") &&
              sht__layer_count(layer, "kernel", 1, SHT__WINDOW_MAX, &window->kernel);
  window->stride = stride == 0 ? window->kernel : stride;
  good = sht__layer_count(layer, "stride", 1, SHT__WINDOW_MAX, &window->stride) && good;
  return good && read_padding(layer, window);
}

static bool is_known(sht_shape shape) { return shape.channels != 0; }

// Sets kernel, stride, padding and the output's height and width from the input's. False at a fault.
static bool place_window(sht__layer *layer, const sht__window *window, sht_shape in) {
  sht_node *node = sht__layer_node(layer);
  uint32_t before = 0;
  uint32_t after = 0;
  if (!sht__window_place(window, in.height, &node->out.height, &node->pad_before, &node->pad_after) ||
      !sht__window_place(window, in.width, &node->out.width, &before, &after)) {
    SHT__LAYER_FAULT(layer, NULL, "use a smaller kernel or padding: same",
                     "a %" PRIu32 "x%" PRIu32 " window does not fit in its input of %" PRIu32 "x%" PRIu32,
                     window->kernel, window->kernel, in.height, in.width);
    return false;
  }
  if (before != node->pad_before || after != node->pad_after) {
    SHT__LAYER_FAULT(layer, NULL, "give padding as a number, or use square images",
                     "\"same\" padding differs between the height %" PRIu32 " and the width %" PRIu32, in.height,
                     in.width);
    return false;
  }
  node->kernel = window->kernel;
  node->stride = window->stride;
  return true;
}

static void build_conv(sht__layer *layer) {
  sht__window window;
  sht__weight_options options;
  uint32_t filters = 0;
  bool good = sht__layer_needs(layer, "filters", "filters: 64") &&
              sht__layer_count(layer, "filters", 1, SHT__WIDTH_MAX, &filters);
  good = read_window(layer, 1, &window) && good;
  good = sht__weights_read(layer, &options) && good;
  sht_shape in = sht__layer_input(layer, 0);
  if (!good || !is_known(in) || !place_window(layer, &window, in)) {
    return;
  }
  uint64_t area = (uint64_t)window.kernel * window.kernel;
  const uint32_t dims[4] = {filters, in.channels, window.kernel, window.kernel};
  if (sht__weights_add(layer, &options, 4, dims, area * in.channels, area * filters)) {
    sht__layer_node(layer)->out.channels = filters;
  }
}

// units: a number, or the word classes.
static bool read_units(sht__layer *layer, uint32_t *units) {
  if (!sht__layer_needs(layer, "units", "units: 512, or units: classes")) {
    return false;
  }
  const sht__yaml_node *value = sht__layer_option(layer, "units");
  if (value != NULL && value->kind == SHT__YAML_SCALAR && strcmp(value->text, "classes") == 0) {
    *units = layer->builder->graph->classes;
    return true;
  }
  return sht__layer_count(layer, "units", 1, SHT__WIDTH_MAX, units);
}

static void build_linear(sht__layer *layer) {
  sht__weight_options options;
  uint32_t units = 0;
  bool good = read_units(layer, &units);
  good = sht__weights_read(layer, &options) && good;
  sht_shape in = sht__layer_input(layer, 0);
  if (!good || !is_known(in)) {
    return;
  }
  const uint32_t dims[2] = {units, in.channels * in.height * in.width};
  if (sht__weights_add(layer, &options, 2, dims, dims[1], units)) {
    sht__layer_node(layer)->out = (sht_shape){units, 1, 1};
  }
}

// One value to `units` values: what a dense layer with fixed ones would do, without storing the ones.
static void build_shift(sht__layer *layer) {
  uint32_t units = 0;
  bool good = read_units(layer, &units);
  sht__init_rule init = {.kind = SHT_INIT_UNIFORM, .value = 1};
  const sht__yaml_node *given = sht__layer_option(layer, "init");
  good = (given == NULL || sht__init_read(given, layer->who, layer->builder->faults, &init)) && good;
  sht_shape in = sht__layer_input(layer, 0);
  if (!good || !is_known(in)) {
    return;
  }
  if (in.channels != 1 || in.height != 1 || in.width != 1) {
    char shape[SHT_NAME_MAX];
    SHT__LAYER_FAULT(layer, NULL, "put \"linear: {units: 1}\" before it",
                     "shift takes one value, not %s (channels x height x width)",
                     sht__shape_print(in, shape, sizeof shape));
    return;
  }
  int shift = sht__builder_add_parameter(layer, "shift", 1, &units);
  if (shift >= 0) {
    sht__init_apply(&init, 1, units, &layer->builder->graph->parameters[shift]);
    sht__layer_node(layer)->bias = shift;
    sht__layer_node(layer)->out = (sht_shape){units, 1, 1};
  }
}

static void build_batchnorm(sht__layer *layer) {
  sht_graph *graph = layer->builder->graph;
  sht_node *node = sht__layer_node(layer);
  sht_shape in = sht__layer_input(layer, 0);
  bool scale = false;
  sht__decay_scope decay = SHT__DECAY_NONE;
  node->epsilon = 0.001F;
  node->decay = 0.99F;
  bool good = sht__layer_bool(layer, "scale", &scale);
  good = read_float(layer, "epsilon", 1e-12, 1, &node->epsilon) && good;
  good = read_float(layer, "decay", 0, 0.999999, &node->decay) && good;
  good = sht__decay_read(layer, &decay) && good;
  if (!good || !is_known(in)) {
    return;
  }
  const sht__init_rule ones = {.kind = SHT_INIT_CONSTANT, .value = 1};
  const sht__init_rule zeros = {.kind = SHT_INIT_CONSTANT};
  int weight = scale ? sht__builder_add_parameter(layer, "scale", 1, &in.channels) : -1;
  int bias = sht__builder_add_parameter(layer, "shift", 1, &in.channels);
  if (bias < 0 || (scale && weight < 0)) {
    return;
  }
  if (scale) {
    sht__init_apply(&ones, 1, 1, &graph->parameters[weight]);
    graph->parameters[weight].weight_decay = decay != SHT__DECAY_NONE;
  }
  sht__init_apply(&zeros, 1, 1, &graph->parameters[bias]);
  graph->parameters[bias].weight_decay = decay == SHT__DECAY_ALL;
  node->weight = weight;
  node->bias = bias;
  node->statistics = (int64_t)graph->statistic_count;
  graph->statistic_count += 2 * (uint64_t)in.channels;
  node->out = in;
}

static void build_same_shape(sht__layer *layer) { sht__layer_node(layer)->out = sht__layer_input(layer, 0); }

static void build_pool(sht__layer *layer) {
  sht__window window;
  bool good = read_window(layer, 0, &window);
  sht_shape in = sht__layer_input(layer, 0);
  if (good && is_known(in) && place_window(layer, &window, in)) {
    sht__layer_node(layer)->out.channels = in.channels;
  }
}

static void build_global_pool(sht__layer *layer) {
  sht_shape in = sht__layer_input(layer, 0);
  sht_node *node = sht__layer_node(layer);
  for (const sht__yaml_node *child = layer->options->first; child != NULL; child = child->next) {
    if (strcmp(child->key, "kernel") == 0 || strcmp(child->key, "stride") == 0 || strcmp(child->key, "padding") == 0) {
      SHT__LAYER_FAULT(layer, child, "remove it, or remove global", "%s means nothing with global: true", child->key);
      return;
    }
  }
  if (!is_known(in)) {
    return;
  }
  if (in.height != in.width) {
    SHT__LAYER_FAULT(layer, NULL, "use square images", "global pooling needs a square input, not %" PRIu32 "x%" PRIu32,
                     in.height, in.width);
    return;
  }
  node->kernel = in.height;
  node->stride = in.height;
  node->out = (sht_shape){in.channels, 1, 1};
}

static void build_avgpool(sht__layer *layer) {
  bool global = false;
  if (!sht__layer_bool(layer, "global", &global)) {
    return;
  }
  if (global) {
    build_global_pool(layer);
  } else {
    build_pool(layer);
  }
}

static void build_lrn(sht__layer *layer) {
  sht_node *node = sht__layer_node(layer);
  node->lrn_radius = 4;
  node->lrn_bias = 1;
  node->lrn_alpha = (float)(0.001 / 9);
  node->lrn_beta = 0.75F;
  bool good = sht__layer_count(layer, "radius", 0, SHT__WINDOW_MAX, &node->lrn_radius);
  good = read_float(layer, "bias", 1e-6, 1e6, &node->lrn_bias) && good;
  good = read_float(layer, "alpha", 0, 1e6, &node->lrn_alpha) && good;
  good = read_float(layer, "beta", 0, 100, &node->lrn_beta) && good;
  if (good) {
    build_same_shape(layer);
  }
}

static void build_dropout(sht__layer *layer) {
  if (sht__layer_needs(layer, "probability", "probability: 0.5") &&
      read_float(layer, "probability", 0, 0.999999, &sht__layer_node(layer)->dropout)) {
    build_same_shape(layer);
  }
}

static void fail_shapes(sht__layer *layer, int i, const char *advice, const char *what) {
  const sht_graph *graph = layer->builder->graph;
  const sht_node *node = sht__layer_node(layer);
  char first[SHT_NAME_MAX];
  char other[SHT_NAME_MAX];
  SHT__LAYER_FAULT(
      layer, NULL, advice, "%s: \"%s\" gives %s and \"%s\" gives %s", what, graph->nodes[node->inputs[0]].name,
      sht__shape_print(sht__layer_input(layer, 0), first, sizeof first), graph->nodes[node->inputs[i]].name,
      sht__shape_print(sht__layer_input(layer, i), other, sizeof other));
}

static void build_add(sht__layer *layer) {
  sht_node *node = sht__layer_node(layer);
  sht_shape first = sht__layer_input(layer, 0);
  bool good = is_known(first);
  for (int i = 1; i < node->input_count; i++) {
    sht_shape other = sht__layer_input(layer, i);
    good = good && is_known(other);
    if (good && memcmp(&first, &other, sizeof first) != 0) {
      fail_shapes(layer, i, "project the shortcut: conv: {filters: C, kernel: 1, stride: S}",
                  "the inputs must have one shape (channels x height x width)");
      good = false;
    }
  }
  if (good) {
    node->out = first;
  }
}

static void build_concat(sht__layer *layer) {
  sht_node *node = sht__layer_node(layer);
  sht_shape joined = sht__layer_input(layer, 0);
  uint64_t channels = joined.channels;
  bool good = is_known(joined);
  for (int i = 1; i < node->input_count; i++) {
    sht_shape other = sht__layer_input(layer, i);
    good = good && is_known(other);
    if (good && (other.height != joined.height || other.width != joined.width)) {
      fail_shapes(layer, i, "give the branches the same strides and padding",
                  "the inputs must have one height and width (channels x height x width)");
      good = false;
    }
    channels += other.channels;
  }
  if (good) {
    joined.channels = channels > UINT32_MAX ? UINT32_MAX : (uint32_t)channels;  // too many: sht__layer_build says so
    node->out = joined;
  }
}

#define COMMON "name", "from"
static const char *const conv_keys[] = {COMMON, "filters", "kernel",    "stride",       "padding",
                                        "bias", "init",    "bias-init", "weight-decay", NULL};
static const char *const linear_keys[] = {COMMON, "units", "bias", "init", "bias-init", "weight-decay", NULL};
static const char *const shift_keys[] = {COMMON, "units", "init", NULL};
static const char *const batchnorm_keys[] = {COMMON, "scale", "epsilon", "decay", "weight-decay", NULL};
static const char *const plain_keys[] = {COMMON, NULL};
static const char *const maxpool_keys[] = {COMMON, "kernel", "stride", "padding", NULL};
static const char *const avgpool_keys[] = {COMMON, "kernel", "stride", "padding", "global", NULL};
static const char *const lrn_keys[] = {COMMON, "radius", "bias", "alpha", "beta", NULL};
static const char *const dropout_keys[] = {COMMON, "probability", NULL};

static const sht__layer_kind kinds[] = {
    {"conv", SHT_OP_CONV, 1, 1, conv_keys, build_conv},
    {"linear", SHT_OP_LINEAR, 1, 1, linear_keys, build_linear},
    {"batchnorm", SHT_OP_BATCHNORM, 1, 1, batchnorm_keys, build_batchnorm},
    {"relu", SHT_OP_RELU, 1, 1, plain_keys, build_same_shape},
    {"maxpool", SHT_OP_MAXPOOL, 1, 1, maxpool_keys, build_pool},
    {"avgpool", SHT_OP_AVGPOOL, 1, 1, avgpool_keys, build_avgpool},
    {"lrn", SHT_OP_LRN, 1, 1, lrn_keys, build_lrn},
    {"dropout", SHT_OP_DROPOUT, 1, 1, dropout_keys, build_dropout},
    {"add", SHT_OP_ADD, 2, SHT_NODE_INPUTS_MAX, plain_keys, build_add},
    {"concat", SHT_OP_CONCAT, 2, SHT_NODE_INPUTS_MAX, plain_keys, build_concat},
    {"shift", SHT_OP_SHIFT, 1, 1, shift_keys, build_shift},
};

static const char *const kind_names[] = {"conv", "linear",  "batchnorm", "relu",   "maxpool", "avgpool",
                                         "lrn",  "dropout", "add",       "concat", "shift",   NULL};

const char *const *sht__layer_kind_names(void) { return kind_names; }

const sht__layer_kind *sht__layer_kind_find(const char *name) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(kinds[i].name, name) == 0) {
      return &kinds[i];
    }
  }
  return NULL;
}

const char *sht_op_name(sht_op op) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (kinds[i].op == op) {
      return kinds[i].name;
    }
  }
  return "input";
}

void sht__layer_kind_arity(const sht__layer_kind *kind, int *fewest, int *most) {
  *fewest = kind->fewest;
  *most = kind->most;
}

void sht__layer_build(sht__layer *layer, const sht__layer_kind *kind) {
  sht__builder *builder = layer->builder;
  sht__layer_node(layer)->op = kind->op;
  if (layer->options != NULL) {
    (void)sht__yaml_check_keys(layer->options, layer->who, kind->keys, builder->faults);
  }
  kind->build(layer);
  sht_node *node = sht__layer_node(layer);
  uint64_t values = (uint64_t)node->out.channels * node->out.height * node->out.width;
  if (values > INT32_MAX) {
    SHT__LAYER_FAULT(layer, NULL, "use smaller images, strides or fewer filters",
                     "its output has %" PRIu64 " values for one example, more than %d", values, INT32_MAX);
    node->out.channels = 0;
  }
}
