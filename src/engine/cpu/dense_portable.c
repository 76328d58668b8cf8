// Kernels of the fully connected layers for any processor: no intrinsics, products and sums rounded separately.
#define DENSE_WIDTH 4
#define DENSE_ROWS 6
#define DENSE_TARGET
#include "engine/cpu/dense_vector.h"

static bool supported(void) { return true; }

DENSE_INLINE vec vec_set(float value) { return (vec){value, value, value, value}; }
DENSE_INLINE vec vec_splat(uint32_t word) { return (vec)(vec_words){word, word, word, word}; }
DENSE_INLINE vec vec_fused(vec a, vec b, vec c) { return a * b + c; }

#include "engine/cpu/dense_unpack.h"
// after what it needs

#include "engine/cpu/dense_template.h"

DENSE_KERNELS(portable, supported, multiply_bf16, update_bf16)
