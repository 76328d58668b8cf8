// Draws of a Philox stream, for the processor and the card: what shatter/random.h promises, in one place.
#ifndef SHT_BASE_PHILOX_H
#define SHT_BASE_PHILOX_H

#include <Random123/philox.h>
#include <stdint.h>

#include "base/everywhere.h"
#include "shatter/random.h"

// See sht_rng_block. out: [4].
SHT_EVERYWHERE void sht__philox_block(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw, uint32_t *out) {
  philox4x32_ctr_t counter = {{epoch, (uint32_t)index, (uint32_t)(index >> 32), draw}};
  philox4x32_key_t key = {{rng.key[0], rng.key[1]}};
  philox4x32_ctr_t block = philox4x32(counter, key);
  for (int i = 0; i < 4; i++) {
    out[i] = block.v[i];
  }
}

SHT_EVERYWHERE uint32_t sht__philox_u32(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw) {
  uint32_t words[4];
  sht__philox_block(rng, epoch, index, draw, words);
  return words[0];
}

SHT_EVERYWHERE uint64_t sht__philox_u64(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw) {
  uint32_t words[4];
  sht__philox_block(rng, epoch, index, draw, words);
  return (uint64_t)words[1] << 32 | words[0];
}

// See sht_rng_below.
SHT_EVERYWHERE uint32_t sht__philox_below(sht_rng rng, uint32_t epoch, uint64_t index, uint32_t draw, uint32_t bound) {
  uint64_t word = sht__philox_u64(rng, epoch, index, draw);
  // High part of the 96-bit product word * bound.
  uint64_t low = (word & 0xffffffffU) * bound >> 32;
  return (uint32_t)(((word >> 32) * bound + low) >> 32);
}

#endif
