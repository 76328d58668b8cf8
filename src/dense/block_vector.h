// The vector types of block_template.h: BLOCK_WIDTH floats, or half as many doubles.
#ifndef SHT_DENSE_BLOCK_VECTOR_H
#define SHT_DENSE_BLOCK_VECTOR_H

#include "dense/block.h"

#define BLOCK_INLINE static inline __attribute__((always_inline)) BLOCK_TARGET
#define BLOCK_LOOP BLOCK_TARGET static
#define BLOCK_UNROLL _Pragma("GCC unroll 16")

typedef float vec __attribute__((vector_size(4 * BLOCK_WIDTH), may_alias));
typedef double vec_f64 __attribute__((vector_size(4 * BLOCK_WIDTH), may_alias));

typedef uint32_t vec_words __attribute__((vector_size(4 * BLOCK_WIDTH), may_alias));
typedef int32_t vec_ints __attribute__((vector_size(4 * BLOCK_WIDTH), may_alias));

BLOCK_INLINE vec vec_set(float value) { return value - (vec){0}; }
BLOCK_INLINE vec_f64 vec_set_f64(double value) { return value - (vec_f64){0}; }
BLOCK_INLINE vec_words vec_splat(uint32_t word) { return word - (vec_words){0}; }

enum { LINE = 16 };  // words of a line of the cache

// Asks for panel p's share of what is wanted next, into the cache BLOCK_NEAR (3: the first, 2: the second): without it
// products would wait for it.
BLOCK_INLINE void ask_ahead(const sht__block_walk *walk, size_t p) {
  for (size_t word = p * walk->piece; word < (p + 1) * walk->piece; word += LINE) {
    __builtin_prefetch(walk->ahead[0] + word, 0, BLOCK_NEAR);
    __builtin_prefetch(walk->ahead[1] + word, 0, BLOCK_NEAR);
  }
}

// to += max(x - bias, 0).
BLOCK_INLINE void add_threshold(float *to, vec x, float bias) {
  vec above = x - vec_set(bias);
  *(vec *)to += (vec)((vec_words)above & (vec_words)(above > 0));
}

// The two values of each pair.
BLOCK_INLINE vec vec_first(vec_words pairs) { return (vec)(pairs << 16); }
BLOCK_INLINE vec vec_second(vec_words pairs) { return (vec)(pairs & vec_splat(0xffff0000)); }

// c + a1 b1, rounded, + a0 b0, rounded, for pairs (a0, a1) and (b0, b1) of bf16: what vdpbf16ps gives. Products of two
// bf16 are exact in fp32, so that it does not matter whether they are rounded before they are added.
BLOCK_INLINE vec vec_fused(vec a, vec b, vec c);
BLOCK_INLINE vec vec_dot2_fused(vec_words a, vec_words b, vec c) {
  c = vec_fused(vec_second(a), vec_second(b), c);
  return vec_fused(vec_first(a), vec_first(b), c);
}

#endif
