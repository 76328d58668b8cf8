// An example on its way into the network, as threads of one block share the work: its window, its augmentation, its
// whitening. The parts are the same code on the card (kernels_input.cu) and in a test without one, which plays the
// threads in turn and compares with sht_pipeline_fill, bit for bit.
//
// Thread `thread` of `threads` has the positions thread, thread + threads, ... of the window. In order, with sums over
// all threads between the parts:
//   sht__example_window -> [colour: sht__example_channel -> sht__example_colour] -> sht__example_sums ->
//   sht__example_whitening, sht__example_value
#ifndef SHT_ENGINE_CUDA_EXAMPLE_H
#define SHT_ENGINE_CUDA_EXAMPLE_H

#include <string.h>

#include "data/variant.h"
#include "data/whiten.h"

// A split and how its examples become inputs: sht_pipeline in what a kernel can read.
typedef struct sht__example_source {
  const void *pixels;      // [N][H][W][C], uint8_t or int16_t
  const uint16_t *labels;  // [N]
  sht_variant_shape shape;
  bool u8;
  bool whiten;
  bool varied;  // augmentation is on
  sht_rng rng;  // (seed, SHT_PURPOSE_AUGMENT)
  sht__variant_limits limits;
} sht__example_source;

// What a thread sums: exact, so that the order does not matter.
typedef struct sht__example_sum {
  int64_t sum;
  uint64_t squares;
} sht__example_sum;

SHT_EVERYWHERE uint32_t sht__example_positions(const sht__example_source *from) {
  return from->shape.window_height * from->shape.window_width;
}

// The variant of an example: of one that is not varied, its centre window as it is.
SHT_EVERYWHERE void sht__example_draw(const sht__example_source *from, uint32_t epoch, uint64_t example,
                                      sht_variant *out) {
  if (from->varied) {
    sht__variant_draw(&from->limits, from->rng, epoch, example, &from->shape, out);
    return;
  }
  memset(out, 0, sizeof *out);
  out->top = (int32_t)((from->shape.height - from->shape.window_height) / 2);
  out->left = (int32_t)((from->shape.width - from->shape.window_width) / 2);
}

// The thread's part of the window into levels: [h * w * C].
SHT_EVERYWHERE void sht__example_window(const sht__example_source *from, const sht_variant *variant, uint64_t example,
                                        uint32_t thread, uint32_t threads, int16_t *levels) {
  const sht_variant_shape *shape = &from->shape;
  const uint32_t channels = shape->channels;
  const uint64_t image = example * shape->height * shape->width * channels;
  for (uint32_t p = thread; p < sht__example_positions(from); p += threads) {
    const uint32_t y = p / shape->window_width;
    const uint32_t x = p % shape->window_width;
    const uint64_t place = sht__pixel_place(variant, shape, y, x);
    sht__turned_place turned = {0, 0};
    if (variant->rotated) {
      turned = sht__turned_place_of(variant, shape, (int32_t)y, (int32_t)x);
    }
    for (uint32_t c = 0; c < channels; c++) {
      int16_t *to = levels + (uint64_t)p * channels + c;
      if (!from->u8) {
        *to = ((const int16_t *)from->pixels)[image + place + c];
      } else if (variant->rotated) {
        *to = sht__level_between(shape, (const uint8_t *)from->pixels + image, turned, c);
      } else {
        *to = ((const uint8_t *)from->pixels)[image + place + c];
      }
    }
  }
}

// The thread's part of the sum of channel c.
SHT_EVERYWHERE uint64_t sht__example_channel(const sht__example_source *from, uint32_t c, uint32_t thread,
                                             uint32_t threads, const int16_t *levels) {
  uint64_t sum = 0;
  for (uint32_t p = thread; p < sht__example_positions(from); p += threads) {
    sum += (uint64_t)levels[(uint64_t)p * from->shape.channels + c];
  }
  return sum;
}

// Colours the thread's part of an image of three channels. sums: [3].
SHT_EVERYWHERE void sht__example_colour(const sht__example_source *from, const sht_variant *variant,
                                        const uint64_t *sums, uint32_t thread, uint32_t threads, int16_t *levels) {
  sht__colour colour;
  sht__colour_plan(variant, sums, sht__example_positions(from), &colour);
  for (uint32_t p = thread; p < sht__example_positions(from); p += threads) {
    int16_t *pixel = levels + (uint64_t)p * SHT_COLOURS;
    uint8_t bytes[3] = {(uint8_t)pixel[0], (uint8_t)pixel[1], (uint8_t)pixel[2]};
    sht__colour_pixel(&colour, bytes);
    for (int c = 0; c < SHT_COLOURS; c++) {
      pixel[c] = bytes[c];
    }
  }
}

// The same for channel c of another image.
SHT_EVERYWHERE void sht__example_contrast(const sht__example_source *from, const sht_variant *variant, uint32_t c,
                                          uint64_t sum, uint32_t thread, uint32_t threads, int16_t *levels) {
  const uint32_t positions = sht__example_positions(from);
  const int32_t offset = sht__channel_offset(variant, sht__channel_mean(sum, positions));
  for (uint32_t p = thread; p < positions; p += threads) {
    int16_t *level = levels + (uint64_t)p * from->shape.channels + c;
    *level = sht__contrast_level(variant, offset, (uint8_t)*level);
  }
}

// The thread's part of the sums that whitening needs.
SHT_EVERYWHERE sht__example_sum sht__example_sums(const sht__example_source *from, uint32_t thread, uint32_t threads,
                                                  const int16_t *levels) {
  sht__example_sum out = {0, 0};
  for (uint32_t p = thread; p < sht__example_positions(from); p += threads) {
    for (uint32_t c = 0; c < from->shape.channels; c++) {
      int32_t level = levels[(uint64_t)p * from->shape.channels + c];
      out.sum += level;
      out.squares += (uint64_t)(level * level);
    }
  }
  return out;
}

SHT_EVERYWHERE sht__whitening sht__example_whitening(const sht__example_source *from, sht__example_sum all) {
  const uint64_t n = (uint64_t)sht__example_positions(from) * from->shape.channels;
  return from->whiten ? sht__whiten_plan(n, from->u8, all.sum, all.squares) : sht__whiten_none(from->u8);
}

#endif
