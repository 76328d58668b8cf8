// Panel products for AVX-512 with dot products of bf16 and of bytes (Zen 4 and later, Cooper Lake, Sapphire Rapids).
#define BLOCK_BF16_RATE 2
#define BLOCK_BYTE_RATE 4
#define BLOCK_NEAR 3
#define BLOCK_SET avx512_bf16
#define BLOCK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx512vnni,fma")))
#include "dense/block_avx512.h"

static bool supported(void) {
  return supported_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
}

BLOCK_INLINE vec vec_dot2(vec_words a, vec_words b, vec c) {
  return (vec)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}
BLOCK_INLINE vec_ints vec_dot4(vec_words a, vec_words b, vec_ints c) {
  return (vec_ints)_mm512_dpbusd_epi32((__m512i)c, (__m512i)a, (__m512i)b);
}

#include "dense/block_dots.h"
#include "dense/block_template.h"
