// Blocks: lists of layers with parameters, defined once and used many times. See build.h.
#include <stdio.h>
#include <string.h>

#include "model/build.h"

enum { NAME_SHOWN = 40 };

static bool is_required(const sht__yaml_node *value) {
  return value->kind == SHT__YAML_SCALAR && !value->quoted && strcmp(value->text, "required") == 0;
}

static bool are_parameters(const sht__yaml_node *node) {
  return node->kind == SHT__YAML_MAP && node->count <= SHT__BLOCK_VALUES_MAX;
}

// The first parameter, or NULL.
static const sht__yaml_node *parameters_of(const sht__yaml_node *block) {
  const sht__yaml_node *parameters = sht__yaml_get(block, "parameters");
  return parameters != NULL && are_parameters(parameters) ? parameters->first : NULL;
}

static void check_parameters(const sht__yaml_node *parameters, const char *who, sht__faults *faults) {
  if (!are_parameters(parameters)) {
    sht__fault(faults, parameters->at, who, "write parameters: {filters: required, stride: 1}",
               "parameters must be a mapping of at most %d names to defaults", SHT__BLOCK_VALUES_MAX);
    return;
  }
  for (const sht__yaml_node *p = parameters->first; p != NULL; p = p->next) {
    if (strcmp(p->key, "name") == 0 || strcmp(p->key, "from") == 0) {
      sht__fault(faults, p->key_at, who, "choose another name", "every layer has \"%s\" already", p->key);
    }
    if (p->kind != SHT__YAML_SCALAR || p->text[0] == '\0' || p->text[0] == '$') {
      sht__fault(faults, p->at, who, "write required when there is none",
                 "the default of \"%.*s\" must be a plain value", NAME_SHOWN, p->key);
    }
  }
}

static void check_definition(const sht__yaml_node *block, sht__faults *faults) {
  static const char *const keys[] = {"parameters", "layers", NULL};
  char who[SHT__WHO_SIZE];
  (void)snprintf(who, sizeof who, "block \"%.*s\"", NAME_SHOWN, block->key);
  if (sht__layer_kind_find(block->key) != NULL) {
    sht__fault(faults, block->key_at, who, "choose another name", "a kind of layer is called so");
  }
  if (!sht__name_is_good(block->key, SHT__BLOCK_NAME_MAX)) {
    sht__fault(faults, block->key_at, who, NULL, "a block's name has letters, digits, _ and -, at most %d of them",
               SHT__BLOCK_NAME_MAX);
  }
  if (block->kind != SHT__YAML_MAP) {
    sht__fault(faults, block->at, who, NULL, "a block is a mapping with layers and parameters");
    return;
  }
  sht__yaml_check_keys(block, who, keys, faults);
  const sht__yaml_node *parameters = sht__yaml_get(block, "parameters");
  if (parameters != NULL) {
    check_parameters(parameters, who, faults);
  }
  const sht__yaml_node *layers = sht__yaml_get(block, "layers");
  if (layers == NULL || layers->kind != SHT__YAML_LIST || layers->count == 0) {
    sht__fault(faults, layers == NULL ? block->at : layers->at, who, "write layers: and then one \"- LAYER\" per line",
               "needs a list of layers");
  }
}

void sht__blocks_check(sht__builder *builder) {
  const sht__yaml_node *blocks = builder->blocks;
  if (blocks->kind != SHT__YAML_MAP || blocks->count > SHT__BLOCKS_MAX) {
    sht__fault(builder->faults, blocks->at, NULL, "write NAME: {parameters: ..., layers: ...}",
               "blocks must be a mapping of at most %d names to definitions", SHT__BLOCKS_MAX);
    builder->blocks = NULL;
    return;
  }
  for (const sht__yaml_node *block = blocks->first; block != NULL; block = block->next) {
    check_definition(block, builder->faults);
  }
}

const sht__yaml_node *sht__block_find(sht__builder *builder, const char *name, const sht__yaml_node *user,
                                      bool *known) {
  const sht__yaml_node *block = builder->blocks == NULL ? NULL : builder->blocks->first;
  bool below = false;
  *known = false;
  for (int i = 0; block != NULL; block = block->next, i++) {
    below = below || block == user;
    if (strcmp(block->key, name) == 0) {
      *known = true;
      builder->blocks_used |= below ? 0 : 1ULL << i;
      return below ? NULL : block;
    }
  }
  return NULL;
}

static bool check_keys(sht__layer *layer, const sht__values *values) {
  const char *keys[SHT__BLOCK_VALUES_MAX + 3] = {"name", "from"};
  for (int i = 0; i < values->count; i++) {
    keys[i + 2] = values->rows[i].name;
  }
  return layer->options == NULL || sht__yaml_check_keys(layer->options, layer->who, keys, layer->builder->faults);
}

// The value of parameter `p` at this use of the block, or NULL at a fault.
static const sht__yaml_node *find_value(sht__layer *layer, const sht__yaml_node *p) {
  if (layer->options != NULL && sht__yaml_get(layer->options, p->key) != NULL) {
    return sht__layer_option(layer, p->key);
  }
  if (is_required(p)) {
    SHT__LAYER_FAULT(layer, NULL, "the block's definition has no default for it", "needs \"%.*s\"", NAME_SHOWN, p->key);
    return NULL;
  }
  return p;
}

// The values of the block's parameters at this use. False at a fault.
static bool bind_values(sht__layer *layer, const sht__yaml_node *block, sht__values *values) {
  *values = (sht__values){0};
  for (const sht__yaml_node *p = parameters_of(block); p != NULL; p = p->next) {
    values->rows[values->count++].name = p->key;
  }
  bool good = check_keys(layer, values);
  const sht__yaml_node *p = parameters_of(block);
  for (int i = 0; good && i < values->count; i++, p = p->next) {
    values->rows[i].value = find_value(layer, p);
    good = values->rows[i].value != NULL;
  }
  return good;
}

// Only when the file has no fault so far: after one, an option may have gone unread.
static void check_used(sht__layer *layer, const sht__yaml_node *block, const sht__values *values) {
  const sht__yaml_node *p = parameters_of(block);
  for (int i = 0; i < values->count; i++, p = p->next) {
    if (!values->rows[i].used) {
      sht__fault(layer->builder->faults, p->key_at, NULL, "remove it, or use it as $NAME",
                 "the parameter \"%.*s\" of the block \"%.*s\" is never used", NAME_SHOWN, p->key, NAME_SHOWN,
                 block->key);
    }
  }
}

int sht__block_build(sht__layer *layer, const sht__yaml_node *block, int input, const char *prefix, int depth) {
  if (depth > SHT__BLOCK_DEPTH_MAX) {
    SHT__LAYER_FAULT(layer, NULL, "make it flatter", "blocks in blocks more than %d deep", SHT__BLOCK_DEPTH_MAX);
    return -1;
  }
  const sht__yaml_node *layers = sht__yaml_get(block, "layers");
  sht__values values;
  if (!bind_values(layer, block, &values) || layers == NULL || layers->kind != SHT__YAML_LIST) {
    return -1;
  }
  char inner[SHT_NAME_MAX + 1];
  (void)snprintf(inner, sizeof inner, "%s/", prefix);
  int last = sht__list_build(layer->builder, layers, input, inner, block, &values, depth);
  if (layer->builder->status == SHT_OK && layer->builder->faults->count == 0) {
    check_used(layer, block, &values);
  }
  return last;
}
