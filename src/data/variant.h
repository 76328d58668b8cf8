// One variant of an image, for the processor and the card: drawing its numbers, and the bytes of one pixel. The
// definition is in shatter/augment.h; every number here is an integer.
#ifndef SHT_DATA_VARIANT_H
#define SHT_DATA_VARIANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/philox.h"
#include "shatter/augment.h"
#include "shatter/random.h"

enum {
  SHT_DRAW_TOP,
  SHT_DRAW_LEFT,
  SHT_DRAW_FLIP,
  SHT_DRAW_ROTATE,
  SHT_DRAW_BRIGHTNESS,
  SHT_DRAW_CONTRAST,
  SHT_DRAW_SATURATION,
  SHT_DRAW_HUE
};
// 1 and 1/2 in 2^-16, a turn in 2^-24, channels of a colour image.
enum { SHT_ONE = 1 << 16, SHT_HALF = 1 << 15, SHT_TURN = 1 << 24, SHT_COLOURS = 3 };

// An augmentation in whole numbers: what a draw needs to know of it.
typedef struct sht__variant_limits {
  bool crop;
  uint32_t padding;
  uint64_t flip;       // floor(p * 2^32)
  int32_t rotate;      // M
  int32_t brightness;  // D
  int32_t contrast;
  int32_t saturation;
  int32_t hue;  // M
} sht__variant_limits;

void sht__variant_plan(const sht_augmentation *how, sht__variant_limits *out);

// Cosine and sine of an angle in 2^-24 turns, in 2^-16, each the nearest or the second nearest: eighths of a turn by
// symmetry, below that the first five terms of their series in integers of 2^-30. Exact at quarter turns.
SHT_EVERYWHERE void sht__turn(int32_t angle, int32_t *cosine, int32_t *sine) {
  const int64_t one = (int64_t)1 << 30;
  uint32_t wrapped = (uint32_t)angle & (SHT_TURN - 1);
  uint32_t quadrant = (wrapped + SHT_TURN / 8) / (SHT_TURN / 4) % 4;
  int32_t rest = (int32_t)((wrapped + SHT_TURN / 8) % (SHT_TURN / 4)) - SHT_TURN / 8;  // within an eighth of a turn
  // 2 pi 2^30 / 2^24, in 2^-22: radians in 2^-30
  int64_t t = ((int64_t)(rest < 0 ? -rest : rest) * 1686629713 + (1 << 21)) >> 22;
  int64_t t2 = t * t >> 30;
  int64_t s = one - t2 / 72;
  int64_t c = one - t2 / 90;
  s = one - (t2 * s >> 30) / 42;
  c = one - (t2 * c >> 30) / 56;
  s = one - (t2 * s >> 30) / 20;
  c = one - (t2 * c >> 30) / 30;
  s = one - (t2 * s >> 30) / 6;
  c = one - (t2 * c >> 30) / 12;
  c = one - (t2 * c >> 30) / 2;
  int32_t sin_rest = (int32_t)(((t * s >> 30) + (1 << 13)) >> 14);
  int32_t cos_rest = (int32_t)((c + (1 << 13)) >> 14);
  sin_rest = rest < 0 ? -sin_rest : sin_rest;
  const int32_t cosines[4] = {cos_rest, -sin_rest, -cos_rest, sin_rest};
  const int32_t sines[4] = {sin_rest, cos_rest, -sin_rest, -cos_rest};
  *cosine = cosines[quadrant];
  *sine = sines[quadrant];
}

// Drawn from -limit to limit, each as likely.
SHT_EVERYWHERE int32_t sht__draw_around(sht_rng rng, uint32_t epoch, uint64_t example, uint32_t draw, int32_t limit) {
  return limit == 0 ? 0 : (int32_t)sht__philox_below(rng, epoch, example, draw, 2 * (uint32_t)limit + 1) - limit;
}

// The window's first row or column.
SHT_EVERYWHERE int32_t sht__draw_place(sht_rng rng, uint32_t epoch, uint64_t example, uint32_t draw,
                                       const sht__variant_limits *limits, uint32_t stored, uint32_t window) {
  if (!limits->crop) {
    return (int32_t)((stored - window) / 2);
  }
  return (int32_t)sht__philox_below(rng, epoch, example, draw, stored - window + 2 * limits->padding + 1) -
         (int32_t)limits->padding;
}

// T of a turn of the hue (2^-24 turns) and a saturation (2^-16): see shatter/augment.h.
SHT_EVERYWHERE void sht__colour_transform(int32_t turn, int32_t saturation, int32_t transform[3][3]) {
  // Luma of ITU-R BT.601, in 2^-16: L has it in every row. And Q.
  const int32_t luma[3] = {19595, 38470, 7471};
  const int32_t quarter[3][3] = {{10993, 21582, -32575}, {-21503, 2324, 19179}, {81890, -68573, -13317}};
  int32_t cosine = 0;
  int32_t sine = 0;
  sht__turn(turn, &cosine, &sine);
  int64_t c = ((int64_t)saturation * cosine + SHT_HALF) >> 16;
  int64_t s = ((int64_t)saturation * sine + SHT_HALF) >> 16;
  for (int i = 0; i < SHT_COLOURS; i++) {
    for (int j = 0; j < SHT_COLOURS; j++) {
      int64_t colour = (i == j ? SHT_ONE : 0) - luma[j];
      transform[i][j] = luma[j] + (int32_t)((c * colour + s * quarter[i][j] + SHT_HALF) >> 16);
    }
  }
}

SHT_EVERYWHERE void sht__colour_draw(const sht__variant_limits *limits, sht_rng rng, uint32_t epoch, uint64_t example,
                                     sht_variant *out) {
  int32_t turn = sht__draw_around(rng, epoch, example, SHT_DRAW_HUE, limits->hue);
  int32_t saturation = SHT_ONE + sht__draw_around(rng, epoch, example, SHT_DRAW_SATURATION, limits->saturation);
  out->contrast = SHT_ONE + sht__draw_around(rng, epoch, example, SHT_DRAW_CONTRAST, limits->contrast);
  out->brightness = sht__draw_around(rng, epoch, example, SHT_DRAW_BRIGHTNESS, limits->brightness);
  out->coloured = turn != 0 || saturation != SHT_ONE || out->contrast != SHT_ONE || out->brightness != 0;
  sht__colour_transform(turn, saturation, out->transform);
}

// See sht_variant_draw; rng: the stream (seed, SHT_PURPOSE_AUGMENT).
SHT_EVERYWHERE void sht__variant_draw(const sht__variant_limits *limits, sht_rng rng, uint32_t epoch, uint64_t example,
                                      const sht_variant_shape *shape, sht_variant *out) {
  out->top = sht__draw_place(rng, epoch, example, SHT_DRAW_TOP, limits, shape->height, shape->window_height);
  out->left = sht__draw_place(rng, epoch, example, SHT_DRAW_LEFT, limits, shape->width, shape->window_width);
  out->flip = sht__philox_u32(rng, epoch, example, SHT_DRAW_FLIP) < limits->flip;
  int32_t angle = sht__draw_around(rng, epoch, example, SHT_DRAW_ROTATE, limits->rotate);
  out->rotated = angle != 0;
  sht__turn(angle, &out->cosine, &out->sine);
  sht__colour_draw(limits, rng, epoch, example, out);
}

SHT_EVERYWHERE uint32_t sht__clamp_place(int32_t place, uint32_t size) {
  return place < 0 ? 0 : (uint32_t)place >= size ? size - 1 : (uint32_t)place;
}

// Where the stored pixel of row y, column x of a window that does not turn begins in its image.
SHT_EVERYWHERE uint64_t sht__pixel_place(const sht_variant *variant, const sht_variant_shape *shape, uint32_t y,
                                         uint32_t x) {
  const uint32_t seen = variant->flip ? shape->window_width - 1 - x : x;
  const uint64_t row = sht__clamp_place(variant->top + (int32_t)y, shape->height);
  return (row * shape->width + sht__clamp_place(variant->left + (int32_t)seen, shape->width)) * shape->channels;
}

// Where a pixel of a window that turns lies in its image, in 2^-8 pixels.
typedef struct sht__turned_place {
  int32_t x, y;
} sht__turned_place;

SHT_EVERYWHERE sht__turned_place sht__turned_place_of(const sht_variant *variant, const sht_variant_shape *shape,
                                                      int32_t row, int32_t column) {
  const int32_t width = (int32_t)shape->window_width;
  const int32_t height = (int32_t)shape->window_height;
  const int32_t middle_x = variant->left * (2 * SHT_ONE) + (width - 1) * SHT_ONE + 256;
  const int32_t middle_y = variant->top * (2 * SHT_ONE) + (height - 1) * SHT_ONE + 256;
  const int32_t v = 2 * row - (height - 1);
  const int32_t u = 2 * (variant->flip ? width - 1 - column : column) - (width - 1);
  sht__turned_place place;
  place.x = (middle_x + u * variant->cosine - v * variant->sine) >> 9;
  place.y = (middle_y + u * variant->sine + v * variant->cosine) >> 9;
  return place;
}

// Channel c of the four stored pixels around a place, weighted by how near they are.
SHT_EVERYWHERE uint8_t sht__level_between(const sht_variant_shape *shape, const uint8_t *stored, sht__turned_place at,
                                          uint32_t c) {
  const uint32_t channels = shape->channels;
  const uint32_t fx = (uint32_t)at.x & 255;
  const uint32_t fy = (uint32_t)at.y & 255;
  const uint64_t left = (uint64_t)sht__clamp_place(at.x >> 8, shape->width) * channels + c;
  const uint64_t right = (uint64_t)sht__clamp_place((at.x >> 8) + 1, shape->width) * channels + c;
  const uint8_t *above = stored + (uint64_t)sht__clamp_place(at.y >> 8, shape->height) * shape->width * channels;
  const uint8_t *below = stored + (uint64_t)sht__clamp_place((at.y >> 8) + 1, shape->height) * shape->width * channels;
  uint32_t high = (256 - fx) * above[left] + fx * above[right];
  uint32_t low = (256 - fx) * below[left] + fx * below[right];
  return (uint8_t)(((256 - fy) * high + fy * low + SHT_HALF) >> 16);
}

// Row y, column x of the window, before colour. to: [channels], apart from `stored`.
SHT_EVERYWHERE void sht__variant_pixel(const sht_variant *variant, const sht_variant_shape *shape,
                                       const uint8_t *stored, uint32_t y, uint32_t x, uint8_t *to) {
  if (variant->rotated) {
    const sht__turned_place at = sht__turned_place_of(variant, shape, (int32_t)y, (int32_t)x);
    for (uint32_t c = 0; c < shape->channels; c++) {
      to[c] = sht__level_between(shape, stored, at, c);
    }
    return;
  }
  const uint8_t *from = stored + sht__pixel_place(variant, shape, y, x);
  for (uint32_t c = 0; c < shape->channels; c++) {
    to[c] = from[c];
  }
}

// Mean of a channel in 2^-16 levels, from its sum over the window.
SHT_EVERYWHERE int64_t sht__channel_mean(uint64_t sum, uint64_t positions) {
  // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): an image has at least one position
  return (int64_t)(((sum << 16) + positions / 2) / positions);
}

// What is added to a channel: t is the channel's mean after T.
SHT_EVERYWHERE int32_t sht__channel_offset(const sht_variant *variant, int64_t t) {
  return (int32_t)(((SHT_ONE - variant->contrast) * t + SHT_HALF) >> 16) + variant->brightness + SHT_HALF;
}

SHT_EVERYWHERE uint8_t sht__clamp_level(int32_t level) { return (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level); }

// A and B of shatter/augment.h for three channels.
typedef struct sht__colour {
  int32_t a[3][3];
  int32_t b[3];
} sht__colour;

// sums: [3] of the window's levels.
SHT_EVERYWHERE void sht__colour_plan(const sht_variant *variant, const uint64_t *sums, uint64_t positions,
                                     sht__colour *out) {
  for (int i = 0; i < SHT_COLOURS; i++) {
    int64_t turned = SHT_HALF;
    for (int j = 0; j < SHT_COLOURS; j++) {
      turned += variant->transform[i][j] * sht__channel_mean(sums[j], positions);
      out->a[i][j] = (int32_t)(((int64_t)variant->contrast * variant->transform[i][j] + SHT_HALF) >> 16);
    }
    out->b[i] = sht__channel_offset(variant, turned >> 16);
  }
}

// levels: [3] of one pixel.
SHT_EVERYWHERE void sht__colour_pixel(const sht__colour *colour, uint8_t *levels) {
  int32_t red = levels[0];
  int32_t green = levels[1];
  int32_t blue = levels[2];
  for (int i = 0; i < SHT_COLOURS; i++) {
    levels[i] = sht__clamp_level(
        (colour->a[i][0] * red + colour->a[i][1] * green + colour->a[i][2] * blue + colour->b[i]) >> 16);
  }
}

// One level of an image that does not have three channels; offset: sht__channel_offset of its channel's mean.
SHT_EVERYWHERE uint8_t sht__contrast_level(const sht_variant *variant, int32_t offset, uint8_t level) {
  return sht__clamp_level((variant->contrast * level + offset) >> 16);
}

#endif
