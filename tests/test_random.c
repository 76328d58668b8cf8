// Random numbers: known-answer vectors of Philox4x32-10 (Random123's kat_vectors), and the properties of what we draw
// with them. Statistical bounds are stated with their chance of failing on a sound generator; the draws are fixed, so a
// test that passes once passes always.
#include "shatter/random.h"

#include <Random123/philox.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
// after the four headers that it needs
#include <cmocka.h>

static void philox_known_answers(void **state) {
  (void)state;
  static const struct {
    uint32_t counter[4], key[2], expected[4];
  } rows[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
    const uint32_t *c = rows[row].counter;
    uint32_t out[4];
    sht_rng rng = {{rows[row].key[0], rows[row].key[1]}};
    sht_rng_block(rng, c[0], (uint64_t)c[2] << 32 | c[1], c[3], out);
    assert_memory_equal(out, rows[row].expected, sizeof out);
  }
}

static void streams_differ(void **state) {
  (void)state;
  sht_rng a = sht_rng_make(1, SHT_PURPOSE_LABELS);
  sht_rng b = sht_rng_make(1, SHT_PURPOSE_PIXELS);
  sht_rng c = sht_rng_make(2, SHT_PURPOSE_LABELS);
  assert_true(a.key[0] != b.key[0] && a.key[0] != c.key[0]);
}

static void permutations_are_permutations(void **state) {
  (void)state;
  static const uint32_t sizes[] = {0, 1, 2, 3, 784, 4096, 4097, 50000};
  uint32_t *order = calloc(50000, sizeof *order);
  uint64_t *scratch = calloc(100000, sizeof *scratch);
  unsigned char *seen = calloc(50000, 1);
  sht_rng rng = sht_rng_make(7, SHT_PURPOSE_ORDER);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    uint32_t n = sizes[i];
    sht_rng_permutation(rng, 3, 5, n, order, scratch);
    for (uint32_t j = 0; j < n; j++) {
      assert_true(order[j] < n);
      seen[order[j]] ^= 1;
    }
    for (uint32_t j = 0; j < n; j++) {
      assert_true(seen[j] == 1);
      seen[j] = 0;
    }
  }
  free(seen);
  free(scratch);
  free(order);
}

// All 24 orders of 4 things, 24,000 draws: chi-square with 23 degrees of freedom exceeds 49.7 with chance 0.001.
static void permutations_are_uniform(void **state) {
  (void)state;
  sht_rng rng = sht_rng_make(1, SHT_PURPOSE_PIXELS);
  int counts[256] = {0};
  for (uint32_t draw = 0; draw < 24000; draw++) {
    uint32_t order[4];
    uint64_t scratch[8];
    sht_rng_permutation(rng, 0, draw, 4, order, scratch);
    counts[order[0] | order[1] << 2 | order[2] << 4 | order[3] << 6]++;
  }
  double chi_square = 0;
  int seen = 0;
  for (int i = 0; i < 256; i++) {
    if (counts[i] > 0) {
      chi_square += (counts[i] - 1000.0) * (counts[i] - 1000.0) / 1000.0;
      seen++;
    }
  }
  assert_int_equal(seen, 24);
  assert_true(chi_square < 49.7);
}

static void below_is_uniform(void **state) {
  (void)state;
  sht_rng rng = sht_rng_make(1, SHT_PURPOSE_LABELS);
  int counts[10] = {0};
  for (uint32_t i = 0; i < 100000; i++) {
    counts[sht_rng_below(rng, 0, i, 0, 10)]++;
  }
  double chi_square = 0;
  for (int i = 0; i < 10; i++) {
    chi_square += (counts[i] - 10000.0) * (counts[i] - 10000.0) / 10000.0;
  }
  assert_true(chi_square < 27.9);  // 9 degrees of freedom, chance 0.001
}

// Mean, variance and fourth moment of 200,000 normals: within 4 standard errors.
static void normals_have_their_moments(void **state) {
  (void)state;
  sht_rng rng = sht_rng_make(1, SHT_PURPOSE_WEIGHTS);
  double sums[5] = {0};
  const uint32_t blocks = 100000;
  for (uint32_t i = 0; i < blocks; i++) {
    double z[2];
    sht_rng_normal2(rng, 0, i, 0, z);
    for (int j = 0; j < 2; j++) {
      sums[1] += z[j];
      sums[2] += z[j] * z[j];
      sums[4] += z[j] * z[j] * z[j] * z[j];
    }
  }
  double n = 2.0 * blocks;
  assert_true(fabs(sums[1] / n) < 4 / sqrt(n));
  assert_true(fabs(sums[2] / n - 1) < 4 * sqrt(2 / n));
  assert_true(fabs(sums[4] / n - 3) < 4 * sqrt(96 / n));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),
      cmocka_unit_test(streams_differ),
      cmocka_unit_test(permutations_are_permutations),
      cmocka_unit_test(permutations_are_uniform),
      cmocka_unit_test(below_is_uniform),
      cmocka_unit_test(normals_have_their_moments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
