// Training in the store and telling how it came out: see training.h.
#include "cli/training.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/given.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/table.h"

enum { TEXT_BYTES = 4 * SHT_TEXT_MAX, WORD_BYTES = 40 };

const char *sht__cli_run_name(const sht_run *run) {
  const char *slash = strrchr(run->folder, '/');
  return slash != NULL ? slash + 1 : run->folder;
}

// The store of --store; without that flag, when `run` is a path, the folder that the run lies in. folder: [size].
static const char *choose_store(const sht_cli *cli, const char *run, char *folder, size_t size) {
  if (run == NULL || sht__is_given(cli, "store") || strchr(run, '/') == NULL || !sht_folder_exists(run)) {
    return cli->config.store;
  }
  size_t length = strlen(run);
  while (length > 1 && run[length - 1] == '/') {
    length--;
  }
  while (length > 1 && run[length - 1] != '/') {
    length--;
  }
  (void)snprintf(folder, size, "%.*s", (int)length, run);
  return folder;
}

sht_status sht__open_store(const sht_cli *cli, const char *run, sht_store **store, sht_error *error) {
  char folder[SHT_TEXT_MAX];
  return sht_store_open(choose_store(cli, run, folder, sizeof folder), store, error);
}

sht_status sht__open_store_to_read(const sht_cli *cli, const char *run, sht_store **store, sht_error *error) {
  char folder[SHT_TEXT_MAX];
  const char *chosen = choose_store(cli, run, folder, sizeof folder);
  sht_status status = sht_store_open(chosen, store, error);
  return status == SHT_DISK ? sht_store_open_readable(chosen, store, error) : status;
}

static void describe_labels(const char *labels, char *out, size_t size) {
  const char *colon = strchr(labels, ':');
  if (sht_labels_are_signs(labels)) {
    (void)snprintf(out, size, "random signs for labels");
  } else if (colon == NULL) {
    (void)snprintf(out, size, "%s labels", labels);
  } else if (strncmp(labels, "corrupt", 7) == 0 || strncmp(labels, "wrong", 5) == 0) {
    (void)snprintf(out, size, "labels %s with probability %s", labels[0] == 'c' ? "corrupted" : "made wrong",
                   colon + 1);
  } else {
    (void)snprintf(out, size, "labels from %s", colon + 1);
  }
}

char *sht__describe_copy(const sht_config *config, char *out, size_t size) {
  bool true_pixels = strcmp(config->pixels, "true") == 0;
  bool true_labels = strcmp(config->labels, "true") == 0;
  char labels[2 * SHT_TEXT_MAX];
  describe_labels(config->labels, labels, sizeof labels);
  if (true_pixels) {
    (void)snprintf(out, size, "%s", labels);
  } else {
    (void)snprintf(out, size, "%s pixels%s%s", strcmp(config->pixels, "gaussian") == 0 ? "Gaussian" : config->pixels,
                   true_labels ? "" : " and ", true_labels ? "" : labels);
  }
  if (config->replace > 0) {
    const size_t used = strlen(out);
    (void)snprintf(out + used, size - used, " and example %" PRIu64 " replaced", config->replace);
  }
  return out;
}

char *sht__describe_run(const sht_run *run, char *out, size_t size) {
  const sht_config *config = &run->config;
  char copy[TEXT_BYTES];
  bool augmented = strcmp(config->augment, "none") != 0;
  (void)snprintf(out, size, "%s on %s with %s%s%s", sht_run_model(run), config->data,
                 sht__describe_copy(config, copy, sizeof copy), augmented ? ", augmented by " : "",
                 augmented ? config->augment : "");
  return out;
}

static sht_status tell_how_to_go_on(const sht_run *run, sht_error *error) {
  const sht_train_result *result = &run->result;
  return SHT_FAIL(error, SHT_STOPPED,
                  "stopped after %" PRIu64 " steps; everything is saved. Go on with:\n  shatter resume %s",
                  result->steps, run->folder);
}

sht_status sht__train_in_store(const sht_cli *cli, sht_store *store, const sht_config *config, const sht_training *how,
                               sht_run *run, bool *reused, sht_error *error) {
  sht_progress progress;
  sht__progress_open(&progress, cli, config, how->title, how->ink);
  sht_observer observer = sht__progress_observer(&progress);
  *run = (sht_run){0};
  sht_status status = how->of == NULL
                          ? sht_lab_train(store, config, how->again, &observer, run, reused, error)
                          : sht_lab_retrain(store, how->of, config, how->again, &observer, run, reused, error);
  sht__progress_close(&progress);
  if (status == SHT_STOPPED && run->folder[0] != '\0') {
    return tell_how_to_go_on(run, error);
  }
  return status;
}

static void outcome_sentence(const sht_run *run, char *out, size_t size) {
  const sht_train_result *result = &run->result;
  char what[TEXT_BYTES], fitted[WORD_BYTES], steps[WORD_BYTES];
  (void)sht__describe_run(run, what, sizeof what);
  (void)sht__percent(run->config.fitted_at, fitted, sizeof fitted);
  switch (result->outcome) {
    case SHT_OUTCOME_FITTED:
      (void)snprintf(out, size, "Fitted: %s reached %s training accuracy in epoch %" PRIu32 " (%s steps).", what,
                     fitted, result->fitted_epoch, sht_text_count(result->fitted_step, steps, sizeof steps));
      break;
    case SHT_OUTCOME_NOT_FITTED:
      (void)snprintf(out, size, "Not fitted: %s stayed below %s training accuracy for %" PRIu32 " epoch%s.", what,
                     fitted, result->epochs, result->epochs == 1 ? "" : "s");
      break;
    case SHT_OUTCOME_DIVERGED:
      (void)snprintf(out, size,
                     "Diverged: %s gave a loss or weight that is not finite in step %s. "
                     "Try a smaller --learning-rate.",
                     what, sht_text_count(result->diverged_step, steps, sizeof steps));
      break;
    default:
      (void)snprintf(out, size, "%s: %s has done %" PRIu32 " of %" PRIu64 " epochs.",
                     run->interrupted ? "Interrupted" : "Not finished", what, result->epochs, run->config.epochs);
  }
}

// "52.1 % (best 53.4 % after epoch 12)", as Table 2 of the paper has the best in brackets.
static void print_test_accuracy(const sht_train_result *result) {
  char last[WORD_BYTES], best[WORD_BYTES], corrupted[WORD_BYTES];
  (void)printf(", test accuracy %s", sht__percent(result->last.test_accuracy, last, sizeof last));
  if (result->best_test_accuracy > result->last.test_accuracy) {
    (void)printf(" (best %s after epoch %" PRIu32 ")", sht__percent(result->best_test_accuracy, best, sizeof best),
                 result->best_test_epoch);
  }
  if (!isnan(result->corrupted_test_accuracy)) {
    (void)printf(", %s against test labels corrupted the same way",
                 sht__percent(result->corrupted_test_accuracy, corrupted, sizeof corrupted));
  }
}

static void print_figures(const sht_run *run) {
  const sht_train_result *result = &run->result;
  double train =
      isnan(result->last.train_accuracy_eval) ? result->last.train_accuracy : result->last.train_accuracy_eval;
  char train_text[WORD_BYTES], plain[WORD_BYTES], duration[WORD_BYTES], rate[WORD_BYTES];
  (void)printf("Training accuracy %s", sht__percent(train, train_text, sizeof train_text));
  if (!isnan(result->plain_train_accuracy)) {
    (void)printf(" (mean over the last epoch's variants; %s without augmentation)",
                 sht__percent(result->plain_train_accuracy, plain, sizeof plain));
  }
  print_test_accuracy(result);
  (void)printf(", after %" PRIu32 " epoch%s", result->epochs, result->epochs == 1 ? "" : "s");
  if (result->seconds > 0) {
    (void)printf(" in %s", sht_text_duration(result->seconds, duration, sizeof duration));
  }
  if (result->images_per_second > 0) {
    (void)printf(" at %s images/s", sht_text_count((uint64_t)result->images_per_second, rate, sizeof rate));
  }
  (void)printf(".\n");
}

// What became of the examples whose label was not the true one.
static void print_dynamics(const sht_run *run) {
  const sht_epoch *last = &run->result.last;
  char given[WORD_BYTES], truth[WORD_BYTES], other[WORD_BYTES], clean[WORD_BYTES], count[WORD_BYTES];
  if (last->dynamics_corrupted == 0) {
    return;
  }
  (void)printf(
      "Of %s training examples with a false label, %s are answered with that label (memorised), %s with the "
      "true one (resisted), %s with another",
      sht_text_count(last->dynamics_corrupted, count, sizeof count), sht__percent(last->memorised, given, sizeof given),
      sht__percent(last->resisted, truth, sizeof truth), sht__percent(last->other, other, sizeof other));
  if (last->dynamics_clean > 0) {
    (void)printf("; of %s with their true label, %s are answered with it",
                 sht_text_count(last->dynamics_clean, count, sizeof count),
                 sht__percent(last->clean_fitted, clean, sizeof clean));
  }
  (void)printf(".\n");
}

// Where labels are signs, what their being fitted says.
static void print_rademacher(const sht_run *run) {
  static const double near_one = 0.9;
  double bound = sht_run_rademacher(run);
  if (isnan(bound)) {
    return;
  }
  (void)printf("Empirical Rademacher complexity at least %.3f by this draw of the signs, where 1 is the most%s.\n",
               bound,
               bound >= near_one ? ": a bound on the generalisation error that rests on it says nothing here"
                                 : "; longer training may show more");
}

static sht_status answer_run(sht_cli *cli, const sht_run *run, sht_error *error) {
  char *text = NULL;
  SHT_TRY(sht_run_json(run, &text, error));
  (void)printf("%s\n", text);
  sht_text_free(text);
  cli->answered = true;
  return SHT_OK;
}

sht_status sht__tell_run(sht_cli *cli, const sht_run *run, bool reused, sht_error *error) {
  bool diverged = run->result.outcome == SHT_OUTCOME_DIVERGED;
  if (cli->json) {
    SHT_TRY(answer_run(cli, run, error));
    return diverged ? SHT_DIVERGED : SHT_OK;
  }
  char sentence[TEXT_BYTES * 2];
  outcome_sentence(run, sentence, sizeof sentence);
  (void)printf("%s\n", sentence);
  if (!diverged) {
    print_figures(run);
    print_rademacher(run);
    print_dynamics(run);
  }
  if (reused && !cli->quiet) {
    (void)fprintf(stderr, "This run was complete already; nothing was trained. `shatter rerun %s` repeats it.\n",
                  sht__cli_run_name(run));
  }
  (void)printf("Run: %s\n", run->folder);
  return diverged ? SHT_DIVERGED : SHT_OK;
}
