// From examples to the engine's input: window, augmentation, whitening, order. See shatter/data.h.
//
// With integer levels v (of `unit` to the interval [0,1]) in an image of n values, S = sum v and D = n sum v^2 - S^2:
//   (x - mean) / max(sd, 1/sqrt(n)) = (n v - S) / max(sqrt(D), unit sqrt(n)).
// The numerator is an exact integer, so that each value is rounded only by float conversion and one product.
#include <math.h>

#include "shatter/data.h"

enum { UNIT_U8 = 255, UNIT_I16 = 255 * 64 };

// Where the window of one image lies in the split.
typedef struct window {
  uint64_t first;   // value of its upper left corner
  uint32_t rows;    // runs of values that lie together
  uint32_t length;  // of a run
  uint64_t stride;  // from run to run
} window;

static window window_of(const sht_pipeline *pipeline, uint64_t example) {
  const sht_split *split = pipeline->split;
  uint64_t row = (uint64_t)split->width * split->channels;
  uint64_t top = (split->height - pipeline->height) / 2;
  uint64_t left = (split->width - pipeline->width) / 2;
  window out = {.first = (example * split->height + top) * row + left * split->channels,
                .rows = pipeline->height,
                .length = pipeline->width * split->channels,
                .stride = row};
  if (out.length == row) {  // the whole width: one run
    out.length *= out.rows;
    out.rows = 1;
  }
  return out;
}

// Sums of a run, in parts that 32 bits hold: 2^16 squares of a byte.
static void sum_u8(const void *run, uint32_t length, int64_t *sum, uint64_t *squares) {
  const uint8_t *levels = run;
  enum { PART = 1 << 16 };
  for (uint32_t start = 0; start < length; start += PART) {
    uint32_t end = length - start < PART ? length : start + PART;
    uint32_t part_sum = 0;
    uint32_t part_squares = 0;
    for (uint32_t i = start; i < end; i++) {
      part_sum += levels[i];
      part_squares += (uint32_t)levels[i] * levels[i];
    }
    *sum += part_sum;
    *squares += part_squares;
  }
}

static void sum_i16(const void *run, uint32_t length, int64_t *sum, uint64_t *squares) {
  const int16_t *levels = run;
  for (uint32_t i = 0; i < length; i++) {
    *sum += levels[i];
    *squares += (uint64_t)((int32_t)levels[i] * levels[i]);
  }
}

// out = (n v - shift) * scale
static void scale_u8(const void *run, uint32_t length, float n, float shift, float scale, float *out) {
  const uint8_t *levels = run;
  for (uint32_t i = 0; i < length; i++) {
    out[i] = ((float)levels[i] * n - shift) * scale;
  }
}

static void scale_i16(const void *run, uint32_t length, float n, float shift, float scale, float *out) {
  const int16_t *levels = run;
  for (uint32_t i = 0; i < length; i++) {
    out[i] = ((float)levels[i] * n - shift) * scale;
  }
}

// `shift` and `scale` of an image from its sums.
static void plan(const window *view, bool u8, int64_t sum, uint64_t squares, float *shift, float *scale) {
  uint64_t n = (uint64_t)view->rows * view->length;
  unsigned __int128 spread = (unsigned __int128)n * squares - (unsigned __int128)((__int128)sum * sum);
  double root = sqrt((double)spread);
  double least = (u8 ? UNIT_U8 : UNIT_I16) * sqrt((double)n);
  *shift = (float)sum;
  *scale = (float)(1 / (root > least ? root : least));
}

// Levels of an image to its input. start: its first level; view: where the others lie.
static void whiten(const sht_pipeline *pipeline, const window *view, const uint8_t *start, float *x) {
  const bool u8 = pipeline->split->type == SHT_PIXEL_U8;
  const uint64_t size = u8 ? sizeof(uint8_t) : sizeof(int16_t);
  float n = 1;
  float shift = 0;
  float scale = 1.0F / (float)(u8 ? UNIT_U8 : UNIT_I16);
  if (pipeline->whiten) {
    int64_t sum = 0;
    uint64_t squares = 0;
    for (uint32_t row = 0; row < view->rows; row++) {
      (u8 ? sum_u8 : sum_i16)(start + row * view->stride * size, view->length, &sum, &squares);
    }
    n = (float)((uint64_t)view->rows * view->length);
    plan(view, u8, sum, squares, &shift, &scale);
  }
  for (uint32_t row = 0; row < view->rows; row++) {
    const uint8_t *run = start + row * view->stride * size;
    (u8 ? scale_u8 : scale_i16)(run, view->length, n, shift, scale, x + (uint64_t)row * view->length);
  }
}

void sht_pipeline_levels(const sht_pipeline *pipeline, uint32_t epoch, uint32_t example, uint8_t *out) {
  const sht_split *split = pipeline->split;
  const sht_variant_shape shape = {.height = split->height,
                                   .width = split->width,
                                   .window_height = pipeline->height,
                                   .window_width = pipeline->width,
                                   .channels = split->channels};
  sht_variant variant;
  sht_variant_draw(&pipeline->augment, pipeline->seed, epoch, example, &shape, &variant);
  uint64_t values = (uint64_t)shape.height * shape.width * shape.channels;
  sht_variant_apply(&variant, &shape, (const uint8_t *)split->pixels + example * values, out);
}

static void fill_plain(const sht_pipeline *pipeline, uint32_t example, float *x) {
  window view = window_of(pipeline, example);
  uint64_t size = pipeline->split->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t);
  whiten(pipeline, &view, (const uint8_t *)pipeline->split->pixels + view.first * size, x);
}

// The variant's levels wait in the last quarter of the image's own room, n bytes of 4n, so that no other memory is
// needed: value i is written to the bytes from 4i on when the levels from byte 3n + i + 1 on are still to be read.
static void fill_variant(const sht_pipeline *pipeline, uint32_t epoch, uint32_t example, float *x) {
  uint32_t n = pipeline->height * pipeline->width * pipeline->split->channels;
  uint8_t *levels = (uint8_t *)x + (uint64_t)n * (sizeof *x - 1);
  window view = {.rows = 1, .length = n, .stride = n};
  sht_pipeline_levels(pipeline, epoch, example, levels);
  whiten(pipeline, &view, levels, x);
}

void sht_pipeline_fill(const sht_pipeline *pipeline, uint32_t epoch, const uint32_t *examples, size_t n, float *x,
                       uint16_t *labels) {
  const sht_split *split = pipeline->split;
  const bool varied = sht_augmentation_is_on(&pipeline->augment);
  uint64_t values = (uint64_t)pipeline->height * pipeline->width * split->channels;
  for (size_t i = 0; i < n; i++) {
    if (varied) {
      fill_variant(pipeline, epoch, examples[i], x + i * values);
    } else {
      fill_plain(pipeline, examples[i], x + i * values);
    }
    labels[i] = split->labels[examples[i]];
  }
}

void sht_order_fill(uint64_t seed, uint32_t epoch, uint32_t count, uint32_t *order, uint64_t *scratch) {
  sht_rng_permutation(sht_rng_make(seed, SHT_PURPOSE_ORDER), epoch, 0, count, order, scratch);
}
