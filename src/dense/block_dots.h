// Products of bf16 in pairs and of bytes in fours on vectors, one word of the right factor at a time. The including
// file defines what block_template.h asks for, vec_dot2(a, b, c) as vec_dot2_fused (block_vector.h) has it, and
// vec_dot4: c + the four products of an unsigned byte of a with the signed byte of b in the same place, what vpdpbusd
// gives.
#ifndef SHT_DENSE_BLOCK_DOTS_H
#define SHT_DENSE_BLOCK_DOTS_H

#include "dense/block_vector.h"

#define BLOCK_CHUNK 32
#define BLOCK_TURN NULL
#define BLOCK_SPLIT NULL
#define BLOCK_SUBTRACT_PARTS NULL

typedef vec tile[BLOCK_ROWS][2];

BLOCK_INLINE void sum_stripe_bf16(tile acc, const uint32_t *a, const uint32_t *b, size_t pairs) {
  for (size_t step = 0; step < pairs; step++, a += SHT_LANES, b += SHT_LANES) {
    vec_words a0 = *(const vec_words *)a, a1 = *(const vec_words *)(a + BLOCK_WIDTH);
    BLOCK_UNROLL
    for (int r = 0; r < BLOCK_ROWS; r++) {
      vec_words x = vec_splat(b[r]);
      acc[r][0] = vec_dot2(a0, x, acc[r][0]);
      acc[r][1] = vec_dot2(a1, x, acc[r][1]);
    }
  }
}

BLOCK_INLINE void multiply_block_bf16(float *c, const uint32_t *a, const uint32_t *b, size_t pairs) {
  for (size_t j = 0; j < SHT_LANES; j += BLOCK_ROWS) {
    for (size_t i = 0; i < SHT_LANES; i += 2 * BLOCK_WIDTH) {
      tile acc = {0};
      sum_stripe_bf16(acc, a + i, b + j, pairs);
      BLOCK_UNROLL
      for (int r = 0; r < 2 * BLOCK_ROWS; r++) {
        *(vec *)(c + (j + (size_t)r / 2) * SHT_LANES + i + (size_t)(r % 2) * BLOCK_WIDTH) += acc[r / 2][r % 2];
      }
    }
  }
}

BLOCK_LOOP void multiply_bf16(float *c, const uint32_t *a, const uint32_t *b, size_t pairs,
                              const sht__block_walk *walk) {
  for (size_t p = 0; p < walk->panels; p++) {
    ask_ahead(walk, p);
    multiply_block_bf16(c + p * walk->c_step, a + p * walk->a_step, b, pairs);
  }
}

BLOCK_LOOP void respond_bf16(float *plus, float *minus, const uint32_t *a, const uint32_t *b, size_t pairs,
                             float bias) {
  for (size_t j = 0; j < SHT_LANES; j += BLOCK_ROWS) {
    for (size_t i = 0; i < SHT_LANES; i += 2 * BLOCK_WIDTH) {
      tile acc = {0};
      sum_stripe_bf16(acc, a + i, b + j, pairs);
      BLOCK_UNROLL
      for (int r = 0; r < 2 * BLOCK_ROWS; r++) {
        size_t place = (j + (size_t)r / 2) * SHT_LANES + i + (size_t)(r % 2) * BLOCK_WIDTH;
        add_threshold(plus + place, acc[r / 2][r % 2], bias);
        add_threshold(minus + place, -acc[r / 2][r % 2], bias);
      }
    }
  }
}

BLOCK_INLINE void multiply_stripe_bytes(int32_t *c, const uint32_t *a, const uint32_t *b, size_t fours) {
  vec_ints acc[BLOCK_ROWS][2] = {0};
  for (size_t step = 0; step < fours; step++, a += SHT_LANES, b += SHT_LANES) {
    vec_words a0 = *(const vec_words *)a, a1 = *(const vec_words *)(a + BLOCK_WIDTH);
    BLOCK_UNROLL
    for (int r = 0; r < BLOCK_ROWS; r++) {
      vec_words x = vec_splat(b[r]);
      acc[r][0] = vec_dot4(a0, x, acc[r][0]);
      acc[r][1] = vec_dot4(a1, x, acc[r][1]);
    }
  }
  BLOCK_UNROLL
  for (int r = 0; r < BLOCK_ROWS; r++, c += SHT_LANES) {
    *(vec_ints *)c += acc[r][0];
    *(vec_ints *)(c + BLOCK_WIDTH) += acc[r][1];
  }
}

BLOCK_LOOP void multiply_bytes(int32_t *c, const uint32_t *a, const uint32_t *b, size_t fours,
                               const sht__block_walk *walk) {
  for (size_t p = 0; p < walk->panels; p++, c += walk->c_step, a += walk->a_step) {
    ask_ahead(walk, p);
    for (size_t j = 0; j < SHT_LANES; j += BLOCK_ROWS) {
      for (size_t i = 0; i < SHT_LANES; i += 2 * BLOCK_WIDTH) {
        multiply_stripe_bytes(c + j * SHT_LANES + i, a + i, b + j, fours);
      }
    }
  }
}

#endif
