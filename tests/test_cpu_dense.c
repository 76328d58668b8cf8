// Fully connected layers of the cpu engine against sums in double, for every set of kernels that this processor has.
//
// Threshold of a sum of K products in fp32, whatever the order: |error| <= (K + 4) u sum |a||b| with u = 2^-24 (Higham,
// Accuracy and Stability of Numerical Algorithms, section 3.1; the 4 covers bias, store and second-order terms). In
// bf16 the same bound holds once the operands are rounded to bf16, since a product of two bf16 is exact in fp32.
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// after the headers that it needs
#include <cmocka.h>

#include "engine/cpu/dense_private.h"
#include "shatter/random.h"

static const double UNIT = 0x1p-24;

static sht_error error;

static float *normals(uint64_t seed, size_t count, double scale) {
  sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_WEIGHTS);
  float *values = aligned_alloc(64, (count * sizeof *values + 127) / 64 * 64);
  for (size_t i = 0; i < count; i++) {
    double pair[2];
    sht_rng_normal2(rng, 0, i, 0, pair);
    values[i] = (float)(scale * pair[0]);
  }
  return values;
}

// To nearest, ties to even, by arithmetic: bf16 has 8 bits of significand. Subnormal numbers do not occur here.
static double to_bf16(double value) {
  int exponent = 0;
  double fraction = frexp(value, &exponent);
  return ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

static double operand(double value, sht_precision precision) { return precision == SHT_BF16 ? to_bf16(value) : value; }

typedef struct sum {
  double value, bound;  // sum a b; sum |a||b|
} sum;

static void add_product(sum *s, double a, double b) {
  s->value += a * b;
  s->bound += fabs(a * b);
}

static void check_sum(double got, sum expected, size_t k, double slack) {
  double bound = ((double)k + 4) * UNIT * expected.bound + slack * fabs(expected.value) + FLT_MIN;
  if (!(fabs(got - expected.value) <= bound)) {
    fail_msg("%.9g, expected %.9g within %.3g", got, expected.value, bound);
  }
}

static cpu_dense *open_chain(const cpu_dense_spec *spec, sht_pool *pool, const dense_kernels *kernels) {
  cpu_dense *d = NULL;
  assert_int_equal(cpu_dense_open(spec, pool, &d, &error), SHT_OK);
  if (kernels != NULL) {
    d->kernels = kernels;
  }
  for (uint32_t l = 0; l < spec->layers; l++) {
    size_t inputs = d->layer[l].inputs, outputs = d->layer[l].outputs;
    float *weight = normals(100 + l, inputs * outputs, 1 / sqrt((double)inputs));
    float *bias = normals(200 + l, outputs, 0.1);
    cpu_dense_put(d, l, SHT_STATE_PARAMETERS, weight, bias);
    free(weight);
    free(bias);
  }
  return d;
}

typedef struct shape {
  uint32_t inputs, outputs, batch, n;
} shape;

static const shape SHAPES[] = {{7, 5, 3, 3},      {1, 1, 1, 1},          {33, 31, 40, 37}, {64, 10, 65, 65},
                               {97, 66, 128, 80}, {2352, 512, 128, 128}, {512, 10, 128, 1}};

// One layer, its values and what it made of them.
typedef struct single {
  shape s;
  sht_precision precision;
  bool relu;
  float *x, *weight, *bias, *dy, *y, *dx, *weight_gradient, *bias_gradient;
  double *wide_x, *wide_weight, *slope;  // [batch][inputs], [outputs][inputs], [batch][outputs]: what is multiplied
} single;

static void run_single(single *t, const dense_kernels *kernels) {
  cpu_dense_layer layer = {.outputs = t->s.outputs, .bias = true, .relu = t->relu};
  cpu_dense_spec spec = {t->s.inputs, t->s.batch, 1, &layer, t->precision, SHT_FP32, true};
  cpu_dense *d = open_chain(&spec, NULL, kernels);
  size_t in = t->s.inputs, out = t->s.outputs, batch = t->s.batch;
  t->x = normals(1, batch * in, 1);
  t->dy = normals(2, batch * out, 1);
  t->weight = calloc(in * out, sizeof(float));
  t->weight_gradient = calloc(in * out, sizeof(float));
  t->bias = calloc(out, sizeof(float));
  t->bias_gradient = calloc(out, sizeof(float));
  t->y = calloc(batch * out, sizeof(float));
  t->dx = calloc(batch * in, sizeof(float));
  cpu_dense_get(d, 0, SHT_STATE_PARAMETERS, t->weight, t->bias);
  // A full batch first: what it leaves behind must not show in a smaller one.
  cpu_dense_forward(d, t->x, t->s.batch, true, t->y);
  assert_int_equal(cpu_dense_gradient(d, t->dy, t->s.batch, t->dx, &error), SHT_OK);
  cpu_dense_forward(d, t->x, t->s.n, true, t->y);
  assert_int_equal(cpu_dense_gradient(d, t->dy, t->s.n, t->dx, &error), SHT_OK);
  cpu_dense_get(d, 0, SHT_STATE_GRADIENTS, t->weight_gradient, t->bias_gradient);
  cpu_dense_close(d);
}

static double *widen(const float *values, size_t count, sht_precision precision) {
  double *wide = calloc(count, sizeof *wide);
  for (size_t i = 0; i < count; i++) {
    wide[i] = operand(values[i], precision);
  }
  return wide;
}

// The operands as the layer rounds them, once for all products. The slopes are those before relu, whose mask is that
// of the computed y.
static void widen_single(single *t) {
  size_t outputs = (size_t)t->s.n * t->s.outputs;
  t->wide_x = widen(t->x, (size_t)t->s.n * t->s.inputs, t->precision);
  t->wide_weight = widen(t->weight, (size_t)t->s.inputs * t->s.outputs, t->precision);
  t->slope = widen(t->dy, outputs, t->precision);
  for (size_t i = 0; t->relu && i < outputs; i++) {
    t->slope[i] = t->y[i] > 0 ? t->slope[i] : 0;
  }
}

static void free_single(single *t) {
  void *all[] = {t->x,      t->weight,      t->bias, t->dy, t->y, t->dx, t->weight_gradient, t->bias_gradient,
                 t->wide_x, t->wide_weight, t->slope};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    free(all[i]);
  }
}

static void check_outputs(const single *t) {
  for (size_t n = 0; n < t->s.n; n++) {
    for (size_t o = 0; o < t->s.outputs; o++) {
      sum y = {t->bias[o], fabs((double)t->bias[o])};
      for (size_t i = 0; i < t->s.inputs; i++) {
        add_product(&y, t->wide_weight[o * t->s.inputs + i], t->wide_x[n * t->s.inputs + i]);
      }
      y.value = t->relu && y.value < 0 ? 0 : y.value;
      check_sum(t->y[n * t->s.outputs + o], y, t->s.inputs, 0);
    }
  }
}

// sums [count] += factor * row [count]
static void add_row(sum *sums, double factor, const double *row, size_t count) {
  for (size_t i = 0; i < count; i++) {
    add_product(&sums[i], factor, row[i]);
  }
}

// Sums of whole rows, so that memory is read along its lines.
static void check_input_gradient(const single *t) {
  for (size_t n = 0; n < t->s.n; n++) {
    sum *dx = calloc(t->s.inputs, sizeof *dx);
    for (size_t o = 0; o < t->s.outputs; o++) {
      add_row(dx, t->slope[n * t->s.outputs + o], &t->wide_weight[o * t->s.inputs], t->s.inputs);
    }
    for (size_t i = 0; i < t->s.inputs; i++) {
      check_sum(t->dx[n * t->s.inputs + i], dx[i], t->s.outputs, 0);
    }
    free(dx);
  }
}

static void check_weight_gradient(const single *t) {
  for (size_t o = 0; o < t->s.outputs; o++) {
    sum bias = {0, 0}, *dw = calloc(t->s.inputs, sizeof *dw);
    for (size_t n = 0; n < t->s.n; n++) {
      size_t place = n * t->s.outputs + o;
      add_product(&bias, t->relu && !(t->y[place] > 0) ? 0 : t->dy[place], 1);
      add_row(dw, t->slope[place], &t->wide_x[n * t->s.inputs], t->s.inputs);
    }
    check_sum(t->bias_gradient[o], bias, t->s.n, 0);
    for (size_t i = 0; i < t->s.inputs; i++) {
      check_sum(t->weight_gradient[o * t->s.inputs + i], dw[i], t->s.n, 0);
    }
    free(dw);
  }
}

static void one_layer_is_right(const dense_kernels *kernels, sht_precision precision) {
  for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
    for (int relu = 0; relu < 2; relu++) {
      single t = {.s = SHAPES[i], .precision = precision, .relu = relu != 0};
      run_single(&t, kernels);
      widen_single(&t);
      check_outputs(&t);
      check_input_gradient(&t);
      check_weight_gradient(&t);
      free_single(&t);
    }
  }
}

static void every_kernel_set_is_right(void **state) {
  (void)state;
  for (const dense_kernels *const *set = dense_kernels_all(); *set != NULL; set++) {
    if (!(*set)->supported()) {
      print_message("SKIP kernels %s: not on this processor\n", (*set)->name);
      continue;
    }
    print_message("kernels %s\n", (*set)->name);
    one_layer_is_right(*set, SHT_FP32);
    one_layer_is_right(*set, SHT_BF16);
  }
}

static const cpu_dense_layer CHAIN[] = {{.outputs = 70, .bias = true, .relu = true, .decay_weight = true},
                                        {.outputs = 45, .bias = false, .relu = true, .decay_weight = true},
                                        {.outputs = 10, .bias = true, .decay_weight = false, .decay_bias = true}};

static cpu_dense_spec chain_spec(sht_precision precision) {
  return (cpu_dense_spec){101, 50, 3, CHAIN, precision, SHT_FP32, true};
}

// loss = sum y^2 / 2, so that dy = y.
static double chain_loss(cpu_dense *d, const float *x, uint32_t n, float *y) {
  cpu_dense_forward(d, x, n, true, y);
  double loss = 0;
  for (size_t i = 0; i < n * 10U; i++) {
    loss += 0.5 * (double)y[i] * y[i];
  }
  return loss;
}

// The whole chain by central differences of the loss along random directions. Curvature costs h^2; relu's corners and
// the rounding of a loss of about 250 to fp32 sums, over 2h = 0.002, cost about 1e-3 of the slope.
static void chain_agrees_with_differences(void **state) {
  (void)state;
  cpu_dense_spec spec = chain_spec(SHT_FP32);
  cpu_dense *d = open_chain(&spec, NULL, NULL);
  float *x = normals(3, 50 * 101, 1), *y = calloc(500, sizeof *y), *dx = calloc(50 * 101, sizeof *dx);
  chain_loss(d, x, 50, y);
  assert_int_equal(cpu_dense_gradient(d, y, 50, dx, &error), SHT_OK);
  for (uint32_t l = 0; l < 3; l++) {
    size_t in = d->layer[l].inputs, out = d->layer[l].outputs;
    float *weight = calloc(in * out, sizeof *weight), *bias = calloc(out, sizeof *bias);
    float *gradient = calloc(in * out, sizeof *gradient), *bias_gradient = calloc(out, sizeof *bias_gradient);
    float *moved = calloc(in * out, sizeof *moved), *moved_bias = calloc(out, sizeof *moved_bias);
    cpu_dense_get(d, l, SHT_STATE_PARAMETERS, weight, bias);
    cpu_dense_get(d, l, SHT_STATE_GRADIENTS, gradient, bias_gradient);
    double norm = 0, losses[2];
    for (size_t i = 0; i < in * out; i++) {
      norm += (double)gradient[i] * gradient[i];
    }
    for (size_t i = 0; i < out; i++) {
      norm += (double)bias_gradient[i] * bias_gradient[i];
    }
    for (int side = 0; side < 2; side++) {
      double h = (side == 0 ? -1e-3 : 1e-3) / sqrt(norm);
      for (size_t i = 0; i < in * out; i++) {
        moved[i] = (float)(weight[i] + h * gradient[i]);
      }
      for (size_t i = 0; i < out; i++) {
        moved_bias[i] = (float)(bias[i] + h * bias_gradient[i]);
      }
      cpu_dense_put(d, l, SHT_STATE_PARAMETERS, moved, moved_bias);
      losses[side] = chain_loss(d, x, 50, y);
    }
    cpu_dense_put(d, l, SHT_STATE_PARAMETERS, weight, bias);
    double measured = (losses[1] - losses[0]) / 2e-3;
    if (!(fabs(measured / sqrt(norm) - 1) < 2e-3)) {
      fail_msg("layer %u: slope %.8g, gradient %.8g", l, measured, sqrt(norm));
    }
    float *all[] = {weight, bias, gradient, bias_gradient, moved, moved_bias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
      free(all[i]);
    }
  }
  cpu_dense_close(d);
  free(x);
  free(y);
  free(dx);
}

// c [rows][columns] = a [rows][k] b, b [columns][k] when transposed, else [k][columns].
static void plain_product(const double *a, const double *b, bool transposed, size_t rows, size_t columns, size_t k,
                          double *c) {
  for (size_t r = 0; r < rows; r++) {
    for (size_t j = 0; j < columns; j++) {
      double total = 0;
      for (size_t i = 0; i < k; i++) {
        total += a[r * k + i] * (transposed ? b[j * k + i] : b[i * columns + j]);
      }
      c[r * columns + j] = total;
    }
  }
}

// The chain in double, rounding to `precision` what a layer multiplies: dx [50][101] for the slopes dy [50][10].
static void plain_chain(const cpu_dense *d, const float *x, const float *dy, sht_precision precision, double *dx) {
  static const size_t widths[] = {101, 70, 45, 10};
  double *signal[4], *weight[3];
  for (size_t s = 0; s < 4; s++) {
    signal[s] = calloc(50 * widths[s], sizeof(double));
  }
  for (size_t i = 0; i < 50 * widths[0]; i++) {
    signal[0][i] = operand(x[i], precision);
  }
  for (uint32_t l = 0; l < 3; l++) {
    size_t in = widths[l], out = widths[l + 1];
    float *values = calloc(in * out, sizeof *values), bias[70] = {0};
    cpu_dense_get(d, l, SHT_STATE_PARAMETERS, values, bias);
    weight[l] = calloc(in * out, sizeof(double));
    for (size_t i = 0; i < in * out; i++) {
      weight[l][i] = operand(values[i], precision);
    }
    plain_product(signal[l], weight[l], true, 50, out, in, signal[l + 1]);
    for (size_t i = 0; i < 50 * out; i++) {
      double y = signal[l + 1][i] + bias[i % out];
      signal[l + 1][i] = l < 2 ? operand(y > 0 ? y : 0, precision) : y;
    }
    free(values);
  }
  double *slopes = calloc(50 * widths[3], sizeof *slopes);
  for (size_t i = 0; i < 50 * widths[3]; i++) {
    slopes[i] = operand(dy[i], precision);
  }
  for (size_t l = 3; l-- > 0;) {
    double *below = l == 0 ? dx : calloc(50 * widths[l], sizeof *below);
    plain_product(slopes, weight[l], false, 50, widths[l], widths[l + 1], below);
    for (size_t i = 0; l > 0 && i < 50 * widths[l]; i++) {
      below[i] = signal[l][i] > 0 ? operand(below[i], precision) : 0;
    }
    free(slopes);
    slopes = below;
  }
  for (size_t s = 0; s < 4; s++) {
    free(signal[s]);
  }
  for (size_t l = 0; l < 3; l++) {
    free(weight[l]);
  }
}

// dx of the whole chain against double. In fp32 what remains is rounding, some 2e-7 of the norm: 2e-6. In bf16 a sum
// that is off by 1e-6 rounds to the other neighbour, 2^-8 away, once in some 1e-6 / 2^-8 = 3e-4 cases:
// sqrt(3e-4) * 2^-8 = 7e-5 a rounding, four of them on the way; allowed is 1e-3.
static void chain_agrees_with_double(void **state) {
  (void)state;
  float *x = normals(3, 50 * 101, 1), *dy = normals(4, 500, 1), *y = calloc(500, sizeof *y);
  float *dx = calloc(50 * 101, sizeof *dx);
  double *expected = calloc(50 * 101, sizeof *expected);
  for (int p = 0; p < 2; p++) {
    cpu_dense_spec spec = chain_spec(p == 0 ? SHT_FP32 : SHT_BF16);
    cpu_dense *d = open_chain(&spec, NULL, NULL);
    cpu_dense_forward(d, x, 50, true, y);
    assert_int_equal(cpu_dense_gradient(d, dy, 50, dx, &error), SHT_OK);
    plain_chain(d, x, dy, spec.precision, expected);
    double difference = 0, norm = 0;
    for (size_t i = 0; i < 50 * 101; i++) {
      difference += pow(dx[i] - expected[i], 2);
      norm += pow(expected[i], 2);
    }
    if (!(sqrt(difference / norm) < (p == 0 ? 2e-6 : 1e-3))) {
      fail_msg("precision %d: relative difference %.4g", p, sqrt(difference / norm));
    }
    cpu_dense_close(d);
  }
  free(x);
  free(dy);
  free(y);
  free(dx);
  free(expected);
}

// What a layer is at one moment.
typedef struct snapshot {
  size_t weights, biases;
  float *weight[3], *bias[3];  // by sht_state: parameters, momentum, gradients
} snapshot;

static const sht_state STATES[3] = {SHT_STATE_PARAMETERS, SHT_STATE_MOMENTUM, SHT_STATE_GRADIENTS};

static snapshot take_snapshot(const cpu_dense *d, uint32_t l) {
  snapshot s = {.weights = d->layer[l].inputs * d->layer[l].outputs, .biases = d->layer[l].outputs};
  for (int k = 0; k < 3; k++) {
    s.weight[k] = calloc(s.weights, sizeof(float));
    s.bias[k] = calloc(s.biases, sizeof(float));
    cpu_dense_get(d, l, STATES[k], s.weight[k], s.bias[k]);
  }
  return s;
}

static void free_snapshot(snapshot *s) {
  for (int k = 0; k < 3; k++) {
    free(s->weight[k]);
    free(s->bias[k]);
  }
}

static void assert_same(const snapshot *a, const snapshot *b) {
  for (int k = 0; k < 2; k++) {
    assert_memory_equal(a->weight[k], b->weight[k], a->weights * sizeof(float));
    assert_memory_equal(a->bias[k], b->bias[k], a->biases * sizeof(float));
  }
}

static const sht_step_rates RATES = {.learning_rate = 0.05F, .momentum = 0.9F, .weight_decay = 0.01F};

static void check_move(const float *before, const float *after, const float *momentum_before, const float *momentum,
                       const float *gradient, size_t count, double decay) {
  for (size_t i = 0; i < count; i++) {
    sum v = {gradient[i], fabs((double)gradient[i])};
    add_product(&v, RATES.momentum, momentum_before[i]);
    add_product(&v, decay, before[i]);
    check_sum(momentum[i], v, 0, 0);
    sum w = {before[i], fabs((double)before[i])};
    add_product(&w, -(double)RATES.learning_rate, momentum[i]);
    check_sum(after[i], w, 0, 0);
  }
}

// Two steps of the update rule of engine.h, from the gradients that the same state gives; decay where it is asked for.
static void update_follows_the_rule(void **state) {
  (void)state;
  for (int p = 0; p < 2; p++) {
    cpu_dense_spec spec = chain_spec(p == 0 ? SHT_FP32 : SHT_BF16);
    cpu_dense *d = open_chain(&spec, NULL, NULL);
    float *x = normals(3, 50 * 101, 1), *dy = normals(4, 500, 0.1), *y = calloc(500, sizeof *y);
    float *dx = calloc(50 * 101, sizeof *dx), *dx_of_gradient = calloc(50 * 101, sizeof *dx);
    for (int step = 0; step < 2; step++) {
      snapshot before[3], after;
      bool finite = false;
      cpu_dense_forward(d, x, 50, true, y);
      assert_int_equal(cpu_dense_gradient(d, dy, 50, dx_of_gradient, &error), SHT_OK);
      for (uint32_t l = 0; l < 3; l++) {
        before[l] = take_snapshot(d, l);
      }
      cpu_dense_backward(d, dy, 50, dx, &RATES, &finite);
      assert_true(finite);
      assert_memory_equal(dx, dx_of_gradient, 50 * 101 * sizeof *dx);
      for (uint32_t l = 0; l < 3; l++) {
        after = take_snapshot(d, l);
        check_move(before[l].weight[0], after.weight[0], before[l].weight[1], after.weight[1], before[l].weight[2],
                   after.weights, CHAIN[l].decay_weight ? (double)RATES.weight_decay : 0);
        check_move(before[l].bias[0], after.bias[0], before[l].bias[1], after.bias[1], before[l].bias[2],
                   CHAIN[l].bias ? after.biases : 0, CHAIN[l].decay_bias ? (double)RATES.weight_decay : 0);
        free_snapshot(&before[l]);
        free_snapshot(&after);
      }
    }
    cpu_dense_close(d);
    free(x);
    free(dy);
    free(y);
    free(dx);
    free(dx_of_gradient);
  }
}

// Three steps with batches of 50, 31 and 1, then an evaluation.
static void train_three_steps(cpu_dense *d, const float *x, float *y) {
  static const uint32_t sizes[] = {50, 31, 1};
  bool finite = false;
  for (size_t i = 0; i < 3; i++) {
    cpu_dense_forward(d, x, sizes[i], true, y);
    float dy[500];
    for (size_t j = 0; j < sizes[i] * 10U; j++) {
      dy[j] = y[j] / (float)sizes[i];
    }
    cpu_dense_backward(d, dy, sizes[i], NULL, &RATES, &finite);
    assert_true(finite);
  }
  cpu_dense_forward(d, x, 50, false, y);
}

static void threads_do_not_change_bits(void **state) {
  (void)state;
  static const int threads[] = {1, 2, 3, 4, 8};
  float *x = normals(3, 50 * 101, 1);
  for (int p = 0; p < 2; p++) {
    cpu_dense_spec spec = chain_spec(p == 0 ? SHT_FP32 : SHT_BF16);
    snapshot first[3];
    float y[500], first_y[500];
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
      sht_pool *pool = NULL;
      assert_int_equal(sht_pool_open(threads[t], &pool, &error), SHT_OK);
      cpu_dense *d = open_chain(&spec, pool, NULL);
      train_three_steps(d, x, t == 0 ? first_y : y);
      for (uint32_t l = 0; l < 3; l++) {
        snapshot s = take_snapshot(d, l);
        if (t == 0) {
          first[l] = s;
        } else {
          assert_same(&s, &first[l]);
          free_snapshot(&s);
        }
      }
      if (t > 0) {
        assert_memory_equal(y, first_y, sizeof y);
      }
      cpu_dense_close(d);
      sht_pool_close(pool);
    }
    for (uint32_t l = 0; l < 3; l++) {
      free_snapshot(&first[l]);
    }
  }
  free(x);
}

// State put into a fresh chain is the same bits, and goes on as the first chain does.
static void state_round_trips(void **state) {
  (void)state;
  float *x = normals(3, 50 * 101, 1), y[500], z[500];
  for (int p = 0; p < 2; p++) {
    cpu_dense_spec spec = chain_spec(p == 0 ? SHT_FP32 : SHT_BF16);
    cpu_dense *a = open_chain(&spec, NULL, NULL), *b = open_chain(&spec, NULL, NULL);
    train_three_steps(a, x, y);
    for (uint32_t l = 0; l < 3; l++) {
      snapshot s = take_snapshot(a, l);
      for (int k = 0; k < 2; k++) {
        cpu_dense_put(b, l, STATES[k], s.weight[k], s.bias[k]);
      }
      snapshot t = take_snapshot(b, l);
      assert_same(&s, &t);
      free_snapshot(&s);
      free_snapshot(&t);
    }
    cpu_dense_forward(b, x, 50, false, z);
    assert_memory_equal(y, z, sizeof y);
    train_three_steps(a, x, y);
    train_three_steps(b, x, z);
    assert_memory_equal(y, z, sizeof y);
    cpu_dense_close(a);
    cpu_dense_close(b);
  }
  free(x);
}

// A weight that overflows, a bias that does, and a NaN that comes from above: each is noticed; the last one everywhere.
static void what_is_not_finite_is_noticed(void **state) {
  (void)state;
  float *x = normals(3, 50 * 101, 1), y[500];
  for (int kind = 0; kind < 6; kind++) {
    cpu_dense_spec spec = chain_spec(kind % 2 == 0 ? SHT_FP32 : SHT_BF16);
    cpu_dense *d = open_chain(&spec, NULL, NULL);
    snapshot s = take_snapshot(d, 0);
    float *dy = normals(4, 500, 0.1);
    s.weight[1][70 * 101 - 1] = kind / 2 == 0 ? FLT_MAX : 0;  // momentum
    s.bias[1][69] = kind / 2 == 1 ? FLT_MAX : 0;
    cpu_dense_put(d, 0, SHT_STATE_MOMENTUM, s.weight[1], s.bias[1]);
    dy[499] = kind / 2 == 2 ? NAN : dy[499];
    sht_step_rates rates = {.learning_rate = 4, .momentum = 0.9F};
    bool finite = true;
    cpu_dense_forward(d, x, 50, true, y);
    cpu_dense_backward(d, dy, 50, NULL, &rates, &finite);
    assert_false(finite);
    cpu_dense_close(d);
    free_snapshot(&s);
    free(dy);
  }
  free(x);
}

// x given as bf16 makes the same bits as x rounded in the layer; dx comes back rounded.
static void bf16_input_is_rounded_input(void **state) {
  (void)state;
  cpu_dense_spec spec = chain_spec(SHT_BF16);
  cpu_dense *wide = open_chain(&spec, NULL, NULL);
  spec.input = SHT_BF16;
  cpu_dense *narrow = open_chain(&spec, NULL, NULL);
  float *x = normals(3, 50 * 101, 1), *dy = normals(4, 500, 1), *dx = calloc(50 * 101, sizeof *dx), y[500], z[500];
  uint16_t *half = calloc(50 * 101, sizeof *half), *half_dx = calloc(50 * 101, sizeof *half);
  for (size_t i = 0; i < 50 * 101; i++) {
    float rounded = (float)to_bf16(x[i]);
    memcpy(&half[i], (const char *)&rounded + 2, 2);
  }
  cpu_dense_forward(wide, x, 50, true, y);
  cpu_dense_forward(narrow, half, 50, true, z);
  assert_memory_equal(y, z, sizeof y);
  assert_int_equal(cpu_dense_gradient(wide, dy, 50, dx, &error), SHT_OK);
  assert_int_equal(cpu_dense_gradient(narrow, dy, 50, half_dx, &error), SHT_OK);
  for (size_t i = 0; i < 50 * 101; i++) {
    float widened = 0;
    memcpy((char *)&widened + 2, &half_dx[i], 2);
    assert_true(dx[i] != 0 && (double)widened == to_bf16(dx[i]));
  }
  cpu_dense_close(wide);
  cpu_dense_close(narrow);
  free(x);
  free(dy);
  free(dx);
  free(half);
  free(half_dx);
}

static void wrong_specs_are_refused(void **state) {
  (void)state;
  cpu_dense_layer empty = {.outputs = 0};
  for (int kind = 0; kind < 6; kind++) {
    cpu_dense_spec spec = chain_spec(SHT_FP32);
    spec.inputs = kind == 0 ? 0 : spec.inputs;
    spec.batch = kind == 1 ? UINT32_MAX : spec.batch;
    spec.layers = kind == 2 ? 0 : 1;
    spec.layer = kind == 3 ? &empty : spec.layer;
    spec.precision = kind == 4 ? SHT_FP64 : spec.precision;
    spec.input = kind == 5 ? SHT_FP64 : spec.input;
    cpu_dense *d = NULL;
    assert_int_equal(cpu_dense_open(&spec, NULL, &d, &error), SHT_CONFIG);
    assert_null(d);
    assert_true(strlen(error.message) > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kernel_set_is_right),     cmocka_unit_test(chain_agrees_with_differences),
      cmocka_unit_test(chain_agrees_with_double),      cmocka_unit_test(update_follows_the_rule),
      cmocka_unit_test(threads_do_not_change_bits),    cmocka_unit_test(state_round_trips),
      cmocka_unit_test(what_is_not_finite_is_noticed), cmocka_unit_test(bf16_input_is_rounded_input),
      cmocka_unit_test(wrong_specs_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
