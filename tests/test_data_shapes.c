// The built-in set: addressable, balanced, and nothing but the form tells the class.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// after the four headers that it needs
#include <cmocka.h>

#include "data/forms.h"
#include "data/shapes.h"
#include "shatter/data.h"

enum { VALUES = 32 * 32 * 3 };

static sht_dataset *open_shapes(const char *spec, uint64_t seed, uint64_t train_limit) {
  sht_dataset *data = NULL;
  sht_dataset_options options = {.seed = seed, .train_limit = train_limit};
  assert_int_equal(sht_dataset_open(spec, &options, &data, NULL), SHT_OK);
  return data;
}

static void a_smaller_set_begins_a_larger_one(void **state) {
  (void)state;
  sht_dataset *small = open_shapes("shapes:200,20", 1, 50);
  sht_dataset *large = open_shapes("shapes:200,20", 1, 0);
  sht_dataset *other = open_shapes("shapes:200,20", 2, 0);
  assert_true(small->train.count == 50 && large->train.count == 200 && large->test.count == 20);
  assert_memory_equal(small->train.pixels, large->train.pixels, 50 * VALUES);
  assert_memory_equal(small->test.pixels, large->test.pixels, 20 * VALUES);
  assert_memory_not_equal(small->train.pixels, other->train.pixels, VALUES);
  assert_memory_not_equal(small->train.pixels, small->test.pixels, VALUES);
  assert_string_not_equal(large->fingerprint, other->fingerprint);
  sht_dataset_close(small);
  sht_dataset_close(large);
  sht_dataset_close(other);
}

static void default_sizes_and_bad_specs(void **state) {
  (void)state;
  sht_dataset *data = open_shapes("shapes", 0, 0);
  assert_true(data->train.count == 10000 && data->test.count == 2000 && data->classes == 10);
  assert_string_equal(data->class_names[5], "star");
  uint64_t counts[10] = {0};
  for (uint64_t i = 0; i < data->train.count; i++) {
    counts[data->train.labels[i]]++;
  }
  for (int k = 0; k < 10; k++) {
    assert_true(counts[k] == 1000);
  }
  sht_dataset_close(data);
  static const char *const specs[] = {"shapes:",     "shapes:5",    "shapes:0,5", "shapes:5,0",
                                      "shapes:-5,5", "shapes:5,5x", "shapes:5,",  "shapes:99999999999999999999,5"};
  for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
    sht_error error;
    assert_int_equal(sht_dataset_open(specs[i], NULL, &data, &error), SHT_CONFIG);
    assert_non_null(strstr(error.message, "shapes:10000,2000"));
  }
  sht_dataset_options options = {.train_limit = 6};
  assert_int_equal(sht_dataset_open("shapes:5,5", &options, &data, NULL), SHT_CONFIG);
}

// Area and centre of each form, summed over a grid of cells of side 1/256: the sum's error is below the outline's
// length (at most 16) times half a cell, 0.03; the centre is compared at the tolerance that this leaves.
static void forms_have_one_area_and_centre(void **state) {
  (void)state;
  const int cells = 1024;
  const double side = 4.0 / cells;
  for (int form = 0; form < SHT_FORMS; form++) {
    double area = 0;
    double sum_x = 0;
    double sum_y = 0;
    double reach = 0;
    for (int row = 0; row < cells; row++) {
      for (int column = 0; column < cells; column++) {
        double x = (column + 0.5) * side - 2;
        double y = (row + 0.5) * side - 2;
        if (sht__form_distance(form, x, y) < 0) {
          area += side * side;
          sum_x += x * side * side;
          sum_y += y * side * side;
          reach = fmax(reach, sqrt(x * x + y * y));
        }
      }
    }
    assert_true(fabs(area - SHT_FORM_AREA) < 0.03);
    assert_true(fabs(sum_x / area) < 0.03 && fabs(sum_y / area) < 0.03);
    assert_true(reach < SHT_FORM_REACH);
  }
}

// The mean level of each class's pictures. Pictures' means have deviation s; the mean of 1,000 of them is within
// 4.5 s / sqrt(1000) of the common mean for every class and channel but for a chance of 30 * 7e-6 = 2e-4. The same for
// the pictures' variances.
static void classes_do_not_leak_through_colour_or_contrast(void **state) {
  (void)state;
  sht_dataset *data = open_shapes("shapes:10000,1", 5, 0);
  const uint8_t *pixels = data->train.pixels;
  for (int c = 0; c < 6; c++) {  // the means of three channels, then their variances
    double sums[10] = {0};
    double sum = 0;
    double squares = 0;
    for (uint64_t i = 0; i < 10000; i++) {
      double levels = 0;
      double level_squares = 0;
      for (int j = c % 3; j < VALUES; j += 3) {
        double level = pixels[i * VALUES + (uint64_t)j];
        levels += level;
        level_squares += level * level;
      }
      double mean = levels / 1024;
      double value = c < 3 ? mean : level_squares / 1024 - mean * mean;
      sums[data->train.labels[i]] += value;
      sum += value;
      squares += value * value;
    }
    double mean = sum / 10000;
    double deviation = sqrt(squares / 10000 - mean * mean);
    for (int k = 0; k < 10; k++) {
      assert_true(fabs(sums[k] / 1000 - mean) < 4.5 * deviation / sqrt(1000));
    }
  }
  sht_dataset_close(data);
}

// One picture, so that a change of the drawing cannot pass unnoticed: published results name the set by its
// fingerprint.
static void drawing_is_frozen(void **state) {
  (void)state;
  sht_dataset *data = open_shapes("shapes:100,10", 1, 0);
  assert_string_equal(data->fingerprint, "08c8f5b4a10ab5d276fc25d25014b9bb5cfc9badf6986ecc0b3eb6ab4ed6f906");
  sht_dataset_close(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_smaller_set_begins_a_larger_one),
      cmocka_unit_test(default_sizes_and_bad_specs),
      cmocka_unit_test(forms_have_one_area_and_centre),
      cmocka_unit_test(classes_do_not_leak_through_colour_or_contrast),
      cmocka_unit_test(drawing_is_frozen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
