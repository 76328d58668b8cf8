// Convolutions in bf16 on AMX: see convolve.h.
//
// Sums of two tiles of positions with two blocks of output channels are made at a time, over all rows of the filter.
#include "engine/cpu/convolve.h"

#include "base/amx_tiles.h"
#include "base/memory.h"
#include "engine/cpu/amx_words.h"

// Bytes of an image with its zeros; with the filters more than that no second-level cache holds.
enum { WIDENED_MAX = 1 << 20 };

// Places in a row of the filter that lie side by side in an image: those of one phase.
typedef struct run {
  size_t place;       // elements from the first place of the first phase
  uint32_t row;       // of the filter
  uint32_t column;    // of the filter, the run's first
  uint32_t elements;  // channels of all its places
  uint32_t steps;     // products
} run;

struct cpu_convolve {
  cpu_convolve_shape shape;
  uint32_t phases;     // along one side
  uint32_t width;      // positions of a row, with what the filter reaches
  uint32_t rows;       // of a phase
  uint32_t positions;  // of the output, in rows of that width, the last one without its filling
  uint32_t pairs;      // of tiles of positions
  uint32_t side;       // positions of a tile
  sht_amx_shapes tiles;
  run *runs;  // [run_count]
  uint32_t run_count;
  uint32_t steps;     // products of all runs
  uint32_t *filters;  // [pair of blocks][steps][block of the pair][16 pairs of channels][16 channels]
};

// ---- geometry

static uint32_t blocks_of(uint32_t channels) { return cpu_round_up(channels, AMX_SIDE) / AMX_SIDE; }

cpu_convolve_shape cpu_convolve_forward_shape(const sht_node *node, sht_shape in) {
  return (cpu_convolve_shape){.in_blocks = blocks_of(in.channels),
                              .height = in.height,
                              .width = in.width,
                              .out_blocks = blocks_of(node->out.channels),
                              .out_height = node->out.height,
                              .out_width = node->out.width,
                              .kernel = node->kernel,
                              .stride = node->stride,
                              .pad = node->pad_before};
}

cpu_convolve_shape cpu_convolve_data_shape(const sht_node *node, sht_shape in, uint32_t reach) {
  return (cpu_convolve_shape){.in_blocks = blocks_of(node->out.channels),
                              .height = node->out.height,
                              .width = node->out.width,
                              .out_blocks = blocks_of(in.channels),
                              .out_height = in.height,
                              .out_width = in.width,
                              .kernel = node->kernel,
                              .stride = 1,
                              .pad = node->kernel - 1 - node->pad_before,
                              .reach = reach};
}

static uint32_t phases_of(const cpu_convolve_shape *s) { return amx_phases(s->kernel, s->stride); }

static uint32_t reach_of(const cpu_convolve_shape *s) { return amx_reach(s->kernel, s->stride); }

static uint32_t width_of(const cpu_convolve_shape *s) {
  return s->out_width + (reach_of(s) > s->reach ? reach_of(s) : s->reach);
}
static uint32_t rows_of(const cpu_convolve_shape *s) { return s->out_height + reach_of(s); }

// With the positions that the last tile reads behind the image.
static uint64_t widened_bytes(const cpu_convolve_shape *s) {
  const uint64_t positions = (uint64_t)phases_of(s) * phases_of(s) * rows_of(s) * width_of(s) + 2 * AMX_STEP;
  return positions * s->in_blocks * AMX_SIDE * sizeof(uint16_t);
}

bool cpu_convolve_fits(const cpu_convolve_shape *shape) { return widened_bytes(shape) <= WIDENED_MAX; }

static run run_at(const cpu_convolve *c, uint32_t row, uint32_t column) {
  const cpu_convolve_shape *s = &c->shape;
  const size_t channels = (size_t)s->in_blocks * AMX_SIDE;
  const size_t phase = (size_t)(row % s->stride) * c->phases + column;
  const uint32_t places = (s->kernel - column - 1) / s->stride + 1;
  const uint32_t elements = places * (uint32_t)channels;
  return (run){.place = (phase * c->rows + row / s->stride) * c->width * channels,
               .row = row,
               .column = column,
               .elements = elements,
               .steps = cpu_round_up(elements, AMX_STEP) / AMX_STEP};
}

static sht_status fill_runs(cpu_convolve *c, sht_error *error) {
  SHT_TRY(SHT_ALLOC(&c->runs, c->shape.kernel * c->phases, "places of a convolution", error));
  for (uint32_t row = 0; row < c->shape.kernel; row++) {
    for (uint32_t column = 0; column < c->phases; column++) {
      c->runs[c->run_count] = run_at(c, row, column);
      c->steps += c->runs[c->run_count++].steps;
    }
  }
  return SHT_OK;
}

static uint64_t filter_words(const cpu_convolve *c) {
  return (uint64_t)c->shape.out_blocks * c->steps * AMX_TILE_WORDS;
}

static void set_tiles(cpu_convolve *c) {
  c->tiles.palette = 1;
  for (int tile = 0; tile < 8; tile++) {
    c->tiles.row_bytes[tile] = 64;
    c->tiles.rows[tile] = (uint8_t)(tile < 6 ? c->side : AMX_SIDE);
  }
}

sht_status cpu_convolve_open(cpu_engine *engine, const cpu_convolve_shape *shape, cpu_convolve **out,
                             sht_error *error) {
  cpu_convolve *c = NULL;
  SHT_TRY(SHT_ALLOC(&c, 1, "convolution", error));
  *out = c;
  c->shape = *shape;
  c->phases = phases_of(shape);
  c->width = width_of(shape);
  c->rows = rows_of(shape);
  c->positions = (shape->out_height - 1) * c->width + shape->out_width;
  c->pairs = cpu_round_up(c->positions, AMX_STEP) / AMX_STEP;
  c->side = cpu_round_up(c->positions, 2 * c->pairs) / (2 * c->pairs);
  set_tiles(c);
  SHT_TRY(fill_runs(c, error));
  cpu_need_scratch(engine, cpu_convolve_scratch(c));
  engine->bytes += filter_words(c) * sizeof(uint32_t);
  return SHT_ALLOC(&c->filters, filter_words(c), "filters of a convolution", error);
}

uint64_t cpu_convolve_scratch(const cpu_convolve *c) { return (widened_bytes(&c->shape) + 63) / 64 * 64; }

void cpu_convolve_close(cpu_convolve *c) {
  if (c != NULL) {
    sht_free(c->runs);
    sht_free(c->filters);
    sht_free(c);
  }
}

// ---- filters

// The layer's place for a channel of a run, in [K][K][channels].
AMX_INLINE size_t place_of(const cpu_convolve *c, const run *r, uint32_t of) {
  const uint32_t channels = c->shape.in_blocks * AMX_SIDE;
  return (size_t)r->row * c->shape.kernel + r->column + of / channels * c->shape.stride;
}

// Where the layer's filters hold, for one of its outputs, a block of its inputs (of so many) at a place.
AMX_INLINE size_t held_at(const cpu_convolve *c, uint32_t output, uint32_t block, uint32_t blocks, size_t place) {
  const size_t places = (size_t)c->shape.kernel * c->shape.kernel;
  return (((size_t)(output / AMX_SIDE) * blocks + block) * places + place) * AMX_TILE_WORDS +
         (size_t)(output % AMX_SIDE) * AMX_SIDE;
}

// 16 outputs of a run's channel in the filters turned round, or zeros behind its end.
AMX_INLINE amx_words turned_at(const cpu_convolve *c, const float *filters, const run *r, uint32_t of, uint32_t block) {
  if (of >= r->elements) {
    return (amx_words){0};
  }
  const uint32_t inputs = c->shape.in_blocks * AMX_SIDE;
  const size_t place = (size_t)c->shape.kernel * c->shape.kernel - 1 - place_of(c, r, of);
  const float *from = filters + held_at(c, of % inputs, block, c->shape.out_blocks, place);
  return (amx_words)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from)));
}

AMX_INLINE void pack_turned_tile(const cpu_convolve *c, const float *filters, const run *r, uint32_t first,
                                 uint32_t block, uint32_t *to) {
  for (uint32_t pair = 0; pair < AMX_SIDE; pair++, to += AMX_SIDE) {
    const uint32_t of = first + 2 * pair;
    *(amx_words *)to = turned_at(c, filters, r, of, block) | turned_at(c, filters, r, of + 1, block) << 16;
  }
}

// 16 inputs, from `of` on in a run, of one output.
AMX_INLINE __m512 inputs_at(const cpu_convolve *c, const float *filters, const run *r, uint32_t of, uint32_t output) {
  if (of >= r->elements) {
    return _mm512_setzero_ps();
  }
  const uint32_t inputs = c->shape.in_blocks * AMX_SIDE;
  const uint32_t block = of % inputs / AMX_SIDE;
  return _mm512_loadu_ps(filters + held_at(c, output, block, c->shape.in_blocks, place_of(c, r, of)));
}

AMX_INLINE void pack_tile(const cpu_convolve *c, const float *filters, const run *r, uint32_t first, uint32_t block,
                          uint32_t *to) {
  amx_words rows[AMX_SIDE];
  for (uint32_t i = 0; i < AMX_SIDE; i++) {
    const uint32_t output = block * AMX_SIDE + i;
    rows[i] = (amx_words)_mm512_cvtne2ps_pbh(inputs_at(c, filters, r, first + AMX_SIDE, output),
                                             inputs_at(c, filters, r, first, output));
  }
  amx_turn_square(rows);
  memcpy(to, rows, sizeof rows);
}

AMX_INLINE uint32_t *pack_run(const cpu_convolve *c, const float *filters, const run *r, uint32_t pair, bool turned,
                              uint32_t *to) {
  for (uint32_t first = 0; first < r->elements; first += AMX_STEP) {
    for (uint32_t block = pair; block < pair + 2 && block < c->shape.out_blocks; block++, to += AMX_TILE_WORDS) {
      if (turned) {
        pack_turned_tile(c, filters, r, first, block, to);
      } else {
        pack_tile(c, filters, r, first, block, to);
      }
    }
  }
  return to;
}

AMX_TARGET void cpu_convolve_pack(cpu_convolve *c, const float *filters, bool turned) {
  uint32_t *to = c->filters;
  for (uint32_t pair = 0; pair < c->shape.out_blocks; pair += 2) {
    for (uint32_t i = 0; i < c->run_count; i++) {
      to = pack_run(c, filters, &c->runs[i], pair, turned, to);
    }
  }
}

// ---- images with zeros around

static inline size_t channels_of(const cpu_convolve *c) { return (size_t)c->shape.in_blocks * AMX_SIDE; }

// Columns of a phase from `first` on, `step` apart in the image's row: those that lie in it, and zeros around.
static void widen_row(const cpu_convolve *c, const uint16_t *row, int32_t first, uint16_t *to) {
  const cpu_convolve_shape *s = &c->shape;
  const size_t channels = channels_of(c);
  if (s->stride == 1) {
    const size_t before = s->pad * channels;
    const uint32_t inside = s->width < c->width - s->pad ? s->width : c->width - s->pad;
    memset(to, 0, before * sizeof *to);
    memcpy(to + before, row, inside * channels * sizeof *to);
    memset(to + before + inside * channels, 0, (c->width - s->pad - inside) * channels * sizeof *to);
    return;
  }
  for (uint32_t i = 0; i < c->width; i++, first += (int32_t)s->stride, to += channels) {
    if (first < 0 || first >= (int32_t)s->width) {
      memset(to, 0, channels * sizeof *to);
    } else {
      memcpy(to, row + (size_t)first * channels, channels * sizeof *to);
    }
  }
}

// x: [H][W][I]; to: [phases][phases][rows][width][I], and zeros that the last product reads.
static void widen(const cpu_convolve *c, const uint16_t *x, uint16_t *to) {
  const cpu_convolve_shape *s = &c->shape;
  const size_t row_elements = c->width * channels_of(c);
  for (uint32_t phase = 0; phase < c->phases * c->phases; phase++) {
    for (uint32_t i = 0; i < c->rows; i++, to += row_elements) {
      const int32_t row = (int32_t)(i * s->stride + phase / c->phases) - (int32_t)s->pad;
      if (row < 0 || row >= (int32_t)s->height) {
        memset(to, 0, row_elements * sizeof *to);
      } else {
        widen_row(c, x + (size_t)row * s->width * channels_of(c), (int32_t)(phase % c->phases) - (int32_t)s->pad, to);
      }
    }
  }
  memset(to, 0, AMX_STEP * sizeof *to);
}

// ---- products

// One step: two tiles of positions (4, 5) with one or two blocks of outputs (6, 7), into tiles 0 to 3.
AMX_INLINE void add_step(const uint16_t *a, size_t second, size_t pitch, const uint32_t *b, bool two) {
  _tile_loadd(6, b, 64);
  _tile_loadd(4, a, pitch);
  _tile_dpbf16ps(0, 4, 6);
  if (two) {
    _tile_loadd(7, b + AMX_TILE_WORDS, 64);
    _tile_dpbf16ps(1, 4, 7);
  }
  _tile_loadd(5, a + second, pitch);
  _tile_dpbf16ps(2, 5, 6);
  if (two) {
    _tile_dpbf16ps(3, 5, 7);
  }
}

// sums: [2 * side][32].
AMX_INLINE void store_sums(const cpu_convolve *c, float *sums, bool two) {
  float *second = sums + (size_t)c->side * AMX_STEP;
  _tile_stored(0, sums, AMX_STEP * 4);
  _tile_stored(2, second, AMX_STEP * 4);
  if (two) {
    _tile_stored(1, sums + AMX_SIDE, AMX_STEP * 4);
    _tile_stored(3, second + AMX_SIDE, AMX_STEP * 4);
  }
}

// A convolution of those that are added up, and its image.
typedef struct summand {
  const cpu_convolve *c;
  const uint16_t *x;
} summand;

AMX_INLINE void add_runs(const cpu_convolve *c, const uint16_t *a, const uint32_t *b, bool two) {
  const size_t pitch = channels_of(c);
  const size_t second = c->side * pitch;
  for (uint32_t i = 0; i < c->run_count; i++) {
    const uint16_t *from = a + c->runs[i].place;
    for (uint32_t step = 0; step < c->runs[i].steps;
         step++, from += AMX_STEP, b += two ? 2 * AMX_TILE_WORDS : AMX_TILE_WORDS) {
      add_step(from, second, pitch * sizeof *from, b, two);
    }
  }
}

// Positions from `first` on, outputs of the block and (two) of the next. The compiler does not see what tiles read and
// write; the barriers keep stores before and loads behind them.
AMX_INLINE void sum_block(const summand *all, int count, uint32_t first, uint32_t block, float *sums, bool two) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int i = 0; i < count; i++) {
    const cpu_convolve *c = all[i].c;
    add_runs(c, all[i].x + first * channels_of(c), c->filters + (size_t)block * c->steps * AMX_TILE_WORDS, two);
  }
  store_sums(all[0].c, sums, two);
  __asm__ volatile("" ::: "memory");
}

// Where sums go: positions of the output, from one of its channels on.
typedef struct target {
  uint16_t *y;
  size_t pitch;       // elements from a position to the next
  const float *bias;  // of these channels, or NULL
  bool relu;
} target;

AMX_INLINE void put_sum(const target *t, const float *sum, uint16_t *to, const float *bias) {
  __m512 value = _mm512_loadu_ps(sum);
  value = bias == NULL ? value : _mm512_add_ps(value, _mm512_loadu_ps(bias));
  if (t->relu) {  // written so that NaN stays
    value = _mm512_mask_mov_ps(value, _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_LE_OQ), _mm512_setzero_ps());
  }
  _mm256_storeu_si256((__m256i_u *)to, (__m256i)_mm512_cvtneps_pbh(value));
}

// Sums of positions from `first` on, without those that fill up a row.
AMX_INLINE void put_sums(const cpu_convolve *c, const target *t, const float *sums, uint32_t first, bool two) {
  const uint32_t end = first + 2 * c->side < c->positions ? first + 2 * c->side : c->positions;
  uint32_t column = first % c->width;
  const uint32_t before = column < c->shape.out_width ? column : c->shape.out_width;
  uint16_t *to = t->y + ((size_t)(first / c->width) * c->shape.out_width + before) * t->pitch;
  for (uint32_t i = first; i < end; i++, sums += AMX_STEP) {
    if (column < c->shape.out_width) {
      put_sum(t, sums, to, t->bias);
      if (two) {
        put_sum(t, sums + AMX_SIDE, to + AMX_SIDE, t->bias == NULL ? NULL : t->bias + AMX_SIDE);
      }
      to += t->pitch;
    }
    column = column + 1 == c->width ? 0 : column + 1;
  }
}

// Asks for where the sums of positions go, before they are made.
AMX_INLINE void ask_target(const cpu_convolve *c, const target *t, uint32_t first) {
  const uint32_t end = first + 2 * c->side < c->positions ? first + 2 * c->side : c->positions;
  const uint32_t from = first / c->width * c->shape.out_width;
  const uint32_t to = (end + c->width - 1) / c->width * c->shape.out_width;
  const size_t bytes = (size_t)c->shape.out_blocks * AMX_SIDE * sizeof *t->y;
  for (uint32_t i = from; i < to; i++) {
    for (size_t b = 0; b < bytes; b += 64) {
      __builtin_prefetch((const char *)(t->y + i * t->pitch) + b, 1, 2);
    }
  }
}

// Two tiles of positions for all outputs, which find their inputs in the first cache.
AMX_INLINE void convolve_positions(const summand *all, int count, uint32_t first, const target *target_of_all) {
  float sums[AMX_STEP * AMX_STEP] __attribute__((aligned(64)));
  const cpu_convolve *c = all[0].c;
  ask_target(c, target_of_all, first);
  for (uint32_t block = 0; block < c->shape.out_blocks; block += 2) {
    const size_t channel = (size_t)block * AMX_SIDE;
    target t = *target_of_all;
    t.y += channel;
    t.bias = t.bias == NULL ? NULL : t.bias + channel;
    if (block + 1 < c->shape.out_blocks) {
      sum_block(all, count, first, block, sums, true);
      put_sums(c, &t, sums, first, true);
    } else {
      sum_block(all, count, first, block, sums, false);
      put_sums(c, &t, sums, first, false);
    }
  }
}

AMX_TARGET static void convolve_image(const summand *all, int count, const target *t) {
  const cpu_convolve *c = all[0].c;
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&c->tiles);
  for (uint32_t first = 0; first < c->positions; first += 2 * c->side) {
    convolve_positions(all, count, first, t);
  }
  _tile_release();
  __asm__ volatile("" ::: "memory");
}

void cpu_convolve_run(const cpu_convolve *const *all, int count, const cpu_tile *tile, const cpu_array *x, cpu_array y,
                      const float *bias, bool relu) {
  for (uint32_t image = 0; image < CPU_SHARD_IMAGES; image++) {
    summand summands[CPU_CONVOLVE_SUM_MAX];
    char *scratch = cpu_scratch(tile);
    int i = 0;
    do {  // there is one at least
      summands[i] = (summand){all[i], (const uint16_t *)scratch};
      widen(all[i], (const uint16_t *)((const char *)x[i].data + image * x[i].stride), (uint16_t *)scratch);
      scratch += cpu_convolve_scratch(all[i]);
    } while (++i < count);
    convolve_image(summands, count,
                   &(target){(uint16_t *)((char *)y.data + image * y.stride), y.steps.position, bias, relu});
  }
}
