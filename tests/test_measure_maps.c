// Layers as linear maps: products against sums written from their definition, adjoints, norms against closed forms.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs those four

#include <cmocka.h>

#include "base/memory.h"
#include "engine_graphs.h"
#include "measure/linear_map.h"

static const double pi = 3.14159265358979323846;

static double *take(uint64_t count) {
  double *values = NULL;
  assert_int_equal(SHT_ALLOC(&values, count, "a test's array", NULL), SHT_OK);
  return values;
}

static double *draw(uint64_t count, uint32_t stream) {
  const sht_rng rng = sht_rng_make(7, SHT_PURPOSE_WEIGHTS);
  double *values = take(count);
  for (uint64_t i = 0; i < count; i++) {
    values[i] = sht_rng_unit(rng, stream, i, 0) - 0.5;
  }
  return values;
}

// ---- layers

// A graph of one layer; kernel 0: a dense layer.
typedef struct layer {
  sht_shape in;
  uint32_t outputs;
  window window;
} layer;

static uint64_t weights_of(const layer *l) {
  const uint64_t places =
      l->window.kernel > 0 ? (uint64_t)l->window.kernel * l->window.kernel : (uint64_t)l->in.height * l->in.width;
  return places * l->in.channels * l->outputs;
}

static void build(graph_builder *b, const layer *l) {
  graph_start(b, "layer", l->in, 2);
  if (l->window.kernel > 0) {
    (void)graph_conv(b, 0, l->outputs, l->window, false);
  } else {
    (void)graph_linear(b, 0, l->outputs, false);
  }
}

static void open_map(graph_builder *b, const layer *l, const double *weights, sht__linear_map *map) {
  build(b, l);
  assert_int_equal(sht__linear_map_open(&b->nodes[1], l->in, weights, map, NULL), SHT_OK);
}

// Padding that is even, odd (a 3x3 window with stride 2 on 8 pixels has none before and one after), fixed and none;
// windows larger than the image; images that are not square.
static const layer layers[] = {
    {{3, 7, 7}, 4, {3, 1, 1, 1}}, {{2, 8, 8}, 3, {3, 2, 0, 1}},   {{1, 9, 9}, 2, {5, 1, 2, 2}},
    {{4, 5, 7}, 3, {1, 1, 0, 0}}, {{2, 10, 10}, 5, {5, 2, 1, 2}}, {{3, 6, 6}, 2, {1, 2, 0, 0}},
    {{2, 6, 9}, 3, {3, 3, 0, 0}}, {{2, 3, 3}, 3, {5, 1, 2, 2}},   {{1, 1, 1}, 1, {3, 1, 1, 1}},
    {{3, 4, 5}, 6, {0}},          {{300, 1, 1}, 7, {0}},          {{1, 1, 1}, 600, {0}},
    {{2, 9, 9}, 2, {4, 3, 2, 2}}, {{2, 8, 8}, 2, {2, 2, 0, 0}},
};
enum { LAYERS = sizeof layers / sizeof layers[0] };

// A[output][input] of the dense layer or convolution, by its definition.
static double entry(const layer *l, sht_shape out, const double *weights, uint64_t output, uint64_t input) {
  const uint64_t inputs = (uint64_t)l->in.height * l->in.width * l->in.channels;
  if (l->window.kernel == 0) {
    return weights[output * inputs + input];
  }
  const uint32_t k = l->window.kernel;
  const uint64_t o = output % out.channels, ox = output / out.channels % out.width;
  const uint64_t oy = output / out.channels / out.width;
  const uint64_t i = input % l->in.channels, ix = input / l->in.channels % l->in.width;
  const uint64_t iy = input / l->in.channels / l->in.width;
  const int64_t ky = (int64_t)iy + l->window.before - (int64_t)(oy * l->window.stride);
  const int64_t kx = (int64_t)ix + l->window.before - (int64_t)(ox * l->window.stride);
  const bool inside = ky >= 0 && ky < k && kx >= 0 && kx < k;
  return inside ? weights[((o * l->in.channels + i) * k + (uint64_t)ky) * k + (uint64_t)kx] : 0;
}

static double dot(const double *a, const double *b, uint64_t count) {
  double sum = 0;
  for (uint64_t i = 0; i < count; i++) {
    sum += a[i] * b[i];
  }
  return sum;
}

static void products_follow_the_definition(void **state) {
  (void)state;
  for (int c = 0; c < LAYERS; c++) {
    graph_builder b;
    sht__linear_map map;
    double *weights = draw(weights_of(&layers[c]), 1);
    open_map(&b, &layers[c], weights, &map);
    double *x = draw(map.inputs, 2), *y = take(map.outputs), *row = take(map.inputs);
    double rows = 0;
    sht__linear_map_apply(&map, x, y, NULL);
    for (uint64_t o = 0; o < map.outputs; o++) {
      for (uint64_t i = 0; i < map.inputs; i++) {
        row[i] = entry(&layers[c], b.nodes[1].out, weights, o, i);
      }
      assert_true(is_near(y[o], dot(row, x, map.inputs), 1e-12));
      rows += sqrt(dot(row, row, map.inputs));
    }
    double two_one = 0;
    assert_int_equal(sht__linear_map_two_one(&map, &two_one, NULL), SHT_OK);
    assert_true(is_near(two_one, rows, 1e-11 * rows));
    sht_free(weights);
    sht_free(x);
    sht_free(y);
    sht_free(row);
    sht__linear_map_close(&map);
  }
}

static void adjoints_are_adjoint(void **state) {
  (void)state;
  for (int c = 0; c < LAYERS; c++) {
    graph_builder b;
    sht__linear_map map;
    double *weights = draw(weights_of(&layers[c]), 1);
    open_map(&b, &layers[c], weights, &map);
    double *x = draw(map.inputs, 2), *y = draw(map.outputs, 3), *ax = take(map.outputs), *ay = take(map.inputs);
    sht__linear_map_apply(&map, x, ax, NULL);
    sht__linear_map_adjoin(&map, y, ay, NULL);
    assert_true(is_near(dot(ax, y, map.outputs), dot(x, ay, map.inputs), 1e-11));
    sht_free(weights);
    sht_free(x);
    sht_free(y);
    sht_free(ax);
    sht_free(ay);
    sht__linear_map_close(&map);
  }
}

// ---- norms

static double norm_from(const layer *l, const double *weights, uint64_t seed, sht_pool *pool) {
  graph_builder b;
  sht__linear_map map;
  double norm = 0;
  open_map(&b, l, weights, &map);
  assert_int_equal(sht__linear_map_norm(&map, seed, pool, &norm, NULL), SHT_OK);
  sht__linear_map_close(&map);
  return norm;
}

static double norm_of(const layer *l, const double *weights, sht_pool *pool) { return norm_from(l, weights, 3, pool); }

static void same_bits_at_any_number_of_threads(void **state) {
  (void)state;
  sht_pool *pool = NULL;
  assert_int_equal(sht_pool_open(3, &pool, NULL), SHT_OK);
  for (int c = 0; c < LAYERS; c++) {
    double *weights = draw(weights_of(&layers[c]), 1);
    const double one = norm_of(&layers[c], weights, NULL), three = norm_of(&layers[c], weights, pool);
    assert_memory_equal(&one, &three, sizeof one);
    assert_true(one > 0);
    sht_free(weights);
  }
  sht_pool_close(pool);
}

// The squares of x and y directions multiply: each is a tridiagonal matrix of ones.
static void filter_of_ones(void **state) {
  (void)state;
  static const uint32_t sides[] = {1, 2, 5, 16, 28};
  const double ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  for (size_t s = 0; s < sizeof sides / sizeof sides[0]; s++) {
    const uint32_t n = sides[s];
    const layer l = {{1, n, n}, 1, {3, 1, 1, 1}};
    const double direction = 1 + 2 * cos(pi / (n + 1)), wanted = direction * direction;
    assert_true(is_near(norm_of(&l, ones, NULL), wanted, 1e-9 * wanted));
  }
}

static void rows_of_the_filter_of_ones(void **state) {
  (void)state;
  const double ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  const layer l = {{1, 6, 6}, 1, {3, 1, 1, 1}};
  graph_builder b;
  sht__linear_map map;
  double sum = 0;
  open_map(&b, &l, ones, &map);
  assert_int_equal(sht__linear_map_two_one(&map, &sum, NULL), SHT_OK);
  assert_true(is_near(sum, 16 * 3 + 16 * sqrt(6) + 4 * 2, 1e-12));
  sht__linear_map_close(&map);
}

// At each position the same small matrix; (3 0; 4 5) has the singular values sqrt 45 and sqrt 5.
static void pointwise_convolution(void **state) {
  (void)state;
  const double weights[4] = {3, 0, 4, 5};
  const layer l = {{2, 4, 6}, 2, {1, 1, 0, 0}};
  assert_true(is_near(norm_of(&l, weights, NULL), sqrt(45), 1e-9));
}

// Singular values on the diagonal: alone, repeated, clustered, none.
static double norm_of_diagonal(const double *values, uint32_t count, uint64_t seed) {
  const layer l = {{count, 1, 1}, count, {0}};
  double *weights = take((uint64_t)count * count);
  for (uint64_t i = 0; i < count; i++) {
    weights[i * count + i] = values[i];
  }
  const double norm = norm_from(&l, weights, seed, NULL);
  sht_free(weights);
  return norm;
}

static void diagonals(void **state) {
  (void)state;
  static const double several[] = {-7, 2, 0.5, 0, 3}, equal[] = {2, 2, -2, 2}, zero[] = {0, 0, 0},
                      one[] = {0, 1e-30, 0};
  assert_true(is_near(norm_of_diagonal(several, 5, 1), 7, 7e-9));
  assert_true(is_near(norm_of_diagonal(equal, 4, 1), 2, 2e-9));
  assert_true(norm_of_diagonal(zero, 3, 1) == 0);
  assert_true(is_near(norm_of_diagonal(one, 3, 1), 1e-30, 1e-39));
}

// Two values at the top, `gap` apart, above 198 others spread over [0, rest]: where an iteration that waits for its
// estimate to stand still is most easily deceived.
static void clusters_deceive_nobody(void **state) {
  (void)state;
  static const double gaps[] = {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8}, rests[] = {0.01, 0.5, 0.9, 0.99};
  double worst = 0, values[200];
  for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++) {
    for (size_t r = 0; r < sizeof rests / sizeof rests[0]; r++) {
      for (int i = 0; i < 200; i++) {
        values[i] = i == 0 ? 1 : i == 1 ? 1 - gaps[g] : rests[r] * i / 199;
      }
      for (uint64_t seed = 1; seed <= 8; seed++) {
        const double norm = norm_of_diagonal(values, 200, seed);
        assert_true(norm <= 1 + 1e-12);
        worst = fmax(worst, 1 - norm);
      }
    }
  }
  print_message("clusters: at most %.1e too small\n", worst);
  assert_true(worst <= 1e-7);
}

static void rank_one(void **state) {
  (void)state;
  enum { ROWS = 30, COLUMNS = 50 };
  const layer l = {{COLUMNS, 1, 1}, ROWS, {0}};
  double *u = draw(ROWS, 4), *v = draw(COLUMNS, 5), *weights = take((uint64_t)ROWS * COLUMNS);
  for (uint64_t i = 0; i < ROWS * COLUMNS; i++) {
    weights[i] = u[i / COLUMNS] * v[i % COLUMNS];
  }
  const double wanted = sqrt(dot(u, u, ROWS) * dot(v, v, COLUMNS));
  assert_true(is_near(norm_of(&l, weights, NULL), wanted, 1e-12 * wanted));
  sht_free(u);
  sht_free(v);
  sht_free(weights);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_follow_the_definition),
      cmocka_unit_test(adjoints_are_adjoint),
      cmocka_unit_test(same_bits_at_any_number_of_threads),
      cmocka_unit_test(filter_of_ones),
      cmocka_unit_test(rows_of_the_filter_of_ones),
      cmocka_unit_test(pointwise_convolution),
      cmocka_unit_test(diagonals),
      cmocka_unit_test(clusters_deceive_nobody),
      cmocka_unit_test(rank_one),
  };
  return cmocka_run_group_tests_name("measure: linear maps", tests, NULL, NULL);
}
