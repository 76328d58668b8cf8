// shatter runs show: one run in full, with its curves.
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "cli/curves.h"
#include "cli/training.h"
#include "cli/verbs.h"

static sht_status print_options(const sht_run *run, sht_error *error) {
  char *text = NULL;
  SHT_TRY(sht_config_write(&run->config, true, &text, error));
  (void)printf("\n%s", text);
  sht_text_free(text);
  return SHT_OK;
}

static sht_status answer(sht_cli *cli, const sht_run *run, sht_error *error) {
  char *text = NULL;
  SHT_TRY(sht_run_json_curves(run, &text, error));
  (void)printf("%s\n", text);
  sht_text_free(text);
  cli->answered = true;
  return SHT_OK;
}

static sht_status show(sht_cli *cli, sht_store *store, sht_error *error) {
  sht_run run;
  SHT_TRY(sht_store_find(store, cli->arguments[0], &run, error));
  if (run.damaged) {
    return SHT_FAIL(error, SHT_DATA, "%s: %s", run.folder, run.problem);
  }
  if (cli->json) {
    return answer(cli, &run, error);
  }
  sht_status status = sht__tell_run(cli, &run, false, error);
  if (status != SHT_OK && status != SHT_DIVERGED) {
    return status;
  }
  SHT_TRY(sht__print_curves(&run, 1, error));
  return print_options(&run, error);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht_store *store = NULL;
  SHT_TRY(sht__open_store_to_read(cli, cli->arguments[0], &store, error));
  sht_status status = show(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const examples[] = {
    "shatter runs show last",
    "outcome, curves and options of the newest run",
    "shatter runs show 0f3a9c --json",
    "its result as an object, with the records of its epochs as the list \"metrics\"",
    NULL,
};

const sht_verb sht__verb_runs_show = {
    .name = "runs show",
    .arguments = "RUN",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "one run: its outcome, curves and options",
    .description = "RUN is the name or the path of its folder, the start of its identity, or \"last\".",
    .examples = examples,
    .config_options = "store",
    .run = run,
};
