// CIFAR's binary format on a tiny folder whose every level is known, and every way in which such a folder can be wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// after the four headers that it needs
#include <cmocka.h>

#include "data_case.h"

static sht_status open_and_close(const char *folder, sht_error *error) {
  sht_dataset *data = NULL;
  sht_status status = sht_dataset_open(folder, NULL, &data, error);
  if (status != SHT_OK) {
    assert_null(data);
  }
  sht_dataset_close(data);
  return status;
}

static void records_become_channels_last(void **state) {
  const char *folder = *state;
  sht_dataset *data = NULL;
  assert_int_equal(sht_dataset_open(folder, NULL, &data, NULL), SHT_OK);
  assert_true(data->train.count == 10 && data->test.count == 2 && data->classes == 10);
  assert_true(data->train.height == 32 && data->train.width == 32 && data->train.channels == 3);
  assert_string_equal(data->class_names[9], "truck");
  const uint8_t *pixels = data->train.pixels;
  for (int example = 0; example < 10; example++) {
    assert_int_equal(data->train.labels[example], example / 2);
    assert_int_equal(data->train.true_labels[example], example / 2);
    for (int i = 0; i < 1024; i++) {
      for (int c = 0; c < 3; c++) {
        int expected = (7 * (example / 2) + 3 * (example % 2) + 85 * c + i) & 255;
        assert_int_equal(pixels[(example * 1024 + i) * 3 + c], expected);
      }
    }
  }
  assert_int_equal(data->test.labels[1], 5);
  sht_dataset_close(data);
}

static void fingerprint_is_of_the_content(void **state) {
  const char *folder = *state;
  sht_dataset *first = NULL;
  sht_dataset *second = NULL;
  assert_int_equal(sht_dataset_open(folder, NULL, &first, NULL), SHT_OK);
  char path[128];
  (void)snprintf(path, sizeof path, "%s/test_batch.bin", folder);
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fseek(file, SHT_CIFAR_RECORD, SEEK_SET), 0);
  assert_int_equal(fputc(6, file), 6);  // the last test label: 5 becomes 6
  assert_int_equal(fclose(file), 0);
  assert_int_equal(sht_dataset_open(folder, NULL, &second, NULL), SHT_OK);
  assert_int_equal(strlen(first->fingerprint), 64);
  assert_string_not_equal(first->fingerprint, second->fingerprint);
  sht_dataset_close(first);
  sht_dataset_close(second);
}

// The file is cut at every length; only whole records pass.
static void every_truncation_is_refused(void **state) {
  const char *folder = *state;
  char path[128];
  (void)snprintf(path, sizeof path, "%s/data_batch_3.bin", folder);
  for (int length = 2 * SHT_CIFAR_RECORD - 1; length >= 0; length--) {
    assert_int_equal(truncate(path, length), 0);
    if (length == SHT_CIFAR_RECORD) {
      assert_int_equal(open_and_close(folder, NULL), SHT_OK);
      continue;
    }
    sht_error error;
    assert_int_equal(open_and_close(folder, &error), SHT_DATA);
    assert_true(says(&error, "data_batch_3.bin"));
  }
}

static void bad_files_are_named(void **state) {
  const char *folder = *state;
  sht_error error;
  unsigned char record[SHT_CIFAR_RECORD + 1] = {10};
  put_file(folder, "data_batch_2.bin", record, SHT_CIFAR_RECORD);
  assert_int_equal(open_and_close(folder, &error), SHT_DATA);
  assert_true(says(&error, "data_batch_2.bin: record 0 (byte 0) has label 10, expected 0 to 9"));
  record[0] = 0;
  put_file(folder, "data_batch_2.bin", record, SHT_CIFAR_RECORD + 1);
  assert_int_equal(open_and_close(folder, &error), SHT_DATA);
  assert_true(says(&error, "record 1 (from byte 3073) has 1 bytes, expected 3073"));
  char path[128];
  (void)snprintf(path, sizeof path, "%s/data_batch_2.bin", folder);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(open_and_close(folder, &error), SHT_MISSING);
  assert_true(says(&error, "data_batch_2.bin: no such file"));
}

static void bad_class_names_are_refused(void **state) {
  const char *folder = *state;
  static const char *const texts[] = {"", "\n\n", "one\n", "a\nb\001\n",
                                      "a\nname of more than thirty-one characters\n"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    sht_error error;
    put_file(folder, "batches.meta.txt", texts[i], strlen(texts[i]));
    assert_int_equal(open_and_close(folder, &error), SHT_DATA);
    assert_true(says(&error, "batches.meta.txt"));
  }
  char many[2 * 257];
  for (int i = 0; i < 257; i++) {
    many[2 * i] = 'a';
    many[2 * i + 1] = '\n';
  }
  put_file(folder, "batches.meta.txt", many, sizeof many);
  assert_int_equal(open_and_close(folder, NULL), SHT_DATA);
  put_file(folder, "batches.meta.txt", many, 2 * 256);
  assert_int_equal(open_and_close(folder, NULL), SHT_OK);
}

static void specs_are_checked(void **state) {
  const char *folder = *state;
  sht_dataset *data = NULL;
  sht_error error;
  sht_dataset_options options = {.data_dir = NULL};
  assert_int_equal(sht_dataset_open("cifra10", NULL, &data, &error), SHT_MISSING);
  assert_true(says(&error, "did you mean cifar10?"));
  assert_int_equal(sht_dataset_open("cifar110", NULL, &data, &error), SHT_MISSING);
  options.data_dir = folder;
  assert_int_equal(sht_dataset_open("cifar100", &options, &data, &error), SHT_MISSING);
  assert_true(says(&error, "shatter data fetch cifar100"));
  assert_int_equal(sht_dataset_open("", NULL, &data, &error), SHT_MISSING);
  char path[128];
  (void)snprintf(path, sizeof path, "%s/test_batch.bin", folder);
  assert_int_equal(sht_dataset_open(path, NULL, &data, &error), SHT_DATA);
  assert_true(says(&error, "give the folder"));
  assert_int_equal(sht_dataset_open("cifar10", &options, &data, &error), SHT_MISSING);
  assert_true(says(&error, "shatter data fetch cifar10"));
  char empty[64];
  make_folder(empty);
  assert_int_equal(sht_dataset_open(empty, NULL, &data, &error), SHT_DATA);
  assert_true(says(&error, "no data set of a known format"));
  remove_folder(empty);
}

// A set known by name must have the published counts: the tiny one is refused.
static void a_known_set_has_its_published_counts(void **state) {
  (void)state;
  char base[64];
  char folder[128];
  make_folder(base);
  (void)snprintf(folder, sizeof folder, "%s/cifar-10-batches-bin", base);
  assert_int_equal(mkdir(folder, 0777), 0);
  put_tiny_cifar(folder);
  sht_dataset *data = NULL;
  sht_dataset_options options = {.data_dir = base};
  sht_error error;
  assert_int_equal(sht_dataset_open("cifar10", &options, &data, &error), SHT_DATA);
  assert_true(says(&error, "data_batch_1.bin: 2 records (6146 bytes), expected 10000"));
  remove_folder(folder);
  remove_folder(base);
}

static void subsets_are_nested(void **state) {
  const char *folder = *state;
  sht_dataset *small = NULL;
  sht_dataset *large = NULL;
  sht_dataset_options options = {.train_limit = 4, .test_limit = 1, .seed = 3};
  assert_int_equal(sht_dataset_open(folder, &options, &small, NULL), SHT_OK);
  options.train_limit = 10;
  assert_int_equal(sht_dataset_open(folder, &options, &large, NULL), SHT_OK);
  assert_true(small->train.count == 4 && small->test.count == 1);
  assert_memory_equal(small->train.pixels, large->train.pixels, 4 * 3072);
  assert_memory_equal(small->train.labels, large->train.labels, 4 * sizeof(uint16_t));
  int counts[10] = {0};
  for (int i = 0; i < 10; i++) {
    counts[large->train.labels[i]]++;
  }
  for (int k = 0; k < 5; k++) {
    assert_int_equal(counts[k], 2);  // the whole set, in another order
  }
  bool moved = false;
  for (int i = 0; i < 10; i++) {
    const uint8_t *image = (const uint8_t *)large->train.pixels + (size_t)i * 3072;
    int found = large->train.labels[i];
    assert_true(image[0] == 7 * found || image[0] == 7 * found + 3);  // a label goes with its image
    moved = moved || found != i / 2;
  }
  assert_true(moved);
  sht_dataset_close(small);
  sht_dataset_close(large);
  options.train_limit = 11;
  sht_error error;
  assert_int_equal(sht_dataset_open(folder, &options, &large, &error), SHT_CONFIG);
  assert_true(says(&error, "the set has 10"));
  options = (sht_dataset_options){.test_limit = 3};
  assert_int_equal(sht_dataset_open(folder, &options, &large, NULL), SHT_CONFIG);
}

enum { RECORD_100 = 2 + SHT_CIFAR_VALUES };

// A CIFAR-100 folder: three training records and one for the test. Record r has coarse label 200 + r, fine label 33 r
// and in channel c at position i the level (5 r + 85 c + i) mod 256.
static void put_tiny_cifar100(const char *folder) {
  static unsigned char bytes[4 * RECORD_100];
  char names[800] = "";
  for (int r = 0; r < 4; r++) {
    unsigned char *record = bytes + (size_t)r * RECORD_100;
    record[0] = (unsigned char)(200 + r);
    record[1] = (unsigned char)(33 * r);
    for (int i = 0; i < SHT_CIFAR_VALUES; i++) {
      record[2 + i] = (unsigned char)(5 * r + 85 * (i / SHT_CIFAR_PIXELS) + i % SHT_CIFAR_PIXELS);
    }
  }
  for (int k = 0; k < 100; k++) {
    size_t length = strlen(names);
    (void)snprintf(names + length, sizeof names - length, "class%02d\n", k);
  }
  put_file(folder, "train.bin", bytes, (uint64_t)3 * RECORD_100);
  put_file(folder, "test.bin", bytes + (size_t)3 * RECORD_100, RECORD_100);
  put_file(folder, "fine_label_names.txt", names, strlen(names));
}

static void fine_labels_are_read(void **state) {
  const char *folder = *state;
  sht_dataset *data = NULL;
  assert_int_equal(sht_dataset_open(folder, NULL, &data, NULL), SHT_OK);
  assert_true(data->train.count == 3 && data->test.count == 1 && data->classes == 100);
  assert_string_equal(data->class_names[99], "class99");
  for (int r = 0; r < 3; r++) {
    assert_int_equal(data->train.labels[r], 33 * r);
  }
  assert_int_equal(data->test.labels[0], 99);
  for (int i = 0; i < 1024; i++) {
    for (int c = 0; c < 3; c++) {
      const uint8_t *pixels = data->train.pixels;
      assert_int_equal(pixels[(2 * 1024 + i) * 3 + c], (5 * 2 + 85 * c + i) & 255);
    }
  }
  sht_dataset_close(data);
}

static void every_truncation_of_cifar100_is_refused(void **state) {
  const char *folder = *state;
  char path[128];
  (void)snprintf(path, sizeof path, "%s/train.bin", folder);
  for (int length = 2 * RECORD_100 - 1; length >= 0; length--) {
    assert_int_equal(truncate(path, length), 0);
    if (length == RECORD_100) {
      assert_int_equal(open_and_close(folder, NULL), SHT_OK);
      continue;
    }
    sht_error error;
    assert_int_equal(open_and_close(folder, &error), SHT_DATA);
    assert_true(says(&error, "train.bin"));
  }
}

static void bad_cifar100_files_are_named(void **state) {
  const char *folder = *state;
  sht_error error;
  unsigned char record[RECORD_100] = {3, 100};
  put_file(folder, "test.bin", record, RECORD_100);
  assert_int_equal(open_and_close(folder, &error), SHT_DATA);
  assert_true(says(&error, "test.bin: record 0 (byte 0) has label 100, expected 0 to 99"));
  put_file(folder, "test.bin", record, RECORD_100 - 1);
  assert_int_equal(open_and_close(folder, &error), SHT_DATA);
  assert_true(says(&error, "has 3073 bytes, expected 3074: two labels"));
  char path[128];
  (void)snprintf(path, sizeof path, "%s/fine_label_names.txt", folder);
  assert_int_equal(unlink(path), 0);
  record[1] = 0;
  put_file(folder, "test.bin", record, RECORD_100);
  assert_int_equal(open_and_close(folder, &error), SHT_MISSING);
  assert_true(says(&error, "fine_label_names.txt: no such file; expected train.bin, test.bin"));
}

static int set_up_100(void **state) {
  static char folder[64];
  make_folder(folder);
  put_tiny_cifar100(folder);
  *state = folder;
  return 0;
}

static int set_up(void **state) {
  static char folder[64];
  make_folder(folder);
  put_tiny_cifar(folder);
  *state = folder;
  return 0;
}

static int tear_down(void **state) {
  remove_folder(*state);
  return 0;
}

#define FOLDER_100_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_100, tear_down)
#define FOLDER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      FOLDER_TEST(records_become_channels_last),
      FOLDER_TEST(fingerprint_is_of_the_content),
      FOLDER_TEST(every_truncation_is_refused),
      FOLDER_TEST(bad_files_are_named),
      FOLDER_TEST(bad_class_names_are_refused),
      FOLDER_TEST(specs_are_checked),
      cmocka_unit_test(a_known_set_has_its_published_counts),
      FOLDER_TEST(subsets_are_nested),
      FOLDER_100_TEST(fine_labels_are_read),
      FOLDER_100_TEST(every_truncation_of_cifar100_is_refused),
      FOLDER_100_TEST(bad_cifar100_files_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
