// Models: the shipped ones (counts, shapes, operations), padding, and every way in which a file can be wrong.
#include "shatter/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// after the four headers that it needs
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/build.h"
#include "model/builtin.h"
#include "model/window.h"

static const sht_graph_options cifar = {.input = {3, 28, 28}, .classes = 10};

static sht_status read_graph(const char *text, sht_graph **out, sht_error *error) {
  return sht__graph_read("m.yaml", "m", text, strlen(text), &cifar, out, error);
}

static sht_graph *must_open(const char *spec) {
  sht_graph *graph = NULL;
  sht_error error = {0};
  if (sht_graph_open(spec, &cifar, &graph, &error) != SHT_OK) {
    fail_msg("%s", error.message);
  }
  return graph;
}

static sht_graph *must_read(const char *text) {
  sht_graph *graph = NULL;
  sht_error error = {0};
  if (read_graph(text, &graph, &error) != SHT_OK) {
    fail_msg("%s", error.message);
  }
  return graph;
}

static const sht_node *find_node(const sht_graph *graph, const char *name) {
  for (int i = 0; i < graph->node_count; i++) {
    if (strcmp(graph->nodes[i].name, name) == 0) {
      return &graph->nodes[i];
    }
  }
  fail_msg("no layer \"%s\" in %s", name, graph->name);
  return NULL;
}

static void assert_shape(const sht_graph *graph, const char *name, uint32_t channels, uint32_t side) {
  const sht_node *node = find_node(graph, name);
  if (node->out.channels != channels || node->out.height != side || node->out.width != side) {
    fail_msg("%s: %ux%ux%u", name, node->out.channels, node->out.height, node->out.width);
  }
}

// Counts: the paper's appendix A. Multiply-adds: of the layers' shapes by hand (MLPs: 2352*512 + 512*10 and so on).
static void counts_are_exact(void **state) {
  (void)state;
  static const struct {
    const char *name;
    uint64_t parameters, statistics, macs, training_macs;
  } rows[] = {
      // 3 * forward - 28*28*96*27 for the Inceptions; S = 2 * 1712 channels
      {"inception", 1649402, 3424, 204219680, 3 * 204219680ULL - 2032128},
      {"inception-nobn", 1649402, 0, 204219680, 3 * 204219680ULL - 2032128},
      // 28*28*64*75 + 14*14*64*1600 + 3136*384 + 384*192 + 192*10
      {"alexnet", 1387786, 0, 3763200 + 20070400 + 1204224 + 73728 + 1920, 2 * 3763200 + 3 * 21350272},
      {"mlp-3x512", 1735178, 0, 1204224 + 2 * 262144 + 5120, 2 * 1204224 + 3 * (2 * 262144 + 5120)},
      {"mlp-1x512", 1209866, 0, 1204224 + 5120, 2 * 1204224 + 3 * 5120},
      {"mlp-1x128", 302474, 0, 2352 * 128 + 1280, 2 * 2352 * 128 + 3 * 1280},
      // As PyTorch counts the public versions. Forward: stem; four convolutions at 28x28; in each later stage, at half
      // the side of the one before, half a convolution, three whole ones, and a projection of a ninth of a half. Sides
      // 28,
      // 14, 7 and 4. The images reach the stem alone.
      {"resnet18", 11173962, 2 * 4800, 456704000, 3 * 456704000ULL - 784 * 64 * 27},
      {"wrn-28-1", 369498, 2 * 912, 42085760, 3 * 42085760ULL - 784 * 16 * 27},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_graph *graph = must_open(rows[i].name);
    assert_string_equal(graph->name, rows[i].name);
    assert_true(graph->parameter_count == rows[i].parameters);
    assert_true(graph->statistic_count == rows[i].statistics);
    assert_true(graph->macs == rows[i].macs);
    assert_true(graph->training_macs == rows[i].training_macs);
    sht_graph_close(graph);
  }
}

// Dropout asked for: before linear layers that do not read the images; or in the layers that the file has.
static void dropout_is_put_before_linear_layers(void **state) {
  (void)state;
  static const struct {
    const char *name;
    int expected;
  } rows[] = {{"mlp-1x512", 1}, {"mlp-3x512", 3}, {"alexnet", 3}, {"inception", 1}, {"resnet18", 1}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_graph_options options = {.input = {3, 28, 28}, .classes = 10, .set_dropout = true, .dropout = 0.5};
    sht_graph *plain = must_open(rows[i].name);
    sht_graph *graph = NULL;
    assert_int_equal(sht_graph_open(rows[i].name, &options, &graph, NULL), SHT_OK);
    int found = 0;
    for (int n = 0; n < graph->node_count; n++) {
      const sht_node *node = &graph->nodes[n];
      const sht_node *source = &graph->nodes[node->inputs[0]];
      found += node->op == SHT_OP_DROPOUT && node->dropout == 0.5F;
      assert_true(node->op != SHT_OP_LINEAR || source->op == SHT_OP_INPUT || source->op == SHT_OP_DROPOUT);
      assert_true(n == 0 || memcmp(&source->out, &node->out, sizeof node->out) == 0 || node->op != SHT_OP_DROPOUT);
    }
    assert_int_equal(found, rows[i].expected);
    assert_int_equal(graph->node_count, plain->node_count + found);
    for (int t = 0; t < graph->parameter_tensors; t++) {
      assert_string_equal(graph->nodes[graph->parameters[t].node].name, plain->nodes[plain->parameters[t].node].name);
    }
    sht_graph_close(graph);
    options.dropout = 0;
    assert_int_equal(sht_graph_open(rows[i].name, &options, &graph, NULL), SHT_OK);
    assert_int_equal(graph->node_count, plain->node_count);
    sht_graph_close(graph);
    sht_graph_close(plain);
  }
}

// The default coefficient applies to what each model's source decays: all weights (Inception, MLPs), the two hidden
// dense layers alone (Alexnet), everything (residual networks).
static void weight_decay_applies_where_the_source_has_it(void **state) {
  (void)state;
  static const struct {
    const char *name;
    uint64_t decayed;
  } rows[] = {
      {"inception", 1649402 - 1712 - 10},
      {"inception-nobn", 1649402 - 1712 - 10},
      {"alexnet", 3136 * 384 + 384 * 192},
      {"mlp-3x512", 2352 * 512 + 2 * 512 * 512 + 5120},
      {"mlp-1x512", 2352 * 512 + 5120},
      {"resnet18", 11173962},
      {"wrn-28-1", 369498},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_graph *graph = must_open(rows[i].name);
    uint64_t decayed = 0;
    for (int t = 0; t < graph->parameter_tensors; t++) {
      decayed += graph->parameters[t].weight_decay ? graph->parameters[t].count : 0;
    }
    assert_true(decayed == rows[i].decayed);
    sht_graph_close(graph);
  }
}

static void parameters_tile_the_vector(void **state) {
  (void)state;
  for (const char *const *name = sht_model_names(); *name != NULL; name++) {
    sht_graph *graph = must_open(*name);
    uint64_t end = 0;
    for (int i = 0; i < graph->parameter_tensors; i++) {
      const sht_parameter *p = &graph->parameters[i];
      uint64_t count = 1;
      for (int j = 0; j < p->rank; j++) {
        count *= p->dims[j];
      }
      assert_true(p->offset == end && p->count == count);
      assert_true(graph->nodes[p->node].weight == i || graph->nodes[p->node].bias == i);
      end += p->count;
    }
    assert_true(end == graph->parameter_count);
    for (int i = 1; i < graph->node_count; i++) {
      for (int j = 0; j < graph->nodes[i].input_count; j++) {
        assert_true(graph->nodes[i].inputs[j] >= 0 && graph->nodes[i].inputs[j] < i);
      }
    }
    sht_graph_close(graph);
  }
}

static void assert_module(const sht_graph *graph, const char *module, bool normalised, uint32_t channels,
                          uint32_t side) {
  char name[SHT_NAME_MAX];
  static const char *const parts[] = {"conv", "relu", "batchnorm"};
  for (int i = 0; i < (normalised ? 3 : 2); i++) {
    (void)snprintf(name, sizeof name, "%.40s/%s", module, parts[i]);
    assert_shape(graph, name, channels, side);
  }
}

// The plan of facts.md's table: (narrow, wide) of an inception, (filters, 0) of a downsample, which keeps the channels
// of its input beside its own.
static void inceptions_have_their_shapes(void **state) {
  (void)state;
  static const uint32_t plan[][2] = {{32, 32}, {32, 48}, {80, 0}, {112, 48},  {96, 64},
                                     {80, 80}, {48, 96}, {96, 0}, {176, 160}, {176, 160}};
  static const char *const models[] = {"inception", "inception-nobn"};
  for (int m = 0; m < 2; m++) {
    sht_graph *graph = must_open(models[m]);
    bool normalised = m == 0;
    uint32_t channels = 96;
    uint32_t side = 28;
    int inceptions = 0;
    int downsamples = 0;
    char name[SHT_NAME_MAX];
    assert_module(graph, "module", normalised, 96, 28);
    for (size_t i = 0; i < sizeof plan / sizeof plan[0]; i++) {
      bool is_inception = plan[i][1] != 0;
      const char *block = is_inception ? "inception" : "downsample";
      int number = is_inception ? ++inceptions : ++downsamples;
      side = is_inception ? side : side / 2;
      (void)snprintf(name, sizeof name, "%s%d/%s", block, number, is_inception ? "narrow" : "strided");
      assert_module(graph, name, normalised, plan[i][0], side);
      (void)snprintf(name, sizeof name, "%s%d/%s", block, number, is_inception ? "wide" : "pool");
      if (is_inception) {
        assert_module(graph, name, normalised, plan[i][1], side);
      } else {
        assert_shape(graph, name, channels, side);
      }
      channels = plan[i][0] + (is_inception ? plan[i][1] : channels);
      (void)snprintf(name, sizeof name, "%s%d/concat", block, number);
      assert_shape(graph, name, channels, side);
    }
    assert_shape(graph, "avgpool", 336, 1);
    assert_shape(graph, "linear", 10, 1);
    assert_int_equal(graph->node_count, 1 + (normalised ? 3 : 2) * 19 + 10 + 2 + 2);
    assert_true(graph->recipe.learning_rate == 0.1 && graph->recipe.learning_rate_decay == 0.95);
    const sht_node *pool = find_node(graph, "downsample1/pool");
    assert_true(pool->pad_before == 0 && pool->pad_after == 1 && pool->stride == 2);
    sht_graph_close(graph);
  }
}

static void alexnet_and_mlps_have_their_shapes(void **state) {
  (void)state;
  static const struct {
    const char *model, *layer;
    uint32_t channels, side;
  } rows[] = {
      {"alexnet", "conv1", 64, 28},     {"alexnet", "relu1", 64, 28},     {"alexnet", "maxpool1", 64, 14},
      {"alexnet", "lrn1", 64, 14},      {"alexnet", "conv2", 64, 14},     {"alexnet", "relu2", 64, 14},
      {"alexnet", "maxpool2", 64, 7},   {"alexnet", "lrn2", 64, 7},       {"alexnet", "linear1", 384, 1},
      {"alexnet", "relu3", 384, 1},     {"alexnet", "linear2", 192, 1},   {"alexnet", "relu4", 192, 1},
      {"alexnet", "linear3", 10, 1},    {"mlp-3x512", "linear1", 512, 1}, {"mlp-3x512", "relu1", 512, 1},
      {"mlp-3x512", "linear2", 512, 1}, {"mlp-3x512", "relu2", 512, 1},   {"mlp-3x512", "linear3", 512, 1},
      {"mlp-3x512", "relu3", 512, 1},   {"mlp-3x512", "linear4", 10, 1},  {"mlp-1x512", "linear1", 512, 1},
      {"mlp-1x512", "relu", 512, 1},    {"mlp-1x512", "linear2", 10, 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_graph *graph = must_open(rows[i].model);
    assert_shape(graph, rows[i].layer, rows[i].channels, rows[i].side);
    sht_graph_close(graph);
  }
}

// The tutorial's decay is on the hidden dense layers alone; biases and shifts have none anywhere.
static void weight_decay_is_where_the_model_says(void **state) {
  (void)state;
  sht_graph *graph = must_open("alexnet");
  for (int i = 0; i < graph->parameter_tensors; i++) {
    const sht_parameter *p = &graph->parameters[i];
    bool expected = strcmp(p->name, "linear1.weight") == 0 || strcmp(p->name, "linear2.weight") == 0;
    assert_int_equal(p->weight_decay, expected);
  }
  assert_true(graph->recipe.weight_decay == 0.004);
  sht_graph_close(graph);
  graph = must_open("inception");
  for (int i = 0; i < graph->parameter_tensors; i++) {
    assert_int_equal(graph->parameters[i].weight_decay, graph->parameters[i].rank > 1);
  }
  sht_graph_close(graph);
}

// TensorFlow's documented rule; the first row is the one that a padding of 1 gets wrong.
static void padding_is_tensorflows(void **state) {
  (void)state;
  static const struct {
    uint32_t n, kernel, stride;
    sht__padding_kind padding;
    uint32_t fixed, positions, before, after;
  } rows[] = {
      {28, 3, 2, SHT__PADDING_SAME, 0, 14, 0, 1},    {14, 3, 2, SHT__PADDING_SAME, 0, 7, 0, 1},
      {7, 3, 2, SHT__PADDING_SAME, 0, 4, 1, 1},      {28, 5, 1, SHT__PADDING_SAME, 0, 28, 2, 2},
      {28, 1, 2, SHT__PADDING_SAME, 0, 14, 0, 0},    {224, 7, 2, SHT__PADDING_SAME, 0, 112, 2, 3},
      {5, 2, 1, SHT__PADDING_SAME, 0, 5, 0, 1},      {10, 2, 3, SHT__PADDING_SAME, 0, 4, 0, 1},
      {9, 2, 5, SHT__PADDING_SAME, 0, 2, 0, 0},      {1, 7, 1, SHT__PADDING_SAME, 0, 1, 3, 3},
      {299, 3, 2, SHT__PADDING_VALID, 0, 149, 0, 0}, {7, 7, 7, SHT__PADDING_VALID, 0, 1, 0, 0},
      {28, 3, 2, SHT__PADDING_FIXED, 1, 14, 1, 1},   {29, 3, 2, SHT__PADDING_FIXED, 1, 15, 1, 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht__window window = {rows[i].kernel, rows[i].stride, rows[i].padding, rows[i].fixed};
    uint32_t positions = 0;
    uint32_t before = 0;
    uint32_t after = 0;
    assert_true(sht__window_place(&window, rows[i].n, &positions, &before, &after));
    assert_int_equal(positions, rows[i].positions);
    assert_int_equal(before, rows[i].before);
    assert_int_equal(after, rows[i].after);
  }
  sht__window wide = {8, 1, SHT__PADDING_VALID, 0};
  uint32_t out[3];
  assert_false(sht__window_place(&wide, 7, &out[0], &out[1], &out[2]));
}

// A layer needs its input's gradient only when something that learns lies before it: both branches here see the images.
static void operations_of_branches(void **state) {
  (void)state;
  sht_graph *graph = must_read(
      "layers:\n"
      "  - conv: {name: a, filters: 4, kernel: 1}\n"
      "  - conv: {name: b, from: input, filters: 4, kernel: 1}\n"
      "  - add: {from: [a, b]}\n"
      "  - avgpool: {global: true}\n"
      "  - linear: {units: classes}\n");
  uint64_t branch = 28 * 28 * 4 * 3;
  assert_true(graph->macs == 2 * branch + 40);
  assert_true(graph->training_macs == 4 * branch + 3 * 40);
  sht_graph_close(graph);
}

// The ```yaml blocks of the manual are complete models, and ResNet-20 has its published count (He et al. 2016, with
// projections on the two shortcuts that change size).
static void models_of_the_manual_open(void **state) {
  (void)state;
  const char *source = getenv("SHATTER_SOURCE");
  char path[1024];
  char *text = NULL;
  uint64_t size = 0;
  (void)snprintf(path, sizeof path, "%s/docs/models.md", source == NULL ? "." : source);
  if (sht_file_read(path, 1 << 20, &text, &size, NULL) != SHT_OK) {
    print_message("SKIP: %s cannot be read; set SHATTER_SOURCE\n", path);
    skip();
  }
  static const char opening[] = "```yaml\n";
  int found = 0;
  for (char *at = text; (at = strstr(at, opening)) != NULL; found++) {
    at += sizeof opening - 1;
    char *end = strstr(at, "\n```");
    assert_non_null(end);
    end[1] = '\0';
    sht_graph *graph = must_read(at);
    if (strcmp(graph->name, "resnet-20") == 0) {
      assert_true(graph->parameter_count == 272474);
      assert_shape(graph, "half1/shortcut/conv", 32, 14);
      assert_shape(graph, "half2/out", 64, 7);
      assert_int_equal(find_node(graph, "same1/add")->input_count, 2);
    }
    sht_graph_close(graph);
    at = end + 2;
  }
  assert_int_equal(found, 2);
  sht_free(text);
}

static void models_are_found(void **state) {
  (void)state;
  sht_graph *graph = NULL;
  sht_error error = {0};
  assert_int_equal(sht_graph_open("incepton", &cifar, &graph, &error), SHT_MISSING);
  assert_non_null(strstr(error.message, "did you mean \"inception\"?"));
  assert_non_null(strstr(error.message, "alexnet, inception"));
  assert_int_equal(sht_graph_open("no/such.yaml", &cifar, &graph, &error), SHT_MISSING);
  assert_non_null(strstr(error.message, "no/such.yaml"));
  assert_int_equal(sht_graph_open("/", &cifar, &graph, &error), SHT_MISSING);
  assert_null(graph);
  const char *source = getenv("SHATTER_SOURCE");
  if (source != NULL) {
    char folder[1024];
    char path[1100];
    (void)snprintf(folder, sizeof folder, "%s/models", source);
    (void)snprintf(path, sizeof path, "%s/alexnet.yaml", folder);
    sht_graph *by_path = must_open(path);
    sht_graph_options options = cifar;
    options.models_dir = folder;
    assert_int_equal(sht_graph_open("alexnet", &options, &graph, &error), SHT_OK);
    assert_string_equal(graph->text, by_path->text);
    sht_graph_close(graph);
    graph = must_open("alexnet");
    assert_string_equal(graph->text, by_path->text);
    sht_graph_close(graph);
    sht_graph_close(by_path);
  }
}

static void data_must_be_sensible(void **state) {
  (void)state;
  static const sht_graph_options bad[] = {
      {.input = {0, 28, 28}, .classes = 10},
      {.input = {3, 28, 28}, .classes = 0},
      {.input = {3, 65536, 65536}, .classes = 10},
      {.input = {3, 28, 28}, .classes = 65536},
      {.input = {4294967295, 4294967295, 4294967295}, .classes = 10},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    sht_graph *graph = NULL;
    sht_error error = {0};
    assert_int_equal(sht_graph_open("mlp-1x128", &bad[i], &graph, &error), SHT_CONFIG);
    assert_non_null(strstr(error.message, "cannot be an input"));
  }
}

// A shipped model cut at any byte is a model or a sentence, never a crash (the sanitizers watch).
static void truncated_models_do_not_crash(void **state) {
  (void)state;
  for (const sht__builtin_model *model = sht__builtin_models; model->name != NULL; model++) {
    size_t size = strlen(model->text);
    for (size_t length = 0; length < size; length++) {
      sht_graph *graph = NULL;
      sht_error error = {0};
      sht_status status = sht__graph_read("cut.yaml", "cut", model->text, length, &cifar, &graph, &error);
      assert_true(status == SHT_OK || (status == SHT_CONFIG && error.message[0] != '\0' && graph == NULL));
      sht_graph_close(graph);
    }
  }
}

// A file that states its input and its number of outputs needs no data to be looked at.
static void a_file_can_say_what_it_is_for(void **state) {
  (void)state;
  static const char text[] =
      "input: {channels: 5, height: 2, width: 1}\nlayers: [{linear: {units: 3}}, relu, {linear: {units: 1}}]\n";
  sht_graph_options options = cifar;
  sht_graph *graph = NULL;
  sht_error error = {0};
  assert_int_equal(read_graph(text, &graph, &error), SHT_CONFIG);
  options.own_input = options.own_classes = true;
  assert_int_equal(sht__graph_read("m.yaml", "m", text, strlen(text), &options, &graph, &error), SHT_OK);
  assert_int_equal(graph->input.channels, 5);
  assert_int_equal(graph->input.height, 2);
  assert_int_equal(graph->classes, 1);
  assert_int_equal(graph->parameter_count, 10 * 3 + 3 + 3 + 1);
  sht_graph_close(graph);
  static const char huge[] = "input: {height: 2147483647}\nlayers: [{linear: {units: 1}}]\n";
  assert_int_equal(sht__graph_read("m.yaml", "m", huge, strlen(huge), &options, &graph, &error), SHT_CONFIG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_are_exact),
      cmocka_unit_test(dropout_is_put_before_linear_layers),
      cmocka_unit_test(weight_decay_applies_where_the_source_has_it),
      cmocka_unit_test(parameters_tile_the_vector),
      cmocka_unit_test(inceptions_have_their_shapes),
      cmocka_unit_test(alexnet_and_mlps_have_their_shapes),
      cmocka_unit_test(weight_decay_is_where_the_model_says),
      cmocka_unit_test(padding_is_tensorflows),
      cmocka_unit_test(operations_of_branches),
      cmocka_unit_test(models_of_the_manual_open),
      cmocka_unit_test(models_are_found),
      cmocka_unit_test(a_file_can_say_what_it_is_for),
      cmocka_unit_test(data_must_be_sensible),
      cmocka_unit_test(truncated_models_do_not_crash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
