// One variant of an image: drawing its numbers, and carrying it out on bytes. See shatter/augment.h.
#include "data/variant.h"

#include <math.h>
#include <string.h>

#include "shatter/augment.h"
#include "shatter/random.h"

enum { DRAW_TOP, DRAW_LEFT, DRAW_FLIP, DRAW_ROTATE, DRAW_BRIGHTNESS, DRAW_CONTRAST, DRAW_SATURATION, DRAW_HUE };
enum { ONE = 1 << 16, HALF = 1 << 15, TURN = 1 << 24, CHANNELS = 3 };

// Luma of ITU-R BT.601, in 2^-16: L has it in every row.
static const int32_t luma[CHANNELS] = {19595, 38470, 7471};
static const int32_t quarter[CHANNELS][CHANNELS] = {
    {10993, 21582, -32575}, {-21503, 2324, 19179}, {81890, -68573, -13317}};  // Q

void sht__turn(int32_t angle, int32_t *cosine, int32_t *sine) {
  const int64_t one = (int64_t)1 << 30;
  uint32_t wrapped = (uint32_t)angle & (TURN - 1);
  uint32_t quadrant = (wrapped + TURN / 8) / (TURN / 4) % 4;
  int32_t rest = (int32_t)((wrapped + TURN / 8) % (TURN / 4)) - TURN / 8;  // within an eighth of a turn
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
static int32_t draw_around(sht_rng rng, uint32_t epoch, uint64_t example, uint32_t draw, int32_t limit) {
  return limit == 0 ? 0 : (int32_t)sht_rng_below(rng, epoch, example, draw, 2 * (uint32_t)limit + 1) - limit;
}

static int32_t fixed(double value, double unit) { return (int32_t)lround(value * unit); }

// The window's first row or column.
static int32_t place(sht_rng rng, uint32_t epoch, uint64_t example, uint32_t draw, const sht_augmentation *how,
                     uint32_t stored, uint32_t window) {
  if (!how->crop) {
    return (int32_t)((stored - window) / 2);
  }
  return (int32_t)sht_rng_below(rng, epoch, example, draw, stored - window + 2 * how->padding + 1) -
         (int32_t)how->padding;
}

void sht__colour_transform(int32_t turn, int32_t saturation, int32_t transform[3][3]) {
  int32_t cosine = 0;
  int32_t sine = 0;
  sht__turn(turn, &cosine, &sine);
  int64_t c = ((int64_t)saturation * cosine + HALF) >> 16;
  int64_t s = ((int64_t)saturation * sine + HALF) >> 16;
  for (int i = 0; i < CHANNELS; i++) {
    for (int j = 0; j < CHANNELS; j++) {
      int64_t colour = (i == j ? ONE : 0) - luma[j];
      transform[i][j] = luma[j] + (int32_t)((c * colour + s * quarter[i][j] + HALF) >> 16);
    }
  }
}

static void draw_colour(const sht_augmentation *how, sht_rng rng, uint32_t epoch, uint64_t example, sht_variant *out) {
  int32_t turn = draw_around(rng, epoch, example, DRAW_HUE, fixed(how->hue, TURN));
  int32_t saturation = ONE + draw_around(rng, epoch, example, DRAW_SATURATION, fixed(how->saturation, ONE));
  out->contrast = ONE + draw_around(rng, epoch, example, DRAW_CONTRAST, fixed(how->contrast, ONE));
  out->brightness = draw_around(rng, epoch, example, DRAW_BRIGHTNESS, fixed(how->brightness * 255, ONE));
  out->coloured = turn != 0 || saturation != ONE || out->contrast != ONE || out->brightness != 0;
  sht__colour_transform(turn, saturation, out->transform);
}

void sht_variant_draw(const sht_augmentation *how, uint64_t seed, uint32_t epoch, uint64_t example,
                      const sht_variant_shape *shape, sht_variant *out) {
  sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_AUGMENT);
  *out = (sht_variant){
      .top = place(rng, epoch, example, DRAW_TOP, how, shape->height, shape->window_height),
      .left = place(rng, epoch, example, DRAW_LEFT, how, shape->width, shape->window_width),
      .flip = sht_rng_u32(rng, epoch, example, DRAW_FLIP) < (uint64_t)floor(how->flip * 0x1p32),
  };
  int32_t angle = draw_around(rng, epoch, example, DRAW_ROTATE, fixed(how->rotate / 360, TURN));
  out->rotated = angle != 0;
  sht__turn(angle, &out->cosine, &out->sine);
  draw_colour(how, rng, epoch, example, out);
}

static uint32_t clamp_place(int32_t place, uint32_t size) {
  return place < 0 ? 0 : (uint32_t)place >= size ? size - 1 : (uint32_t)place;
}

static void copy_pixel(const uint8_t *from, uint32_t channels, uint8_t *to) {
  for (uint32_t c = 0; c < channels; c++) {
    to[c] = from[c];
  }
}

// Rows of the window as they are, or mirrored.
static void cut_window(const sht_variant *variant, const sht_variant_shape *shape, const uint8_t *stored,
                       uint8_t *out) {
  const uint32_t channels = shape->channels;
  const uint32_t width = shape->window_width;
  const bool inside = variant->left >= 0 && (uint32_t)variant->left + width <= shape->width;
  for (uint32_t y = 0; y < shape->window_height; y++) {
    const uint8_t *row =
        stored + (uint64_t)clamp_place(variant->top + (int32_t)y, shape->height) * shape->width * channels;
    uint8_t *to = out + (uint64_t)y * width * channels;
    if (inside && !variant->flip) {
      memcpy(to, row + (uint64_t)variant->left * channels, (uint64_t)width * channels);
      continue;
    }
    for (uint32_t x = 0; x < width; x++) {
      uint32_t from = clamp_place(variant->left + (int32_t)(variant->flip ? width - 1 - x : x), shape->width);
      copy_pixel(row + (uint64_t)from * channels, channels, to + (uint64_t)x * channels);
    }
  }
}

// The four stored pixels around (x, y), in 2^-8 pixels, weighted by how near they are.
static void read_between(const sht_variant_shape *shape, const uint8_t *stored, int32_t x, int32_t y, uint8_t *to) {
  const uint32_t channels = shape->channels;
  const uint32_t fx = (uint32_t)x & 255;
  const uint32_t fy = (uint32_t)y & 255;
  const uint64_t left = (uint64_t)clamp_place(x >> 8, shape->width) * channels;
  const uint64_t right = (uint64_t)clamp_place((x >> 8) + 1, shape->width) * channels;
  const uint8_t *above = stored + (uint64_t)clamp_place(y >> 8, shape->height) * shape->width * channels;
  const uint8_t *below = stored + (uint64_t)clamp_place((y >> 8) + 1, shape->height) * shape->width * channels;
  for (uint32_t c = 0; c < channels; c++) {
    uint32_t high = (256 - fx) * above[left + c] + fx * above[right + c];
    uint32_t low = (256 - fx) * below[left + c] + fx * below[right + c];
    to[c] = (uint8_t)(((256 - fy) * high + fy * low + HALF) >> 16);
  }
}

static void turn_window(const sht_variant *variant, const sht_variant_shape *shape, const uint8_t *stored,
                        uint8_t *out) {
  const int32_t width = (int32_t)shape->window_width;
  const int32_t height = (int32_t)shape->window_height;
  const int32_t middle_x = variant->left * (2 * ONE) + (width - 1) * ONE + 256;
  const int32_t middle_y = variant->top * (2 * ONE) + (height - 1) * ONE + 256;
  for (int32_t y = 0; y < height; y++) {
    int32_t v = 2 * y - (height - 1);
    for (int32_t x = 0; x < width; x++, out += shape->channels) {
      int32_t u = 2 * (variant->flip ? width - 1 - x : x) - (width - 1);
      read_between(shape, stored, (middle_x + u * variant->cosine - v * variant->sine) >> 9,
                   (middle_y + u * variant->sine + v * variant->cosine) >> 9, out);
    }
  }
}

static uint8_t clamp_level(int32_t level) { return (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level); }

// Mean of a channel in 2^-16 levels. levels: [positions][channels]
static int64_t mean_of(const uint8_t *levels, uint64_t positions, uint32_t channels) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < positions; i++) {
    sum += levels[i * channels];
  }
  // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): an image has at least one position
  return (int64_t)(((sum << 16) + positions / 2) / positions);
}

// What is added to a channel: t is the channel's mean after T.
static int32_t offset_of(const sht_variant *variant, int64_t t) {
  return (int32_t)(((ONE - variant->contrast) * t + HALF) >> 16) + variant->brightness + HALF;
}

static void colour_three(const sht_variant *variant, uint64_t positions, uint8_t *levels) {
  int32_t a[CHANNELS][CHANNELS];
  int32_t b[CHANNELS];
  int64_t means[CHANNELS];
  for (int j = 0; j < CHANNELS; j++) {
    means[j] = mean_of(levels + j, positions, CHANNELS);
  }
  for (int i = 0; i < CHANNELS; i++) {
    int64_t turned = HALF;
    for (int j = 0; j < CHANNELS; j++) {
      turned += variant->transform[i][j] * means[j];
      a[i][j] = (int32_t)(((int64_t)variant->contrast * variant->transform[i][j] + HALF) >> 16);
    }
    b[i] = offset_of(variant, turned >> 16);
  }
  for (uint64_t p = 0; p < positions; p++, levels += CHANNELS) {
    int32_t red = levels[0];
    int32_t green = levels[1];
    int32_t blue = levels[2];
    for (int i = 0; i < CHANNELS; i++) {
      levels[i] = clamp_level((a[i][0] * red + a[i][1] * green + a[i][2] * blue + b[i]) >> 16);
    }
  }
}

static void colour_each(const sht_variant *variant, uint64_t positions, uint32_t channels, uint8_t *levels) {
  for (uint32_t c = 0; c < channels; c++) {
    int32_t offset = offset_of(variant, mean_of(levels + c, positions, channels));
    for (uint64_t i = c; i < positions * channels; i += channels) {
      levels[i] = clamp_level((variant->contrast * levels[i] + offset) >> 16);
    }
  }
}

void sht_variant_apply(const sht_variant *variant, const sht_variant_shape *shape, const uint8_t *stored,
                       uint8_t *out) {
  uint64_t positions = (uint64_t)shape->window_height * shape->window_width;
  (variant->rotated ? turn_window : cut_window)(variant, shape, stored, out);
  if (variant->coloured && shape->channels == CHANNELS) {
    colour_three(variant, positions, out);
  } else if (variant->coloured) {
    colour_each(variant, positions, shape->channels, out);
  }
}
