// shatter runs: what the store holds, filtered and sorted; one run in full.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/memory.h"
#include "cli/answer.h"
#include "cli/runs_select.h"
#include "cli/table.h"
#include "cli/training.h"
#include "cli/verbs.h"

enum { WORD_BYTES = 64, TEXT_BYTES = 512, OPTIONS_COMPARED = 10 };

static double train_accuracy(const sht_run *run) {
  double measured = run->result.last.train_accuracy_eval;
  return isnan(measured) ? run->result.last.train_accuracy : measured;
}

static double train_loss(const sht_run *run) {
  double measured = run->result.last.train_loss_eval;
  return isnan(measured) ? run->result.last.train_loss : measured;
}

// Whether the text begins with what was asked for; not asked: yes.
static bool passes(const sht_cli *cli, const char *name, const char *text) {
  const char *wanted = sht__cli_text(cli, name);
  return wanted == NULL || strncasecmp(text, wanted, strlen(wanted)) == 0;
}

static bool is_wanted(const sht_cli *cli, const sht_selection *selection, const sht_run *run) {
  bool is_model = passes(cli, "model", sht_run_model(run)) || passes(cli, "model", run->config.model);
  return sht__selection_has(selection, run) && is_model && passes(cli, "data", run->config.data) &&
         passes(cli, "labels", run->config.labels) && passes(cli, "pixels", run->config.pixels) &&
         passes(cli, "outcome", sht_run_outcome(run));
}

// NaN sorts last.
static int compare_down(double a, double b) {
  double left = isnan(a) ? -INFINITY : a;
  double right = isnan(b) ? -INFINITY : b;
  return (left < right) - (left > right);
}

static int by_created(const void *a, const void *b) {
  return compare_down(((const sht_run *)a)->created, ((const sht_run *)b)->created);
}
static int by_model(const void *a, const void *b) { return strcmp(sht_run_model(a), sht_run_model(b)); }
static int by_data(const void *a, const void *b) {
  return strcmp(((const sht_run *)a)->config.data, ((const sht_run *)b)->config.data);
}
static int by_labels(const void *a, const void *b) {
  return strcmp(((const sht_run *)a)->config.labels, ((const sht_run *)b)->config.labels);
}
static int by_train(const void *a, const void *b) { return compare_down(train_accuracy(a), train_accuracy(b)); }
static int by_test(const void *a, const void *b) {
  return compare_down(((const sht_run *)a)->result.last.test_accuracy, ((const sht_run *)b)->result.last.test_accuracy);
}
// The fewest steps first, never fitted last.
static int by_fitted(const void *a, const void *b) {
  uint64_t left = ((const sht_run *)a)->result.fitted_step;
  uint64_t right = ((const sht_run *)b)->result.fitted_step;
  return compare_down(left == 0 ? NAN : -(double)left, right == 0 ? NAN : -(double)right);
}

typedef struct order {
  const char *name;
  int (*compare)(const void *a, const void *b);
} order;

static const order orders[] = {{"created", by_created}, {"model", by_model}, {"data", by_data},
                               {"labels", by_labels},   {"train", by_train}, {"test", by_test},
                               {"fitted", by_fitted}};

// Runs that are equal in it stand newest first, and those of one moment by name, as they do without --sort.
static int compare_runs(const void *a, const void *b, void *wanted) {
  const order *chosen = wanted;
  int down = chosen->compare(a, b);
  down = down != 0 ? down : by_created(a, b);
  return down != 0 ? down : strcmp(((const sht_run *)a)->folder, ((const sht_run *)b)->folder);
}

static void sort_runs(const sht_cli *cli, sht_run *runs, uint64_t count) {
  const char *wanted = sht__cli_text(cli, "sort");
  for (size_t i = 0; wanted != NULL && i < sizeof orders / sizeof orders[0]; i++) {
    if (strcmp(orders[i].name, wanted) == 0) {
      order chosen = orders[i];
      qsort_r(runs, count, sizeof *runs, compare_runs, &chosen);
    }
  }
}

// Moves the wanted runs to the front; returns their number.
static uint64_t filter_runs(const sht_cli *cli, const sht_selection *selection, sht_run *runs, uint64_t count) {
  uint64_t kept = 0;
  for (uint64_t i = 0; i < count; i++) {
    if (is_wanted(cli, selection, &runs[i])) {
      if (kept != i) {
        runs[kept] = runs[i];
      }
      kept++;
    }
  }
  return kept;
}

static void add_results(sht_table *table, const sht_run *run) {
  sht__table_add(table, "%s", sht_run_outcome(run));
  if (run->result.fitted_step > 0) {
    sht__table_add_count(table, run->result.fitted_step);
  } else {
    sht__table_add(table, "-");
  }
  sht__table_add_percent(table, run->result.epochs > 0 ? train_accuracy(run) : NAN);
  sht__table_add_percent(table, run->result.epochs > 0 ? run->result.last.test_accuracy : NAN);
}

static void add_row(sht_table *table, const sht_run *run) {
  char when[WORD_BYTES] = "-";
  time_t created = (time_t)run->created;
  struct tm parts;
  if (localtime_r(&created, &parts) != NULL) {
    (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M", &parts);
  }
  sht__table_add(table, "%s", sht__cli_run_name(run));
  sht__table_add(table, "%s", sht_run_model(run));
  sht__table_add(table, "%s", run->config.data);
  sht__table_add(table, "%s", run->config.labels);
  sht__table_add(table, "%s", run->config.pixels);
  sht__table_add(table, "%" PRIu32, run->result.epochs);
  add_results(table, run);
  sht__table_add(table, "%s", when);
}

// A column for each option in which the runs differ, and their results.
static sht_status print_comparison(const sht_run *runs, uint64_t count, sht_error *error) {
  static const char *const results[] = {"outcome", "fitted at step", "train", "test"};
  const sht_option *options[OPTIONS_COMPARED];
  int differ = sht__runs_differ(runs, count, options, OPTIONS_COMPARED);
  char alignment[OPTIONS_COMPARED + 8] = "l";
  char value[SHT_TEXT_MAX];
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  memset(alignment + 1, 'l', (size_t)differ);
  memcpy(alignment + 1 + differ, "lrrr", sizeof "lrrr");
  SHT_TRY(sht__table_open(&table, alignment, error));
  sht__table_add(&table, "run");
  for (int i = 0; i < differ; i++) {
    sht__table_add(&table, "%s", options[i]->name);
  }
  for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
    sht__table_add(&table, "%s", results[i]);
  }
  for (uint64_t r = 0; r < count; r++) {
    sht__table_add(&table, "%s", sht__cli_run_name(&runs[r]));
    for (int i = 0; i < differ; i++) {
      sht__table_add(&table, "%s", sht__run_value(&runs[r], options[i], value));
    }
    add_results(&table, &runs[r]);
  }
  return sht__table_print(&table, stdout, &terminal, error);
}

static sht_status print_runs(const sht_cli *cli, const sht_run *runs, uint64_t count, uint64_t total, const char *store,
                             sht_error *error) {
  sht_terminal terminal = sht__terminal_of(stdout);
  if (count == 0) {
    (void)printf(
        total == 0 ? "No runs yet in %s; `shatter demo` makes the first ones.\n" : "No run in %s is of that kind.\n",
        store);
    return SHT_OK;
  }
  if (sht__cli_is_set(cli, "compare")) {
    return print_comparison(runs, count, error);
  }
  static const char *const heads[] = {"run",     "model",          "data",  "labels", "pixels", "epochs",
                                      "outcome", "fitted at step", "train", "test",   "made"};
  sht_table table;
  SHT_TRY(sht__table_open(&table, "lllllrlrrrl", error));
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    sht__table_add(&table, "%s", heads[i]);
  }
  for (uint64_t i = 0; i < count; i++) {
    add_row(&table, &runs[i]);
  }
  SHT_TRY(sht__table_print(&table, stdout, &terminal, error));
  if (!cli->quiet) {
    (void)fprintf(stderr, "%" PRIu64 " of %" PRIu64 " run%s in %s\n", count, total, total == 1 ? "" : "s", store);
  }
  return SHT_OK;
}

static sht_status add_run(sht_json_list *list, const sht_run *run, sht_error *error) {
  const sht_train_result *result = &run->result;
  sht_json item = {0};
  sht_json_add_text(&item, "run", run->folder);
  sht_json_add_text(&item, "identity", run->id);
  sht_json_add_text(&item, "model", run->config.model);
  sht_json_add_text(&item, "model_name", sht_run_model(run));
  sht_json_add_text(&item, "data", run->config.data);
  sht_json_add_text(&item, "labels", run->config.labels);
  sht_json_add_text(&item, "pixels", run->config.pixels);
  sht_json_add_count(&item, "seed", run->config.seed);
  sht_json_add_bool(&item, "complete", run->complete);
  sht_json_add_text(&item, "outcome", sht_run_outcome(run));
  sht_json_add_count(&item, "epochs", result->epochs);
  sht_json_add_count(&item, "steps", result->steps);
  sht_json_add_place(&item, "fitted_step", result->fitted_step);
  sht_json_add_number(&item, "train_accuracy", result->epochs > 0 ? train_accuracy(run) : NAN);
  sht_json_add_number(&item, "train_loss", result->epochs > 0 ? train_loss(run) : NAN);
  sht_json_add_number(&item, "test_accuracy", result->epochs > 0 ? result->last.test_accuracy : NAN);
  sht_json_add_number(&item, "seconds", result->seconds);
  sht_json_add_text(&item, "weights_sha256", result->weights_sha256);
  sht_json_add_number(&item, "created", run->created);
  if (run->damaged) {
    sht_json_add_text(&item, "failure", run->problem);
  }
  return sht__list_add(list, &item, error);
}

static sht_status answer_runs(sht_cli *cli, const sht_run *runs, uint64_t count, uint64_t total, const char *store,
                              sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (uint64_t i = 0; i < count && status == SHT_OK; i++) {
    status = add_run(&list, &runs[i], error);
  }
  sht_json json = {0};
  sht_json_add_text(&json, "store", store);
  sht_json_add_count(&json, "count", count);
  sht_json_add_count(&json, "total", total);
  sht_status closed = sht__list_close(&list, &json, "runs", error);
  SHT_TRY(status);
  SHT_TRY(closed);
  return sht__answer_print(cli, &json, error);
}

static sht_status list_runs(sht_cli *cli, sht_store *store, sht_error *error) {
  sht_run *runs = NULL;
  uint64_t total = 0;
  sht_selection selection;
  SHT_TRY(sht__selection_parse(sht__cli_text(cli, "filter"), &selection, error));
  SHT_TRY(sht_store_list(store, &runs, &total, error));
  uint64_t count = filter_runs(cli, &selection, runs, total);
  sort_runs(cli, runs, count);
  uint64_t limit = sht__cli_count(cli, "limit", UINT64_MAX);
  count = count < limit ? count : limit;
  sht_status status = cli->json ? answer_runs(cli, runs, count, total, sht_store_path(store), error)
                                : print_runs(cli, runs, count, total, sht_store_path(store), error);
  sht_free(runs);
  return status;
}

static sht_status run_list(sht_cli *cli, sht_error *error) {
  sht_store *store = NULL;
  SHT_TRY(sht__open_store_to_read(cli, NULL, &store, error));
  sht_status status = list_runs(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const list_examples[] = {
    "shatter runs",
    "every run, newest first",
    "shatter runs --data cifar10 --labels random --sort test",
    "those on random labels, best test accuracy first",
    "shatter runs --filter model=mlp-1x512,seed=2 --compare",
    "runs of one network with one seed, and in what they differ",
    "shatter runs --outcome diverged --json",
    "those that diverged, for a script",
    NULL,
};

static const sht_cli_option list_options[] = {
    {.name = "model", .type = SHT_OPTION_TEXT, .value_name = "TEXT", .help = "only runs whose model begins so"},
    {.name = "data", .type = SHT_OPTION_TEXT, .value_name = "TEXT", .help = "only runs whose data begin so"},
    {.name = "labels", .type = SHT_OPTION_TEXT, .value_name = "TEXT", .help = "only runs whose labels begin so"},
    {.name = "pixels", .type = SHT_OPTION_TEXT, .value_name = "TEXT", .help = "only runs whose pixels begin so"},
    {.name = "outcome",
     .type = SHT_OPTION_TEXT,
     .value_name = "TEXT",
     .help = "only runs that came out so: fitted, not fitted, diverged, running, "
             "interrupted, damaged"},
    {.name = "filter",
     .type = SHT_OPTION_TEXT,
     .value_name = "OPTION=VALUE,...",
     .help = "only runs whose options have these values"},
    {.name = "compare", .type = SHT_OPTION_BOOL, .help = "a column for each option in which the runs differ"},
    {.name = "sort",
     .type = SHT_OPTION_CHOICE,
     .value_name = "KEY",
     .choices = "created model data labels train test fitted",
     .default_text = "created",
     .help = "order; figures with the best first"},
    {.name = "limit", .letter = 'n', .type = SHT_OPTION_COUNT, .value_name = "N", .help = "at most so many"},
    {.name = NULL},
};

const sht_verb sht__verb_runs_list = {
    .name = "runs list",
    .arguments = "",
    .summary = "the runs in the store, filtered and sorted (`shatter runs` is the same)",
    .description = "",
    .examples = list_examples,
    .config_options = "store",
    .options = list_options,
    .run = run_list,
};
