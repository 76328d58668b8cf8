// Vectors of DENSE_WIDTH words, and their shuffles, for dense_template.h. The including file defines DENSE_WIDTH (4, 8
// or 16), DENSE_ROWS (rows of a register tile, even) and DENSE_TARGET (the instruction set, as a function attribute)
// first; afterwards the functions vec_splat, vec_fused, vec_dot2, vec_pair_rows and vec_pair_lanes, then it includes
// dense_template.h.
#ifndef SHT_ENGINE_CPU_DENSE_VECTOR_H
#define SHT_ENGINE_CPU_DENSE_VECTOR_H

#include <stdint.h>

#include "engine/cpu/dense_kernels.h"

#define DENSE_INLINE static inline __attribute__((always_inline)) DENSE_TARGET

typedef float vec __attribute__((vector_size(4 * DENSE_WIDTH), may_alias));
typedef uint32_t vec_words __attribute__((vector_size(4 * DENSE_WIDTH), may_alias));

#if DENSE_WIDTH == 16
#define DENSE_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define DENSE_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define DENSE_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define DENSE_ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif DENSE_WIDTH == 8
#define DENSE_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define DENSE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define DENSE_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define DENSE_ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define DENSE_LOW 0, 4, 1, 5
#define DENSE_HIGH 2, 6, 3, 7
#define DENSE_EVEN 0, 2, 4, 6
#define DENSE_ODD 1, 3, 5, 7
#endif

// a0 b0 a1 b1 ... : the lower and the upper half of that sequence.
DENSE_INLINE vec vec_interleave_low(vec a, vec b) { return __builtin_shufflevector(a, b, DENSE_LOW); }
DENSE_INLINE vec vec_interleave_high(vec a, vec b) { return __builtin_shufflevector(a, b, DENSE_HIGH); }

// fp32 to bf16 in the upper half of each word, to nearest, ties to even; a NaN stays one.
DENSE_INLINE vec_words vec_round_bf16(vec values) {
  vec_words bits = (vec_words)values;
  vec_words rounded = bits + 0x7fffU + (bits >> 16 & 1U);
  vec_words nan = (vec_words)(values != values);
  return (nan & (bits | 0x400000U)) | (~nan & rounded);
}

// Words of bf16 pairs without bf16 instructions: `first` becomes the lower half.
DENSE_INLINE vec_words vec_pair_bits(vec first, vec second) {
  return (vec_round_bf16(first) >> 16) | (vec_round_bf16(second) & 0xffff0000U);
}

DENSE_INLINE vec_words vec_pair_lanes_bits(vec low, vec high) {
  return vec_pair_bits(__builtin_shufflevector(low, high, DENSE_EVEN), __builtin_shufflevector(low, high, DENSE_ODD));
}

#endif
