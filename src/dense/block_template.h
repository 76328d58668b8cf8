// The kernels of block.h for one instruction set. The including file defines BLOCK_WIDTH (floats in a vector),
// BLOCK_ROWS (rows of a register tile), BLOCK_BF16_RATE, BLOCK_BYTE_RATE, BLOCK_CHUNK, BLOCK_TURN, BLOCK_SPLIT and
// BLOCK_SUBTRACT_PARTS (block.h), BLOCK_NEAR (block_vector.h), BLOCK_TARGET (the instruction set, as a function
// attribute), BLOCK_SET (the table's name), `supported`, what vectors do in one instruction (vec_fused, vec_fused_f64),
// in terms of the vector types of block_vector.h, and the products of bf16 and bytes, which block_dots.h has for
// vectors.
#ifndef SHT_DENSE_BLOCK_TEMPLATE_H
#define SHT_DENSE_BLOCK_TEMPLATE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "dense/bf16.h"
#include "dense/block_vector.h"

// Sums of a register tile: BLOCK_ROWS values of j by two vectors of i.
typedef vec stripe[BLOCK_ROWS][2];

// One k more; values of j lie `row` floats apart in b.
BLOCK_INLINE void add_step(stripe acc, const float *a, const float *b, size_t row) {
  vec a0 = *(const vec *)a, a1 = *(const vec *)(a + BLOCK_WIDTH);
  BLOCK_UNROLL
  for (size_t r = 0; r < BLOCK_ROWS; r++) {
    vec x = vec_set(b[r * row]);
    acc[r][0] = vec_fused(x, a0, acc[r][0]);
    acc[r][1] = vec_fused(x, a1, acc[r][1]);
  }
}

// c += sign acc.
BLOCK_INLINE void add_stripe(float *c, stripe acc, float sign) {
  vec factor = vec_set(sign);
  BLOCK_UNROLL
  for (int r = 0; r < BLOCK_ROWS; r++, c += SHT_LANES) {
    *(vec *)c = vec_fused(factor, acc[r][0], *(vec *)c);
    *(vec *)(c + BLOCK_WIDTH) = vec_fused(factor, acc[r][1], *(vec *)(c + BLOCK_WIDTH));
  }
}

BLOCK_LOOP void multiply(float *c, const float *a, const float *b, size_t k, float sign) {
  for (size_t j = 0; j < SHT_LANES; j += BLOCK_ROWS) {
    for (size_t i = 0; i < SHT_LANES; i += 2 * BLOCK_WIDTH) {
      stripe acc = {0};
      for (size_t step = 0; step < k; step++) {
        add_step(acc, a + step * SHT_LANES + i, b + step * SHT_LANES + j, 1);
      }
      add_stripe(c + j * SHT_LANES + i, acc, sign);
    }
  }
}

BLOCK_LOOP void multiply_turned(float *c, const float *a, const float *b, size_t b_step, size_t k, float sign) {
  for (size_t j = 0; j < SHT_LANES; j += BLOCK_ROWS) {
    for (size_t i = 0; i < SHT_LANES; i += 2 * BLOCK_WIDTH) {
      stripe acc = {0};
      for (size_t step = 0; step < k; step++) {
        const float *from = b + step / SHT_LANES * b_step + step % SHT_LANES;
        add_step(acc, a + step * SHT_LANES + i, from + j * SHT_LANES, SHT_LANES);
      }
      add_stripe(c + j * SHT_LANES + i, acc, sign);
    }
  }
}

BLOCK_INLINE void multiply_stripe_f64(double *c, const double *a, const double *b, size_t k) {
  vec_f64 acc[BLOCK_ROWS][2] = {0};
  for (size_t step = 0; step < k; step++, a += SHT_LANES, b += SHT_LANES) {
    vec_f64 a0 = *(const vec_f64 *)a, a1 = *(const vec_f64 *)(a + BLOCK_WIDTH / 2);
    BLOCK_UNROLL
    for (int r = 0; r < BLOCK_ROWS; r++) {
      vec_f64 x = vec_set_f64(b[r]);
      acc[r][0] = vec_fused_f64(x, a0, acc[r][0]);
      acc[r][1] = vec_fused_f64(x, a1, acc[r][1]);
    }
  }
  BLOCK_UNROLL
  for (int r = 0; r < BLOCK_ROWS; r++, c += SHT_LANES) {
    *(vec_f64 *)c += acc[r][0];
    *(vec_f64 *)(c + BLOCK_WIDTH / 2) += acc[r][1];
  }
}

BLOCK_LOOP void multiply_f64(double *c, const double *a, const double *b, size_t k, size_t columns) {
  for (size_t j = 0; j < columns; j += BLOCK_ROWS) {
    for (size_t i = 0; i < SHT_LANES; i += BLOCK_WIDTH) {
      multiply_stripe_f64(c + j * SHT_LANES + i, a + i, b + j, k);
    }
  }
}

BLOCK_LOOP void widen(const float *from, double *to, size_t n) {
  for (size_t i = 0; i < n; i++) {
    to[i] = from[i];
  }
}

BLOCK_LOOP void round_bf16(const float *from, uint32_t *to, size_t pairs) {
  for (size_t p = 0; p < pairs; p++) {
    for (size_t i = 0; i < SHT_LANES; i++) {
      to[p * SHT_LANES + i] =
          sht__bf16_bits(from[(2 * p + 1) * SHT_LANES + i]) | sht__bf16_bits(from[2 * p * SHT_LANES + i]) >> 16;
    }
  }
}

BLOCK_INLINE float value_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

BLOCK_LOOP void widen_bf16(const uint32_t *from, double *to, size_t pairs) {
  for (size_t p = 0; p < pairs; p++) {
    for (size_t i = 0; i < SHT_LANES; i++) {
      const uint32_t pair = from[p * SHT_LANES + i];
      to[2 * p * SHT_LANES + i] = value_of(pair << 16);
      to[(2 * p + 1) * SHT_LANES + i] = value_of(pair & 0xffff0000);
    }
  }
}

// x[c2] -= factor x[c], all 32 rows.
BLOCK_INLINE void subtract_multiple(float *to, const float *from, float factor) {
  for (int i = 0; i < SHT_LANES; i++) {
    to[i] -= factor * from[i];
  }
}

BLOCK_INLINE void divide(float *x, float by) {
  for (int i = 0; i < SHT_LANES; i++) {
    x[i] /= by;
  }
}

BLOCK_LOOP void solve_transposed(float *x, const float *l) {
  for (int c = 0; c < SHT_LANES; c++) {
    divide(x + c * SHT_LANES, l[c * SHT_LANES + c]);
    for (int later = c + 1; later < SHT_LANES; later++) {
      subtract_multiple(x + later * SHT_LANES, x + c * SHT_LANES, l[c * SHT_LANES + later]);
    }
  }
}

BLOCK_LOOP void solve(float *x, const float *l) {
  for (int c = SHT_LANES - 1; c >= 0; c--) {
    for (int later = c + 1; later < SHT_LANES; later++) {
      subtract_multiple(x + c * SHT_LANES, x + later * SHT_LANES, l[c * SHT_LANES + later]);
    }
    divide(x + c * SHT_LANES, l[c * SHT_LANES + c]);
  }
}

BLOCK_LOOP void normalise(float *panel, size_t k, float epsilon) {
  float mean[SHT_LANES] = {0}, scale[SHT_LANES] = {0};
  for (size_t e = 0; e < k; e++) {
    for (size_t lane = 0; lane < SHT_LANES; lane++) {
      mean[lane] += panel[e * SHT_LANES + lane];
    }
  }
  for (size_t lane = 0; lane < SHT_LANES; lane++) {
    mean[lane] /= (float)k;
  }
  for (size_t e = 0; e < k; e++) {
    for (size_t lane = 0; lane < SHT_LANES; lane++) {
      float value = panel[e * SHT_LANES + lane] - mean[lane];
      panel[e * SHT_LANES + lane] = value;
      scale[lane] += value * value;
    }
  }
  for (size_t lane = 0; lane < SHT_LANES; lane++) {
    scale[lane] = 1 / sqrtf(scale[lane] / (float)k + epsilon);
  }
  for (size_t e = 0; e < k; e++) {
    for (size_t lane = 0; lane < SHT_LANES; lane++) {
      panel[e * SHT_LANES + lane] *= scale[lane];
    }
  }
}

// exp(x) = 2^n exp(r) with n the integer nearest to x / ln 2, |r| <= ln(2)/2, and ln 2 in two parts so that r is good
// to the last bit; exp(r) by its Taylor series, whose first term left out is 4e-18 of 1. Adding 1.5 * 2^52 rounds to an
// integer and leaves it in the lowest bits. 2^n is multiplied in two halves because n may be one more than an exponent
// holds.
BLOCK_INLINE double power_of_two(int64_t n) {
  int64_t bits = (n + 1023) << 52;
  double out;
  memcpy(&out, &bits, sizeof out);
  return out;
}

BLOCK_INLINE double exp_one(double x) {
  static const double magic = 0x1.8p52, ln2_high = 0x1.62e42fefap-1, ln2_low = 0x1.cf79abc9e3b3ap-40;
  double y = x < 710 ? x : 710;
  y = y < -708 ? -708 : y;
  double shifted = __builtin_fma(y, 0x1.71547652b82fep0, magic);
  int64_t n;
  memcpy(&n, &shifted, sizeof n);
  n -= 0x4338000000000000;
  double count = shifted - magic;
  double r = __builtin_fma(count, -ln2_low, __builtin_fma(count, -ln2_high, y));
  double p = 1.0 / 6227020800;
  p = __builtin_fma(p, r, 1.0 / 479001600);
  p = __builtin_fma(p, r, 1.0 / 39916800);
  p = __builtin_fma(p, r, 1.0 / 3628800);
  p = __builtin_fma(p, r, 1.0 / 362880);
  p = __builtin_fma(p, r, 1.0 / 40320);
  p = __builtin_fma(p, r, 1.0 / 5040);
  p = __builtin_fma(p, r, 1.0 / 720);
  p = __builtin_fma(p, r, 1.0 / 120);
  p = __builtin_fma(p, r, 1.0 / 24);
  p = __builtin_fma(p, r, 1.0 / 6);
  p = __builtin_fma(p, r, 0.5);
  p = __builtin_fma(p * r, r, r) + 1;
  int64_t half = (int64_t)((int32_t)n >> 1);
  p = p * power_of_two(half) * power_of_two(n - half);
  p = x < -708 ? 0 : p;
  return x != x ? x : p;
}

BLOCK_LOOP void exp_f64(double *values, size_t n) {
  for (size_t i = 0; i < n; i++) {
    values[i] = exp_one(values[i]);
  }
}

#define BLOCK_STRING_(name) #name
#define BLOCK_STRING(name) BLOCK_STRING_(name)
#define BLOCK_JOIN_(name) sht__block_##name
#define BLOCK_JOIN(name) BLOCK_JOIN_(name)

const sht__block_kernels BLOCK_JOIN(BLOCK_SET) = {
    .name = BLOCK_STRING(BLOCK_SET),
    .supported = supported,
    .bf16_rate = BLOCK_BF16_RATE,
    .byte_rate = BLOCK_BYTE_RATE,
    .chunk = BLOCK_CHUNK,
    .turn = BLOCK_TURN,
    .split = BLOCK_SPLIT,
    .subtract_parts = BLOCK_SUBTRACT_PARTS,
    .multiply = multiply,
    .multiply_turned = multiply_turned,
    .multiply_f64 = multiply_f64,
    .multiply_bytes = multiply_bytes,
    .widen = widen,
    .multiply_bf16 = multiply_bf16,
    .respond_bf16 = respond_bf16,
    .round_bf16 = round_bf16,
    .widen_bf16 = widen_bf16,
    .solve_transposed = solve_transposed,
    .solve = solve,
    .normalise = normalise,
    .exp_f64 = exp_f64,
};

#endif
