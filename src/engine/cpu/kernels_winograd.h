// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016, section 4) for blocked fp32 tensors, with the points
// 0, 1, -1, 2, -2 and infinity. An output tile of 4x4 comes from an input tile of 6x6:
//   Y = A' [ (G g G') . (B' d B) ] A,   36 products a channel pair instead of 144.
// The gradients are the same map's adjoints: dg = G' [ (A dY A') . (B' d B) ] G, and the input's gradient is the
// convolution of dY with the turned filters. The functions are described in kernels.h. V: channels side by side.
#ifndef SHT_ENGINE_CPU_KERNELS_WINOGRAD_H
#define SHT_ENGINE_CPU_KERNELS_WINOGRAD_H

#include "engine/cpu/kernels_vector.h"

enum {
  INPUT_SIDE = 6,
  OUTPUT_SIDE = 4,
  FILTER_SIDE = 3,
  FILTER_AREA = 9,
  PANEL_MAX = 3,  // vectors of a register tile
#if V == 16
  TILE_ROWS = 8,
#else
  TILE_ROWS = 4,
#endif
};

#define UNROLL _Pragma("GCC unroll 16")

// ---- one-dimensional transforms: `in` and `out` are vectors `from` and `to` apart

// B': 6 -> 6
INLINE void transform_input(const vf *in, int from, vf *out, int to) {
  vf x0 = in[0], x1 = in[from], x2 = in[2 * from], x3 = in[3 * from], x4 = in[4 * from], x5 = in[5 * from];
  vf even = x4 - 4.0f * x2, odd = x3 - 4.0f * x1;
  vf even2 = x4 - x2, odd2 = 2.0f * (x3 - x1);
  out[0] = 4.0f * x0 + (x4 - 5.0f * x2);
  out[to] = even + odd;
  out[2 * to] = even - odd;
  out[3 * to] = even2 + odd2;
  out[4 * to] = even2 - odd2;
  out[5 * to] = 4.0f * x1 + (x5 - 5.0f * x3);
}

// A': 6 -> 4
INLINE void transform_output(const vf *in, int from, vf *out, int to) {
  vf sum1 = in[from] + in[2 * from], difference1 = in[from] - in[2 * from];
  vf sum2 = in[3 * from] + in[4 * from], difference2 = in[3 * from] - in[4 * from];
  out[0] = in[0] + sum1 + sum2;
  out[to] = difference1 + 2.0f * difference2;
  out[2 * to] = sum1 + 4.0f * sum2;
  out[3 * to] = difference1 + 8.0f * difference2 + in[5 * from];
}

// A: 4 -> 6
INLINE void transform_gradient(const vf *in, int from, vf *out, int to) {
  vf y0 = in[0], y1 = in[from], y2 = in[2 * from], y3 = in[3 * from];
  vf even = y0 + y2, odd = y1 + y3;
  vf even2 = y0 + 4.0f * y2, odd2 = 2.0f * y1 + 8.0f * y3;
  out[0] = y0;
  out[to] = even + odd;
  out[2 * to] = even - odd;
  out[3 * to] = even2 + odd2;
  out[4 * to] = even2 - odd2;
  out[5 * to] = y3;
}

// G: 3 -> 6
INLINE void transform_filter(const vf *in, int from, vf *out, int to) {
  vf g0 = in[0], g1 = in[from], g2 = in[2 * from];
  vf outer = (-1.0f / 6) * (g0 + g2), inner = (1.0f / 6) * g1;
  vf outer2 = (1.0f / 24) * g0 + (1.0f / 6) * g2, inner2 = (1.0f / 12) * g1;
  out[0] = 0.25f * g0;
  out[to] = outer - inner;
  out[2 * to] = outer + inner;
  out[3 * to] = outer2 + inner2;
  out[4 * to] = outer2 - inner2;
  out[5 * to] = g2;
}

// G': 6 -> 3
INLINE void transform_filter_gradient(const vf *in, int from, vf *out, int to) {
  vf sum1 = (1.0f / 6) * (in[from] + in[2 * from]), difference1 = (1.0f / 6) * (in[2 * from] - in[from]);
  vf sum2 = in[3 * from] + in[4 * from], difference2 = in[3 * from] - in[4 * from];
  out[0] = 0.25f * in[0] - sum1 + (1.0f / 24) * sum2;
  out[to] = difference1 + (1.0f / 12) * difference2;
  out[2 * to] = (1.0f / 6) * sum2 - sum1 + in[5 * from];
}

// ---- two-dimensional ones

typedef void transform(const vf *in, int from, vf *out, int to);

// in [side][side] -> its 36 points, `stride` floats apart.
INLINE void spread_tile(const vf *in, int side, transform *along, float *points, uint64_t stride) {
  vf half[INPUT_SIDE * INPUT_SIDE], row[INPUT_SIDE];
  UNROLL
  for (int c = 0; c < side; c++) {
    along(in + c, side, half + c, side);
  }
  UNROLL
  for (int r = 0; r < INPUT_SIDE; r++) {
    along(half + r * side, 1, row, 1);
    UNROLL
    for (int c = 0; c < INPUT_SIDE; c++) {
      store(points, ((uint64_t)r * INPUT_SIDE + (uint64_t)c) * stride, false, row[c]);
    }
  }
}

// 36 points, `stride` floats apart, -> out [side][side].
INLINE void gather_tile(const float *points, uint64_t stride, transform *along, int side, vf *out) {
  vf column[INPUT_SIDE], half[INPUT_SIDE * INPUT_SIDE];
  UNROLL
  for (int c = 0; c < INPUT_SIDE; c++) {
    UNROLL
    for (int r = 0; r < INPUT_SIDE; r++) {
      column[r] = load(points, ((uint64_t)r * INPUT_SIDE + (uint64_t)c) * stride, false);
    }
    along(column, 1, half + c, INPUT_SIDE);
  }
  UNROLL
  for (int r = 0; r < side; r++) {
    along(half + r * INPUT_SIDE, 1, out + r * side, 1);
  }
}

// ---- tiles

typedef struct tile_place {
  uint32_t image;
  int32_t row, column;  // of the tile's first element, may lie outside
} tile_place;

INLINE tile_place place_of(const cpu_tiles *tiles, uint32_t tile, int32_t pad) {
  uint32_t in_image = tile % (tiles->down * tiles->across);
  return (tile_place){
      .image = tile / (tiles->down * tiles->across),
      .row = (int32_t)(in_image / tiles->across * OUTPUT_SIDE) - pad,
      .column = (int32_t)(in_image % tiles->across * OUTPUT_SIDE) - pad,
  };
}

INLINE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }
INLINE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

// values [side][side] <- a block's [height][width][V] from the place on; what lies outside is zero.
INLINE void load_tile(const float *plane, uint32_t height, uint32_t width, tile_place at, int side, vf *values) {
  int32_t top = larger(0, -at.row), left = larger(0, -at.column);
  int32_t bottom = smaller(side, (int32_t)height - at.row), right = smaller(side, (int32_t)width - at.column);
  if (bottom - top < side || right - left < side) {
    for (int i = 0; i < side * side; i++) {
      values[i] = splat(0);
    }
  }
  for (int32_t r = top; r < bottom; r++) {
    const float *line = plane + ((int64_t)(at.row + r) * width + at.column) * V;
    for (int32_t c = left; c < right; c++) {
      values[r * side + c] = load(line, (uint64_t)((int64_t)c * V), false);
    }
  }
}

INLINE float *spread_at(const cpu_spread *s, uint32_t point, uint32_t block, uint32_t tile) {
  return s->data + point * cpu_spread_stride(s->blocks, s->room, V) + ((uint64_t)block * s->room + tile) * V;
}

// Tiles of x [height][width] into the transformed domain.
INLINE void spread_tiles(const cpu_array *x, const cpu_tiles *tiles, uint32_t height, uint32_t width, uint32_t pad,
                         int side, transform *along, uint32_t first, uint32_t count, const cpu_spread *to) {
  const uint64_t plane = (uint64_t)height * width * V;
  const uint64_t stride = cpu_spread_stride(to->blocks, to->room, V);
  for (uint32_t t = 0; t < count; t++) {
    tile_place at = place_of(tiles, first + t, (int32_t)pad);
    for (uint32_t b = 0; b < to->blocks; b++) {
      vf tile[INPUT_SIDE * INPUT_SIDE];
      load_tile((const float *)image_of(x, at.image) + b * plane, height, width, at, side, tile);
      spread_tile(tile, side, along, spread_at(to, 0, b, t), stride);
    }
  }
}

static void winograd_input(const cpu_array *x, const cpu_tiles *tiles, uint32_t first, uint32_t count,
                           const cpu_spread *to) {
  spread_tiles(x, tiles, tiles->height, tiles->width, tiles->pad, INPUT_SIDE, transform_input, first, count, to);
}

static void winograd_gradient(const cpu_array *dy, const cpu_tiles *tiles, uint32_t first, uint32_t count,
                              const cpu_spread *to) {
  spread_tiles(dy, tiles, tiles->out_height, tiles->out_width, 0, OUTPUT_SIDE, transform_gradient, first, count, to);
}

INLINE void store_tile(float *plane, const cpu_tiles *tiles, tile_place at, const vf *y, vf bias, bool relu) {
  int32_t rows = smaller(OUTPUT_SIDE, (int32_t)tiles->out_height - at.row);
  int32_t columns = smaller(OUTPUT_SIDE, (int32_t)tiles->out_width - at.column);
  for (int32_t r = 0; r < rows; r++) {
    float *line = plane + ((int64_t)(at.row + r) * tiles->out_width + at.column) * V;
    for (int32_t c = 0; c < columns; c++) {
      vf value = y[r * OUTPUT_SIDE + c] + bias;
      value = relu ? select_where(value < splat(0), splat(0), value) : value;
      store(line, (uint64_t)((int64_t)c * V), false, value);
    }
  }
}

static void winograd_output(const cpu_spread *from, const cpu_tiles *tiles, uint32_t first, uint32_t count,
                            const cpu_array *y, const float *bias, bool relu) {
  const uint64_t plane = (uint64_t)tiles->out_height * tiles->out_width * V;
  const uint64_t stride = cpu_spread_stride(from->blocks, from->room, V);
  for (uint32_t t = 0; t < count; t++) {
    tile_place at = place_of(tiles, first + t, 0);
    for (uint32_t b = 0; b < from->blocks; b++) {
      vf out[OUTPUT_SIDE * OUTPUT_SIDE];
      gather_tile(spread_at(from, 0, b, t), stride, transform_output, OUTPUT_SIDE, out);
      store_tile((float *)image_of(y, at.image) + b * plane, tiles, at, out,
                 bias == NULL ? splat(0) : load(bias, (uint64_t)b * V, false), relu);
    }
  }
}

// ---- filters

// u [36][panels of `vectors` vectors][depth][vectors][V]: place of a filter's vector.
INLINE uint64_t filter_place(uint32_t blocks, uint64_t depth, uint32_t block, uint64_t k) {
  uint32_t first = 0;
  uint32_t vectors = cpu_winograd_panel(blocks, 0);
  while (first + vectors <= block) {
    first += vectors;
    vectors = cpu_winograd_panel(blocks, first);
  }
  return (first * depth + k * vectors + (block - first)) * V;
}

static void winograd_filters(const float *held, uint32_t in_blocks, uint32_t out_blocks, float *u) {
  const uint64_t depth = (uint64_t)in_blocks * V;
  const uint64_t stride = depth * out_blocks * V;
  for (uint32_t o = 0; o < out_blocks; o++) {
    for (uint64_t i = 0; i < depth; i++) {
      vf g[FILTER_AREA];
      UNROLL
      for (uint64_t f = 0; f < FILTER_AREA; f++) {
        g[f] = load(held, ((o * depth + i) * FILTER_AREA + f) * V, false);
      }
      spread_tile(g, FILTER_SIDE, transform_filter, u + filter_place(out_blocks, depth, o, i), stride);
    }
  }
}

// g [V outputs][3][3][V inputs] of a pair of blocks, turned by half a turn.
INLINE void turn_filters(const float *held, float *turned) {
  for (uint64_t i = 0; i < V; i++) {
    for (uint64_t f = 0; f < FILTER_AREA; f++) {
      for (uint64_t o = 0; o < V; o++) {
        turned[(o * FILTER_AREA + FILTER_AREA - 1 - f) * V + i] = held[(i * FILTER_AREA + f) * V + o];
      }
    }
  }
}

static void winograd_turned_filters(const float *held, uint32_t in_blocks, uint32_t out_blocks, float *u) {
  const uint64_t depth = (uint64_t)out_blocks * V;
  const uint64_t stride = depth * in_blocks * V;
  float turned[V * FILTER_AREA * V];
  for (uint32_t o = 0; o < out_blocks; o++) {
    for (uint32_t i = 0; i < in_blocks; i++) {
      turn_filters(held + ((uint64_t)o * in_blocks + i) * V * FILTER_AREA * V, turned);
      for (uint64_t k = 0; k < V; k++) {
        vf g[FILTER_AREA];
        UNROLL
        for (uint64_t f = 0; f < FILTER_AREA; f++) {
          g[f] = load(turned, (k * FILTER_AREA + f) * V, false);
        }
        spread_tile(g, FILTER_SIDE, transform_filter, u + filter_place(in_blocks, depth, i, o * (uint64_t)V + k),
                    stride);
      }
    }
  }
}

// ---- products

INLINE void clear_sums(vf (*sums)[PANEL_MAX], int vectors) {
  UNROLL
  for (int r = 0; r < TILE_ROWS; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) {
      sums[r][v] = splat(0);
    }
  }
}

// sums [TILE_ROWS][vectors] += x[r * x_step] w[v * w_step ..]
INLINE void add_products(vf (*sums)[PANEL_MAX], const float *x, uint64_t x_step, const float *w, uint64_t w_step,
                         int vectors) {
  vf panel[PANEL_MAX];
  UNROLL
  for (int v = 0; v < vectors; v++) {
    panel[v] = load(w, (uint64_t)v * w_step, false);
  }
  UNROLL
  for (int r = 0; r < TILE_ROWS; r++) {
    vf value = splat(x[(uint64_t)r * x_step]);
    UNROLL
    for (int v = 0; v < vectors; v++) {
      sums[r][v] += value * panel[v];
    }
  }
}

INLINE void store_sums(vf (*sums)[PANEL_MAX], float *to, uint64_t row_step, uint64_t vector_step, int vectors) {
  UNROLL
  for (int r = 0; r < TILE_ROWS; r++) {
    UNROLL
    for (int v = 0; v < vectors; v++) {
      store(to, (uint64_t)r * row_step + (uint64_t)v * vector_step, false, sums[r][v]);
    }
  }
}

// to [TILE_ROWS][vectors] = rows of x times a panel of u. x: first row, blocks `x_block` floats apart.
INLINE void multiply_rows(const float *x, uint64_t x_block, uint32_t x_blocks, const float *u, float *to,
                          uint64_t to_block, int vectors) {
  vf sums[TILE_ROWS][PANEL_MAX];
  clear_sums(sums, vectors);
  for (uint32_t b = 0; b < x_blocks; b++, x += x_block) {
    for (int k = 0; k < V; k++, u += vectors * V) {
      add_products(sums, x + k, V, u, V, vectors);
    }
  }
  store_sums(sums, to, V, to_block, vectors);
}

static void winograd_multiply(const cpu_spread *x, const float *u, const cpu_spread *y, uint32_t count) {
  const uint64_t depth = (uint64_t)x->blocks * V;
  const uint64_t x_block = (uint64_t)x->room * V;
  const uint64_t y_block = (uint64_t)y->room * V;
  for (uint32_t p = 0; p < CPU_WINOGRAD_POINTS; p++, u += depth * y->blocks * V) {
    uint32_t vectors = 0;
    for (uint32_t first = 0; first < y->blocks; first += vectors) {
      vectors = cpu_winograd_panel(y->blocks, first);
      const float *panel = u + first * depth * V;
      for (uint32_t t = 0; t < count; t += TILE_ROWS) {
        const float *from = spread_at(x, p, 0, t);
        float *to = spread_at(y, p, first, t);
        switch (vectors) {
          case 1:
            multiply_rows(from, x_block, x->blocks, panel, to, y_block, 1);
            break;
          case 2:
            multiply_rows(from, x_block, x->blocks, panel, to, y_block, 2);
            break;
          default:
            multiply_rows(from, x_block, x->blocks, panel, to, y_block, 3);
            break;
        }
      }
    }
  }
}

// to [TILE_ROWS][vectors] = sum over tiles of x (TILE_ROWS lanes of a block) times d (vectors blocks).
INLINE void correlate_rows(const float *x, const float *d, uint64_t d_block, uint32_t tiles, float *to, int vectors) {
  vf sums[TILE_ROWS][PANEL_MAX];
  clear_sums(sums, vectors);
  for (uint32_t t = 0; t < tiles; t++, x += V, d += V) {
    add_products(sums, x, 1, d, d_block, vectors);
  }
  store_sums(sums, to, (uint64_t)vectors * V, V, vectors);
}

// The 36 points of one block of inputs and a panel of outputs -> buffer [36][V][vectors][V].
INLINE void correlate_block(const cpu_spread *x, uint32_t in_block, const cpu_spread *d, uint32_t first, uint32_t tiles,
                            float *buffer, int vectors) {
  const uint64_t d_block = (uint64_t)d->room * V;
  for (uint32_t p = 0; p < CPU_WINOGRAD_POINTS; p++) {
    for (uint64_t r = 0; r < V; r += TILE_ROWS) {
      correlate_rows(spread_at(x, p, in_block, 0) + r, spread_at(d, p, first, 0), d_block, tiles,
                     buffer + (p * V + r) * (uint64_t)vectors * V, vectors);
    }
  }
}

// Points of a filter's gradient, `stride` floats apart, -> to [3][3][V]
INLINE void gather_filter(const float *points, uint64_t stride, float *to) {
  vf g[FILTER_AREA];
  gather_tile(points, stride, transform_filter_gradient, FILTER_SIDE, g);
  UNROLL
  for (uint64_t f = 0; f < FILTER_AREA; f++) {
    store(to, f * V, false, g[f]);
  }
}

static void winograd_correlate(const cpu_spread *x, const cpu_spread *d, uint32_t tiles, float *buffer,
                               float *gradient) {
  const uint64_t depth = (uint64_t)x->blocks * V;
  uint32_t vectors = 0;
  for (uint32_t first = 0; first < d->blocks; first += vectors) {
    vectors = cpu_winograd_panel(d->blocks, first);
    for (uint32_t b = 0; b < x->blocks; b++) {
      switch (vectors) {
        case 1:
          correlate_block(x, b, d, first, tiles, buffer, 1);
          break;
        case 2:
          correlate_block(x, b, d, first, tiles, buffer, 2);
          break;
        default:
          correlate_block(x, b, d, first, tiles, buffer, 3);
          break;
      }
      for (uint64_t v = 0; v < vectors; v++) {
        for (uint64_t i = 0; i < V; i++) {
          gather_filter(buffer + (i * vectors + v) * V, (uint64_t)V * vectors * V,
                        gradient + ((first + v) * depth + b * (uint64_t)V + i) * FILTER_AREA * V);
        }
      }
    }
  }
}

static void channel_sums(const cpu_array *x, cpu_extent extent, float *sums) {
  for (uint32_t b = 0; b < extent.blocks; b++) {
    vf sum = splat(0);
    for (uint32_t n = 0; n < extent.images; n++) {
      const plane_of plane = plane_at(x, n, b);
      vf one = splat(0);  // of an image, so that no chain of additions grows with the batch
      for (uint64_t p = 0; p < extent.positions; p++) {
        one += load(plane.data, p * plane.step, x->bf16);
      }
      sum += one;
    }
    store(sums, (uint64_t)b * V, false, sum);
  }
}

#endif
