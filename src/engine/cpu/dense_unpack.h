// bf16 for instruction sets without it: a word's halves become fp32 (exactly) and are multiplied one after the other.
#ifndef SHT_ENGINE_CPU_DENSE_UNPACK_H
#define SHT_ENGINE_CPU_DENSE_UNPACK_H

#include "engine/cpu/dense_vector.h"

DENSE_INLINE vec vec_first(vec pairs) { return (vec)((vec_words)pairs << 16); }
DENSE_INLINE vec vec_second(vec pairs) { return (vec)((vec_words)pairs & 0xffff0000U); }

DENSE_INLINE vec vec_dot2(vec a, vec b, vec c) {
  return vec_fused(vec_second(a), vec_second(b), vec_fused(vec_first(a), vec_first(b), c));
}

DENSE_INLINE vec_words vec_pair_rows(vec first, vec second) { return vec_pair_bits(first, second); }
DENSE_INLINE vec_words vec_pair_lanes(vec low, vec high) { return vec_pair_lanes_bits(low, high); }

#endif
