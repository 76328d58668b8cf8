// Feature maps against plain loops in double, written from their definitions.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs those four

#include <cmocka.h>

#include "base/memory.h"
#include "kernel/features.h"

static const double PI = 3.14159265358979323846;

static void *take(uint64_t count, uint64_t size) {
  void *block = NULL;
  assert_int_equal(sht_alloc(&block, count, size, "a test's array", NULL), SHT_OK);
  return block;
}

// Pictures of noise with some structure. Free pixels with sht_free.
static sht_split make_split(uint64_t count, uint32_t height, uint32_t width, uint32_t channels) {
  sht_split split = {.count = count, .height = height, .width = width, .channels = channels};
  uint64_t size = count * height * width * channels;
  uint8_t *pixels = take(size, 1);
  sht_rng rng = sht_rng_make(9, SHT_PURPOSE_SHAPES);
  for (uint64_t i = 0; i < size; i++) {
    pixels[i] = (uint8_t)(100 + 60 * sin((double)i * 0.21) + sht_rng_below(rng, 0, i, 0, 90));
  }
  split.pixels = pixels;
  return split;
}

static double level(const sht_split *s, uint64_t i, int y, int x, uint32_t c) {
  if (y < 0 || x < 0 || y >= (int)s->height || x >= (int)s->width) {
    return 0;
  }
  const uint8_t *pixels = s->pixels;
  return pixels[((i * s->height + (uint64_t)y) * s->width + (uint64_t)x) * s->channels + c] / 255.0;
}

// All features of the first `count` examples by the map: [width][32].
static float *features_of(const sht__feature_map *map, const sht_split *split, uint64_t block, uint64_t count) {
  float *panel = take(map->block * SHT_LANES, sizeof(float)), *scratch = take(map->scratch, sizeof(float));
  map->fill(map, split, block, 0, count, panel, scratch);
  sht_free(scratch);
  return panel;
}

static void test_pixels(void **state) {
  (void)state;
  sht_split split = make_split(5, 4, 3, 2);
  sht__feature_map map;
  assert_int_equal(sht__features_open(NULL, &split, 1, &map, NULL), SHT_OK);
  assert_int_equal(map.width, 24);
  float *panel = features_of(&map, &split, 0, 5);
  for (uint64_t f = 0; f < 24; f++) {
    for (uint64_t i = 0; i < SHT_LANES; i++) {
      double wanted = i < 5 ? level(&split, i, (int)(f / 6), (int)(f / 2 % 3), (uint32_t)(f % 2)) : 0;
      assert_true(fabs(panel[f * SHT_LANES + i] - wanted) < 1e-7);
    }
  }
  sht_free(panel);
  sht__features_close(&map);
  sht_free(split.pixels);
}

// Magnitude of the response of one wavelet at a pixel: the sums by definition.
static double gabor_at(const sht_split *s, uint64_t i, int y, int x, uint32_t c, int wavelength, int orientation) {
  double deviation = 0.56 * wavelength, angle = PI * orientation / 8;
  int radius = (int)(3 * deviation);
  double weight = 0, mean[2] = {0}, norm = 0, response[2] = {0};
  for (int pass = 0; pass < 2; pass++) {
    for (int v = -radius; v <= radius; v++) {
      for (int u = -radius; u <= radius; u++) {
        double envelope = exp(-(u * u + v * v) / (2 * deviation * deviation));
        double phase = 2 * PI * (u * cos(angle) + v * sin(angle)) / wavelength;
        double wave[2] = {cos(phase), sin(phase)};
        weight += pass == 0 ? envelope : 0;
        for (int part = 0; part < 2; part++) {
          if (pass == 0) {
            mean[part] += envelope * wave[part];
          } else {
            double tap = envelope * (wave[part] - mean[part] / weight);
            norm += tap * tap;
            response[part] += tap * level(s, i, y + v, x + u, c);
          }
        }
      }
    }
  }
  return sqrt((response[0] * response[0] + response[1] * response[1]) / norm);
}

// 10 x 9 pixels: cells at the edge are smaller; two channels; three examples of 32.
static void test_gabor(void **state) {
  (void)state;
  sht_split split = make_split(3, 10, 9, 2);
  sht__feature_map map;
  assert_int_equal(sht__features_open("gabor", &split, 1, &map, NULL), SHT_OK);
  assert_int_equal(map.width, 3 * 3 * 2 * 16);
  float *panel = features_of(&map, &split, 0, 3);
  for (uint64_t f = 0; f < map.width; f++) {
    int wavelet = (int)(f % 16), cell = (int)(f / 32);
    uint32_t channel = (uint32_t)(f / 16 % 2);
    for (uint64_t i = 0; i < 3; i++) {
      double sum = 0;
      int pixels = 0;
      for (int y = cell / 3 * 4; y < cell / 3 * 4 + 4 && y < 10; y++) {
        for (int x = cell % 3 * 4; x < cell % 3 * 4 + 4 && x < 9; x++, pixels++) {
          sum += gabor_at(&split, i, y, x, channel, wavelet < 8 ? 4 : 8, wavelet % 8);
        }
      }
      assert_true(fabs(panel[f * SHT_LANES + i] - sum / pixels) < 1e-5);
    }
    assert_true(panel[f * SHT_LANES + 3] == 0);
  }
  sht_free(panel);
  sht__features_close(&map);
  sht_free(split.pixels);
}

// The nearest number of 8 bits, ties to even.
static double bf16(double value) {
  int exponent;
  double mantissa = frexp(value, &exponent);
  return ldexp(nearbyint(ldexp(mantissa, 8)), exponent - 8);
}

enum { TAPS = 6 * 6 * 2, PATCHES = 20000 };

// n(x) of the definition in randconv.c for the patch at (y, x) of an image.
static void plain_normal(const sht_split *s, uint64_t image, int y, int x, double *out) {
  double mean = 0, variance = 0;
  for (int t = 0; t < TAPS; t++) {
    out[t] = level(s, image, y + t / 12, x + t / 2 % 6, (uint32_t)(t % 2));
    mean += out[t] / TAPS;
  }
  for (int t = 0; t < TAPS; t++) {
    out[t] -= mean;
    variance += out[t] * out[t] / TAPS;
  }
  for (int t = 0; t < TAPS; t++) {
    out[t] /= sqrt(variance + 10 / (255.0 * 255.0));
  }
}

// n of patch number `index`, drawn as randconv.c draws it.
static void plain_patch(const sht_split *s, uint64_t index, double *out) {
  sht_rng rng = sht_rng_make(4, SHT_PURPOSE_WEIGHTS);
  uint64_t image = sht_rng_below(rng, 0, index, 0, (uint32_t)s->count);
  int y = (int)sht_rng_below(rng, 0, index, 1, s->height - 5), x = (int)sht_rng_below(rng, 0, index, 2, s->width - 5);
  plain_normal(s, image, y, x, out);
}

// c [TAPS][TAPS] x = b by Gauss elimination with pivots; both are overwritten, the solution stands in b.
static void plain_solve(double *c, double *b) {
  for (int k = 0; k < TAPS; k++) {
    int best = k;
    for (int i = k; i < TAPS; i++) {
      best = fabs(c[i * TAPS + k]) > fabs(c[best * TAPS + k]) ? i : best;
    }
    for (int j = 0; j < TAPS; j++) {
      double kept = c[k * TAPS + j];
      c[k * TAPS + j] = c[best * TAPS + j];
      c[best * TAPS + j] = kept;
    }
    double kept = b[k];
    b[k] = b[best];
    b[best] = kept;
    for (int i = 0; i < TAPS; i++) {
      double factor = i == k ? 0 : c[i * TAPS + k] / c[k * TAPS + k];
      for (int j = 0; j < TAPS; j++) {
        c[i * TAPS + j] -= factor * c[k * TAPS + j];
      }
      b[i] -= factor * b[k];
    }
  }
  for (int k = 0; k < TAPS; k++) {
    b[k] /= c[k * TAPS + k];
  }
}

// C + .1 I [TAPS][TAPS] and m [TAPS].
static double *plain_moments(const sht_split *s, double *mean) {
  double *c = take(TAPS * TAPS, sizeof(double)), *patches = take((uint64_t)PATCHES * TAPS, sizeof(double));
  for (uint64_t p = 0; p < PATCHES; p++) {
    plain_patch(s, p, patches + p * TAPS);
    for (int i = 0; i < TAPS; i++) {
      mean[i] += patches[p * TAPS + (uint64_t)i] / PATCHES;
    }
  }
  for (uint64_t p = 0; p < PATCHES; p++) {
    const double *patch = patches + p * TAPS;
    for (int i = 0; i < TAPS; i++) {
      for (int j = 0; j < TAPS; j++) {
        c[i * TAPS + j] += (patch[i] - mean[i]) * (patch[j] - mean[j]) / PATCHES;
      }
    }
  }
  for (int i = 0; i < TAPS; i++) {
    c[i * TAPS + i] += 0.1;
  }
  sht_free(patches);
  return c;
}

// (C + .1 I)^-1 (n(p) - m) / |w(p)| of a filter, rounded to bf16.
static void plain_filter(const sht_split *s, const double *moments, const double *mean, uint64_t filter, double *taps) {
  double *copy = take(TAPS * TAPS, sizeof(double)), patch[TAPS], square = 0;
  plain_patch(s, filter, patch);
  for (int t = 0; t < TAPS; t++) {
    patch[t] -= mean[t];
    taps[t] = patch[t];
  }
  memcpy(copy, moments, TAPS * TAPS * sizeof *copy);
  plain_solve(copy, taps);
  for (int t = 0; t < TAPS; t++) {
    square += patch[t] * taps[t];
  }
  for (int t = 0; t < TAPS; t++) {
    taps[t] = bf16(taps[t] / sqrt(square));
  }
  sht_free(copy);
}

// What window `window` of image 1 gives for each sign.
static void plain_window(const sht_split *s, const double *taps, const double *mean, int window, double sums[2]) {
  for (int y = window / 3 * 2; y < window / 3 * 2 + 7; y++) {
    for (int x = window % 3 * 2; x < window % 3 * 2 + 5; x++) {
      double normal[TAPS], response = 0;
      plain_normal(s, 1, y, x, normal);
      for (int t = 0; t < TAPS; t++) {
        response += taps[t] * (bf16(normal[t]) - mean[t]);
      }
      sums[0] += fmax(response - 1, 0) / 35;
      sums[1] += fmax(-response - 1, 0) / 35;
    }
  }
}

// Images of 17 x 14 with two channels: 12 x 9 positions, windows of 7 x 5, 2 and 2 apart. Filters of two blocks; places
// of examples that are missing stay zero. What is found was rounded to bf16, by at most 2^-9 of it. Beside that, a
// level that is divided in fp32 may be rounded to the other of its two neighbours of 8 bits, which changes the mean
// over 35 positions by 2^-7 of a level times a tap (both about 1) / 35 at most; that this happens twice in a window is
// rare.
static void test_randconv(void **state) {
  (void)state;
  sht_split split = make_split(40, 17, 14, 2);
  sht__feature_map map;
  assert_int_equal(sht__features_open("randconv:268", &split, 4, &map, NULL), SHT_OK);
  assert_int_equal(map.width, 268 * 18);
  assert_int_equal(map.blocks, 2);
  double mean[TAPS] = {0}, *moments = plain_moments(&split, mean), largest = 0;
  static const uint64_t filters[] = {0, 33, 255, 256, 267};
  for (size_t which = 0; which < sizeof filters / sizeof filters[0]; which++) {
    uint64_t filter = filters[which], in_block = filter % 256;
    double taps[TAPS];
    plain_filter(&split, moments, mean, filter, taps);
    float *panel = features_of(&map, &split, filter / 256, 2);
    for (int window = 0; window < 9; window++) {
      double sums[2] = {0};
      plain_window(&split, taps, mean, window, sums);
      for (uint64_t sign = 0; sign < 2; sign++) {
        const float *found = panel + ((in_block * 2 + sign) * 9 + (uint64_t)window) * SHT_LANES;
        assert_true(fabs(found[1] - sums[sign]) <= 0x1p-9 * sums[sign] + 0x1p-7 / 35 && found[2] == 0);
        assert_true(found[1] == bf16(found[1]));
        largest = fmax(largest, sums[sign]);
      }
    }
    sht_free(panel);
  }
  assert_true(largest > 0.1);
  sht_free(moments);
  sht__features_close(&map);
  sht_free(split.pixels);
}

// Features of images and their mirror images: the mean of both one by one, and the same for an image that is the mirror
// image of another.
static void test_randconv_mirror(void **state) {
  (void)state;
  sht_split split = make_split(2, 15, 13, 2), turned = make_split(2, 15, 13, 2);
  for (uint64_t e = 0; e < (uint64_t)2 * 15 * 13; e++) {
    const uint64_t from = e / 13 * 13 + 12 - e % 13;
    memcpy((uint8_t *)turned.pixels + 2 * e, (const uint8_t *)split.pixels + 2 * from, 2);
  }
  sht__feature_map plain, mirror;
  assert_int_equal(sht__features_open("randconv:40", &split, 4, &plain, NULL), SHT_OK);
  assert_int_equal(sht__features_open("randconv-mirror:40", &split, 4, &mirror, NULL), SHT_OK);
  assert_true(mirror.width == plain.width && mirror.flops == 2 * plain.flops);
  float *one = features_of(&plain, &split, 0, 2), *other = features_of(&plain, &turned, 0, 2);
  float *mean = features_of(&mirror, &split, 0, 2), *same = features_of(&mirror, &turned, 0, 2);
  double largest = 0;
  for (uint64_t f = 0; f < mirror.width * SHT_LANES; f++) {
    assert_true(fabs(mean[f] - (one[f] + other[f]) / 2) <= 0x1.1p-7 * mean[f]);
    assert_true(fabs(same[f] - mean[f]) <= 0x1.1p-7 * mean[f]);
    largest = fmax(largest, fabs(one[f] - other[f]));
  }
  assert_true(largest > 0.01);
  float *all[] = {one, other, mean, same};
  for (int i = 0; i < 4; i++) {
    sht_free(all[i]);
  }
  sht__features_close(&plain);
  sht__features_close(&mirror);
  sht_free(split.pixels);
  sht_free(turned.pixels);
}

// Images of one grey each have no patch to cut a filter from: features of zeros, not of NaN.
static void test_randconv_constant(void **state) {
  (void)state;
  sht_split split = make_split(8, 10, 10, 1);
  for (uint64_t i = 0; i < 800; i++) {
    ((uint8_t *)split.pixels)[i] = (uint8_t)(20 * (i / 100));
  }
  sht__feature_map map;
  assert_int_equal(sht__features_open("randconv:3", &split, 4, &map, NULL), SHT_OK);
  float *panel = features_of(&map, &split, 0, 8);
  for (uint64_t f = 0; f < map.width * SHT_LANES; f++) {
    assert_true(panel[f] == 0);
  }
  sht_free(panel);
  sht__features_close(&map);
  sht_free(split.pixels);
}

static void test_refusals(void **state) {
  (void)state;
  sht_split split = make_split(2, 7, 7, 1);
  sht__feature_map map;
  sht_error error;
  static const char *const wrong[] = {"gobar", "randconv:0", "randconv:x", "randconv:8"};
  static const char *const words[] = {"gabor", "number of filters", "number of filters", "too small"};
  for (int i = 0; i < 4; i++) {
    assert_int_equal(sht__features_open(wrong[i], &split, 1, &map, &error), SHT_CONFIG);
    assert_non_null(strstr(error.message, words[i]));
    sht__features_close(&map);
  }
  sht_free(split.pixels);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pixels),
                                     cmocka_unit_test(test_gabor),
                                     cmocka_unit_test(test_randconv),
                                     cmocka_unit_test(test_randconv_mirror),
                                     cmocka_unit_test(test_randconv_constant),
                                     cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
