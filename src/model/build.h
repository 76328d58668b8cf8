// Building a graph from a model file: what the stages share.
//
// document.c reads the file's top level; list.c walks a list of layers, finds what each reads and opens blocks;
// layers.c reads one layer's options and infers its shape; options.c and weights.c help it; checks.c looks at the
// whole. A stage that finds a fault reports it and goes on: a node whose shape is not known has out.channels 0, and
// nothing is said of the nodes that read it.
#ifndef SHT_MODEL_BUILD_H
#define SHT_MODEL_BUILD_H

#include "config/faults.h"
#include "config/yaml.h"
#include "shatter/model.h"

enum {
  SHT__LAYERS_MAX = 4096,      // opened in all, in blocks too
  SHT__BLOCKS_MAX = 64,        // defined in a file
  SHT__BLOCK_DEPTH_MAX = 16,   // blocks in blocks
  SHT__BLOCK_VALUES_MAX = 16,  // parameters of a block
  SHT__WIDTH_MAX = 1 << 20,    // filters or units of a layer
  SHT__WINDOW_MAX = 1024,      // kernel, stride
  SHT__WHO_SIZE = SHT_NAME_MAX + 32,
  SHT__BLOCK_NAME_MAX = 20,  // so that a number fits behind it in a layer's name
};

// How weights begin: a kind, and a deviation (or value, or half-width) that is absolute or follows the fans.
typedef struct sht__init_rule {
  sht_init_kind kind;
  double value;      // absolute; or the gain, when `numerator` is not 0
  double numerator;  // variance (NORMAL) or squared half-width (UNIFORM) times the fan; 0: absolute
  bool both_fans;    // the fan is fan_in + fan_out, otherwise fan_in
} sht__init_rule;

typedef struct sht__builder {
  sht_graph *graph;
  sht__faults *faults;
  sht_error *error;
  sht_status status;             // SHT_MEMORY once there was none
  sht__place *places;            // [node_room] where each node stands in the file
  uint64_t node_room;            // allocated length of graph->nodes and places
  uint64_t parameter_room;       // allocated length of graph->parameters
  int layers;                    // opened so far
  sht__init_rule init;           // of weights that say nothing else
  const sht__yaml_node *blocks;  // map of block definitions, or NULL
  uint64_t blocks_used;          // bit i: block i
  bool own_input, own_classes;   // as sht_graph_options
} sht__builder;

// The values of a block's parameters where it is used.
typedef struct sht__values {
  int count;
  struct {
    const char *name;
    const sht__yaml_node *value;
    bool used;
  } rows[SHT__BLOCK_VALUES_MAX];
} sht__values;

// One layer while it is built.
typedef struct sht__layer {
  sht__builder *builder;
  sht__place at;
  const sht__yaml_node *options;  // map, or NULL
  sht__values *values;            // of the block around it, or NULL
  char who[SHT__WHO_SIZE];        // `layer "conv1"`
  int node;                       // its index in the graph
} sht__layer;

// A new node that reads `inputs`; its index, or -1 when there is no memory.
int sht__builder_add_node(sht__builder *builder, const char *name, sht__place at);
// A new parameter of the layer's node, "NODE.suffix", with its dims; its index, or -1 at a fault.
int sht__builder_add_parameter(sht__layer *layer, const char *suffix, int rank, const uint32_t *dims);
sht_node *sht__layer_node(const sht__layer *layer);
// Shape of the i-th input.
sht_shape sht__layer_input(const sht__layer *layer, int i);

// options.c: the value of an option with the block's parameters put in, or NULL when it is not given.
const sht__yaml_node *sht__layer_option(sht__layer *layer, const char *key);
const sht__yaml_node *sht__layer_resolve(sht__layer *layer, const sht__yaml_node *value);
// Each reads an option into *out, which keeps its value (the default) when the option is not given; false at a fault.
// Limits are inclusive.
bool sht__layer_count(sht__layer *layer, const char *key, uint32_t minimum, uint32_t maximum, uint32_t *out);
bool sht__layer_number(sht__layer *layer, const char *key, double minimum, double maximum, double *out);
bool sht__layer_bool(sht__layer *layer, const char *key, bool *out);
// One of `choices` (NULL-terminated): its index.
bool sht__layer_choice(sht__layer *layer, const char *key, const char *const *choices, int *out);
// Reports a missing option; false then.
bool sht__layer_needs(sht__layer *layer, const char *key, const char *example);
// Reports `at` (from the node, or the layer's own place when NULL).
#define SHT__LAYER_FAULT(layer, node, advice, ...)                                                          \
  sht__fault((layer)->builder->faults, (node) != NULL ? ((const sht__yaml_node *)(node))->at : (layer)->at, \
             (layer)->who, (advice), __VA_ARGS__)

// weights.c: `he-normal`, `{truncated-normal: 0.05}`. false at a fault.
bool sht__init_read(const sht__yaml_node *node, const char *who, sht__faults *faults, sht__init_rule *out);
void sht__init_apply(const sht__init_rule *rule, uint64_t fan_in, uint64_t fan_out, sht_parameter *parameter);

// layers.c
// NULL when there is no such kind.
typedef struct sht__layer_kind sht__layer_kind;
const sht__layer_kind *sht__layer_kind_find(const char *name);
const char *const *sht__layer_kind_names(void);  // NULL-terminated
// Checks the options, infers the shape and makes the parameters of layer->node, whose inputs are set.
void sht__layer_build(sht__layer *layer, const sht__layer_kind *kind);
// Fewest and most inputs.
void sht__layer_kind_arity(const sht__layer_kind *kind, int *fewest, int *most);

// Letters, digits, _ and -, at most `most` of them.
bool sht__name_is_good(const char *text, size_t most);
// list.c: builds a list of layers that begins at node `input`; the index of the last node, or -1 at a fault.
// prefix: of the names ("inception1/"). block: the definition that the list is in, or NULL.
int sht__list_build(sht__builder *builder, const sht__yaml_node *list, int input, const char *prefix,
                    const sht__yaml_node *block, sht__values *values, int depth);

// blocks.c: looks at every definition once.
void sht__blocks_check(sht__builder *builder);
// The definition of `name` that `user` (the block around, or NULL) may use; NULL with *known false when there is none,
// and with *known true when it is defined too late.
const sht__yaml_node *sht__block_find(sht__builder *builder, const char *name, const sht__yaml_node *user, bool *known);
// Opens a block as `layer`, reading node `input`; the index of its last node, or -1.
int sht__block_build(sht__layer *layer, const sht__yaml_node *block, int input, const char *prefix, int depth);

// checks.c: unused layers and blocks, the output's shape; then multiply-adds.
void sht__graph_check(sht__builder *builder);
// dropout.c: as sht_graph_options say. Errors: SHT_MEMORY.
sht_status sht__graph_set_dropout(sht_graph *graph, double probability, sht_error *error);
// document.c: the recipe alone, its defaults where the text has none. Errors: SHT_CONFIG, SHT_MEMORY.
// What a model's text calls itself; false where it does not, or cannot be read.
bool sht__name_read(const char *text, char out[SHT_NAME_MAX]);
sht_status sht__recipe_read(const char *path, const char *text, uint64_t size, sht_recipe *out, sht_error *error);
// document.c: text -> graph. Errors: SHT_CONFIG, SHT_MEMORY.
sht_status sht__graph_read(const char *path, const char *name, const char *text, uint64_t size,
                           const sht_graph_options *options, sht_graph **out, sht_error *error);

// `336x7x7` (channels, height, width); returns out.
const char *sht__shape_print(sht_shape shape, char *out, size_t size);

#endif
