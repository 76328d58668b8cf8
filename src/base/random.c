// Philox streams: see shatter/random.h.
#include "shatter/random.h"

#include <math.h>

#include "base/philox.h"

sht_rng sht_rng_make(uint64_t seed, sht_purpose purpose) {
  uint32_t block[4];
  sht__philox_block((sht_rng){{0, 0}}, (uint32_t)seed, (uint64_t)purpose << 32 | seed >> 32, 0, block);
  return (sht_rng){{block[0], block[1]}};
}

void sht_rng_block(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw, uint32_t out[4]) {
  sht__philox_block(rng, epoch, index, draw, out);
}

uint32_t sht_rng_u32(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw) {
  return sht__philox_u32(rng, epoch, index, draw);
}

static uint64_t join_words(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }

uint64_t sht_rng_u64(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw) {
  return sht__philox_u64(rng, epoch, index, draw);
}

// The top 52 bits, centred in their cells: never 0, never 1.
static double unit_of(uint64_t word) { return ((double)(word >> 12) + 0.5) * 0x1p-52; }

double sht_rng_unit(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw) {
  return unit_of(sht_rng_u64(rng, epoch, index, draw));
}

uint32_t sht_rng_below(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw, uint32_t bound) {
  return sht__philox_below(rng, epoch, index, draw, bound);
}

void sht_rng_normal2(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw, double out[2]) {
  uint32_t words[4];
  sht_rng_block(rng, epoch, index, draw, words);
  double radius = sqrt(-2.0 * log(unit_of(join_words(words[0], words[1]))));
  double angle = 2.0 * 3.14159265358979323846 * unit_of(join_words(words[2], words[3]));
  out[0] = radius * cos(angle);
  out[1] = radius * sin(angle);
}

enum { RADIX_BITS = 16, RADIX = 1 << RADIX_BITS, SMALL = 4096 };

// Shell sort for small n: no table of counts to clear.
static void sort_small(uint64_t *keys, uint32_t n) {
  for (uint32_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
    for (uint32_t i = gap; i < n; i++) {
      uint64_t key = keys[i];
      uint32_t j = i;
      for (; j >= gap && keys[j - gap] > key; j -= gap) {
        keys[j] = keys[j - gap];
      }
      keys[j] = key;
    }
  }
}

// One pass of a stable radix sort on 16 bits.
static void sort_pass(const uint64_t *from, uint64_t *to, uint32_t n, int shift) {
  uint32_t start[RADIX] = {0};
  for (uint32_t i = 0; i < n; i++) {
    start[from[i] >> shift & (RADIX - 1)]++;
  }
  uint32_t sum = 0;
  for (uint32_t bucket = 0; bucket < RADIX; bucket++) {
    uint32_t count = start[bucket];
    start[bucket] = sum;
    sum += count;
  }
  for (uint32_t i = 0; i < n; i++) {
    to[start[from[i] >> shift & (RADIX - 1)]++] = from[i];
  }
}

// A key holds 40 random bits above 24 bits of position, so equal random bits fall back on the position and one sort of
// plain integers does both. 2^24 positions bound n; the chance that a tie decides is below n^2 / 2^41.
enum { POSITION_BITS = 24 };

void sht_rng_permutation(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t n, uint32_t *out, uint64_t *scratch) {
  const uint64_t position_mask = (1U << POSITION_BITS) - 1;
  for (uint32_t i = 0; i < n; i++) {
    scratch[i] = (sht_rng_u64(rng, epoch, index, i) & ~position_mask) | i;
  }
  if (n <= SMALL) {
    sort_small(scratch, n);
  } else {
    for (int shift = 0; shift < 64; shift += 2 * RADIX_BITS) {
      sort_pass(scratch, scratch + n, n, shift);
      sort_pass(scratch + n, scratch, n, shift + RADIX_BITS);
    }
  }
  for (uint32_t i = 0; i < n; i++) {
    out[i] = (uint32_t)(scratch[i] & position_mask);
  }
}
