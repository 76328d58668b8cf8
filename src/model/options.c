// The options of one layer, with the parameters of the block around it put in: see build.h.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/scalar.h"
#include "model/build.h"

const sht__yaml_node *sht__layer_resolve(sht__layer *layer, const sht__yaml_node *value) {
  if (value == NULL || value->kind != SHT__YAML_SCALAR || value->quoted || value->text[0] != '$') {
    return value;
  }
  const char *names[SHT__BLOCK_VALUES_MAX + 1] = {0};
  int count = layer->values == NULL ? 0 : layer->values->count;
  for (int i = 0; i < count; i++) {
    names[i] = layer->values->rows[i].name;
    if (strcmp(names[i], value->text + 1) == 0) {
      layer->values->rows[i].used = true;
      return layer->values->rows[i].value;
    }
  }
  char advice[SHT__FAULT_TEXT];
  SHT__LAYER_FAULT(layer, value,
                   count == 0 ? "$NAME stands for a parameter of the block around it"
                              : sht__advise(advice, sizeof advice, "parameters of this block", value->text + 1, names),
                   "\"%.48s\" is not known here", value->text);
  return NULL;
}

const sht__yaml_node *sht__layer_option(sht__layer *layer, const char *key) {
  return layer->options == NULL ? NULL : sht__layer_resolve(layer, sht__yaml_get(layer->options, key));
}

// The option as a plain word; NULL with *good false when it is something else.
static const sht__yaml_node *find_word(sht__layer *layer, const char *key, bool *good) {
  *good = true;
  if (layer->options == NULL || sht__yaml_get(layer->options, key) == NULL) {
    return NULL;
  }
  const sht__yaml_node *value = sht__layer_option(layer, key);
  *good = value != NULL;
  return value;
}

static bool is_word(const sht__yaml_node *value) { return value->kind == SHT__YAML_SCALAR && !value->quoted; }

bool sht__layer_count(sht__layer *layer, const char *key, uint32_t minimum, uint32_t maximum, uint32_t *out) {
  bool good = true;
  const sht__yaml_node *value = find_word(layer, key, &good);
  if (value == NULL) {
    return good;
  }
  uint64_t count = 0;
  char found[SHT__FAULT_TEXT / 2];
  if (!is_word(value) || !sht__scalar_count(value->text, &count) || count < minimum || count > maximum) {
    SHT__LAYER_FAULT(layer, value, NULL, "%s must be a whole number from %" PRIu32 " to %" PRIu32 ", not %s", key,
                     minimum, maximum, sht__yaml_describe(value, found, sizeof found));
    return false;
  }
  *out = (uint32_t)count;
  return true;
}

bool sht__layer_number(sht__layer *layer, const char *key, double minimum, double maximum, double *out) {
  bool good = true;
  const sht__yaml_node *value = find_word(layer, key, &good);
  if (value == NULL) {
    return good;
  }
  double number = 0;
  char found[SHT__FAULT_TEXT / 2];
  if (!is_word(value) || !sht__scalar_number(value->text, &number) || !(number >= minimum && number <= maximum)) {
    SHT__LAYER_FAULT(layer, value, NULL, "%s must be a number from %g to %g, not %s", key, minimum, maximum,
                     sht__yaml_describe(value, found, sizeof found));
    return false;
  }
  *out = number;
  return true;
}

bool sht__layer_bool(sht__layer *layer, const char *key, bool *out) {
  bool good = true;
  const sht__yaml_node *value = find_word(layer, key, &good);
  if (value == NULL) {
    return good;
  }
  char found[SHT__FAULT_TEXT / 2];
  if (!is_word(value) || !sht__scalar_bool(value->text, out)) {
    SHT__LAYER_FAULT(layer, value, NULL, "%s must be true or false, not %s", key,
                     sht__yaml_describe(value, found, sizeof found));
    return false;
  }
  return true;
}

bool sht__layer_choice(sht__layer *layer, const char *key, const char *const *choices, int *out) {
  bool good = true;
  const sht__yaml_node *value = find_word(layer, key, &good);
  if (value == NULL) {
    return good;
  }
  for (int i = 0; value->kind == SHT__YAML_SCALAR && choices[i] != NULL; i++) {
    if (strcmp(value->text, choices[i]) == 0) {
      *out = i;
      return true;
    }
  }
  char found[SHT__FAULT_TEXT / 2];
  char advice[SHT__FAULT_TEXT];
  const char *word = value->kind == SHT__YAML_SCALAR ? value->text : "";
  SHT__LAYER_FAULT(layer, value, sht__advise(advice, sizeof advice, "values", word, choices), "%s cannot be %s", key,
                   sht__yaml_describe(value, found, sizeof found));
  return false;
}

// Whether an option's key looks like this one: its mistyped form was told, and what it leaves out need not be.
static bool is_mistyped(const sht__layer *layer, const char *key) {
  const char *const wanted[] = {key, NULL};
  const sht__yaml_node *child = layer->options == NULL ? NULL : layer->options->first;
  while (child != NULL && sht_text_nearest(child->key, wanted) == NULL) {
    child = child->next;
  }
  return child != NULL;
}

bool sht__layer_needs(sht__layer *layer, const char *key, const char *example) {
  if (layer->options != NULL && sht__yaml_get(layer->options, key) != NULL) {
    return true;
  }
  if (is_mistyped(layer, key)) {
    return false;
  }
  char advice[SHT__FAULT_TEXT];
  (void)snprintf(advice, sizeof advice, "for example %s", example);
  SHT__LAYER_FAULT(layer, NULL, advice, "needs \"%s\"", key);
  return false;
}
