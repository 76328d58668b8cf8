// shatter demo: the heart of the matter in under a minute: one network on true labels, on random labels and on random
// pixels.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/curves.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "cli/training.h"
#include "cli/verbs.h"

enum {
  RUNS = 3,
  PATH_BYTES = 2048,
  VERDICT_BYTES = 1024,
  WORD_BYTES = 64,
  EXAMPLES = 4000,
  TEST_EXAMPLES = 2000,
  EPOCHS = 40
};

typedef struct copy {
  const char *labels, *pixels;
} copy;
static const copy copies[RUNS] = {{"true", "true"}, {"random", "true"}, {"true", "random"}};

typedef struct demo_result {
  sht_run runs[RUNS];
  bool reused[RUNS];
  char verdict[VERDICT_BYTES];
  char report[PATH_BYTES];
  double seconds;
} demo_result;

static void prepare(sht_config *config) {
  (void)snprintf(config->model, sizeof config->model, "mlp-1x512");
  (void)snprintf(config->data, sizeof config->data, "shapes");
  config->train_size = EXAMPLES;
  config->test_size = TEST_EXAMPLES;
  config->epochs = EPOCHS;
}

static void say(const sht_cli *cli, const char *text) {
  if (!cli->quiet) {
    sht_terminal terminal = sht__terminal_of(stderr);
    sht__print_wrapped(stderr, text, 0, 0, terminal.columns < 100 ? terminal.columns : 100);
  }
}

static void introduce(const sht_cli *cli) {
  char text[PATH_BYTES], examples[WORD_BYTES];
  (void)snprintf(text, sizeof text,
                 "One network (%s), three times: on %s pictures with their true labels, on the same pictures with "
                 "labels drawn at random, and with the pixels of every picture shuffled. Can it fit what has nothing "
                 "to be learnt?\n",
                 cli->config.model, sht_text_count(cli->config.train_size, examples, sizeof examples));
  say(cli, text);
}

// One line on standard error when a run is done.
static void tell_done(const sht_cli *cli, const sht_run *run, int index, bool reused) {
  if (cli->quiet) {
    return;
  }
  sht_terminal terminal = sht__terminal_of(stderr);
  const sht_train_result *result = &run->result;
  char name[WORD_BYTES * 4], how[WORD_BYTES * 2], test[WORD_BYTES], duration[WORD_BYTES];
  if (result->fitted_epoch > 0) {
    (void)snprintf(how, sizeof how, "fitted in epoch %" PRIu32, result->fitted_epoch);
  } else {
    (void)snprintf(how, sizeof how, "%s", sht_outcome_name(result->outcome));
  }
  (void)fprintf(stderr, "%s%-14s%s  %-20s  test accuracy %-8s  %s\n", sht__ink(&terminal, SHT_INK_SERIES + index),
                sht__describe_copy(&run->config, name, sizeof name), sht__ink_end(&terminal), how,
                sht__percent(result->last.test_accuracy, test, sizeof test),
                reused ? "done before" : sht_text_duration(result->seconds, duration, sizeof duration));
}

static sht_status train_all(sht_cli *cli, sht_store *store, demo_result *demo, sht_error *error) {
  for (int i = 0; i < RUNS; i++) {
    sht_config config = cli->config;
    (void)snprintf(config.labels, sizeof config.labels, "%s", copies[i].labels);
    (void)snprintf(config.pixels, sizeof config.pixels, "%s", copies[i].pixels);
    SHT_TRY(sht_config_check(&config, error));
    char title[WORD_BYTES * 4];
    sht_training how = {.title = sht__describe_copy(&config, title, sizeof title),
                        .ink = SHT_INK_SERIES + i,
                        .again = sht__cli_is_set(cli, "again")};
    SHT_TRY(sht__train_in_store(cli, store, &config, &how, &demo->runs[i], &demo->reused[i], error));
    tell_done(cli, &demo->runs[i], i, demo->reused[i]);
  }
  return SHT_OK;
}

static sht_status print_demo(const sht_cli *cli, const demo_result *demo, sht_error *error) {
  SHT_TRY(sht__print_curves(demo->runs, RUNS, error));
  sht_terminal terminal = sht__terminal_of(stdout);
  (void)printf("\n%s", sht__ink(&terminal, SHT_INK_BOLD));
  sht__print_wrapped(stdout, demo->verdict, 0, 0, terminal.columns < 100 ? terminal.columns : 100);
  (void)printf("%s\n", sht__ink_end(&terminal));
  for (int i = 0; i < RUNS; i++) {
    (void)printf("%s%s\n", i == 0 ? "Runs    " : "        ", demo->runs[i].folder);
  }
  (void)printf("Report  %s\n", demo->report);
  if (demo->reused[0] && demo->reused[1] && demo->reused[2]) {
    say(cli, "\nAll three runs were in the store already; `shatter demo --again` trains them anew.");
  }
  return SHT_OK;
}

static sht_status answer_demo(sht_cli *cli, const demo_result *demo, sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (int i = 0; i < RUNS && status == SHT_OK; i++) {
    char *text = NULL;
    status = sht_run_json(&demo->runs[i], &text, error);
    if (status == SHT_OK) {
      sht__list_add_raw(&list, text);
      sht_text_free(text);
    }
  }
  sht_json json = {0};
  sht_json_add_text(&json, "verdict", demo->verdict);
  sht_json_add_text(&json, "report", demo->report);
  sht_json_add_number(&json, "seconds", demo->seconds);
  sht_status closed = sht__list_close(&list, &json, "runs", error);
  SHT_TRY(status);
  SHT_TRY(closed);
  return sht__answer_print(cli, &json, error);
}

static sht_status show(sht_cli *cli, sht_store *store, sht_error *error) {
  demo_result demo = {.report = ""};
  double started = sht__clock_seconds();
  introduce(cli);
  SHT_TRY(train_all(cli, store, &demo, error));
  SHT_TRY(sht_report_verdict(demo.runs, RUNS, demo.verdict, sizeof demo.verdict, error));
  SHT_TRY(sht_path_join(demo.report, sizeof demo.report, sht_store_path(store), "demo.html", error));
  SHT_TRY(sht_report_write(demo.runs, RUNS, demo.report, error));
  demo.seconds = sht__clock_seconds() - started;
  return cli->json ? answer_demo(cli, &demo, error) : print_demo(cli, &demo, error);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht__signals_install();
  sht_store *store = NULL;
  SHT_TRY(sht__open_store(cli, NULL, &store, error));
  sht_status status = show(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const examples[] = {
    "shatter demo",
    "true labels, random labels, random pixels: what can be fitted, and what is learnt",
    "shatter demo --model alexnet --epochs 30",
    "the same with another network",
    NULL,
};

static const sht_cli_option options[] = {
    SHT_CLI_PRINT_CONFIG_OPTION,
    SHT_CLI_PROGRESS_OPTION,
    {.name = "again", .type = SHT_OPTION_BOOL, .help = "train anew, although the store has these runs already"},
    {.name = NULL},
};

const sht_verb sht__verb_demo = {
    .name = "demo",
    .arguments = "",
    .summary = "true labels against random labels and random pixels, in under a minute",
    .description =
        "Nothing is downloaded: the pictures are drawn by the program. The three runs go to the store, with a "
        "report.",
    .examples = examples,
    .config_options = "model train-size test-size epochs seed threads precision device store",
    .options = options,
    .prepare = prepare,
    .run = run,
};
