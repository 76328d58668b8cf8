// The training loop: epochs of steps, their records, checkpoints and the outcome. See shatter/train.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "train/checkpoint.h"
#include "train/dynamics.h"
#include "train/evaluate.h"
#include "train/finish.h"
#include "train/session.h"

// Steps are run in chunks of about this long, between which progress is told and a wish to stop is heard.
static const double chunk_seconds = 0.05;
static const double progress_seconds = 0.1;
enum { CHUNK_STEPS_MAX = 256 };

typedef struct sht_loop {
  sht_session *session;
  const char *folder;  // NULL: no checkpoints
  const sht_observer *observer;
  sht_position at;
  sht_step_metrics metrics[CHUNK_STEPS_MAX];
  uint64_t diverged_step;  // 1-based; 0: not
  uint64_t chunk;          // steps in the next chunk
  double saved, told;      // when the last checkpoint and the last progress were
  double epoch_began;
  double seconds;   // in training steps of this session
  uint64_t images;  // trained on in this session
} sht_loop;

static double now_seconds(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// Products in a fixed order rather than pow(), whose last bit differs between libraries.
static double learning_rate_at(const sht_config *config, uint32_t epoch) {
  double rate = config->learning_rate;
  for (uint32_t i = 0; i < epoch; i++) {
    rate *= config->learning_rate_decay;
  }
  return rate;
}

static sht_status save(sht_loop *loop, sht_error *error) {
  if (loop->folder != NULL) {
    SHT_TRY(sht__checkpoint_save(loop->session, loop->folder, &loop->at, error));
  }
  loop->saved = now_seconds();
  return SHT_OK;
}

static sht_status stop(sht_loop *loop, sht_error *error) {
  SHT_TRY(save(loop, error));
  return SHT_FAIL(error, SHT_STOPPED,
                  "stopped on request in epoch %" PRIu32 " after %" PRIu64 " of its %" PRIu64
                  " steps; it can be resumed",
                  loop->at.epoch + 1, loop->at.step, loop->session->steps_per_epoch);
}

static bool stop_is_requested(const sht_loop *loop) {
  const sht_observer *observer = loop->observer;
  return observer->stop_requested != NULL && observer->stop_requested(observer->context);
}

// Adds the steps of a chunk to the epoch's sums, in their order.
static void add_metrics(sht_loop *loop, uint64_t done) {
  for (uint64_t i = 0; i < done; i++) {
    const sht_step_metrics *step = &loop->metrics[i];
    loop->at.loss_sum += step->loss_sum;
    loop->at.correct += step->correct;
    loop->at.seen += step->count;
    sht__curve_add(&loop->at.curve, loop->at.step, loop->session->steps_per_epoch, step);
    loop->images += step->count;
    loop->at.step++;
    if (!step->finite && loop->diverged_step == 0) {
      loop->diverged_step = loop->at.epoch * loop->session->steps_per_epoch + loop->at.step;
    }
  }
}

static void choose_chunk(sht_loop *loop, uint64_t steps, double seconds) {
  double fitting = chunk_seconds * (double)steps / (seconds + 1e-9);
  loop->chunk = fitting < 1 ? 1 : fitting > CHUNK_STEPS_MAX ? CHUNK_STEPS_MAX : (uint64_t)fitting;
}

static void tell_progress(sht_loop *loop, double now) {
  const sht_observer *observer = loop->observer;
  if (observer->progressed == NULL || loop->at.seen == 0 || now - loop->told < progress_seconds) {
    return;
  }
  loop->told = now;
  observer->progressed(observer->context, loop->at.epoch + 1, loop->at.step, loop->at.loss_sum / (double)loop->at.seen,
                       (double)loop->at.correct / (double)loop->at.seen, (double)loop->images / (loop->seconds + 1e-9));
}

// The training step: forward, loss, backward and update of `chunk` batches; then sums, progress, checkpoint, stop.
static sht_status run_chunk(sht_loop *loop, const sht_step_rates *rates, sht_error *error) {
  sht_session *session = loop->session;
  uint64_t left = session->steps_per_epoch - loop->at.step;
  uint64_t count = left < loop->chunk ? left : loop->chunk;
  uint64_t done = 0;
  double began = now_seconds();
  SHT_TRY(sht_engine_train(session->engine, &session->train, loop->at.epoch, loop->at.step, count, rates, loop->metrics,
                           &done, error));
  double now = now_seconds();
  loop->seconds += now - began;
  add_metrics(loop, done);
  choose_chunk(loop, done, now - began);
  tell_progress(loop, now);
  if (loop->diverged_step != 0) {
    return SHT_OK;
  }
  if (stop_is_requested(loop)) {
    return stop(loop, error);
  }
  return now - loop->saved >= session->config.checkpoint_seconds ? save(loop, error) : SHT_OK;
}

// other_labels: see sht_evaluate_options.
static sht_status evaluate(sht_loop *loop, const sht_pipeline *pipeline, const uint16_t *other_labels,
                           sht_evaluation *out, sht_error *error) {
  sht_evaluate_options options = {.pipeline = pipeline, .other_labels = other_labels, .observer = loop->observer};
  sht_status status = sht__evaluate(loop->session, &options, out, error);
  return status == SHT_STOPPED ? stop(loop, error) : status;
}

// The passes over the training set, or the watched part of it, that this epoch's record asks for.
static sht_status measure_training_set(sht_loop *loop, sht_epoch *record, sht_error *error) {
  const sht_session *session = loop->session;
  bool due = sht__evaluation_is_due(&session->config, record);
  bool watch_all = session->watched.split == session->train.split;
  sht_evaluation seen;
  if (due || watch_all) {
    SHT_TRY(evaluate(loop, &session->train, NULL, &seen, error));
  }
  if (due) {
    record->train_loss_eval = seen.loss;
    record->train_accuracy_eval = seen.accuracy;
  }
  if (session->watched.split != NULL && !watch_all) {
    SHT_TRY(evaluate(loop, &session->watched, NULL, &seen, error));
  }
  if (session->watched.split != NULL) {
    sht__dynamics_file(&seen.answers, record);
  }
  return SHT_OK;
}

static sht_status measure(sht_loop *loop, sht_epoch *record, sht_error *error) {
  const sht_session *session = loop->session;
  sht_evaluation test;
  SHT_TRY(evaluate(loop, &session->test, session->corrupted_test_labels, &test, error));
  record->test_loss = test.loss;
  record->test_accuracy = test.accuracy;
  record->corrupted_test_accuracy = test.corrupted_accuracy;
  return measure_training_set(loop, record, error);
}

static void begin_epoch(sht_position *at) {
  at->step = at->correct = at->seen = 0;
  at->loss_sum = 0;
  at->curve = (sht_curve_sums){0};
}

// Measures the finished epoch and files its record.
static sht_status close_epoch(sht_loop *loop, double learning_rate, sht_error *error) {
  sht_position *at = &loop->at;
  sht_epoch record = sht_epoch_blank();
  record.epoch = at->epoch + 1;
  record.steps = (at->epoch + 1) * loop->session->steps_per_epoch;
  record.learning_rate = learning_rate;
  record.train_loss = at->loss_sum / (double)at->seen;
  record.train_accuracy = (double)at->correct / (double)at->seen;
  sht__curve_close(&at->curve, at->seen, &record);
  SHT_TRY(measure(loop, &record, error));
  at->records[at->epoch++] = record;
  begin_epoch(at);
  double now = now_seconds();
  double seconds = now - loop->epoch_began;
  loop->epoch_began = now;
  const sht_observer *observer = loop->observer;
  return observer->epoch_done == NULL ? SHT_OK : observer->epoch_done(observer->context, &record, seconds, error);
}

static sht_status run_epoch(sht_loop *loop, sht_error *error) {
  const sht_config *config = &loop->session->config;
  double learning_rate = learning_rate_at(config, loop->at.epoch);
  sht_step_rates rates = {(float)learning_rate, (float)config->momentum, (float)config->weight_decay};
  while (loop->at.step < loop->session->steps_per_epoch && loop->diverged_step == 0) {
    SHT_TRY(run_chunk(loop, &rates, error));
  }
  return loop->diverged_step == 0 ? close_epoch(loop, learning_rate, error) : SHT_OK;
}

// Goes on from the folder's checkpoint, if there is one, and tells the observer where training begins.
static sht_status begin(sht_loop *loop, sht_error *error) {
  sht_session *session = loop->session;
  const sht_observer *observer = loop->observer;
  bool found = false;
  if (loop->folder != NULL) {
    SHT_TRY(sht__checkpoint_load(session, loop->folder, observer, &loop->at, &found, error));
  }
  sht__records_trim(&session->config, loop->at.records, loop->at.epoch);
  if (observer->resumed != NULL) {
    SHT_TRY(observer->resumed(observer->context, loop->at.records, loop->at.epoch, error));
  }
  if (observer->started != NULL) {
    observer->started(observer->context, session->graph, session->data, session->steps_per_epoch, &session->info,
                      loop->at.epoch);
  }
  loop->saved = loop->epoch_began = now_seconds();
  return SHT_OK;
}

static sht_status run(sht_loop *loop, sht_train_result *result, sht_error *error) {
  const sht_config *config = &loop->session->config;
  SHT_TRY(begin(loop, error));
  double began = now_seconds();
  uint32_t resumed = loop->at.epoch;
  while (loop->diverged_step == 0 && !sht__training_is_over(config, loop->at.records, loop->at.epoch)) {
    SHT_TRY(run_epoch(loop, error));
  }
  if (loop->folder != NULL && loop->diverged_step == 0) {
    if (loop->at.epoch > resumed) {
      SHT_TRY(save(loop, error));
    }
    SHT_TRY(sht__checkpoint_keep_last(loop->folder, &loop->at, error));
  }
  sht__result_fill(loop->session, &loop->at, loop->diverged_step, result);
  SHT_TRY(sht__finish(loop->session, loop->observer, result, error));
  result->seconds = now_seconds() - began;
  result->images_per_second = loop->seconds > 0 ? (double)loop->images / loop->seconds : (double)NAN;
  return SHT_OK;
}

sht_status sht__session_run(sht_session *session, const char *folder, const sht_observer *observer,
                            sht_train_result *result, sht_error *error) {
  static const sht_observer nobody = {0};
  sht_loop *loop = NULL;
  *result = (sht_train_result){0};
  if (!(session->config.epochs >= 1 && session->config.epochs <= UINT32_MAX)) {
    return SHT_FAIL(error, SHT_CONFIG, "%" PRIu64 " epochs, expected 1 to %" PRIu32, session->config.epochs,
                    UINT32_MAX);
  }
  SHT_TRY(SHT_ALLOC(&loop, 1, "training loop", error));
  loop->session = session;
  loop->folder = session->config.precision[0] != '\0' && strcmp(session->config.precision, "fp64") == 0 ? NULL : folder;
  loop->observer = observer == NULL ? &nobody : observer;
  loop->chunk = 1;
  loop->at.room = (uint32_t)session->config.epochs;
  sht_status status = SHT_ALLOC(&loop->at.records, loop->at.room, "records of the epochs", error);
  if (status == SHT_OK) {
    status = run(loop, result, error);
  }
  sht_free(loop->at.records);
  sht_free(loop);
  return status;
}

sht_status sht_train(const sht_config *config, const char *folder, const sht_observer *observer,
                     sht_train_result *result, sht_error *error) {
  sht_session session;
  SHT_TRY(sht__session_open(config, NULL, &session, error));
  sht_status status = sht__session_run(&session, folder, observer, result, error);
  sht__session_close(&session);
  return status;
}
