// Features of random convolutions: see kernels.h, and kernel/randconv.c for what they are.
#include <vector_functions.h>

#include "dense/bf16.h"
#include "engine/cuda/launch.cuh"
#include "kernel/cuda/kernels.h"

namespace {

constexpr unsigned THREADS = 256;
constexpr int SIGNS = 2;

unsigned blocks(uint64_t threads) { return static_cast<unsigned>((threads + THREADS - 1) / THREADS); }

__device__ inline uint64_t thread_number() { return static_cast<uint64_t>(blockIdx.x) * THREADS + threadIdx.x; }

// Where a patch begins: its first pixel, and whether the pixels of its rows follow from right to left.
struct corner {
  uint64_t place;
  bool mirrored;
};

// The levels of a patch, in order.
struct walk {
  const card_layer &layer;
  const void *pixels;
  uint64_t place;
  bool mirrored;
  uint32_t in_pixel, in_row;  // that are left

  __device__ walk(const card_layer &of, const void *from, const corner &at)
      : layer(of), pixels(from), place(at.place), mirrored(at.mirrored), in_pixel(of.step), in_row(of.run) {}

  __device__ float next() {
    const float grey = layer.words ? static_cast<float>(static_cast<const int16_t *>(pixels)[place])
                                   : static_cast<float>(static_cast<const uint8_t *>(pixels)[place]);
    place++;
    if (--in_pixel == 0) {
      place -= mirrored ? 2 * layer.step : 0;
      in_pixel = layer.step;
    }
    if (--in_row == 0) {
      place += mirrored ? layer.row + layer.run : layer.row - layer.run;
      in_row = layer.run;
    }
    return grey / layer.whole;
  }
};

// Mean, and one over the deviation, of a patch.
__device__ inline void measure(const card_layer &layer, const void *pixels, const corner &at, float *mean,
                               float *scale) {
  const float taps = static_cast<float>(layer.taps);
  float sum = 0, squares = 0;
  walk first(layer, pixels, at), second(layer, pixels, at);
  for (uint32_t t = 0; t < layer.taps; t++) {
    sum += first.next();
  }
  *mean = sum / taps;
  for (uint32_t t = 0; t < layer.taps; t++) {
    const float value = second.next() - *mean;
    squares += value * value;
  }
  *scale = 1 / sqrtf(squares / taps + layer.contrast);
}

__device__ inline corner corner_of(const card_layer &layer, uint64_t number) {
  const uint64_t columns = layer.places[1], places = layer.places[0] * columns;
  const uint64_t view = number / places % layer.views, image = number / places / layer.views;
  const uint64_t y = number % places / columns, x = number % columns;
  const uint64_t row = image * layer.image + y * layer.row;
  return view == 0 ? corner{row + x * layer.step, false} : corner{row + layer.row - (x + 1) * layer.step, true};
}

// A thread has a patch, and writes it vector by vector.
__global__ void patches(const card_layer layer, const void *pixels, uint64_t images, uint16_t *to) {
  const uint64_t places = static_cast<uint64_t>(layer.places[0]) * layer.places[1], number = thread_number();
  if (number >= images * layer.views * places) {
    return;
  }
  const corner at = corner_of(layer, number);
  float mean, scale;
  measure(layer, pixels, at, &mean, &scale);
  walk levels(layer, pixels, at);
  for (uint32_t first = 0; first < layer.depth; first += CARD_VECTOR) {
    uint32_t words[CARD_VECTOR / 2] = {0};
#pragma unroll
    for (uint32_t v = 0; v < CARD_VECTOR; v++) {
      const uint32_t tap = first + v;
      const float value = tap < layer.taps ? (levels.next() - mean) * scale : tap < layer.taps + layer.ones ? 1 : 0;
      words[v / 2] |= sht__bf16_bits(value) >> (v % 2 == 0 ? 16 : 0);
    }
    *reinterpret_cast<uint4 *>(to + number * layer.depth + first) = make_uint4(words[0], words[1], words[2], words[3]);
  }
}

// Adds what passes the thresholds in one segment; at: of a filter in a view of an image.
__device__ inline void sum_segment(const card_layer &layer, const float *at, uint64_t filters, int row, int column,
                                   float *plus, float *minus) {
  for (uint32_t y = layer.bounds[0][row]; y < layer.bounds[0][row + 1]; y++) {
    for (uint32_t x = layer.bounds[1][column]; x < layer.bounds[1][column + 1]; x++) {
      const float response = at[(static_cast<uint64_t>(y) * layer.places[1] + x) * filters];
      *plus += fmaxf(response - layer.threshold, 0);
      *minus += fmaxf(-response - layer.threshold, 0);
    }
  }
}

// A thread has a filter in an image.
__global__ void pool(const card_layer layer, const float *responses, uint32_t filters, uint16_t *to) {
  const uint64_t filter = thread_number(), image = blockIdx.y, places = layer.places[0] * layer.places[1];
  if (filter >= filters) {
    return;
  }
  const float *at = responses + image * layer.views * places * filters + filter;
  float sums[SIGNS][CARD_SEGMENTS][CARD_SEGMENTS] = {};
#pragma unroll
  for (int row = 0; row < CARD_SEGMENTS; row++) {
#pragma unroll
    for (int column = 0; column < CARD_SEGMENTS; column++) {
      for (uint32_t view = 0; view < layer.views; view++) {
        sum_segment(layer, at + view * places * filters, filters, row, column, &sums[0][row][column],
                    &sums[1][row][column]);
      }
    }
  }
  to += image * SIGNS * CARD_WINDOWS * CARD_WINDOWS * filters + filter;
#pragma unroll
  for (int w = 0; w < SIGNS * CARD_WINDOWS * CARD_WINDOWS; w++) {
    const int sign = w / (CARD_WINDOWS * CARD_WINDOWS), row = w / CARD_WINDOWS % CARD_WINDOWS,
              column = w % CARD_WINDOWS;
    float sum = 0;
#pragma unroll
    for (int s = 0; s < CARD_WINDOWS * CARD_WINDOWS; s++) {
      sum += sums[sign][row + s / CARD_WINDOWS][column + s % CARD_WINDOWS];
    }
    to[static_cast<uint64_t>(w) * filters] = static_cast<uint16_t>(sht__bf16_bits(layer.share * sum) >> 16);
  }
}

__global__ void widen(const uint16_t *from, uint64_t count, double *to) {
  const uint64_t i = thread_number();
  if (i < count) {
    to[i] = __uint_as_float(static_cast<unsigned>(from[i]) << 16);
  }
}

}  // namespace

extern "C" {

void card_run_patches(const card_layer *layer, const void *pixels, uint64_t images, uint16_t *to, cudaStream_t stream) {
  const uint64_t places = static_cast<uint64_t>(layer->places[0]) * layer->places[1];
  launch(patches, dim3(blocks(images * layer->views * places)), THREADS, stream, *layer, pixels, images, to);
}

void card_run_pool(const card_layer *layer, const float *responses, uint64_t images, uint32_t filters, uint16_t *to,
                   cudaStream_t stream) {
  launch(pool, dim3(blocks(filters), static_cast<unsigned>(images)), THREADS, stream, *layer, responses, filters, to);
}

void card_run_widen(const uint16_t *from, uint64_t count, double *to, cudaStream_t stream) {
  launch(widen, dim3(blocks(count)), THREADS, stream, from, count, to);
}

}  // extern "C"
