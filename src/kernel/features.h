// Feature maps: from images to the vectors that a kernel compares.
//
// A map gives `width` features of an example in blocks of `block` features; a map with one block is narrow and its
// features are stored, one with more is streamed: a block is made for all examples, used, and forgotten. Features come
// out as panels (dense/block.h), 32 examples side by side, so that they go into products as they are.
#ifndef SHT_KERNEL_FEATURES_H
#define SHT_KERNEL_FEATURES_H

#include "dense/block.h"
#include "shatter/data.h"
#include "shatter/error.h"

typedef struct sht__feature_map sht__feature_map;

struct sht__feature_map {
  uint64_t width;    // features of an example
  uint64_t block;    // features in a block; the last may have fewer
  uint64_t blocks;   // ceil(width / block)
  double flops;      // of all features of one example
  bool mirror;       // of an image and its mirror image, averaged: see sht__randconv_shape
  bool levels;       // the features are levels (levels.h), which are stored as such: `fill` is not asked
                     // A map of several blocks gives values that are bf16, and an even number of them in each block.
  uint64_t scratch;  // floats that `fill` needs to itself
  void *state;       // the map's own
  // Features of block `block` of examples first .. first+count-1 (count <= 32) as a panel [features of the block][32];
  // places of missing examples are zero. scratch: [map->scratch], 64-byte aligned. Any thread.
  void (*fill)(const sht__feature_map *map, const sht_split *split, uint64_t block, uint64_t first, uint64_t count,
               float *panel, float *scratch);
  void (*close)(sht__feature_map *map);  // frees `state`
};

// "none", "gabor", "randconv:N" or "randconv-mirror:N" for images of the shape of `train`, from which random filters
// are cut. `spec` NULL: none. Close in every case. Errors: SHT_CONFIG (with a suggestion), SHT_MEMORY.
sht_status sht__features_open(const char *spec, const sht_split *train, uint64_t seed, sht__feature_map *out,
                              sht_error *error);
void sht__features_close(sht__feature_map *map);
// Shapes and cost alone, without making filters.
sht_status sht__features_describe(const char *spec, const sht_split *train, sht__feature_map *out, sht_error *error);

// Levels in [0,1], as they are: H W C features in one block.
void sht__pixels_map(const sht_split *split, sht__feature_map *out);

// Gabor wavelets (the paper does not say which bank it used): for each channel, wavelengths 4 and 8
// pixels, 8 orientations, envelope exp(-(u^2 + v^2) / (2 (.56 wavelength)^2)), a complex wave made free of its mean and
// of unit norm; the magnitude of the response (zeros outside the image), averaged over cells of 4 x 4 pixels.
// Features: [cell row][cell column][channel][wavelength][orientation]: 784 for MNIST.
sht_status sht__gabor_open(const sht_split *split, sht__feature_map *out, sht_error *error);

typedef struct sht__randconv_shape {
  uint64_t filters;
  bool mirror;  // features are the mean of those of an image and of its mirror image, left to right
} sht__randconv_shape;

// One layer of random filters after Coates and Ng (2012): see randconv.c.
sht_status sht__randconv_open(const sht_split *train, sht__randconv_shape shape, uint64_t seed, sht__feature_map *out,
                              sht_error *error);
sht_status sht__randconv_describe(const sht_split *train, sht__randconv_shape shape, sht__feature_map *out,
                                  sht_error *error);

// Levels of examples first .. first+count-1, count <= 32, in [0,1] side by side: out: [H * W * C][32]; places of
// missing examples are zero.
void sht__levels_fill(const sht_split *split, uint64_t first, uint64_t count, float *out);

#endif
