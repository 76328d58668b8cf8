// The end of a training run: see finish.h.
#include "train/finish.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "train/evaluate.h"

// A full evaluation after every epoch would cost a third more time, so it waits for this online accuracy.
static const double evaluation_from = 0.98;

// Online accuracy from which training counts as converged, whatever fitted_at is: the paper does not say from where.
static const double converged_at = 0.999;

const char *sht_outcome_name(sht_outcome outcome) {
  static const char *const names[] = {"running", "fitted", "not fitted", "diverged"};
  return (unsigned)outcome < sizeof names / sizeof names[0] ? names[outcome] : "unknown";
}

static bool is_augmented(const sht_config *config) {
  sht_augmentation how;
  return sht_augmentation_parse(config->augment, &how, NULL) == SHT_OK && sht_augmentation_is_on(&how);
}

bool sht__evaluation_is_due(const sht_config *config, const sht_epoch *record) {
  double from = config->fitted_at < evaluation_from ? config->fitted_at : evaluation_from;
  if (is_augmented(config)) {
    return false;
  }
  return record->train_accuracy >= from || record->epoch == config->epochs;
}

void sht__records_trim(const sht_config *config, sht_epoch *records, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (!sht__evaluation_is_due(config, &records[i])) {
      records[i].train_loss_eval = NAN;
      records[i].train_accuracy_eval = NAN;
    }
  }
}

const sht_epoch *sht__records_fitted(const sht_config *config, const sht_epoch *records, uint32_t count) {
  bool online = is_augmented(config);
  for (uint32_t i = 0; i < count; i++) {
    double accuracy = online ? records[i].train_accuracy : records[i].train_accuracy_eval;
    if (accuracy >= config->fitted_at) {
      return &records[i];
    }
  }
  return NULL;
}

bool sht__training_is_over(const sht_config *config, const sht_epoch *records, uint32_t count) {
  return count >= config->epochs || (config->stop_when_fitted && sht__records_fitted(config, records, count) != NULL);
}

static void fill_best(const sht_epoch *records, uint32_t count, sht_train_result *result) {
  result->best_test_accuracy = NAN;
  for (uint32_t i = 0; i < count; i++) {
    if (records[i].test_accuracy > result->best_test_accuracy || isnan(result->best_test_accuracy)) {
      result->best_test_accuracy = records[i].test_accuracy;
      result->best_test_epoch = records[i].epoch;
    }
  }
}

// The record of a run that did not get through an epoch.
static sht_epoch no_epoch(double learning_rate) {
  sht_epoch record = sht_epoch_blank();
  record.learning_rate = learning_rate;
  return record;
}

static uint64_t reached(const sht_session *session, const sht_position *at, double level) {
  return sht__curve_reached(at->records, at->epoch, session->data->train.count, session->config.batch, level);
}

void sht__result_fill(const sht_session *session, const sht_position *at, uint64_t diverged_step,
                      sht_train_result *result) {
  const sht_epoch *fitted = sht__records_fitted(&session->config, at->records, at->epoch);
  *result = (sht_train_result){
      .outcome = diverged_step != 0 ? SHT_OUTCOME_DIVERGED
                 : fitted != NULL   ? SHT_OUTCOME_FITTED
                                    : SHT_OUTCOME_NOT_FITTED,
      .parameters = session->graph->parameter_count,
      .macs = session->graph->macs,
      .train_examples = session->data->train.count,
      .test_examples = session->data->test.count,
      .steps_per_epoch = session->steps_per_epoch,
      .epochs = at->epoch,
      .steps = at->epoch * session->steps_per_epoch + at->step,
      .fitted_epoch = fitted == NULL ? 0 : fitted->epoch,
      .fitted_step = fitted == NULL ? 0 : fitted->steps,
      .diverged_step = diverged_step,
      .last = at->epoch > 0 ? at->records[at->epoch - 1] : no_epoch(session->config.learning_rate),
      .plain_train_accuracy = NAN,
  };
  result->corrupted_test_accuracy = result->last.corrupted_test_accuracy;
  result->online_fitted_step = reached(session, at, session->config.fitted_at);
  result->converged_step = reached(session, at, converged_at);
  fill_best(at->records, at->epoch, result);
}

static bool wants(const sht_config *config, const char *what) {
  return strcmp(config->save, what) == 0 || strcmp(config->save, "all") == 0;
}

// One pass over a split, for what the observer is to be given. indices: see sht_observer.
static sht_status show_split(sht_session *session, const sht_observer *observer, const char *name,
                             const sht_pipeline *pipeline, const uint32_t *indices, sht_error *error) {
  uint64_t count = pipeline->split->count;
  uint32_t classes = session->graph->classes;
  sht_evaluate_options options = {.pipeline = pipeline, .observer = observer};
  sht_evaluation ignored;
  sht_status status = SHT_OK;
  if (wants(&session->config, "logits")) {
    status = SHT_ALLOC(&options.logits, count * classes, "logits of every example", error);
  }
  if (status == SHT_OK && wants(&session->config, "losses")) {
    status = SHT_ALLOC(&options.losses, count, "losses of every example", error);
  }
  if (status == SHT_OK) {
    status = sht__evaluate(session, &options, &ignored, error);
  }
  if (status == SHT_OK) {
    status = observer->examples_done(observer->context, name, options.logits, options.losses, count, classes, indices,
                                     error);
  }
  sht_free(options.losses);
  sht_free(options.logits);
  return status;
}

sht_status sht__finish(sht_session *session, const sht_observer *observer, sht_train_result *result, sht_error *error) {
  if (result->outcome == SHT_OUTCOME_DIVERGED) {
    return SHT_OK;
  }
  SHT_TRY(sht__session_hash_weights(session, result->weights_sha256, error));
  if (is_augmented(&session->config)) {
    sht_evaluate_options options = {.pipeline = &session->train, .observer = observer};
    sht_evaluation plain;
    SHT_TRY(sht__evaluate(session, &options, &plain, error));
    result->plain_train_accuracy = plain.accuracy;
  }
  bool asked = wants(&session->config, "logits") || wants(&session->config, "losses");
  if (asked && observer->examples_done != NULL) {
    SHT_TRY(show_split(session, observer, "train", &session->train, session->train_indices, error));
    SHT_TRY(show_split(session, observer, "test", &session->test, session->test_indices, error));
  }
  return SHT_OK;
}
