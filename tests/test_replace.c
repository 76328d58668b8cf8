// One training example replaced (--replace I): which one takes its place, that nothing else changes, and the identities
// of such runs.
#include <math.h>

#include "data_random.h"
#include "train/session.h"
#include "train_fixture.h"

enum { TRAIN = 300, TEST = 200, CLASSES = 10, SEED = 3 };
#define REPLACED_FIRST ((uint64_t)1 << 33)

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

static sht_dataset *replaced_set(const char *labels, const char *pixels, uint64_t replace) {
  static const uint32_t shape[3] = {4, 3, 2};
  sht_dataset *data = random_dataset(TRAIN, TEST, shape, CLASSES);
  sht_randomization how = randomization(labels, pixels, SEED);
  how.replace = replace;
  assert_int_equal(sht_dataset_randomize(data, &how, NULL, NULL), SHT_OK);
  return data;
}

static uint64_t image_bytes(const sht_split *split) {
  const uint64_t values = (uint64_t)split->height * split->width * split->channels;
  return values * (split->type == SHT_PIXEL_U8 ? 1 : 2);
}

static const char *image(const sht_split *split, uint64_t i) {
  return (const char *)split->pixels + i * image_bytes(split);
}

static bool same_example(const sht_split *a, uint64_t i, const sht_split *b, uint64_t j) {
  return memcmp(image(a, i), image(b, j), image_bytes(a)) == 0;
}

static void assert_same_split(const sht_split *a, const sht_split *b) {
  assert_memory_equal(a->pixels, b->pixels, a->count * image_bytes(a));
  assert_memory_equal(a->labels, b->labels, a->count * sizeof *a->labels);
  assert_memory_equal(a->true_labels, b->true_labels, a->count * sizeof *a->true_labels);
}

// All but example `at` are the same bits; it is test example `other`, as the test set has it.
static void assert_one_differs(const sht_dataset *before, const sht_dataset *after, uint64_t at, uint64_t other,
                               bool signs) {
  const sht_split *old = &before->train;
  const sht_split *new = &after->train;
  assert_same_split(&before->test, &after->test);
  for (uint64_t i = 0; i < TRAIN; i++) {
    assert_true(same_example(old, i, new, i) == (i != at));
    assert_true(i == at || old->labels[i] == new->labels[i]);
    assert_true(i == at || old->true_labels[i] == new->true_labels[i]);
  }
  assert_true(same_example(new, at, &after->test, other));
  assert_int_equal(new->true_labels[at], signs ? new->labels[at] : after->test.true_labels[other]);
}

static void one_example_is_another(void **state) {
  (void)state;
  static const char *const labels[] = {"true", "random", "corrupt:0.5", "wrong:1", "signs"};
  static const char *const pixels[] = {"true", "shuffled", "random", "gaussian"};
  for (size_t l = 0; l < sizeof labels / sizeof labels[0]; l++) {
    for (size_t p = 0; p < sizeof pixels / sizeof pixels[0]; p++) {
      uint64_t replace = p == 0 ? 1 : p == 1 ? TRAIN : 40 + l;
      sht_dataset *before = replaced_set(labels[l], pixels[p], 0);
      sht_dataset *after = replaced_set(labels[l], pixels[p], replace);
      uint64_t other = sht_replacement_index(SEED, replace, TEST);
      assert_one_differs(before, after, replace - 1, other, strcmp(labels[l], "signs") == 0);
      sht_dataset_close(after);
      sht_dataset_close(before);
    }
  }
}

static uint16_t given_label(const char *labels, uint64_t replace) {
  sht_dataset *data = replaced_set(labels, "true", replace);
  uint16_t label = data->train.labels[replace - 1];
  sht_dataset_close(data);
  return label;
}

// Where the draws are is part of every published result.
static void its_label_is_drawn_anew(void **state) {
  (void)state;
  sht_rng rng = sht_rng_make(SEED, SHT_PURPOSE_LABELS);
  sht_dataset *before = replaced_set("random", "true", 0);
  int kept = 0;
  for (uint64_t replace = 1; replace <= TRAIN; replace++) {
    uint64_t other = sht_replacement_index(SEED, replace, TEST);
    uint16_t truth = before->test.true_labels[other];
    uint16_t random = given_label("random", replace);
    assert_int_equal(random, sht_rng_below(rng, 0, REPLACED_FIRST + replace - 1, 1, CLASSES));
    assert_int_equal(given_label("signs", replace), sht_rng_below(rng, 0, REPLACED_FIRST + replace - 1, 2, 2));
    assert_int_equal(given_label("true", replace), truth);
    assert_int_not_equal(given_label("wrong:1", replace), truth);
    uint16_t half = given_label("corrupt:0.5", replace);
    assert_int_equal(half, sht_rng_unit(rng, 0, REPLACED_FIRST + replace - 1, 0) < 0.5 ? random : truth);
    kept += random == before->train.labels[replace - 1];
  }
  // A tenth keeps its label by chance: 30, within 4.5 deviations of 5.2 (chance 7e-6).
  assert_true(abs(kept - TRAIN / CLASSES) < 24);
  sht_dataset_close(before);
}

// Each test example equally likely: of 20,000 examples 200 choose each of 100, with a chi-square of 99 degrees of
// freedom (148.2 at 0.001).
static void any_test_example_may_come(void **state) {
  (void)state;
  enum { CHOICES = 100, DRAWS = 20000 };
  int counts[CHOICES] = {0};
  sht_rng rng = sht_rng_make(SEED, SHT_PURPOSE_REPLACED);
  for (uint64_t example = 1; example <= DRAWS; example++) {
    uint64_t other = sht_replacement_index(SEED, example, CHOICES);
    assert_int_equal(other, sht_rng_below(rng, 0, example, 0, CHOICES));
    counts[other]++;
  }
  double chi_square = 0;
  for (int i = 0; i < CHOICES; i++) {
    double excess = counts[i] - (double)DRAWS / CHOICES;
    chi_square += excess * excess / ((double)DRAWS / CHOICES);
  }
  assert_true(chi_square < 148.2);
  assert_int_equal(sht_replacement_index(SEED, 5, 1), 0);
}

static void assert_refused(sht_dataset *data, const char *labels, uint64_t replace, const char *words) {
  sht_error error;
  sht_randomization how = randomization(labels, "true", SEED);
  how.replace = replace;
  uint16_t first = data->train.labels[0];
  assert_int_equal(sht_dataset_randomize(data, &how, NULL, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, words));
  assert_int_equal(data->train.labels[0], first);  // nothing was begun
}

static void what_cannot_be_done_is_told(void **state) {
  (void)state;
  static const uint32_t shape[3] = {4, 3, 2};
  sht_dataset *data = random_dataset(TRAIN, TEST, shape, CLASSES);
  assert_refused(data, "random", TRAIN + 1, "choose one from 1 to 300");
  assert_refused(data, "file:labels.txt", 7, "labels.txt has labels for the training examples alone");
  data->test.count = 0;
  assert_refused(data, "random", 7, "has no test examples");
  data->test.count = TEST;
  sht_dataset_close(data);
}

static sht_config config_of(const char *labels, uint64_t replace) {
  sht_config config = fixture_config(folder);
  (void)snprintf(config.labels, sizeof config.labels, "%s", labels);
  config.replace = replace;
  return config;
}

// Left out at 0, so that runs from before there was such an option keep their identity; another run at any other
// number.
static void zero_is_no_part_of_the_identity(void **state) {
  (void)state;
  for (uint64_t replace = 0; replace < 3; replace++) {
    sht_config config = config_of("random", replace);
    char *text = NULL;
    assert_int_equal(sht_config_write(&config, true, &text, NULL), SHT_OK);
    const char *line = replace == 1 ? "replace: 1\n" : "replace: 2\n";
    assert_true((strstr(text, replace == 0 ? "replace" : line) != NULL) == (replace > 0));
    sht_text_free(text);
  }
}

static void open_unstarted(const sht_config *config, sht_session *before, sht_session *out) {
  sht_error error;
  fixture_ok(sht__session_open_unstarted(config, "numerics", before, out, &error), &error);
}

// A plan takes over the data of the run before, in which an example may have been replaced. With true labels the
// identity is told apart by the labels and the option alone.
static void a_plan_gives_each_run_its_identity(void **state) {
  (void)state;
  static const uint64_t replaced[] = {0, 5, 7, 5, 0, 100, 99};
  static const char *const labels[] = {"true", "corrupt:0.5"};
  char seen[sizeof replaced / sizeof replaced[0]][65];
  for (size_t kind = 0; kind < 2; kind++) {
    sht_session pair[2] = {{.graph = NULL}};
    sht_session alone;
    for (size_t i = 0; i < sizeof replaced / sizeof replaced[0]; i++) {
      sht_config config = config_of(labels[kind], replaced[i]);
      open_unstarted(&config, NULL, &alone);
      open_unstarted(&config, i == 0 ? NULL : &pair[(i + 1) % 2], &pair[i % 2]);
      assert_string_equal(pair[i % 2].identity, alone.identity);
      (void)snprintf(seen[i], sizeof seen[i], "%s", alone.identity);
      for (size_t j = 0; j < i; j++) {
        assert_true((strcmp(seen[i], seen[j]) == 0) == (replaced[i] == replaced[j]));
      }
      sht__session_close(&alone);
      sht__session_close(&pair[(i + 1) % 2]);
    }
    sht__session_close(&pair[0]);
    sht__session_close(&pair[1]);
  }
}

// The session of a run, its first weights, and the weights at its end.
static void train(const sht_config *config, sht_session *session, char first[65], char last[65]) {
  sht_train_result result;
  sht_error error;
  const sht_observer nobody = {0};
  fixture_ok(sht__session_open(config, NULL, session, &error), &error);
  fixture_ok(sht__session_hash_weights(session, first, &error), &error);
  fixture_ok(sht__session_run(session, NULL, &nobody, &result, &error), &error);
  (void)snprintf(last, 65, "%s", result.weights_sha256);
}

static void a_run_differs_in_one_example_alone(void **state) {
  (void)state;
  enum { REPLACE = 12 };
  sht_config config = config_of("random", 0);
  sht_session before;
  sht_session after;
  char first[2][65];
  char last[2][65];
  train(&config, &before, first[0], last[0]);
  config.replace = REPLACE;
  train(&config, &after, first[1], last[1]);
  assert_string_equal(first[0], first[1]);
  assert_string_not_equal(last[0], last[1]);
  assert_string_not_equal(before.identity, after.identity);
  uint64_t other = sht_replacement_index(config.seed, REPLACE, after.data->test.count);
  assert_same_split(&before.data->test, &after.data->test);
  for (uint64_t i = 0; i < FIXTURE_TRAIN; i++) {
    assert_true(same_example(&before.data->train, i, &after.data->train, i) == (i != REPLACE - 1));
    assert_true(i == REPLACE - 1 || before.data->train.labels[i] == after.data->train.labels[i]);
  }
  assert_true(same_example(&after.data->train, REPLACE - 1, &after.data->test, other));
  sht__session_close(&before);
  sht__session_close(&after);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_example_is_another),
      cmocka_unit_test(its_label_is_drawn_anew),
      cmocka_unit_test(any_test_example_may_come),
      cmocka_unit_test(what_cannot_be_done_is_told),
      cmocka_unit_test(zero_is_no_part_of_the_identity),
      cmocka_unit_test(a_plan_gives_each_run_its_identity),
      cmocka_unit_test(a_run_differs_in_one_example_alone),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
