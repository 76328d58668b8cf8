// Convolutions in the transformed domain: which tiles at a time, and where they lie. See winograd.h; the arithmetic is
// in kernels_winograd.h.
//
// Forward, a block of tiles at a time stays in the second-level cache between its three steps. The filters' gradient
// takes all tiles of a shard at once: each of its sums then runs over the whole shard, and is transformed back when it
// is complete.
#include "engine/cpu/winograd.h"

#include "base/memory.h"

enum {
  TILE_SIDE = 4,
  FILTER_SIDE = 3,
  FILTER_AREA = 9,
  BLOCK_TILES = 32,        // a multiple of ROOM_STEP
  ROOM_STEP = 8,           // kernels.h: rooms are multiples of it
  SCRATCH_MAX = 64 << 20,  // bytes that a shard's tiles may take: more than that no cache holds
};

struct cpu_winograd {
  const cpu_kernels *kernels;
  uint32_t block;  // V
  uint32_t in_blocks, out_blocks;
  cpu_tiles forward, data;
  float *filters;         // [36][I * O]
  float *turned_filters;  // the same, for the gradient with respect to the input; NULL: not wanted
};

static uint32_t tiles_along(uint32_t length) { return (length + TILE_SIDE - 1) / TILE_SIDE; }

static uint32_t shard_tiles(const cpu_tiles *tiles) { return CPU_SHARD_IMAGES * tiles->down * tiles->across; }

// At most half of the products of the direct way, whose filling of tiles is not counted.
static bool is_worth_it(uint64_t tiles, sht_shape out) {
  return 2 * CPU_WINOGRAD_POINTS * tiles <= FILTER_AREA * (uint64_t)out.height * out.width;
}

bool cpu_winograd_fits(const cpu_engine *engine, const sht_node *node, sht_shape in) {
  const uint64_t tiles = (uint64_t)tiles_along(node->out.height) * tiles_along(node->out.width);
  const uint64_t floats = CPU_WINOGRAD_POINTS * CPU_SHARD_IMAGES * tiles * ((uint64_t)in.channels + node->out.channels);
  return engine->kernels->winograd && engine->precision == SHT_FP32 && node->kernel == FILTER_SIDE &&
         node->stride == 1 && node->pad_before < FILTER_SIDE && in.channels % engine->block == 0 &&
         node->out.channels % engine->block == 0 && is_worth_it(tiles, node->out) &&
         floats * sizeof(float) <= SCRATCH_MAX;
}

// ---- memory

static uint64_t spread_floats(const cpu_spread *s, uint32_t block) {
  return CPU_WINOGRAD_POINTS * cpu_spread_stride(s->blocks, s->room, block);
}

// Two spreads of so many tiles, one behind the other in the worker's scratch memory; returns what lies behind them.
static float *place_spreads(const cpu_winograd *w, float *scratch, uint32_t tiles, cpu_spread *x, cpu_spread *y) {
  uint32_t room = cpu_round_up(tiles, ROOM_STEP);
  *x = (cpu_spread){scratch, w->in_blocks, room};
  *y = (cpu_spread){scratch + spread_floats(x, w->block), w->out_blocks, room};
  return y->data + spread_floats(y, w->block);
}

static void need_scratch(cpu_engine *engine, const cpu_winograd *w) {
  cpu_spread x = {.blocks = w->in_blocks, .room = cpu_round_up(shard_tiles(&w->forward), ROOM_STEP)};
  cpu_spread y = {.blocks = w->out_blocks, .room = x.room};
  uint64_t whole = spread_floats(&x, w->block) + spread_floats(&y, w->block) + cpu_winograd_buffer(w->block);
  x.room = y.room = BLOCK_TILES;
  uint64_t parts = spread_floats(&x, w->block) + spread_floats(&y, w->block);
  cpu_need_scratch(engine, (whole > parts ? whole : parts) * sizeof(float));
}

sht_status cpu_winograd_open(cpu_engine *engine, const sht_node *node, sht_shape in, bool input_gradient,
                             cpu_winograd **out, sht_error *error) {
  cpu_winograd *w = NULL;
  SHT_TRY(SHT_ALLOC(&w, 1, "convolution", error));
  *out = w;
  w->kernels = engine->kernels;
  w->block = engine->block;
  w->in_blocks = in.channels / engine->block;
  w->out_blocks = node->out.channels / engine->block;
  w->forward = (cpu_tiles){tiles_along(node->out.height),
                           tiles_along(node->out.width),
                           in.height,
                           in.width,
                           node->pad_before,
                           node->out.height,
                           node->out.width};
  w->data = (cpu_tiles){tiles_along(in.height),
                        tiles_along(in.width),
                        node->out.height,
                        node->out.width,
                        FILTER_SIDE - 1 - node->pad_before,
                        in.height,
                        in.width};
  need_scratch(engine, w);
  uint64_t floats = CPU_WINOGRAD_POINTS * (uint64_t)in.channels * node->out.channels;
  engine->bytes += floats * sizeof(float) * (input_gradient ? 2 : 1);
  SHT_TRY(SHT_ALLOC(&w->filters, floats, "transformed filters", error));
  return input_gradient ? SHT_ALLOC(&w->turned_filters, floats, "transformed filters", error) : SHT_OK;
}

void cpu_winograd_close(cpu_winograd *w) {
  if (w != NULL) {
    sht_free(w->filters);
    sht_free(w->turned_filters);
    sht_free(w);
  }
}

// ---- weights

uint64_t cpu_winograd_weight_count(const cpu_winograd *w) {
  return (uint64_t)w->in_blocks * w->out_blocks * w->block * w->block * FILTER_AREA;
}

void cpu_winograd_repack(const cpu_winograd *w, const float *held) {
  w->kernels->winograd_filters(held, w->in_blocks, w->out_blocks, w->filters);
  if (w->turned_filters != NULL) {
    w->kernels->winograd_turned_filters(held, w->in_blocks, w->out_blocks, w->turned_filters);
  }
}

void cpu_winograd_copy(const cpu_winograd *w, float *held, float *given, bool put) {
  const uint64_t inner = (uint64_t)w->in_blocks * w->block * FILTER_AREA;  // of one output
  const uint64_t outputs = (uint64_t)w->out_blocks * w->block;
  for (uint64_t o = 0; o < outputs; o++) {
    float *in_held = held + o / w->block * inner * w->block + o % w->block;
    for (uint64_t i = 0; i < inner; i++) {
      float *a = &in_held[i * w->block];
      float *b = &given[o * inner + i];
      *(put ? a : b) = *(put ? b : a);
    }
  }
}

// ---- passes

// What forward and backward to the input have in common: from -> transform, products, transform back -> to.
static void filter(const cpu_winograd *w, const cpu_tiles *tiles, const float *filters, cpu_array from, cpu_spread *x,
                   cpu_array to, cpu_spread *y, const float *bias, bool relu) {
  const uint32_t all = shard_tiles(tiles);
  for (uint32_t first = 0; first < all; first += BLOCK_TILES) {
    uint32_t count = all - first < BLOCK_TILES ? all - first : BLOCK_TILES;
    w->kernels->winograd_input(&from, tiles, first, count, x);
    w->kernels->winograd_multiply(x, filters, y, count);
    w->kernels->winograd_output(y, tiles, first, count, &to, bias, relu);
  }
}

void cpu_winograd_forward(const cpu_winograd *w, const cpu_tile *tile, cpu_array x, cpu_array y, const float *bias,
                          bool relu) {
  cpu_spread in;
  cpu_spread out;
  (void)place_spreads(w, (float *)cpu_scratch(tile), BLOCK_TILES, &in, &out);
  filter(w, &w->forward, w->filters, x, &in, y, &out, bias, relu);
}

void cpu_winograd_data(const cpu_winograd *w, const cpu_tile *tile, cpu_array dy, cpu_array dx) {
  cpu_spread in;
  cpu_spread out;
  (void)place_spreads(w, (float *)cpu_scratch(tile), BLOCK_TILES, &in, &out);
  filter(w, &w->data, w->turned_filters, dy, &out, dx, &in, NULL, false);
}

void cpu_winograd_weights(const cpu_winograd *w, const cpu_tile *tile, cpu_array x, cpu_array dy, float *gradient,
                          float *bias_gradient) {
  const uint32_t all = shard_tiles(&w->forward);
  cpu_spread in;
  cpu_spread out;
  float *buffer = place_spreads(w, (float *)cpu_scratch(tile), all, &in, &out);
  w->kernels->winograd_input(&x, &w->forward, 0, all, &in);
  w->kernels->winograd_gradient(&dy, &w->forward, 0, all, &out);
  w->kernels->winograd_correlate(&in, &out, all, buffer, gradient);
  if (bias_gradient != NULL) {
    cpu_extent extent = {CPU_SHARD_IMAGES, w->out_blocks, w->forward.out_height * w->forward.out_width};
    w->kernels->channel_sums(&dy, extent, bias_gradient);
  }
}
