// The gradient of a convolution's filters on AMX: see correlate.h.
//
// A run is one image, or a few small ones, whose factors are rearranged at a time. A large image is summed in parts, so
// that every place in the filter reads them from the first cache. Sums go on from part to part in the gradient.
#include "engine/cpu/correlate.h"

#include <immintrin.h>
#include <string.h>

#include "base/amx.h"
#include "base/amx_tiles.h"
#include "base/memory.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-bf16")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum {
  SIDE = 16,              // channels of a block, rows of a tile, words of its row
  STEP = 2 * SIDE,        // positions of a product
  PART_STEPS = 8,         // products of a part: its factors, 16 channels by twos, stay in the first cache
  ABSENT = -1,            // no such position: zeros
  SCRATCH_MAX = 3 << 20,  // bytes of rearranged factors; more than that no second-level cache holds
};

typedef uint32_t words __attribute__((vector_size(64)));

struct cpu_correlate {
  const cpu_kernels *kernels;
  uint32_t kernel, stride;
  uint32_t phases;  // along one side
  uint32_t in_blocks, out_blocks;
  uint32_t out_positions;  // of an image
  uint32_t images;         // of a run: whose positions are summed at a time
  uint32_t width;          // positions of a row, of both factors
  uint32_t steps;          // products of an image
  uint32_t image_pitch;    // positions of the turned inputs from an image to the next, with what the shifts reach
  uint32_t pitch;          // and from a channel to the next
  int32_t *inputs;         // [phases * phases][pitch]: where in a run's inputs a position's channels begin, or ABSENT
  int32_t *outputs;        // [images][steps * STEP]: the same of the output gradients
};

// ---- geometry

// Phases of the inputs that the filter reads, along one side.
static uint32_t phases_of(const sht_node *node) { return node->kernel < node->stride ? node->kernel : node->stride; }

// How far the filter's last place lies from the first, within a phase.
static uint32_t reach_of(const sht_node *node) { return (node->kernel - 1) / node->stride; }

static uint32_t round_up(uint32_t value, uint32_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// Positions of an image in rows of the common width, the last row without its filling.
static uint32_t positions_of(const sht_node *node) {
  return (node->out.height - 1) * (node->out.width + reach_of(node)) + node->out.width;
}

static uint32_t steps_of(const sht_node *node) { return round_up(positions_of(node), STEP) / STEP; }

// Small images together, so that sums are not read and written for a few products.
static uint32_t images_of(const sht_node *node) {
  uint32_t images = 1;
  while (2 * images <= CPU_SHARD_IMAGES && 2 * images * steps_of(node) <= PART_STEPS) {
    images *= 2;
  }
  return images;
}

static uint32_t image_pitch_of(const sht_node *node) {
  const uint32_t reach = reach_of(node);
  return round_up(steps_of(node) * STEP + reach * (node->out.width + reach) + reach, STEP);
}

// An odd number of cache lines: channels fall into different sets.
static uint32_t pitch_of(const sht_node *node) { return (images_of(node) * image_pitch_of(node) / STEP | 1) * STEP; }

static uint64_t inputs_bytes(const sht_node *node, uint32_t in_blocks) {
  return (uint64_t)phases_of(node) * phases_of(node) * in_blocks * SIDE * pitch_of(node) * sizeof(uint16_t);
}

static uint64_t outputs_bytes(const sht_node *node, uint32_t out_blocks) {
  return (uint64_t)out_blocks * SIDE * images_of(node) * steps_of(node) * STEP * sizeof(uint16_t);
}

bool cpu_correlate_fits(const cpu_engine *engine, const sht_node *node, sht_shape in) {
  const uint32_t in_blocks = cpu_round_up(in.channels, SIDE) / SIDE;
  const uint32_t out_blocks = cpu_round_up(node->out.channels, SIDE) / SIDE;
  return engine->channels_last && sht_amx_available() &&
         inputs_bytes(node, in_blocks) + outputs_bytes(node, out_blocks) <= SCRATCH_MAX;
}

// Position f of a phase of a run's inputs.
static int32_t input_place(const cpu_correlate *c, const sht_node *node, sht_shape in, uint32_t phase, uint32_t f) {
  const uint32_t image = f / c->image_pitch;
  const uint32_t within = f % c->image_pitch;
  const int64_t row = (int64_t)(within / c->width) * node->stride + phase / c->phases - node->pad_before;
  const int64_t column = (int64_t)(within % c->width) * node->stride + phase % c->phases - node->pad_before;
  if (image >= c->images || row < 0 || row >= in.height || column < 0 || column >= in.width) {
    return ABSENT;
  }
  return (int32_t)(((image * in.height + row) * in.width + column) * c->in_blocks * SIDE);
}

static int32_t output_place(const cpu_correlate *c, const sht_node *node, uint32_t f) {
  const uint32_t image = f / (c->steps * STEP);
  const uint32_t row = f % (c->steps * STEP) / c->width;
  const uint32_t column = f % (c->steps * STEP) % c->width;
  if (row >= node->out.height || column >= node->out.width) {
    return ABSENT;
  }
  return (int32_t)(((image * node->out.height + row) * node->out.width + column) * c->out_blocks * SIDE);
}

static void fill_places(cpu_correlate *c, const sht_node *node, sht_shape in) {
  for (uint32_t phase = 0; phase < c->phases * c->phases; phase++) {
    for (uint32_t f = 0; f < c->pitch; f++) {
      c->inputs[phase * c->pitch + f] = input_place(c, node, in, phase, f);
    }
  }
  for (uint32_t f = 0; f < c->images * c->steps * STEP; f++) {
    c->outputs[f] = output_place(c, node, f);
  }
}

sht_status cpu_correlate_open(cpu_engine *engine, const sht_node *node, sht_shape in, cpu_correlate **out,
                              sht_error *error) {
  cpu_correlate *c = NULL;
  SHT_TRY(SHT_ALLOC(&c, 1, "convolution", error));
  *out = c;
  c->kernels = engine->kernels;
  c->kernel = node->kernel;
  c->stride = node->stride;
  c->phases = phases_of(node);
  c->in_blocks = cpu_round_up(in.channels, SIDE) / SIDE;
  c->out_blocks = cpu_round_up(node->out.channels, SIDE) / SIDE;
  c->out_positions = node->out.height * node->out.width;
  c->images = images_of(node);
  c->width = node->out.width + reach_of(node);
  c->steps = steps_of(node);
  c->image_pitch = image_pitch_of(node);
  c->pitch = pitch_of(node);
  cpu_need_scratch(engine, inputs_bytes(node, c->in_blocks) + outputs_bytes(node, c->out_blocks));
  const uint64_t phases = (uint64_t)c->phases * c->phases;
  const uint64_t outputs = (uint64_t)c->images * c->steps * STEP;
  engine->bytes += (phases * c->pitch + outputs) * sizeof(int32_t);
  SHT_TRY(SHT_ALLOC(&c->inputs, phases * c->pitch, "places of a convolution", error));
  SHT_TRY(SHT_ALLOC(&c->outputs, outputs, "places of a convolution", error));
  fill_places(c, node, in);
  return SHT_OK;
}

void cpu_correlate_close(cpu_correlate *c) {
  if (c != NULL) {
    sht_free(c->inputs);
    sht_free(c->outputs);
    sht_free(c);
  }
}

// ---- rearrangement

INLINE words widened(const uint16_t *from, int32_t place) {
  if (place == ABSENT) {
    return (words){0};
  }
  return (words)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)(from + place)));
}

// The 16 channels that begin at `from`, of two neighbouring positions: words of pairs.
INLINE words pair_at(const uint16_t *from, const int32_t *places) {
  return widened(from, places[0]) | widened(from, places[1]) << 16;
}

// to: [out_blocks][images * steps * SIDE pairs][SIDE] words.
TARGET static void interleave(const cpu_correlate *c, const uint16_t *dy, uint32_t *to) {
  for (uint32_t block = 0; block < c->out_blocks; block++) {
    for (uint32_t pair = 0; pair < c->images * c->steps * SIDE; pair++, to += SIDE) {
      *(words *)to = pair_at(dy + (size_t)block * SIDE, c->outputs + 2 * (size_t)pair);
    }
  }
}

// Words [16][16] turned: four rounds of perfect shuffles of the rows.
INLINE void turn_square(words *rows) {
  words shuffled[SIDE];
  for (int round = 1; round < SIDE; round *= 2) {
#pragma GCC unroll 8
    for (int r = 0; r < SIDE / 2; r++) {
      shuffled[2 * r] =
          __builtin_shufflevector(rows[r], rows[r + SIDE / 2], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      shuffled[2 * r + 1] = __builtin_shufflevector(rows[r], rows[r + SIDE / 2], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                                    13, 29, 14, 30, 15, 31);
    }
    memcpy(rows, shuffled, sizeof shuffled);
  }
}

// One block of channels: to: [SIDE][pitch].
TARGET static void turn_block(const cpu_correlate *c, const uint16_t *x, const int32_t *places, uint16_t *to) {
  for (uint32_t first = 0; first < c->pitch; first += STEP) {
    words rows[SIDE];
#pragma GCC unroll 16
    for (uint32_t pair = 0; pair < SIDE; pair++) {
      rows[pair] = pair_at(x, places + first + 2 * (size_t)pair);
    }
    turn_square(rows);
#pragma GCC unroll 16
    for (uint32_t channel = 0; channel < SIDE; channel++) {
      *(words *)(to + (size_t)channel * c->pitch + first) = rows[channel];
    }
  }
}

// to: [phases * phases][in_blocks * SIDE][pitch].
static void turn(const cpu_correlate *c, const uint16_t *x, uint16_t *to) {
  for (uint32_t phase = 0; phase < c->phases * c->phases; phase++) {
    for (uint32_t block = 0; block < c->in_blocks; block++, to += (size_t)SIDE * c->pitch) {
      turn_block(c, x + (size_t)block * SIDE, c->inputs + (size_t)phase * c->pitch, to);
    }
  }
}

// ---- products

typedef struct part {
  const uint16_t *x;   // turned
  const uint32_t *dy;  // interleaved
  float *gradient;
  uint32_t first, steps;  // of each image of the run
  bool fresh;             // the sums begin here
} part;

// Sums of one or two blocks of inputs (tiles 4, 5) with one or two blocks of outputs (6, 7): tiles 0 to 3.
typedef struct corner {
  const uint16_t *a;  // turned inputs, from the place's shift on
  size_t a_pitch;     // elements
  const uint32_t *b;  // interleaved output gradients
  size_t b_block;     // words from a block to the next
  float *sums;        // [16 or 32][O]
  size_t outputs;     // O
} corner;

INLINE void add_step(const corner *w, const uint16_t *a, const uint32_t *b, bool two_in, bool two_out) {
  _tile_loadd(6, b, 64);
  _tile_loadd(4, a, w->a_pitch * 2);
  _tile_dpbf16ps(0, 4, 6);
  if (two_out) {
    _tile_loadd(7, b + w->b_block, 64);
    _tile_dpbf16ps(1, 4, 7);
  }
  if (two_in) {
    _tile_loadd(5, a + SIDE * w->a_pitch, w->a_pitch * 2);
    _tile_dpbf16ps(2, 5, 6);
  }
  if (two_in && two_out) {
    _tile_dpbf16ps(3, 5, 7);
  }
}

INLINE void load_sums(const corner *w, bool two_in, bool two_out) {
  const float *second = w->sums + SIDE * w->outputs;
  _tile_loadd(0, w->sums, w->outputs * 4);
  if (two_out) {
    _tile_loadd(1, w->sums + SIDE, w->outputs * 4);
  }
  if (two_in) {
    _tile_loadd(2, second, w->outputs * 4);
  }
  if (two_in && two_out) {
    _tile_loadd(3, second + SIDE, w->outputs * 4);
  }
}

INLINE void store_sums(const corner *w, bool two_in, bool two_out) {
  float *second = w->sums + SIDE * w->outputs;
  _tile_stored(0, w->sums, w->outputs * 4);
  if (two_out) {
    _tile_stored(1, w->sums + SIDE, w->outputs * 4);
  }
  if (two_in) {
    _tile_stored(2, second, w->outputs * 4);
  }
  if (two_in && two_out) {
    _tile_stored(3, second + SIDE, w->outputs * 4);
  }
}

INLINE void add_corner(const cpu_correlate *c, const part *p, const corner *w, bool two_in, bool two_out) {
  if (p->fresh) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    load_sums(w, two_in, two_out);
  }
  for (uint32_t image = 0; image < c->images; image++) {
    const uint16_t *a = w->a + (size_t)image * c->image_pitch + (size_t)p->first * STEP;
    const uint32_t *b = w->b + ((size_t)image * c->steps + p->first) * SIDE * SIDE;
    for (uint32_t step = 0; step < p->steps; step++, a += STEP, b += SIDE * SIDE) {
      add_step(w, a, b, two_in, two_out);
    }
  }
  store_sums(w, two_in, two_out);
}

// Two blocks of inputs with two of outputs, or what is left of them, for one place in the filter.
TARGET static void add_place(const cpu_correlate *c, const part *p, uint32_t in, uint32_t out, uint32_t place) {
  const uint32_t r = place / c->kernel;
  const uint32_t q = place % c->kernel;
  const size_t inputs = (size_t)c->in_blocks * SIDE;
  const size_t outputs = (size_t)c->out_blocks * SIDE;
  const size_t phase = (size_t)(r % c->stride) * c->phases + q % c->stride;
  const size_t shift = (size_t)(r / c->stride) * c->width + q / c->stride;
  const size_t block = (size_t)c->images * c->steps * SIDE * SIDE;
  const corner w = {.a = p->x + (phase * inputs + (size_t)in * SIDE) * c->pitch + shift,
                    .a_pitch = c->pitch,
                    .b = p->dy + out * block,
                    .b_block = block,
                    .sums = p->gradient + (place * inputs + (size_t)in * SIDE) * outputs + (size_t)out * SIDE,
                    .outputs = outputs};
  const bool two_in = in + 1 < c->in_blocks;
  const bool two_out = out + 1 < c->out_blocks;
  if (two_in && two_out) {
    add_corner(c, p, &w, true, true);
  } else if (two_in) {
    add_corner(c, p, &w, true, false);
  } else if (two_out) {
    add_corner(c, p, &w, false, true);
  } else {
    add_corner(c, p, &w, false, false);
  }
}

TARGET static void add_part(const cpu_correlate *c, const part *p) {
  for (uint32_t in = 0; in < c->in_blocks; in += 2) {
    for (uint32_t out = 0; out < c->out_blocks; out += 2) {
      for (uint32_t place = 0; place < c->kernel * c->kernel; place++) {
        add_place(c, p, in, out, place);
      }
    }
  }
}

// The compiler does not see what tiles read and write; the barriers keep stores before and loads behind them.
TARGET static void add_run(const cpu_correlate *c, part p) {
  static const sht_amx_shapes whole = {.palette = 1,
                                       .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                       .rows = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE}};
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&whole);
  for (p.first = 0; p.first < c->steps; p.first += PART_STEPS, p.fresh = false) {
    const uint32_t left = c->steps - p.first;
    p.steps = left < PART_STEPS ? left : PART_STEPS;
    add_part(c, &p);
  }
  _tile_release();
  __asm__ volatile("" ::: "memory");
}

void cpu_correlate_run(const cpu_correlate *c, const cpu_tile *tile, cpu_array x, cpu_array dy, float *gradient,
                       float *bias_gradient) {
  uint32_t *pairs = (uint32_t *)cpu_scratch(tile);
  uint16_t *turned = (uint16_t *)(pairs + (size_t)c->out_blocks * c->images * c->steps * SIDE * SIDE);
  for (uint32_t image = 0; image < CPU_SHARD_IMAGES; image += c->images) {
    turn(c, (const uint16_t *)((const char *)x.data + image * x.stride), turned);
    interleave(c, (const uint16_t *)((const char *)dy.data + image * dy.stride), pairs);
    add_run(c, (part){.x = turned, .dy = pairs, .gradient = gradient, .fresh = image == 0});
  }
  if (bias_gradient != NULL) {
    const cpu_extent extent = {CPU_SHARD_IMAGES, c->out_blocks, c->out_positions};
    c->kernels->channel_sums(&dy, extent, bias_gradient);
  }
}
