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

// The levels of a patch, in order.
struct walk {
  const card_layer &layer;
  const void *pixels;
  uint64_t place;
  uint32_t left;  // in the patch's row

  __device__ walk(const card_layer &of, const void *from, uint64_t corner)
      : layer(of), pixels(from), place(corner), left(of.run) {}

  __device__ float next() {
    const float grey = layer.words ? static_cast<float>(static_cast<const int16_t *>(pixels)[place])
                                   : static_cast<float>(static_cast<const uint8_t *>(pixels)[place]);
    place++;
    if (--left == 0) {
      place += layer.row - layer.run;
      left = layer.run;
    }
    return grey / layer.whole;
  }
};

// Mean, and one over the deviation, of a patch.
__device__ inline void measure(const card_layer &layer, const void *pixels, uint64_t corner, float *mean,
                               float *scale) {
  const float taps = static_cast<float>(layer.taps);
  float sum = 0, squares = 0;
  walk first(layer, pixels, corner), second(layer, pixels, corner);
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

// A thread has a patch, and writes it vector by vector.
__global__ void patches(const card_layer layer, const void *pixels, uint64_t images, uint16_t *to) {
  const uint64_t places = static_cast<uint64_t>(layer.places[0]) * layer.places[1], number = thread_number();
  if (number >= images * places) {
    return;
  }
  const uint64_t image = number / places, y = number % places / layer.places[1], x = number % layer.places[1];
  const uint64_t corner = image * layer.image + y * layer.row + x * layer.step;
  float mean, scale;
  measure(layer, pixels, corner, &mean, &scale);
  walk levels(layer, pixels, corner);
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

// The sums over one segment of what passes the thresholds; at: of a filter in an image.
__device__ inline void sum_segment(const card_layer &layer, const float *at, uint64_t filters, int row, int column,
                                   float *plus, float *minus) {
  *plus = *minus = 0;
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
  const float *at = responses + image * places * filters + filter;
  float sums[SIGNS][CARD_SEGMENTS][CARD_SEGMENTS];
#pragma unroll
  for (int row = 0; row < CARD_SEGMENTS; row++) {
#pragma unroll
    for (int column = 0; column < CARD_SEGMENTS; column++) {
      sum_segment(layer, at, filters, row, column, &sums[0][row][column], &sums[1][row][column]);
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
  launch(patches, dim3(blocks(images * places)), THREADS, stream, *layer, pixels, images, to);
}

void card_run_pool(const card_layer *layer, const float *responses, uint64_t images, uint32_t filters, uint16_t *to,
                   cudaStream_t stream) {
  launch(pool, dim3(blocks(filters), static_cast<unsigned>(images)), THREADS, stream, *layer, responses, filters, to);
}

void card_run_widen(const uint16_t *from, uint64_t count, double *to, cudaStream_t stream) {
  launch(widen, dim3(blocks(count)), THREADS, stream, from, count, to);
}

}  // extern "C"
