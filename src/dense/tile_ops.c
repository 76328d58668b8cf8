// Operations on tiles: see tile_ops.h.
#include "dense/tile_ops.h"

#include <math.h>
#include <stdbool.h>

#include "dense/tiles.h"

// Block q of the columns of panel p of a tile.
static float *block_at(float *tile, size_t p, size_t q) { return tile + p * SHT_PANEL + q * SHT_BLOCK; }

void sht__tile_multiply(const sht__block_kernels *kernels, float *c, const float *a, const float *b, float sign) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
      kernels->multiply(block_at(c, p, q), a + p * SHT_PANEL, b + q * SHT_PANEL, SHT_TILE, sign);
    }
  }
}

void sht__tile_multiply_lower(const sht__block_kernels *kernels, float *c, const float *a, const float *b, float sign) {
  for (size_t q = 0; q < SHT_TILE_PANELS; q++) {
    for (size_t p = q; p < SHT_TILE_PANELS; p++) {
      kernels->multiply(block_at(c, p, q), a + p * SHT_PANEL, b + q * SHT_PANEL, SHT_TILE, sign);
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
