// Sums of partial gradients and the parameters' update. Part of kernels_body.h.
#include "engine/cpu/kernels_vector.h"

// One level of the tree, four at a time: ((a + b) + (c + d)), the missing ones left out.
INLINE vf four_at(const float *p, uint64_t stride, uint32_t count, uint64_t i, uint64_t n) {
  vf sum = load_part(p, i, false, n);
  if (count > 1) {
    sum += load_part(p + stride, i, false, n);
  }
  if (count == 3) {
    sum += load_part(p + 2 * stride, i, false, n);
  }
  if (count > 3) {
    sum += load_part(p + 2 * stride, i, false, n) + load_part(p + 3 * stride, i, false, n);
  }
  return sum;
}

static void tree_sum(float *partials, uint64_t stride, uint32_t count, uint64_t n) {
  for (uint32_t step = 1; step < count; step *= 4) {
    for (uint32_t first = 0; first + step < count; first += 4 * step) {
      uint32_t left = (count - first + step - 1) / step;
      float *group = partials + first * stride;
      for (uint64_t i = 0; i < n; i += V) {
        store_part(group, i, false, four_at(group, step * stride, left < 4 ? left : 4, i, n - i), n - i);
      }
    }
  }
}

static bool update(float *value, float *momentum, const float *gradient, uint64_t n, cpu_update_rule rule) {
  vf witness = {0};  // stays zero while all is finite
  for (uint64_t i = 0; i < n; i += V) {
    uint64_t left = n - i;
    vf w = load_part(value, i, false, left);
    vf v = load_part(momentum, i, false, left) * rule.momentum + (load_part(gradient, i, false, left) + w * rule.decay);
    w -= v * rule.rate;
    store_part(momentum, i, false, v, left);
    store_part(value, i, false, w, left);
    witness += w - w;
  }
  for (int i = 0; i < V; i++) {
    if (!(witness[i] == 0.0f)) {
      return false;
    }
  }
  return true;
}
