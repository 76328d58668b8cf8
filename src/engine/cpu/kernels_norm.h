// Batch normalisation with ReLU. Part of kernels_body.h.
#include "engine/cpu/kernels_vector.h"

typedef struct moments {
  vf mean, m2;  // m2: sum of squared deviations
} moments;

INLINE vf sum_of_four(vf a[4]) { return (a[0] + a[1]) + (a[2] + a[3]); }

// Two passes over one block of one image, which the first pass leaves in cache.
INLINE moments block_moments(const char *x, uint64_t first, uint64_t step, uint32_t positions, bool bf) {
  vf sums[4] = {{0}};
  for (uint32_t p = 0; p < positions; p++) {
    sums[p & 3] += load(x, first + p * step, bf);
  }
  vf mean = sum_of_four(sums) / (float)positions;
  vf squares[4] = {{0}};
  for (uint32_t p = 0; p < positions; p++) {
    vf d = load(x, first + p * step, bf) - mean;
    squares[p & 3] += d * d;
  }
  return (moments){mean, sum_of_four(squares)};
}

// Chan, Golub and LeVeque's formula for two samples of a and b elements.
INLINE moments join_moments(moments first, float a, moments second, float b) {
  vf delta = second.mean - first.mean;
  float share = b / (a + b);
  return (moments){first.mean + delta * share, first.m2 + second.m2 + delta * delta * (a * share)};
}

INLINE void statistics_of(const cpu_array *x, cpu_extent e, float *mean, float *m2, bool bf) {
  for (uint32_t b = 0; b < e.blocks; b++) {
    moments all = {{0}, {0}};
    for (uint32_t n = 0; n < e.images; n++) {
      moments one = block_moments(image_of(x, n), place_at(x, b, 0), x->steps.position, e.positions, bf);
      all = join_moments(all, (float)n * (float)e.positions, one, (float)e.positions);
    }
    store(mean, (uint64_t)b * V, false, all.mean);
    store(m2, (uint64_t)b * V, false, all.m2);
  }
}

static void norm_statistics(const cpu_array *x, cpu_extent extent, float *mean, float *m2) {
  if (x->bf16) {
    statistics_of(x, extent, mean, m2, true);
  } else {
    statistics_of(x, extent, mean, m2, false);
  }
}

typedef struct norm_block {
  vf mean, factor, shift;
} norm_block;

INLINE norm_block norm_at(cpu_norm_vectors v, uint32_t block) {
  uint64_t i = (uint64_t)block * V;
  return (norm_block){load(v.mean, i, false), load(v.factor, i, false), load(v.shift, i, false)};
}

// The one expression of the forward pass, used again by the backward pass to know where ReLU was open.
INLINE vf normalized(vf x, norm_block b) { return (x - b.mean) * b.factor + b.shift; }

// Blocks side by side at a position (channels last) are gone through position by position, as they lie in memory; else
// block by block. What is done to an element is the same.
INLINE bool side_by_side(const cpu_array *x) { return x->steps.block == V; }

INLINE void apply_at(const cpu_array *x, const cpu_array *y, uint32_t image, uint32_t block, uint32_t position,
                     norm_block v, bool relu, bool bf) {
  vf value = normalized(load(image_of(x, image), place_at(x, block, position), bf), v);
  store(image_of(y, image), place_at(y, block, position), bf,
        relu ? select_where(value <= 0.0f, splat(0), value) : value);
}

INLINE void apply_of(const cpu_array *x, const cpu_array *y, cpu_extent e, cpu_norm_vectors v, bool relu, bool bf) {
  for (uint32_t n = 0; n < e.images; n++) {
    if (side_by_side(x)) {
      for (uint32_t p = 0; p < e.positions; p++) {
        for (uint32_t b = 0; b < e.blocks; b++) {
          apply_at(x, y, n, b, p, norm_at(v, b), relu, bf);
        }
      }
      continue;
    }
    for (uint32_t b = 0; b < e.blocks; b++) {
      norm_block vectors = norm_at(v, b);
      for (uint32_t p = 0; p < e.positions; p++) {
        apply_at(x, y, n, b, p, vectors, relu, bf);
      }
    }
  }
}

static void norm_apply(const cpu_array *x, const cpu_array *y, cpu_extent extent, cpu_norm_vectors v, bool relu) {
  if (x->bf16) {
    apply_of(x, y, extent, v, relu, true);
  } else {
    apply_of(x, y, extent, v, relu, false);
  }
}

typedef struct gradient_sums {
  vf g[2], gx[2];  // two chains, so that additions overlap
} gradient_sums;

// Blocks that lie side by side and are gone through together: a cache line of bf16.
enum { TOGETHER = 2 };

INLINE void reduce_blocks(const plane_of *terms, int count, plane_of x, plane_of out, bool stored, uint32_t positions,
                          const norm_block *v, bool relu, gradient_sums *sums, int together, bool bf) {
  for (uint64_t p = 0; p < positions; p++) {
#pragma GCC unroll 2
    for (int b = 0; b < together; b++) {
      vf g = load(terms[0].data, p * terms[0].step + (uint64_t)b * V, bf);
      for (int t = 1; t < count; t++) {
        g += load(terms[t].data, p * terms[t].step + (uint64_t)b * V, bf);
      }
      vf value = load(x.data, p * x.step + (uint64_t)b * V, bf);
      if (relu) {
        g = select_where(normalized(value, v[b]) <= 0.0f, splat(0), g);
      }
      if (stored) {
        store(out.data, p * out.step + (uint64_t)b * V, bf, g);
      }
      sums[b].g[p & 1] += g;
      sums[b].gx[p & 1] += g * (value - v[b].mean);
    }
  }
}

// Sums in registers while an image goes by.
INLINE void reduce_together(const plane_of *terms, int count, plane_of x, plane_of out, uint32_t positions,
                            cpu_norm_vectors v, uint32_t block, bool relu, gradient_sums *sums, int together, bool bf) {
  gradient_sums kept[TOGETHER];
  norm_block vectors[TOGETHER];
  for (int b = 0; b < together; b++) {
    kept[b] = sums[b];
    vectors[b] = norm_at(v, block + (uint32_t)b);
  }
  if (out.data == NULL) {
    reduce_blocks(terms, 1, x, out, false, positions, vectors, relu, kept, together, bf);
  } else {
    reduce_blocks(terms, count, x, out, true, positions, vectors, relu, kept, together, bf);
  }
  for (int b = 0; b < together; b++) {
    sums[b] = kept[b];
  }
}

// Blocks whose sums are kept at a time, so that an image with the channels last is gone through while it is in cache.
enum { REDUCE_BLOCKS = 16 };

// One image's share of the sums of blocks first .. first+blocks-1.
INLINE void reduce_image(const cpu_array *terms, int count, const cpu_array *x, const cpu_array *out, uint32_t n,
                         uint32_t first, uint32_t blocks, uint32_t positions, cpu_norm_vectors v, bool relu,
                         gradient_sums *sums, bool bf) {
  const bool pairs = side_by_side(x);
  const bool stored = out->data != NULL;
  uint32_t together = 1;
  for (uint32_t b = first; b < first + blocks; b += together) {
    plane_of from[CPU_TERMS_MAX];
    for (int t = 0; t < count; t++) {
      from[t] = plane_at(&terms[t], n, b);
    }
    const plane_of to = stored ? plane_at(out, n, b) : (plane_of){NULL, 0};
    together = pairs && b + 1 < first + blocks ? 2 : 1;
    if (together == 2) {
      reduce_together(from, count, plane_at(x, n, b), to, positions, v, b, relu, &sums[b - first], 2, bf);
    } else {
      reduce_together(from, count, plane_at(x, n, b), to, positions, v, b, relu, &sums[b - first], 1, bf);
    }
  }
}

INLINE void reduce_of(const cpu_array *terms, int count, const cpu_array *x, const cpu_array *out, cpu_extent e,
                      cpu_norm_vectors v, bool relu, float *sum, float *sum_x, bool bf) {
  for (uint32_t first = 0; first < e.blocks; first += REDUCE_BLOCKS) {
    const uint32_t blocks = e.blocks - first < REDUCE_BLOCKS ? e.blocks - first : REDUCE_BLOCKS;
    gradient_sums sums[REDUCE_BLOCKS] = {{{{0}}, {{0}}}};
    for (uint32_t n = 0; n < e.images; n++) {
      reduce_image(terms, count, x, out, n, first, blocks, e.positions, v, relu, sums, bf);
    }
    for (uint64_t b = 0; b < blocks; b++) {
      store(sum, (first + b) * V, false, sums[b].g[0] + sums[b].g[1]);
      store(sum_x, (first + b) * V, false, sums[b].gx[0] + sums[b].gx[1]);
    }
  }
}

static void norm_reduce(const cpu_array *terms, int count, const cpu_array *x, const cpu_array *out, cpu_extent extent,
                        cpu_norm_vectors v, bool relu, float *sum, float *sum_x) {
  if (x->bf16) {
    reduce_of(terms, count, x, out, extent, v, relu, sum, sum_x, true);
  } else {
    reduce_of(terms, count, x, out, extent, v, relu, sum, sum_x, false);
  }
}

typedef struct slope_block {
  norm_block norm;
  vf slope, constant;
} slope_block;

INLINE slope_block slope_at(cpu_norm_vectors v, const float *slope, const float *constant, uint32_t block) {
  const uint64_t i = (uint64_t)block * V;
  return (slope_block){norm_at(v, block), load(slope, i, false), load(constant, i, false)};
}

INLINE void backward_at(const cpu_array *dy, const cpu_array *x, const cpu_array *dx, uint32_t image, uint32_t block,
                        uint32_t position, slope_block v, bool relu, bool bf) {
  vf value = load(image_of(x, image), place_at(x, block, position), bf);
  vf g = load(image_of(dy, image), place_at(dy, block, position), bf);
  if (relu) {
    g = select_where(normalized(value, v.norm) <= 0.0f, splat(0), g);
  }
  store(image_of(dx, image), place_at(dx, block, position), bf,
        v.norm.factor * g + v.slope * (value - v.norm.mean) + v.constant);
}

INLINE void backward_of(const cpu_array *dy, const cpu_array *x, const cpu_array *dx, cpu_extent e, cpu_norm_vectors v,
                        const float *slope, const float *constant, bool relu, bool bf) {
  for (uint32_t n = 0; n < e.images; n++) {
    if (side_by_side(x)) {
      for (uint32_t p = 0; p < e.positions; p++) {
        for (uint32_t b = 0; b < e.blocks; b++) {
          backward_at(dy, x, dx, n, b, p, slope_at(v, slope, constant, b), relu, bf);
        }
      }
      continue;
    }
    for (uint32_t b = 0; b < e.blocks; b++) {
      slope_block vectors = slope_at(v, slope, constant, b);
      for (uint32_t p = 0; p < e.positions; p++) {
        backward_at(dy, x, dx, n, b, p, vectors, relu, bf);
      }
    }
  }
}

static void norm_backward(const cpu_array *dy, const cpu_array *x, const cpu_array *dx, cpu_extent extent,
                          cpu_norm_vectors v, const float *slope, const float *constant, bool relu) {
  if (x->bf16 && relu) {
    backward_of(dy, x, dx, extent, v, slope, constant, true, true);
  } else if (x->bf16) {
    backward_of(dy, x, dx, extent, v, slope, constant, false, true);
  } else {
    backward_of(dy, x, dx, extent, v, slope, constant, relu, false);
  }
}
