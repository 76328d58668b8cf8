// The weights and the bias of a layer: see layer_weights.h.
#include "model/layer_weights.h"

#include "config/scalar.h"

bool sht__decay_read(sht__layer *layer, sht__decay_scope *scope) {
  static const char *const choices[] = {"none", "weights", "all", NULL};
  int index = (int)*scope;
  bool good = sht__layer_choice(layer, "weight-decay", choices, &index);
  *scope = (sht__decay_scope)index;
  return good;
}

static bool read_init(sht__layer *layer, const char *key, sht__init_rule *rule) {
  const sht__yaml_node *value = sht__layer_option(layer, key);
  return value == NULL || sht__init_read(value, layer->who, layer->builder->faults, rule);
}

// A bias may also be given as a plain number.
static bool read_bias_init(sht__layer *layer, sht__init_rule *rule) {
  const sht__yaml_node *value = sht__layer_option(layer, "bias-init");
  double number = 0;
  *rule = (sht__init_rule){.kind = SHT_INIT_CONSTANT};
  if (value != NULL && value->kind == SHT__YAML_SCALAR && !value->quoted && sht__scalar_number(value->text, &number)) {
    return sht__layer_number(layer, "bias-init", -1000, 1000, &rule->value);
  }
  return read_init(layer, "bias-init", rule);
}

bool sht__weights_read(sht__layer *layer, sht__weight_options *out) {
  *out = (sht__weight_options){.bias = true, .decay = SHT__DECAY_WEIGHTS, .init = layer->builder->init};
  bool good = sht__layer_bool(layer, "bias", &out->bias);
  good = sht__decay_read(layer, &out->decay) && good;
  good = read_init(layer, "init", &out->init) && good;
  return read_bias_init(layer, &out->bias_init) && good;
}

bool sht__weights_add(sht__layer *layer, const sht__weight_options *options, int rank, const uint32_t *dims,
                      uint64_t fan_in, uint64_t fan_out) {
  sht_graph *graph = layer->builder->graph;
  int weight = sht__builder_add_parameter(layer, "weight", rank, dims);
  if (weight < 0) {
    return false;
  }
  sht__layer_node(layer)->weight = weight;
  graph->parameters[weight].weight_decay = options->decay != SHT__DECAY_NONE;
  sht__init_apply(&options->init, fan_in, fan_out, &graph->parameters[weight]);
  if (options->bias) {
    int bias = sht__builder_add_parameter(layer, "bias", 1, dims);
    if (bias < 0) {
      return false;
    }
    sht__layer_node(layer)->bias = bias;
    graph->parameters[bias].weight_decay = options->decay == SHT__DECAY_ALL;
    sht__init_apply(&options->bias_init, fan_in, fan_out, &graph->parameters[bias]);
  }
  return true;
}
