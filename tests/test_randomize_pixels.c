// Pixel randomisation: what is kept, what is common, the Gaussian's moments, and equality at any number of threads.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// after the four headers that it needs
#include <cmocka.h>

#include "base/pool.h"
#include "data_random.h"

enum { HEIGHT = 16, WIDTH = 12, CHANNELS = 3, POSITIONS = HEIGHT * WIDTH, VALUES = POSITIONS * CHANNELS };

static const uint32_t shape[3] = {HEIGHT, WIDTH, CHANNELS};

// Pixels that say where they were: (position, image, channel), so that a permutation can be read off the result.
static sht_dataset *marked(uint64_t train, uint64_t test) {
  sht_dataset *data = random_dataset(train, test, shape, 3);
  for (int s = 0; s < 2; s++) {
    sht_split *split = s == 0 ? &data->train : &data->test;
    for (uint64_t i = 0; i < split->count * VALUES; i++) {
      uint8_t marks[3] = {(uint8_t)(i / CHANNELS % POSITIONS), (uint8_t)(i / VALUES), (uint8_t)(100 + s)};
      ((uint8_t *)split->pixels)[i] = marks[i % CHANNELS];
    }
  }
  return data;
}

static void randomize_pixels(sht_dataset *data, const char *pixels, uint64_t seed, int threads) {
  sht_randomization how = randomization("true", pixels, seed);
  sht_pool *pool = NULL;
  if (threads > 0) {
    assert_int_equal(sht_pool_open(threads, &pool, NULL), SHT_OK);
  }
  assert_int_equal(sht_dataset_randomize(data, &how, pool, NULL), SHT_OK);
  sht_pool_close(pool);
}

// Reads the permutation of an image back: a permutation, with each pixel's channels together.
static void read_permutation(const sht_split *split, uint64_t image, int mark, uint8_t out[POSITIONS]) {
  const uint8_t *pixels = (const uint8_t *)split->pixels + image * VALUES;
  uint8_t seen[POSITIONS] = {0};
  for (int i = 0; i < POSITIONS; i++) {
    out[i] = pixels[i * CHANNELS];
    assert_true(out[i] < POSITIONS && seen[out[i]] == 0);
    assert_int_equal(pixels[i * CHANNELS + 1], image);
    assert_int_equal(pixels[i * CHANNELS + 2], mark);
    seen[out[i]] = 1;
  }
}

static void shuffled_is_one_permutation_for_all(void **state) {
  (void)state;
  sht_dataset *data = marked(130, 70);
  randomize_pixels(data, "shuffled", 1, 0);
  uint8_t first[POSITIONS];
  uint8_t other[POSITIONS];
  read_permutation(&data->train, 0, 100, first);
  for (uint64_t i = 1; i < 130; i++) {
    read_permutation(&data->train, i, 100, other);
    assert_memory_equal(first, other, POSITIONS);
  }
  for (uint64_t i = 0; i < 70; i++) {
    read_permutation(&data->test, i, 101, other);
    assert_memory_equal(first, other, POSITIONS);
  }
  sht_dataset *again = marked(1, 1);
  randomize_pixels(again, "shuffled", 2, 0);
  read_permutation(&again->train, 0, 100, other);
  assert_memory_not_equal(first, other, POSITIONS);
  sht_dataset_close(again);
  sht_dataset_close(data);
}

// Every image its own permutation. Over 200 images each position takes each of 192 places; the number of fixed points
// of a uniform permutation is 1 on average with variance 1, so 200 of them sum to 200 +- 4.5 sqrt(200).
static void random_is_another_permutation_for_each(void **state) {
  (void)state;
  sht_dataset *data = marked(130, 70);
  randomize_pixels(data, "random", 1, 0);
  uint8_t permutations[200][POSITIONS];
  uint8_t shared[POSITIONS];
  sht_dataset *shuffled = marked(1, 1);
  randomize_pixels(shuffled, "shuffled", 1, 0);
  read_permutation(&shuffled->train, 0, 100, shared);
  sht_dataset_close(shuffled);
  int fixed = 0;
  for (uint64_t i = 0; i < 200; i++) {
    bool test = i >= 130;
    read_permutation(test ? &data->test : &data->train, test ? i - 130 : i, test ? 101 : 100, permutations[i]);
    assert_memory_not_equal(permutations[i], shared, POSITIONS);  // no image has the common one
    for (uint64_t j = 0; j < i; j++) {
      assert_memory_not_equal(permutations[i], permutations[j], POSITIONS);
    }
    for (int p = 0; p < POSITIONS; p++) {
      fixed += permutations[i][p] == p ? 1 : 0;
    }
  }
  assert_true(fabs(fixed - 200.0) < 4.5 * sqrt(200));
  sht_dataset_close(data);
}

// Mean and variance of the training set, matched by both splits. n values: the mean's deviation is sd / sqrt(n), the
// variance's sd^2 sqrt(2 / n), that of the products of neighbours sd^2 / sqrt(n); rounding to 1/64 adds nothing that
// shows. 4.5 deviations.
static void gaussian_has_the_training_sets_moments(void **state) {
  (void)state;
  sht_dataset *data = random_dataset(300, 300, shape, 3);
  double sum = 0;
  double squares = 0;
  const double n = 300.0 * VALUES;
  for (uint64_t i = 0; i < (uint64_t)300 * VALUES; i++) {
    ((uint8_t *)data->train.pixels)[i] /= 2;  // so that the two splits differ
    double level = ((uint8_t *)data->train.pixels)[i];
    sum += level;
    squares += level * level;
  }
  double mean = sum / n;
  double variance = squares / n - mean * mean;
  randomize_pixels(data, "gaussian", 1, 0);
  for (int s = 0; s < 2; s++) {
    const sht_split *split = s == 0 ? &data->train : &data->test;
    assert_int_equal(split->type, SHT_PIXEL_I16);
    double drawn = 0;
    double drawn_squares = 0;
    double fourth = 0;
    double products = 0;
    double before = 0;
    bool below = false;
    for (uint64_t i = 0; i < (uint64_t)300 * VALUES; i++) {
      double level = ((const int16_t *)split->pixels)[i] / 64.0 - mean;
      drawn += level;
      drawn_squares += level * level;
      fourth += level * level * level * level;
      below = below || level < -mean;
      products += level * before;
      before = level;
    }
    assert_true(fabs(drawn / n) < 4.5 * sqrt(variance / n));
    assert_true(fabs(drawn_squares / n - variance) < 4.5 * variance * sqrt(2 / n));
    assert_true(fabs(fourth / n / (variance * variance) - 3) < 4.5 * sqrt(96 / n));
    assert_true(fabs(products / n) < 4.5 * variance / sqrt(n));
    assert_true(below);  // nothing is clamped to 0
  }
  assert_memory_not_equal(data->train.pixels, data->test.pixels, VALUES * sizeof(int16_t));
  sht_error error;
  sht_randomization how = randomization("true", "random", 1);
  assert_int_equal(sht_dataset_randomize(data, &how, NULL, &error), SHT_CONFIG);
  sht_dataset_close(data);
}

static void threads_do_not_matter(void **state) {
  (void)state;
  static const char *const kinds[] = {"shuffled", "random", "gaussian"};
  static const int threads[] = {1, 2, 3, 4, 8};
  for (int k = 0; k < 3; k++) {
    sht_dataset *expected = random_dataset(200, 70, shape, 3);
    randomize_pixels(expected, kinds[k], 7, 0);
    uint64_t bytes = VALUES * (k == 2 ? sizeof(int16_t) : sizeof(uint8_t));
    for (int t = 0; t < 5; t++) {
      sht_dataset *data = random_dataset(200, 70, shape, 3);
      randomize_pixels(data, kinds[k], 7, threads[t]);
      assert_memory_equal(data->train.pixels, expected->train.pixels, 200 * bytes);
      assert_memory_equal(data->test.pixels, expected->test.pixels, 70 * bytes);
      sht_dataset_close(data);
    }
    // An example's pixels depend on its index alone: a smaller set has the same (Gaussian: given the same moments).
    if (k < 2) {
      sht_dataset *small = random_dataset(20, 5, shape, 3);
      randomize_pixels(small, kinds[k], 7, 2);
      assert_memory_equal(small->train.pixels, expected->train.pixels, 20 * bytes);
      assert_memory_equal(small->test.pixels, expected->test.pixels, 5 * bytes);
      sht_dataset_close(small);
    }
    sht_dataset_close(expected);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shuffled_is_one_permutation_for_all),
      cmocka_unit_test(random_is_another_permutation_for_each),
      cmocka_unit_test(gaussian_has_the_training_sets_moments),
      cmocka_unit_test(threads_do_not_matter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
