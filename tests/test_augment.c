// Augmentation: what must hold whatever is drawn, and how often what is drawn. Values of single pixels are checked
// against NumPy in test_augment_numpy.py.
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

#include "base/pool.h"
#include "data/variant.h"
#include "data_random.h"

enum { ONE = 1 << 16, TURN = 1 << 24, SIDE = 32, WINDOW = 28, VALUES = WINDOW * WINDOW * 3 };

static const uint32_t cifar[3] = {SIDE, SIDE, 3};
static const sht_variant_shape cut = {SIDE, SIDE, WINDOW, WINDOW, 3};
static const sht_variant_shape whole = {WINDOW, WINDOW, WINDOW, WINDOW, 3};

static sht_augmentation parse(const char *text) {
  sht_augmentation how;
  sht_error error = {.message = ""};
  if (sht_augmentation_parse(text, &how, &error) != SHT_OK) {
    fail_msg("%s", error.message);
  }
  return how;
}

// A variant that does nothing: the window at (0, 0).
static sht_variant nothing(void) {
  sht_variant variant = {.cosine = ONE, .contrast = ONE};
  sht__colour_transform(0, ONE, variant.transform);
  return variant;
}

// Levels without order. out: [count]
static void make_levels(uint32_t seed, size_t count, uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525 + 1013904223;
    out[i] = (uint8_t)(seed >> 24);
  }
}

static void lists_are_read_and_written_one_way(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"none", "none"},
      {"crop", "crop"},
      {"rotate:25,flip", "flip:0.5,rotate:25"},
      {"flip, rotate", "flip:0.5,rotate:25"},
      {"hue:0.1,crop:4", "crop:4,hue:0.1"},
      {"rotate:0,brightness:0", "none"},
      {"color", "brightness:0.12549019607843137,contrast:0.5,saturation:0.5,hue:0.2"},
      {"color,hue:0", "brightness:0.12549019607843137,contrast:0.5,saturation:0.5"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[256];
    sht_augmentation how = parse(cases[i][0]);
    assert_string_equal(sht_augmentation_print(&how, text, sizeof text), cases[i][1]);
    sht_augmentation again = parse(text);
    char back[256];
    assert_string_equal(sht_augmentation_print(&again, back, sizeof back), text);
    assert_int_equal(sht_augmentation_is_on(&how), strcmp(text, "none") != 0);
  }
}

static void faulty_lists_end_in_a_sentence(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"rotat:25", "did you mean rotate?"},  {"", "expected none, or a list"},
      {"crop,", "expected none, or a list"}, {"rotate:200", "degrees from 0 to 180"},
      {"rotate:x", "degrees from 0"},        {"rotate:25x", "degrees from 0"},
      {"rotate:nan", "degrees from 0"},      {"flip:2", "a probability from 0"},
      {"crop:1.5", "a whole number"},        {"crop:-1", "a whole number"},
      {"color:1", "color takes no value"},   {"none,crop", "augment \"none,crop\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    sht_augmentation how;
    sht_error error = {.message = ""};
    assert_int_equal(sht_augmentation_parse(cases[i][0], &how, &error), SHT_CONFIG);
    if (strstr(error.message, cases[i][1]) == NULL) {
      fail_msg("expected \"%s\" in: %s", cases[i][1], error.message);
    }
  }
}

static void what_means_nothing_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *augment, *pixels;
    uint32_t shape[3], window;
    sht_status expected;
  } cases[] = {
      {"crop", "true", {32, 32, 3}, 28, SHT_OK},          {"crop", "true", {28, 28, 1}, 28, SHT_CONFIG},
      {"crop:4", "true", {28, 28, 1}, 28, SHT_OK},        {"crop:28", "true", {28, 28, 1}, 28, SHT_CONFIG},
      {"hue", "true", {28, 28, 1}, 28, SHT_CONFIG},       {"saturation", "true", {28, 28, 1}, 28, SHT_CONFIG},
      {"brightness", "true", {28, 28, 1}, 28, SHT_OK},    {"flip", "shuffled", {32, 32, 3}, 28, SHT_CONFIG},
      {"rotate", "random", {32, 32, 3}, 28, SHT_CONFIG},  {"color", "shuffled", {32, 32, 3}, 28, SHT_OK},
      {"color", "gaussian", {32, 32, 3}, 28, SHT_CONFIG}, {"none", "gaussian", {32, 32, 3}, 28, SHT_OK},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    sht_augmentation how = parse(cases[i].augment);
    sht_randomization copy = randomization("true", cases[i].pixels, 1);
    sht_split split = {.height = cases[i].shape[0], .width = cases[i].shape[1], .channels = cases[i].shape[2]};
    sht_error error = {.message = ""};
    sht_status status = sht_augmentation_check(&how, &copy, &split, cases[i].window, cases[i].window, &error);
    if (status != cases[i].expected) {
      fail_msg("%s with %s pixels: %s", cases[i].augment, cases[i].pixels, error.message);
    }
  }
}

// The nearest multiple of 2^-16, or its neighbour when the value lies near the middle: half a unit, and the series'
// error of a few units of 2^-30.
static void turns_are_cosine_and_sine(void **state) {
  (void)state;
  const double limit = 0.5 + 0.001;
  for (int32_t angle = -2 * TURN; angle <= 2 * TURN; angle += 997) {
    int32_t c = 0;
    int32_t s = 0;
    sht__turn(angle, &c, &s);
    double radians = 2 * acos(-1) * angle / TURN;
    assert_true(fabs(c - ONE * cos(radians)) <= limit && fabs(s - ONE * sin(radians)) <= limit);
  }
  static const int32_t exact[4][2] = {{ONE, 0}, {0, ONE}, {-ONE, 0}, {0, -ONE}};
  for (int q = -4; q < 8; q++) {
    int32_t turn[2] = {7, 7};
    sht__turn(q * (TURN / 4), &turn[0], &turn[1]);
    assert_memory_equal(turn, exact[(q + 8) % 4], sizeof turn);
  }
}

static void nothing_is_the_identity(void **state) {
  (void)state;
  uint8_t in[VALUES];
  uint8_t out[VALUES];
  make_levels(1, VALUES, in);
  for (int kinds = 0; kinds < 4; kinds++) {  // through the slow paths too
    sht_variant variant = nothing();
    variant.rotated = (kinds & 1) != 0;
    variant.coloured = (kinds & 2) != 0;
    sht_variant_apply(&variant, &whole, in, out);
    assert_memory_equal(in, out, VALUES);
  }
}

// Mirroring twice, whether rotated by nothing or not rotated, and half a turn twice.
static void twice_is_the_identity(void **state) {
  (void)state;
  uint8_t in[VALUES];
  uint8_t once[VALUES];
  uint8_t twice[VALUES];
  make_levels(2, VALUES, in);
  sht_variant variants[3] = {nothing(), nothing(), nothing()};
  variants[0].flip = variants[1].flip = true;
  variants[1].rotated = variants[2].rotated = true;
  variants[2].cosine = -ONE;
  for (int i = 0; i < 3; i++) {
    sht_variant_apply(&variants[i], &whole, in, once);
    sht_variant_apply(&variants[i], &whole, once, twice);
    assert_memory_not_equal(in, once, VALUES);
    assert_memory_equal(in, twice, VALUES);
  }
  assert_int_equal(once[0], in[VALUES - 3]);
}

// A quarter turn anticlockwise brings the upper right corner to the upper left.
static void rotation_is_anticlockwise_as_seen(void **state) {
  (void)state;
  uint8_t in[VALUES];
  uint8_t out[VALUES];
  make_levels(3, VALUES, in);
  sht_variant variant = nothing();
  variant.rotated = true;
  sht__turn(TURN / 4, &variant.cosine, &variant.sine);
  sht_variant_apply(&variant, &whole, in, out);
  for (uint32_t y = 0; y < WINDOW; y++) {
    for (uint32_t x = 0; x < WINDOW; x++) {
      const uint8_t *from = in + (size_t)(x * WINDOW + WINDOW - 1 - y) * 3;
      assert_memory_equal(out + (size_t)(y * WINDOW + x) * 3, from, 3);
    }
  }
}

// A full turn of the hue is none; every turn and saturation leaves grey as it is; without saturation all is grey.
static void hue_and_saturation_turn_about_grey(void **state) {
  (void)state;
  sht_variant variant = nothing();
  int32_t none[3][3];
  sht__colour_transform(TURN, ONE, none);
  assert_memory_equal(none, variant.transform, sizeof none);
  variant.coloured = true;
  uint8_t grey[256 * 3];
  uint8_t in[256 * 3];
  uint8_t out[256 * 3];
  const sht_variant_shape strip = {1, 256, 1, 256, 3};
  make_levels(4, sizeof in, in);
  for (int i = 0; i < 256 * 3; i++) {
    grey[i] = (uint8_t)(i / 3);
  }
  for (int32_t turn = 0; turn < TURN; turn += TURN / 37) {
    for (int32_t saturation = 0; saturation <= 2 * ONE; saturation += ONE / 4) {
      sht__colour_transform(turn, saturation, variant.transform);
      sht_variant_apply(&variant, &strip, grey, out);
      assert_memory_equal(grey, out, sizeof grey);
    }
    sht__colour_transform(turn, 0, variant.transform);
    sht_variant_apply(&variant, &strip, in, out);
    for (int i = 0; i < 256; i++) {
      double luma = 0.299 * in[3 * i] + 0.587 * in[3 * i + 1] + 0.114 * in[3 * i + 2];
      assert_true(fabs(out[3 * i] - luma) <= 0.51 && out[3 * i + 1] == out[3 * i] && out[3 * i + 2] == out[3 * i]);
    }
  }
}

static void brightness_adds_and_contrast_keeps_means(void **state) {
  (void)state;
  uint8_t in[VALUES];
  uint8_t out[VALUES];
  make_levels(5, VALUES, in);
  sht_variant variant = nothing();
  variant.coloured = true;
  variant.brightness = -70 * ONE;
  sht_variant_apply(&variant, &whole, in, out);
  for (int i = 0; i < VALUES; i++) {
    assert_int_equal(out[i], in[i] < 70 ? 0 : in[i] - 70);
  }
  variant.brightness = 0;
  variant.contrast = 37003;  // towards the mean: nothing is cut off; odd: all remainders occur
  sht_variant_apply(&variant, &whole, in, out);
  for (int c = 0; c < 3; c++) {
    double before = 0;
    double after = 0;
    for (int i = c; i < VALUES; i += 3) {
      before += in[i];
      after += out[i];
    }
    // Each of 784 levels is rounded by at most .5, evenly: deviation 1/sqrt(12 * 784) = .01.
    assert_true(fabs(after - before) / (WINDOW * WINDOW) < 0.05);
  }
}

// 25 places of the window, 25,000 draws: chi-square with 24 degrees of freedom, 99.9 % below 51.18. Pairs of two
// epochs: 624 degrees, 99.9 % below 737.
static void windows_are_uniform(void **state) {
  (void)state;
  enum { DRAWS = 25000 };
  static int pairs[25][25];
  int places[25] = {0};
  sht_augmentation how = parse("crop");
  memset(pairs, 0, sizeof pairs);
  for (uint32_t i = 0; i < DRAWS; i++) {
    sht_variant first;
    sht_variant second;
    sht_variant_draw(&how, 3, 0, i, &cut, &first);
    sht_variant_draw(&how, 3, 1, i, &cut, &second);
    assert_true(first.top >= 0 && first.top <= 4 && first.left >= 0 && first.left <= 4);
    assert_false(first.flip || first.rotated || first.coloured);
    places[first.top * 5 + first.left]++;
    pairs[first.top * 5 + first.left][second.top * 5 + second.left]++;
  }
  double single = 0;
  double joint = 0;
  for (int a = 0; a < 25; a++) {
    single += pow(places[a] - DRAWS / 25.0, 2) / (DRAWS / 25.0);
    for (int b = 0; b < 25; b++) {
      joint += pow(pairs[a][b] - DRAWS / 625.0, 2) / (DRAWS / 625.0);
    }
  }
  assert_true(single < 51.18 && joint < 737);
}

// The number that a kind draws, scaled to 0 .. 1.
static double number_of(const char *kind, const sht_variant *variant) {
  if (strncmp(kind, "rotate", 6) == 0) {
    return atan2(variant->sine, variant->cosine) / (2 * acos(-1)) * 360 / 50 + 0.5;
  }
  if (strncmp(kind, "contrast", 8) == 0) {
    return (variant->contrast - ONE) / (double)ONE + 0.5;
  }
  return variant->brightness / (double)ONE / 255 + 0.5;
}

// Kolmogorov and Smirnov: sqrt(n) times the largest distance is below 1.95 with 99.9 %.
static void numbers_are_uniform(void **state) {
  (void)state;
  enum { DRAWS = 20000, BINS = 1000 };
  static const char *const kinds[] = {"rotate:25", "contrast:0.5", "brightness:0.5"};
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    sht_augmentation how = parse(kinds[k]);
    int bins[BINS] = {0};
    for (uint32_t i = 0; i < DRAWS; i++) {
      sht_variant variant;
      sht_variant_draw(&how, 5, i % 7, i, &cut, &variant);
      double number = number_of(kinds[k], &variant);
      assert_true(number > -1e-4 && number < 1 + 1e-4);
      bins[number < 0 ? 0 : number >= 1 ? BINS - 1 : (int)(number * BINS)]++;
    }
    double below = 0;
    for (int b = 0; b < BINS; b++) {
      below += bins[b];
      assert_true(fabs(below / DRAWS - (b + 1.0) / BINS) < 1.95 / sqrt(DRAWS) + 1e-3);
    }
  }
}

// Share of mirrored images within 4 deviations; never and always at the ends.
static void flips_come_as_often_as_asked(void **state) {
  (void)state;
  enum { DRAWS = 20000 };
  static const double shares[] = {0, 0.1, 0.5, 1};
  for (size_t k = 0; k < 4; k++) {
    sht_augmentation how = {.flip = shares[k]};
    int flips = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
      sht_variant variant;
      sht_variant_draw(&how, 9, 2, i, &whole, &variant);
      flips += variant.flip;
    }
    double deviation = sqrt(shares[k] * (1 - shares[k]) / DRAWS);
    assert_true(fabs((double)flips / DRAWS - shares[k]) <= 4 * deviation);
  }
}

// A kind draws the same whatever others are on.
static void kinds_do_not_disturb_one_another(void **state) {
  (void)state;
  sht_augmentation all = parse("crop,flip,rotate:25,color");
  sht_augmentation two = parse("crop,rotate:25");
  int differ = 0;
  for (uint32_t i = 0; i < 100; i++) {
    sht_variant a;
    sht_variant b;
    sht_variant_draw(&all, 1, 4, i, &cut, &a);
    sht_variant_draw(&two, 1, 4, i, &cut, &b);
    assert_true(a.top == b.top && a.left == b.left && a.sine == b.sine && a.cosine == b.cosine);
    differ += a.flip != b.flip;
  }
  assert_true(differ > 20);
}

// What the threads of one filling share.
typedef struct fill_job {
  const sht_pipeline *pipeline;
  uint32_t epoch;
  size_t part;  // examples a task
  float *x;     // [EXAMPLES][VALUES]
  uint16_t labels[64];
} fill_job;

enum { EXAMPLES = 60 };

static void fill_part(void *context, size_t task, int worker) {
  (void)worker;
  fill_job *job = context;
  uint32_t examples[EXAMPLES];
  size_t first = task * job->part;
  size_t count = EXAMPLES - first < job->part ? EXAMPLES - first : job->part;
  for (size_t i = 0; i < count; i++) {
    examples[i] = (uint32_t)((first + i) * 7 % EXAMPLES);
  }
  sht_pipeline_fill(job->pipeline, job->epoch, examples, count, job->x + first * VALUES, job->labels + first);
}

static void the_batch_does_not_depend_on_its_parts(void **state) {
  (void)state;
  static float expected[EXAMPLES * VALUES];
  static float found[EXAMPLES * VALUES];
  sht_dataset *data = random_dataset(EXAMPLES, 1, cifar, 5);
  sht_pipeline pipeline = {.split = &data->train, .height = WINDOW, .width = WINDOW, .whiten = true, .seed = 11};
  pipeline.augment = parse("crop,flip,rotate:25,color");
  fill_job all = {.pipeline = &pipeline, .epoch = 3, .part = EXAMPLES, .x = expected};
  fill_part(&all, 0, 0);
  for (int threads = 1; threads <= 8; threads++) {
    sht_pool *pool = NULL;
    fill_job job = {.pipeline = &pipeline, .epoch = 3, .part = (size_t)threads, .x = found};
    assert_int_equal(sht_pool_open(threads, &pool, NULL), SHT_OK);
    sht_pool_run(pool, (EXAMPLES + job.part - 1) / job.part, fill_part, &job);
    sht_pool_close(pool);
    assert_memory_equal(found, expected, sizeof found);
    assert_memory_equal(job.labels, all.labels, EXAMPLES * sizeof *all.labels);
  }
  fill_job later = {.pipeline = &pipeline, .epoch = 4, .part = EXAMPLES, .x = found};
  fill_part(&later, 0, 0);
  assert_memory_not_equal(found, expected, sizeof found);
  assert_memory_equal(later.labels, all.labels, EXAMPLES * sizeof *all.labels);
  sht_dataset_close(data);
}

// The input is the whitened picture that sht_pipeline_levels shows.
static void inputs_are_the_whitened_levels(void **state) {
  (void)state;
  sht_dataset *data = random_dataset(4, 1, cifar, 2);
  sht_pipeline pipeline = {.split = &data->train, .height = WINDOW, .width = WINDOW, .whiten = true, .seed = 2};
  pipeline.augment = parse("crop,flip,rotate:25,color");
  for (uint32_t example = 0; example < 4; example++) {
    uint8_t levels[VALUES];
    float direct[VALUES];
    float whitened[VALUES];
    uint16_t label = 0;
    sht_pipeline_levels(&pipeline, 6, example, levels);
    sht_pipeline_fill(&pipeline, 6, &example, 1, direct, &label);
    sht_split picture = {
        .count = 1, .height = WINDOW, .width = WINDOW, .channels = 3, .pixels = levels, .labels = &label};
    sht_pipeline plain = {.split = &picture, .height = WINDOW, .width = WINDOW, .whiten = true};
    sht_pipeline_fill(&plain, 0, &(uint32_t){0}, 1, whitened, &label);
    assert_memory_equal(direct, whitened, sizeof direct);
  }
  sht_dataset_close(data);
}

// test_augment levels AUGMENT SEED EPOCH COUNT H W h w C: images [COUNT][H][W][C] from standard input, their variants
// [COUNT][h][w][C] to standard output, for test_augment_numpy.py.
static int dump_levels(char **words) {
  uint32_t numbers[8] = {0};
  for (int i = 0; i < 8; i++) {
    numbers[i] = (uint32_t)strtoul(words[1 + i], NULL, 10);
  }
  const uint32_t shape[3] = {numbers[3], numbers[4], numbers[7]};
  sht_dataset *data = random_dataset(numbers[2], 1, shape, 2);
  sht_pipeline pipeline = {.split = &data->train, .height = numbers[5], .width = numbers[6], .seed = numbers[0]};
  const size_t values = (size_t)shape[0] * shape[1] * shape[2];
  const size_t cut_values = (size_t)numbers[5] * numbers[6] * shape[2];
  uint8_t *levels = calloc(cut_values, 1);
  bool good = sht_augmentation_parse(words[0], &pipeline.augment, NULL) == SHT_OK && levels != NULL &&
              fread(data->train.pixels, values, numbers[2], stdin) == numbers[2];
  for (uint32_t i = 0; i < numbers[2] && good; i++) {
    sht_pipeline_levels(&pipeline, numbers[1], i, levels);
    good = fwrite(levels, 1, cut_values, stdout) == cut_values;
  }
  free(levels);
  sht_dataset_close(data);
  return good && fflush(stdout) == 0 ? 0 : 1;
}

int main(int count, char **words) {
  if (count == 11 && strcmp(words[1], "levels") == 0) {
    return dump_levels(words + 2);
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_are_read_and_written_one_way),
      cmocka_unit_test(faulty_lists_end_in_a_sentence),
      cmocka_unit_test(what_means_nothing_is_refused),
      cmocka_unit_test(turns_are_cosine_and_sine),
      cmocka_unit_test(nothing_is_the_identity),
      cmocka_unit_test(twice_is_the_identity),
      cmocka_unit_test(rotation_is_anticlockwise_as_seen),
      cmocka_unit_test(hue_and_saturation_turn_about_grey),
      cmocka_unit_test(brightness_adds_and_contrast_keeps_means),
      cmocka_unit_test(windows_are_uniform),
      cmocka_unit_test(numbers_are_uniform),
      cmocka_unit_test(flips_come_as_often_as_asked),
      cmocka_unit_test(kinds_do_not_disturb_one_another),
      cmocka_unit_test(the_batch_does_not_depend_on_its_parts),
      cmocka_unit_test(inputs_are_the_whitened_levels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
