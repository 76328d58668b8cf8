// shatter capacity: the largest sample of a data set that a network fits.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/answer.h"
#include "cli/given.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "cli/theory.h"
#include "cli/training.h"
#include "cli/verbs.h"
#include "shatter/study.h"

enum { WORD_BYTES = 64, TEXT_BYTES = 512, FIRST_EXAMPLES = 1000, SEEDS = 1 };
static const double tolerance_default = 0.05;

// ---- what is shown while it works

typedef struct capacity_progress {
  const sht_cli *cli;
  sht_progress bar;
  sht_observer training;  // that draws the bar
} capacity_progress;

static void run_begins(void *context, uint64_t examples, const sht_config *config) {
  capacity_progress *progress = context;
  char title[WORD_BYTES], count[WORD_BYTES / 2];
  (void)snprintf(title, sizeof title, "%s examples, seed %" PRIu64, sht_text_count(examples, count, sizeof count),
                 config->seed);
  sht__progress_open(&progress->bar, progress->cli, config, title, 0);
  progress->training = sht__progress_observer(&progress->bar);
}

static void run_done(void *context, const sht_run *run) {
  (void)run;
  capacity_progress *progress = context;
  sht__progress_close(&progress->bar);
}

// ---- the answer

static void describe(const sht_config *config, char *out, size_t size) {
  char copy[TEXT_BYTES / 2];
  (void)snprintf(out, size, "%.200s with %s", config->data, sht__describe_copy(config, copy, sizeof copy));
}

static sht_status add_probes(sht_json *json, const sht_capacity_result *r, sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (uint32_t i = 0; i < r->probe_count && status == SHT_OK; i++) {
    const sht_capacity_probe *probe = &r->probes[i];
    sht_json item = {0};
    sht_json_add_count(&item, "examples", probe->examples);
    sht_json_add_bool(&item, "fitted", probe->fitted);
    sht_json_add_number(&item, "train_accuracy", probe->train_accuracy);
    sht_json_add_number(&item, "epochs", probe->epochs);
    sht_json_add_count(&item, "diverged", probe->diverged);
    status = sht__list_add(&list, &item, error);
  }
  sht_status closed = sht__list_close(&list, json, "probes", error);
  return status != SHT_OK ? status : closed;
}

static sht_status answer_json(sht_cli *cli, const sht_capacity_options *options, const sht_capacity_result *r,
                              sht_error *error) {
  const sht_config *config = &cli->config;
  sht_json json = {0};
  sht_json_add_text(&json, "model", config->model);
  sht_json_add_text(&json, "data", config->data);
  sht_json_add_text(&json, "labels", config->labels);
  sht_json_add_text(&json, "pixels", config->pixels);
  sht_json_add_count(&json, "seeds", options->seeds);
  sht_json_add_number(&json, "fitted_at", config->fitted_at);
  sht_json_add_count(&json, "parameters", r->parameters);
  sht_json_add_count(&json, "capacity", r->capacity);
  sht_json_add_place(&json, "not_fitted", r->not_fitted);
  sht_json_add_number(&json, "per_parameter", (double)r->capacity / (double)r->parameters);
  sht_json_add_count(&json, "largest", options->largest);
  SHT_TRY(add_probes(&json, r, error));
  return sht__answer_print(cli, &json, error);
}

static sht_status print_probes(const sht_capacity_result *r, sht_error *error) {
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  SHT_TRY(sht__table_open(&table, "rrrl", error));
  sht__table_add(&table, "examples");
  sht__table_add(&table, "training accuracy");
  sht__table_add(&table, "epochs");
  sht__table_add(&table, "%s", "");
  for (uint32_t i = 0; i < r->probe_count; i++) {
    const sht_capacity_probe *probe = &r->probes[i];
    sht__table_add_count(&table, probe->examples);
    sht__table_add_percent(&table, probe->train_accuracy);
    sht__table_add_number(&table, probe->epochs);
    sht__table_add(&table, "%s%s", probe->fitted ? "fitted" : "not fitted", probe->diverged > 0 ? ", diverged" : "");
  }
  return sht__table_print(&table, stdout, &terminal, error);
}

static void print_verdict(const sht_config *config, const sht_capacity_options *options, const sht_capacity_result *r) {
  char what[TEXT_BYTES], capacity[WORD_BYTES], above[WORD_BYTES], fitted[WORD_BYTES];
  describe(config, what, sizeof what);
  (void)sht_text_count(r->capacity, capacity, sizeof capacity);
  (void)sht_text_count(r->not_fitted, above, sizeof above);
  (void)sht__percent(config->fitted_at, fitted, sizeof fitted);
  if (r->capacity == 0) {
    (void)printf("\nNot even the smallest size tried, %s examples of %s, reaches %s.\n", above, what, fitted);
    return;
  }
  (void)printf("\nLargest sample fitted: %s examples of %s, %.3g for each of the model's %s parameters; ", capacity,
               what, (double)r->capacity / (double)r->parameters, sht_text_count(r->parameters, fitted, sizeof fitted));
  if (r->not_fitted == 0) {
    (void)printf("there are no more than %s, so that its capacity may be larger.\n", capacity);
  } else {
    (void)printf("%s are not fitted in %" PRIu64 " epochs.\n", above, config->epochs);
  }
  if (options->seeds == 1) {
    (void)printf("Of one seed; --seeds 3 takes the mean over three.\n");
  }
}

static sht_status answer(sht_cli *cli, const sht_capacity_options *options, const sht_capacity_result *r,
                         sht_error *error) {
  if (cli->json) {
    return answer_json(cli, options, r, error);
  }
  SHT_TRY(print_probes(r, error));
  print_verdict(&cli->config, options, r);
  return SHT_OK;
}

// ---- the work

// How many training examples there are.
static sht_status count_examples(const sht_cli *cli, uint64_t *out, sht_error *error) {
  const sht_dataset_options options = {
      .data_dir = cli->config.data_dir[0] != '\0' ? cli->config.data_dir : NULL,
      .train_limit = cli->config.train_size,
      .test_limit = cli->config.test_size,
      .seed = cli->config.seed,
  };
  sht_dataset *data = NULL;
  SHT_TRY(sht_dataset_open(cli->config.data, &options, &data, error));
  *out = data->train.count;
  sht_dataset_close(data);
  return SHT_OK;
}

static sht_status read_options(const sht_cli *cli, sht_capacity_options *out, sht_error *error) {
  *out = (sht_capacity_options){.first = sht__cli_count(cli, "first", FIRST_EXAMPLES),
                                .seeds = sht__cli_count_u32(cli, "seeds", SEEDS)};
  SHT_TRY(sht__theory_number(cli, "tolerance", tolerance_default, &out->tolerance, error));
  return count_examples(cli, &out->largest, error);
}

static sht_status search(sht_cli *cli, sht_store *store, sht_error *error) {
  sht_capacity_options options;
  sht_capacity_result result;
  capacity_progress progress = {.cli = cli};
  SHT_TRY(read_options(cli, &options, error));
  const sht_capacity_observer observer = {
      .context = &progress, .run_begins = run_begins, .run_done = run_done, .training = &progress.training};
  sht_status status = sht_capacity(store, &cli->config, &options, &observer, &result, error);
  if (status == SHT_STOPPED) {
    return SHT_FAIL(error, SHT_STOPPED,
                    "stopped after %" PRIu32 " size%s; everything is saved: the same command goes on from here",
                    result.probe_count, result.probe_count == 1 ? "" : "s");
  }
  return status == SHT_OK ? answer(cli, &options, &result, error) : status;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht_store *store = NULL;
  SHT_TRY(sht_config_check(&cli->config, error));
  sht__signals_install();
  SHT_TRY(sht__open_store(cli, NULL, &store, error));
  sht_status status = search(cli, store, error);
  sht_store_close(store);
  return status;
}

static void prepare(sht_config *config) {
  (void)snprintf(config->labels, sizeof config->labels, "random");
  config->stop_when_fitted = true;
}

static const char *const examples[] = {
    "shatter capacity --model mlp-1x512 --data cifar10",
    "how many random labels it can be trained to fit",
    "shatter capacity --model mlp-1x512 --data cifar10 --labels true --seeds 3",
    "the same of true labels, on average over three seeds",
    "shatter capacity --model mine.yaml --data shapes:100000,2000 --labels true --epochs 50 --fitted-at 0.9 --json",
    "effective model complexity of your own network: at most a tenth is not fitted (Nakkiran et al. 2019)",
    NULL,
};

static const sht_cli_option options_table[] = {
    SHT_CLI_TRAINING_OPTIONS,
    {.name = "first",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "1000",
     .help = "the size tried first; then twice as many while they are fitted, or half as many until they are"},
    {.name = "tolerance",
     .type = SHT_OPTION_TEXT,
     .value_name = "X",
     .default_text = "0.05",
     .help = "how near the smallest size that is not fitted has to come, as a share"},
    {.name = "seeds",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "1",
     .help = "runs of each size, over which the training accuracy is averaged"},
    {.name = NULL},
};

static const sht_config_note notes[] = {
    {.name = "train-size", .help = "The largest size tried; 0 means all there are."},
    {.name = "stop-when-fitted",
     .help =
         "Stop at the end of the epoch in which the sample is fitted; on unless --no-stop-when-fitted says otherwise"},
    {.name = "seed", .help = "Of the first run of each size; the others count on from it."},
    {.name = NULL},
};

const sht_verb sht__verb_capacity = {
    .name = "capacity",
    .arguments = "",
    .summary = "the largest sample that a network can be trained to fit",
    .description =
        "Trains on samples of growing size until one is not fitted, and closes in on the largest that is. What is "
        "found is that of the whole procedure: epochs, rates and batch size are as given for every size. Each run is "
        "an ordinary one of the store, so that a search that was stopped goes on with the same command.",
    .examples = examples,
    .config_options = "*",
    .config_notes = notes,
    .options = options_table,
    .prepare = prepare,
    .run = run,
};
