// The engine's loops for AVX-512 with an instruction that rounds to bf16 (denormals to zero).
#include <immintrin.h>

#define V 16
#define KERNELS cpu_kernels_avx512_bf16
#define KERNELS_NAME "avx512 bf16"
#define KERNELS_WIDEN(bits) ((vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)(bits)), 16))
#define KERNELS_NARROW(x) ((vh)_mm512_cvtneps_pbh((__m512)(x)))
#define KERNELS_WINOGRAD true
#include "engine/cpu/kernels_body.h"
