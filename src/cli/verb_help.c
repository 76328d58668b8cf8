// shatter help [VERB]: the overview, a verb's help, and the whole of it as Markdown or manual page.
#include <stdio.h>

#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/verbs.h"

static sht_status help_on_verb(sht_cli *cli, sht_error *error) {
  char name[128];
  (void)snprintf(name, sizeof name, "%s%s%s", cli->arguments[0], cli->argument_count > 1 ? " " : "",
                 cli->argument_count > 1 ? cli->arguments[1] : "");
  cli->verb = sht__verb_find(name);
  if (cli->verb == NULL) {
    cli->verb = &sht__verb_help;
    return SHT_FAIL(error, SHT_USAGE, "\"%s\" is not a verb\n`shatter help` lists them.", name);
  }
  cli->group = cli->argument_count == 1 && sht__verb_is_group(name) ? cli->arguments[0] : NULL;
  return sht__help_print(cli, error);
}

static sht_status answer_verbs(sht_cli *cli, sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (int i = 0; sht__verbs[i] != NULL && status == SHT_OK; i++) {
    sht_json item = {0};
    sht_json_add_text(&item, "verb", sht__verbs[i]->name);
    sht_json_add_text(&item, "summary", sht__verbs[i]->summary);
    status = sht__list_add(&list, &item, error);
  }
  sht_json json = {0};
  sht_status closed = sht__list_close(&list, &json, "verbs", error);
  SHT_TRY(status);
  SHT_TRY(closed);
  return sht__answer_print(cli, &json, error);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  if (cli->argument_count > 0) {
    return help_on_verb(cli, error);
  }
  if (cli->json) {
    return answer_verbs(cli, error);
  }
  if (sht__cli_is_set(cli, "markdown")) {
    sht__help_markdown(stdout);
  } else if (sht__cli_is_set(cli, "man")) {
    sht__help_manual(stdout);
  } else {
    sht_terminal terminal = sht__terminal_of(stdout);
    sht__help_overview(stdout, &terminal);
  }
  return SHT_OK;
}

static const char *const examples[] = {
    "shatter help train",
    "what `shatter train` does, with examples",
    "shatter help --man | man -l -",
    "the manual page",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "markdown", .type = SHT_OPTION_BOOL, .help = "the whole reference as Markdown"},
    {.name = "man", .type = SHT_OPTION_BOOL, .help = "the whole reference as a manual page"},
    {.name = NULL},
};

const sht_verb sht__verb_help = {
    .name = "help",
    .arguments = "[VERB]",
    .arguments_max = 2,
    .summary = "explain the program or a verb",
    .description = "",
    .examples = examples,
    .config_options = "",
    .options = options,
    .run = run,
};
