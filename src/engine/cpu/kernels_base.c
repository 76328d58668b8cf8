// The engine's loops for the baseline of x86-64.
#define V 8
#define KERNELS cpu_kernels_base
#define KERNELS_NAME "base"
#define KERNELS_WIDEN widen_bits
#define KERNELS_NARROW narrow_bits
#define KERNELS_WINOGRAD false
#include "engine/cpu/kernels_body.h"
