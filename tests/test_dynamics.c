// What is learned when, and the curve inside an epoch: tiny cases computed by hand, the whole of it counted again from
// the engine's own logits and single steps, and no bit of the weights changed by being watched.
#include <math.h>

#include "train/curve.h"
#include "train/dynamics.h"
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

static sht_config watching(const char *labels, const char *dynamics) {
  sht_config config = fixture_config(folder);
  (void)snprintf(config.labels, sizeof config.labels, "%s", labels);
  (void)snprintf(config.dynamics, sizeof config.dynamics, "%s", dynamics);
  return config;
}

static void open_session(const sht_config *config, sht_session *session) {
  sht_error error;
  fixture_ok(sht__session_open(config, NULL, session, &error), &error);
}

static void the_option_is_read(void **state) {
  (void)state;
  uint64_t limit = 1;
  sht_error error;
  fixture_ok(sht__dynamics_parse("off", &limit, &error), &error);
  assert_int_equal(limit, 0);
  fixture_ok(sht__dynamics_parse("auto", &limit, &error), &error);
  assert_int_equal(limit, 5000);
  fixture_ok(sht__dynamics_parse("123", &limit, &error), &error);
  assert_int_equal(limit, 123);
  fixture_ok(sht__dynamics_parse("all", &limit, &error), &error);
  assert_true(limit == UINT64_MAX);
  static const char *const wrong[] = {"", "0", "-3", "1.5", "alll", "5000x"};
  for (int i = 0; i < 6; i++) {
    assert_int_equal(sht__dynamics_parse(wrong[i], &limit, &error), SHT_CONFIG);
    assert_non_null(strstr(error.message, "expected auto, all, off"));
  }
  assert_int_equal(sht__dynamics_parse("alll", &limit, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "did you mean all?"));
}

// Eight answers beside (given, true): two memorised, one resisted, one neither; three of four clean ones fitted.
static void answers_are_counted(void **state) {
  (void)state;
  static const uint16_t cases[8][3] = {{3, 3, 5}, {5, 3, 5}, {7, 3, 5}, {2, 2, 0},
                                       {4, 4, 4}, {4, 4, 4}, {1, 1, 1}, {9, 1, 1}};
  sht_answers answers = {0};
  sht_epoch record = sht_epoch_blank();
  sht__dynamics_file(&answers, &record);
  assert_true(isnan(record.memorised) && isnan(record.clean_fitted) && record.dynamics_corrupted == 0);
  for (int i = 0; i < 8; i++) {
    sht__dynamics_count(&answers, cases[i][0], cases[i][1], cases[i][2]);
  }
  sht__dynamics_file(&answers, &record);
  assert_true(record.memorised == 0.5 && record.resisted == 0.25 && record.other == 0.25);
  assert_true(record.clean_fitted == 0.75);
  assert_int_equal(record.dynamics_corrupted, 4);
  assert_int_equal(record.dynamics_clean, 4);
}

static uint64_t corrupted_of(const sht_split *split) {
  uint64_t corrupted = 0;
  for (uint64_t i = 0; i < split->count; i++) {
    corrupted += split->labels[i] != split->true_labels[i];
  }
  return corrupted;
}

// The place of each watched example in the training set, by its pixels, which differ from one another.
static void find_watched(const sht_session *session, uint64_t *places) {
  const sht_split *all = &session->data->train;
  const sht_split *part = session->watched.split;
  uint64_t bytes = (uint64_t)all->height * all->width * all->channels * (all->type == SHT_PIXEL_U8 ? 1 : 2);
  for (uint64_t i = 0; i < part->count; i++) {
    uint64_t at = 0;
    while (at < all->count && memcmp((char *)part->pixels + i * bytes, (char *)all->pixels + at * bytes, bytes) != 0) {
      at++;
    }
    assert_true(at < all->count);
    assert_int_equal(part->labels[i], all->labels[at]);
    assert_int_equal(part->true_labels[i], all->true_labels[at]);
    places[i] = at;
  }
}

static void check_part(const char *labels, const char *pixels, uint64_t limit, uint64_t corrupted) {
  char text[16];
  uint64_t places[FIXTURE_TRAIN];
  uint64_t again[FIXTURE_TRAIN];
  sht_session session;
  (void)snprintf(text, sizeof text, "%d", (int)limit);
  sht_config config = watching(labels, text);
  (void)snprintf(config.pixels, sizeof config.pixels, "%s", pixels);
  open_session(&config, &session);
  assert_int_equal(session.watched.split->count, limit);
  assert_int_equal(corrupted_of(session.watched.split), corrupted);
  find_watched(&session, places);
  for (uint64_t i = 1; i < limit; i++) {
    assert_true(places[i] > places[i - 1]);  // in the split's order, none twice
  }
  sht__session_close(&session);
  config.threads = 2;
  open_session(&config, &session);
  find_watched(&session, again);
  assert_memory_equal(places, again, limit * sizeof *places);
  sht__session_close(&session);
}

// 100 examples: with random labels 90 or so are corrupted, with P = 0.1 about 9: a kind that is rare is watched whole.
static void what_is_watched(void **state) {
  (void)state;
  sht_session session;
  sht_config config = watching("random", "all");
  open_session(&config, &session);
  uint64_t random = corrupted_of(&session.data->train);
  assert_ptr_equal(session.watched.split, &session.data->train);
  sht__session_close(&session);
  assert_in_range(random, 80, 99);
  check_part("random", "true", 7, 4);
  check_part("random", "gaussian", 50, 50 - (100 - random));
  check_part("random", "shuffled", 99, 99 - (100 - random));
  config = watching("wrong:0.1", "all");
  open_session(&config, &session);
  uint64_t few = corrupted_of(&session.data->train);
  sht__session_close(&session);
  assert_in_range(few, 1, 24);
  check_part("wrong:0.1", "true", 50, few);
  config = watching("true", "all");
  open_session(&config, &session);
  assert_null(session.watched.split);
  sht__session_close(&session);
  config = watching("random", "off");
  open_session(&config, &session);
  assert_null(session.watched.split);
  sht__session_close(&session);
}

typedef struct seen_logits {
  sht_session *session;
  double memorised, resisted, clean_fitted, corrupted_test;
} seen_logits;

static uint32_t answer_of(const float *row, uint32_t classes) {
  uint32_t best = 0;
  for (uint32_t k = 1; k < classes; k++) {
    best = row[k] > row[best] ? k : best;
  }
  return best;
}

static sht_status examples_done(void *context, const char *split, const float *logits, const float *losses,
                                uint64_t count, uint32_t classes, const uint32_t *indices, sht_error *error) {
  seen_logits *seen = context;
  const sht_dataset *data = seen->session->data;
  (void)losses;
  (void)indices;
  (void)error;
  double kept[4] = {0};
  uint64_t corrupted = corrupted_of(&data->train);
  for (uint64_t i = 0; i < count; i++) {
    uint32_t answer = answer_of(logits + i * classes, classes);
    if (strcmp(split, "test") == 0) {
      kept[3] += answer == seen->session->corrupted_test_labels[i];
      continue;
    }
    bool clean = data->train.labels[i] == data->train.true_labels[i];
    kept[0] += !clean && answer == data->train.labels[i];
    kept[1] += !clean && answer == data->train.true_labels[i];
    kept[2] += clean && answer == data->train.labels[i];
  }
  if (strcmp(split, "test") == 0) {
    seen->corrupted_test = kept[3] / (double)count;
  } else {
    seen->memorised = kept[0] / (double)corrupted;
    seen->resisted = kept[1] / (double)corrupted;
    seen->clean_fitted = kept[2] / (double)(count - corrupted);
  }
  return SHT_OK;
}

static void the_last_record_is_counted_again(void **state) {
  (void)state;
  sht_session session;
  sht_error error;
  sht_train_result result;
  sht_config config = watching("corrupt:0.6", "all");
  config.epochs = 20;
  (void)snprintf(config.save, sizeof config.save, "logits");
  open_session(&config, &session);
  seen_logits seen = {.session = &session};
  sht_observer observer = {.context = &seen, .examples_done = examples_done};
  fixture_ok(sht__session_run(&session, NULL, &observer, &result, &error), &error);
  const sht_epoch *last = &result.last;
  assert_true(last->memorised == seen.memorised && seen.memorised > 0.2);
  assert_true(last->resisted == seen.resisted);
  assert_true(fabs(last->memorised + last->resisted + last->other - 1) < 1e-15);
  assert_true(last->clean_fitted == seen.clean_fitted);
  assert_true(last->corrupted_test_accuracy == seen.corrupted_test);
  assert_true(result.corrupted_test_accuracy == seen.corrupted_test);
  assert_int_equal(last->dynamics_corrupted, corrupted_of(&session.data->train));
  sht__session_close(&session);
}

static sht_train_result train(const sht_config *config, fixture_watch *watch) {
  sht_train_result result;
  sht_error error;
  sht_observer observer = fixture_observer(watch);
  *watch = (fixture_watch){0};
  fixture_ok(sht_train(config, NULL, &observer, &result, &error), &error);
  return result;
}

// Watching more or less moves no weight and none of the other figures.
static void watching_changes_nothing(void **state) {
  (void)state;
  static const char *const dynamics[] = {"off", "auto", "all", "33"};
  fixture_watch watch[4];
  sht_train_result results[4];
  for (int i = 0; i < 4; i++) {
    sht_config config = watching("random", dynamics[i]);
    config.threads = 1 + (uint64_t)i % 2;
    results[i] = train(&config, &watch[i]);
    assert_string_equal(results[i].weights_sha256, results[0].weights_sha256);
    for (uint32_t e = 0; e < watch[i].count; e++) {
      const sht_epoch *a = &watch[i].epochs[e];
      const sht_epoch *b = &watch[0].epochs[e];
      assert_true(a->train_loss == b->train_loss && a->test_loss == b->test_loss);
      assert_true(isnan(a->train_loss_eval) == isnan(b->train_loss_eval));
      assert_int_equal(a->dynamics_corrupted + a->dynamics_clean, i == 0 ? 0 : i == 3 ? 33 : 100);
      assert_true(isnan(a->memorised) == (i == 0));
    }
  }
  assert_true(watch[1].epochs[1].memorised == watch[2].epochs[1].memorised);
}

// The curve of 4 steps an epoch has a point a step: the engine's steps one by one are the reference.
static void a_short_epoch_has_a_point_a_step(void **state) {
  (void)state;
  sht_session session;
  sht_error error;
  fixture_watch watch;
  sht_config config = watching("random", "off");
  (void)train(&config, &watch);
  open_session(&config, &session);
  for (uint32_t epoch = 0; epoch < 3; epoch++) {
    double rate = 0.05;
    for (uint32_t i = 0; i < epoch; i++) {
      rate *= 0.9;
    }
    sht_step_rates rates = {(float)rate, 0.9F, 0};
    sht_curve_point points[SHT_CURVE_PARTS];
    assert_int_equal(sht_epoch_curve(&watch.epochs[epoch], points), FIXTURE_STEPS);
    for (uint64_t step = 0; step < FIXTURE_STEPS; step++) {
      sht_step_metrics metrics;
      uint64_t done = 0;
      fixture_ok(sht_engine_train(session.engine, &session.train, epoch, step, 1, &rates, &metrics, &done, &error),
                 &error);
      assert_int_equal(points[step].first, epoch * FIXTURE_STEPS + step);
      assert_int_equal(points[step].last, epoch * FIXTURE_STEPS + step + 1);
      assert_true(points[step].loss == metrics.loss_sum / metrics.count);
      assert_true(points[step].accuracy == (double)metrics.correct / metrics.count);
    }
    assert_true(isnan(watch.epochs[epoch].curve_loss[FIXTURE_STEPS]));
  }
  sht__session_close(&session);
}

// Every step falls into one part, parts end where the header says, and their means are those of their steps.
static void parts_of_epochs_of_all_lengths(void **state) {
  (void)state;
  for (uint64_t steps = 1; steps <= 400; steps++) {
    uint64_t parts = steps < 10 ? steps : 10;
    sht_curve_sums sums = {0};
    sht_epoch record = sht_epoch_blank();
    sht_curve_point points[SHT_CURVE_PARTS];
    record.epoch = 3;
    record.steps = 3 * steps;
    for (uint64_t step = 0; step < steps; step++) {
      sht_step_metrics metrics = {.loss_sum = (double)step * 8, .correct = step % 3, .count = 8};
      sht__curve_add(&sums, step, steps, &metrics);
    }
    sht__curve_close(&sums, steps * 8, &record);
    assert_int_equal(sht_epoch_curve(&record, points), parts);
    uint64_t first = 0;
    for (uint64_t part = 0; part < parts; part++) {
      uint64_t end = (part + 1) * steps / parts;
      assert_true(end > first);
      assert_int_equal(points[part].first, 2 * steps + first);
      assert_int_equal(points[part].last, 2 * steps + end);
      assert_true(fabs(points[part].loss - (double)(first + end - 1) / 2) < 1e-12 * (double)steps);
      first = end;
    }
    sht__curve_close(&sums, steps * 8 + 1, &record);  // sums that do not cover the epoch
    assert_true(isnan(record.curve_loss[0]) && isnan(record.curve_accuracy[parts - 1]));
  }
}

// 5 examples in batches of 2: 3 steps, so 3 parts of 2, 2 and 1 examples. Right answers in the order of the parts:
// 0 0 0 | 1 2 1 | 2 2 1. Means over the latest 5: 0 at step 3, then .2 .6 .8 | 1 (1 + 2 + ... : 2+2+1) at step 7.
static void when_a_level_is_reached(void **state) {
  (void)state;
  static const double correct[3][3] = {{0, 0, 0}, {1, 2, 1}, {2, 2, 1}};
  static const double sizes[3] = {2, 2, 1};
  sht_epoch records[3];
  for (int epoch = 0; epoch < 3; epoch++) {
    records[epoch] = sht_epoch_blank();
    for (int part = 0; part < 3; part++) {
      records[epoch].curve_accuracy[part] = correct[epoch][part] / sizes[part];
    }
  }
  static const double levels[] = {0, 0.2, 0.21, 0.6, 0.7, 0.8, 0.81, 1};
  static const uint64_t steps[] = {3, 4, 5, 5, 6, 6, 7, 7};
  for (int i = 0; i < 8; i++) {
    assert_int_equal(sht__curve_reached(records, 3, 5, 2, levels[i]), steps[i]);
  }
  assert_int_equal(sht__curve_reached(records, 2, 5, 2, 0.81), 0);
  assert_int_equal(sht__curve_reached(records, 0, 5, 2, 0), 0);
  records[1].curve_accuracy[1] = NAN;  // an unknown part: only windows without it count
  assert_int_equal(sht__curve_reached(records, 3, 5, 2, 0.6), 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_option_is_read),
      cmocka_unit_test(answers_are_counted),
      cmocka_unit_test(what_is_watched),
      cmocka_unit_test(the_last_record_is_counted_again),
      cmocka_unit_test(watching_changes_nothing),
      cmocka_unit_test(a_short_epoch_has_a_point_a_step),
      cmocka_unit_test(parts_of_epochs_of_all_lengths),
      cmocka_unit_test(when_a_level_is_reached),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
