// Panel products for any processor: products and sums rounded separately.
#define BLOCK_BF16_RATE 1
#define BLOCK_SET portable
#define BLOCK_WIDTH 4
#define BLOCK_ROWS 4
#define BLOCK_TARGET
#include "dense/block_vector.h"

static bool supported(void) { return true; }

BLOCK_INLINE vec vec_fused(vec a, vec b, vec c) { return a * b + c; }
BLOCK_INLINE vec_f64 vec_fused_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return a * b + c; }
BLOCK_INLINE vec vec_dot2(vec_words a, vec_words b, vec c) { return vec_dot2_fused(a, b, c); }

#include "dense/block_template.h"
