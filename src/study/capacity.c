// The largest sample that a training procedure fits: see study.h.
#include <inttypes.h>
#include <math.h>

#include "shatter/data.h"
#include "study/search.h"

typedef struct capacity_job {
  sht_store *store;
  const sht_config *config;
  const sht_capacity_options *options;
  const sht_capacity_observer *observer;
  sht_capacity_result *out;
} capacity_job;

static double accuracy_of(const sht_run *run) {
  const sht_epoch *last = &run->result.last;
  if (run->result.outcome == SHT_OUTCOME_DIVERGED) {
    return 0;
  }
  return isnan(last->train_accuracy_eval) ? last->train_accuracy : last->train_accuracy_eval;
}

static sht_status train(capacity_job *job, uint64_t examples, uint32_t seed, sht_run *run, sht_error *error) {
  const sht_capacity_observer *observer = job->observer;
  sht_config config = *job->config;
  bool reused = false;
  config.train_size = examples;
  config.seed += seed;
  if (observer->run_begins != NULL) {
    observer->run_begins(observer->context, examples, &config);
  }
  sht_status status = sht_lab_train(job->store, &config, false, observer->training, run, &reused, error);
  if (observer->run_done != NULL) {
    observer->run_done(observer->context, run);
  }
  return status;
}

static sht_status attempt(void *context, sht_capacity_probe *probe, sht_error *error) {
  capacity_job *job = context;
  const uint32_t seeds = job->options->seeds;
  double accuracy = 0, epochs = 0;
  for (uint32_t seed = 0; seed < seeds; seed++) {
    sht_run run = {0};
    SHT_TRY(train(job, probe->examples, seed, &run, error));
    accuracy += accuracy_of(&run);
    epochs += run.result.fitted_epoch == 0 ? (double)NAN : run.result.fitted_epoch;
    probe->diverged += run.result.outcome == SHT_OUTCOME_DIVERGED;
    job->out->parameters = run.result.parameters;
  }
  probe->train_accuracy = accuracy / seeds;
  probe->epochs = epochs / seeds;
  probe->fitted = sht__capacity_reaches(accuracy, seeds, job->config->fitted_at);
  return SHT_OK;
}

// What would fail at some size, hours after the search began.
static sht_status check_labels(const sht_config *config, sht_error *error) {
  sht_randomization how;
  SHT_TRY(sht_randomization_parse(config->labels, config->pixels, config->seed, &how, error));
  if (how.labels == SHT_LABELS_FILE) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "%s has labels for one size of the training set, and a search tries several; use labels that are "
                    "drawn or true",
                    how.label_path);
  }
  if (config->replace > config->batch) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "replace %" PRIu64 ": a sample may be as small as a batch, %" PRIu64
                    "; choose an example from 1 to %" PRIu64 ", or leave replace out",
                    config->replace, config->batch, config->batch);
  }
  return SHT_OK;
}

static sht_status check(const sht_config *config, const sht_capacity_options *options, sht_error *error) {
  if (options->seeds < 1 || options->seeds > SHT_CAPACITY_SEEDS_MAX) {
    return SHT_FAIL(error, SHT_CONFIG, "%" PRIu32 " seeds, expected 1 to %d", options->seeds, SHT_CAPACITY_SEEDS_MAX);
  }
  if (!(options->tolerance > 0)) {
    return SHT_FAIL(error, SHT_CONFIG, "a tolerance of %g, expected a share above 0, such as 0.05", options->tolerance);
  }
  if (options->largest < config->batch) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "%" PRIu64 " examples are less than a batch of %" PRIu64
                    ", which is the smallest size tried: a "
                    "smaller --batch",
                    options->largest, config->batch);
  }
  return check_labels(config, error);
}

sht_status sht_capacity(sht_store *store, const sht_config *config, const sht_capacity_options *options,
                        const sht_capacity_observer *observer, sht_capacity_result *out, sht_error *error) {
  static const sht_capacity_observer silent = {0};
  *out = (sht_capacity_result){0};
  SHT_TRY(check(config, options, error));
  capacity_job job = {.store = store,
                      .config = config,
                      .options = options,
                      .observer = observer == NULL ? &silent : observer,
                      .out = out};
  return sht__capacity_search(config->batch, options, attempt, &job, out, error);
}
