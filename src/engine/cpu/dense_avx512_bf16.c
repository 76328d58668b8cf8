// Kernels of the fully connected layers for AVX-512 with bf16 dot products (Zen 4 and later, Cooper Lake, Sapphire
// Rapids).
#define DENSE_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#include "engine/cpu/dense_vector_avx512_bf16.h"
// after what it needs

#include "engine/cpu/dense_template.h"

DENSE_KERNELS(avx512_bf16, has_avx512_bf16, multiply_bf16, update_bf16)
