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

INLINE void apply_of(const cpu_array *x, const cpu_array *y, cpu_extent e, cpu_norm_vectors v, bool relu, bool bf) {
  for (uint32_t n = 0; n < e.images; n++) {
    const char *from = image_of(x, n);
    char *to = image_of(y, n);
    for (uint32_t b = 0; b < e.blocks; b++) {
      norm_block vectors = norm_at(v, b);
      for (uint32_t p = 0; p < e.positions; p++) {
        vf value = normalized(load(from, place_at(x, b, p), bf), vectors);
        store(to, place_at(y, b, p), bf, relu ? select_where(value <= 0.0f, splat(0), value) : value);
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

INLINE void reduce_block(const plane_of *terms, int count, plane_of x, plane_of out, uint32_t positions, norm_block v,
                         bool relu, gradient_sums *sums, bool bf) {
  for (uint64_t p = 0; p < positions; p++) {
    vf g = load(terms[0].data, p * terms[0].step, bf);
    for (int t = 1; t < count; t++) {
      g += load(terms[t].data, p * terms[t].step, bf);
    }
    vf value = load(x.data, p * x.step, bf);
    if (relu) {
      g = select_where(normalized(value, v) <= 0.0f, splat(0), g);
    }
    store(out.data, p * out.step, bf, g);
    sums->g[p & 1] += g;
    sums->gx[p & 1] += g * (value - v.mean);
  }
}

// Blocks whose sums are kept at a time, so that an image with the channels last is gone through while it is in cache.
enum { REDUCE_BLOCKS = 16 };

// One image's share of the sums of blocks first .. first+blocks-1.
INLINE void reduce_image(const cpu_array *terms, int count, const cpu_array *x, const cpu_array *out, uint32_t n,
                         uint32_t first, uint32_t blocks, uint32_t positions, cpu_norm_vectors v, bool relu,
                         gradient_sums *sums, bool bf) {
  for (uint32_t b = first; b < first + blocks; b++) {
    plane_of from[CPU_TERMS_MAX];
    for (int t = 0; t < count; t++) {
      from[t] = plane_at(&terms[t], n, b);
    }
    reduce_block(from, count, plane_at(x, n, b), plane_at(out, n, b), positions, norm_at(v, b), relu, &sums[b - first],
                 bf);
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

INLINE void backward_of(const cpu_array *dy, const cpu_array *x, const cpu_array *dx, cpu_extent e, cpu_norm_vectors v,
                        const float *slope, const float *constant, bool bf) {
  for (uint32_t n = 0; n < e.images; n++) {
    const char *g = image_of(dy, n);
    const char *value = image_of(x, n);
    char *out = image_of(dx, n);
    for (uint32_t b = 0; b < e.blocks; b++) {
      norm_block vectors = norm_at(v, b);
      vf k = load(slope, (uint64_t)b * V, false);
      vf c = load(constant, (uint64_t)b * V, false);
      for (uint32_t p = 0; p < e.positions; p++) {
        vf centred = load(value, place_at(x, b, p), bf) - vectors.mean;
        store(out, place_at(dx, b, p), bf, vectors.factor * load(g, place_at(dy, b, p), bf) + k * centred + c);
      }
    }
  }
}

static void norm_backward(const cpu_array *dy, const cpu_array *x, const cpu_array *dx, cpu_extent extent,
                          cpu_norm_vectors v, const float *slope, const float *constant) {
  if (x->bf16) {
    backward_of(dy, x, dx, extent, v, slope, constant, true);
  } else {
    backward_of(dy, x, dx, extent, v, slope, constant, false);
  }
}
