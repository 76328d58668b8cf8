// Whitening of one image from exact integer sums, for the processor and the card.
//
// With integer levels v (of `unit` to the interval [0,1]) in an image of n values, S = sum v and D = n sum v^2 - S^2:
//   (x - mean) / max(sd, 1/sqrt(n)) = (n v - S) / max(sqrt(D), unit sqrt(n)).
// The numerator is an exact integer, so that each value is rounded only by float conversion and one product.
#ifndef SHT_DATA_WHITEN_H
#define SHT_DATA_WHITEN_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/everywhere.h"

enum { SHT_UNIT_U8 = 255, SHT_UNIT_I16 = 255 * 64 };

// out = (n v - shift) * scale
typedef struct sht__whitening {
  float n, shift, scale;
} sht__whitening;

// The 128-bit number high * 2^64 + low, rounded once to double: written out, so that it does not rest on what a
// compiler makes of such a conversion.
SHT_EVERYWHERE double sht__double_of_wide(uint64_t high, uint64_t low) {
  int shift = 0;
  while (shift < 64 && high >> shift != 0) {
    shift++;
  }
  if (shift == 0) {
    return (double)low;
  }
  // The top 64 bits, the last of them also standing for all that are cut off: more than a double's 53 need.
  uint64_t cut = shift == 64 ? low : low & (((uint64_t)1 << shift) - 1);
  uint64_t top = shift == 64 ? high : high << (64 - shift) | low >> shift;
  return (double)(top | (cut != 0)) * (double)((uint64_t)1 << (shift / 2)) *
         (double)((uint64_t)1 << (shift - shift / 2));
}

// D of n levels from S and the sum of their squares.
SHT_EVERYWHERE double sht__whiten_spread(uint64_t n, int64_t sum, uint64_t squares) {
  const unsigned __int128 magnitude = (unsigned __int128)(sum < 0 ? -(uint64_t)sum : (uint64_t)sum);
  const unsigned __int128 spread = (unsigned __int128)n * squares - magnitude * magnitude;
  return sht__double_of_wide((uint64_t)(spread >> 64), (uint64_t)spread);
}

// For an image of n levels, whitened; u8: levels are grey levels, else 1/64 of one.
SHT_EVERYWHERE sht__whitening sht__whiten_plan(uint64_t n, bool u8, int64_t sum, uint64_t squares) {
  double root = sqrt(sht__whiten_spread(n, sum, squares));
  double least = (double)(u8 ? SHT_UNIT_U8 : SHT_UNIT_I16) * sqrt((double)n);
  sht__whitening out;
  out.n = (float)n;
  out.shift = (float)sum;
  out.scale = (float)(1 / (root > least ? root : least));
  return out;
}

// For an image that is not whitened: levels in [0,1].
SHT_EVERYWHERE sht__whitening sht__whiten_none(bool u8) {
  sht__whitening out;
  out.n = 1;
  out.shift = 0;
  out.scale = 1.0F / (float)(u8 ? SHT_UNIT_U8 : SHT_UNIT_I16);
  return out;
}

SHT_EVERYWHERE float sht__whiten_level(sht__whitening by, int32_t level) {
  return ((float)level * by.n - by.shift) * by.scale;
}

#endif
