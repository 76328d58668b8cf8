// The training loop: against steps taken one by one, against the definitions of its record, and stopped and resumed at
// every place, which must change no bit.
#include <math.h>

#include "train/session.h"
#include "train_fixture.h"

static char folder[FIXTURE_PATH];

static int set_up(void **state) {
  (void)state;
  fixture_folder(folder);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  fixture_remove(folder);
  return 0;
}

// A folder for checkpoints inside the test's own.
static const char *checkpoints(void) {
  static char path[FIXTURE_PATH + 8];
  (void)snprintf(path, sizeof path, "%s/c", folder);
  fixture_remove(path);
  assert_int_equal(mkdir(path, 0777), 0);
  return path;
}

static sht_train_result train(const sht_config *config, const char *where, fixture_watch *watch) {
  sht_train_result result;
  sht_error error;
  sht_observer observer = fixture_observer(watch);
  *watch = (fixture_watch){0};
  fixture_ok(sht_train(config, where, &observer, &result, &error), &error);
  return result;
}

static void assert_same_number(double a, double b) { assert_true(a == b || (isnan(a) && isnan(b))); }

static void assert_same_details(const sht_epoch *x, const sht_epoch *y) {
  assert_same_number(x->corrupted_test_accuracy, y->corrupted_test_accuracy);
  assert_same_number(x->memorised, y->memorised);
  assert_same_number(x->resisted, y->resisted);
  assert_same_number(x->other, y->other);
  assert_same_number(x->clean_fitted, y->clean_fitted);
  assert_int_equal(x->dynamics_corrupted, y->dynamics_corrupted);
  assert_int_equal(x->dynamics_clean, y->dynamics_clean);
  for (int part = 0; part < SHT_CURVE_PARTS; part++) {
    assert_same_number(x->curve_loss[part], y->curve_loss[part]);
    assert_same_number(x->curve_accuracy[part], y->curve_accuracy[part]);
  }
}

static void assert_same_epochs(const fixture_watch *a, const fixture_watch *b) {
  assert_int_equal(a->count, b->count);
  for (uint32_t i = 0; i < a->count; i++) {
    const sht_epoch *x = &a->epochs[i];
    const sht_epoch *y = &b->epochs[i];
    assert_int_equal(x->epoch, y->epoch);
    assert_int_equal(x->steps, y->steps);
    assert_same_number(x->learning_rate, y->learning_rate);
    assert_same_number(x->train_loss, y->train_loss);
    assert_same_number(x->train_accuracy, y->train_accuracy);
    assert_same_number(x->train_loss_eval, y->train_loss_eval);
    assert_same_number(x->train_accuracy_eval, y->train_accuracy_eval);
    assert_same_number(x->test_loss, y->test_loss);
    assert_same_number(x->test_accuracy, y->test_accuracy);
    assert_same_details(x, y);
  }
}

static void assert_same_result(const sht_train_result *a, const sht_train_result *b) {
  assert_int_equal(a->outcome, b->outcome);
  assert_int_equal(a->epochs, b->epochs);
  assert_int_equal(a->steps, b->steps);
  assert_int_equal(a->fitted_step, b->fitted_step);
  assert_int_equal(a->online_fitted_step, b->online_fitted_step);
  assert_int_equal(a->converged_step, b->converged_step);
  assert_int_equal(a->best_test_epoch, b->best_test_epoch);
  assert_same_number(a->corrupted_test_accuracy, b->corrupted_test_accuracy);
  assert_string_equal(a->weights_sha256, b->weights_sha256);
}

// The engine of a fresh session, one step a call, with the rates of the definition.
static void take_steps(sht_session *session, double *loss, double *accuracy, sht_error *error) {
  for (uint32_t epoch = 0; epoch < session->config.epochs; epoch++) {
    double rate = 0.05 * pow(0.9, epoch);
    sht_step_rates rates = {(float)rate, 0.9F, 0};
    double sum = 0;
    uint64_t correct = 0;
    for (uint64_t step = 0; step < FIXTURE_STEPS; step++) {
      sht_step_metrics metrics;
      uint64_t done = 0;
      fixture_ok(sht_engine_train(session->engine, &session->train, epoch, step, 1, &rates, &metrics, &done, error),
                 error);
      assert_int_equal(metrics.count, step < 3 ? 32 : 4);
      sum += metrics.loss_sum;
      correct += metrics.correct;
    }
    loss[epoch] = sum / FIXTURE_TRAIN;
    accuracy[epoch] = (double)correct / FIXTURE_TRAIN;
  }
}

static void the_loop_is_its_steps_one_by_one(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  sht_session session;
  sht_error error;
  fixture_watch watch;
  double loss[3];
  double accuracy[3];
  char hash[65];
  sht_train_result result = train(&config, NULL, &watch);
  fixture_ok(sht__session_open(&config, NULL, &session, &error), &error);
  assert_int_equal(session.steps_per_epoch, FIXTURE_STEPS);
  take_steps(&session, loss, accuracy, &error);
  fixture_ok(sht__session_hash_weights(&session, hash, &error), &error);
  sht__session_close(&session);
  assert_string_equal(result.weights_sha256, hash);
  assert_int_equal(watch.count, 3);
  for (int i = 0; i < 3; i++) {
    assert_true(watch.epochs[i].train_loss == loss[i]);
    assert_true(watch.epochs[i].train_accuracy == accuracy[i]);
    assert_true(fabs(watch.epochs[i].learning_rate - 0.05 * pow(0.9, i)) < 1e-16);
    assert_int_equal(watch.epochs[i].epoch, i + 1);
    assert_int_equal(watch.epochs[i].steps, (i + 1) * FIXTURE_STEPS);
  }
}

// An online accuracy far below 98 %: the training set is evaluated at the end alone.
static void the_training_set_is_evaluated_at_the_end(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch watch;
  sht_train_result result = train(&config, NULL, &watch);
  assert_true(isnan(watch.epochs[0].train_accuracy_eval) && isnan(watch.epochs[1].train_loss_eval));
  assert_false(isnan(watch.epochs[2].train_accuracy_eval));
  assert_true(result.last.train_accuracy_eval == watch.epochs[2].train_accuracy_eval);
  assert_int_equal(result.outcome, SHT_OUTCOME_NOT_FITTED);
  assert_int_equal(result.fitted_step, 0);
  assert_int_equal(result.parameters, 3 * 6 * 9 + 6 + 6 * 49 * 10 + 10);
}

typedef struct seen_examples {
  int splits;
  double loss[2];
  double accuracy[2];
  const sht_session *session;
} seen_examples;

static sht_status examples_done(void *context, const char *split, const float *logits, const float *losses,
                                uint64_t count, uint32_t classes, const uint32_t *indices, sht_error *error) {
  seen_examples *seen = context;
  (void)error;
  bool is_train = strcmp(split, "train") == 0;
  const sht_split *data = is_train ? &seen->session->data->train : &seen->session->data->test;
  assert_int_equal(count, data->count);
  assert_int_equal(classes, 10);
  assert_null(indices);
  double loss = 0;
  double correct = 0;
  for (uint64_t i = 0; i < count; i++) {
    const float *row = logits + i * classes;
    double sum = 0;
    uint32_t best = 0;
    for (uint32_t k = 0; k < classes; k++) {
      sum += exp((double)row[k]);
      best = row[k] > row[best] ? k : best;
    }
    double expected = log(sum) - row[data->labels[i]];
    assert_true(fabs(expected - losses[i]) < 1e-5);  // logits of size 10 rounded to float
    loss += losses[i];
    correct += best == data->labels[i];
  }
  seen->loss[is_train] = loss / (double)count;
  seen->accuracy[is_train] = correct / (double)count;
  seen->splits++;
  return SHT_OK;
}

// Losses are recomputed from the logits by the definition of the cross-entropy; their means are the last record's.
static void examples_agree_with_the_record(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  sht_session session;
  sht_error error;
  sht_train_result result;
  (void)snprintf(config.save, sizeof config.save, "all");
  fixture_ok(sht__session_open(&config, NULL, &session, &error), &error);
  seen_examples seen = {.session = &session};
  sht_observer observer = {.context = &seen, .examples_done = examples_done};
  fixture_ok(sht__session_run(&session, NULL, &observer, &result, &error), &error);
  sht__session_close(&session);
  assert_int_equal(seen.splits, 2);
  assert_true(fabs(seen.loss[1] - result.last.train_loss_eval) < 1e-12);
  assert_true(fabs(seen.loss[0] - result.last.test_loss) < 1e-12);
  assert_true(seen.accuracy[1] == result.last.train_accuracy_eval);
  assert_true(seen.accuracy[0] == result.last.test_accuracy);
}

// Labels corrupted with probability 0 are the true ones, and so is the accuracy against them.
static void corrupted_test_labels_are_reported(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch watch;
  (void)snprintf(config.labels, sizeof config.labels, "corrupt:0");
  sht_train_result result = train(&config, NULL, &watch);
  assert_true(result.corrupted_test_accuracy == result.last.test_accuracy);
  (void)snprintf(config.labels, sizeof config.labels, "true");
  result = train(&config, NULL, &watch);
  assert_true(isnan(result.corrupted_test_accuracy));
}

static void fitting_is_recorded_and_can_stop(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch watch;
  config.epochs = 40;
  config.fitted_at = 0.4;
  sht_train_result whole = train(&config, NULL, &watch);
  assert_int_equal(whole.outcome, SHT_OUTCOME_FITTED);
  assert_int_equal(whole.epochs, 40);
  assert_in_range(whole.fitted_epoch, 2, 39);
  assert_int_equal(whole.fitted_step, whole.fitted_epoch * FIXTURE_STEPS);
  assert_true(watch.epochs[whole.fitted_epoch - 1].train_accuracy_eval >= 0.4);
  for (uint32_t i = 0; i + 1 < whole.fitted_epoch; i++) {
    assert_false(watch.epochs[i].train_accuracy_eval >= 0.4);
  }
  config.stop_when_fitted = true;
  sht_train_result stopped = train(&config, NULL, &watch);
  assert_int_equal(stopped.epochs, whole.fitted_epoch);
  assert_int_equal(stopped.fitted_step, whole.fitted_step);
}

static void the_best_test_epoch_is_the_first_of_the_best(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch watch;
  config.epochs = 8;
  sht_train_result result = train(&config, NULL, &watch);
  for (uint32_t i = 0; i < 8; i++) {
    assert_true(watch.epochs[i].test_accuracy <= result.best_test_accuracy);
    assert_true(i + 1 >= result.best_test_epoch || watch.epochs[i].test_accuracy < result.best_test_accuracy);
  }
  assert_true(watch.epochs[result.best_test_epoch - 1].test_accuracy == result.best_test_accuracy);
}

// A learning rate of 1e30 carries the weights out of a float's range in the first steps.
static void divergence_is_an_outcome(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch watch;
  const char *where = checkpoints();
  config.learning_rate = 1000;
  config.learning_rate_decay = 1;
  config.momentum = 0.9999;
  config.weight_decay = 10;
  config.epochs = 50;
  sht_train_result result = train(&config, where, &watch);
  assert_int_equal(result.outcome, SHT_OUTCOME_DIVERGED);
  assert_true(result.diverged_step > 0);
  assert_int_equal(result.epochs, (result.diverged_step - 1) / FIXTURE_STEPS);
  assert_int_equal(result.steps, result.diverged_step);
  assert_string_equal(result.weights_sha256, "");
  sht_train_result again = train(&config, where, &watch);
  assert_int_equal(again.diverged_step, result.diverged_step);
}

static void threads_change_nothing(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch one;
  fixture_watch two;
  sht_train_result a = train(&config, NULL, &one);
  config.threads = 2;
  sht_train_result b = train(&config, NULL, &two);
  assert_same_result(&a, &b);
  assert_same_epochs(&one, &two);
}

static bool device_is_there(const char *device) {
  sht_config config = fixture_config(folder);
  sht_session session;
  sht_error error;
  (void)snprintf(config.device, sizeof config.device, "%s", device);
  sht_status status = sht__session_open(&config, NULL, &session, &error);
  if (status == SHT_UNAVAILABLE) {
    (void)fprintf(stderr, "SKIP: %s\n", error.message);
    return false;
  }
  fixture_ok(status, &error);
  sht__session_close(&session);
  return true;
}

// Sessions that each end at the `every`-th question until one comes through. Returns how many there were.
static int train_in_pieces(const sht_config *config, const char *where, uint64_t every, sht_train_result *result,
                           fixture_watch *watch) {
  sht_error error;
  sht_observer observer = fixture_observer(watch);
  for (int sessions = 1; sessions < 200; sessions++) {
    watch->asked = 0;
    watch->stop_at = every;
    sht_status status = sht_train(config, where, &observer, result, &error);
    if (status == SHT_OK) {
      return sessions;
    }
    assert_int_equal(status, SHT_STOPPED);
    assert_non_null(strstr(error.message, "resumed"));
  }
  fail_msg("no end in 200 sessions");
  return 0;
}

// Every fourth question is the least that gets on: the end of an epoch asks three times (test set, training set,
// watched examples) before the next step.
static void stopping_anywhere_changes_nothing(void **state) {
  static const char *const devices[] = {"ref", "cpu"};
  (void)state;
  for (int d = 0; d < 2; d++) {
    if (!device_is_there(devices[d])) {
      continue;
    }
    sht_config config = fixture_config(folder);
    fixture_watch whole;
    (void)snprintf(config.device, sizeof config.device, "%s", devices[d]);
    config.fitted_at = 0.1;  // evaluations of the training set in every epoch
    (void)snprintf(config.dynamics, sizeof config.dynamics, "%s", d == 0 ? "30" : "all");
    sht_train_result expected = train(&config, NULL, &whole);
    for (uint64_t every = 4; every < 13; every++) {
      fixture_watch watch = {0};
      sht_train_result result;
      int sessions = train_in_pieces(&config, checkpoints(), every, &result, &watch);
      assert_true(sessions > 1 || every > 8);
      assert_same_result(&expected, &result);
      assert_same_epochs(&whole, &watch);
    }
  }
}

// A stop at each single question of one session, then one session to the end.
static void a_stop_at_each_place_changes_nothing(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch whole;
  sht_train_result expected = train(&config, NULL, &whole);
  sht_status status = SHT_STOPPED;
  for (uint64_t at = 1; status == SHT_STOPPED; at++) {
    const char *where = checkpoints();
    fixture_watch watch = {.stop_at = at};
    sht_observer observer = fixture_observer(&watch);
    sht_train_result result;
    status = sht_train(&config, where, &observer, &result, NULL);
    assert_true(at > 3 || status == SHT_STOPPED);
    watch.stop_at = 0;
    fixture_ok(sht_train(&config, where, &observer, &result, NULL), &(sht_error){0});
    assert_same_result(&expected, &result);
    assert_same_epochs(&whole, &watch);
  }
}

// A finished run's checkpoint is the beginning of a longer run, which comes out as if it had been one from the start.
static void a_longer_run_goes_on_from_a_shorter_one(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch watch;
  fixture_watch longer;
  const char *where = checkpoints();
  config.fitted_at = 0.15;
  sht_train_result shorter = train(&config, where, &watch);
  config.epochs = 7;
  sht_train_result continued = train(&config, where, &watch);
  assert_int_equal(watch.resumed, 3);
  sht_train_result expected = train(&config, NULL, &longer);
  assert_int_equal(shorter.epochs, 3);
  assert_same_result(&expected, &continued);
  assert_same_epochs(&longer, &watch);
}

static void fp64_writes_no_checkpoint(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  fixture_watch watch;
  char path[FIXTURE_PATH * 2];
  const char *where = checkpoints();
  (void)snprintf(config.precision, sizeof config.precision, "fp64");
  (void)train(&config, where, &watch);
  (void)snprintf(path, sizeof path, "%s/checkpoint-a.safetensors", where);
  assert_false(sht_file_exists(path));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_loop_is_its_steps_one_by_one),
      cmocka_unit_test(the_training_set_is_evaluated_at_the_end),
      cmocka_unit_test(examples_agree_with_the_record),
      cmocka_unit_test(corrupted_test_labels_are_reported),
      cmocka_unit_test(fitting_is_recorded_and_can_stop),
      cmocka_unit_test(the_best_test_epoch_is_the_first_of_the_best),
      cmocka_unit_test(divergence_is_an_outcome),
      cmocka_unit_test(threads_change_nothing),
      cmocka_unit_test(stopping_anywhere_changes_nothing),
      cmocka_unit_test(a_stop_at_each_place_changes_nothing),
      cmocka_unit_test(a_longer_run_goes_on_from_a_shorter_one),
      cmocka_unit_test(fp64_writes_no_checkpoint),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
