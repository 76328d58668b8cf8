// Panel products for AVX2 with FMA.
#include <immintrin.h>

#define BLOCK_BF16_RATE 1
#define BLOCK_BYTE_RATE 1
#define BLOCK_NEAR 3
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

// Bytes in even and in odd places as words of 16 bits, whose products are added in pairs.
BLOCK_INLINE vec_ints vec_dot4(vec_words a, vec_words b, vec_ints c) {
  const __m256i x = (__m256i)a, y = (__m256i)b;
  __m256i even =
      _mm256_madd_epi16(_mm256_and_si256(x, _mm256_set1_epi16(0xff)), _mm256_srai_epi16(_mm256_slli_epi16(y, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(y, 8));
  return c + (vec_ints)even + (vec_ints)odd;
}

#include "dense/block_dots.h"
#include "dense/block_template.h"
