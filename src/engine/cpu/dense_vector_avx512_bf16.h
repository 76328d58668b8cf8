// The vectors of dense_vector.h for AVX-512 with bf16 dot products. The including file defines DENSE_TARGET first.
#ifndef SHT_ENGINE_CPU_DENSE_VECTOR_AVX512_BF16_H
#define SHT_ENGINE_CPU_DENSE_VECTOR_AVX512_BF16_H

#include <immintrin.h>

#define DENSE_WIDTH 16
#define DENSE_ROWS 8
#include "engine/cpu/dense_vector.h"

static inline bool has_avx512_bf16(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bf16");
}

DENSE_INLINE vec vec_set(float value) { return (vec)_mm512_set1_ps(value); }
DENSE_INLINE vec vec_splat(uint32_t word) { return (vec)_mm512_set1_epi32((int)word); }
DENSE_INLINE vec vec_fused(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
DENSE_INLINE vec vec_dot2(vec a, vec b, vec c) { return (vec)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b); }
DENSE_INLINE vec_words vec_pair_lanes(vec low, vec high) {
  return (vec_words)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}
DENSE_INLINE vec_words vec_pair_rows(vec first, vec second) {
  return vec_pair_lanes(vec_interleave_low(first, second), vec_interleave_high(first, second));
}

#endif
