// One variant of an image, carried out on bytes. See shatter/augment.h; the arithmetic of a pixel is in variant.h.
#include "data/variant.h"

#include <math.h>
#include <string.h>

static int32_t fixed(double value, double unit) { return (int32_t)lround(value * unit); }

void sht__variant_plan(const sht_augmentation *how, sht__variant_limits *out) {
  *out = (sht__variant_limits){
      .crop = how->crop,
      .padding = how->padding,
      .flip = (uint64_t)floor(how->flip * 0x1p32),
      .rotate = fixed(how->rotate / 360, SHT_TURN),
      .brightness = fixed(how->brightness * 255, SHT_ONE),
      .contrast = fixed(how->contrast, SHT_ONE),
      .saturation = fixed(how->saturation, SHT_ONE),
      .hue = fixed(how->hue, SHT_TURN),
  };
}

void sht_variant_draw(const sht_augmentation *how, uint64_t seed, uint32_t epoch, uint64_t example,
                      const sht_variant_shape *shape, sht_variant *out) {
  sht__variant_limits limits;
  sht__variant_plan(how, &limits);
  sht__variant_draw(&limits, sht_rng_make(seed, SHT_PURPOSE_AUGMENT), epoch, example, shape, out);
}

// The window pixel by pixel: it turns, is mirrored, or reaches beyond the image.
static void gather_window(const sht_variant *variant, const sht_variant_shape *shape, const uint8_t *stored,
                          uint8_t *out) {
  for (uint32_t y = 0; y < shape->window_height; y++) {
    for (uint32_t x = 0; x < shape->window_width; x++, out += shape->channels) {
      sht__variant_pixel(variant, shape, stored, y, x, out);
    }
  }
}

// Rows of the window as they are.
static void copy_window(const sht_variant *variant, const sht_variant_shape *shape, const uint8_t *stored,
                        uint8_t *out) {
  const uint64_t length = (uint64_t)shape->window_width * shape->channels;
  for (uint32_t y = 0; y < shape->window_height; y++) {
    memcpy(out + y * length, stored + sht__pixel_place(variant, shape, y, 0), length);
  }
}

static uint64_t sum_channel(const uint8_t *levels, uint64_t positions, uint32_t channels) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < positions; i++) {
    sum += levels[i * channels];
  }
  return sum;
}

static void colour_three(const sht_variant *variant, uint64_t positions, uint8_t *levels) {
  uint64_t sums[SHT_COLOURS];
  sht__colour colour;
  for (int j = 0; j < SHT_COLOURS; j++) {
    sums[j] = sum_channel(levels + j, positions, SHT_COLOURS);
  }
  sht__colour_plan(variant, sums, positions, &colour);
  for (uint64_t p = 0; p < positions; p++) {
    sht__colour_pixel(&colour, levels + p * SHT_COLOURS);
  }
}

static void colour_each(const sht_variant *variant, uint64_t positions, uint32_t channels, uint8_t *levels) {
  for (uint32_t c = 0; c < channels; c++) {
    uint64_t sum = sum_channel(levels + c, positions, channels);
    int32_t offset = sht__channel_offset(variant, sht__channel_mean(sum, positions));
    for (uint64_t i = c; i < positions * channels; i += channels) {
      levels[i] = sht__contrast_level(variant, offset, levels[i]);
    }
  }
}

void sht_variant_apply(const sht_variant *variant, const sht_variant_shape *shape, const uint8_t *stored,
                       uint8_t *out) {
  const uint64_t positions = (uint64_t)shape->window_height * shape->window_width;
  const bool inside = variant->left >= 0 && (uint32_t)variant->left + shape->window_width <= shape->width;
  (!variant->rotated && !variant->flip && inside ? copy_window : gather_window)(variant, shape, stored, out);
  if (variant->coloured && shape->channels == SHT_COLOURS) {
    colour_three(variant, positions, out);
  } else if (variant->coloured) {
    colour_each(variant, positions, shape->channels, out);
  }
}
