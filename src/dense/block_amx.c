// Panel products for processors with a matrix unit (AMX: Sapphire Rapids and later). Its tiles are 16 rows of 16 words;
// one instruction adds to a tile of sums the products of 16 rows of b with 16 rows of a over 16 words of each. A panel
// is the second operand as it is, [word][row of a]; the first is wanted turned, [row of b][word].
//
// Tiles 0 to 3 hold the sums of a block of 32 x 32, 4 and 5 two times 16 rows of b, 6 and 7 of a: each tile that is
// read serves two products.
#define BLOCK_BF16_RATE 6
#define BLOCK_BYTE_RATE 12
#define BLOCK_CHUNK 128
#define BLOCK_TURN turn
#define BLOCK_SPLIT split
#define BLOCK_SUBTRACT_PARTS subtract_parts
#define BLOCK_NEAR 2
#define BLOCK_SET amx
#define BLOCK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma,amx-tile,amx-bf16,amx-int8")))
#include <string.h>

#include "base/amx.h"
#include "base/amx_tiles.h"
#include "dense/block_avx512.h"

enum {
  SIDE = 16,
  TILE_WORDS = SIDE * SIDE,
  STEP_A = SIDE * SHT_LANES,
  ROW_BYTES = SIDE * 4,
  PANEL_BYTES = SHT_LANES * 4
};

static bool supported(void) { return supported_avx512() && sht_amx_available(); }

// All tiles whole. The compiler does not see what tiles read; the barrier keeps stores before them.
BLOCK_INLINE void open_tiles(void) {
  static const sht_amx_shapes whole = {
      .palette = 1,
      .row_bytes = {ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES},
      .rows = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE}};
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&whole);
}

BLOCK_INLINE void clear_sums(void) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// sums: [32 j][32 i] words.
BLOCK_INLINE void store_sums(void *sums) {
  char *to = sums;
  _tile_stored(0, to, PANEL_BYTES);
  _tile_stored(1, to + ROW_BYTES, PANEL_BYTES);
  _tile_stored(2, to + (size_t)SIDE * PANEL_BYTES, PANEL_BYTES);
  _tile_stored(3, to + (size_t)SIDE * PANEL_BYTES + ROW_BYTES, PANEL_BYTES);
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

// rest [16][32] <- rows from[0] .. from[left - 1], then zeros.
BLOCK_INLINE void copy_rest(const uint32_t *from, size_t left, uint32_t *rest) {
  memcpy(rest, from, left * PANEL_BYTES);
  memset(rest + left * SHT_LANES, 0, (SIDE - left) * PANEL_BYTES);
}

// The products of parts that count, the smallest first; those left out are below 2^-26 of the whole.
BLOCK_INLINE void step_parts(const uint32_t *a, const uint32_t *b) {
  step_bf16(a + STEP_A, b + STEP_A);
  step_bf16(a, b + 2 * STEP_A);
  step_bf16(a + 2 * STEP_A, b);
  step_bf16(a, b + STEP_A);
  step_bf16(a + STEP_A, b);
  step_bf16(a, b);
}

// What to do with 16 words of 32 rows of a and b (or with that many of their parts), and with the sums of a block.
typedef void sum_step(const uint32_t *a, const uint32_t *b);
typedef void sums_use(void *c, const void *sums);

// Steps of so many words of 32 rows; what is left over, fewer than 16, is for `last`.
typedef struct sum_way {
  size_t words;
  sum_step *step, *last;
  sums_use *use;
} sum_way;

// Where the next panel's share of what is wanted next begins, and how many lines of each are asked for in a step.
typedef struct sum_ahead {
  const uint32_t *from[2];
  size_t lines;
} sum_ahead;

BLOCK_INLINE void ask_lines(sum_ahead *ahead) {
  for (size_t line = 0; line < ahead->lines; line++) {
    for (int side = 0; side < 2; side++) {
      __builtin_prefetch(ahead->from[side], 0, BLOCK_NEAR);
      ahead->from[side] += LINE;
    }
  }
}

// sums[j][i] = sum over k of a[k][i] b[j][k]; a: [words][32], b turned. What is left of a behind the last 16 words is
// copied, since nothing may be read behind it.
BLOCK_INLINE void sum_words(void *sums, const uint32_t *a, const uint32_t *b, size_t words, sum_ahead *ahead,
                            const sum_way way) {
  uint32_t rest[STEP_A] __attribute__((aligned(64)));
  const size_t left = words % SIDE;
  if (left > 0) {
    copy_rest(a + (words - left) * SHT_LANES, left, rest);
    __asm__ volatile("" ::: "memory");
  }
  clear_sums();
  for (size_t first = 0; first + way.words <= words; first += way.words) {
    way.step(a + first * SHT_LANES, b + first * SHT_LANES);
    ask_lines(ahead);
  }
  if (left > 0) {
    way.last(rest, b + (words - left) * SHT_LANES);
  }
  store_sums(sums);
}

// The blocks of a walk. The sums of one are used while the next one's are made, so that the unit does not wait for them
// to come out of the tiles.
BLOCK_INLINE void walk_panels(void *c, const uint32_t *a, const uint32_t *b, size_t words, const sht__block_walk *walk,
                              const sum_way way) {
  float sums[2][SHT_BLOCK] __attribute__((aligned(64)));
  float *to = c;
  sum_ahead ahead = {{walk->ahead[0], walk->ahead[1]}, words > 0 ? walk->piece * way.words / words / LINE : 0};
  open_tiles();
  for (size_t p = 0; p < walk->panels; p++) {
    sum_words(sums[p % 2], a + p * walk->a_step, b, words, &ahead, way);
    if (p > 0) {
      way.use(to + (p - 1) * walk->c_step, sums[(p - 1) % 2]);
    }
  }
  if (walk->panels > 0) {
    way.use(to + (walk->panels - 1) * walk->c_step, sums[(walk->panels - 1) % 2]);
  }
  _tile_release();
}

BLOCK_INLINE void add_floats(void *c, const void *sums) {
  for (size_t e = 0; e < SHT_BLOCK; e += BLOCK_WIDTH) {
    *(vec *)((float *)c + e) += *(const vec *)((const float *)sums + e);
  }
}

BLOCK_INLINE void subtract_floats(void *c, const void *sums) {
  for (size_t e = 0; e < SHT_BLOCK; e += BLOCK_WIDTH) {
    *(vec *)((float *)c + e) -= *(const vec *)((const float *)sums + e);
  }
}

BLOCK_INLINE void add_words(void *c, const void *sums) {
  for (size_t e = 0; e < SHT_BLOCK; e += BLOCK_WIDTH) {
    *(vec_ints *)((int32_t *)c + e) += *(const vec_ints *)((const int32_t *)sums + e);
  }
}

BLOCK_LOOP void multiply_bf16(float *c, const uint32_t *a, const uint32_t *b, size_t pairs,
                              const sht__block_walk *walk) {
  walk_panels(c, a, b, pairs, walk, (sum_way){SIDE, step_bf16, step_bf16, add_floats});
}

BLOCK_LOOP void multiply_bytes(int32_t *c, const uint32_t *a, const uint32_t *b, size_t fours,
                               const sht__block_walk *walk) {
  walk_panels(c, a, b, fours, walk, (sum_way){SIDE, step_bytes, step_bytes, add_words});
}

BLOCK_LOOP void subtract_parts(float *c, const uint32_t *a, const uint32_t *b, size_t k, const sht__block_walk *walk) {
  walk_panels(c, a, b, k / 2 * SHT_PARTS, walk, (sum_way){SHT_PARTS * SIDE, step_parts, step_bf16, subtract_floats});
}

BLOCK_LOOP void respond_bf16(float *plus, float *minus, const uint32_t *a, const uint32_t *b, size_t pairs,
                             float bias) {
  float sums[SHT_BLOCK] __attribute__((aligned(64)));
  open_tiles();
  sum_words(sums, a, b, pairs, &(sum_ahead){0}, (sum_way){SIDE, step_bf16, step_bf16, NULL});
  _tile_release();
  for (size_t e = 0; e < SHT_BLOCK; e += BLOCK_WIDTH) {
    const vec sum = *(const vec *)(sums + e);
    add_threshold(plus + e, sum, bias);
    add_threshold(minus + e, -sum, bias);
  }
}

// Four vectors, the rows of 4 x 4 words that each of their quarters holds, turned within the quarters.
BLOCK_INLINE void turn_quarters(__m512i *rows) {
  const __m512i low01 = _mm512_unpacklo_epi32(rows[0], rows[1]), high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(rows[2], rows[3]), high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
  rows[0] = _mm512_unpacklo_epi64(low01, low23);
  rows[1] = _mm512_unpackhi_epi64(low01, low23);
  rows[2] = _mm512_unpacklo_epi64(high01, high23);
  rows[3] = _mm512_unpackhi_epi64(high01, high23);
}

// Four vectors of four quarters, turned quarter by quarter: to[q] gets quarter q of each.
BLOCK_INLINE void gather_quarters(__m512i a, __m512i b, __m512i c, __m512i d, __m512i *to) {
  const __m512i even_ab = _mm512_shuffle_i32x4(a, b, 0x88), odd_ab = _mm512_shuffle_i32x4(a, b, 0xdd);
  const __m512i even_cd = _mm512_shuffle_i32x4(c, d, 0x88), odd_cd = _mm512_shuffle_i32x4(c, d, 0xdd);
  to[0] = _mm512_shuffle_i32x4(even_ab, even_cd, 0x88);
  to[1] = _mm512_shuffle_i32x4(odd_ab, odd_cd, 0x88);
  to[2] = _mm512_shuffle_i32x4(even_ab, even_cd, 0xdd);
  to[3] = _mm512_shuffle_i32x4(odd_ab, odd_cd, 0xdd);
}

// to [16][16] <- from^T; rows of `from` are 32 words apart.
BLOCK_INLINE void turn_square(const uint32_t *from, uint32_t *to) {
  __m512i rows[SIDE];
  BLOCK_UNROLL
  for (size_t r = 0; r < SIDE; r++) {
    rows[r] = _mm512_loadu_si512(from + r * SHT_LANES);
  }
  BLOCK_UNROLL
  for (size_t r = 0; r < SIDE; r += 4) {
    turn_quarters(rows + r);
  }
  BLOCK_UNROLL
  for (size_t r = 0; r < 4; r++) {
    __m512i turned[4];
    gather_quarters(rows[r], rows[r + 4], rows[r + 8], rows[r + 12], turned);
    BLOCK_UNROLL
    for (size_t q = 0; q < 4; q++) {
      _mm512_storeu_si512(to + (4 * q + r) * SIDE, turned[q]);
    }
  }
}

BLOCK_LOOP void turn(const uint32_t *from, uint32_t *to, size_t k) {
  uint32_t rest[STEP_A] __attribute__((aligned(64)));
  for (size_t first = 0; first < k; first += SIDE, from += STEP_A, to += STEP_A) {
    const uint32_t *step = from;
    if (k - first < SIDE) {
      copy_rest(from, k - first, rest);
      step = rest;
    }
    turn_square(step, to);
    turn_square(step + SIDE, to + TILE_WORDS);
  }
}

// The nearest bf16 to each, as fp32.
BLOCK_INLINE vec nearest_bf16(vec x) { return (vec)(((vec_words)x + vec_splat(0x8000)) & vec_splat(0xffff0000)); }

// Words of the bf16 of columns 2 p and 2 p + 1.
BLOCK_INLINE vec_words pair_columns(vec first, vec second) { return (vec_words)first >> 16 | (vec_words)second; }

BLOCK_LOOP void split(const float *panel, uint32_t *parts, size_t k) {
  for (size_t pair = 0; pair < k / 2; pair++, panel += 2 * SHT_LANES) {
    uint32_t *to = parts + (pair / SIDE * SHT_PARTS * SIDE + pair % SIDE) * SHT_LANES;
    BLOCK_UNROLL
    for (size_t i = 0; i < SHT_LANES; i += BLOCK_WIDTH) {
      vec first = *(const vec *)(panel + i), second = *(const vec *)(panel + SHT_LANES + i);
      BLOCK_UNROLL
      for (size_t part = 0; part < SHT_PARTS; part++) {
        const vec high_first = nearest_bf16(first), high_second = nearest_bf16(second);
        *(vec_words *)(to + part * STEP_A + i) = pair_columns(high_first, high_second);
        first -= high_first;
        second -= high_second;
      }
    }
  }
}

#include "dense/block_template.h"
