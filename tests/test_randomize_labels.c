// Label randomisation: the distributions that its definition implies, and files of labels and of noise matrices.
//
// Bounds are stated with their chance of failing on a sound generator; the draws are fixed, so a test that passes once
// passes always.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// after the four headers that it needs
#include <cmocka.h>

#include "data/labels.h"
#include "data_case.h"
#include "data_random.h"

enum { COUNT = 50000, CLASSES = 10 };

static sht_dataset *labelled(const char *labels, uint64_t seed) {
  static const uint32_t shape[3] = {1, 1, 1};
  sht_dataset *data = random_dataset(COUNT, COUNT, shape, CLASSES);
  sht_randomization how = randomization(labels, "true", seed);
  assert_int_equal(sht_dataset_randomize(data, &how, NULL, NULL), SHT_OK);
  return data;
}

static double share_changed(const uint16_t *labels, const uint16_t *true_labels) {
  int changed = 0;
  for (int i = 0; i < COUNT; i++) {
    changed += labels[i] != true_labels[i] ? 1 : 0;
  }
  return (double)changed / COUNT;
}

// Corrupting with probability p changes p (1 - 1/K) of the labels, as the new class may be the old one; `wrong` changes
// p. 4.5 binomial deviations: chance 7e-6 each.
static void rates_of_changed_labels(void **state) {
  (void)state;
  static const double ps[] = {0, 0.1, 0.3, 0.5, 0.9, 1};
  for (size_t i = 0; i < sizeof ps / sizeof ps[0]; i++) {
    for (int wrong = 0; wrong < 2; wrong++) {
      char text[32];
      (void)snprintf(text, sizeof text, "%s:%g", wrong ? "wrong" : "corrupt", ps[i]);
      sht_dataset *data = labelled(text, 1);
      double expected = wrong ? ps[i] : ps[i] * (1 - 1.0 / CLASSES);
      double bound = 4.5 * sqrt(expected * (1 - expected) / COUNT);
      assert_true(fabs(share_changed(data->train.labels, data->train.true_labels) - expected) <= bound);
      assert_true(share_changed(data->test.labels, data->test.true_labels) == 0);
      sht_dataset_close(data);
    }
  }
}

// The joint table of true and given labels under `random`: all 100 cells equally likely. Each true class has exactly
// 5,000 examples, so 10 * 9 = 90 degrees of freedom; 137.2 is exceeded with chance 0.001.
static void random_labels_are_uniform_and_independent(void **state) {
  (void)state;
  sht_dataset *data = labelled("random", 1);
  int table[CLASSES][CLASSES] = {{0}};
  for (int i = 0; i < COUNT; i++) {
    table[data->train.true_labels[i]][data->train.labels[i]]++;
  }
  double chi_square = 0;
  for (int i = 0; i < CLASSES * CLASSES; i++) {
    double excess = table[i / CLASSES][i % CLASSES] - 500.0;
    chi_square += excess * excess / 500;
  }
  assert_true(chi_square < 137.2);
  sht_dataset_close(data);
}

// `wrong:1`: never the true class, the nine others equally likely: 10 * 8 = 80 degrees of freedom, 124.8 at 0.001.
static void wrong_labels_are_never_true(void **state) {
  (void)state;
  sht_dataset *data = labelled("wrong:1", 1);
  int table[CLASSES][CLASSES] = {{0}};
  for (int i = 0; i < COUNT; i++) {
    table[data->train.true_labels[i]][data->train.labels[i]]++;
  }
  double chi_square = 0;
  for (int i = 0; i < CLASSES * CLASSES; i++) {
    int count = table[i / CLASSES][i % CLASSES];
    if (i / CLASSES == i % CLASSES) {
      assert_int_equal(count, 0);
    } else {
      chi_square += (count - 5000.0 / 9) * (count - 5000.0 / 9) / (5000.0 / 9);
    }
  }
  assert_true(chi_square < 124.8);
  sht_dataset_close(data);
}

static void random_is_corrupt_1_and_corruption_is_nested(void **state) {
  (void)state;
  sht_dataset *all = labelled("random", 4);
  sht_dataset *one = labelled("corrupt:1", 4);
  sht_dataset *some = labelled("corrupt:0.3", 4);
  sht_dataset *more = labelled("corrupt:0.6", 4);
  sht_dataset *other = labelled("random", 5);
  assert_memory_equal(all->train.labels, one->train.labels, COUNT * sizeof(uint16_t));
  for (int i = 0; i < COUNT; i++) {
    if (some->train.labels[i] != some->train.true_labels[i]) {
      assert_int_equal(some->train.labels[i], more->train.labels[i]);
    }
  }
  // Two seeds agree where chance has it: a tenth, within 4.5 deviations.
  assert_true(fabs(share_changed(all->train.labels, other->train.labels) - 0.9) < 4.5 * sqrt(0.09 / COUNT));
  sht_dataset_close(all);
  sht_dataset_close(one);
  sht_dataset_close(some);
  sht_dataset_close(more);
  sht_dataset_close(other);
}

// The label of an example depends on its index alone: a shorter set has the same ones.
static void labels_are_addressed_by_index(void **state) {
  (void)state;
  static const uint32_t shape[3] = {1, 1, 1};
  sht_dataset *data = labelled("random", 1);
  sht_dataset *small = random_dataset(100, 10, shape, CLASSES);
  sht_randomization how = randomization("random", "true", 1);
  assert_int_equal(sht_dataset_randomize(small, &how, NULL, NULL), SHT_OK);
  assert_memory_equal(small->train.labels, data->train.labels, 100 * sizeof(uint16_t));
  sht_rng rng = sht_rng_make(1, SHT_PURPOSE_LABELS);
  for (uint32_t i = 0; i < COUNT; i++) {
    assert_int_equal(data->train.labels[i], sht_rng_below(rng, 0, i, 1, CLASSES));
  }
  sht_dataset_close(small);
  sht_dataset_close(data);
}

// Test labels are corrupted at the same rate, by other draws, into the caller's array.
static void test_labels_are_corrupted_apart(void **state) {
  (void)state;
  sht_dataset *data = labelled("corrupt:0.5", 1);
  sht_randomization how = randomization("corrupt:0.5", "true", 1);
  uint16_t *out = calloc(COUNT, sizeof *out);
  assert_int_equal(sht_dataset_corrupt_test_labels(data, &how, out, NULL), SHT_OK);
  assert_true(fabs(share_changed(out, data->test.true_labels) - 0.45) < 4.5 * sqrt(0.45 * 0.55 / COUNT));
  assert_true(share_changed(data->test.labels, data->test.true_labels) == 0);
  how = randomization("random", "true", 1);
  assert_int_equal(sht_dataset_corrupt_test_labels(data, &how, out, NULL), SHT_OK);
  sht_rng rng = sht_rng_make(1, SHT_PURPOSE_TEST_LABELS);
  for (uint32_t i = 0; i < COUNT; i++) {  // where the draws are is part of every published result
    assert_int_equal(out[i], sht_rng_below(rng, 0, ((uint64_t)1 << 32) + i, 1, CLASSES));
  }
  free(out);
  sht_dataset_close(data);
}

// Writes a matrix: class k stays with chance 0.7, becomes k + 1 with 0.3; class 9 always becomes 0.
static void put_matrix(const char *folder) {
  char text[4096] = "# class-conditional noise\n\n";
  for (int k = 0; k < CLASSES; k++) {
    for (int j = 0; j < CLASSES; j++) {
      double chance = k == 9 ? j == 0 : (j == k ? 0.7 : (j == k + 1 ? 0.3 : 0));
      (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%g%s", chance,
                     j == 9 ? "\n" : (k % 2 ? ", " : " "));
    }
  }
  put_file(folder, "matrix.txt", text, strlen(text));
}

static void a_matrix_gives_its_rates(void **state) {
  const char *folder = *state;
  char text[128];
  put_matrix(folder);
  (void)snprintf(text, sizeof text, "matrix:%s/matrix.txt", folder);
  sht_dataset *data = labelled(text, 1);
  int moved = 0;
  for (int i = 0; i < COUNT; i++) {
    int from = data->train.true_labels[i];
    int to = data->train.labels[i];
    assert_true(from == 9 ? to == 0 : (to == from || to == from + 1));
    moved += from < 9 && to != from ? 1 : 0;
  }
  assert_true(fabs(moved / 45000.0 - 0.3) < 4.5 * sqrt(0.21 / 45000));
  sht_dataset_close(data);
}

static void bad_matrices_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *text;
    const char *place;
  } rows[] = {
      {"1 0\n0.5 0.4\n", "m:2: expected chances"},
      {"1 0\n\n-0.5 1.5\n", "m:3: expected chances"},
      {"1 0\nnan 1\n", "m:2: expected chances"},
      {"1 0\n0 1\n1 0\n", "m:3: more than 2 rows"},
      {"1 0\n", "m: 1 rows"},
      {"", "m: 0 rows"},
      {"1 0 0\n0 1\n", "m:1: expected 2 numbers"},
      {"1\n0 1\n", "m:1: expected 2 numbers"},
      {"1 zero\n0 1\n", "m:1: expected 2 numbers"},
      {"1,,0\n0;1\n", "m:2: expected 2 numbers"},
  };
  double matrix[4];
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_error error;
    assert_int_equal(sht__labels_parse_matrix("m", rows[i].text, strlen(rows[i].text), 2, matrix, &error), SHT_DATA);
    assert_non_null(strstr(error.message, rows[i].place));
  }
  assert_int_equal(sht__labels_parse_matrix("m", "0.25,0.75\n1e0\t0", 15, 2, matrix, NULL), SHT_OK);
  assert_true(matrix[0] == 0.25 && matrix[1] == 0.75 && matrix[2] == 1 && matrix[3] == 0);
}

// Labels from text and from NPY; test labels then follow the frequencies of the file.
static void labels_come_from_files(void **state) {
  const char *folder = *state;
  char text[128];
  char *lines = calloc(COUNT, 2);
  unsigned char *npy = calloc(128 + COUNT, 1);
  memset(npy, ' ', 128);
  memcpy(npy, "\x93NUMPY\x01\x00\x76\x00", 10);
  memcpy(npy + 10, "{'descr': '|u1', 'fortran_order': False, 'shape': (50000,)}", 59);
  for (int i = 0; i < COUNT; i++) {
    int label = i % CLASSES == 3 ? 4 : i % CLASSES;  // threes are called fours
    lines[2 * i] = (char)('0' + label);
    lines[2 * i + 1] = '\n';
    npy[128 + i] = (unsigned char)label;
  }
  put_file(folder, "labels", lines, (uint64_t)2 * COUNT - 1);
  (void)snprintf(text, sizeof text, "file:%s/labels", folder);
  sht_dataset *plain = labelled(text, 1);
  put_file(folder, "labels", npy, 128 + COUNT);
  sht_dataset *packed = labelled(text, 1);
  assert_int_equal(plain->train.labels[13], 4);
  assert_int_equal(plain->train.true_labels[13], 3);
  assert_memory_equal(plain->train.labels, packed->train.labels, COUNT * sizeof(uint16_t));
  sht_randomization how = randomization(text, "true", 1);
  uint16_t *out = calloc(COUNT, sizeof *out);
  assert_int_equal(sht_dataset_corrupt_test_labels(plain, &how, out, NULL), SHT_OK);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(out[i], i % CLASSES == 3 ? 4 : i % CLASSES);
  }
  free(out);
  sht_dataset_close(plain);
  sht_dataset_close(packed);
  free(npy);
  free(lines);
}

static void bad_label_files_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *text;
    const char *place;
  } rows[] = {
      {"0\n1\n", "l: 2 labels, expected 3"},
      {"0\n1\n2\n0\n", "l:4: more than 3"},
      {"0\n3\n1\n", "l:2: expected one label from 0 to 2"},
      {"0\n-1\n1\n", "l:2: expected one label"},
      {"0\n1 1\n1\n", "l:2: expected one label"},
      {"0\n1.5\n1\n", "l:2: expected one label"},
      {"0\n99999999999999999999\n1", "l:2: expected one label"},
      {"", "l: 0 labels"},
      {"\x93NUMPY junk", "l: "},
  };
  uint16_t labels[3];
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    sht_error error;
    assert_int_equal(sht__labels_parse_file("l", rows[i].text, strlen(rows[i].text), 3, 3, labels, &error), SHT_DATA);
    assert_non_null(strstr(error.message, rows[i].place));
  }
  assert_int_equal(sht__labels_parse_file("l", "# mine\n2 \n\n0\r\n1", 15, 3, 3, labels, NULL), SHT_OK);
  assert_true(labels[0] == 2 && labels[1] == 0 && labels[2] == 1);
}

static void texts_are_parsed(void **state) {
  (void)state;
  static const char *const bad_labels[] = {
      "",           "True",       "corrupt", "corrupt:", "corrupt:1.5", "corrupt:-0.1", "corrupt:x", "corrupt:nan",
      "wrong:0.5x", "random:0.5", "matrix",  "file:",    "true:"};
  sht_randomization how;
  sht_error error;
  for (size_t i = 0; i < sizeof bad_labels / sizeof bad_labels[0]; i++) {
    assert_int_equal(sht_randomization_parse(bad_labels[i], "true", 0, &how, &error), SHT_CONFIG);
    assert_non_null(strstr(error.message, "labels \""));
  }
  assert_int_equal(sht_randomization_parse("true", "gausian", 0, &how, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "did you mean gaussian?"));
  assert_int_equal(sht_randomization_parse("corupt:0.1", "true", 0, &how, &error), SHT_CONFIG);
  assert_non_null(strstr(error.message, "did you mean corrupt?"));
  assert_int_equal(sht_randomization_parse("matrix:/a/b:c", "shuffled", 9, &how, NULL), SHT_OK);
  assert_true(how.labels == SHT_LABELS_MATRIX && how.pixels == SHT_PIXELS_SHUFFLED && how.seed == 9);
  assert_string_equal(how.label_path, "/a/b:c");
}

static int set_up(void **state) {
  static char folder[64];
  make_folder(folder);
  *state = folder;
  return 0;
}

static int tear_down(void **state) {
  remove_folder(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rates_of_changed_labels),
      cmocka_unit_test(random_labels_are_uniform_and_independent),
      cmocka_unit_test(wrong_labels_are_never_true),
      cmocka_unit_test(random_is_corrupt_1_and_corruption_is_nested),
      cmocka_unit_test(labels_are_addressed_by_index),
      cmocka_unit_test(test_labels_are_corrupted_apart),
      cmocka_unit_test_setup_teardown(a_matrix_gives_its_rates, set_up, tear_down),
      cmocka_unit_test(bad_matrices_are_refused),
      cmocka_unit_test_setup_teardown(labels_come_from_files, set_up, tear_down),
      cmocka_unit_test(bad_label_files_are_refused),
      cmocka_unit_test(texts_are_parsed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
