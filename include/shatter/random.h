// Addressable random numbers: Philox4x32-10 (Salmon et al. 2011) through Random123.
//
// A draw is a pure function of (seed, purpose, epoch, index, draw). There is no generator state, so labels,
// permutations, crops and initial weights are the same on every backend, thread count and rank, and a resumed run
// continues exactly. Nothing here allocates or fails.
#ifndef SHATTER_RANDOM_H
#define SHATTER_RANDOM_H

#include <stdint.h>

// What a stream is for. The numbers are part of every result's identity: never renumber, only append.
typedef enum sht_purpose {
  SHT_PURPOSE_LABELS = 1,       // which label an example is given
  SHT_PURPOSE_PIXELS = 2,       // permutations of pixel positions, Gaussian images
  SHT_PURPOSE_ORDER = 3,        // order of the examples in an epoch
  SHT_PURPOSE_AUGMENT = 4,      // crops, flips, rotations, colours
  SHT_PURPOSE_WEIGHTS = 5,      // initial weights
  SHT_PURPOSE_DROPOUT = 6,      // dropout masks
  SHT_PURPOSE_SHAPES = 7,       // the built-in data set
  SHT_PURPOSE_TEST_LABELS = 8,  // the corrupted copy of the test labels
  SHT_PURPOSE_SUBSET = 9,       // which examples a smaller training set keeps
  SHT_PURPOSE_WATCHED = 10,     // which training examples are watched while they are learned
  SHT_PURPOSE_REPLACED = 11,    // which test example takes the place of a training example
  SHT_PURPOSE_THEORY = 20,      // finite-sample constructions; the epoch says what for (src/theory/draws.h)
  SHT_PURPOSE_MEASURE = 21,     // noise on weights, start of iterations; the epoch says what for (src/measure/draws.h)
} sht_purpose;

typedef struct sht_rng {
  uint32_t key[2];
} sht_rng;

// The stream of (seed, purpose): key = first two words of Philox(counter = (seed low, seed high, purpose, 0), key = 0).
sht_rng sht_rng_make(uint64_t seed, sht_purpose purpose);

// Four words: Philox(counter = (epoch, index low, index high, draw), key = the stream).
void sht_rng_block(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw, uint32_t out[4]);

uint32_t sht_rng_u32(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw);
uint64_t sht_rng_u64(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw);
// Uniform on the open interval (0, 1), 52 bits.
double sht_rng_unit(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw);
// Uniform on 0 .. bound-1 (bound >= 1), by 64-bit multiply-shift: bias below bound / 2^64.
uint32_t sht_rng_below(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw, uint32_t bound);
// Two independent standard normals by Box-Muller from one block.
void sht_rng_normal2(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw, double out[2]);

// A uniformly random permutation of 0 .. n-1: the positions sorted by (40 random bits of the position, position).
// n is at most 2^24. out: [n]; scratch: [2 * n]. The draw counter is the position.
void sht_rng_permutation(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t n, uint32_t *out, uint64_t *scratch);

#endif
