// Training with augmentation: which accuracy counts, what evaluation sees, what makes a run another one, and resuming.
#include <math.h>

#include "train/evaluate.h"
#include "train/session.h"
#include "train_fixture.h"

static const char *folder;  // of the test at hand

static sht_config augmented(const char *how) {
  sht_config config = fixture_config(folder);
  (void)snprintf(config.augment, sizeof config.augment, "%s", how);
  return config;
}

static void open_session(const char *how, sht_session *session) {
  sht_config config = augmented(how);
  sht_error error;
  fixture_ok(sht__session_open(&config, NULL, session, &error), &error);
}

static sht_train_result train(const sht_config *config, const char *where, fixture_watch *watch) {
  sht_train_result result;
  sht_error error;
  sht_observer observer = fixture_observer(watch);
  *watch = (fixture_watch){0};
  fixture_ok(sht_train(config, where, &observer, &result, &error), &error);
  return result;
}

// The mean over the epoch decides; the evaluation of the images without augmentation stands beside it.
static void the_online_mean_counts(void **state) {
  folder = *state;
  sht_config config = augmented("crop,flip");
  fixture_watch watch;
  config.fitted_at = 0.12;  // of ten classes: a network that has learned anything gets there, not in its first epoch
  config.epochs = 8;
  sht_train_result result = train(&config, NULL, &watch);
  uint32_t expected = 0;
  for (uint32_t i = 0; i < watch.count; i++) {
    assert_true(isnan(watch.epochs[i].train_accuracy_eval) && isnan(watch.epochs[i].train_loss_eval));
    expected = expected == 0 && watch.epochs[i].train_accuracy >= config.fitted_at ? i + 1 : expected;
  }
  assert_true(expected > 0);
  assert_int_equal(result.fitted_epoch, expected);
  assert_int_equal(result.outcome, SHT_OUTCOME_FITTED);
  assert_true(result.plain_train_accuracy >= 0 && result.plain_train_accuracy <= 1);
  config.stop_when_fitted = true;
  assert_int_equal(train(&config, NULL, &watch).epochs, expected);
}

static void without_augmentation_evaluation_counts(void **state) {
  folder = *state;
  sht_config config = augmented("rotate:0");
  fixture_watch watch;
  sht_train_result result = train(&config, NULL, &watch);
  assert_false(isnan(watch.epochs[2].train_accuracy_eval));
  assert_true(isnan(result.plain_train_accuracy));
}

// Logits of the training set with augmentation on are those of a session without: the same weights, the centre window.
static void evaluation_sees_the_images_as_they_are(void **state) {
  folder = *state;
  static float with[FIXTURE_TRAIN * 10];
  static float without[FIXTURE_TRAIN * 10];
  sht_session a;
  sht_session b;
  sht_error error;
  sht_evaluation seen;
  open_session("crop,flip,rotate:25,color", &a);
  open_session("none", &b);
  assert_int_equal(a.data->train.height, 32);
  assert_int_equal(b.data->train.height, 28);
  sht_evaluate_options options = {.pipeline = &a.train, .logits = with};
  fixture_ok(sht__evaluate(&a, &options, &seen, &error), &error);
  options = (sht_evaluate_options){.pipeline = &b.train, .logits = without};
  fixture_ok(sht__evaluate(&b, &options, &seen, &error), &error);
  assert_memory_equal(with, without, sizeof with);
  sht__session_close(&a);
  sht__session_close(&b);
}

// One step from the same weights: another loss with augmentation, and another one again in the next epoch.
static void training_sees_a_new_variant_every_epoch(void **state) {
  folder = *state;
  static const char *const how[3] = {"none", "crop,flip", "crop,flip"};
  static const uint32_t epochs[3] = {0, 0, 1};
  const sht_step_rates rates = {0, 0, 0};
  double losses[3];
  for (int i = 0; i < 3; i++) {
    sht_session session;
    sht_step_metrics metrics[FIXTURE_STEPS];
    uint64_t done = 0;
    sht_error error;
    open_session(how[i], &session);
    session.graph->nodes[4].dropout = 0;  // so that masks do not tell the epochs apart
    fixture_ok(
        sht_engine_train(session.engine, &session.train, epochs[i], 0, FIXTURE_STEPS, &rates, metrics, &done, &error),
        &error);
    losses[i] = 0;
    for (int s = 0; s < FIXTURE_STEPS; s++) {
      losses[i] += metrics[s].loss_sum;
    }
    sht__session_close(&session);
  }
  assert_true(fabs(losses[1] - losses[0]) > 1e-3 && fabs(losses[2] - losses[1]) > 1e-3);
}

static void runs_are_the_same_however_the_list_is_written(void **state) {
  folder = *state;
  static const char *const lists[][2] = {{"flip,rotate:25", "rotate,flip:0.5"}, {"none", "flip:0,brightness:0"}};
  char seen[2][65];
  for (int i = 0; i < 2; i++) {
    sht_session a;
    sht_session b;
    open_session(lists[i][0], &a);
    open_session(lists[i][1], &b);
    assert_string_equal(a.identity, b.identity);
    (void)snprintf(seen[i], sizeof seen[i], "%s", a.identity);
    sht__session_close(&a);
    sht__session_close(&b);
  }
  assert_string_not_equal(seen[0], seen[1]);
}

static void what_means_nothing_is_refused_before_training(void **state) {
  folder = *state;
  sht_config config = augmented("flip");
  sht_session session;
  sht_error error;
  (void)snprintf(config.pixels, sizeof config.pixels, "shuffled");
  assert_int_equal(sht__session_open(&config, NULL, &session, &error), SHT_CONFIG);
  config = augmented("flop");
  assert_int_equal(sht__session_open(&config, NULL, &session, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "did you mean flip?"));
}

// Stopped in the middle of an epoch and resumed: the same weights.
static void stopping_changes_nothing(void **state) {
  folder = *state;
  char where[FIXTURE_PATH + 8];
  fixture_watch watch = {.stop_at = 6};
  sht_config config = augmented("crop,flip,rotate:25,color");
  sht_train_result whole = train(&config, NULL, &(fixture_watch){0});
  sht_train_result part;
  sht_error error;
  sht_observer observer = fixture_observer(&watch);
  (void)snprintf(where, sizeof where, "%s/c", folder);
  assert_int_equal(mkdir(where, 0777), 0);
  assert_int_equal(sht_train(&config, where, &observer, &part, &error), SHT_STOPPED);
  sht_train_result resumed = train(&config, where, &watch);
  assert_string_equal(resumed.weights_sha256, whole.weights_sha256);
  assert_true(resumed.plain_train_accuracy == whole.plain_train_accuracy);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_online_mean_counts, fixture_set_up, fixture_tear_down),
      cmocka_unit_test_setup_teardown(without_augmentation_evaluation_counts, fixture_set_up, fixture_tear_down),
      cmocka_unit_test_setup_teardown(evaluation_sees_the_images_as_they_are, fixture_set_up, fixture_tear_down),
      cmocka_unit_test_setup_teardown(training_sees_a_new_variant_every_epoch, fixture_set_up, fixture_tear_down),
      cmocka_unit_test_setup_teardown(runs_are_the_same_however_the_list_is_written, fixture_set_up, fixture_tear_down),
      cmocka_unit_test_setup_teardown(what_means_nothing_is_refused_before_training, fixture_set_up, fixture_tear_down),
      cmocka_unit_test_setup_teardown(stopping_changes_nothing, fixture_set_up, fixture_tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
