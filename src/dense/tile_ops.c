// Operations on tiles: see tile_ops.h.
#include "dense/tile_ops.h"

#include <math.h>
#include <stdbool.h>

#include "dense/tiles.h"

// Words of a panel of a tile, and of a tile, in parts of bf16.
enum { PARTS_OF_PANEL = SHT_PANEL / 2 * SHT_PARTS, PARTS_OF_TILE = SHT_TILE_PANELS * PARTS_OF_PANEL };
// Columns that are multiplied at once in parts: those of a panel of b stay in the first cache for eight of a.
enum { PARTS_CHUNK = 64 };

// Block q of the columns of panel p of a tile.
static float *block_at(float *tile, size_t p, size_t q) { return tile + p * SHT_PANEL + q * SHT_BLOCK; }

uint64_t sht__product_words(const sht__block_kernels *kernels) {
  return kernels->split != NULL ? 3 * (uint64_t)PARTS_OF_TILE : 0;
}

bool sht__product_has_parts(const sht__block_kernels *kernels, const float *diagonal, uint64_t n) {
  bool fits = kernels->split != NULL;
  for (uint64_t i = 0; i < n && fits; i++) {
    fits = diagonal[i] >= 0x1p-80F && diagonal[i] <= 0x1p126F;  // the square of a row's length
  }
  return fits;
}

static void split_tile(const sht__block_kernels *kernels, const float *tile, uint32_t *parts) {
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    kernels->split(tile + p * SHT_PANEL, parts + p * PARTS_OF_PANEL, SHT_TILE);
  }
}

void sht__product_begin(sht__product *product, const float *b) {
  const sht__block_kernels *kernels = product->kernels;
  product->b = b;
  if (product->parts) {
    uint32_t *turned = product->room + PARTS_OF_TILE, *straight = turned + PARTS_OF_TILE;
    split_tile(kernels, b, straight);
    kernels->turn(straight, turned, PARTS_OF_TILE / SHT_LANES);
  }
}

// Panels of c from p on, columns q of them, less the products of columns first .. first + PARTS_CHUNK - 1. On the way a
// share of the tile `next`.
static void subtract_parts(const sht__product *product, float *c, size_t p, size_t q, size_t first, const float *next) {
  const uint32_t *left = product->room, *right = left + PARTS_OF_TILE;
  const size_t share = SHT_PANEL / SHT_TILE * PARTS_CHUNK;
  sht__block_walk walk = {.panels = SHT_TILE_PANELS - p, .c_step = SHT_PANEL, .a_step = PARTS_OF_PANEL};
  if (next != NULL) {
    walk.ahead[0] = (const uint32_t *)(next + q * SHT_PANEL + first * SHT_LANES);
    walk.ahead[1] = walk.ahead[0] + share / 2;
    walk.piece = share / 2 / SHT_TILE_PANELS;
  }
  const size_t start = first * PARTS_OF_PANEL / SHT_TILE;
  product->kernels->subtract_parts(block_at(c, p, q), left + p * PARTS_OF_PANEL + start,
                                   right + q * PARTS_OF_PANEL + start, PARTS_CHUNK, &walk);
}

static void subtract_in_parts(const sht__product *product, float *c, const float *a, bool lower, const float *next) {
  split_tile(product->kernels, a, product->room);
  for (size_t first = 0; first < SHT_TILE; first += PARTS_CHUNK) {
    for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
      subtract_parts(product, c, lower ? q : 0, q, first, next);
    }
  }
}

void sht__product_subtract(const sht__product *product, float *c, const float *a, bool lower, const float *next) {
  if (product->parts) {
    subtract_in_parts(product, c, a, lower, next);
    return;
  }
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    for (size_t p = lower ? q : 0; p < SHT_TILE_PANELS; p++) {
      product->kernels->multiply(block_at(c, p, q), a + p * SHT_PANEL, product->b + q * SHT_PANEL, SHT_TILE, -1);
    }
  }
}

// Factor of a block of 32 x 32; the row of the first bad pivot, or 32.
static int factor_block(float *c, const float *diagonal, float floor, float *smallest) {
  for (int k = 0; k < SHT_LANES; k++) {
    float *column = c + k * SHT_LANES;
    float quotient = column[k] / diagonal[k];
    if (!(quotient > floor) || isinf(quotient)) {
      return k;
    }
    *smallest = quotient < *smallest ? quotient : *smallest;
    float root = sqrtf(column[k]);
    for (int r = 0; r < SHT_LANES; r++) {
      column[r] = r < k ? 0 : r == k ? root : column[r] / root;
    }
    for (int later = k + 1; later < SHT_LANES; later++) {
      float factor = column[later];
      for (int r = later; r < SHT_LANES; r++) {
        c[later * SHT_LANES + r] -= factor * column[r];
      }
    }
  }
  return SHT_LANES;
}

static void clear_block(float *block) {
  for (int i = 0; i < SHT_BLOCK; i++) {
    block[i] = 0;
  }
}

int sht__tile_factor(const sht__block_kernels *kernels, float *c, const float *diagonal, float floor, float *smallest) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
      float *block = block_at(c, p, q);
      if (p < q) {
        clear_block(block);
        continue;
      }
      kernels->multiply(block, c + p * SHT_PANEL, c + q * SHT_PANEL, q * SHT_LANES, -1);
      if (p > q) {
        kernels->solve_transposed(block, block_at(c, q, q));
        continue;
      }
      int bad = factor_block(block, diagonal + q * SHT_LANES, floor, smallest);
      if (bad < SHT_LANES) {
        return (int)(q * SHT_LANES) + bad;
      }
    }
  }
  return SHT_TILE;
}

void sht__panel_solve_transposed(const sht__block_kernels *kernels, float *x, const float *l) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    kernels->multiply(x + q * SHT_BLOCK, x, l + q * SHT_PANEL, q * SHT_LANES, -1);
    kernels->solve_transposed(x + q * SHT_BLOCK, l + q * SHT_PANEL + q * SHT_BLOCK);
  }
}

void sht__tile_solve(const sht__block_kernels *kernels, float *x, const float *l) {
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    sht__panel_solve_transposed(kernels, x + p * SHT_PANEL, l);
  }
}

void sht__panel_solve(const sht__block_kernels *kernels, float *x, const float *l) {
  for (size_t q = SHT_TILE_PANELS; q-- > 0;) {
    float *block = x + q * SHT_BLOCK;
    const float *own = l + q * SHT_PANEL + q * SHT_BLOCK;
    if (q + 1 < SHT_TILE_PANELS) {
      kernels->multiply_turned(block, block + SHT_BLOCK, own + SHT_PANEL, SHT_PANEL, SHT_TILE - (q + 1) * SHT_LANES,
                               -1);
    }
    kernels->solve(block, own);
  }
}

void sht__panel_multiply(const sht__block_kernels *kernels, float *y, const float *x, const float *t, float sign) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    kernels->multiply(y + q * SHT_BLOCK, x, t + q * SHT_PANEL, SHT_TILE, sign);
  }
}

void sht__panel_multiply_turned(const sht__block_kernels *kernels, float *y, const float *x, const float *t,
                                float sign) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    kernels->multiply_turned(y + q * SHT_BLOCK, x, t + q * SHT_BLOCK, SHT_PANEL, SHT_TILE, sign);
  }
}

void sht__block_turn_f64(const double *from, double *to) {
  for (size_t c = 0; c < SHT_LANES; c++) {
    for (size_t r = 0; r < SHT_LANES; r++) {
      to[r * SHT_LANES + c] = from[c * SHT_LANES + r];
    }
  }
}
