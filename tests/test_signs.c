// Signs for labels (--labels signs): what a fair coin implies, where the draws are, and what a run on them says.
//
// Bounds are stated with their chance of failing on a sound generator; the draws are fixed, so a test that passes once
// passes always.
#include <math.h>

#include "base/pool.h"
#include "data_random.h"
#include "lab/report.h"
#include "lab/report_quantity.h"
#include "train/session.h"
#include "train_fixture.h"

enum { COUNT = 50000, CLASSES = 10 };
#define TEST_FIRST ((uint64_t)1 << 32)

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

static sht_dataset *signed_set(uint64_t count, const char *pixels, uint64_t seed, int threads) {
  static const uint32_t shape[3] = {2, 2, 1};
  sht_dataset *data = random_dataset(count, count, shape, CLASSES);
  sht_randomization how = randomization("signs", pixels, seed);
  sht_pool *pool = NULL;
  assert_int_equal(sht_pool_open(threads, &pool, NULL), SHT_OK);
  assert_int_equal(sht_dataset_randomize(data, &how, pool, NULL), SHT_OK);
  sht_pool_close(pool);
  return data;
}

// The mean of the products of two sequences of signs, in standard deviations of independent fair ones.
static double correlation(const uint16_t *a, const uint16_t *b, uint64_t count) {
  double sum = 0;
  for (uint64_t i = 0; i < count; i++) {
    sum += a[i] == b[i] ? 1 : -1;
  }
  return sum / sqrt((double)count);
}

// The mean of the signs of the examples that had class k, in standard deviations; k CLASSES: of all.
static double mean_of_class(const sht_split *split, uint32_t k) {
  double sum = 0;
  double n = 0;
  for (uint64_t i = 0; i < split->count; i++) {
    bool counts = k == CLASSES || i % CLASSES == k;  // as fill_split labels them
    sum += counts ? 2.0 * split->labels[i] - 1 : 0;
    n += counts;
  }
  return sum / sqrt(n);
}

// Means over all and within each class, and products of neighbours and of the two splits, lie within 4 standard
// deviations: chance 6e-5 each, 2e-3 of all.
static void signs_are_fair_and_independent(void **state) {
  (void)state;
  sht_dataset *data = signed_set(COUNT, "true", 1, 1);
  sht_dataset *other = signed_set(COUNT, "true", 2, 1);
  for (uint32_t k = 0; k <= CLASSES; k++) {
    assert_true(fabs(mean_of_class(&data->train, k)) < 4);
    assert_true(fabs(mean_of_class(&data->test, k)) < 4);
  }
  assert_true(fabs(correlation(data->train.labels, data->train.labels + 1, COUNT - 1)) < 4);
  assert_true(fabs(correlation(data->train.labels, data->test.labels, COUNT)) < 4);
  assert_true(fabs(correlation(data->train.labels, other->train.labels, COUNT)) < 4);
  sht_dataset_close(other);
  sht_dataset_close(data);
}

// Another task: two classes, and no other truth.
static void the_set_has_two_classes(void **state) {
  (void)state;
  sht_dataset *data = signed_set(COUNT, "true", 1, 1);
  sht_randomization how = randomization("signs", "true", 1);
  uint16_t *out = calloc(COUNT, sizeof *out);
  assert_int_equal(data->classes, 2);
  assert_int_equal(sht_randomization_classes(&how, CLASSES), 2);
  assert_string_equal(data->class_names[0], "-1");
  assert_string_equal(data->class_names[1], "+1");
  assert_memory_equal(data->train.labels, data->train.true_labels, COUNT * sizeof(uint16_t));
  assert_memory_equal(data->test.labels, data->test.true_labels, COUNT * sizeof(uint16_t));
  assert_int_equal(sht_dataset_corrupt_test_labels(data, &how, out, NULL), SHT_OK);
  assert_memory_equal(data->test.labels, out, COUNT * sizeof(uint16_t));
  free(out);
  sht_dataset_close(data);
  how = randomization("random", "true", 1);
  assert_int_equal(sht_randomization_classes(&how, CLASSES), CLASSES);
}

// The sign of an example depends on seed and index alone: where the draws are is part of every published result. Draw
// 2, which no other kind of labels uses.
static void signs_are_addressed_by_index(void **state) {
  (void)state;
  sht_dataset *data = signed_set(COUNT, "true", 7, 1);
  sht_dataset *threaded = signed_set(COUNT, "true", 7, 3);
  sht_rng train = sht_rng_make(7, SHT_PURPOSE_LABELS);
  sht_rng test = sht_rng_make(7, SHT_PURPOSE_TEST_LABELS);
  for (uint64_t i = 0; i < COUNT; i++) {
    assert_int_equal(data->train.labels[i], sht_rng_below(train, 0, i, 2, 2));
    assert_int_equal(data->test.labels[i], sht_rng_below(test, 0, TEST_FIRST + i, 2, 2));
  }
  assert_memory_equal(threaded->train.labels, data->train.labels, COUNT * sizeof(uint16_t));
  static const char *const kinds[] = {"shuffled", "random", "gaussian"};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    sht_dataset *small = signed_set(100, kinds[i], 7, 2);
    assert_memory_equal(small->train.labels, data->train.labels, 100 * sizeof(uint16_t));
    assert_memory_equal(small->test.labels, data->test.labels, 100 * sizeof(uint16_t));
    sht_dataset_close(small);
  }
  sht_dataset_close(threaded);
  sht_dataset_close(data);
}

static void open_unstarted(const sht_config *config, sht_session *before, sht_session *out) {
  sht_error error;
  fixture_ok(sht__session_open_unstarted(config, "numerics", before, out, &error), &error);
}

static void label(sht_config *config, const char *labels) {
  (void)snprintf(config->labels, sizeof config->labels, "%s", labels);
}

// An experiment's plan takes over the data of the run before, whose true labels signs have overwritten.
static void a_plan_gives_each_run_its_identity(void **state) {
  (void)state;
  static const char *const kinds[] = {"signs", "signs", "true", "random", "signs"};
  sht_session pair[2] = {{.graph = NULL}};
  sht_session alone;
  sht_config config = fixture_config(folder);
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    label(&config, kinds[i]);
    open_unstarted(&config, NULL, &alone);
    open_unstarted(&config, i == 0 ? NULL : &pair[(i + 1) % 2], &pair[i % 2]);
    assert_string_equal(pair[i % 2].identity, alone.identity);
    assert_int_equal(pair[i % 2].graph->classes, strcmp(kinds[i], "signs") == 0 ? 2 : CLASSES);
    sht__session_close(&alone);
    sht__session_close(&pair[(i + 1) % 2]);
  }
  sht__session_close(&pair[0]);
  sht__session_close(&pair[1]);
}

static sht_run train(const sht_config *config, const char *where) {
  char path[FIXTURE_PATH * 2];
  sht_store *store = NULL;
  sht_error error;
  sht_run run;
  bool reused = false;
  (void)snprintf(path, sizeof path, "%s/%s", folder, where);
  fixture_ok(sht_store_open(path, &store, &error), &error);
  fixture_ok(sht_lab_train(store, config, false, NULL, &run, &reused, &error), &error);
  sht_store_close(store);
  return run;
}

static bool says_rademacher(const sht_run *run) {
  char *text = NULL;
  assert_int_equal(sht_run_json(run, &text, NULL), SHT_OK);
  bool says = strstr(text, "\"rademacher\"") != NULL;
  sht_text_free(text);
  char path[FIXTURE_PATH * 4];
  size_t size = 0;
  (void)snprintf(path, sizeof path, "%s/result.json", run->folder);
  text = fixture_read(path, &size);
  assert_true(says == (strstr(text, "\"rademacher\"") != NULL));
  free(text);
  return says;
}

static double quantity_of(const char *name, const sht_run *run) {
  sht__quantity quantity;
  assert_true(sht__quantity_find(name, &quantity));
  return sht__quantity_of_run(&quantity, run, NULL);
}

static void a_run_says_its_correlation(void **state) {
  (void)state;
  sht_config config = fixture_config(folder);
  label(&config, "signs");
  sht_run run = train(&config, "signs");
  const sht_epoch *last = &run.result.last;
  // conv 6 x 3 x 3 x 3, six shifts, and from 7 x 7 x 6 to two outputs
  assert_int_equal(run.result.parameters, 162 + 6 + 294 * 2 + 2);
  assert_true(sht_run_rademacher(&run) == 2 * last->train_accuracy_eval - 1);
  assert_true(quantity_of("rademacher", &run) == sht_run_rademacher(&run));
  assert_true(says_rademacher(&run));
  assert_true(isnan(run.result.corrupted_test_accuracy) && last->dynamics_corrupted == 0 && isnan(last->memorised));
  run.result.plain_train_accuracy = 0.75;  // augmented: what counts is without
  assert_true(sht_run_rademacher(&run) == 0.5);
  run.result.outcome = SHT_OUTCOME_DIVERGED;
  assert_true(isnan(sht_run_rademacher(&run)));
  label(&config, "random");
  run = train(&config, "random");
  assert_true(isnan(sht_run_rademacher(&run)) && isnan(quantity_of("rademacher", &run)));
  assert_false(says_rademacher(&run));
}

// How long true labels of ten classes take is no measure of signs, and no share of the labels is corrupted.
static void signs_are_another_task(void **state) {
  (void)state;
  sht_run *runs = calloc(2, sizeof *runs);
  assert_non_null(runs);
  for (int i = 0; i < 2; i++) {
    runs[i].config = fixture_config(folder);
    label(&runs[i].config, i == 0 ? "random" : "true");
    runs[i].result.fitted_step = 100;
  }
  assert_ptr_equal(sht_run_baseline(&runs[0], runs, 2), &runs[1]);
  assert_true(sht__run_is_base(&runs[1], &runs[0]) && sht__run_corruption(&runs[0]) == 1);
  label(&runs[0].config, "signs");
  assert_null(sht_run_baseline(&runs[0], runs, 2));
  assert_false(sht__run_is_base(&runs[1], &runs[0]));
  assert_true(isnan(sht__run_corruption(&runs[0])));
  sht__report report;
  assert_int_equal(sht__report_open(runs, 2, false, &report, NULL), SHT_OK);
  assert_int_equal(report.group_count, 2);
  for (size_t g = 0; g < 2; g++) {
    assert_int_equal(report.groups[g].classes, report.groups[g].signs ? 2 : CLASSES);
  }
  sht__report_close(&report);
  free(runs);
}

// What is shown is a lower bound still, and what has three digits stays.
static void bounds_are_cut_down(void **state) {
  (void)state;
  assert_float_equal(sht_lower_bound_shown(0.99996), 0.999, 1e-12);
  assert_float_equal(sht_lower_bound_shown(0.998), 0.998, 1e-12);
  assert_float_equal(sht_lower_bound_shown(1), 1, 1e-12);
  for (int i = 0; i <= 1000; i++) {
    assert_float_equal(sht_lower_bound_shown(i / 1000.0), i / 1000.0, 1e-12);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signs_are_fair_and_independent),
      cmocka_unit_test(the_set_has_two_classes),
      cmocka_unit_test(signs_are_addressed_by_index),
      cmocka_unit_test(a_plan_gives_each_run_its_identity),
      cmocka_unit_test(a_run_says_its_correlation),
      cmocka_unit_test(signs_are_another_task),
      cmocka_unit_test(bounds_are_cut_down),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
