// Kernels of the fully connected layers for AVX-512 without bf16 instructions: bf16 pairs are unpacked to fp32.
#include <immintrin.h>

#define DENSE_WIDTH 16
#define DENSE_ROWS 8
#define DENSE_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#include "engine/cpu/dense_vector.h"

static bool supported(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

DENSE_INLINE vec vec_set(float value) { return (vec)_mm512_set1_ps(value); }
DENSE_INLINE vec vec_splat(uint32_t word) { return (vec)_mm512_set1_epi32((int)word); }
DENSE_INLINE vec vec_fused(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }

#include "engine/cpu/dense_unpack.h"
// after what it needs

#include "engine/cpu/dense_template.h"

DENSE_KERNELS(avx512, supported, multiply_bf16, update_bf16)
