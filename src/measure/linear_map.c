// Convolutions and dense layers as linear maps: see linear_map.h.
#include "measure/linear_map.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

enum { COLUMNS_A_TASK = 256 };

// A dense layer is a convolution with one filter place, one input position and all its inputs as channels.
static uint64_t taps(const sht__linear_map *map) {
  return map->node->op == SHT_OP_CONV ? (uint64_t)map->node->kernel * map->node->kernel : 1;
}
static uint64_t channels_in(const sht__linear_map *map) {
  return map->node->op == SHT_OP_CONV ? map->in.channels : map->inputs;
}

static void turn(const sht__linear_map *map, const double *weight) {
  const uint64_t places = taps(map), inputs = channels_in(map), outputs = map->node->out.channels;
  for (uint64_t o = 0; o < outputs; o++) {
    for (uint64_t i = 0; i < inputs; i++) {
      for (uint64_t tap = 0; tap < places; tap++) {
        const double w = weight[(o * inputs + i) * places + tap];
        map->forward[(tap * inputs + i) * outputs + o] = w;
        map->backward[(tap * outputs + o) * inputs + i] = w;
      }
    }
  }
}

static uint64_t volume(sht_shape shape) { return (uint64_t)shape.height * shape.width * shape.channels; }

sht_status sht__linear_map_open(const sht_node *node, sht_shape in, const double *weight, sht__linear_map *out,
                                sht_error *error) {
  *out = (sht__linear_map){.node = node, .in = in, .inputs = volume(in), .outputs = volume(node->out)};
  const uint64_t weights = taps(out) * channels_in(out) * node->out.channels;
  sht_status status = SHT_ALLOC(&out->forward, weights, "a layer's weights", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&out->backward, weights, "a layer's weights", error);
  }
  if (status == SHT_OK) {
    turn(out, weight);
  } else {
    sht__linear_map_close(out);
  }
  return status;
}

void sht__linear_map_close(sht__linear_map *map) {
  sht_free(map->forward);
  sht_free(map->backward);
  map->forward = map->backward = NULL;
}

// to[0..count) += sum over k of factors[k] * rows[k][0..count)
static void add_rows(double *to, const double *factors, const double *rows, uint64_t row_count, uint64_t count) {
  for (uint64_t k = 0; k < row_count; k++) {
    const double factor = factors[k];
    const double *row = rows + k * count;
    for (uint64_t j = 0; j < count; j++) {
      to[j] += factor * row[j];
    }
  }
}

typedef struct product {
  const sht__linear_map *map;
  const double *from;
  double *to;
} product;

// ---- convolutions: a task is a row of the image that is written

static void apply_row(void *context, size_t oy, int worker) {
  (void)worker;
  const product *p = context;
  const sht_node *node = p->map->node;
  const sht_shape in = p->map->in, out = node->out;
  double *row = p->to + oy * out.width * out.channels;
  memset(row, 0, (uint64_t)out.width * out.channels * sizeof *row);
  for (uint32_t ky = 0; ky < node->kernel; ky++) {
    const int64_t iy = (int64_t)oy * node->stride + ky - node->pad_before;
    for (uint32_t kx = 0; kx < node->kernel && iy >= 0 && iy < in.height; kx++) {
      const double *weights = p->map->forward + (uint64_t)(ky * node->kernel + kx) * in.channels * out.channels;
      for (uint32_t ox = 0; ox < out.width; ox++) {
        const int64_t ix = (int64_t)ox * node->stride + kx - node->pad_before;
        if (ix >= 0 && ix < in.width) {
          const double *x = p->from + (uint64_t)(iy * in.width + ix) * in.channels;
          add_rows(row + (uint64_t)ox * out.channels, x, weights, in.channels, out.channels);
        }
      }
    }
  }
}

// The output position whose window has input position `at` at its place `k`; -1: none.
static int64_t reader_of(const sht_node *node, int64_t at, uint32_t k, uint32_t positions) {
  const int64_t scaled = at + node->pad_before - k;
  const int64_t position = scaled / node->stride;
  return scaled >= 0 && scaled % node->stride == 0 && position < positions ? position : -1;
}

static void adjoin_row(void *context, size_t iy, int worker) {
  (void)worker;
  const product *p = context;
  const sht_node *node = p->map->node;
  const sht_shape in = p->map->in, out = node->out;
  double *row = p->to + iy * in.width * in.channels;
  memset(row, 0, (uint64_t)in.width * in.channels * sizeof *row);
  for (uint32_t ky = 0; ky < node->kernel; ky++) {
    const int64_t oy = reader_of(node, (int64_t)iy, ky, out.height);
    for (uint32_t kx = 0; kx < node->kernel && oy >= 0; kx++) {
      const double *weights = p->map->backward + (uint64_t)(ky * node->kernel + kx) * in.channels * out.channels;
      for (uint32_t ix = 0; ix < in.width; ix++) {
        const int64_t ox = reader_of(node, ix, kx, out.width);
        if (ox >= 0) {
          const double *y = p->from + (uint64_t)(oy * out.width + ox) * out.channels;
          add_rows(row + (uint64_t)ix * in.channels, y, weights, out.channels, in.channels);
        }
      }
    }
  }
}

// ---- dense layers: a task is a block of what is written

static void multiply_block(const product *p, size_t task, const double *rows, uint64_t row_count, uint64_t count) {
  const uint64_t first = (uint64_t)task * COLUMNS_A_TASK;
  const uint64_t end = first + COLUMNS_A_TASK < count ? first + COLUMNS_A_TASK : count;
  memset(p->to + first, 0, (end - first) * sizeof *p->to);
  for (uint64_t k = 0; k < row_count; k++) {
    const double factor = p->from[k];
    for (uint64_t j = first; j < end; j++) {
      p->to[j] += factor * rows[k * count + j];
    }
  }
}

static void apply_block(void *context, size_t task, int worker) {
  (void)worker;
  const product *p = context;
  multiply_block(p, task, p->map->forward, p->map->inputs, p->map->outputs);
}

static void adjoin_block(void *context, size_t task, int worker) {
  (void)worker;
  const product *p = context;
  multiply_block(p, task, p->map->backward, p->map->outputs, p->map->inputs);
}

static size_t blocks(uint64_t count) { return (count + COLUMNS_A_TASK - 1) / COLUMNS_A_TASK; }

void sht__linear_map_apply(const sht__linear_map *map, const double *x, double *y, sht_pool *pool) {
  product p = {.map = map, .from = x, .to = y};
  const bool conv = map->node->op == SHT_OP_CONV;
  sht_pool_run(pool, conv ? map->node->out.height : blocks(map->outputs), conv ? apply_row : apply_block, &p);
}

void sht__linear_map_adjoin(const sht__linear_map *map, const double *y, double *x, sht_pool *pool) {
  product p = {.map = map, .from = y, .to = x};
  const bool conv = map->node->op == SHT_OP_CONV;
  sht_pool_run(pool, conv ? map->in.height : blocks(map->inputs), conv ? adjoin_row : adjoin_block, &p);
}

// ---- norm of the rows

// Adds the squares of the weights at one place in the filters. squares: [O]
static void add_squares(const sht__linear_map *map, uint64_t tap, double *squares) {
  const uint64_t inputs = channels_in(map), outputs = map->node->out.channels;
  for (uint64_t i = 0; i < inputs; i++) {
    for (uint64_t o = 0; o < outputs; o++) {
      const double w = map->forward[(tap * inputs + i) * outputs + o];
      squares[o] += w * w;
    }
  }
}

static double sum_of_roots(const double *squares, uint64_t count) {
  double sum = 0;
  for (uint64_t o = 0; o < count; o++) {
    sum += sqrt(squares[o]);
  }
  return sum;
}

// Whether the filter's place (ky, kx) lies inside the image at output position (oy, ox).
static bool lies_inside(const sht__linear_map *map, uint64_t tap, uint32_t oy, uint32_t ox) {
  const sht_node *node = map->node;
  const int64_t iy = (int64_t)oy * node->stride + (int64_t)(tap / node->kernel) - node->pad_before;
  const int64_t ix = (int64_t)ox * node->stride + (int64_t)(tap % node->kernel) - node->pad_before;
  return iy >= 0 && iy < map->in.height && ix >= 0 && ix < map->in.width;
}

// squares: [taps][O] of each place; row: [O] scratch.
static double sum_positions(const sht__linear_map *map, const double *squares, double *row) {
  const sht_shape out = map->node->out;
  double sum = 0;
  for (uint32_t oy = 0; oy < out.height; oy++) {
    for (uint32_t ox = 0; ox < out.width; ox++) {
      memset(row, 0, out.channels * sizeof *row);
      for (uint64_t tap = 0; tap < taps(map); tap++) {
        for (uint64_t o = 0; o < out.channels && lies_inside(map, tap, oy, ox); o++) {
          row[o] += squares[tap * out.channels + o];
        }
      }
      sum += sum_of_roots(row, out.channels);
    }
  }
  return sum;
}

sht_status sht__linear_map_two_one(const sht__linear_map *map, double *out, sht_error *error) {
  const uint64_t outputs = map->node->out.channels;
  double *squares = NULL;
  SHT_TRY(SHT_ALLOC(&squares, (taps(map) + 1) * outputs, "squares of weights", error));
  for (uint64_t tap = 0; tap < taps(map); tap++) {
    add_squares(map, tap, squares + tap * outputs);
  }
  *out = map->node->op == SHT_OP_CONV ? sum_positions(map, squares, squares + taps(map) * outputs)
                                      : sum_of_roots(squares, outputs);
  sht_free(squares);
  return SHT_OK;
}
