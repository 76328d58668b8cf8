// The real sets against what is published of them. Skips, loudly, where they are not there: set SHATTER_DATA.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// after the four headers that it needs
#include <cmocka.h>

#include "base/file.h"
#include "shatter/data.h"

static char data_dir[1024];

// The folder of real data: SHATTER_DATA, else beside the source tree. False when the set is not in it.
static bool find_set(const char *name) {
  const char *given = getenv("SHATTER_DATA");
  const char *source = getenv("SHATTER_SOURCE");
  (void)snprintf(data_dir, sizeof data_dir, "%s%s", given != NULL ? given : (source != NULL ? source : "."),
                 given != NULL ? "" : "/../shared/data");
  char folder[1200];
  (void)snprintf(folder, sizeof folder, "%s/%s", data_dir, sht_known_data_find(name)->folder);
  if (!sht_folder_exists(folder)) {
    (void)fprintf(stderr, "SKIP %s: there is no %s; set SHATTER_DATA\n", name, folder);
    return false;
  }
  return true;
}

static void assert_near(double value, double expected, double tolerance) {
  assert_true(fabs(value - expected) <= tolerance);
}

// Means and deviations as published to four digits; 5,000 and 1,000 of each class; no duplicates in training.
static void cifar10_is_as_published(void **state) {
  (void)state;
  static const double means[3] = {0.4914, 0.4822, 0.4465};
  static const double deviations[3] = {0.2470, 0.2435, 0.2616};
  if (!find_set("cifar10")) {
    skip();
  }
  sht_dataset_options options = {.data_dir = data_dir};
  sht_data_report *report = NULL;
  assert_int_equal(sht_dataset_check("cifar10", &options, &report, NULL), SHT_OK);
  assert_true(report->train.count == 50000 && report->test.count == 10000);
  for (int c = 0; c < 3; c++) {
    assert_near(report->train.mean[c], means[c], 0.5e-4);
    assert_near(report->train.deviation[c], deviations[c], 0.5e-4);
  }
  for (int k = 0; k < 10; k++) {
    assert_true(report->train.class_counts[k] == 5000 && report->test.class_counts[k] == 1000);
  }
  assert_true(report->train.duplicates == 0);
  sht_data_report_close(report);
}

static void mnist_is_as_published(void **state) {
  (void)state;
  static const uint64_t train[10] = {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
  static const uint64_t test[10] = {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};
  if (!find_set("mnist")) {
    skip();
  }
  sht_dataset_options options = {.data_dir = data_dir};
  sht_data_report *report = NULL;
  assert_int_equal(sht_dataset_check("mnist", &options, &report, NULL), SHT_OK);
  assert_near(report->train.mean[0], 0.1307, 0.5e-4);
  assert_near(report->train.deviation[0], 0.3081, 0.5e-4);
  for (int k = 0; k < 10; k++) {
    assert_true(report->train.class_counts[k] == train[k] && report->test.class_counts[k] == test[k]);
  }
  assert_true(report->train.duplicates == 0);
  static const uint16_t first[5] = {5, 0, 4, 1, 9};
  assert_memory_equal(report->data->train.labels, first, sizeof first);
  sht_data_report_close(report);
}

// A folder given by its path is the same set as the name.
static void the_folder_is_the_set(void **state) {
  (void)state;
  if (!find_set("mnist")) {
    skip();
  }
  sht_dataset_options options = {.data_dir = data_dir};
  sht_dataset *named = NULL;
  sht_dataset *folder = NULL;
  char path[1200];
  (void)snprintf(path, sizeof path, "%s/mnist/", data_dir);
  assert_int_equal(sht_dataset_open("mnist", &options, &named, NULL), SHT_OK);
  assert_int_equal(sht_dataset_open(path, NULL, &folder, NULL), SHT_OK);
  assert_string_equal(named->fingerprint, folder->fingerprint);
  assert_string_equal(folder->name, "mnist");
  sht_dataset_close(named);
  sht_dataset_close(folder);
}

int main(void) {
  if (!find_set("cifar10") && !find_set("mnist")) {
    return 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cifar10_is_as_published),
      cmocka_unit_test(mnist_is_as_published),
      cmocka_unit_test(the_folder_is_the_set),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
