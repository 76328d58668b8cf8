// Panel products for AVX2 with FMA.
#include <immintrin.h>

#define BLOCK_BF16_RATE 1
#define BLOCK_SET avx2
#define BLOCK_WIDTH 8
#define BLOCK_ROWS 4
#define BLOCK_TARGET __attribute__((target("avx2,fma")))
#include "dense/block_vector.h"

static bool supported(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

BLOCK_INLINE vec vec_fused(vec a, vec b, vec c) { return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
BLOCK_INLINE vec_f64 vec_fused_f64(vec_f64 a, vec_f64 b, vec_f64 c) {
  return (vec_f64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
BLOCK_INLINE vec vec_dot2(vec_words a, vec_words b, vec c) { return vec_dot2_fused(a, b, c); }

#include "dense/block_template.h"
