// The engine's own loops over activations and parameters, one table for each instruction set.
//
// Blocked activations have V channels side by side (16 with AVX-512, else 8): they are [image][C/V][H][W][V], or
// [image][H][W][C/V][V] where convolutions want the channels last. The loops know either by its steps; a slice of a
// concatenated tensor is the same with longer ones. kernels_body.h holds the loops; it is compiled once for each
// instruction set by kernels_avx512_bf16.c, kernels_avx512.c, kernels_avx2.c and kernels_base.c.
#ifndef SHT_ENGINE_CPU_KERNELS_H
#define SHT_ENGINE_CPU_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

enum { CPU_TERMS_MAX = 8 };

// Elements from a block of channels to the next, and from a position to the next.
typedef struct cpu_steps {
  uint64_t block, position;
} cpu_steps;

// Part of a tensor: some images.
typedef struct cpu_array {
  void *data;       // first image
  uint64_t stride;  // bytes from an image to the next
  cpu_steps steps;
  bool bf16;  // elements are bf16, else fp32
} cpu_array;

// Images as runs of elements side by side: one run, or one at each position (steps.position apart).
typedef struct cpu_runs {
  uint32_t images, runs;
  uint64_t elements;  // of a run
} cpu_runs;

// Shape of one blocked image.
typedef struct cpu_extent {
  uint32_t images;     // n
  uint32_t blocks;     // C / V
  uint32_t positions;  // H * W
} cpu_extent;

// A sliding square window from an input of [height][width] to an output of [out_height][out_width].
typedef struct cpu_window {
  uint32_t images, blocks;
  uint32_t height, width, out_height, out_width;
  uint32_t kernel, stride, pad;  // pad: top and left
} cpu_window;

// Batch normalisation's vectors, each [C]: y = (x - mean) * factor + shift.
typedef struct cpu_norm_vectors {
  const float *mean, *factor, *shift;
} cpu_norm_vectors;

typedef struct cpu_lrn {
  uint32_t images, blocks, positions, radius;
  float bias, alpha, beta;
} cpu_lrn;

// Winograd's F(4x4, 3x3): kernels_winograd.h. The output of an image is cut into tiles of 4x4; tiles are counted image
// by image, row by row. `pad`: zeros above and left of the input.
enum { CPU_WINOGRAD_POINTS = 36 };

typedef struct cpu_tiles {
  uint32_t down, across;  // tiles of an image
  uint32_t height, width, pad;
  uint32_t out_height, out_width;
} cpu_tiles;

// Tiles in the transformed domain: [36][blocks][room][V], with V floats of space after each point, so that a tile's
// points fall into different sets of the cache.
typedef struct cpu_spread {
  float *data;
  uint32_t blocks, room;
} cpu_spread;

static inline uint64_t cpu_spread_stride(uint32_t blocks, uint32_t room, uint32_t block) {
  return ((uint64_t)blocks * room + 1) * block;
}

// Vectors in the panel of transformed filters that begins at `first`: threes, and twos where a one would be left.
static inline uint32_t cpu_winograd_panel(uint32_t blocks, uint32_t first) {
  uint32_t left = blocks - first;
  return left == 4 ? 2 : left < 3 ? left : 3;
}

// One parameter's update: g = sum of partial gradients + decay * w; v = momentum * v + g; w -= rate * v.
typedef struct cpu_update_rule {
  float rate, momentum, decay;
} cpu_update_rule;

typedef struct cpu_kernels {
  const char *name;
  uint32_t block;  // V

  // out = sum of the terms, zero where mask is not above zero (mask NULL: everywhere kept).
  void (*gather)(const cpu_array *terms, int count, const cpu_array *mask, const cpu_array *out, cpu_runs shape);

  // out = x * factors; factors fp32.
  void (*multiply)(const cpu_array *x, const cpu_array *factors, const cpu_array *out, cpu_runs shape);

  // Mean and sum of squared deviations of every channel over images and positions: mean, m2: [C].
  void (*norm_statistics)(const cpu_array *x, cpu_extent extent, float *mean, float *m2);
  void (*norm_apply)(const cpu_array *x, const cpu_array *y, cpu_extent extent, cpu_norm_vectors v, bool relu);
  // out = sum of the terms where the layer's output was positive (relu) or everywhere (out NULL: of one term, not
  // stored); its sum, and its sum times (x - mean), for every channel: sum, sum_x: [C].
  void (*norm_reduce)(const cpu_array *terms, int count, const cpu_array *x, const cpu_array *out, cpu_extent extent,
                      cpu_norm_vectors v, bool relu, float *sum, float *sum_x);
  // dx = factor * dy + slope * (x - mean) + constant; slope, constant: [C]. relu: dy is 0 where the layer's output was
  // not positive.
  void (*norm_backward)(const cpu_array *dy, const cpu_array *x, const cpu_array *dx, cpu_extent extent,
                        cpu_norm_vectors v, const float *slope, const float *constant, bool relu);

  // winner: [image][C/V][out_height][out_width][V], index into the window; the first of equals wins.
  void (*max_forward)(const cpu_array *x, const cpu_array *y, uint8_t *winner, const cpu_window *window);
  void (*max_backward)(const cpu_array *dy, const uint8_t *winner, const cpu_array *dx, float *plane,
                       const cpu_window *window);  // plane: [height][width][V] of scratch
  void (*mean_forward)(const cpu_array *x, const cpu_array *y, const cpu_window *window);
  void (*mean_backward)(const cpu_array *dy, const cpu_array *dx, float *plane, const cpu_window *window);

  // scratch: three rows (cpu_lrn_row).
  void (*lrn_forward)(const cpu_array *x, const cpu_array *y, const cpu_lrn *lrn, float *scratch);
  void (*lrn_backward)(const cpu_array *x, const cpu_array *dy, const cpu_array *dx, const cpu_lrn *lrn,
                       float *scratch);

  // Tiles first .. first+count-1 of x (or of a gradient with respect to the output) into the transformed domain, at
  // places 0 .. count-1; and out of it, with bias [C] (NULL: none) and ReLU.
  bool winograd;  // whether these are worth calling
  void (*winograd_input)(const cpu_array *x, const cpu_tiles *tiles, uint32_t first, uint32_t count,
                         const cpu_spread *to);
  void (*winograd_gradient)(const cpu_array *dy, const cpu_tiles *tiles, uint32_t first, uint32_t count,
                            const cpu_spread *to);
  void (*winograd_output)(const cpu_spread *from, const cpu_tiles *tiles, uint32_t first, uint32_t count,
                          const cpu_array *y, const float *bias, bool relu);
  // Filters [O/V][I][3][3][V] -> u: [36][I * O] in panels; turned: those of the gradient with respect to the input.
  void (*winograd_filters)(const float *filters, uint32_t in_blocks, uint32_t out_blocks, float *u);
  void (*winograd_turned_filters)(const float *filters, uint32_t in_blocks, uint32_t out_blocks, float *u);
  // y = x u at every point; rooms are multiples of 8, and places from count to the next such multiple get anything.
  void (*winograd_multiply)(const cpu_spread *x, const float *u, const cpu_spread *y, uint32_t count);
  // Gradient of the filters, [O/V][I][3][3][V], from all of a shard's tiles. buffer: cpu_winograd_buffer floats.
  void (*winograd_correlate)(const cpu_spread *x, const cpu_spread *dy, uint32_t tiles, float *buffer, float *gradient);
  // Sum over images and positions of each channel: sums: [C].
  void (*channel_sums)(const cpu_array *x, cpu_extent extent, float *sums);

  // Rows [image][H*W][C] to blocked and back; missing channels of the last block are written zero.
  void (*block_rows)(const cpu_array *rows, const cpu_array *blocked, uint32_t images, uint32_t channels,
                     uint32_t positions);
  void (*unblock_rows)(const cpu_array *blocked, const cpu_array *rows, uint32_t images, uint32_t channels,
                       uint32_t positions);

  // Adds `count` partial vectors in a fixed tree (pairs of neighbours) into the first; each [n], `stride` floats apart.
  void (*tree_sum)(float *partials, uint64_t stride, uint32_t count, uint64_t n);
  // Returns whether every updated value is finite.
  bool (*update)(float *value, float *momentum, const float *gradient, uint64_t n, cpu_update_rule rule);
} cpu_kernels;

// Floats of a position's channels with the window's margins: the kernels of lrn need three such rows of scratch.
static inline uint64_t cpu_lrn_row(const cpu_lrn *lrn, uint32_t block) {
  return (uint64_t)lrn->blocks * block + 2 * (uint64_t)lrn->radius + block;
}

static inline uint64_t cpu_winograd_buffer(uint32_t block) { return CPU_WINOGRAD_POINTS * (uint64_t)block * 3 * block; }

extern const cpu_kernels cpu_kernels_avx512_bf16;  // for processors with AMX, which have that too
extern const cpu_kernels cpu_kernels_avx512;
extern const cpu_kernels cpu_kernels_avx2;
extern const cpu_kernels cpu_kernels_base;

#endif
