// Rounding to bf16: fp32 with 8 bits of precision.
#ifndef SHT_DENSE_BF16_H
#define SHT_DENSE_BF16_H

#include <math.h>
#include <stdint.h>
#include <string.h>

// The nearest bf16, ties to even, as the bits of a float whose lower half is zero. x is finite. Below 2^-50 in size: 0,
// so that no product of two, and no sum of such products, is below the smallest normal number, which the instruction
// vdpbf16ps takes for zero.
static inline uint32_t sht__bf16_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits += 0x7fff + (bits >> 16 & 1);
  return fabsf(x) < 0x1p-50F ? 0 : bits & 0xffff0000;
}

static inline float sht__bf16_round(float x) {
  const uint32_t bits = sht__bf16_bits(x);
  float rounded;
  memcpy(&rounded, &bits, sizeof rounded);
  return rounded;
}

#endif
