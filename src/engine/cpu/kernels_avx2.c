// The engine's loops for AVX2.
#define V 8
#define KERNELS cpu_kernels_avx2
#define KERNELS_NAME "avx2"
#define KERNELS_WIDEN widen_bits
#define KERNELS_NARROW narrow_bits
#define KERNELS_WINOGRAD true
#include "engine/cpu/kernels_body.h"
