// shatter runs export: the curves of runs for other programs.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/answer.h"
#include "cli/training.h"
#include "cli/verbs.h"

enum { PATH_BYTES = 4096 };

// A file was written: a line, or with --json an item of the list.
static sht_status tell_file(const sht_cli *cli, sht_json_list *files, const char *format, const char *path,
                            sht_error *error) {
  sht_json item = {0};
  if (!cli->quiet && !cli->json) {
    (void)fprintf(stderr, "%s: %s\n", format, path);
  }
  sht_json_add_text(&item, "format", format);
  sht_json_add_text(&item, "path", path);
  return sht__list_add(files, &item, error);
}

static sht_status export_csv(const sht_cli *cli, const sht_run *runs, uint64_t count, sht_csv_kind kind,
                             sht_json_list *files, sht_error *error) {
  const char *path = sht__cli_text(cli, kind == SHT_CSV_STEPS ? "steps-csv" : "csv");
  char *text = NULL;
  if (path == NULL) {
    return SHT_OK;
  }
  if (strcmp(path, "-") == 0 && cli->json) {
    return SHT_FAIL(error, SHT_USAGE, "CSV and --json cannot both be on standard output; name a file for the CSV");
  }
  SHT_TRY(sht_runs_csv(runs, count, kind, &text, error));
  sht_status status = SHT_OK;
  if (strcmp(path, "-") == 0) {
    (void)fputs(text, stdout);
  } else {
    status = sht_file_write(path, text, strlen(text), error);
    status = status == SHT_OK ? tell_file(cli, files, "csv", path, error) : status;
  }
  sht_text_free(text);
  return status;
}

static sht_status export_events(const sht_cli *cli, const sht_run *runs, uint64_t count, sht_json_list *files,
                                sht_error *error) {
  const char *folder = sht__cli_text(cli, "tensorboard");
  for (uint64_t i = 0; folder != NULL && i < count; i++) {
    char path[PATH_BYTES];
    SHT_TRY(sht_run_tensorboard(&runs[i], folder, path, sizeof path, error));
    SHT_TRY(tell_file(cli, files, "tensorboard", path, error));
  }
  return SHT_OK;
}

static sht_status export_records(const sht_cli *cli, const sht_run *runs, uint64_t count, sht_json_list *files,
                                 sht_error *error) {
  const char *folder = sht__cli_text(cli, "records");
  for (uint64_t i = 0; folder != NULL && i < count; i++) {
    char path[PATH_BYTES];
    bool copied = false;
    SHT_TRY(sht_run_copy_records(&runs[i], folder, path, sizeof path, &copied, error));
    SHT_TRY(copied ? tell_file(cli, files, "records", path, error) : SHT_OK);
  }
  return SHT_OK;
}

static sht_status export_all(sht_cli *cli, const sht_run *runs, uint64_t count, sht_error *error) {
  sht_json_list files;
  sht_json json = {0};
  SHT_TRY(sht__list_open(&files, error));
  sht_status status = export_csv(cli, runs, count, SHT_CSV_EPOCHS, &files, error);
  if (status == SHT_OK) {
    status = export_csv(cli, runs, count, SHT_CSV_STEPS, &files, error);
  }
  if (status == SHT_OK) {
    status = export_events(cli, runs, count, &files, error);
  }
  if (status == SHT_OK) {
    status = export_records(cli, runs, count, &files, error);
  }
  if (status != SHT_OK || !cli->json) {
    (void)sht__list_close(&files, NULL, NULL, NULL);
    return status;
  }
  sht_json_add_count(&json, "runs", count);
  SHT_TRY(sht__list_close(&files, &json, "files", error));
  return sht__answer_print(cli, &json, error);
}

static sht_status find_named(const sht_cli *cli, sht_store *store, sht_run **runs, uint64_t *count, sht_error *error) {
  *count = (uint64_t)cli->argument_count;
  SHT_TRY(SHT_ALLOC(runs, *count, "runs to export", error));
  for (int i = 0; i < cli->argument_count; i++) {
    sht_run *run = &(*runs)[i];
    SHT_TRY(sht_store_find(store, cli->arguments[i], run, error));
    if (run->damaged) {
      return SHT_FAIL(error, SHT_DATA, "%s: %s", run->folder, run->problem);
    }
  }
  return SHT_OK;
}

// "all": the finished runs.
static sht_status find_runs(const sht_cli *cli, sht_store *store, sht_run **runs, uint64_t *count, sht_error *error) {
  if (cli->argument_count != 1 || strcmp(cli->arguments[0], "all") != 0) {
    return find_named(cli, store, runs, count, error);
  }
  SHT_TRY(sht_store_list(store, runs, count, error));
  uint64_t kept = 0;
  for (uint64_t i = 0; i < *count; i++) {
    if ((*runs)[i].complete && !(*runs)[i].damaged) {
      (*runs)[kept++] = (*runs)[i];
    }
  }
  *count = kept;
  return SHT_OK;
}

static sht_status export_runs(sht_cli *cli, sht_store *store, sht_error *error) {
  uint64_t count = 0;
  sht_run *runs = NULL;
  sht_status status = find_runs(cli, store, &runs, &count, error);
  if (status == SHT_OK) {
    status = export_all(cli, runs, count, error);
  }
  sht_free(runs);
  return status;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht_store *store = NULL;
  if (sht__cli_text(cli, "csv") == NULL && sht__cli_text(cli, "steps-csv") == NULL &&
      sht__cli_text(cli, "tensorboard") == NULL && sht__cli_text(cli, "records") == NULL) {
    return SHT_FAIL(error, SHT_USAGE,
                    "say what to write: --csv FILE, --steps-csv FILE, --tensorboard DIR or --records DIR");
  }
  SHT_TRY(sht__open_store_to_read(cli, cli->arguments[0], &store, error));
  sht_status status = export_runs(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const examples[] = {
    "shatter runs export last --csv -",
    "the newest run's epochs as CSV on standard output",
    "shatter runs export 0f3a9c 77be02 --tensorboard board",
    "two runs for `tensorboard --logdir board`",
    "shatter runs export all --records published",
    "a small store of all finished runs, without weights, for `shatter report --store published`",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "csv", .type = SHT_OPTION_TEXT, .value_name = "FILE", .help = "a row an epoch; - is standard output"},
    {.name = "steps-csv",
     .type = SHT_OPTION_TEXT,
     .value_name = "FILE",
     .help = "training loss and accuracy, a row a tenth of an epoch; - is standard output"},
    {.name = "tensorboard",
     .type = SHT_OPTION_TEXT,
     .value_name = "DIR",
     .help = "an event file for each run, in a folder of its own below this one"},
    {.name = "records",
     .type = SHT_OPTION_TEXT,
     .value_name = "DIR",
     .help = "copies of finished runs without weights, checkpoints, arrays and the store's path: a store to read "
             "and to publish"},
    {.name = NULL},
};

const sht_verb sht__verb_runs_export = {
    .name = "runs export",
    .arguments = "RUN ...",
    .arguments_min = 1,
    .arguments_max = SHT_CLI_ANY_NUMBER,
    .summary = "write the curves of runs as CSV or TensorBoard event files",
    .description =
        "RUN is the name or the path of its folder, the start of its identity, or \"last\"; \"all\" alone means every "
        "finished "
        "run. A run that still trains is written as far as it is; writing again replaces the files.",
    .examples = examples,
    .config_options = "store",
    .options = options,
    .run = run,
};
