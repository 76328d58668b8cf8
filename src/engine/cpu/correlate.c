// The gradient of a convolution's filters on AMX: see correlate.h.
//
// A run is one image, or a few small ones, whose factors are rearranged at a time. A large image is summed in parts, so
// that every place in the filter reads them from the first cache. The sums of a part are added to the gradient by
// vectors, while the products of the next place are made.
#include "engine/cpu/correlate.h"

#include "base/amx.h"
#include "base/amx_tiles.h"
#include "base/memory.h"
#include "engine/cpu/amx_words.h"

enum {
  LINE_BYTES = 64,
  LINES_MAX = 4,           // to be asked for in a step: what memory gives in its time
  PART_STEPS = 8,          // products of a part: its factors, 16 channels by twos, stay in the first cache
  ABSENT = -1,             // no such position: zeros
  TOGETHER_MAX = 2 << 20,  // bytes of inputs up to which images are taken together: a second-level cache's
};

struct cpu_correlate {
  const cpu_kernels *kernels;
  uint32_t kernel, stride;
  uint32_t phases;  // along one side
  uint32_t in_blocks, out_blocks;
  uint32_t out_positions;  // of an image
  uint32_t images;         // of a run: whose positions are summed at a time
  uint32_t width;          // positions of a row, of both factors
  uint32_t steps;          // products of an image
  uint32_t part_steps;     // products of a part of an image
  uint32_t image_pitch;    // positions of the paired inputs from an image to the next, with what the shifts reach
  uint32_t pairings;       // of the inputs: 2 where a shift may be odd
  uint32_t lines;          // of the next run's inputs that are asked for in a step
  int32_t *inputs;         // [phases * phases][positions + 1]: where a position's channels begin in a run, or ABSENT
  int32_t *outputs;        // [images][steps * AMX_STEP]: the same of the output gradients
};

// ---- geometry

static uint32_t phases_of(const sht_node *node) { return amx_phases(node->kernel, node->stride); }

static uint32_t reach_of(const sht_node *node) { return amx_reach(node->kernel, node->stride); }

// Positions of an image in rows of the common width, the last row without its filling.
static uint32_t positions_of(const sht_node *node) {
  return (node->out.height - 1) * (node->out.width + reach_of(node)) + node->out.width;
}

static uint32_t steps_of(const sht_node *node) { return cpu_round_up(positions_of(node), AMX_STEP) / AMX_STEP; }

static uint32_t image_pitch_of(const sht_node *node) {
  const uint32_t reach = reach_of(node);
  return cpu_round_up(steps_of(node) * AMX_STEP + reach * (node->out.width + reach) + reach, AMX_STEP);
}

static uint32_t pairings_of(const sht_node *node) { return reach_of(node) > 0 ? 2 : 1; }

static uint64_t image_bytes(const sht_node *node, uint32_t in_blocks) {
  return (uint64_t)phases_of(node) * phases_of(node) * pairings_of(node) * in_blocks * AMX_SIDE * image_pitch_of(node) *
         sizeof(uint16_t);
}

// Small images together, so that sums are not read and written for a few products, as far as there is room.
static uint32_t images_of(const sht_node *node, uint32_t in_blocks) {
  uint32_t images = 1;
  while (2 * images <= CPU_SHARD_IMAGES && images * steps_of(node) <= PART_STEPS &&
         2 * images * image_bytes(node, in_blocks) <= TOGETHER_MAX) {
    images *= 2;
  }
  return images;
}

static uint64_t inputs_bytes(const sht_node *node, uint32_t in_blocks) {
  return images_of(node, in_blocks) * image_bytes(node, in_blocks);
}

static uint64_t outputs_bytes(const sht_node *node, uint32_t in_blocks, uint32_t out_blocks) {
  return (uint64_t)out_blocks * AMX_SIDE * images_of(node, in_blocks) * steps_of(node) * AMX_STEP * sizeof(uint16_t);
}

bool cpu_correlate_fits(const cpu_engine *engine) { return engine->channels_last && sht_amx_available(); }

// Position f of a phase of a run's inputs.
static int32_t input_place(const cpu_correlate *c, const sht_node *node, sht_shape in, uint32_t phase, uint32_t f) {
  const uint32_t image = f / c->image_pitch;
  const uint32_t within = f % c->image_pitch;
  const int64_t row = (int64_t)(within / c->width) * node->stride + phase / c->phases - node->pad_before;
  const int64_t column = (int64_t)(within % c->width) * node->stride + phase % c->phases - node->pad_before;
  if (image >= c->images || row < 0 || row >= in.height || column < 0 || column >= in.width) {
    return ABSENT;
  }
  return (int32_t)(((image * in.height + row) * in.width + column) * c->in_blocks * AMX_SIDE);
}

static int32_t output_place(const cpu_correlate *c, const sht_node *node, uint32_t f) {
  const uint32_t image = f / (c->steps * AMX_STEP);
  const uint32_t row = f % (c->steps * AMX_STEP) / c->width;
  const uint32_t column = f % (c->steps * AMX_STEP) % c->width;
  if (row >= node->out.height || column >= node->out.width) {
    return ABSENT;
  }
  return (int32_t)(((image * node->out.height + row) * node->out.width + column) * c->out_blocks * AMX_SIDE);
}

static uint32_t input_positions(const cpu_correlate *c) { return c->images * c->image_pitch; }

static void fill_places(cpu_correlate *c, const sht_node *node, sht_shape in) {
  const uint32_t row = input_positions(c) + 1;
  for (uint32_t phase = 0; phase < c->phases * c->phases; phase++) {
    for (uint32_t f = 0; f < row; f++) {
      c->inputs[phase * row + f] = input_place(c, node, in, phase, f);
    }
  }
  for (uint32_t f = 0; f < c->images * c->steps * AMX_STEP; f++) {
    c->outputs[f] = output_place(c, node, f);
  }
}

// None where there are too few products to wait behind.
static uint32_t lines_of(const cpu_correlate *c, sht_shape in) {
  const uint64_t bytes = (uint64_t)in.height * in.width * c->in_blocks * AMX_SIDE * sizeof(uint16_t);
  const uint64_t corners = (uint64_t)(c->in_blocks + 1) / 2 * ((c->out_blocks + 1) / 2);
  const uint64_t steps = corners * c->kernel * c->kernel * c->steps;
  const uint64_t lines = (bytes + LINE_BYTES * steps - 1) / (LINE_BYTES * steps);
  return lines <= LINES_MAX ? (uint32_t)lines : 0;
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
  c->in_blocks = cpu_round_up(in.channels, AMX_SIDE) / AMX_SIDE;
  c->out_blocks = cpu_round_up(node->out.channels, AMX_SIDE) / AMX_SIDE;
  c->out_positions = node->out.height * node->out.width;
  c->images = images_of(node, c->in_blocks);
  c->width = node->out.width + reach_of(node);
  c->steps = steps_of(node);
  c->image_pitch = image_pitch_of(node);
  c->pairings = pairings_of(node);
  const uint32_t parts = cpu_round_up(c->steps, PART_STEPS) / PART_STEPS;
  c->part_steps = cpu_round_up(c->steps, parts) / parts;
  cpu_need_scratch(engine, inputs_bytes(node, c->in_blocks) + outputs_bytes(node, c->in_blocks, c->out_blocks));
  const uint64_t phases = (uint64_t)c->phases * c->phases;
  const uint64_t outputs = (uint64_t)c->images * c->steps * AMX_STEP;
  c->lines = lines_of(c, in);
  const uint64_t inputs = phases * (input_positions(c) + 1);
  engine->bytes += (inputs + outputs) * sizeof(int32_t);
  SHT_TRY(SHT_ALLOC(&c->inputs, inputs, "places of a convolution", error));
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

AMX_INLINE amx_words widened(const uint16_t *from, int32_t place) {
  if (place == ABSENT) {
    return (amx_words){0};
  }
  return (amx_words)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)(from + place)));
}

// One block of channels in pairs of neighbouring positions, from even ones and (odd not NULL) from odd ones on.
AMX_TARGET static void pair_block(const uint16_t *x, const int32_t *places, uint32_t pairs, uint32_t *even,
                                  uint32_t *odd) {
  amx_words first = widened(x, places[0]);
  for (uint32_t pair = 0; pair < pairs; pair++, places += 2) {
    const amx_words second = widened(x, places[1]);
    const amx_words next = widened(x, places[2]);
    *(amx_words *)(even + (size_t)pair * AMX_SIDE) = first | second << 16;
    if (odd != NULL) {
      *(amx_words *)(odd + (size_t)pair * AMX_SIDE) = second | next << 16;
    }
    first = next;
  }
}

// to: [phases * phases][in_blocks][pairings][positions / 2][AMX_SIDE] words.
static void pair_inputs(const cpu_correlate *c, const uint16_t *x, uint32_t *to) {
  const uint32_t positions = input_positions(c);
  const size_t words = (size_t)positions / 2 * AMX_SIDE;
  for (uint32_t phase = 0; phase < c->phases * c->phases; phase++) {
    for (uint32_t block = 0; block < c->in_blocks; block++, to += c->pairings * words) {
      pair_block(x + (size_t)block * AMX_SIDE, c->inputs + (size_t)phase * (positions + 1), positions / 2, to,
                 c->pairings == 2 ? to + words : NULL);
    }
  }
}

// The 16 channels that begin at `from`, of 32 positions: [channel][position].
AMX_INLINE void turn_tile(const uint16_t *from, const int32_t *places, uint16_t *to) {
  amx_words rows[AMX_SIDE];
#pragma GCC unroll 16
  for (uint32_t pair = 0; pair < AMX_SIDE; pair++) {
    const int32_t *both = places + 2 * (size_t)pair;
    rows[pair] = widened(from, both[0]) | widened(from, both[1]) << 16;
  }
  amx_turn_square(rows);
  memcpy(to, rows, sizeof rows);
}

// to: [out_blocks][images * steps][AMX_SIDE channels][AMX_STEP positions].
AMX_TARGET static void turn_outputs(const cpu_correlate *c, const uint16_t *dy, uint16_t *to) {
  for (uint32_t block = 0; block < c->out_blocks; block++) {
    for (uint32_t step = 0; step < c->images * c->steps; step++, to += (size_t)AMX_SIDE * AMX_STEP) {
      turn_tile(dy + (size_t)block * AMX_SIDE, c->outputs + (size_t)step * AMX_STEP, to);
    }
  }
}

// ---- products

typedef struct part {
  const uint32_t *x;   // paired
  const uint16_t *dy;  // turned
  float *gradient;
  uint32_t first, steps;  // of each image of the run
  bool fresh;             // the sums begin here
  const char *ahead;      // the next run's inputs, which are asked for meanwhile
  uint32_t lines;         // of them in a step
} part;

// Sums of one or two blocks of outputs (tiles 4, 5) with one or two blocks of inputs (6, 7): tiles 0 to 3.
typedef struct corner {
  const uint16_t *a;         // turned output gradients
  size_t a_block;            // elements from a block to the next
  const uint32_t *b;         // paired inputs, from the place's shift on
  size_t b_block;            // words from a block to the next
  float *gradient;           // tiles of 16 outputs with 16 inputs
  size_t in_step, out_step;  // from a tile to the one of the next block
  bool two_out, two_in;
} corner;

AMX_INLINE void add_step(const corner *w, const uint16_t *a, const uint32_t *b, bool two_out, bool two_in) {
  _tile_loadd(6, b, 64);
  _tile_loadd(4, a, 64);
  _tile_dpbf16ps(0, 4, 6);
  if (two_in) {
    _tile_loadd(7, b + w->b_block, 64);
    _tile_dpbf16ps(1, 4, 7);
  }
  if (two_out) {
    _tile_loadd(5, a + w->a_block, 64);
    _tile_dpbf16ps(2, 5, 6);
  }
  if (two_out && two_in) {
    _tile_dpbf16ps(3, 5, 7);
  }
}

AMX_INLINE void ask_inputs(part *p) {
  for (uint32_t line = 0; line < p->lines; line++, p->ahead += LINE_BYTES) {
    _mm_prefetch(p->ahead, _MM_HINT_T1);
  }
}

// sums: [tile][16][16].
AMX_INLINE void sum_corner(const cpu_correlate *c, part *p, const corner *w, float *sums, bool two_out, bool two_in) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (uint32_t image = 0; image < c->images; image++) {
    const uint16_t *a = w->a + ((size_t)image * c->steps + p->first) * AMX_SIDE * AMX_STEP;
    const uint32_t *b = w->b + ((size_t)image * c->image_pitch / AMX_STEP + p->first) * AMX_TILE_WORDS;
    for (uint32_t step = 0; step < p->steps; step++, a += (size_t)AMX_SIDE * AMX_STEP, b += AMX_TILE_WORDS) {
      add_step(w, a, b, two_out, two_in);
      ask_inputs(p);
    }
  }
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + AMX_TILE_WORDS, 64);
  _tile_stored(2, sums + 2 * AMX_TILE_WORDS, 64);
  _tile_stored(3, sums + 3 * AMX_TILE_WORDS, 64);
  __asm__ volatile("" ::: "memory");
}

AMX_INLINE void put_tile(const float *sums, float *to, bool fresh) {
  for (uint32_t i = 0; i < AMX_TILE_WORDS; i += AMX_SIDE) {
    const __m512 sum = _mm512_load_ps(sums + i);
    _mm512_store_ps(to + i, fresh ? sum : _mm512_add_ps(_mm512_load_ps(to + i), sum));
  }
}

AMX_INLINE void put_corner(const corner *w, const float *sums, bool fresh) {
  put_tile(sums, w->gradient, fresh);
  if (w->two_in) {
    put_tile(sums + AMX_TILE_WORDS, w->gradient + w->in_step, fresh);
  }
  if (w->two_out) {
    put_tile(sums + 2 * AMX_TILE_WORDS, w->gradient + w->out_step, fresh);
  }
  if (w->two_out && w->two_in) {
    put_tile(sums + 3 * AMX_TILE_WORDS, w->gradient + w->out_step + w->in_step, fresh);
  }
}

// For one place in the filter.
AMX_INLINE corner corner_at(const cpu_correlate *c, const part *p, uint32_t out, uint32_t in, uint32_t place) {
  const uint32_t r = place / c->kernel;
  const uint32_t q = place % c->kernel;
  const size_t in_step = (size_t)c->kernel * c->kernel * AMX_TILE_WORDS;
  const size_t out_step = c->in_blocks * in_step;
  const size_t phase = (size_t)(r % c->stride) * c->phases + q % c->stride;
  const size_t shift = (size_t)(r / c->stride) * c->width + q / c->stride;
  const size_t pairing = (size_t)input_positions(c) / 2 * AMX_SIDE;
  const size_t a_block = (size_t)c->images * c->steps * AMX_SIDE * AMX_STEP;
  return (corner){.a = p->dy + out * a_block,
                  .a_block = a_block,
                  .b = p->x + ((phase * c->in_blocks + in) * c->pairings + shift % 2) * pairing + shift / 2 * AMX_SIDE,
                  .b_block = c->pairings * pairing,
                  .gradient = p->gradient + out * out_step + in * in_step + (size_t)place * AMX_TILE_WORDS,
                  .in_step = in_step,
                  .out_step = out_step,
                  .two_out = out + 1 < c->out_blocks,
                  .two_in = in + 1 < c->in_blocks};
}

AMX_INLINE void sum_place(const cpu_correlate *c, part *p, const corner *w, float *sums) {
  if (w->two_out && w->two_in) {
    sum_corner(c, p, w, sums, true, true);
  } else if (w->two_out) {
    sum_corner(c, p, w, sums, true, false);
  } else if (w->two_in) {
    sum_corner(c, p, w, sums, false, true);
  } else {
    sum_corner(c, p, w, sums, false, false);
  }
}

// Two blocks of outputs with two of inputs, or what is left of them. The sums of a place go to the gradient while those
// of the next are made, so that the unit does not wait for them to come out of the tiles.
AMX_TARGET static void add_blocks(const cpu_correlate *c, part *p, uint32_t out, uint32_t in) {
  float sums[2][4 * AMX_TILE_WORDS] __attribute__((aligned(64)));
  corner last = {0};
  for (uint32_t place = 0; place < c->kernel * c->kernel; place++) {
    const corner w = corner_at(c, p, out, in, place);
    sum_place(c, p, &w, sums[place % 2]);
    if (place > 0) {
      put_corner(&last, sums[(place - 1) % 2], p->fresh);
    }
    last = w;
  }
  put_corner(&last, sums[(c->kernel * c->kernel - 1) % 2], p->fresh);
}

AMX_TARGET static void add_part(const cpu_correlate *c, part *p) {
  for (uint32_t out = 0; out < c->out_blocks; out += 2) {
    for (uint32_t in = 0; in < c->in_blocks; in += 2) {
      add_blocks(c, p, out, in);
    }
  }
}

// The compiler does not see what tiles read; the barrier keeps stores before.
AMX_TARGET static void add_run(const cpu_correlate *c, part p) {
  static const sht_amx_shapes whole = {
      .palette = 1,
      .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
      .rows = {AMX_SIDE, AMX_SIDE, AMX_SIDE, AMX_SIDE, AMX_SIDE, AMX_SIDE, AMX_SIDE, AMX_SIDE}};
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&whole);
  for (p.first = 0; p.first < c->steps; p.first += c->part_steps, p.fresh = false) {
    const uint32_t left = c->steps - p.first;
    p.steps = left < c->part_steps ? left : c->part_steps;
    add_part(c, &p);
  }
  _tile_release();
  __asm__ volatile("" ::: "memory");
}

void cpu_correlate_run(const cpu_correlate *c, const cpu_tile *tile, cpu_array x, cpu_array dy, bool fresh,
                       float *gradient, float *bias_gradient) {
  uint16_t *turned = (uint16_t *)cpu_scratch(tile);
  uint32_t *pairs = (uint32_t *)(turned + (size_t)c->out_blocks * AMX_SIDE * c->images * c->steps * AMX_STEP);
  for (uint32_t image = 0; image < CPU_SHARD_IMAGES; image += c->images) {
    pair_inputs(c, (const uint16_t *)((const char *)x.data + image * x.stride), pairs);
    turn_outputs(c, (const uint16_t *)((const char *)dy.data + image * dy.stride), turned);
    const bool more = image + c->images < CPU_SHARD_IMAGES;
    add_run(c, (part){.x = pairs,
                      .dy = turned,
                      .gradient = gradient,
                      .fresh = fresh && image == 0,
                      .ahead = (const char *)x.data + (image + c->images) * x.stride,
                      .lines = more ? c->lines : 0});
  }
  if (bias_gradient != NULL) {
    const cpu_extent extent = {CPU_SHARD_IMAGES, c->out_blocks, c->out_positions};
    c->kernels->channel_sums(&dy, extent, bias_gradient);
  }
}
