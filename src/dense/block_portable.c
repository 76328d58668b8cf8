// Panel products for any processor: products and sums rounded separately.
#define BLOCK_BF16_RATE 1
#define BLOCK_BYTE_RATE 1
#define BLOCK_NEAR 3
#define BLOCK_SET portable
#define BLOCK_WIDTH 4
#define BLOCK_ROWS 4
#define BLOCK_TARGET
#include "dense/block_vector.h"

static bool supported(void) { return true; }

BLOCK_INLINE vec vec_fused(vec a, vec b, vec c) { return a * b + c; }
BLOCK_INLINE vec_f64 vec_fused_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return a * b + c; }
BLOCK_INLINE vec vec_dot2(vec_words a, vec_words b, vec c) { return vec_dot2_fused(a, b, c); }

BLOCK_INLINE vec_ints vec_dot4(vec_words a, vec_words b, vec_ints c) {
  for (int bits = 0; bits < 32; bits += 8) {
    c += (vec_ints)(a >> bits & 0xff) * ((vec_ints)(b << (24 - bits)) >> 24);
  }
  return c;
}

#include "dense/block_dots.h"
#include "dense/block_template.h"
