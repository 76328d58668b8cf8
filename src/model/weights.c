// How weights begin: rules of a model file, and the draws themselves.
#include <math.h>
#include <string.h>

#include "config/scalar.h"
#include "model/build.h"
#include "shatter/random.h"

typedef struct rule_row {
  const char *name;
  sht__init_rule rule;
  double minimum, maximum;  // of the value
} rule_row;

// He et al. 2015, Glorot & Bengio 2010, LeCun et al. 1998: variance numerator / fan; a uniform law on (-a, a) has
// variance a^2 / 3.
static const rule_row rule_rows[] = {
    {"he-normal", {SHT_INIT_NORMAL, 1, 2, false}, 0, 1000},
    {"he-uniform", {SHT_INIT_UNIFORM, 1, 6, false}, 0, 1000},
    {"glorot-normal", {SHT_INIT_NORMAL, 1, 2, true}, 0, 1000},
    {"glorot-uniform", {SHT_INIT_UNIFORM, 1, 6, true}, 0, 1000},
    {"lecun-normal", {SHT_INIT_NORMAL, 1, 1, false}, 0, 1000},
    {"lecun-uniform", {SHT_INIT_UNIFORM, 1, 3, false}, 0, 1000},
    {"normal", {SHT_INIT_NORMAL, 0, 0, false}, 0, 1000},
    {"truncated-normal", {SHT_INIT_TRUNCATED_NORMAL, 0, 0, false}, 0, 1000},
    {"uniform", {SHT_INIT_UNIFORM, 0, 0, false}, 0, 1000},
    {"constant", {SHT_INIT_CONSTANT, 0, 0, false}, -1000, 1000},
};

enum { RULE_COUNT = sizeof rule_rows / sizeof rule_rows[0] };

static const rule_row *find_rule(const char *name) {
  for (int i = 0; i < RULE_COUNT; i++) {
    if (strcmp(rule_rows[i].name, name) == 0) {
      return &rule_rows[i];
    }
  }
  return NULL;
}

static void fail_rule(const sht__yaml_node *node, const char *word, const char *who, sht__faults *faults) {
  const char *names[RULE_COUNT + 1] = {0};
  for (int i = 0; i < RULE_COUNT; i++) {
    names[i] = rule_rows[i].name;
  }
  char found[SHT__FAULT_TEXT / 2];
  char advice[SHT__FAULT_TEXT];
  sht__fault(faults, node->at, who, sht__advise(advice, sizeof advice, "initialisations", word, names),
             "%s is not an initialisation", sht__yaml_describe(node, found, sizeof found));
}

bool sht__init_read(const sht__yaml_node *node, const char *who, sht__faults *faults, sht__init_rule *out) {
  if (node->kind == SHT__YAML_SCALAR) {
    const rule_row *row = find_rule(node->text);
    if (row == NULL || row->rule.numerator == 0) {
      fail_rule(node, node->text, who, faults);
      return false;
    }
    *out = row->rule;
    return true;
  }
  const sht__yaml_node *value = node->kind == SHT__YAML_MAP && node->count == 1 ? node->first : NULL;
  const rule_row *row = value == NULL ? NULL : find_rule(value->key);
  if (row == NULL) {
    fail_rule(node, value == NULL ? "" : value->key, who, faults);
    return false;
  }
  *out = row->rule;
  char found[SHT__FAULT_TEXT / 2];
  if (value->kind != SHT__YAML_SCALAR || value->quoted || !sht__scalar_number(value->text, &out->value) ||
      !(out->value >= row->minimum && out->value <= row->maximum)) {
    sht__fault(faults, value->at, who, NULL, "%s must be a number from %g to %g, not %s", row->name, row->minimum,
               row->maximum, sht__yaml_describe(value, found, sizeof found));
    return false;
  }
  return true;
}

void sht__init_apply(const sht__init_rule *rule, uint64_t fan_in, uint64_t fan_out, sht_parameter *parameter) {
  double fan = (double)fan_in + (rule->both_fans ? (double)fan_out : 0);
  double value = rule->numerator == 0 ? rule->value : rule->value * sqrt(rule->numerator / fan);
  parameter->init = rule->kind;
  parameter->init_value = (float)value;
}

// The address of a draw: tensor above, element below. Elements have 32 bits (build.c sees to it).
static uint64_t address(uint64_t tensor, uint64_t element) { return tensor << 32 | element; }

// A truncated normal: half `half` of the first block, from draw 0 on, that lies within two deviations.
static double redraw(sht_rng rng, uint64_t at, int half, double first) {
  double pair[2];
  pair[half] = first;
  for (uint32_t draw = 1; fabs(pair[half]) > 2; draw++) {
    sht_rng_normal2(rng, 0, at, draw, pair);
  }
  return pair[half];
}

// Two neighbours share the block of the even one.
static void initialize_normal(sht_rng rng, uint64_t tensor, const sht_parameter *p, float *out) {
  bool truncated = p->init == SHT_INIT_TRUNCATED_NORMAL;
  double deviation = p->init_value;
  for (uint64_t i = 0; i < p->count; i += 2) {
    double pair[2];
    sht_rng_normal2(rng, 0, address(tensor, i), 0, pair);
    for (int half = 0; half < 2 && i + (uint64_t)half < p->count; half++) {
      double z = truncated ? redraw(rng, address(tensor, i), half, pair[half]) : pair[half];
      out[i + (uint64_t)half] = (float)(deviation * z);
    }
  }
}

static void initialize_uniform(sht_rng rng, uint64_t tensor, const sht_parameter *p, float *out) {
  double half_width = p->init_value;
  for (uint64_t i = 0; i < p->count; i++) {
    out[i] = (float)(half_width * (2 * sht_rng_unit(rng, 0, address(tensor, i), 0) - 1));
  }
}

static void initialize_constant(const sht_parameter *p, float *out) {
  for (uint64_t i = 0; i < p->count; i++) {
    out[i] = p->init_value;
  }
}

void sht_graph_initialize(const sht_graph *graph, uint64_t seed, float *parameters) {
  sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_WEIGHTS);
  for (int tensor = 0; tensor < graph->parameter_tensors; tensor++) {
    const sht_parameter *p = &graph->parameters[tensor];
    float *out = parameters + p->offset;
    switch (p->init) {
      case SHT_INIT_CONSTANT:
        initialize_constant(p, out);
        break;
      case SHT_INIT_NORMAL:
      case SHT_INIT_TRUNCATED_NORMAL:
        initialize_normal(rng, (uint64_t)tensor, p, out);
        break;
      case SHT_INIT_UNIFORM:
        initialize_uniform(rng, (uint64_t)tensor, p, out);
        break;
    }
  }
}

void sht_graph_initialize_statistics(const sht_graph *graph, float *statistics) {
  for (int i = 0; i < graph->node_count; i++) {
    const sht_node *node = &graph->nodes[i];
    if (node->op != SHT_OP_BATCHNORM) {
      continue;
    }
    float *mean = statistics + node->statistics;
    for (uint32_t c = 0; c < node->out.channels; c++) {
      mean[c] = 0;
      mean[node->out.channels + c] = 1;
    }
  }
}
