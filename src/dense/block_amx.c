// Panel products for processors with a matrix unit (AMX: Sapphire Rapids and later). Its tiles are 16 rows of 16 words;
// one instruction adds to a tile of sums the products of 16 rows of b with 16 rows of a over 16 words of each. A panel is
// the second operand as it is, [word][row of a]; the first is wanted turned, [row of b][word].
//
// Tiles 0 to 3 hold the sums of a block of 32 x 32, 4 and 5 two times 16 rows of b, 6 and 7 of a: each tile that is read
// serves two products.
#define BLOCK_BF16_RATE 14
#define BLOCK_BYTE_RATE 28
#define BLOCK_CHUNK 256
#define BLOCK_TURN turn
#define BLOCK_SET amx
#define BLOCK_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx512vnni,fma,amx-tile,amx-bf16,amx-int8")))
#include <string.h>

#include "base/amx.h"
#include "dense/block_avx512.h"

enum { SIDE = 16, TILE_WORDS = SIDE * SIDE, STEP_A = SIDE * SHT_LANES, ROW_BYTES = SIDE * 4, PANEL_BYTES = SHT_LANES * 4 };

static bool supported(void) { return supported_avx512() && sht_amx_available(); }

typedef struct tile_shapes {
  uint8_t palette, first_row, zero[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_shapes;

// All tiles whole, and the sums zero. The compiler does not see what tiles read; the barrier keeps stores before them.
BLOCK_INLINE void open_tiles(void) {
  static const tile_shapes whole = {
      .palette = 1,
      .row_bytes = {ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES},
      .rows = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE}};
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&whole);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// sums: [32 j][32 i] words.
BLOCK_INLINE void close_tiles(void *sums) {
  char *to = sums;
  _tile_stored(0, to, PANEL_BYTES);
  _tile_stored(1, to + ROW_BYTES, PANEL_BYTES);
  _tile_stored(2, to + (size_t)SIDE * PANEL_BYTES, PANEL_BYTES);
  _tile_stored(3, to + (size_t)SIDE * PANEL_BYTES + ROW_BYTES, PANEL_BYTES);
  _tile_release();
  __asm__ volatile("" ::: "memory");
}

// a: [16][32], b: [32][16].
BLOCK_INLINE void load_step(const uint32_t *a, const uint32_t *b) {
  _tile_loadd(4, b, ROW_BYTES);
  _tile_loadd(6, a, PANEL_BYTES);
  _tile_loadd(7, a + SIDE, PANEL_BYTES);
  _tile_loadd(5, b + TILE_WORDS, ROW_BYTES);
}

BLOCK_INLINE void step_bf16(const uint32_t *a, const uint32_t *b) {
  load_step(a, b);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// The first operand has the sign: b.
BLOCK_INLINE void step_bytes(const uint32_t *a, const uint32_t *b) {
  load_step(a, b);
  _tile_dpbsud(0, 4, 6);
  _tile_dpbsud(1, 4, 7);
  _tile_dpbsud(2, 5, 6);
  _tile_dpbsud(3, 5, 7);
}

typedef void multiply_step(const uint32_t *a, const uint32_t *b);

// sums[j][i] = sum over k of a[k][i] b[j][k]; a: [words][32], b turned. What is left of a behind the last 16 words is
// copied, since nothing may be read behind it.
BLOCK_INLINE void sum_words(void *sums, const uint32_t *a, const uint32_t *b, size_t words, multiply_step step) {
  uint32_t rest[STEP_A] __attribute__((aligned(64)));
  const size_t left = words % SIDE;
  if (left > 0) {
    memcpy(rest, a + (words - left) * SHT_LANES, left * PANEL_BYTES);
    memset(rest + left * SHT_LANES, 0, (SIDE - left) * PANEL_BYTES);
  }
  open_tiles();
  for (size_t first = 0; first + SIDE <= words; first += SIDE, a += STEP_A, b += STEP_A) {
    step(a, b);
  }
  if (left > 0) {
    step(rest, b);
  }
  close_tiles(sums);
}

BLOCK_LOOP void multiply_bf16(float *c, const uint32_t *a, const uint32_t *b, size_t pairs) {
  float sums[SHT_BLOCK] __attribute__((aligned(64)));
  sum_words(sums, a, b, pairs, step_bf16);
  for (size_t e = 0; e < SHT_BLOCK; e += BLOCK_WIDTH) {
    *(vec *)(c + e) += *(const vec *)(sums + e);
  }
}

BLOCK_LOOP void respond_bf16(float *plus, float *minus, const uint32_t *a, const uint32_t *b, size_t pairs,
                             float bias) {
  float sums[SHT_BLOCK] __attribute__((aligned(64)));
  sum_words(sums, a, b, pairs, step_bf16);
  for (size_t e = 0; e < SHT_BLOCK; e += BLOCK_WIDTH) {
    const vec sum = *(const vec *)(sums + e);
    add_threshold(plus + e, sum, bias);
    add_threshold(minus + e, -sum, bias);
  }
}

BLOCK_LOOP void multiply_bytes(int32_t *c, const uint32_t *a, const uint32_t *b, size_t fours) {
  int32_t sums[SHT_BLOCK] __attribute__((aligned(64)));
  sum_words(sums, a, b, fours, step_bytes);
  for (size_t e = 0; e < SHT_BLOCK; e += BLOCK_WIDTH) {
    *(vec_ints *)(c + e) += *(const vec_ints *)(sums + e);
  }
}

BLOCK_LOOP void turn(const uint32_t *from, uint32_t *to, size_t k) {
  for (size_t first = 0; first < k; first += SIDE, to += STEP_A) {
    for (size_t row = 0; row < SHT_LANES; row++) {
      for (size_t word = 0; word < SIDE; word++) {
        to[row * SIDE + word] = first + word < k ? from[(first + word) * SHT_LANES + row] : 0;
      }
    }
  }
}

#include "dense/block_template.h"
