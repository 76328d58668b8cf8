// shatter report: one HTML page with the curves of runs, their table, the verdict and the exact commands.
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "cli/answer.h"
#include "cli/training.h"
#include "cli/verbs.h"

enum { VERDICT_BYTES = 1024 };

// The runs named on the command line, or all complete ones of the store. Free *runs with sht_free.
static sht_status choose_runs(const sht_cli *cli, sht_store *store, sht_run **runs, uint64_t *count, sht_error *error) {
  if (cli->argument_count == 0) {
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
  *count = (uint64_t)cli->argument_count;
  SHT_TRY(SHT_ALLOC(runs, *count, "the runs of the report", error));
  for (int i = 0; i < cli->argument_count; i++) {
    SHT_TRY(sht_store_find(store, cli->arguments[i], &(*runs)[i], error));
  }
  return SHT_OK;
}

static sht_status write_report(sht_cli *cli, const sht_run *runs, uint64_t count, sht_error *error) {
  const char *path = sht__cli_text(cli, "output");
  path = path != NULL ? path : "report.html";
  char verdict[VERDICT_BYTES];
  SHT_TRY(sht_report_verdict(runs, count, verdict, sizeof verdict, error));
  SHT_TRY(sht_report_write(runs, count, path, error));
  if (cli->json) {
    sht_json json = {0};
    sht_json_add_text(&json, "output", path);
    sht_json_add_count(&json, "runs", count);
    sht_json_add_text(&json, "verdict", verdict);
    return sht__answer_print(cli, &json, error);
  }
  (void)printf("%s\nReport on %" PRIu64 " run%s: %s\n", verdict, count, count == 1 ? "" : "s", path);
  return SHT_OK;
}

static sht_status report(sht_cli *cli, sht_store *store, sht_error *error) {
  sht_run *runs = NULL;
  uint64_t count = 0;
  sht_status status = choose_runs(cli, store, &runs, &count, error);
  if (status == SHT_OK && count == 0) {
    status = SHT_FAIL(error, SHT_MISSING, "no complete run in %s; `shatter demo` makes the first ones",
                      sht_store_path(store));
  }
  if (status == SHT_OK) {
    status = write_report(cli, runs, count, error);
  }
  sht_free(runs);
  return status;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht_store *store = NULL;
  SHT_TRY(sht__open_store(cli, cli->argument_count > 0 ? cli->arguments[0] : NULL, &store, error));
  sht_status status = report(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const examples[] = {
    "shatter report -o report.html",
    "every complete run of the store",
    "shatter report 0f3a9c 77be02 -o two.html",
    "two runs side by side",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .type = SHT_OPTION_TEXT,
     .value_name = "FILE",
     .default_text = "report.html",
     .help = "the page to write"},
    {.name = NULL},
};

const sht_verb sht__verb_report = {
    .name = "report",
    .arguments = "[RUN ...]",
    .arguments_max = SHT_CLI_ANY_NUMBER,
    .summary = "one HTML page: curves, figures, verdict, and the commands that made them",
    .description = "The page needs nothing else: no network, no scripts from elsewhere.",
    .examples = examples,
    .config_options = "store",
    .options = options,
    .run = run,
};
