// Kernels of the fully connected layers for AVX2 with FMA: bf16 pairs are unpacked to fp32.
#include <immintrin.h>

#define DENSE_WIDTH 8
#define DENSE_ROWS 6
#define DENSE_TARGET __attribute__((target("avx2,fma")))
#include "engine/cpu/dense_vector.h"

static bool supported(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

DENSE_INLINE vec vec_set(float value) { return (vec)_mm256_set1_ps(value); }
DENSE_INLINE vec vec_splat(uint32_t word) { return (vec)_mm256_set1_epi32((int)word); }
DENSE_INLINE vec vec_fused(vec a, vec b, vec c) { return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }

#include "engine/cpu/dense_unpack.h"
// after what it needs

#include "engine/cpu/dense_template.h"

DENSE_KERNELS(avx2, supported, multiply_bf16, update_bf16)
