// Gabor wavelets: see features.h for the bank.
//
// All 16 complex wavelets stand in one window of 27 x 27, real parts first: 32 filters side by side, so that a position
// of 32 images is one product of panels for each row of the window.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernel/features.h"

enum { WAVELENGTHS = 2, ORIENTATIONS = 8, WAVELETS = WAVELENGTHS * ORIENTATIONS, RADIUS = 13, SIDE = 2 * RADIUS + 1 };
enum { TAPS = SIDE * SIDE, CELL = 4, PART = WAVELETS * SHT_LANES };

static const double PI = 3.14159265358979323846, ENVELOPE = 0.56;
static const int wavelengths[WAVELENGTHS] = {4, 8};
// Three deviations of the envelope, 3 * .56 * wavelength, rounded down.
static const int radii[WAVELENGTHS] = {6, RADIUS};

typedef struct gabor {
  const sht__block_kernels *kernels;
  float *bank;  // [SIDE][SIDE][32 filters]
} gabor;

// Writes one wavelet: real [TAPS] and imaginary [TAPS], zero outside its radius; no mean, unit norm.
static void make_wavelet(int wavelength, int radius, int orientation, double *real, double *imaginary) {
  double angle = PI * orientation / ORIENTATIONS, deviation = ENVELOPE * wavelength;
  double envelope[TAPS] = {0}, weight = 0, mean_real = 0, mean_imaginary = 0, norm = 0;
  for (int t = 0; t < TAPS; t++) {
    int v = t / SIDE - RADIUS, u = t % SIDE - RADIUS;
    bool inside = abs(u) <= radius && abs(v) <= radius;
    double phase = 2 * PI * (u * cos(angle) + v * sin(angle)) / wavelength;
    envelope[t] = inside ? exp(-(u * u + v * v) / (2 * deviation * deviation)) : 0;
    real[t] = envelope[t] * cos(phase);
    imaginary[t] = envelope[t] * sin(phase);
    weight += envelope[t];
    mean_real += real[t];
    mean_imaginary += imaginary[t];
  }
  for (int t = 0; t < TAPS; t++) {
    real[t] -= envelope[t] * mean_real / weight;
    imaginary[t] -= envelope[t] * mean_imaginary / weight;
    norm += real[t] * real[t] + imaginary[t] * imaginary[t];
  }
  for (int t = 0; t < TAPS; t++) {
    real[t] /= sqrt(norm);
    imaginary[t] /= sqrt(norm);
  }
}

static void make_bank(float *bank) {
  for (int f = 0; f < WAVELETS; f++) {
    double real[TAPS], imaginary[TAPS];
    make_wavelet(wavelengths[f / ORIENTATIONS], radii[f / ORIENTATIONS], f % ORIENTATIONS, real, imaginary);
    for (int t = 0; t < TAPS; t++) {
      bank[(size_t)t * SHT_LANES + (size_t)f] = (float)real[t];
      bank[(size_t)t * SHT_LANES + WAVELETS + (size_t)f] = (float)imaginary[t];
    }
  }
}

static uint64_t padded_size(const sht_split *split) {
  return (uint64_t)(split->height + 2 * RADIUS) * (split->width + 2 * RADIUS) * SHT_LANES;
}

static uint64_t levels_size(const sht_split *split) {
  return (uint64_t)split->height * split->width * split->channels * SHT_LANES;
}

// One channel with a margin of zeros: plane: [H + 26][W + 26][32].
static void pad_channel(const sht_split *split, const float *levels, uint32_t channel, float *plane) {
  memset(plane, 0, padded_size(split) * sizeof *plane);
  uint64_t stride = split->width + 2 * RADIUS;
  for (uint64_t y = 0; y < split->height; y++) {
    for (uint64_t x = 0; x < split->width; x++) {
      memcpy(plane + ((y + RADIUS) * stride + x + RADIUS) * SHT_LANES,
             levels + ((y * split->width + x) * split->channels + channel) * SHT_LANES, SHT_LANES * sizeof *plane);
    }
  }
}

// Pixels of a cell along one side: the last cell may have fewer.
static uint32_t cell_side(uint32_t cell, uint32_t side) {
  return side - cell * CELL < CELL ? side - cell * CELL : CELL;
}

// Adds the magnitudes at pixel (x, y) to its cell's features: [16][32].
static void add_magnitudes(const sht_split *split, uint32_t x, uint32_t y, const float *response, float *features) {
  float share = 1.0F / (float)(cell_side(x / CELL, split->width) * cell_side(y / CELL, split->height));
  for (size_t i = 0; i < PART; i++) {
    float real = response[i], imaginary = response[PART + i];
    features[i] += share * sqrtf(real * real + imaginary * imaginary);
  }
}

static void fill(const sht__feature_map *map, const sht_split *split, uint64_t block, uint64_t first, uint64_t count,
                 float *panel, float *scratch) {
  (void)block;
  const gabor *g = map->state;
  float *levels = scratch, *plane = levels + levels_size(split), *response = plane + padded_size(split);
  uint64_t stride = split->width + 2 * RADIUS, cells = (split->width + CELL - 1) / CELL;
  sht__levels_fill(split, first, count, levels);
  memset(panel, 0, map->width * SHT_LANES * sizeof *panel);
  for (uint32_t channel = 0; channel < split->channels; channel++) {
    pad_channel(split, levels, channel, plane);
    for (uint32_t y = 0; y < split->height; y++) {
      for (uint32_t x = 0; x < split->width; x++) {
        memset(response, 0, SHT_BLOCK * sizeof *response);
        for (uint64_t row = 0; row < SIDE; row++) {
          g->kernels->multiply(response, plane + ((y + row) * stride + x) * SHT_LANES, g->bank + row * SIDE * SHT_LANES,
                               SIDE, 1);
        }
        uint64_t cell = (uint64_t)(y / CELL) * cells + x / CELL;
        add_magnitudes(split, x, y, response, panel + (cell * split->channels + channel) * WAVELETS * SHT_LANES);
      }
    }
  }
}

static void close_gabor(sht__feature_map *map) {
  gabor *g = map->state;
  if (g != NULL) {
    sht_free(g->bank);
  }
  sht_free(g);
}

sht_status sht__gabor_open(const sht_split *split, sht__feature_map *out, sht_error *error) {
  uint64_t cells = (uint64_t)((split->height + CELL - 1) / CELL) * ((split->width + CELL - 1) / CELL);
  uint64_t width = cells * split->channels * WAVELETS;
  *out = (sht__feature_map){.width = width, .block = width, .blocks = 1, .fill = fill, .close = close_gabor};
  out->flops = 2.0 * TAPS * SHT_LANES * split->height * split->width * split->channels;
  out->scratch = levels_size(split) + padded_size(split) + SHT_BLOCK;
  gabor *g = NULL;
  SHT_TRY(SHT_ALLOC(&g, 1, "Gabor wavelets", error));
  out->state = g;
  g->kernels = sht__block_choose();
  SHT_TRY(SHT_ALLOC(&g->bank, TAPS * SHT_LANES, "Gabor wavelets", error));
  make_bank(g->bank);
  return SHT_OK;
}
