// Finds a model by name or path and opens it: see shatter/model.h.
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/build.h"
#include "model/builtin.h"

enum { PATH_SIZE = 4096 };

const char *const *sht_model_names(void) { return sht__builtin_model_names; }

static const sht__builtin_model *find_builtin(const char *name) {
  const sht__builtin_model *model = sht__builtin_models;
  while (model->name != NULL && strcmp(model->name, name) != 0) {
    model++;
  }
  return model->name == NULL ? NULL : model;
}

static bool ends_in(const char *text, const char *end) {
  size_t length = strlen(text);
  size_t tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool is_path(const char *spec) {
  return ends_in(spec, ".yaml") || ends_in(spec, ".yml") || sht_file_exists(spec);
}

// "models/res-net.yaml" -> "res-net"
static void name_of(const char *path, char name[SHT_NAME_MAX]) {
  const char *slash = strrchr(path, '/');
  const char *start = slash == NULL ? path : slash + 1;
  const char *dot = strrchr(start, '.');
  int length = dot == NULL || dot == start ? (int)strlen(start) : (int)(dot - start);
  (void)snprintf(name, SHT_NAME_MAX, "%.*s", length, start);
}

static sht_status open_file(const char *path, const sht_graph_options *options, sht_graph **out, sht_error *error) {
  char *text = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_file_read(path, SHT__YAML_SIZE_MAX, &text, &size, error));
  char name[SHT_NAME_MAX];
  name_of(path, name);
  sht_status status = sht__graph_read(path, name, text, size, options, out, error);
  sht_free(text);
  return status;
}

static sht_status open_shipped(const sht__builtin_model *model, const sht_graph_options *options, sht_graph **out,
                               sht_error *error) {
  char name[SHT_NAME_MAX];
  (void)snprintf(name, sizeof name, "%s.yaml", model->name);
  if (options->models_dir == NULL) {
    return sht__graph_read(name, model->name, model->text, strlen(model->text), options, out, error);
  }
  char path[PATH_SIZE];
  SHT_TRY(sht_path_join(path, sizeof path, options->models_dir, name, error));
  return open_file(path, options, out, error);
}

static sht_status fail_unknown(const char *spec, sht_error *error) {
  char advice[SHT__FAULT_TEXT];
  char list[SHT__FAULT_TEXT];
  size_t length = 0;
  const char *const *names = sht_model_names();
  for (int i = 0; names[i] != NULL && length < sizeof list; i++) {
    length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", i == 0 ? "" : ", ", names[i]);
  }
  const char *nearest = sht_text_nearest(spec, names);
  (void)snprintf(advice, sizeof advice, nearest == NULL ? "%s" : "did you mean \"%s\"? ",
                 nearest == NULL ? "" : nearest);
  return SHT_FAIL(error, SHT_MISSING,
                  "there is no model \"%.200s\"; %sthe models are %s, or give the path of a .yaml file", spec, advice,
                  list);
}

sht_status sht_graph_open(const char *spec, const sht_graph_options *options, sht_graph **out, sht_error *error) {
  *out = NULL;
  const sht__builtin_model *model = find_builtin(spec);
  if (model != NULL) {
    return open_shipped(model, options, out, error);
  }
  return is_path(spec) ? open_file(spec, options, out, error) : fail_unknown(spec, error);
}

void sht_graph_close(sht_graph *graph) {
  if (graph == NULL) {
    return;
  }
  sht_free(graph->nodes);
  sht_free(graph->parameters);
  sht_free(graph->text);
  sht_free(graph);
}
