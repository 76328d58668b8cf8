// shatter version: which shatter this is.
#include <stdio.h>

#include "base/commit.h"
#include "cli/answer.h"
#include "cli/verbs.h"

static sht_status run(sht_cli *cli, sht_error *error) {
  if (!cli->json) {
    const char *commit = sht__commit();
    (void)printf("shatter %s%s%s\n", SHATTER_VERSION, commit != NULL ? ", commit " : "", commit != NULL ? commit : "");
    return SHT_OK;
  }
  sht_json json = {0};
  sht_json_add_text(&json, "version", SHATTER_VERSION);
  sht_json_add_text(&json, "commit", sht__commit());
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
