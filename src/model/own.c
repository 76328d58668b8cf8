// The values behind "default": see own.h.
#include "model/own.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "config/scalar.h"
#include "model/build.h"

// "0.5", of several "0.2 and 0.5", of no dropout layer "none". False where the model cannot be read.
static bool print_dropout(const char *spec, const char *text, char *out, size_t size) {
  // A model's dropout does not depend on the data: whatever images and classes the file wants are right.
  const sht_graph_options options = {
      .text = text, .input = {3, 32, 32}, .classes = 10, .own_input = true, .own_classes = true};
  sht_graph *graph = NULL;
  if (sht_graph_open(spec, &options, &graph, NULL) != SHT_OK) {
    return false;
  }
  float last = 0;
  size_t length = (size_t)snprintf(out, size, "none");
  for (int i = 0; i < graph->node_count; i++) {
    float own = graph->nodes[i].dropout;
    if (graph->nodes[i].op == SHT_OP_DROPOUT && own != last && length < size) {
      length = last == 0 ? 0 : length;
      length += (size_t)snprintf(out + length, size - length, "%s%.6g", length > 0 ? " and " : "", (double)own);
      last = own;
    }
  }
  sht_graph_close(graph);
  return true;
}

static bool print_recipe(const sht_recipe *recipe, const char *option, char *out, size_t size) {
  const struct {
    const char *name;
    double value;
  } rows[] = {{"learning-rate", recipe->learning_rate},
              {"learning-rate-decay", recipe->learning_rate_decay},
              {"momentum", recipe->momentum},
              {"weight-decay", recipe->weight_decay}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (strcmp(rows[i].name, option) == 0) {
      sht__scalar_print(rows[i].value, out, size);
      return true;
    }
  }
  return false;
}

static bool print_own(const char *spec, const char *text, const char *option, char *out, size_t size) {
  sht_recipe recipe;
  char *read = NULL;
  bool good = text != NULL ? sht__recipe_read(spec, text, strlen(text), &recipe, NULL) == SHT_OK
                           : sht_model_read(spec, &recipe, &read, NULL) == SHT_OK;
  if (good && strcmp(option, "dropout") == 0) {
    good = print_dropout(spec, text != NULL ? text : read, out, size);
  } else if (good) {
    good = print_recipe(&recipe, option, out, size);
  }
  sht_free(read);
  return good;
}

char *sht__own_value(const sht_config *config, const char *text, const sht_option *option, char *out, size_t size) {
  char own[SHT__FAULT_TEXT];
  sht_config_get(config, option, out, size);
  if (option->nullable && strcmp(out, "default") == 0 &&
      print_own(config->model, text, option->name, own, sizeof own)) {
    (void)snprintf(out, size, "%s (default)", own);
  }
  return out;
}
