// Opening an experiment by name or file, and the top level of its page: see shatter/experiment.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "lab/builtin.h"
#include "lab/experiment_page.h"

enum { NAMES_MAX = 32, PATH_MAX_BYTES = 4096 };

const char *const *sht_experiment_names(void) { return sht__builtin_experiment_names; }

void sht_experiment_close(sht_experiment *experiment) {
  if (experiment == NULL) {
    return;
  }
  for (uint64_t i = 0; i < experiment->view_count; i++) {
    sht_free(experiment->views[i].series);
    sht_free(experiment->views[i].paper);
  }
  sht_free(experiment->views);
  sht_free(experiment->runs);
  sht_free(experiment->sets);
  free(experiment->command);
  sht_free(experiment);
}

// Keys of a scale, and that its options exist: also of those that nobody asked for.
static void check_scale(sht__page *page, const sht__yaml_node *scale) {
  static const char *const keys[] = {"note", "options", "models", "grid", "sets", NULL};
  char note[SHT_TEXT_MAX];
  if (scale->kind != SHT__YAML_MAP || strcmp(scale->key, "full") == 0 || strlen(scale->key) >= SHT_LABEL_MAX) {
    sht__fault(page->faults, scale->key_at, "scales", "the page itself is the scale \"full\"",
               "each scale has a short name of its own and lines of KEY: VALUE");
    return;
  }
  (void)sht__yaml_check_keys(scale, scale->key, keys, page->faults);
  if (!sht__page_text(page, scale, "note", note, sizeof note)) {
    sht__fault(page->faults, scale->key_at, scale->key, "every output shows it",
               "needs a note: a sentence that says what the scale changes");
  }
  sht__draft draft = {.at = {{0}}};
  sht_config_default(&draft.config);
  sht__draft_apply(page, &draft, sht__page_map(page, scale, "options"), NULL);
}

// Checks all scales and chooses one.
static void read_scales(sht__page *page, const char *wanted) {
  const sht__yaml_node *scales = sht__page_map(page, page->root, "scales");
  sht_experiment *experiment = page->experiment;
  size_t length = 0;
  for (const sht__yaml_node *scale = scales == NULL ? NULL : scales->first; scale != NULL; scale = scale->next) {
    check_scale(page, scale);
    if (strcmp(scale->key, wanted) == 0) {
      page->scale = scale;
    }
    if (length < sizeof experiment->scales) {
      length += (size_t)snprintf(experiment->scales + length, sizeof experiment->scales - length, "%s%s",
                                 length > 0 ? ", " : "", scale->key);
    }
  }
  (void)snprintf(experiment->scale, sizeof experiment->scale, "%s", wanted);
  if (page->scale != NULL && page->scale->kind == SHT__YAML_MAP) {
    (void)sht__page_text(page, page->scale, "note", experiment->scale_note, sizeof experiment->scale_note);
  }
}

static sht_status fail_scale(const sht__page *page, const char *wanted) {
  const char *scales = page->experiment->scales;
  return SHT_FAIL(page->error, SHT_MISSING, "%s has no scale \"%.100s\"; it has full%s%s", page->faults->path, wanted,
                  scales[0] != '\0' ? ", " : "", scales);
}

static void read_document(sht__page *page) {
  static const char *const keys[] = {"title",   "source",  "options", "sets",   "grid", "series",
                                     "exclude", "figures", "tables",  "scales", NULL};
  sht_experiment *experiment = page->experiment;
  bool both = sht__yaml_get(page->root, "sets") != NULL &&
              (sht__yaml_get(page->root, "grid") != NULL || sht__yaml_get(page->root, "series") != NULL ||
               sht__yaml_get(page->root, "exclude") != NULL);
  (void)sht__yaml_check_keys(page->root, NULL, keys, page->faults);
  if (both) {
    sht__fault(page->faults, page->root->at, NULL, "move grid, series and exclude into a set",
               "a page has either sets, or one grid at its top");
    return;
  }
  if (!sht__page_text(page, page->root, "title", experiment->title, sizeof experiment->title)) {
    sht__fault(page->faults, page->root->at, NULL, "write title: what the experiment shows", "the page has no title");
  }
  (void)sht__page_text(page, page->root, "source", experiment->source, sizeof experiment->source);
  sht__page_read_sets(page);
  page->doubtful = page->faults->count > 0;
  if (page->status == SHT_OK) {
    sht__page_read_views(page);
  }
}

static sht_status read_root(sht__page *page, const char *scale) {
  if (page->root->kind != SHT__YAML_MAP) {
    sht__fault(page->faults, page->root->at, NULL,
               "write title: and then sets: or grid:", "an experiment is a page of KEY: VALUE lines");
    return SHT_OK;
  }
  const char *wanted = scale == NULL || scale[0] == '\0' ? "full" : scale;
  read_scales(page, wanted);
  if (page->scale == NULL && strcmp(wanted, "full") != 0) {
    return fail_scale(page, wanted);
  }
  read_document(page);
  return page->status;
}

static sht_status read_text(sht__page *page, const char *path, const char *text, const char *scale) {
  sht__faults faults;
  sht__yaml *yaml = NULL;
  sht__faults_start(&faults, path, text);
  page->faults = &faults;
  sht_status status = sht__yaml_open(text, strlen(text), &faults, &yaml, &page->root, page->error);
  if (status == SHT_OK && page->root != NULL) {
    status = read_root(page, scale);
  }
  sht__page_close_sets(page);
  sht__yaml_close(yaml);
  return status == SHT_OK ? sht__faults_end(&faults, SHT_CONFIG, page->error) : status;
}

// How it is computed, and with which random numbers: the runs are those of the page all the same.
static bool keeps_experiment(const char *option) {
  return strcmp(option, "seed") == 0 || strcmp(option, "device") == 0 || strcmp(option, "precision") == 0;
}

// Says in the order of the table what the settings above the page change.
static void say_changes(const sht__page *page) {
  sht_experiment *experiment = page->experiment;
  size_t length = 0;
  experiment->comparable = strcmp(experiment->scale, "full") == 0;
  for (size_t i = 0; i < sht_option_count && length < sizeof experiment->changed; i++) {
    char value[SHT_TEXT_MAX];
    if (page->changed[i]) {
      sht_config_get(&experiment->runs[0].config, &sht_options[i], value, sizeof value);
      length += (size_t)snprintf(experiment->changed + length, sizeof experiment->changed - length, "%s%s %s",
                                 length > 0 ? ", " : "", sht_options[i].name, value);
      experiment->comparable = experiment->comparable && keeps_experiment(sht_options[i].name);
    }
  }
}

static sht_status write_command(const sht__page *page, const char *spec, sht_error *error) {
  sht_experiment *experiment = page->experiment;
  size_t size = 0;
  FILE *out = open_memstream(&experiment->command, &size);
  if (out == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a command");
  }
  (void)fputs("shatter run ", out);
  sht_text_shell(out, spec);
  if (strcmp(experiment->scale, "full") != 0) {
    (void)fputs(" --scale ", out);
    sht_text_shell(out, experiment->scale);
  }
  for (const sht_setting *setting = page->above; setting != NULL && setting->name != NULL; setting++) {
    (void)fprintf(out, " --%s=", setting->name);
    sht_text_shell(out, setting->text);
  }
  return fclose(out) == 0 ? SHT_OK : SHT_FAIL(error, SHT_MEMORY, "no memory for a command");
}

// What is opened: spec as the caller gave it, path for messages, folder where its files are.
typedef struct origin {
  const char *spec, *path, *name, *folder;
} origin;

static sht_status open_text(const origin *from, const char *text, const char *scale, const sht_setting *above,
                            sht_experiment **out, sht_error *error) {
  sht_experiment *experiment = NULL;
  SHT_TRY(SHT_ALLOC(&experiment, 1, "experiment", error));
  (void)snprintf(experiment->name, sizeof experiment->name, "%s", from->name);
  sht__page page = {.experiment = experiment, .above = above, .folder = from->folder, .error = error};
  sht_status status = read_text(&page, from->path, text, scale);
  if (status == SHT_OK) {
    say_changes(&page);
    status = write_command(&page, from->spec, error);
  }
  if (status != SHT_OK) {
    sht_experiment_close(experiment);
    return status;
  }
  *out = experiment;
  return SHT_OK;
}

// "dir/mine.yaml" -> "mine" and "dir"
static void split_path(const char *path, char name[SHT_LABEL_MAX], char folder[PATH_MAX_BYTES]) {
  const char *slash = strrchr(path, '/');
  const char *start = slash == NULL ? path : slash + 1;
  const char *dot = strrchr(start, '.');
  int length = dot == NULL || dot == start ? (int)strlen(start) : (int)(dot - start);
  (void)snprintf(name, SHT_LABEL_MAX, "%.*s", length, start);
  (void)snprintf(folder, PATH_MAX_BYTES, "%.*s", slash == NULL ? 1 : (int)(slash - path), slash == NULL ? "." : path);
}

static sht_status open_file(const char *path, const char *scale, const sht_setting *above, sht_experiment **out,
                            sht_error *error) {
  char name[SHT_LABEL_MAX];
  char folder[PATH_MAX_BYTES];
  char *text = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_file_read(path, SHT__YAML_SIZE_MAX, &text, &size, error));
  split_path(path, name, folder);
  sht_status status = strlen(text) == size
                          ? open_text(&(origin){path, path, name, folder}, text, scale, above, out, error)
                          : SHT_FAIL(error, SHT_CONFIG, "%s: holds the character NUL; is it text?", path);
  sht_free(text);
  return status;
}

static sht_status fail_unknown(const char *spec, sht_error *error) {
  char advice[SHT__FAULT_TEXT];
  return SHT_FAIL(error, SHT_MISSING, "there is no experiment \"%.200s\"; %s, or give the path of a .yaml file", spec,
                  sht__advise(advice, sizeof advice, "experiments", spec, sht_experiment_names()));
}

sht_status sht_experiment_open(const char *spec, const char *scale, const sht_setting *above, sht_experiment **out,
                               sht_error *error) {
  *out = NULL;
  for (const sht__builtin_experiment *shipped = sht__builtin_experiments; shipped->name != NULL; shipped++) {
    if (strcmp(shipped->name, spec) == 0) {
      char path[SHT_LABEL_MAX];
      (void)snprintf(path, sizeof path, "%s.yaml", spec);
      return open_text(&(origin){spec, path, spec, ""}, shipped->text, scale, above, out, error);
    }
  }
  size_t length = strlen(spec);
  bool is_path = (length > 5 && strcmp(spec + length - 5, ".yaml") == 0) ||
                 (length > 4 && strcmp(spec + length - 4, ".yml") == 0) || sht_file_exists(spec);
  return is_path ? open_file(spec, scale, above, out, error) : fail_unknown(spec, error);
}
