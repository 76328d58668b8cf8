// The top level of a model file: name, input, recipe, init, blocks, layers. See build.h and docs/models.md.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/build.h"

// The options of a top-level mapping are read as if they were a layer's.
static sht__layer section(sht__builder *builder, const sht__yaml_node *map, const char *who) {
  sht__layer layer = {.builder = builder, .at = map->at, .options = map, .node = -1};
  (void)snprintf(layer.who, sizeof layer.who, "%s", who);
  return layer;
}

// The section of the root, or NULL when it is absent or not a mapping. Unknown keys in it are reported.
static const sht__yaml_node *find_section(sht__builder *builder, const sht__yaml_node *root, const char *key,
                                          const char *const *known) {
  const sht__yaml_node *map = sht__yaml_get(root, key);
  if (map != NULL && map->kind != SHT__YAML_MAP) {
    sht__fault(builder->faults, map->at, key, NULL, "must be a mapping of OPTION: VALUE");
    return NULL;
  }
  if (map != NULL) {
    (void)sht__yaml_check_keys(map, key, known, builder->faults);
  }
  return map;
}

static void read_recipe(sht__builder *builder, const sht__yaml_node *root) {
  static const char *const keys[] = {"learning-rate", "learning-rate-decay", "momentum", "weight-decay", NULL};
  sht_recipe *recipe = &builder->graph->recipe;
  *recipe = (sht_recipe){.learning_rate = 0.01, .learning_rate_decay = 0.95, .momentum = 0.9, .weight_decay = 5e-4};
  const sht__yaml_node *map = find_section(builder, root, "recipe", keys);
  if (map == NULL) {
    return;
  }
  sht__layer layer = section(builder, map, "recipe");
  (void)sht__layer_number(&layer, "learning-rate", 1e-12, 1000, &recipe->learning_rate);
  (void)sht__layer_number(&layer, "learning-rate-decay", 1e-6, 1, &recipe->learning_rate_decay);
  (void)sht__layer_number(&layer, "momentum", 0, 0.9999, &recipe->momentum);
  (void)sht__layer_number(&layer, "weight-decay", 0, 10, &recipe->weight_decay);
}

// Whether images of this shape can be addressed.
static bool is_input(sht_shape shape) {
  uint64_t values = 0;
  return sht_size_mul(shape.channels, shape.height, &values) && sht_size_mul(values, shape.width, &values) &&
         values > 0 && values <= INT32_MAX;
}

// What the file requires of the data's images, or, without data, says that they are.
static void check_input(sht__builder *builder, const sht__yaml_node *root) {
  static const char *const keys[] = {"channels", "height", "width", NULL};
  const sht__yaml_node *map = find_section(builder, root, "input", keys);
  if (map == NULL) {
    return;
  }
  sht_shape given = builder->graph->input;
  sht_shape wanted = given;
  sht__layer layer = section(builder, map, "input");
  bool good = sht__layer_count(&layer, "channels", 1, INT32_MAX, &wanted.channels);
  good = sht__layer_count(&layer, "height", 1, INT32_MAX, &wanted.height) && good;
  good = sht__layer_count(&layer, "width", 1, INT32_MAX, &wanted.width) && good;
  if (good && builder->own_input && is_input(wanted)) {
    builder->graph->input = wanted;
  } else if (good && memcmp(&wanted, &given, sizeof given) != 0) {
    char have[SHT_NAME_MAX];
    char want[SHT_NAME_MAX];
    SHT__LAYER_FAULT(&layer, NULL, "choose other data, or remove the requirement",
                     "the model wants images of %s (channels x height x width), the data's are %s",
                     sht__shape_print(wanted, want, sizeof want), sht__shape_print(given, have, sizeof have));
  }
}

static void read_name(sht__builder *builder, const sht__yaml_node *root) {
  const sht__yaml_node *name = sht__yaml_get(root, "name");
  if (name == NULL) {
    return;
  }
  char found[SHT__FAULT_TEXT / 2];
  if (name->kind != SHT__YAML_SCALAR || name->text[0] == '\0' || strlen(name->text) >= SHT_NAME_MAX) {
    sht__fault(builder->faults, name->at, "name", NULL, "must be a word of at most %d letters, not %s",
               SHT_NAME_MAX - 1, sht__yaml_describe(name, found, sizeof found));
    return;
  }
  (void)snprintf(builder->graph->name, SHT_NAME_MAX, "%s", name->text);
}

static void read_layers(sht__builder *builder, const sht__yaml_node *root) {
  const sht__yaml_node *layers = sht__yaml_get(root, "layers");
  if (layers == NULL || layers->kind != SHT__YAML_LIST || layers->count == 0) {
    sht__fault(builder->faults, layers == NULL ? root->at : layers->at, NULL,
               "write layers: and then one \"- LAYER\" per line", "a model needs a list of layers");
    return;
  }
  int input = sht__builder_add_node(builder, "input", layers->at);
  if (input < 0) {
    return;
  }
  builder->graph->nodes[input].out = builder->graph->input;
  (void)sht__list_build(builder, layers, input, "", NULL, NULL, 0);
  if (builder->status == SHT_OK && builder->faults->count == 0) {
    sht__graph_check(builder);
  }
}

static void read_document(sht__builder *builder, const sht__yaml_node *root) {
  static const char *const keys[] = {"name", "input", "recipe", "init", "blocks", "layers", NULL};
  if (root->kind != SHT__YAML_MAP) {
    sht__fault(builder->faults, root->at, NULL, "write layers: and then one \"- LAYER\" per line",
               "a model file is a mapping with a list of layers");
    return;
  }
  (void)sht__yaml_check_keys(root, NULL, keys, builder->faults);
  read_name(builder, root);
  check_input(builder, root);
  read_recipe(builder, root);
  const sht__yaml_node *init = sht__yaml_get(root, "init");
  builder->init = (sht__init_rule){.kind = SHT_INIT_NORMAL, .value = 1, .numerator = 2};  // he-normal
  if (init != NULL) {
    (void)sht__init_read(init, "init", builder->faults, &builder->init);
  }
  builder->blocks = sht__yaml_get(root, "blocks");
  if (builder->blocks != NULL) {
    sht__blocks_check(builder);
  }
  read_layers(builder, root);
}

static sht_status check_data(const char *path, const sht_graph_options *options, sht_error *error) {
  if (!is_input(options->input) || options->classes == 0 || options->classes > UINT16_MAX) {
    char shape[SHT_NAME_MAX];
    return SHT_FAIL(error, SHT_CONFIG,
                    "%s: images of %s (channels x height x width) and %" PRIu32
                    " classes cannot be an input; expected sizes from 1, at most %d values and %d classes",
                    path, sht__shape_print(options->input, shape, sizeof shape), options->classes, INT32_MAX,
                    UINT16_MAX);
  }
  return SHT_OK;
}

// Opens the text and reads it, or a part of it, into builder->graph.
static sht_status read_text(sht__builder *builder, const char *text, uint64_t size,
                            void (*read)(sht__builder *builder, const sht__yaml_node *root)) {
  sht__yaml *yaml = NULL;
  const sht__yaml_node *root = NULL;
  sht_status status = sht__yaml_open(text, size, builder->faults, &yaml, &root, builder->error);
  if (status == SHT_OK && root != NULL) {
    read(builder, root);
    status = builder->status;
  }
  sht__yaml_close(yaml);
  return status == SHT_OK ? sht__faults_end(builder->faults, SHT_CONFIG, builder->error) : status;
}

sht_status sht__recipe_read(const char *path, const char *text, uint64_t size, sht_recipe *out, sht_error *error) {
  sht_graph graph = {.node_count = 0};
  sht__faults faults;
  sht__faults_start(&faults, path, text);
  sht__builder builder = {.graph = &graph, .faults = &faults, .error = error};
  SHT_TRY(read_text(&builder, text, size, read_recipe));
  *out = graph.recipe;
  return SHT_OK;
}

bool sht__name_read(const char *text, char out[SHT_NAME_MAX]) {
  sht_graph graph = {.node_count = 0};
  sht__faults faults;
  sht__faults_start(&faults, "model", text);
  sht__builder builder = {.graph = &graph, .faults = &faults};
  if (read_text(&builder, text, strlen(text), read_name) != SHT_OK || graph.name[0] == '\0') {
    return false;
  }
  memcpy(out, graph.name, SHT_NAME_MAX);
  return true;
}

sht_status sht__graph_read(const char *path, const char *name, const char *text, uint64_t size,
                           const sht_graph_options *options, sht_graph **out, sht_error *error) {
  *out = NULL;
  SHT_TRY(check_data(path, options, error));
  sht_graph *graph = NULL;
  SHT_TRY(SHT_ALLOC(&graph, 1, "model", error));
  sht_status status = SHT_ALLOC(&graph->text, size + 1, "model", error);
  if (status == SHT_OK) {
    memcpy(graph->text, text, size);
    graph->input = options->input;
    graph->classes = options->classes;
    (void)snprintf(graph->name, sizeof graph->name, "%s", name);
    sht__faults faults;
    sht__faults_start(&faults, path, graph->text);
    sht__builder builder = {.graph = graph,
                            .faults = &faults,
                            .error = error,
                            .own_input = options->own_input,
                            .own_classes = options->own_classes};
    status = read_text(&builder, graph->text, size, read_document);
    sht_free(builder.places);
  }
  if (status == SHT_OK && options->set_dropout) {
    status = sht__graph_set_dropout(graph, options->dropout, error);
  }
  if (status != SHT_OK) {
    sht_graph_close(graph);
    return status;
  }
  *out = graph;
  return SHT_OK;
}
