// Crop, whitening and order, against formulas in double precision.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// after the four headers that it needs
#include <cmocka.h>

#include "data_random.h"

// Value (y, x, c) of the window of an image, as level / unit.
static double value_at(const sht_pipeline *p, uint32_t example, uint32_t y, uint32_t x, uint32_t c) {
  const sht_split *s = p->split;
  uint64_t row = (s->height - p->height) / 2 + y;
  uint64_t column = (s->width - p->width) / 2 + x;
  uint64_t place = ((example * (uint64_t)s->height + row) * s->width + column) * s->channels + c;
  return s->type == SHT_PIXEL_U8 ? ((const uint8_t *)s->pixels)[place] / 255.0
                                 : ((const int16_t *)s->pixels)[place] / (64 * 255.0);
}

// Two passes in double: mean, then deviation, as the definition says.
static void whiten(const sht_pipeline *p, uint32_t example, double *mean, double *divisor) {
  double n = (double)p->height * p->width * p->split->channels;
  double sum = 0;
  double squares = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < (uint32_t)n; i++) {
      uint32_t c = i % p->split->channels;
      uint32_t x = i / p->split->channels % p->width;
      double value = value_at(p, example, i / p->split->channels / p->width, x, c);
      sum += pass == 0 ? value : 0;
      squares += pass == 1 ? (value - sum / n) * (value - sum / n) : 0;
    }
  }
  *mean = sum / n;
  *divisor = fmax(sqrt(squares / n), 1 / sqrt(n));
}

// Three roundings to float at most, each 2^-24 of a value of at most n levels of the integer numerator: 1e-6 suffices
// for values up to 8.
static void compare_with_formula(const sht_pipeline *p, const uint32_t *examples, size_t count) {
  static float out[8 * 40 * 40 * 3];
  uint16_t labels[8];
  sht_pipeline_fill(p, 0, examples, count, out, labels);
  const float *at = out;
  for (size_t e = 0; e < count; e++) {
    double mean = 0;
    double divisor = 1;
    if (p->whiten) {
      whiten(p, examples[e], &mean, &divisor);
    }
    assert_int_equal(labels[e], p->split->labels[examples[e]]);
    for (uint32_t y = 0; y < p->height; y++) {
      for (uint32_t x = 0; x < p->width; x++) {
        for (uint32_t c = 0; c < p->split->channels; c++, at++) {
          double expected = (value_at(p, examples[e], y, x, c) - mean) / divisor;
          assert_true(fabs(*at - expected) <= 1e-6);
        }
      }
    }
  }
}

static void fill_follows_the_formula(void **state) {
  (void)state;
  static const uint32_t shapes[][5] = {{32, 32, 3, 28, 28}, {32, 32, 3, 32, 32}, {7, 5, 1, 4, 3},
                                       {28, 28, 1, 28, 28}, {9, 9, 3, 8, 9},     {40, 40, 2, 39, 38}};
  static const uint32_t examples[5] = {3, 0, 3, 5, 1};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    for (int whitened = 0; whitened < 2; whitened++) {
      for (int gaussian = 0; gaussian < 2; gaussian++) {
        sht_dataset *data = random_dataset(6, 2, shapes[i], 3);
        sht_randomization how = randomization("true", gaussian ? "gaussian" : "true", 1);
        assert_int_equal(sht_dataset_randomize(data, &how, NULL, NULL), SHT_OK);
        sht_pipeline p = {
            .split = &data->train, .height = shapes[i][3], .width = shapes[i][4], .whiten = whitened == 1};
        compare_with_formula(&p, examples, 5);
        sht_dataset_close(data);
      }
    }
  }
}

// The deviation of a nearly constant image is replaced by 1/sqrt(n): one level above the rest stays small.
static void flat_images_are_not_blown_up(void **state) {
  (void)state;
  static const uint32_t shape[3] = {4, 4, 1};
  static const uint32_t example = 0;
  sht_dataset *data = random_dataset(1, 1, shape, 2);
  memset(data->train.pixels, 77, 16);
  sht_pipeline p = {.split = &data->train, .height = 4, .width = 4, .whiten = true};
  float out[16];
  uint16_t label = 0;
  sht_pipeline_fill(&p, 0, &example, 1, out, &label);
  for (int i = 0; i < 16; i++) {
    assert_true(out[i] == 0);
  }
  ((uint8_t *)data->train.pixels)[0] = 78;
  sht_pipeline_fill(&p, 0, &example, 1, out, &label);
  assert_true(fabs(out[0] - 15.0 / 16 / 255 * 4) < 1e-7);  // (1 - 1/16) levels, divided by 1/sqrt(16)
  sht_dataset_close(data);
}

// The largest sums that 32-bit parts must carry: 300 x 300 x 3 levels of 255, and one dark one.
static void large_bright_images(void **state) {
  (void)state;
  static const uint32_t shape[3] = {300, 300, 3};
  static const uint32_t example = 0;
  sht_dataset *data = random_dataset(1, 1, shape, 2);
  memset(data->train.pixels, 255, 270000);
  ((uint8_t *)data->train.pixels)[0] = 0;
  sht_pipeline p = {.split = &data->train, .height = 300, .width = 300, .whiten = true};
  float *out = calloc(270000, sizeof *out);
  uint16_t label = 0;
  sht_pipeline_fill(&p, 0, &example, 1, out, &label);
  double n = 270000;
  double deviation = sqrt(n - 1) / n;  // of one 0 among ones; just below 1/sqrt(n)
  double divisor = fmax(deviation, 1 / sqrt(n));
  assert_true(fabs(out[0] + (n - 1) / n / divisor) < 1e-3);
  assert_true(fabs(out[1] - 1 / n / divisor) < 1e-4);
  free(out);
  sht_dataset_close(data);
}

// Cropping the set and then filling is filling with the window, for both pixel types and odd margins.
static void crop_is_the_centre_window(void **state) {
  (void)state;
  static const uint32_t shape[3] = {9, 8, 3};
  static const uint32_t examples[3] = {0, 1, 2};
  for (int gaussian = 0; gaussian < 2; gaussian++) {
    sht_dataset *data = random_dataset(3, 2, shape, 3);
    sht_randomization how = randomization("true", gaussian ? "gaussian" : "true", 1);
    assert_int_equal(sht_dataset_randomize(data, &how, NULL, NULL), SHT_OK);
    sht_pipeline p = {.split = &data->train, .height = 4, .width = 5, .whiten = true};
    float before[180];
    float after[180];
    uint16_t labels[3];
    sht_pipeline_fill(&p, 0, examples, 3, before, labels);
    assert_true(value_at(&p, 1, 0, 0, 0) ==
                value_at(&(sht_pipeline){.split = p.split, .height = 9, .width = 8}, 1, 2, 1, 0));
    assert_int_equal(sht_dataset_crop(data, 4, 5, NULL), SHT_OK);
    assert_true(data->train.height == 4 && data->train.width == 5 && data->test.height == 4);
    sht_pipeline_fill(&p, 0, examples, 3, after, labels);
    assert_memory_equal(before, after, sizeof before);
    sht_error error;
    assert_int_equal(sht_dataset_crop(data, 5, 5, &error), SHT_CONFIG);
    assert_non_null(strstr(error.message, "4x5"));
    assert_int_equal(sht_dataset_crop(data, 0, 5, NULL), SHT_CONFIG);
    sht_dataset_close(data);
  }
}

static void orders_are_permutations_that_differ(void **state) {
  (void)state;
  enum { COUNT = 1000 };
  uint32_t orders[3][COUNT];
  uint64_t scratch[2 * COUNT];
  sht_order_fill(1, 0, COUNT, orders[0], scratch);
  sht_order_fill(1, 1, COUNT, orders[1], scratch);
  sht_order_fill(2, 0, COUNT, orders[2], scratch);
  for (int i = 0; i < 3; i++) {
    uint8_t seen[COUNT] = {0};
    for (int j = 0; j < COUNT; j++) {
      assert_true(orders[i][j] < COUNT && seen[orders[i][j]] == 0);
      seen[orders[i][j]] = 1;
    }
  }
  assert_memory_not_equal(orders[0], orders[1], sizeof orders[0]);
  assert_memory_not_equal(orders[0], orders[2], sizeof orders[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fill_follows_the_formula),
      cmocka_unit_test(flat_images_are_not_blown_up),
      cmocka_unit_test(large_bright_images),
      cmocka_unit_test(crop_is_the_centre_window),
      cmocka_unit_test(orders_are_permutations_that_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
