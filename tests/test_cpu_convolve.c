// The AMX kernels of bf16 convolutions (convolve.h, correlate.h) against plain sums.
//
// Values are small integers, so few of them that every sum in fp32 is exact whatever its order: results are equal, and
// those in bf16 are equal after one rounding. Scratch memory and results are NaN beforehand, so that what is read and
// was never written shows; every buffer ends at a page that must not be touched.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
// after the headers that it needs
#include <cmocka.h>

#include "base/amx.h"
#include "engine/cpu/convolve.h"
#include "engine/cpu/correlate.h"

enum { SHAPES = 300, IMAGES = CPU_SHARD_IMAGES, BLOCK = 16, PAGE = 4096 };

static sht_error error;

// ---- random shapes and values: a fixed sequence that shares nothing with the library's

static uint64_t sequence;

static uint32_t below(uint32_t bound) {
  sequence = sequence * 6364136223846793005U + 1442695040888963407U;
  return (uint32_t)((sequence >> 33) % bound);
}

static bool one_in(uint32_t count) { return below(count) == 0; }

// From -limit to limit.
static int32_t small_integer(uint32_t limit) { return (int32_t)below(2 * limit + 1) - (int32_t)limit; }

// ---- memory that ends at a guard page

typedef struct memory {
  void *data;  // NaN at first, in bf16 and in fp32
  size_t bytes;
} memory;

static size_t whole_pages(size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

static memory memory_open(size_t bytes) {
  assert_true(bytes % 64 == 0);  // or it would not begin aligned
  const size_t room = whole_pages(bytes);
  char *map = mmap(NULL, room + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(map != MAP_FAILED);
  assert_int_equal(mprotect(map, room, PROT_READ | PROT_WRITE), 0);
  memory m = {map + room - bytes, bytes};
  memset(m.data, 0xff, bytes);
  return m;
}

static void memory_close(memory m) {
  const size_t room = whole_pages(m.bytes);
  munmap((char *)m.data + m.bytes - room, room + PAGE);
}

// ---- plain tensors and those of the kernels

static uint32_t whole_blocks(uint32_t channels) { return cpu_round_up(channels, BLOCK); }

static uint16_t to_bf16(float value) {
  uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);  // to nearest, ties to even
}

static float from_bf16(uint16_t half) {
  const uint32_t bits = (uint32_t)half << 16;
  float value = 0;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static int32_t *zeros(size_t count) {
  int32_t *values = calloc(count, sizeof *values);
  assert_non_null(values);
  return values;
}

static int32_t *small_integers(size_t count, uint32_t limit) {
  int32_t *values = zeros(count);
  for (size_t i = 0; i < count; i++) {
    values[i] = small_integer(limit);
  }
  return values;
}

static size_t positions_of(sht_shape shape) { return (size_t)IMAGES * shape.height * shape.width; }

// Memory for a shard's images: [image][H][W][C], channels padded to whole blocks.
static memory images_open(sht_shape shape) {
  return memory_open(positions_of(shape) * whole_blocks(shape.channels) * sizeof(uint16_t));
}

// plain: [image][H][W][C] without padding; the kernels' has zeros there.
static memory images_from(sht_shape shape, const int32_t *plain) {
  memory m = images_open(shape);
  const uint32_t padded = whole_blocks(shape.channels);
  uint16_t *to = m.data;
  memset(to, 0, m.bytes);
  for (size_t position = 0; position < positions_of(shape); position++) {
    for (uint32_t c = 0; c < shape.channels; c++) {
      to[position * padded + c] = to_bf16((float)plain[position * shape.channels + c]);
    }
  }
  return m;
}

static cpu_array array_of(sht_shape shape, memory images) {
  const uint32_t padded = whole_blocks(shape.channels);
  const uint64_t stride = (uint64_t)shape.height * shape.width * padded * sizeof(uint16_t);
  return (cpu_array){images.data, stride, {BLOCK, padded}, true};
}

// A convolution and the shape of its input.
typedef struct layer {
  sht_node node;
  sht_shape in;
} layer;

static uint32_t places_of(const layer *l) { return l->node.kernel * l->node.kernel; }

static size_t filters_count(const layer *l) { return (size_t)places_of(l) * l->node.out.channels * l->in.channels; }

// In plain filters, [K * K][O][I].
static size_t plain_filter(const layer *l, uint32_t place, uint32_t o, uint32_t i) {
  return ((size_t)place * l->node.out.channels + o) * l->in.channels + i;
}

// In the kernels' filters, [O/16][I/16][K * K][16 O][16 I].
static size_t blocked_filter(const layer *l, uint32_t place, uint32_t o, uint32_t i) {
  const size_t blocks = (size_t)(o / BLOCK) * (whole_blocks(l->in.channels) / BLOCK) + i / BLOCK;
  return ((blocks * places_of(l) + place) * BLOCK + o % BLOCK) * BLOCK + i % BLOCK;
}

static memory filters_open(const layer *l) {
  const size_t pairs = (size_t)whole_blocks(l->node.out.channels) * whole_blocks(l->in.channels);
  return memory_open(pairs * places_of(l) * sizeof(float));
}

static memory filters_from(const layer *l, const int32_t *plain) {
  memory m = filters_open(l);
  float *to = m.data;
  memset(to, 0, m.bytes);
  for (uint32_t place = 0; place < places_of(l); place++) {
    for (uint32_t o = 0; o < l->node.out.channels; o++) {
      for (uint32_t i = 0; i < l->in.channels; i++) {
        to[blocked_filter(l, place, o, i)] = (float)plain[plain_filter(l, place, o, i)];
      }
    }
  }
  return m;
}

// One value for each channel.
static memory vector_from(uint32_t channels, const int32_t *plain) {
  memory m = memory_open(whole_blocks(channels) * sizeof(float));
  for (uint32_t c = 0; c < whole_blocks(channels); c++) {
    ((float *)m.data)[c] = c < channels ? (float)plain[c] : 0;
  }
  return m;
}

// ---- shapes

static bool has_output(const layer *l) {
  const uint32_t padding = l->node.pad_before + l->node.pad_after;
  return l->in.height + padding >= l->node.kernel && l->in.width + padding >= l->node.kernel;
}

static uint32_t out_size(const sht_node *node, uint32_t size) {
  return (size + node->pad_before + node->pad_after - node->kernel) / node->stride + 1;
}

static void set_output(layer *l, uint32_t channels) {
  l->node.out = (sht_shape){channels, out_size(&l->node, l->in.height), out_size(&l->node, l->in.width)};
}

static layer random_layer(sht_shape in, uint32_t stride) {
  layer l = {.in = in};
  l.node.stride = stride;
  do {
    l.node.kernel = 1 + below(one_in(6) ? 8 : 5);
    l.node.pad_before = below(l.node.kernel);
    l.node.pad_after = below(l.node.kernel);
  } while (!has_output(&l));
  set_output(&l, 1 + below(70));
  return l;
}

static sht_shape random_input(void) {
  if (one_in(10)) {
    return (sht_shape){1 + below(20), 1 + below(40), 1 + below(40)};
  }
  return (sht_shape){1 + below(one_in(3) ? 100 : 40), 1 + below(13), 1 + below(13)};
}

static layer fixed_layer(sht_shape in, uint32_t filters, uint32_t kernel, uint32_t stride, uint32_t pad) {
  layer l = {.in = in};
  l.node.kernel = kernel;
  l.node.stride = stride;
  l.node.pad_before = l.node.pad_after = pad;
  set_output(&l, filters);
  return l;
}

static void fail_at(const char *what, const layer *l, size_t place, double got, double expected) {
  const sht_node *n = &l->node;
  fail_msg("%s of %ux%ux%u to %ux%ux%u, window %u, stride %u, padding %u and %u: %g at %zu, expected %g", what,
           l->in.channels, l->in.height, l->in.width, n->out.channels, n->out.height, n->out.width, n->kernel,
           n->stride, n->pad_before, n->pad_after, got, place, expected);
}

// ---- plain sums

// What a place in the filter does for one position of the input [I] and one of the output [O]; filters: [O][I].
typedef void (*product)(uint32_t in, uint32_t out, int32_t *x, int32_t *filters, int32_t *y);

static void add_to_output(uint32_t in, uint32_t out, int32_t *x, int32_t *filters, int32_t *y) {
  for (uint32_t o = 0; o < out; o++, filters += in) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < in; i++) {
      sum += filters[i] * x[i];
    }
    y[o] += sum;
  }
}

static void add_to_input(uint32_t in, uint32_t out, int32_t *x, int32_t *filters, int32_t *y) {
  for (uint32_t o = 0; o < out; o++, filters += in) {
    for (uint32_t i = 0; i < in; i++) {
      x[i] += filters[i] * y[o];
    }
  }
}

static void add_to_filters(uint32_t in, uint32_t out, int32_t *x, int32_t *filters, int32_t *y) {
  for (uint32_t o = 0; o < out; o++, filters += in) {
    for (uint32_t i = 0; i < in; i++) {
      filters[i] += x[i] * y[o];
    }
  }
}

// For the output at a row and a column of an image: all places in the filter that lie on the input.
static void add_window(const layer *l, int32_t *x, int32_t *filters, int32_t *y, uint32_t row, uint32_t column,
                       product add) {
  const sht_node *n = &l->node;
  for (uint32_t place = 0; place < places_of(l); place++) {
    const int64_t r = (int64_t)row * n->stride + place / n->kernel - n->pad_before;
    const int64_t c = (int64_t)column * n->stride + place % n->kernel - n->pad_before;
    if (r >= 0 && c >= 0 && r < l->in.height && c < l->in.width) {
      add(l->in.channels, n->out.channels, x + (r * l->in.width + c) * l->in.channels,
          filters + plain_filter(l, place, 0, 0), y);
    }
  }
}

static void add_products(const layer *l, int32_t *x, int32_t *filters, int32_t *y, product add) {
  const sht_shape out = l->node.out;
  for (uint32_t image = 0; image < IMAGES; image++) {
    int32_t *from = x + (size_t)image * l->in.height * l->in.width * l->in.channels;
    for (uint32_t row = 0; row < out.height; row++) {
      for (uint32_t column = 0; column < out.width; column++, y += out.channels) {
        add_window(l, from, filters, y, row, column, add);
      }
    }
  }
}

// ---- comparison

// expected: [image][H][W][C] of `shape`; what pads the channels must be zero.
static void check_images(const char *what, const layer *l, sht_shape shape, memory got, const int32_t *expected) {
  const uint32_t padded = whole_blocks(shape.channels);
  for (size_t i = 0; i < positions_of(shape) * padded; i++) {
    const uint32_t c = (uint32_t)(i % padded);
    const int32_t sum = c < shape.channels ? expected[i / padded * shape.channels + c] : 0;
    const float value = from_bf16(((const uint16_t *)got.data)[i]);
    const float rounded = from_bf16(to_bf16((float)sum));
    if (!(value == rounded)) {
      fail_at(what, l, i, (double)value, (double)rounded);
    }
  }
}

static void check_filters(const layer *l, memory got, const int32_t *expected, int32_t times) {
  for (uint32_t place = 0; place < places_of(l); place++) {
    for (uint32_t o = 0; o < whole_blocks(l->node.out.channels); o++) {
      for (uint32_t i = 0; i < whole_blocks(l->in.channels); i++) {
        const bool real = o < l->node.out.channels && i < l->in.channels;
        const int32_t sum = real ? times * expected[plain_filter(l, place, o, i)] : 0;
        const size_t at = blocked_filter(l, place, o, i);
        const float value = ((const float *)got.data)[at];
        if (!(value == (float)sum)) {
          fail_at("filters' gradient", l, at, (double)value, sum);
        }
      }
    }
  }
}

// ---- the engine, of which the kernels want only scratch memory

static cpu_engine engine_for_kernels(void) {
  return (cpu_engine){
      .precision = SHT_BF16, .kernels = &cpu_kernels_avx512_bf16, .block = BLOCK, .channels_last = true};
}

static cpu_tile tile_of(cpu_engine *engine, memory scratch) {
  engine->scratch = scratch.data;
  engine->scratch_bytes = scratch.bytes;
  return (cpu_tile){engine, 0, IMAGES, 0};
}

// ---- forward

static void add_bias_and_relu(sht_shape out, const int32_t *bias, bool relu, int32_t *y) {
  for (size_t i = 0; i < positions_of(out) * out.channels; i++) {
    y[i] += bias != NULL ? bias[i % out.channels] : 0;
    y[i] = relu && y[i] < 0 ? 0 : y[i];
  }
}

static void run_forward(const layer *l, const int32_t *x, const int32_t *filters, const int32_t *bias, bool relu,
                        memory y) {
  cpu_engine engine = engine_for_kernels();
  const cpu_convolve_shape shape = cpu_convolve_forward_shape(&l->node, l->in);
  cpu_convolve *c = NULL;
  assert_int_equal(cpu_convolve_open(&engine, &shape, &c, &error), SHT_OK);
  memory given = images_from(l->in, x);
  memory weights = filters_from(l, filters);
  memory added = bias != NULL ? vector_from(l->node.out.channels, bias) : (memory){0};
  memory scratch = memory_open(cpu_convolve_scratch(c));
  const cpu_tile tile = tile_of(&engine, scratch);
  const cpu_array input = array_of(l->in, given);
  cpu_convolve_pack(c, weights.data, false);
  cpu_convolve_run((const cpu_convolve *const[]){c}, 1, &tile, &input, array_of(l->node.out, y), added.data, relu);
  cpu_convolve_close(c);
  memory_close(given);
  memory_close(weights);
  memory_close(scratch);
  if (bias != NULL) {
    memory_close(added);
  }
}

static bool check_forward(const layer *l) {
  const cpu_convolve_shape shape = cpu_convolve_forward_shape(&l->node, l->in);
  if (!cpu_convolve_fits(&shape)) {
    return false;
  }
  const sht_shape out = l->node.out;
  const bool relu = one_in(2);
  int32_t *x = small_integers(positions_of(l->in) * l->in.channels, 4);
  int32_t *filters = small_integers(filters_count(l), 3);
  int32_t *bias = one_in(2) ? small_integers(out.channels, 4) : NULL;
  int32_t *expected = zeros(positions_of(out) * out.channels);
  memory y = images_open(out);
  run_forward(l, x, filters, bias, relu, y);
  add_products(l, x, filters, expected, add_to_output);
  add_bias_and_relu(out, bias, relu, expected);
  check_images("forward pass", l, out, y, expected);
  memory_close(y);
  free(x);
  free(filters);
  free(bias);
  free(expected);
  return true;
}

static void forward_is_right(void **state) {
  (void)state;
  int tested = 0;
  sequence = 1;
  for (int i = 0; i < SHAPES; i++) {
    const layer l = random_layer(random_input(), one_in(2) ? 1 + below(4) : 1);
    tested += check_forward(&l) ? 1 : 0;
  }
  print_message("forward pass of %d shapes of %d\n", tested, SHAPES);
  assert_true(tested > SHAPES / 2);
}

// ---- summed gradients with respect to one input

typedef struct summand {
  layer l;
  int32_t *filters, *dy;
  memory weights, given;
  cpu_convolve *kernel;
} summand;

static void summand_open(summand *s, cpu_engine *engine, uint32_t reach) {
  const sht_shape out = s->l.node.out;
  const cpu_convolve_shape shape = cpu_convolve_data_shape(&s->l.node, s->l.in, reach);
  s->filters = small_integers(filters_count(&s->l), 3);
  s->dy = small_integers(positions_of(out) * out.channels, 4);
  s->weights = filters_from(&s->l, s->filters);
  s->given = images_from(out, s->dy);
  assert_int_equal(cpu_convolve_open(engine, &shape, &s->kernel, &error), SHT_OK);
  cpu_convolve_pack(s->kernel, s->weights.data, true);
}

static void summand_close(summand *s) {
  cpu_convolve_close(s->kernel);
  memory_close(s->weights);
  memory_close(s->given);
  free(s->filters);
  free(s->dy);
}

static void run_sum(cpu_engine *engine, const summand *all, int count, memory dx) {
  const cpu_convolve *kernels[CPU_CONVOLVE_SUM_MAX];
  cpu_array given[CPU_CONVOLVE_SUM_MAX];
  size_t bytes = 0;
  for (int i = 0; i < count; i++) {
    kernels[i] = all[i].kernel;
    given[i] = array_of(all[i].l.node.out, all[i].given);
    bytes += cpu_convolve_scratch(all[i].kernel);
  }
  memory scratch = memory_open(bytes);
  const cpu_tile tile = tile_of(engine, scratch);
  cpu_convolve_run(kernels, count, &tile, given, array_of(all[0].l.in, dx), NULL, false);
  memory_close(scratch);
}

static void check_sum(summand *all, int count, uint32_t reach) {
  const sht_shape in = all[0].l.in;
  cpu_engine engine = engine_for_kernels();
  int32_t *expected = zeros(positions_of(in) * in.channels);
  memory dx = images_open(in);
  for (int i = 0; i < count; i++) {
    summand_open(&all[i], &engine, reach);
    add_products(&all[i].l, expected, all[i].filters, all[i].dy, add_to_input);
  }
  run_sum(&engine, all, count, dx);
  check_images("input's gradient, the first summand", &all[0].l, in, dx, expected);
  for (int i = 0; i < count; i++) {
    summand_close(&all[i]);
  }
  memory_close(dx);
  free(expected);
}

static bool all_fit(const summand *all, int count, uint32_t reach) {
  bool fit = true;
  for (int i = 0; i < count; i++) {
    const cpu_convolve_shape shape = cpu_convolve_data_shape(&all[i].l.node, all[i].l.in, reach);
    fit = fit && cpu_convolve_fits(&shape);
  }
  return fit;
}

// The widest window's reach, now and then more.
static uint32_t random_reach(const summand *all, int count) {
  uint32_t reach = 0;
  for (int i = 0; i < count; i++) {
    const uint32_t own = all[i].l.node.kernel - 1;
    reach = own > reach ? own : reach;
  }
  return reach + (one_in(3) ? below(3) : 0);
}

static void input_gradients_are_right(void **state) {
  (void)state;
  int tested = 0;
  sequence = 2;
  for (int i = 0; i < SHAPES; i++) {
    summand all[CPU_CONVOLVE_SUM_MAX] = {0};
    const sht_shape in = random_input();
    const int count = 1 + (int)below(CPU_CONVOLVE_SUM_MAX);
    for (int j = 0; j < count; j++) {
      all[j].l = random_layer(in, 1);
    }
    const uint32_t reach = random_reach(all, count);
    if (all_fit(all, count, reach)) {
      check_sum(all, count, reach);
      tested++;
    }
  }
  print_message("input's gradient of %d shapes of %d\n", tested, SHAPES);
  assert_true(tested > SHAPES / 2);
}

// ---- filters' gradients

static void check_bias(const layer *l, memory got, const int32_t *dy) {
  const sht_shape out = l->node.out;
  int32_t *expected = zeros(out.channels);
  for (size_t i = 0; i < positions_of(out) * out.channels; i++) {
    expected[i % out.channels] += dy[i];
  }
  for (uint32_t c = 0; c < out.channels; c++) {
    const float value = ((const float *)got.data)[c];
    if (!(value == (float)expected[c])) {
      fail_at("bias' gradient", l, c, (double)value, expected[c]);
    }
  }
  free(expected);
}

// Twice with the same values: fresh, which writes over NaN, and added to that. The bias' gradient is wanted the second
// time only, and written.
static void check_correlate(const layer *l) {
  cpu_engine engine = engine_for_kernels();
  const sht_shape out = l->node.out;
  int32_t *x = small_integers(positions_of(l->in) * l->in.channels, 4);
  int32_t *dy = small_integers(positions_of(out) * out.channels, 4);
  int32_t *expected = zeros(filters_count(l));
  memory inputs = images_from(l->in, x);
  memory outputs = images_from(out, dy);
  memory gradient = filters_open(l);
  memory bias = memory_open(whole_blocks(out.channels) * sizeof(float));
  cpu_correlate *c = NULL;
  assert_int_equal(cpu_correlate_open(&engine, &l->node, l->in, &c, &error), SHT_OK);
  memory scratch = memory_open(engine.scratch_bytes);
  const cpu_tile tile = tile_of(&engine, scratch);
  add_products(l, x, expected, dy, add_to_filters);
  cpu_correlate_run(c, &tile, array_of(l->in, inputs), array_of(out, outputs), true, gradient.data, NULL);
  check_filters(l, gradient, expected, 1);
  cpu_correlate_run(c, &tile, array_of(l->in, inputs), array_of(out, outputs), false, gradient.data, bias.data);
  check_filters(l, gradient, expected, 2);
  check_bias(l, bias, dy);
  cpu_correlate_close(c);
  memory all[] = {inputs, outputs, gradient, bias, scratch};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    memory_close(all[i]);
  }
  free(x);
  free(dy);
  free(expected);
}

static void filter_gradients_are_right(void **state) {
  (void)state;
  sequence = 3;
  const cpu_engine engine = engine_for_kernels();
  assert_true(cpu_correlate_fits(&engine));
  for (int i = 0; i < SHAPES; i++) {
    const layer l = random_layer(random_input(), one_in(2) ? 1 + below(4) : 1);
    check_correlate(&l);
  }
}

// Shapes that oneDNN's AMX kernels get wrong.
static void filter_gradients_of_many_channels_are_right(void **state) {
  (void)state;
  sequence = 4;
  const layer layers[] = {fixed_layer((sht_shape){512, 2, 2}, 48, 5, 3, 2),
                          fixed_layer((sht_shape){352, 12, 2}, 48, 5, 3, 2)};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    check_correlate(&layers[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forward_is_right),
      cmocka_unit_test(input_gradients_are_right),
      cmocka_unit_test(filter_gradients_are_right),
      cmocka_unit_test(filter_gradients_of_many_channels_are_right),
  };
  if (!sht_amx_available()) {
    (void)printf("SKIP: AMX: not on this processor, NOT TESTED\n");
    return 77;
  }
  return cmocka_run_group_tests_name("convolutions on AMX", tests, NULL, NULL);
}
