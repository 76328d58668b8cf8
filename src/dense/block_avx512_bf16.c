// Panel products for AVX-512 with bf16 dot products (Zen 4 and later, Cooper Lake, Sapphire Rapids).
#define BLOCK_BF16_RATE 2
#define BLOCK_SET avx512_bf16
#define BLOCK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
#include "dense/block_avx512.h"

static bool supported(void) { return supported_avx512() && __builtin_cpu_supports("avx512bf16"); }

BLOCK_INLINE vec vec_dot2(vec_words a, vec_words b, vec c) {
  return (vec)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}

#include "dense/block_template.h"
