// Panel products for AVX-512.
#define BLOCK_BF16_RATE 1
#define BLOCK_BYTE_RATE 1
#define BLOCK_NEAR 3
#define BLOCK_SET avx512
#define BLOCK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma")))
#include "dense/block_avx512.h"

static bool supported(void) { return supported_avx512(); }

BLOCK_INLINE vec vec_dot2(vec_words a, vec_words b, vec c) { return vec_dot2_fused(a, b, c); }

// Bytes in even and in odd places as words of 16 bits, whose products are added in pairs.
BLOCK_INLINE vec_ints vec_dot4(vec_words a, vec_words b, vec_ints c) {
  const __m512i x = (__m512i)a, y = (__m512i)b;
  __m512i even =
      _mm512_madd_epi16(_mm512_and_si512(x, _mm512_set1_epi16(0xff)), _mm512_srai_epi16(_mm512_slli_epi16(y, 8), 8));
  __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(x, 8), _mm512_srai_epi16(y, 8));
  return c + (vec_ints)even + (vec_ints)odd;
}

#include "dense/block_dots.h"
#include "dense/block_template.h"
