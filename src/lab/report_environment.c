// Where runs were made: see report_environment.h.
#include "lab/report_environment.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "lab/files.h"
#include "lab/svg_text.h"

enum { ENV_SIZE_MAX = 1 << 18, DIFFERENT_MAX = 8, VALUE_SIZE = 256 };

sht_status sht__environment_open(const sht_run *run, json_t **out, sht_error *error) {
  char path[SHT_LAB_PATH];
  char *text = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_path_join(path, sizeof path, run->folder, SHT_FILE_ENV, error));
  SHT_TRY(sht_file_read(path, ENV_SIZE_MAX, &text, &size, error));
  sht_status status = sht_json_read(text, size, path, out, error);
  sht_free(text);
  return status;
}

const char *sht__environment_text(const char *key, const json_t *value, char out[SHT__ENVIRONMENT_TEXT]) {
  if (json_is_string(value)) {
    return json_string_value(value);
  }
  if (json_is_boolean(value)) {
    return json_is_true(value) ? "yes" : "no";
  }
  if (!json_is_number(value)) {
    return NULL;
  }
  time_t seconds = (time_t)json_number_value(value);
  struct tm date;
  if (strcmp(key, "created") == 0 && gmtime_r(&seconds, &date) != NULL) {
    (void)strftime(out, SHT__ENVIRONMENT_TEXT, "%Y-%m-%d %H:%M:%S UTC", &date);
    return out;
  }
  return sht__number_text(json_number_value(value), 6, true, out, SHT__ENVIRONMENT_TEXT);
}

// The different values of one key, and in how many runs each stands.
typedef struct tally {
  char text[DIFFERENT_MAX][VALUE_SIZE];
  uint64_t runs[DIFFERENT_MAX];
  size_t count;
  bool more;  // than there is room for
} tally;

static void tally_add(tally *all, const char *text) {
  size_t i = 0;
  while (i < all->count && strncmp(all->text[i], text, VALUE_SIZE - 1) != 0) {
    i++;
  }
  if (i == DIFFERENT_MAX) {
    all->more = true;
    return;
  }
  if (i == all->count) {
    (void)snprintf(all->text[all->count++], VALUE_SIZE, "%s", text);
  }
  all->runs[i]++;
}

static void tally_write(FILE *out, const char *key, const tally *all) {
  if (all->count == 0) {
    return;
  }
  (void)fprintf(out, "<dt>%s</dt><dd>", key);
  for (size_t i = 0; i < all->count; i++) {
    (void)fputs(i == 0 ? "" : "; ", out);
    sht__xml_text(out, all->text[i]);
    if (all->count > 1) {
      (void)fprintf(out, " (%" PRIu64 " run%s)", all->runs[i], all->runs[i] == 1 ? "" : "s");
    }
  }
  (void)fputs(all->more ? "; and others</dd>\n" : "</dd>\n", out);
}

void sht__environments_write(FILE *out, const sht_run *const *runs, uint64_t count) {
  static const char *const keys[] = {"version", "commit",       "processor", "cores", "threads",
                                     "backend", "instructions", "numerics",  "kernel"};
  enum { KEYS = sizeof keys / sizeof keys[0] };
  tally all[KEYS] = {{.count = 0}};
  for (uint64_t i = 0; i < count; i++) {
    json_t *object = NULL;
    if (sht__environment_open(runs[i], &object, NULL) != SHT_OK) {
      continue;
    }
    for (size_t k = 0; k < KEYS; k++) {
      char number[SHT__ENVIRONMENT_TEXT];
      const char *text = sht__environment_text(keys[k], json_object_get(object, keys[k]), number);
      tally_add(&all[k], text == NULL ? "not known" : text);
    }
    json_decref(object);
  }
  (void)fputs("<dl class=\"environment\">\n", out);
  for (size_t k = 0; k < KEYS; k++) {
    tally_write(out, keys[k], &all[k]);
  }
  (void)fputs("</dl>\n", out);
}
