// shatter version: which shatter this is.
#include <stdio.h>

#include "cli/answer.h"
#include "cli/verbs.h"

static sht_status run(sht_cli *cli, sht_error *error) {
  if (!cli->json) {
    (void)printf("shatter %s\n", SHATTER_VERSION);
    return SHT_OK;
  }
  sht_json json = {0};
  sht_json_add_text(&json, "version", SHATTER_VERSION);
  return sht__answer_print(cli, &json, error);
}

static const char *const examples[] = {"shatter version", "the version", NULL};

const sht_verb sht__verb_version = {
    .name = "version",
    .arguments = "",
    .summary = "which shatter this is",
    .description = "",
    .examples = examples,
    .config_options = "",
    .run = run,
};
