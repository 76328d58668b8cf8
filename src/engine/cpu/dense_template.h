// The kernels of dense_kernels.h for one instruction set: see dense_vector.h for what the including file defines. It
// ends with DENSE_KERNELS, the table.
// A register tile is DENSE_ROWS rows by two vectors; a panel of 32 lanes takes 32 / (2 * DENSE_WIDTH) passes.
#ifndef SHT_ENGINE_CPU_DENSE_TEMPLATE_H
#define SHT_ENGINE_CPU_DENSE_TEMPLATE_H

#include "engine/cpu/dense_vector.h"

enum { STRIPE = 2 * DENSE_WIDTH };  // lanes of one pass

#define DENSE_UNROLL _Pragma("GCC unroll 16")

DENSE_INLINE vec load(const void *from) { return *(const vec *)from; }
DENSE_INLINE void store(void *to, vec values) { *(vec *)to = values; }

// acc [rows][2] += A B over k words; rows is a constant where this is inlined.
DENSE_INLINE void accumulate(vec (*acc)[2], int rows, dense_words kind, const dense_factors *f, size_t row,
                             size_t lane) {
  const uint32_t *a = f->a + row * DENSE_LANES;
  const uint32_t *b = f->b + lane;
  for (size_t left = f->k; left > 0; a += f->a_panel) {
    size_t count = left < DENSE_LANES ? left : DENSE_LANES;
    left -= count;
    for (size_t i = 0; i < count; i++, b += DENSE_LANES) {
      vec b0 = load(b), b1 = load(b + DENSE_WIDTH);
      DENSE_UNROLL
      for (int r = 0; r < rows; r++) {
        vec x = vec_splat(a[(size_t)r * DENSE_LANES + i]);
        acc[r][0] = kind == DENSE_BF16 ? vec_dot2(x, b0, acc[r][0]) : vec_fused(x, b0, acc[r][0]);
        acc[r][1] = kind == DENSE_BF16 ? vec_dot2(x, b1, acc[r][1]) : vec_fused(x, b1, acc[r][1]);
      }
    }
  }
}

DENSE_INLINE void multiply_tile(const dense_factors *f, float *c, size_t row, int rows, dense_words kind) {
  for (size_t lane = 0; lane < DENSE_LANES; lane += STRIPE) {
    vec acc[DENSE_ROWS][2];
    float *to = c + row * DENSE_LANES + lane;
    DENSE_UNROLL
    for (int r = 0; r < rows; r++) {
      acc[r][0] = load(to + (size_t)r * DENSE_LANES);
      acc[r][1] = load(to + (size_t)r * DENSE_LANES + DENSE_WIDTH);
    }
    accumulate(acc, rows, kind, f, row, lane);
    DENSE_UNROLL
    for (int r = 0; r < rows; r++) {
      store(to + (size_t)r * DENSE_LANES, acc[r][0]);
      store(to + (size_t)r * DENSE_LANES + DENSE_WIDTH, acc[r][1]);
    }
  }
}

// Moves one vector of weights; `bad` turns NaN where a weight is not finite.
DENSE_INLINE vec step(const dense_update *u, size_t place, vec gradient, vec *bad) {
  vec weight = load(u->weight + place);
  vec momentum = load(u->momentum + place);
  gradient = vec_fused(vec_set(u->decay), weight, gradient);
  momentum = vec_fused(vec_set(u->momentum_factor), momentum, gradient);
  weight = vec_fused(vec_set(-u->rate), momentum, weight);
  *bad = vec_fused(weight, (vec){0}, *bad);
  store(u->momentum + place, momentum);
  store(u->weight + place, weight);
  return weight;
}

// Refreshes the bf16 copies from the new weights w [rows][2].
DENSE_INLINE void refresh(const dense_update *u, size_t row, size_t lane, vec (*w)[2], int rows) {
  uint32_t *along_lanes = u->along_lanes + row * DENSE_LANES + lane / 2;
  DENSE_UNROLL
  for (int r = 0; r < rows; r++) {
    *(vec_words *)(along_lanes + (size_t)r * DENSE_LANES) = vec_pair_lanes(w[r][0], w[r][1]);
  }
  if (u->along_rows == NULL) {
    return;
  }
  uint32_t *along_rows = u->along_rows + row / 2 * DENSE_LANES + lane;
  DENSE_UNROLL
  for (int r = 0; r < rows; r += 2) {
    for (int v = 0; v < 2; v++) {
      vec second = r + 1 < rows ? w[r + 1][v] : (vec){0};
      *(vec_words *)(along_rows + (size_t)(r / 2) * DENSE_LANES + (size_t)v * DENSE_WIDTH) =
          vec_pair_rows(w[r][v], second);
    }
  }
}

// The tile's weights and momentum are asked for before the sum and used after it.
DENSE_INLINE void prefetch_tile(const dense_update *u, size_t row, int rows) {
  for (int r = 0; r < rows; r++) {
    for (size_t lane = 0; lane < DENSE_LANES; lane += 16) {
      size_t place = (row + (size_t)r) * DENSE_LANES + lane;
      __builtin_prefetch(u->weight + place, 1);
      __builtin_prefetch(u->momentum + place, 1);
    }
  }
}

// Moves rows by their gradients w [rows][2], which the new weights replace.
DENSE_INLINE void move_rows(const dense_update *u, size_t row, size_t lane, vec (*w)[2], int rows, dense_words kind,
                            vec *bad) {
  DENSE_UNROLL
  for (int r = 0; r < rows; r++) {
    size_t place = (row + (size_t)r) * DENSE_LANES + lane;
    w[r][0] = step(u, place, w[r][0], bad);
    w[r][1] = step(u, place + DENSE_WIDTH, w[r][1], bad);
  }
  if (kind == DENSE_BF16) {
    refresh(u, row, lane, w, rows);
  }
}

DENSE_INLINE void update_tile(const dense_factors *f, const dense_update *u, size_t row, int rows, dense_words kind,
                              vec *bad) {
  prefetch_tile(u, row, rows);
  for (size_t lane = 0; lane < DENSE_LANES; lane += STRIPE) {
    vec acc[DENSE_ROWS][2];
    DENSE_UNROLL
    for (int r = 0; r < rows; r++) {
      acc[r][0] = acc[r][1] = (vec){0};
    }
    accumulate(acc, rows, kind, f, row, lane);
    move_rows(u, row, lane, acc, rows, kind, bad);
  }
}

// Rows in register tiles of DENSE_ROWS, the rest in 4, 2 and 1; TILE(row, rows).
#define DENSE_FOR_TILES(total, TILE)                         \
  do {                                                       \
    size_t row = 0;                                          \
    for (; row + DENSE_ROWS <= (total); row += DENSE_ROWS) { \
      TILE(DENSE_ROWS);                                      \
    }                                                        \
    for (; row + 4 <= (total); row += 4) {                   \
      TILE(4);                                               \
    }                                                        \
    for (; row + 2 <= (total); row += 2) {                   \
      TILE(2);                                               \
    }                                                        \
    for (; row < (total); row++) {                           \
      TILE(1);                                               \
    }                                                        \
  } while (0)

DENSE_INLINE void multiply(const dense_factors *f, float *c, dense_words kind) {
#define DENSE_MULTIPLY(rows) multiply_tile(f, c, row, rows, kind)
  DENSE_FOR_TILES(f->rows, DENSE_MULTIPLY);
#undef DENSE_MULTIPLY
}

// Whether no weight turned NaN.
DENSE_INLINE bool all_zero(vec bad) {
  bool finite = true;
  for (int i = 0; i < DENSE_WIDTH; i++) {
    finite = finite && bad[i] == 0;
  }
  return finite;
}

DENSE_INLINE bool update(const dense_factors *f, const dense_update *u, dense_words kind) {
  vec bad = {0};
#define DENSE_UPDATE(rows) update_tile(f, u, row, rows, kind, &bad)
  DENSE_FOR_TILES(f->rows, DENSE_UPDATE);
#undef DENSE_UPDATE
  return all_zero(bad);
}

DENSE_TARGET static void multiply_fp32(const dense_factors *f, float *c) { multiply(f, c, DENSE_FP32); }
DENSE_TARGET static bool update_fp32(const dense_factors *f, const dense_update *u) { return update(f, u, DENSE_FP32); }
// A set with products of its own leaves these.
DENSE_TARGET static inline void multiply_bf16(const dense_factors *f, float *c) { multiply(f, c, DENSE_BF16); }
DENSE_TARGET static inline bool update_bf16(const dense_factors *f, const dense_update *u) {
  return update(f, u, DENSE_BF16);
}

// A square of DENSE_WIDTH: log2 rounds of perfect shuffles of the rows.
DENSE_INLINE void transpose_square(const float *from, float *to) {
  vec rows[DENSE_WIDTH], shuffled[DENSE_WIDTH];
  DENSE_UNROLL
  for (int r = 0; r < DENSE_WIDTH; r++) {
    rows[r] = load(from + (size_t)r * DENSE_LANES);
  }
  DENSE_UNROLL
  for (int round = 1; round < DENSE_WIDTH; round *= 2) {
    DENSE_UNROLL
    for (size_t r = 0; r < DENSE_WIDTH / 2; r++) {
      shuffled[2 * r] = vec_interleave_low(rows[r], rows[r + DENSE_WIDTH / 2]);
      shuffled[2 * r + 1] = vec_interleave_high(rows[r], rows[r + DENSE_WIDTH / 2]);
    }
    DENSE_UNROLL
    for (int r = 0; r < DENSE_WIDTH; r++) {
      rows[r] = shuffled[r];
    }
  }
  DENSE_UNROLL
  for (int r = 0; r < DENSE_WIDTH; r++) {
    store(to + (size_t)r * DENSE_LANES, rows[r]);
  }
}

DENSE_TARGET static void transpose(const float *from, float *to) {
  for (size_t r = 0; r < DENSE_LANES; r += DENSE_WIDTH) {
    for (size_t c = 0; c < DENSE_LANES; c += DENSE_WIDTH) {
      transpose_square(from + (size_t)r * DENSE_LANES + c, to + c * DENSE_LANES + r);
    }
  }
}

DENSE_TARGET static void pair_lanes(const float *values, size_t rows, uint32_t *to) {
  for (size_t r = 0; r < rows; r++) {
    for (size_t lane = 0; lane < DENSE_LANES; lane += STRIPE) {
      const float *from = values + (size_t)r * DENSE_LANES + lane;
      *(vec_words *)(to + (size_t)r * DENSE_LANES + lane / 2) = vec_pair_lanes(load(from), load(from + DENSE_WIDTH));
    }
  }
}

DENSE_TARGET static void pair_rows(const float *values, size_t rows, uint32_t *to) {
  for (size_t r = 0; r < rows; r += 2) {
    for (size_t lane = 0; lane < DENSE_LANES; lane += DENSE_WIDTH) {
      const float *from = values + (size_t)r * DENSE_LANES + lane;
      *(vec_words *)(to + r / 2 * DENSE_LANES + lane) = vec_pair_rows(load(from), load(from + DENSE_LANES));
    }
  }
}

DENSE_TARGET static void relu(float *values, size_t rows) {
  for (size_t i = 0; i < rows * DENSE_LANES; i++) {
    values[i] = values[i] < 0 ? 0 : values[i];
  }
}

DENSE_INLINE vec keep_where_positive(vec activation, vec values) {
  return (vec)((vec_words)(activation > (vec){0}) & (vec_words)values);
}

DENSE_TARGET static void mask_fp32(const uint32_t *activations, float *values) {
  for (size_t i = 0; i < DENSE_TILE; i += DENSE_WIDTH) {
    store(values + i, keep_where_positive(load(activations + i), load(values + i)));
  }
}

DENSE_TARGET static void mask_bf16(const uint32_t *activations, float *values) {
  for (size_t i = 0; i < DENSE_TILE / 2; i += DENSE_WIDTH) {
    vec_words pairs = *(const vec_words *)(activations + i);
    float *first = values + i / DENSE_LANES * 2 * DENSE_LANES + i % DENSE_LANES;
    float *second = first + DENSE_LANES;
    store(first, keep_where_positive((vec)(pairs << 16), load(first)));
    store(second, keep_where_positive((vec)(pairs & 0xffff0000U), load(second)));
  }
}

DENSE_TARGET static void sum_rows(const float *values, size_t rows, float *sums) {
  for (size_t lane = 0; lane < DENSE_LANES; lane += DENSE_WIDTH) {
    vec sum = load(sums + lane);
    for (size_t r = 0; r < rows; r++) {
      sum += load(values + (size_t)r * DENSE_LANES + lane);
    }
    store(sums + lane, sum);
  }
}

#define DENSE_KERNELS(NAME, SUPPORTED, MULTIPLY_BF16, UPDATE_BF16) \
  const dense_kernels dense_kernels_##NAME = {                     \
      .name = #NAME,                                               \
      .supported = (SUPPORTED),                                    \
      .multiply = {multiply_fp32, MULTIPLY_BF16},                  \
      .update = {update_fp32, UPDATE_BF16},                        \
      .transpose = transpose,                                      \
      .pair_lanes = pair_lanes,                                    \
      .pair_rows = pair_rows,                                      \
      .relu = relu,                                                \
      .mask = {mask_fp32, mask_bf16},                              \
      .sum_rows = sum_rows,                                        \
  };

#endif
