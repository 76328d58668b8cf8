// A configuration: defaults, setting, reading from YAML, checking, writing. See shatter/config.h.
#include "shatter/config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/check.h"
#include "config/scalar.h"
#include "config/value.h"
#include "config/yaml.h"

void sht_config_default(sht_config *config) {
  memset(config, 0, sizeof *config);
  for (size_t i = 0; i < sht_option_count; i++) {
    sht__complaint complaint;
    (void)sht__value_set(config, &sht_options[i], sht_options[i].default_text, &complaint);
  }
}

sht_status sht_config_set(sht_config *config, const char *name, const char *text, const char *where, sht_error *error) {
  sht__complaint complaint;
  const sht_option *option = sht_option_find(name);
  if (option == NULL) {
    sht__value_unknown(name, &complaint);
  } else if (sht__value_set(config, option, text, &complaint)) {
    return SHT_OK;
  }
  return SHT_FAIL(error, SHT_CONFIG, "%s: %s%s%s", where, complaint.sentence, complaint.advice[0] == '\0' ? "" : "; ",
                  complaint.advice);
}

static void read_entry(sht_config *config, const sht__yaml_node *entry, sht__faults *faults) {
  sht__complaint complaint;
  const sht_option *option = sht_option_find(entry->key);
  if (option == NULL) {
    sht__value_unknown(entry->key, &complaint);
    sht__fault(faults, entry->key_at, NULL, complaint.advice, "%s", complaint.sentence);
    return;
  }
  bool is_text = option->type == SHT_OPTION_TEXT || option->type == SHT_OPTION_CHOICE;
  bool is_nothing = entry->kind == SHT__YAML_SCALAR && entry->text[0] == '\0' && !entry->quoted;
  if (entry->kind != SHT__YAML_SCALAR || is_nothing || (entry->quoted && !is_text)) {
    char found[SHT__FAULT_TEXT / 2];
    sht__fault(faults, entry->at, NULL, entry->quoted ? "remove the quotes" : NULL, "%s must be one value, not %s",
               option->name, sht__yaml_describe(entry, found, sizeof found));
  } else if (!sht__value_set(config, option, entry->text, &complaint)) {
    sht__fault(faults, entry->at, NULL, complaint.advice, "%s", complaint.sentence);
  }
}

static sht_status read_text(sht_config *config, const char *path, const char *text, uint64_t size, sht_error *error) {
  sht__faults faults;
  sht__yaml *yaml = NULL;
  const sht__yaml_node *root = NULL;
  sht__faults_start(&faults, path, text);
  sht_status status = sht__yaml_open(text, size, &faults, &yaml, &root, error);
  if (status == SHT_OK && root != NULL) {
    if (root->kind != SHT__YAML_MAP) {
      sht__fault(&faults, root->at, NULL, NULL, "expected lines of OPTION: VALUE");
    }
    for (const sht__yaml_node *entry = root->first; entry != NULL && root->kind == SHT__YAML_MAP; entry = entry->next) {
      read_entry(config, entry, &faults);
    }
  }
  sht__yaml_close(yaml);
  return status == SHT_OK ? sht__faults_end(&faults, SHT_CONFIG, error) : status;
}

sht_status sht_config_read(sht_config *config, const char *path, sht_error *error) {
  char *text = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_file_read(path, SHT__YAML_SIZE_MAX, &text, &size, error));
  sht_config copy = *config;  // a faulty file changes nothing
  sht_status status = read_text(&copy, path, text, size, error);
  sht_free(text);
  if (status == SHT_OK) {
    *config = copy;
  }
  return status;
}

sht_status sht_config_check(const sht_config *config, sht_error *error) {
  sht__faults faults;
  sht__faults_start(&faults, "configuration", NULL);
  sht__config_check(config, &(sht__option_places){.who = NULL}, &faults);
  return sht__faults_end(&faults, SHT_CONFIG, error);
}

void sht_config_get(const sht_config *config, const sht_option *option, char *out, size_t size) {
  const char *field = (const char *)config + option->offset;
  uint64_t count = 0;
  double number = 0;
  bool flag = false;
  switch (option->type) {
    case SHT_OPTION_BOOL:
      memcpy(&flag, field, sizeof flag);
      (void)snprintf(out, size, "%s", flag ? "true" : "false");
      break;
    case SHT_OPTION_COUNT:
      memcpy(&count, field, sizeof count);
      (void)snprintf(out, size, "%" PRIu64, count);
      break;
    case SHT_OPTION_NUMBER:
      memcpy(&number, field, sizeof number);
      if (isnan(number)) {
        (void)snprintf(out, size, "default");
      } else {
        sht__scalar_print(number, out, size);
      }
      break;
    case SHT_OPTION_TEXT:
    case SHT_OPTION_CHOICE:
      (void)snprintf(out, size, "%s", field);
      break;
  }
}

// Text that YAML reads back as itself without quotes.
static bool is_bare(const char *text) {
  const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
  size_t length = strlen(text);
  return length > 0 && text[0] != '-' && strspn(text, allowed) == length;
}

// Writes `"text"` with quotes and backslashes escaped. out: [2 * SHT_TEXT_MAX + 3].
static void quote(const char *text, char *out) {
  *out++ = '"';
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') {
      *out++ = '\\';
    }
    *out++ = *text;
  }
  *out++ = '"';
  *out = '\0';
}

static size_t write_option(const sht_config *config, const sht_option *option, char *out, size_t size) {
  char value[SHT_TEXT_MAX];
  char quoted[2 * SHT_TEXT_MAX + 3];
  sht_config_get(config, option, value, sizeof value);
  bool is_string = option->type == SHT_OPTION_TEXT || option->type == SHT_OPTION_CHOICE;
  if (is_string && !is_bare(value)) {
    quote(value, quoted);
  } else {
    (void)snprintf(quoted, sizeof quoted, "%s", value);
  }
  return (size_t)snprintf(out, size, "%s: %s\n", option->name, quoted);
}

// Options that came later are left out of the identity at their default.
static bool is_written(const sht_config *config, const sht_option *option, bool identity_only) {
  char value[SHT_TEXT_MAX];
  sht_config_get(config, option, value, sizeof value);
  return !identity_only || (option->identity && !(option->later && strcmp(value, option->default_text) == 0));
}

sht_status sht_config_write(const sht_config *config, bool identity_only, char **out, sht_error *error) {
  const size_t line_max = 2 * SHT_TEXT_MAX + 64;
  SHT_TRY(SHT_ALLOC(out, sht_option_count * line_max, "configuration", error));
  size_t length = 0;
  for (size_t i = 0; i < sht_option_count; i++) {
    if (is_written(config, &sht_options[i], identity_only)) {
      length += write_option(config, &sht_options[i], *out + length, line_max);
    }
  }
  return SHT_OK;
}

void sht_text_free(char *text) { sht_free(text); }
