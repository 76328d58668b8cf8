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

// A model's file: its text, [size] and a NUL, is the caller's.
typedef struct source {
  char path[PATH_SIZE], name[SHT_NAME_MAX];  // path: also of a shipped one, for messages
  char *text;
  uint64_t size;
} source;

static sht_status read_shipped(const sht__builtin_model *model, const char *models_dir, source *out, sht_error *error) {
  (void)snprintf(out->name, sizeof out->name, "%s", model->name);
  (void)snprintf(out->path, sizeof out->path, "%s.yaml", model->name);
  if (models_dir != NULL) {
    char file[SHT_NAME_MAX];
    (void)snprintf(file, sizeof file, "%s.yaml", model->name);
    SHT_TRY(sht_path_join(out->path, sizeof out->path, models_dir, file, error));
    return sht_file_read(out->path, SHT__YAML_SIZE_MAX, &out->text, &out->size, error);
  }
  out->size = strlen(model->text);
  SHT_TRY(SHT_ALLOC(&out->text, out->size + 1, "model", error));
  memcpy(out->text, model->text, out->size);
  return SHT_OK;
}

// A text that was kept, under the name that the file's would have.
static sht_status take_text(const char *spec, const char *text, source *out, sht_error *error) {
  const sht__builtin_model *shipped = find_builtin(spec);
  *out = (source){.size = strlen(text)};
  (void)snprintf(out->path, sizeof out->path, "%s", spec);
  if (shipped != NULL) {
    (void)snprintf(out->name, sizeof out->name, "%s", shipped->name);
  } else {
    name_of(spec, out->name);
  }
  SHT_TRY(SHT_ALLOC(&out->text, out->size + 1, "model", error));
  memcpy(out->text, text, out->size);
  return SHT_OK;
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

static sht_status read_source(const char *spec, const char *models_dir, source *out, sht_error *error) {
  const sht__builtin_model *model = find_builtin(spec);
  *out = (source){.size = 0};
  if (model != NULL) {
    return read_shipped(model, models_dir, out, error);
  }
  if (sht_folder_exists(spec)) {
    SHT_TRY(sht_path_join(out->path, sizeof out->path, spec, "model.yaml", error));
  } else if (is_path(spec)) {
    (void)snprintf(out->path, sizeof out->path, "%s", spec);
  } else {
    return fail_unknown(spec, error);
  }
  name_of(out->path, out->name);
  return sht_file_read(out->path, SHT__YAML_SIZE_MAX, &out->text, &out->size, error);
}

sht_status sht_graph_open(const char *spec, const sht_graph_options *options, sht_graph **out, sht_error *error) {
  source file;
  *out = NULL;
  SHT_TRY(options->text != NULL ? take_text(spec, options->text, &file, error)
                                : read_source(spec, options->models_dir, &file, error));
  sht_status status = sht__graph_read(file.path, file.name, file.text, file.size, options, out, error);
  sht_free(file.text);
  return status;
}

sht_status sht_model_read(const char *spec, sht_recipe *recipe, char **text, sht_error *error) {
  source file;
  *text = NULL;
  SHT_TRY(read_source(spec, NULL, &file, error));
  sht_status status = sht__recipe_read(file.path, file.text, file.size, recipe, error);
  if (status != SHT_OK) {
    sht_free(file.text);
    return status;
  }
  *text = file.text;
  return SHT_OK;
}

bool sht_model_name(const char *spec, const char *text, char out[SHT_NAME_MAX]) {
  bool is_shipped = find_builtin(spec) != NULL;
  if (is_shipped) {
    (void)snprintf(out, SHT_NAME_MAX, "%s", spec);
  } else if (text == NULL || !sht__name_read(text, out)) {
    name_of(spec, out);
  }
  return is_shipped;
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
