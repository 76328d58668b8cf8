// shatter measure: norms, margins and sharpness of trained networks, and what bounds made of them say.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/measure_answer.h"
#include "cli/signals.h"
#include "cli/training.h"
#include "cli/verbs.h"
#include "cli/work.h"
#include "lab/files.h"

enum { MODEL_BYTES_MAX = 1 << 24, SHARPNESS_EXAMPLES = 2000 };

// A run as the library measures it; close frees its text.
typedef struct measured_run {
  sht_config config;
  char *model_text;
  char weights[SHT_LAB_PATH];
} measured_run;

static sht_status check_weights(const sht_run *run, sht_error *error) {
  char path[SHT_LAB_PATH];
  if (run->damaged) {
    return SHT_FAIL(error, SHT_DATA, "%s: %s", run->folder, run->problem);
  }
  if (!run->complete && !run->interrupted) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s is being trained; measure it when it is done", sht__cli_run_name(run));
  }
  if (!run->complete) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s is not complete; first:\n  shatter resume %s", sht__cli_run_name(run),
                    run->folder);
  }
  SHT_TRY(sht_path_join(path, sizeof path, run->folder, SHT_FILE_WEIGHTS, error));
  if (access(path, F_OK) == 0) {
    return SHT_OK;
  }
  if (strcmp(sht_run_outcome(run), "diverged") == 0) {
    return SHT_FAIL(error, SHT_MISSING, "%s diverged: it has no weights that could be measured", run->folder);
  }
  return SHT_FAIL(error, SHT_MISSING,
                  "%s keeps no weights: it is a copy of records alone, which leave them out; train it again with its "
                  "command (shatter runs show %s) and measure that run",
                  run->folder, sht__cli_run_name(run));
}

static sht_status open_run(const sht_cli *cli, const sht_run *run, measured_run *out, sht_error *error) {
  char path[SHT_LAB_PATH];
  uint64_t size = 0;
  *out = (measured_run){.config = run->config};
  SHT_TRY(sht_path_join(out->weights, sizeof out->weights, run->folder, SHT_FILE_WEIGHTS, error));
  SHT_TRY(sht__cli_apply_flags(cli, &out->config, error));
  SHT_TRY(sht_path_join(path, sizeof path, run->folder, SHT_FILE_MODEL, error));
  return sht_file_read(path, MODEL_BYTES_MAX, &out->model_text, &size, error);
}

static sht_measured measured_of(const measured_run *run) {
  return (sht_measured){.config = &run->config, .model_text = run->model_text, .weights = run->weights};
}

// Whether two accuracies are further apart than other arithmetic explains; one that is not known says nothing.
static bool are_apart(double a, double b) { return fabs(a - b) > 0.01; }

// Weights that answer otherwise than they did when they were trained are asked about other data.
static void tell_change(const sht_cli *cli, const sht_run *run, const sht_measures *m) {
  const sht_train_result *result = &run->result;
  const bool augmented = !isnan(result->plain_train_accuracy);
  const double train = augmented ? result->plain_train_accuracy : result->last.train_accuracy_eval;
  if (!cli->quiet && (are_apart(train, m->train_accuracy) || are_apart(result->last.test_accuracy, m->test_accuracy))) {
    (void)fprintf(stderr,
                  "%s: training and test accuracy are %.2f and %.2f %% here, and were %.2f and %.2f %% when it was "
                  "trained: the data, or a file of labels, are not what they were\n",
                  sht__cli_run_name(run), 100 * m->train_accuracy, 100 * m->test_accuracy, 100 * train,
                  100 * result->last.test_accuracy);
  }
}

static sht_status measure(const sht_cli *cli, const sht_run *run, const sht_work *work, sht_measures *out,
                          sht_error *error) {
  const sht_measure_options options = {
      .sharpness = !sht__cli_is_set(cli, "no-sharpness"),
      .sharpness_examples = sht__cli_count(cli, "sharpness-examples", SHARPNESS_EXAMPLES),
  };
  measured_run opened;
  sht_status status = open_run(cli, run, &opened, error);
  if (status == SHT_OK) {
    const sht_measured network = measured_of(&opened);
    status = sht_measure(&network, &options, work, out, error);
  }
  if (status == SHT_OK) {
    tell_change(cli, run, out);
  }
  sht_free(opened.model_text);
  return status;
}

static sht_status compare(const sht_cli *cli, sht_measure_answer *answer, const sht_work *work, sht_error *error) {
  measured_run own = {0}, other = {0};
  sht_status status = open_run(cli, &answer->runs[0], &own, error);
  if (status == SHT_OK) {
    status = open_run(cli, &answer->against, &other, error);
  }
  if (status == SHT_OK) {
    const sht_measured network = measured_of(&own), against = measured_of(&other);
    status = sht_measure_compare(&network, &against, work, &answer->difference, error);
  }
  sht_free(own.model_text);
  sht_free(other.model_text);
  return status;
}

static sht_status find_run(sht_store *store, const char *name, sht_run *out, sht_error *error) {
  SHT_TRY(sht_store_find(store, name, out, error));
  return check_weights(out, error);
}

// Finds all of them before the first is measured, which may take long.
static sht_status find_runs(const sht_cli *cli, sht_store *store, sht_measure_answer *out, sht_error *error) {
  const char *against = sht__cli_text(cli, "against");
  for (out->count = 0; out->count < cli->argument_count; out->count++) {
    SHT_TRY(find_run(store, cli->arguments[out->count], &out->runs[out->count], error));
  }
  out->compared = against != NULL;
  return out->compared ? find_run(store, against, &out->against, error) : SHT_OK;
}

static sht_status measure_all(const sht_cli *cli, sht_measure_answer *answer, sht_error *error) {
  sht_work_progress progress;
  sht__work_open(&progress, cli);
  const sht_work work = sht__work_observer(&progress);
  sht_status status = answer->compared ? compare(cli, answer, &work, error) : SHT_OK;  // soon done, and soon refused
  for (int i = 0; i < answer->count && status == SHT_OK; i++) {
    status = measure(cli, &answer->runs[i], &work, &answer->measures[i], error);
  }
  sht__work_close(&progress);
  return status;
}

static sht_status find_and_measure(sht_cli *cli, sht_measure_answer *answer, sht_error *error) {
  sht_store *store = NULL;
  SHT_TRY(sht__open_store_to_read(cli, cli->arguments[0], &store, error));
  sht_status status = find_runs(cli, store, answer, error);
  sht_store_close(store);
  SHT_TRY(status);
  SHT_TRY(measure_all(cli, answer, error));
  return sht__measure_answer(cli, answer, error);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht_measure_answer *answer = NULL;
  sht__signals_install();
  SHT_TRY(SHT_ALLOC(&answer, 1, "measures", error));
  sht_status status = find_and_measure(cli, answer, error);
  for (int i = 0; i < answer->count; i++) {
    sht_measures_close(&answer->measures[i]);
  }
  sht_free(answer);
  return status;
}

static const char *const examples[] = {
    "shatter measure last",
    "norms, margins, sharpness and bounds of the newest run",
    "shatter measure mlp-1x512-cifar10-true mlp-1x512-cifar10-random",
    "a network that learned true labels beside one that memorised random ones, and the ratio of each measure",
    "shatter measure last --layers --no-sharpness",
    "what each layer has, without the noise that takes most of the time",
    "shatter measure 0f3a9c --against 77b1de",
    "how differently two runs of one model answer the test set",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "against",
     .type = SHT_OPTION_TEXT,
     .value_name = "RUN",
     .help = "compare the first run's answers to the test set with those of another run of its model"},
    {.name = "layers", .type = SHT_OPTION_BOOL, .help = "show the norms of each layer, too"},
    {.name = "no-sharpness",
     .type = SHT_OPTION_BOOL,
     .help = "leave out how much noise on the weights the answers bear, which takes most of the time"},
    {.name = "sharpness-examples",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "2000",
     .help = "training examples that the noise is tried on; 0: all"},
    SHT_CLI_PROGRESS_OPTION,
    {.name = NULL},
};

const sht_verb sht__verb_measure = {
    .name = "measure",
    .arguments = "RUN...",
    .arguments_min = 1,
    .arguments_max = SHT_MEASURE_RUNS_MAX,
    .summary = "complexity measures of trained networks, and what bounds made of them say",
    .description =
        "Norms, margins and sharpness, and two bounds on the test error that are made of them. A bound above 1 says "
        "nothing; a measure that is no larger for random than for true labels (margins and noise: no smaller) cannot "
        "explain why one generalises and the other does not. A run is measured as it was trained, in its precision and "
        "on its device, unless flags say "
        "otherwise. docs/measures.md defines each.",
    .examples = examples,
    .config_options = "precision threads device store data-dir",
    .options = options,
    .run = run,
};
