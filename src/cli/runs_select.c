// Choosing and comparing runs: see runs_select.h.
#include "cli/runs_select.h"

#include <stdio.h>
#include <string.h>

enum { WORD_BYTES = 64 };

// The end of a condition: a comma before the next NAME=, so that values may hold commas.
static size_t condition_length(const char *text) {
  size_t length = strcspn(text, ",");
  while (text[length] == ',') {
    const char *next = text + length + 1;
    size_t word = strcspn(next, "=,");
    if (next[word] == '=') {
      return length;
    }
    length += 1 + strcspn(next, ",");
  }
  return length;
}

static sht_status parse_condition(const char *text, size_t length, sht_selection *out, sht_error *error) {
  const char *equals = memchr(text, '=', length);
  char name[WORD_BYTES], value[SHT_TEXT_MAX];
  size_t name_length = equals == NULL ? length : (size_t)(equals - text);
  if (equals == NULL || name_length >= sizeof name || length - name_length > sizeof value) {
    return SHT_FAIL(error, SHT_USAGE, "--filter takes OPTION=VALUE, as in --filter seed=2,batch=64; not \"%.*s\"",
                    (int)(length < WORD_BYTES ? length : WORD_BYTES), text);
  }
  if (out->count == SHT_CONDITIONS_MAX) {
    return SHT_FAIL(error, SHT_USAGE, "--filter: more than %d conditions", SHT_CONDITIONS_MAX);
  }
  (void)snprintf(name, sizeof name, "%.*s", (int)name_length, text);
  (void)snprintf(value, sizeof value, "%.*s", (int)(length - name_length - 1), equals + 1);
  SHT_TRY(sht_config_set(&out->wanted, name, value, "--filter", error));
  const sht_option *option = sht_option_find(name);
  sht_config_get(&out->wanted, option, out->texts[out->count], sizeof out->texts[0]);
  out->options[out->count++] = option;
  return SHT_OK;
}

sht_status sht__selection_parse(const char *text, sht_selection *out, sht_error *error) {
  *out = (sht_selection){.count = 0};
  sht_config_default(&out->wanted);
  while (text != NULL && *text != '\0') {
    size_t length = condition_length(text);
    SHT_TRY(parse_condition(text, length, out, error));
    text += length + (text[length] == ',');
  }
  return SHT_OK;
}

char *sht__run_value(const sht_run *run, const sht_option *option, char out[SHT_TEXT_MAX]) {
  if (strcmp(option->name, "model") == 0) {
    (void)snprintf(out, SHT_TEXT_MAX, "%s", sht_run_model(run));
  } else {
    sht_config_get(&run->config, option, out, SHT_TEXT_MAX);
  }
  return out;
}

static bool has_value(const sht_run *run, const sht_option *option, const char *text) {
  char own[SHT_TEXT_MAX];
  return strcmp(sht__run_value(run, option, own), text) == 0;
}

bool sht__selection_has(const sht_selection *selection, const sht_run *run) {
  for (int i = 0; i < selection->count; i++) {
    const sht_option *option = selection->options[i];
    bool is_path = strcmp(option->name, "model") == 0 && strcmp(run->config.model, selection->texts[i]) == 0;
    if (!is_path && !has_value(run, option, selection->texts[i])) {
      return false;
    }
  }
  return true;
}

int sht__runs_differ(const sht_run *runs, uint64_t count, const sht_option **out, int room) {
  int found = 0;
  for (size_t i = 0; i < sht_option_count && found < room; i++) {
    bool differ = false;
    char first[SHT_TEXT_MAX] = "";
    if (count > 0) {
      (void)sht__run_value(&runs[0], &sht_options[i], first);
    }
    for (uint64_t r = 1; r < count && !differ && sht_options[i].identity; r++) {
      differ = !has_value(&runs[r], &sht_options[i], first);
    }
    if (differ) {
      out[found++] = &sht_options[i];
    }
  }
  return found;
}
