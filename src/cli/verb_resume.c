// shatter resume: goes on with an interrupted run, or beyond the end of a finished one.
#include <inttypes.h>

#include "cli/signals.h"
#include "cli/training.h"
#include "cli/verbs.h"

static sht_status resume(sht_cli *cli, sht_store *store, sht_error *error) {
  sht_run before;
  sht_run run;
  SHT_TRY(sht_store_find(store, cli->arguments[0], &before, error));
  if (before.damaged) {
    return SHT_FAIL(error, SHT_DATA, "%s: %s", before.folder, before.problem);
  }
  uint64_t done = before.result.epochs;
  sht_config config = before.config;
  SHT_TRY(sht__cli_apply_flags(cli, &config, error));
  if (config.epochs < done) {
    return SHT_FAIL(error, SHT_USAGE, "--epochs %" PRIu64 ": the run has done %" PRIu64 " already; ask for more",
                    config.epochs, done);
  }
  SHT_TRY(sht_config_check(&config, error));
  bool reused = false;
  sht_training how = {.title = "", .of = &before};
  SHT_TRY(sht__train_in_store(cli, store, &config, &how, &run, &reused, error));
  return sht__tell_run(cli, &run, reused, error);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht__signals_install();
  sht_store *store = NULL;
  SHT_TRY(sht__open_store(cli, cli->arguments[0], &store, error));
  sht_status status = resume(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const examples[] = {
    "shatter resume last",
    "go on with the newest run",
    "shatter resume 0f3a9c --epochs 200",
    "train a finished run further, up to epoch 200",
    NULL,
};

static const sht_cli_option options[] = {SHT_CLI_PROGRESS_OPTION, {.name = NULL}};

static const sht_config_note notes[] = {
    {.name = "epochs", .default_text = "those the run was begun with"},
    {.name = NULL},
};

const sht_verb sht__verb_resume = {
    .name = "resume",
    .arguments = "RUN",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "go on with an interrupted run, or train a finished one further",
    .description =
        "The weights come out bit for bit as if the run had never stopped. It has the model that its folder keeps, "
        "also "
        "where the model's file has been edited since. RUN is the name or the path of "
        "its folder, the start of its identity, or \"last\".",
    .examples = examples,
    .config_options = "epochs threads store data-dir checkpoint-seconds save",
    .config_notes = notes,
    .options = options,
    .run = run,
};
