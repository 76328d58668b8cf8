// Local response normalisation across channels: y = x * s^-beta, s = bias + alpha * (sum of x^2 over the window).
// Part of kernels_body.h.
//
// One position at a time: its channels are copied side by side into a row with `radius` zeros at both ends, so that a
// window's sum is 2 * radius + 1 shifted loads.
#include <math.h>

#include "engine/cpu/kernels_vector.h"

// s^-beta; 0.75, the usual one, by square roots.
INLINE vf power_of(vf s, float beta) {
  float in[V];
  float out[V];
  memcpy(in, &s, sizeof in);
  if (beta == 0.75f) {
    for (int i = 0; i < V; i++) {
      float root = sqrtf(in[i]);
      out[i] = 1.0f / (root * sqrtf(root));
    }
  } else {
    for (int i = 0; i < V; i++) {
      out[i] = powf(in[i], -beta);
    }
  }
  vf result;
  memcpy(&result, out, sizeof result);
  return result;
}

INLINE vf window_sum(const float *row, uint32_t first, uint32_t radius) {
  vf sum = load(row, first, false);
  for (uint32_t k = 1; k <= 2 * radius; k++) {
    sum += load(row, first + k, false);
  }
  return sum;
}

// squares: row of x^2, its first and last `radius` elements zero.
INLINE void fill_squares(const cpu_array *x, uint32_t image, uint32_t position, const cpu_lrn *lrn, float *squares,
                         bool bf) {
  for (uint32_t b = 0; b < lrn->blocks; b++) {
    vf value = load(image_of(x, image), place_at(x, b, position), bf);
    store(squares, lrn->radius + (uint64_t)b * V, false, value * value);
  }
}

INLINE vf scale_at(const float *squares, uint32_t block, const cpu_lrn *lrn) {
  return window_sum(squares, block * V, lrn->radius) * lrn->alpha + lrn->bias;
}

INLINE void lrn_forward_image(const cpu_array *x, const cpu_array *y, uint32_t n, const cpu_lrn *lrn, float *squares,
                              bool bf) {
  for (uint32_t p = 0; p < lrn->positions; p++) {
    fill_squares(x, n, p, lrn, squares, bf);
    for (uint32_t b = 0; b < lrn->blocks; b++) {
      vf value = load(image_of(x, n), place_at(x, b, p), bf);
      store(image_of(y, n), place_at(y, b, p), bf, value * power_of(scale_at(squares, b, lrn), lrn->beta));
    }
  }
}

INLINE uint64_t row_floats(const cpu_lrn *lrn) { return cpu_lrn_row(lrn, V); }

static void lrn_forward(const cpu_array *x, const cpu_array *y, const cpu_lrn *lrn, float *scratch) {
  memset(scratch, 0, row_floats(lrn) * sizeof *scratch);
  for (uint32_t n = 0; n < lrn->images; n++) {
    if (x->bf16) {
      lrn_forward_image(x, y, n, lrn, scratch, true);
    } else {
      lrn_forward_image(x, y, n, lrn, scratch, false);
    }
  }
}

// dx_i = dy_i s_i^-beta - 2 alpha beta x_i * (sum over the window of dy_j x_j s_j^(-beta-1)).
INLINE void lrn_backward_image(const cpu_array *x, const cpu_array *dy, const cpu_array *dx, uint32_t n,
                               const cpu_lrn *lrn, float *squares, float *products, bool bf) {
  float factor = -2.0f * lrn->alpha * lrn->beta;
  float *direct = products + row_floats(lrn);
  for (uint32_t p = 0; p < lrn->positions; p++) {
    fill_squares(x, n, p, lrn, squares, bf);
    for (uint32_t b = 0; b < lrn->blocks; b++) {
      vf s = scale_at(squares, b, lrn);
      vf g = load(image_of(dy, n), place_at(dy, b, p), bf) * power_of(s, lrn->beta);
      store(direct, (uint64_t)b * V, false, g);
      store(products, lrn->radius + (uint64_t)b * V, false, g * load(image_of(x, n), place_at(x, b, p), bf) / s);
    }
    for (uint32_t b = 0; b < lrn->blocks; b++) {
      vf sum = window_sum(products, b * V, lrn->radius);
      vf value = load(image_of(x, n), place_at(x, b, p), bf);
      store(image_of(dx, n), place_at(dx, b, p), bf, load(direct, (uint64_t)b * V, false) + factor * value * sum);
    }
  }
}

static void lrn_backward(const cpu_array *x, const cpu_array *dy, const cpu_array *dx, const cpu_lrn *lrn,
                         float *scratch) {
  float *products = scratch + row_floats(lrn);
  memset(scratch, 0, 2 * row_floats(lrn) * sizeof *scratch);
  for (uint32_t n = 0; n < lrn->images; n++) {
    if (x->bf16) {
      lrn_backward_image(x, dy, dx, n, lrn, scratch, products, true);
    } else {
      lrn_backward_image(x, dy, dx, n, lrn, scratch, products, false);
    }
  }
}
