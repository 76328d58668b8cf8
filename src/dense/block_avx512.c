// Panel products for AVX-512.
#include <immintrin.h>

#define BLOCK_SET avx512
#define BLOCK_WIDTH 16
#define BLOCK_ROWS 8
#define BLOCK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma")))
#include "dense/block_vector.h"

static bool supported(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
}

BLOCK_INLINE vec vec_fused(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
BLOCK_INLINE vec_f64 vec_fused_f64(vec_f64 a, vec_f64 b, vec_f64 c) {
  return (vec_f64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}

#include "dense/block_template.h"
