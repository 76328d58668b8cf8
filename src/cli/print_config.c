// --print-config: see print_config.h.
#include "cli/print_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"

enum { COMMENT_COLUMN = 36 };

static bool same_value(const sht_option *option, const sht_config *a, const sht_config *b) {
  char left[SHT_TEXT_MAX], right[SHT_TEXT_MAX];
  sht_config_get(a, option, left, sizeof left);
  sht_config_get(b, option, right, sizeof right);
  return strcmp(left, right) == 0;
}

// "--batch", "the file of --config" or "default".
static const char *source_of(const sht_cli *cli, const sht_option *option, const sht_config *defaults) {
  for (int i = 0; i < cli->flag_count; i++) {
    if (cli->flags[i].option == option) {
      return "flag";
    }
  }
  return same_value(option, &cli->config, defaults) ? "default" : sht__cli_text(cli, "config");
}

static const sht_option *option_of_line(const char *line) {
  char name[SHT_TEXT_MAX];
  (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(line, ": \n"), line);
  return sht_option_find(name);
}

static void print_lines(const sht_cli *cli, const char *text) {
  sht_config defaults;
  sht_config_default(&defaults);
  if (cli->verb->prepare != NULL) {
    cli->verb->prepare(&defaults);
  }
  while (*text != '\0') {
    int length = (int)strcspn(text, "\n");
    const sht_option *option = option_of_line(text);
    const char *source = option != NULL ? source_of(cli, option, &defaults) : NULL;
    if (source != NULL && sht__verb_takes(cli->verb, option)) {
      (void)printf("%-*.*s  # %s\n", COMMENT_COLUMN, length, text, source);
    }
    text += length + (text[length] == '\n');
  }
}

static void add_value(sht_json *json, const sht_config *config, const sht_option *option) {
  const char *place = (const char *)config + option->offset;
  switch (option->type) {
    case SHT_OPTION_BOOL:
      sht_json_add_bool(json, option->name, *(const bool *)place);
      break;
    case SHT_OPTION_COUNT:
      sht_json_add_count(json, option->name, *(const uint64_t *)place);
      break;
    case SHT_OPTION_NUMBER:
      sht_json_add_number(json, option->name, *(const double *)place);
      break;
    default:
      sht_json_add_text(json, option->name, place);
  }
}

sht_status sht__print_config(sht_cli *cli, sht_error *error) {
  const bool whole = strcmp(cli->verb->config_options, "*") == 0;
  SHT_TRY(whole ? sht_config_check(&cli->config, error) : SHT_OK);  // a part is checked by the verb that uses it
  if (cli->json) {
    sht_json json = {0};
    for (size_t i = 0; i < sht_option_count; i++) {
      if (sht__verb_takes(cli->verb, &sht_options[i])) {
        add_value(&json, &cli->config, &sht_options[i]);
      }
    }
    return sht__answer_print(cli, &json, error);
  }
  char *text = NULL;
  SHT_TRY(sht_config_write(&cli->config, false, &text, error));
  print_lines(cli, text);
  sht_text_free(text);
  return SHT_OK;
}
