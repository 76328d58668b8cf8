// shatter rerun: repeats a run from nothing and says whether the same weights came out.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/signals.h"
#include "cli/training.h"
#include "cli/verbs.h"

// A run that diverged keeps no weights: what is left to compare is where and from what loss it did.
static bool has_weights(const sht_run *run) { return run->result.weights_sha256[0] != '\0'; }

// No epoch was finished: no loss.
static bool are_equal(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static bool are_same(const sht_run *before, const sht_run *after) {
  const sht_train_result *a = &before->result, *b = &after->result;
  return has_weights(before) || has_weights(after)
             ? strcmp(a->weights_sha256, b->weights_sha256) == 0
             : a->diverged_step == b->diverged_step && are_equal(a->last.train_loss, b->last.train_loss);
}

static void print_comparison(const sht_run *before, const sht_run *after, bool same) {
  if (has_weights(before) && has_weights(after)) {
    (void)printf(same ? "The same: the weights are equal bit for bit (SHA-256 %.12s...).\n"
                      : "Different: the weights are not those of the first time (SHA-256 now %.12s...).\n",
                 after->result.weights_sha256);
  } else if (same) {
    (void)printf("The same: it diverged in step %" PRIu64 " again; a run that diverges keeps no weights to compare.\n",
                 after->result.diverged_step);
  } else {
    (void)printf("Different: it diverged, and not as the other time (step %" PRIu64 ", now %" PRIu64 "; 0: none).\n",
                 before->result.diverged_step, after->result.diverged_step);
  }
}

static const char *weights_of(const sht_run *run) { return has_weights(run) ? run->result.weights_sha256 : NULL; }

static sht_status compare(sht_cli *cli, const sht_run *before, const sht_run *after, sht_error *error) {
  const bool same = are_same(before, after);
  if (cli->json) {
    char *result = NULL;
    SHT_TRY(sht_run_json(after, &result, error));
    sht_json json = {0};
    if (has_weights(before) || has_weights(after)) {
      sht_json_add_bool(&json, "same_weights", same);
    } else {
      sht_json_add_null(&json, "same_weights");
    }
    sht_json_add_text(&json, "weights_sha256", weights_of(after));
    sht_json_add_text(&json, "weights_sha256_before", weights_of(before));
    sht_json_add_text(&json, "run", after->folder);
    sht_json_add_raw(&json, "result", result);
    sht_text_free(result);
    SHT_TRY(sht__answer_print(cli, &json, error));
  } else {
    print_comparison(before, after, same);
    (void)printf("Run: %s\n", after->folder);
  }
  return same ? SHT_OK : SHT_NO;
}

static sht_status rerun(sht_cli *cli, sht_store *store, sht_error *error) {
  sht_run before;
  SHT_TRY(sht_store_find(store, cli->arguments[0], &before, error));
  if (!before.complete) {
    return SHT_FAIL(error, SHT_USAGE,
                    "%s is not complete, so there is nothing to compare with; first:\n  shatter resume %s",
                    sht__cli_run_name(&before), before.folder);
  }
  sht_config config = before.config;
  SHT_TRY(sht__cli_apply_flags(cli, &config, error));
  sht_run after;
  bool reused = false;
  sht_training how = {.title = "", .of = &before, .again = true};
  SHT_TRY(sht__train_in_store(cli, store, &config, &how, &after, &reused, error));
  return compare(cli, &before, &after, error);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht__signals_install();
  sht_store *store = NULL;
  SHT_TRY(sht__open_store(cli, cli->arguments[0], &store, error));
  sht_status status = rerun(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const examples[] = {
    "shatter rerun last",
    "train the newest run again and compare the weights",
    "shatter rerun 0f3a9c --threads 1",
    "with another number of threads: the same bits are promised",
    NULL,
};

static const sht_cli_option options[] = {SHT_CLI_PROGRESS_OPTION, {.name = NULL}};

const sht_verb sht__verb_rerun = {
    .name = "rerun",
    .arguments = "RUN",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "repeat a run from nothing and compare the weights",
    .description =
        "With the model that its folder keeps, also where its file has been edited since. Exit code 0: equal bit "
        "for bit; 1: different. Of a run that diverged, which keeps no weights, the step and the loss are compared.",
    .examples = examples,
    .config_options = "threads store data-dir checkpoint-seconds dynamics save",
    .options = options,
    .run = run,
};
