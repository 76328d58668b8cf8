// Kernels of the fully connected layers for processors with a matrix unit (AMX: Sapphire Rapids and later): in bf16 one
// instruction adds to 16 x 16 sums the products over 16 words. Its operands are the panels as they are: rows of A along
// the words, words of B along the lanes.
//
// Tiles 0 to 3 hold the sums of 32 rows and 32 lanes, 4 and 5 two times 16 rows of A, 6 and 7 two times 16 lanes of B.
// Products are made of 16 words at a time, counted from the first one, so that blocking by multiples of that does not
// show in the bits.
#define DENSE_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))
#include "base/amx.h"
#include "base/amx_tiles.h"
#include "engine/cpu/dense_vector_avx512_bf16.h"
#include "engine/cpu/isa.h"
// after what it needs

#include <string.h>

#include "engine/cpu/dense_template.h"

enum { SIDE = 16, PITCH = DENSE_LANES * 4 };  // words of a tile's row; bytes from a row to the next, of all panels

static bool has_amx(void) {
  return has_avx512_bf16() && cpu_isa_has(dnnl_cpu_isa_avx512_core_amx) && sht_amx_available();
}

// For sums of 1 to 32 rows. The compiler does not see what tiles read; the barrier keeps stores before them.
DENSE_INLINE void open_tiles(size_t rows) {
  const uint8_t first = rows < SIDE ? (uint8_t)rows : SIDE;
  const uint8_t second = rows > SIDE ? (uint8_t)(rows - SIDE) : SIDE;  // not used by 16 rows or fewer
  const sht_amx_shapes shapes = {.palette = 1,
                                 .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                 .rows = {first, first, second, second, first, second, SIDE, SIDE}};
  __asm__ volatile("" : : "r"(&shapes) : "memory");
  _tile_loadconfig(&shapes);
}

DENSE_INLINE void close_tiles(void) {
  _tile_release();
  __asm__ volatile("" ::: "memory");
}

// a: [rows][16 words], b: [16][32]. both: more than 16 rows.
DENSE_INLINE void add_step(const uint32_t *a, const uint32_t *b, bool both) {
  _tile_loadd(6, b, PITCH);
  _tile_loadd(7, b + SIDE, PITCH);
  _tile_loadd(4, a, PITCH);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  if (both) {
    _tile_loadd(5, a + (size_t)SIDE * DENSE_LANES, PITCH);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

// The last few words: what lies behind them in A is not part of it, and what lies behind them in B not even memory.
DENSE_INLINE void add_rest(const uint32_t *a, const uint32_t *b, size_t rows, size_t words) {
  uint32_t whole_a[DENSE_TILE] __attribute__((aligned(64))) = {0};
  uint32_t whole_b[SIDE * DENSE_LANES] __attribute__((aligned(64))) = {0};
  for (size_t r = 0; r < rows; r++) {
    memcpy(whole_a + r * DENSE_LANES, a + r * DENSE_LANES, words * sizeof *a);
  }
  memcpy(whole_b, b, words * PITCH);
  __asm__ volatile("" : : "r"(whole_a), "r"(whole_b) : "memory");
  add_step(whole_a, whole_b, rows > SIDE);
}

// Sums += A B for 1 to 32 rows of A.
DENSE_INLINE void add_products(const dense_factors *f, size_t row, size_t rows, bool both) {
  const uint32_t *a = f->a + row * DENSE_LANES;
  size_t k = 0;
  for (; k + SIDE <= f->k; k += SIDE) {
    add_step(a + k / DENSE_LANES * f->a_panel + k % DENSE_LANES, f->b + k * DENSE_LANES, both);
  }
  if (k < f->k) {
    add_rest(a + k / DENSE_LANES * f->a_panel + k % DENSE_LANES, f->b + k * DENSE_LANES, rows, f->k - k);
  }
}

// c [rows][32] += A B
DENSE_INLINE void multiply_rows(const dense_factors *f, float *c, size_t row, size_t rows, bool both) {
  float *second = c + (size_t)SIDE * DENSE_LANES;
  _tile_loadd(0, c, PITCH);
  _tile_loadd(1, c + SIDE, PITCH);
  if (both) {
    _tile_loadd(2, second, PITCH);
    _tile_loadd(3, second + SIDE, PITCH);
  }
  add_products(f, row, rows, both);
  _tile_stored(0, c, PITCH);
  _tile_stored(1, c + SIDE, PITCH);
  if (both) {
    _tile_stored(2, second, PITCH);
    _tile_stored(3, second + SIDE, PITCH);
  }
}

DENSE_TARGET static void multiply_amx(const dense_factors *f, float *c) {
  const size_t whole = f->rows / DENSE_LANES * DENSE_LANES;
  const size_t rest = f->rows - whole;
  if (whole > 0) {
    open_tiles(DENSE_LANES);
  }
  for (size_t row = 0; row < whole; row += DENSE_LANES) {
    multiply_rows(f, c + row * DENSE_LANES, row, DENSE_LANES, true);
  }
  if (rest > 0) {
    open_tiles(rest);
    multiply_rows(f, c + whole * DENSE_LANES, whole, rest, rest > SIDE);
  }
  close_tiles();
}

// Moves 1 to 32 rows by their gradients [rows][32].
DENSE_INLINE void move_all(const dense_update *u, size_t row, size_t rows, const float *gradient, vec *bad) {
  for (size_t r = 0; r < rows; r += 2) {
    vec w[2][2] = {{load(gradient + r * DENSE_LANES), load(gradient + r * DENSE_LANES + DENSE_WIDTH)},
                   {load(gradient + (r + 1) * DENSE_LANES), load(gradient + (r + 1) * DENSE_LANES + DENSE_WIDTH)}};
    if (r + 1 < rows) {
      move_rows(u, row + r, 0, w, 2, DENSE_BF16, bad);
    } else {
      move_rows(u, row + r, 0, w, 1, DENSE_BF16, bad);
    }
  }
}

DENSE_TARGET static bool update_amx(const dense_factors *f, const dense_update *u) {
  float gradient[DENSE_TILE] __attribute__((aligned(64)));
  vec bad = {0};
  for (size_t row = 0; row < f->rows; row += DENSE_LANES) {
    const size_t rows = f->rows - row < DENSE_LANES ? f->rows - row : DENSE_LANES;
    const dense_factors some = {f->a + row * DENSE_LANES, f->a_panel, f->b, rows, f->k};
    prefetch_tile(u, row, (int)rows);
    memset(gradient, 0, sizeof gradient);
    multiply_amx(&some, gradient);
    move_all(u, row, rows, gradient, &bad);
  }
  return all_zero(bad);
}

DENSE_KERNELS(amx, has_amx, multiply_amx, update_amx)
