// From examples to the engine's input: window, augmentation, whitening, order. See shatter/data.h.
#include "data/whiten.h"
#include "shatter/data.h"

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

static void scale_u8(const void *run, uint32_t length, sht__whitening by, float *out) {
  const uint8_t *levels = run;
  for (uint32_t i = 0; i < length; i++) {
    out[i] = sht__whiten_level(by, levels[i]);
  }
}

static void scale_i16(const void *run, uint32_t length, sht__whitening by, float *out) {
  const int16_t *levels = run;
  for (uint32_t i = 0; i < length; i++) {
    out[i] = sht__whiten_level(by, levels[i]);
  }
}

// Levels of an image to its input. start: its first level; view: where the others lie.
static void whiten(const sht_pipeline *pipeline, const window *view, const uint8_t *start, float *x) {
  const bool u8 = pipeline->split->type == SHT_PIXEL_U8;
  const uint64_t size = u8 ? sizeof(uint8_t) : sizeof(int16_t);
  sht__whitening by = sht__whiten_none(u8);
  if (pipeline->whiten) {
    int64_t sum = 0;
    uint64_t squares = 0;
    for (uint32_t row = 0; row < view->rows; row++) {
      (u8 ? sum_u8 : sum_i16)(start + row * view->stride * size, view->length, &sum, &squares);
    }
    by = sht__whiten_plan((uint64_t)view->rows * view->length, u8, sum, squares);
  }
  for (uint32_t row = 0; row < view->rows; row++) {
    const uint8_t *run = start + row * view->stride * size;
    (u8 ? scale_u8 : scale_i16)(run, view->length, by, x + (uint64_t)row * view->length);
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
