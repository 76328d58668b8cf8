// What the card does with an example (window, augmentation, whitening), played thread by thread on the processor:
// the same bits as sht_pipeline_fill. Needs no card and no CUDA.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// after the three headers that it needs
#include <cmocka.h>

#include "data_random.h"
#include "engine/cuda/example.h"

enum { EXAMPLES = 7, EPOCHS = 3, VALUES_MAX = 40 * 40 * 3 };

static sht__example_source source_of(const sht_pipeline *p) {
  const sht_split *s = p->split;
  sht__example_source from = {
      .pixels = s->pixels,
      .labels = s->labels,
      .shape = {s->height, s->width, p->height, p->width, s->channels},
      .u8 = s->type == SHT_PIXEL_U8,
      .whiten = p->whiten,
      .varied = sht_augmentation_is_on(&p->augment),
      .rng = sht_rng_make(p->seed, SHT_PURPOSE_AUGMENT),
  };
  sht__variant_plan(&p->augment, &from.limits);
  return from;
}

static void play_colour(const sht__example_source *from, const sht_variant *variant, uint32_t threads,
                        int16_t *levels) {
  uint64_t sums[4] = {0};
  for (uint32_t c = 0; c < from->shape.channels; c++) {
    for (uint32_t t = 0; t < threads; t++) {
      sums[c] += sht__example_channel(from, c, t, threads, levels);
    }
  }
  for (uint32_t t = 0; t < threads; t++) {
    if (from->shape.channels == SHT_COLOURS) {
      sht__example_colour(from, variant, sums, t, threads, levels);
    }
    for (uint32_t c = 0; from->shape.channels != SHT_COLOURS && c < from->shape.channels; c++) {
      sht__example_contrast(from, variant, c, sums[c], t, threads, levels);
    }
  }
}

// One example as a block of `threads` would make it. x: [h * w * C].
static void play(const sht__example_source *from, uint32_t epoch, uint64_t example, uint32_t threads, float *x) {
  static int16_t levels[VALUES_MAX];
  sht_variant variant;
  sht__example_sum all = {0, 0};
  sht__example_draw(from, epoch, example, &variant);
  for (uint32_t t = 0; t < threads; t++) {
    sht__example_window(from, &variant, example, t, threads, levels);
  }
  if (variant.coloured) {
    play_colour(from, &variant, threads, levels);
  }
  for (uint32_t t = 0; t < threads; t++) {
    sht__example_sum part = sht__example_sums(from, t, threads, levels);
    all.sum += part.sum;
    all.squares += part.squares;
  }
  sht__whitening by = sht__example_whitening(from, all);
  for (uint32_t i = 0; i < sht__example_positions(from) * from->shape.channels; i++) {
    x[i] = sht__whiten_level(by, levels[i]);
  }
}

static void compare(const sht_pipeline *p, const char *what) {
  static float expected[VALUES_MAX], found[VALUES_MAX];
  static const uint32_t threads[] = {1, 32, 256};
  const sht__example_source from = source_of(p);
  const size_t bytes = (size_t)p->height * p->width * p->split->channels * sizeof(float);
  for (uint32_t i = 0; i < EPOCHS * EXAMPLES; i++) {
    const uint32_t example = i % EXAMPLES;
    uint16_t label = 0;
    sht_pipeline_fill(p, i / EXAMPLES, &example, 1, expected, &label);
    play(&from, i / EXAMPLES, example, threads[i % 3], found);
    assert_int_equal(label, from.labels[example]);
    if (memcmp(expected, found, bytes) != 0) {
      fail_msg("%s: epoch %u, example %u differs", what, i / EXAMPLES, example);
    }
  }
}

static const uint32_t shapes[][5] = {
    {32, 32, 3, 28, 28}, {28, 28, 1, 28, 28}, {9, 9, 3, 8, 9}, {40, 40, 2, 39, 38}, {7, 5, 4, 4, 3}};

static void augmented_images_have_the_same_bits(void **state) {
  (void)state;
  static const char *const lists[] = {"none",
                                      "crop",
                                      "crop:2,flip",
                                      "flip:0.3",
                                      "rotate:25",
                                      "rotate:180,crop:3",
                                      "brightness,contrast",
                                      "color",
                                      "crop:1,flip,rotate:40,color"};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    sht_dataset *data = random_dataset(EXAMPLES, 2, shapes[i], 3);
    for (size_t j = 0; j < sizeof lists / sizeof lists[0]; j++) {
      sht_pipeline p = {
          .split = &data->train, .height = shapes[i][3], .width = shapes[i][4], .whiten = j % 4 != 1, .seed = 5};
      assert_int_equal(sht_augmentation_parse(lists[j], &p.augment, NULL), SHT_OK);
      compare(&p, lists[j]);
    }
    sht_dataset_close(data);
  }
}

static void gaussian_images_have_the_same_bits(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    sht_dataset *data = random_dataset(EXAMPLES, 2, shapes[i], 3);
    sht_randomization how = randomization("true", "gaussian", 1);
    assert_int_equal(sht_dataset_randomize(data, &how, NULL, NULL), SHT_OK);
    for (int whitened = 0; whitened < 2; whitened++) {
      sht_pipeline p = {.split = &data->train, .height = shapes[i][3], .width = shapes[i][4], .whiten = whitened == 1};
      compare(&p, "gaussian");
    }
    sht_dataset_close(data);
  }
}

// Against the compiler's own conversion: one rounding, to even at ties, at every length.
static void wide_numbers_are_rounded_once(void **state) {
  (void)state;
  sht_rng rng = sht_rng_make(3, SHT_PURPOSE_SHAPES);
  for (uint32_t i = 0; i < 200000; i++) {
    uint64_t high = sht_rng_u64(rng, 0, i, 0);
    uint64_t low = sht_rng_u64(rng, 0, i, 1);
    low = i % 3 == 0 ? low & ~(uint64_t)0 << i % 64 : low;  // ends in zeros: ties
    high = i % 5 == 0 ? 0 : high >> i % 64;
    const unsigned __int128 wide = (unsigned __int128)high << 64 | low;
    assert_true(sht__double_of_wide(high, low) == (double)wide);
  }
  assert_true(sht__double_of_wide(0, 0) == 0);
  assert_true(sht__double_of_wide(~(uint64_t)0, ~(uint64_t)0) == 0x1p128);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(augmented_images_have_the_same_bits),
      cmocka_unit_test(gaussian_images_have_the_same_bits),
      cmocka_unit_test(wide_numbers_are_rounded_once),
  };
  return cmocka_run_group_tests_name("examples as the card makes them", tests, NULL, NULL);
}
