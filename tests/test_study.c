// The capacity search: against an oracle whose threshold is known, and against runs that are trained one by one.
#include <math.h>

#include "study/search.h"
#include "train_fixture.h"

// ---- the search alone

typedef struct oracle {
  uint64_t threshold;  // sizes up to here are fitted
  uint64_t asked[SHT_CAPACITY_PROBES_MAX];
  uint32_t count;
  uint32_t fails_at;  // the question that cannot be answered, from 1; 0: none
} oracle;

static sht_status answer(void *context, sht_capacity_probe *probe, sht_error *error) {
  oracle *o = context;
  o->asked[o->count++] = probe->examples;
  if (o->count == o->fails_at) {
    return SHT_FAIL(error, SHT_STOPPED, "stopped");
  }
  probe->fitted = probe->examples <= o->threshold;
  probe->train_accuracy = probe->fitted ? 1 : 0.5;
  return SHT_OK;
}

static sht_capacity_result search(oracle *o, uint64_t smallest, sht_capacity_options options) {
  sht_capacity_result result = {0};
  sht_error error;
  fixture_ok(sht__capacity_search(smallest, &options, answer, o, &result, &error), &error);
  assert_int_equal(result.probe_count, o->count);
  for (uint32_t i = 0; i < o->count; i++) {
    assert_int_equal(result.probes[i].examples, o->asked[i]);
    assert_true(o->asked[i] >= smallest && o->asked[i] <= options.largest);
    for (uint32_t k = 0; k < i; k++) {
      assert_int_not_equal(o->asked[i], o->asked[k]);  // nothing is asked twice
    }
  }
  return result;
}

static void test_finds_threshold(void **state) {
  (void)state;
  static const uint64_t firsts[] = {1, 128, 1000, 50000, 1000000};
  for (size_t f = 0; f < sizeof firsts / sizeof firsts[0]; f++) {
    for (uint64_t threshold = 128; threshold < 50000; threshold += threshold / 3 + 1) {
      oracle o = {.threshold = threshold};
      const sht_capacity_options options = {.first = firsts[f], .largest = 50000, .tolerance = 0.05, .seeds = 1};
      const sht_capacity_result r = search(&o, 128, options);
      assert_true(r.capacity <= threshold && r.not_fitted > threshold);
      assert_true((double)r.not_fitted <= (double)r.capacity * 1.05 || r.not_fitted == r.capacity + 1);
      assert_true(o.count <= 16);
    }
  }
}

// A tolerance below one example ends with neighbours.
static void test_finds_exactly(void **state) {
  (void)state;
  oracle o = {.threshold = 12345};
  const sht_capacity_options options = {.first = 1000, .largest = 50000, .tolerance = 1e-9, .seeds = 1};
  const sht_capacity_result r = search(&o, 128, options);
  assert_int_equal(r.capacity, 12345);
  assert_int_equal(r.not_fitted, 12346);
}

static void test_ends_of_range(void **state) {
  (void)state;
  const sht_capacity_options options = {.first = 1000, .largest = 50000, .tolerance = 0.05, .seeds = 1};
  oracle all = {.threshold = 1000000}, none = {.threshold = 5};
  sht_capacity_result r = search(&all, 128, options);
  assert_int_equal(r.capacity, 50000);
  assert_int_equal(r.not_fitted, 0);
  r = search(&none, 128, options);
  assert_int_equal(r.capacity, 0);
  assert_int_equal(r.not_fitted, 128);
}

// What was found before a failure is told with it.
static void test_passes_failures_on(void **state) {
  (void)state;
  oracle o = {.threshold = 3000, .fails_at = 3};
  const sht_capacity_options options = {.first = 1000, .largest = 50000, .tolerance = 0.05, .seeds = 1};
  sht_capacity_result result = {0};
  sht_error error;
  assert_int_equal(sht__capacity_search(128, &options, answer, &o, &result, &error), SHT_STOPPED);
  assert_int_equal(result.probe_count, 2);
  assert_int_equal(result.capacity, 2000);
}

// Equal accuracies have their own mean, however their sum is rounded; one example in 2^24 less is less.
static void test_mean_reaches_level(void **state) {
  (void)state;
  static const double levels[] = {0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 1};
  for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
    double sum = 0;
    for (uint32_t seeds = 1; seeds <= SHT_CAPACITY_SEEDS_MAX; seeds++) {
      sum += levels[i];
      assert_true(sht__capacity_reaches(sum, seeds, levels[i]));
      assert_false(sht__capacity_reaches(sum - 0x1p-24, seeds, levels[i]));
    }
  }
}

// ---- with training

static char folder[FIXTURE_PATH];

typedef struct watch {
  uint32_t runs, reused;
  sht_observer training;
  bool trained;  // the run under way made a step or an epoch
} watch;

static sht_status epoch_done(void *context, const sht_epoch *epoch, double seconds, sht_error *error) {
  (void)epoch, (void)seconds, (void)error;
  ((watch *)context)->trained = true;
  return SHT_OK;
}
static void run_begins(void *context, uint64_t examples, const sht_config *config) {
  watch *w = context;
  assert_int_equal(config->train_size, examples);
  w->trained = false;
}
static void run_done(void *context, const sht_run *run) {
  watch *w = context;
  assert_true(run->complete);
  w->runs++;
  w->reused += !w->trained;
}

static sht_capacity_result train_search(sht_store *store, const sht_config *config, uint32_t seeds, watch *w) {
  const sht_capacity_options options = {.first = 64, .largest = 512, .tolerance = 0.3, .seeds = seeds};
  sht_capacity_result result;
  sht_error error;
  *w = (watch){.training = {.context = w, .epoch_done = epoch_done}};
  const sht_capacity_observer observer = {
      .context = w, .run_begins = run_begins, .run_done = run_done, .training = &w->training};
  fixture_ok(sht_capacity(store, config, &options, &observer, &result, &error), &error);
  return result;
}

// Each probe says what its runs in the store say; a second search trains nothing and finds the same.
static void test_agrees_with_runs(void **state) {
  (void)state;
  enum { SEEDS = 2 };
  sht_config config;
  sht_config_default(&config);
  (void)snprintf(config.model, sizeof config.model, "mlp-1x128");
  (void)snprintf(config.data, sizeof config.data, "shapes:512,20");
  (void)snprintf(config.labels, sizeof config.labels, "random");
  config.batch = 32;
  config.epochs = 6;
  config.stop_when_fitted = true;
  sht_store *store = NULL;
  sht_error error;
  fixture_folder(folder);
  fixture_ok(sht_store_open(folder, &store, &error), &error);
  watch first, second;
  const sht_capacity_result r = train_search(store, &config, SEEDS, &first);
  assert_true(r.capacity > 0 && r.not_fitted > r.capacity);
  assert_int_equal(first.runs, SEEDS * r.probe_count);
  assert_int_equal(first.reused, 0);
  for (uint32_t i = 0; i < r.probe_count; i++) {
    double sum = 0;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
      sht_config own = config;
      sht_run run;
      bool reused = false;
      own.train_size = r.probes[i].examples;
      own.seed += seed;
      fixture_ok(sht_lab_train(store, &own, false, NULL, &run, &reused, &error), &error);
      assert_true(reused);
      sum += isnan(run.result.last.train_accuracy_eval) ? run.result.last.train_accuracy
                                                        : run.result.last.train_accuracy_eval;
    }
    assert_float_equal(r.probes[i].train_accuracy, sum / SEEDS, 1e-12);
    assert_int_equal(r.probes[i].fitted, sum / SEEDS >= config.fitted_at);
  }
  const sht_capacity_result again = train_search(store, &config, SEEDS, &second);
  assert_int_equal(second.reused, second.runs);
  assert_int_equal(again.capacity, r.capacity);
  assert_int_equal(again.not_fitted, r.not_fitted);
  sht_store_close(store);
  fixture_remove(folder);
}

static void test_refuses(void **state) {
  (void)state;
  sht_config config;
  sht_config_default(&config);
  sht_capacity_result result;
  sht_error error;
  const sht_capacity_options none = {.first = 64, .largest = 512, .tolerance = 0.1, .seeds = 0},
                             exact = {.first = 64, .largest = 512, .tolerance = 0, .seeds = 1},
                             few = {.first = 64, .largest = config.batch - 1, .tolerance = 0.1, .seeds = 1};
  assert_int_equal(sht_capacity(NULL, &config, &none, NULL, &result, &error), SHT_CONFIG);
  assert_int_equal(sht_capacity(NULL, &config, &exact, NULL, &result, &error), SHT_CONFIG);
  assert_int_equal(sht_capacity(NULL, &config, &few, NULL, &result, &error), SHT_CONFIG);
}

// Labels of a file and a replaced example fit some sizes alone: told before the first run, not after the last that
// fits.
static void test_refuses_what_fits_some_sizes(void **state) {
  (void)state;
  sht_config config;
  sht_config_default(&config);
  (void)snprintf(config.model, sizeof config.model, "mlp-1x128");
  (void)snprintf(config.data, sizeof config.data, "shapes:512,20");
  config.batch = 64;
  config.epochs = 1;
  const sht_capacity_options options = {.first = 512, .largest = 512, .tolerance = 0.3, .seeds = 1};
  sht_capacity_result result;
  sht_store *store = NULL;
  sht_error error;
  fixture_folder(folder);
  fixture_ok(sht_store_open(folder, &store, &error), &error);
  config.replace = 65;
  assert_int_equal(sht_capacity(store, &config, &options, NULL, &result, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "from 1 to 64"));
  assert_int_equal(result.probe_count, 0);
  config.replace = 0;
  (void)snprintf(config.labels, sizeof config.labels, "file:%s/labels.txt", folder);
  assert_int_equal(sht_capacity(store, &config, &options, NULL, &result, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "labels for one size"));
  sht_store_close(store);
  fixture_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_finds_threshold),    cmocka_unit_test(test_finds_exactly),
      cmocka_unit_test(test_ends_of_range),      cmocka_unit_test(test_passes_failures_on),
      cmocka_unit_test(test_agrees_with_runs),   cmocka_unit_test(test_refuses),
      cmocka_unit_test(test_mean_reaches_level), cmocka_unit_test(test_refuses_what_fits_some_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
