// A list of layers: what each is called, what it reads, and what it is. See build.h.
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/build.h"

enum { LAYER_NAME_MAX = 32, ITEM_SHOWN = 40 };

// A layer of this list that is already built.
typedef struct entry {
  char name[LAYER_NAME_MAX + 1];
  int node;  // its (last) node
} entry;

typedef struct scope {
  sht__builder *builder;
  const sht__yaml_node *list;
  const char *prefix;
  const sht__yaml_node *block;  // around the list, or NULL
  sht__values *values;
  int depth;
  int input;       // the node that the word input means
  entry *entries;  // [list->count]
  int count;       // entries so far
} scope;

// The kind of a list item, `relu` or `conv: {...}`; NULL when the item is neither.
static const char *kind_of(const sht__yaml_node *item) {
  if (item->kind == SHT__YAML_SCALAR && item->text[0] != '\0') {
    return item->text;
  }
  return item->kind == SHT__YAML_MAP && item->count == 1 ? item->first->key : NULL;
}

static bool is_empty(const sht__yaml_node *value) {
  return value->kind == SHT__YAML_SCALAR && value->text[0] == '\0' && !value->quoted;
}

bool sht__name_is_good(const char *text, size_t most) {
  size_t length = strlen(text);
  const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return length > 0 && length <= most && strspn(text, allowed) == length;
}

static bool is_layer_name(const char *text) {
  return sht__name_is_good(text, LAYER_NAME_MAX) && strcmp(text, "input") != 0;
}

// "relu" when it is the only one of its kind in the list, else "relu1", "relu2" and so on.
static void default_name(const scope *s, const sht__yaml_node *item, char out[LAYER_NAME_MAX + 1]) {
  const char *kind = kind_of(item);
  int all = 0;
  int number = 0;
  for (const sht__yaml_node *other = s->list->first; other != NULL; other = other->next) {
    const char *name = kind_of(other);
    all += name != NULL && strcmp(name, kind) == 0;
    number = other == item ? all : number;
  }
  if (all == 1) {
    (void)snprintf(out, LAYER_NAME_MAX + 1, "%.*s", SHT__BLOCK_NAME_MAX, kind);
  } else {
    (void)snprintf(out, LAYER_NAME_MAX + 1, "%.*s%d", SHT__BLOCK_NAME_MAX, kind, number);
  }
}

static const entry *find_entry(const scope *s, const char *name) {
  for (int i = 0; i < s->count; i++) {
    if (strcmp(s->entries[i].name, name) == 0) {
      return &s->entries[i];
    }
  }
  return NULL;
}

// The layer's name within the list, from its option or its kind. False at a fault.
static bool choose_name(scope *s, sht__layer *layer, const sht__yaml_node *item, char out[LAYER_NAME_MAX + 1]) {
  default_name(s, item, out);
  bool given = layer->options != NULL && sht__yaml_get(layer->options, "name") != NULL;
  const sht__yaml_node *value = given ? sht__layer_option(layer, "name") : NULL;
  char found[SHT__FAULT_TEXT / 2];
  if (given && value == NULL) {
    return false;
  }
  if (given && (value->kind != SHT__YAML_SCALAR || !is_layer_name(value->text))) {
    SHT__LAYER_FAULT(layer, value, "use letters, digits, _ and -, at most 32; input is taken",
                     "%s cannot be a layer's name", sht__yaml_describe(value, found, sizeof found));
    return false;
  }
  if (given) {
    (void)snprintf(out, LAYER_NAME_MAX + 1, "%s", value->text);
  }
  if (find_entry(s, out) != NULL) {
    SHT__LAYER_FAULT(layer, value, "give it another name", "a layer above is called \"%s\" already", out);
    return false;
  }
  return true;
}

// Whether a layer further down has the name.
static bool is_below(const scope *s, const char *name) {
  for (const sht__yaml_node *item = s->list->first; item != NULL; item = item->next) {
    const sht__yaml_node *given = item->kind == SHT__YAML_MAP ? sht__yaml_get(item->first, "name") : NULL;
    char automatic[LAYER_NAME_MAX + 1] = "";
    if (kind_of(item) != NULL) {
      default_name(s, item, automatic);
    }
    const char *own = given != NULL && given->kind == SHT__YAML_SCALAR ? given->text : automatic;
    if (strcmp(own, name) == 0) {
      return true;
    }
  }
  return false;
}

static void fail_source(const scope *s, sht__layer *layer, const sht__yaml_node *value) {
  if (is_below(s, value->text)) {
    SHT__LAYER_FAULT(layer, value, "a layer reads only layers above it, so that there are no cycles",
                     "\"%.*s\" is not above this layer", ITEM_SHOWN, value->text);
    return;
  }
  const char **names = NULL;
  if (SHT_ALLOC(&names, s->count + 2, "names", NULL) != SHT_OK) {
    SHT__LAYER_FAULT(layer, value, NULL, "no layer \"%.*s\"", ITEM_SHOWN, value->text);
    return;
  }
  names[0] = "input";
  for (int i = 0; i < s->count; i++) {
    names[i + 1] = s->entries[i].name;
  }
  char advice[SHT__FAULT_TEXT];
  SHT__LAYER_FAULT(layer, value, sht__advise(advice, sizeof advice, "layers here", value->text, names),
                   "there is no layer \"%.*s\" in this list", ITEM_SHOWN, value->text);
  sht_free(names);
}

// The node that one word of `from` means, or -1 at a fault (also at a layer that is itself faulty).
static int find_source(const scope *s, sht__layer *layer, const sht__yaml_node *value) {
  value = sht__layer_resolve(layer, value);
  if (value == NULL) {
    return -1;
  }
  char found[SHT__FAULT_TEXT / 2];
  if (value->kind != SHT__YAML_SCALAR) {
    SHT__LAYER_FAULT(layer, value, "write from: NAME or from: [NAME, NAME]", "from must name layers, not %s",
                     sht__yaml_describe(value, found, sizeof found));
    return -1;
  }
  if (strcmp(value->text, "input") == 0) {
    return s->input;
  }
  const entry *source = find_entry(s, value->text);
  if (source == NULL) {
    fail_source(s, layer, value);
    return -1;
  }
  return source->node;
}

// What a layer reads.
typedef struct sources {
  int count;
  int nodes[SHT_NODE_INPUTS_MAX];
} sources;

static bool check_arity(sht__layer *layer, const sht__yaml_node *from, const char *kind, int count, int fewest,
                        int most) {
  if (count >= fewest && count <= most) {
    return true;
  }
  if (most == 1) {
    SHT__LAYER_FAULT(layer, from, "join branches first with add or concat", "a %.*s reads one layer, not %d",
                     ITEM_SHOWN, kind, count);
  } else {
    SHT__LAYER_FAULT(layer, from, "write from: [NAME, NAME]", "%s reads %d to %d layers, not %d", kind, fewest, most,
                     count);
  }
  return false;
}

// Reads `from`; without it, the layer above (the first reads the list's input). False at a fault.
static bool find_sources(const scope *s, sht__layer *layer, const char *kind, int fewest, int most, sources *out) {
  const sht__yaml_node *from = layer->options == NULL ? NULL : sht__yaml_get(layer->options, "from");
  bool is_list = from != NULL && from->kind == SHT__YAML_LIST;
  *out = (sources){0};
  if (!check_arity(layer, from, kind, is_list ? from->count : 1, fewest, most)) {
    return false;
  }
  if (from == NULL) {
    out->nodes[out->count++] = s->count == 0 ? s->input : s->entries[s->count - 1].node;
    return out->nodes[0] >= 0;
  }
  bool good = true;
  for (const sht__yaml_node *value = is_list ? from->first : from; value != NULL;
       value = is_list ? value->next : NULL) {
    int node = find_source(s, layer, value);
    good = node >= 0 && good;
    out->nodes[out->count++] = node;
  }
  return good;
}

// Opens one layer of a built-in kind; its node, or -1.
static int open_layer(sht__layer *layer, const sht__layer_kind *kind, const sources *from, const char *name) {
  layer->node = sht__builder_add_node(layer->builder, name, layer->at);
  if (layer->node < 0) {
    return -1;
  }
  sht_node *node = sht__layer_node(layer);
  node->input_count = from->count;
  memcpy(node->inputs, from->nodes, sizeof node->inputs);
  sht__layer_build(layer, kind);
  return layer->node;
}

static void fail_kind(const scope *s, sht__layer *layer, const char *kind, bool defined_below) {
  if (defined_below) {
    SHT__LAYER_FAULT(layer, NULL, "move its definition above the block that uses it",
                     "the block \"%.*s\" is not defined above this one", ITEM_SHOWN, kind);
    return;
  }
  const char *names[SHT__BLOCKS_MAX + 16] = {0};
  int count = 0;
  for (const char *const *name = sht__layer_kind_names(); *name != NULL; name++) {
    names[count++] = *name;
  }
  const sht__yaml_node *block = s->builder->blocks == NULL ? NULL : s->builder->blocks->first;
  for (int i = 0; block != NULL && i < SHT__BLOCKS_MAX; block = block->next, i++) {
    names[count++] = block->key;
  }
  char advice[SHT__FAULT_TEXT];
  SHT__LAYER_FAULT(layer, NULL, sht__advise(advice, sizeof advice, "kinds of layer", kind, names),
                   "there is no kind of layer or block \"%.*s\"", ITEM_SHOWN, kind);
}

// Splits an item into kind and options. NULL at a fault.
static const char *read_item(const scope *s, const sht__yaml_node *item, sht__layer *layer) {
  const char *kind = kind_of(item);
  *layer = (sht__layer){.builder = s->builder, .at = item->at, .values = s->values, .node = -1};
  (void)snprintf(layer->who, sizeof layer->who, "layer %.*s%d", SHT_NAME_MAX - 1, s->prefix, s->count + 1);
  if (kind == NULL) {
    char found[SHT__FAULT_TEXT / 2];
    bool is_map = item->kind == SHT__YAML_MAP;
    SHT__LAYER_FAULT(layer, NULL, "write \"- relu\" or \"- conv: {filters: 64, kernel: 3}\"",
                     "a layer is one kind with its options, not %s%s", sht__yaml_describe(item, found, sizeof found),
                     is_map ? " with several keys" : "");
    return NULL;
  }
  const sht__yaml_node *options = item->kind == SHT__YAML_MAP ? item->first : NULL;
  if (options != NULL && options->kind != SHT__YAML_MAP && !is_empty(options)) {
    SHT__LAYER_FAULT(layer, options, "write KIND: {OPTION: VALUE}", "the options of a layer are a mapping");
    return NULL;
  }
  layer->options = options != NULL && options->kind == SHT__YAML_MAP ? options : NULL;
  return kind;
}

// One item of the list; its (last) node, or -1 at a fault.
static int build_item(scope *s, sht__layer *layer, const char *kind, const char *name) {
  char full[SHT_NAME_MAX];
  int length = snprintf(full, sizeof full, "%s%s", s->prefix, name);
  (void)snprintf(layer->who, sizeof layer->who, "layer \"%s\"", full);
  if (length >= (int)sizeof full) {
    SHT__LAYER_FAULT(layer, NULL, "use shorter names or fewer blocks in blocks",
                     "the name is longer than %d characters", SHT_NAME_MAX - 1);
    return -1;
  }
  const sht__layer_kind *known = sht__layer_kind_find(kind);
  bool defined = false;
  const sht__yaml_node *block = known == NULL ? sht__block_find(s->builder, kind, s->block, &defined) : NULL;
  int fewest = 1;
  int most = 1;
  if (known == NULL && block == NULL) {
    fail_kind(s, layer, kind, defined);
    return -1;
  }
  if (known != NULL) {
    sht__layer_kind_arity(known, &fewest, &most);
  }
  sources from;
  if (!find_sources(s, layer, kind, fewest, most, &from)) {
    return -1;
  }
  return known != NULL ? open_layer(layer, known, &from, full)
                       : sht__block_build(layer, block, from.nodes[0], full, s->depth + 1);
}

// Builds one item and enters it into the list's names. False when building must end.
static bool add_item(scope *s, const sht__yaml_node *item) {
  sht__builder *builder = s->builder;
  if (builder->layers++ >= SHT__LAYERS_MAX) {
    sht__fault(builder->faults, (sht__place){0}, NULL, NULL, "more than %d layers", SHT__LAYERS_MAX);
    return false;
  }
  sht__layer layer;
  entry fresh = {.node = -1};
  const char *kind = read_item(s, item, &layer);
  if (kind != NULL && choose_name(s, &layer, item, fresh.name)) {
    fresh.node = build_item(s, &layer, kind, fresh.name);
  }
  if (fresh.node < 0 && builder->status == SHT_OK) {
    // Stands in its place without a shape, so that the mistakes of the layers below are told as well.
    fresh.node = sht__builder_add_node(builder, fresh.name, item->at);
  }
  s->entries[s->count++] = fresh;
  return builder->status == SHT_OK && builder->layers <= SHT__LAYERS_MAX;
}

int sht__list_build(sht__builder *builder, const sht__yaml_node *list, int input, const char *prefix,
                    const sht__yaml_node *block, sht__values *values, int depth) {
  scope s = {.builder = builder,
             .list = list,
             .prefix = prefix,
             .block = block,
             .values = values,
             .depth = depth,
             .input = input};
  builder->status = SHT_ALLOC(&s.entries, list->count, "names of layers", builder->error);
  if (builder->status != SHT_OK) {
    return -1;
  }
  const sht__yaml_node *item = list->first;
  while (item != NULL && add_item(&s, item)) {
    item = item->next;
  }
  int last = item == NULL && s.count > 0 ? s.entries[s.count - 1].node : -1;
  sht_free(s.entries);
  return last;
}
