// Panel products for AVX-512.
#define BLOCK_BF16_RATE 1
#define BLOCK_SET avx512
#define BLOCK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma")))
#include "dense/block_avx512.h"

static bool supported(void) { return supported_avx512(); }

BLOCK_INLINE vec vec_dot2(vec_words a, vec_words b, vec c) { return vec_dot2_fused(a, b, c); }

#include "dense/block_template.h"
