// What all sets with AVX-512 share: the vectors and their fused multiply-adds. The including file defines BLOCK_NEAR,
// BLOCK_SET and BLOCK_TARGET before.
#ifndef SHT_DENSE_BLOCK_AVX512_H
#define SHT_DENSE_BLOCK_AVX512_H

#include <immintrin.h>

#define BLOCK_WIDTH 16
#define BLOCK_ROWS 8
#include "dense/block_vector.h"

static inline bool supported_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
}

BLOCK_INLINE vec vec_fused(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
BLOCK_INLINE vec_f64 vec_fused_f64(vec_f64 a, vec_f64 b, vec_f64 c) {
  return (vec_f64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}

#endif
