// The engine's loops for AVX-512.
#define V 16
#define KERNELS cpu_kernels_avx512
#define KERNELS_NAME "avx512"
#define KERNELS_WIDEN widen_bits
#define KERNELS_NARROW narrow_bits
#define KERNELS_WINOGRAD true
#include "engine/cpu/kernels_body.h"
