// Theorem 1 and Corollary 1: exact counts, every value taken, Lemma 1's eigenvalue, points that meet, threads.
//
// Where thresholds come from: a plain sum of m terms of size s misses by about sqrt(m) 2^-53 s; `cancellation` is the
// sum of the terms over the largest target, so that 2^-53 * cancellation bounds what one rounding of each term can do,
// and the sum's own roundings are of the same order.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the headers that it needs
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shatter/theory.h"
#include "theory/double_double.h"
#include "theory/express.h"
#include "theory/small.h"

static sht_express_options plain_options(uint32_t depth) {
  return (sht_express_options){
      .depth = depth, .tries = 4, .fraction = NAN, .tolerance = 1e-6, .engine_points = 200, .seed = 1, .threads = 1};
}

static sht_express_result express(const sht_sample *sample, const sht_express_options *options) {
  sht_express_result result;
  sht_error error = {.status = SHT_OK};
  if (sht_express(sample, options, NULL, &result, &error) != SHT_OK) {
    fail_msg("%s", error.message);
  }
  return result;
}

static void counts_are_exact_and_values_taken(void **state) {
  (void)state;
  static const struct {
    uint64_t n;
    uint32_t d;
  } sizes[] = {{1, 1}, {1, 7}, {2, 1}, {3, 5}, {17, 2}, {100, 1}, {1000, 64}, {777, 3}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
      sht_sample sample;
      assert_int_equal(sht_sample_random(sizes[i].n, sizes[i].d, 10, seed, &sample, NULL), SHT_OK);
      sht_express_options options = plain_options(2);
      options.seed = seed;
      const sht_express_result r = express(&sample, &options);
      assert_int_equal(r.weights, 2 * sizes[i].n + sizes[i].d);
      assert_int_equal(r.depth, 2);
      assert_int_equal(r.width, sizes[i].n);
      assert_true(r.represented);
      assert_true(r.error_engine <= 4 * 0x1p-53 * r.cancellation * fmax(r.target_largest, 1));
      assert_true(r.smallest_singular > 0 && r.smallest_singular <= r.smallest_eigenvalue * (1 + 1e-9));
      assert_true(r.weight_largest <= r.weight_bound * (1 + 1e-9));
      sht_sample_close(&sample);
    }
  }
}

static void corollary_keeps_its_constants(void **state) {
  (void)state;
  for (uint32_t depth = 4; depth <= 30; depth += 2) {
    sht_sample sample;
    const uint64_t n = 500, d = 8;
    assert_int_equal(sht_sample_random(n, (uint32_t)d, 10, depth, &sample, NULL), SHT_OK);
    const sht_express_options options = plain_options(depth);
    const sht_express_result r = express(&sample, &options);
    const uint64_t blocks = depth - 3;
    assert_true(r.represented);
    assert_int_equal(r.depth, depth);
    assert_true(r.width <= (n + blocks - 1) / blocks + 8);
    assert_true(r.weights <= 2 * n + d + 10 * blocks + 3);
    assert_true(r.weights_constant <= 2.6);
    assert_true(r.width_constant <= 4 + 8.0 * depth / (double)n);
    sht_sample_close(&sample);
  }
}

static void depths_that_are_not_covered_are_refused(void **state) {
  (void)state;
  static const uint32_t depths[] = {0, 1, 3, 257};
  for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
    sht_sample sample;
    sht_express_result result;
    assert_int_equal(sht_sample_random(300, 2, 2, 1, &sample, NULL), SHT_OK);
    const sht_express_options options = plain_options(depths[i]);
    assert_int_equal(sht_express(&sample, &options, NULL, &result, NULL), SHT_CONFIG);
    sht_sample_close(&sample);
  }
}

// ---- a sample from a table

typedef struct table {
  const double *rows;
} table;

static void fill_table(const sht_sample *sample, uint64_t first, uint64_t count, double *rows) {
  const table *source = sample->source;
  const uint64_t d = sample->shape.channels;
  memcpy(rows, source->rows + first * d, count * d * sizeof *rows);
}

static sht_sample table_sample(const table *source, const double *targets, uint64_t n, uint32_t d) {
  return (sht_sample){.count = n, .shape = {d, 1, 1}, .targets = targets, .fill = fill_table, .source = source};
}

static void repeated_points_are_merged_or_named(void **state) {
  (void)state;
  static const double rows[] = {1, 2, -0.0, 5, 1, 2, 0.0, 5, 7, 7};
  static const double same[] = {3, 4, 3, 4, 5};
  static const double other[] = {3, 4, 3, 6, 5};
  const table source = {rows};
  const sht_express_options options = plain_options(2);
  sht_sample sample = table_sample(&source, same, 5, 2);
  const sht_express_result r = express(&sample, &options);
  assert_int_equal(r.merged, 2);
  assert_int_equal(r.units, 3);
  assert_int_equal(r.weights, 2 * 3 + 2);
  assert_true(r.represented);
  sht_express_result refused;
  sht_error error;
  sample = table_sample(&source, other, 5, 2);
  assert_int_equal(sht_express(&sample, &options, NULL, &refused, &error), SHT_DATA);
  assert_non_null(strstr(error.message, "points 1 and 3 are equal but have the targets 4 and 6"));
}

// A point and its neighbour in fp64 beside a large coordinate: no sum of two products keeps them apart.
static void points_too_near_are_named(void **state) {
  (void)state;
  const double rows[] = {0.5, 1e9, 0.5 + 0x1p-53, 1e9};
  static const double targets[] = {1, 2};
  const table source = {rows};
  const sht_sample sample = table_sample(&source, targets, 2, 2);
  const sht_express_options options = plain_options(2);
  sht_express_result result;
  sht_error error;
  assert_int_equal(sht_express(&sample, &options, NULL, &result, &error), SHT_DATA);
  assert_non_null(strstr(error.message, "points 0 and 1 differ"));
}

static void constant_and_zero_targets(void **state) {
  (void)state;
  static const double rows[] = {3, 1, 2, -5};
  static const double constant[] = {2.5, 2.5, 2.5, 2.5}, zero[] = {0, 0, 0, 0};
  const table source = {rows};
  for (uint32_t depth = 2; depth <= 6; depth += 2) {
    const sht_express_options options = plain_options(depth);
    sht_sample sample = table_sample(&source, constant, 4, 1);
    assert_true(express(&sample, &options).represented);
    sample = table_sample(&source, zero, 4, 1);
    assert_true(express(&sample, &options).error_engine == 0);
  }
}

// Midpoints make slopes alternate and grow: the measured errors say so, and the choice follows them.
static void fraction_follows_the_measured_error(void **state) {
  (void)state;
  sht_sample sample;
  assert_int_equal(sht_sample_random(20000, 16, 10, 3, &sample, NULL), SHT_OK);
  sht_express_options options = plain_options(2);
  const sht_express_result chosen = express(&sample, &options);
  options.fraction = 0.5;
  options.tolerance = 1;
  const sht_express_result midpoints = express(&sample, &options);
  assert_true(chosen.weight_norm * 5 < midpoints.weight_norm);
  assert_true(chosen.error_engine < midpoints.error_engine);
  for (uint32_t i = 0; i < chosen.fraction_count; i++) {
    const bool is_chosen = chosen.fractions[i] == chosen.fraction;
    assert_true(is_chosen || chosen.fraction_errors[i] > 0);
  }
  sht_sample_close(&sample);
}

static void single_precision_merges_projections(void **state) {
  (void)state;
  sht_sample sample;
  assert_int_equal(sht_sample_random(20000, 16, 10, 3, &sample, NULL), SHT_OK);
  sht_express_options options = plain_options(2);
  options.tolerance = 1e-3;
  options.single = true;
  const sht_express_result single = express(&sample, &options);
  assert_true(single.indistinct > 0 && !single.represented && isnan(single.error_engine));
  options.single = false;
  const sht_express_result dual = express(&sample, &options);
  assert_true(dual.indistinct == 0 && dual.represented && isnan(dual.error_single));
  sht_sample_close(&sample);
}

static void threads_do_not_matter(void **state) {
  (void)state;
  sht_sample sample;
  assert_int_equal(sht_sample_random(3001, 13, 10, 2, &sample, NULL), SHT_OK);
  for (uint32_t depth = 2; depth <= 9; depth += 7) {
    sht_express_options options = plain_options(depth);
    sht_express_result one = express(&sample, &options);
    for (int threads = 2; threads <= 8; threads += 3) {
      options.threads = threads;
      sht_express_result other = express(&sample, &options);
      other.seconds_build = one.seconds_build;
      other.seconds_check = one.seconds_check;
      other.error_single = one.error_single;  // NaN, whose payload does not matter
      assert_memory_equal(&one, &other, sizeof one);
    }
  }
  sht_sample_close(&sample);
}

static bool stop_at_once(void *context) {
  (void)context;
  return true;
}

static void work_stops_when_asked(void **state) {
  (void)state;
  sht_sample sample;
  sht_express_result result;
  assert_int_equal(sht_sample_random(100, 3, 10, 2, &sample, NULL), SHT_OK);
  const sht_express_options options = plain_options(2);
  const sht_theory_observer observer = {.stop_requested = stop_at_once};
  assert_int_equal(sht_express(&sample, &options, &observer, &result, NULL), SHT_STOPPED);
  sht_sample_close(&sample);
}

// ---- the tools

static void double_doubles_keep_what_doubles_lose(void **state) {
  (void)state;
  sht__dd sum = sht__dd_add(sht__dd_sum(1e16, 1), sht__dd_sum(-1e16, 0));
  assert_true(sht__dd_value(sum) == 1);
  const double a = 1 + 0x1p-30;
  sht__dd square = sht__dd_product(a, a);  // 1 + 2^-29 + 2^-60
  assert_true(square.high == 1 + 0x1p-29 && square.low == 0x1p-60);
  assert_true(sht__dd_value(sht__dd_add(sht__dd_scale((sht__dd){1, 0x1p-60}, 3), (sht__dd){-3, 0})) == 3 * 0x1p-60);
}

// A random matrix R: R R' + I by Cholesky, R by elimination; residuals of what comes out.
static void small_systems_are_solved(void **state) {
  (void)state;
  enum { N = 131, K = 3 };
  static double r[N * N], a[N * N], l[N * N], b[N * K], x[N * K];
  const sht_rng rng = sht_rng_make(4, SHT_PURPOSE_WEIGHTS);
  for (uint64_t i = 0; i < sizeof r / sizeof r[0]; i++) {
    r[i] = sht_rng_unit(rng, 0, i, 0) - 0.5;
  }
  for (uint64_t i = 0; i < sizeof b / sizeof b[0]; i++) {
    b[i] = sht_rng_unit(rng, 1, i, 0);
  }
  for (int kind = 0; kind < 2; kind++) {
    sht__gram(r, N, r, N, N, a, NULL);
    for (int i = 0; i < N; i++) {
      a[i * N + i] += 1;
    }
    memcpy(x, b, sizeof x);
    memcpy(l, kind == 0 ? a : r, sizeof l);
    if (kind == 0) {
      assert_int_equal(sht__cholesky(l, N, 0, NULL), N);
      sht__cholesky_solve(l, N, x, K);
    } else {
      assert_int_equal(sht__lu_solve(l, N, x, K, NULL), N);
    }
    const double *matrix = kind == 0 ? a : r;
    for (int i = 0; i < N * K; i++) {
      double sum = 0;
      for (int j = 0; j < N; j++) {
        sum += matrix[i / K * N + j] * x[j * K + i % K];
      }
      assert_true(fabs(sum - b[i]) <= 1e-10);
    }
  }
  memset(l, 0, sizeof l);
  assert_int_equal(sht__cholesky(l, N, 0, NULL), 0);
  assert_int_equal(sht__lu_solve(l, N, x, K, NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_are_exact_and_values_taken),
      cmocka_unit_test(corollary_keeps_its_constants),
      cmocka_unit_test(depths_that_are_not_covered_are_refused),
      cmocka_unit_test(repeated_points_are_merged_or_named),
      cmocka_unit_test(points_too_near_are_named),
      cmocka_unit_test(constant_and_zero_targets),
      cmocka_unit_test(fraction_follows_the_measured_error),
      cmocka_unit_test(single_precision_merges_projections),
      cmocka_unit_test(threads_do_not_matter),
      cmocka_unit_test(work_stops_when_asked),
      cmocka_unit_test(double_doubles_keep_what_doubles_lose),
      cmocka_unit_test(small_systems_are_solved),
  };
  return cmocka_run_group_tests_name("theory: express", tests, NULL, NULL);
}
