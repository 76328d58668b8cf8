// Operations on tiles: see tile_ops.h.
#include "dense/tile_ops.h"

#include <math.h>
#include <stdbool.h>

#include "dense/tiles.h"

// Words of a panel of a tile, and of a tile, in parts of bf16.
enum { PARTS_OF_PANEL = SHT_PANEL / 2 * SHT_PARTS, PARTS_OF_TILE = SHT_TILE_PANELS * PARTS_OF_PANEL };

// Block q of the columns of panel p of a tile.
static float *block_at(float *tile, size_t p, size_t q) { return tile + p * SHT_PANEL + q * SHT_BLOCK; }

uint64_t sht__product_words(const sht__block_kernels *kernels) {
  return kernels->split != NULL ? 3 * (uint64_t)PARTS_OF_TILE : 0;
}

static void split_tile(const sht__block_kernels *kernels, const float *tile, uint32_t *parts) {
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    kernels->split(tile + p * SHT_PANEL, parts + p * PARTS_OF_PANEL, SHT_TILE);
  }
}

void sht__product_begin(sht__product *product, const float *b) {
  const sht__block_kernels *kernels = product->kernels;
  product->b = b;
  if (kernels->split != NULL) {
    uint32_t *turned = product->room + PARTS_OF_TILE, *straight = turned + PARTS_OF_TILE;
    split_tile(kernels, b, straight);
    kernels->turn(straight, turned, PARTS_OF_TILE / SHT_LANES);
  }
}

void sht__product_subtract(const sht__product *product, float *c, const float *a, bool lower) {
  const sht__block_kernels *kernels = product->kernels;
  const uint32_t *left = product->room, *right = left + PARTS_OF_TILE;
  if (kernels->split != NULL) {
    split_tile(kernels, a, product->room);
  }
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    for (size_t p = lower ? q : 0; p < SHT_TILE_PANELS; p++) {
      if (kernels->split != NULL) {
        kernels->multiply_parts(block_at(c, p, q), left + p * PARTS_OF_PANEL, right + q * PARTS_OF_PANEL, SHT_TILE, -1);
      } else {
        kernels->multiply(block_at(c, p, q), a + p * SHT_PANEL, product->b + q * SHT_PANEL, SHT_TILE, -1);
      }
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

void sht__panel_solve(const sht__block_kernels *kernels, float *x, const float *l, const float *turned) {
  for (size_t q = SHT_TILE_PANELS; q-- > 0;) {
    size_t after = (q + 1) * SHT_BLOCK;  // what stands behind block q in a panel
    kernels->multiply(x + q * SHT_BLOCK, x + after, turned + q * SHT_PANEL + after, SHT_TILE - (q + 1) * SHT_LANES, -1);
    kernels->solve(x + q * SHT_BLOCK, l + q * SHT_PANEL + q * SHT_BLOCK);
  }
}

void sht__panel_multiply(const sht__block_kernels *kernels, float *y, const float *x, const float *t, float sign) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    kernels->multiply(y + q * SHT_BLOCK, x, t + q * SHT_PANEL, SHT_TILE, sign);
  }
}

void sht__block_turn_f64(const double *from, double *to) {
  for (size_t c = 0; c < SHT_LANES; c++) {
    for (size_t r = 0; r < SHT_LANES; r++) {
      to[r * SHT_LANES + c] = from[c * SHT_LANES + r];
    }
  }
}

void sht__tile_transpose(const float *from, float *to) {
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
      const float *source = from + p * SHT_PANEL + q * SHT_BLOCK;
      float *target = block_at(to, q, p);
      for (size_t c = 0; c < SHT_LANES; c++) {
        for (size_t r = 0; r < SHT_LANES; r++) {
          target[r * SHT_LANES + c] = source[c * SHT_LANES + r];
        }
      }
    }
  }
}
