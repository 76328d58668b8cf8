// What each layer of the reference computes, against values worked out by hand: finite differences show that backward
// belongs to forward, not that forward is right.
//
// Each graph is input -> layer -> ... and its node's output is read in double. Input x[n][h][w][c] is given directly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the headers that it needs
#include <cmocka.h>

#include "engine/ref/ref.h"
#include "engine_graphs.h"

enum { EXAMPLES = 2, CLASSES = 2 };
static const double exact = 1e-14;

typedef struct fixture {
  graph_builder builder;
  sht__ref *ref;
  uint32_t examples[EXAMPLES];
} fixture;

// Adds the last linear layer and opens the engine; the input is 0.1, 0.2, 0.3, ... with every third one negative.
static void fixture_open(fixture *f, int last) {
  (void)graph_linear(&f->builder, last, CLASSES, false);
  sht_engine_options options = {.backend = "ref", .precision = SHT_FP64, .threads = 1, .batch = EXAMPLES, .seed = 5};
  sht_engine *engine = NULL;
  assert_int_equal(sht_engine_open(graph_finish(&f->builder), &options, &engine, NULL), SHT_OK);
  f->ref = (sht__ref *)engine;
  f->examples[0] = 3;
  f->examples[1] = 77;
  f->ref->batch.n = EXAMPLES;
  f->ref->batch.training = true;
  f->ref->batch.epoch = 6;
  f->ref->batch.examples = f->examples;
  for (uint64_t i = 0; i < sht__ref_size(&f->ref->layers[0]); i++) {
    f->ref->layers[0].y[i] = (double)(i + 1) / 10 * (i % 3 == 2 ? -1 : 1);
  }
}

static void fixture_close(fixture *f) { sht_engine_close(&f->ref->base); }

// Value of node's output at (example, row, column, channel).
static double output(const fixture *f, int node, uint64_t n, uint64_t h, uint64_t w, uint64_t c) {
  sht_shape s = f->builder.nodes[node].out;
  return f->ref->layers[node].y[((n * s.height + h) * s.width + w) * s.channels + c];
}

// A 3x3 kernel with a single 1 at row 0, column 2 reads the pixel above right, and nothing where that is padding.
// Weight order is [O][I][K][K]: output 1 reads input channel 0.
static void convolution_is_a_correlation(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "conv", (sht_shape){2, 4, 5}, CLASSES);
  int conv = graph_conv(&f.builder, 0, 3, (window){3, 1, 1, 1}, true);
  fixture_open(&f, conv);
  f.ref->parameters[(1 * 2 + 0) * 9 + 0 * 3 + 2] = 2;
  f.ref->parameters[f.builder.tensors[1].offset + 1] = 0.5;
  sht__ref_forward(f.ref);
  for (uint64_t h = 0; h < 4; h++) {
    for (uint64_t w = 0; w < 5; w++) {
      double above_right = h > 0 && w < 4 ? output(&f, 0, 1, h - 1, w + 1, 0) : 0;
      assert_true(is_near(output(&f, conv, 1, h, w, 1), 2 * above_right + 0.5, exact));
      assert_true(is_near(output(&f, conv, 1, h, w, 0), 0, exact));
    }
  }
  fixture_close(&f);
}

// TensorFlow's 'same' for 6 -> 3 with a 3x3 kernel of stride 2 pads one row after: output 0 starts at input 0.
static void stride_two_starts_at_the_first_pixel(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "conv", (sht_shape){1, 6, 6}, CLASSES);
  int conv = graph_conv(&f.builder, 0, 1, (window){3, 2, 0, 1}, false);
  fixture_open(&f, conv);
  f.ref->parameters[0] = 1;   // top left of the window
  f.ref->parameters[8] = 10;  // bottom right
  sht__ref_forward(f.ref);
  assert_int_equal(f.builder.nodes[conv].out.height, 3);
  assert_true(is_near(output(&f, conv, 0, 0, 0, 0), output(&f, 0, 0, 0, 0, 0) + 10 * output(&f, 0, 0, 2, 2, 0), exact));
  assert_true(is_near(output(&f, conv, 0, 2, 2, 0), output(&f, 0, 0, 4, 4, 0), exact));
  fixture_close(&f);
}

static void linear_flattens_rows_columns_channels(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "linear", (sht_shape){3, 2, 2}, CLASSES);
  int linear = graph_linear(&f.builder, 0, 2, true);
  fixture_open(&f, linear);
  f.ref->parameters[12 + (1 * 2 + 0) * 3 + 2] = 4;  // output 1; row 1, column 0, channel 2
  f.ref->parameters[24 + 1] = -1;
  sht__ref_forward(f.ref);
  assert_true(is_near(output(&f, linear, 1, 0, 0, 1), 4 * output(&f, 0, 1, 1, 0, 2) - 1, exact));
  assert_true(is_near(output(&f, linear, 1, 0, 0, 0), 0, exact));
  fixture_close(&f);
}

// Two examples of one pixel: values 0.1 and 0.3 in a channel have mean 0.2 and biased variance 0.01.
static void batchnorm_uses_the_biased_variance(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "batchnorm", (sht_shape){1, 1, 1}, CLASSES);
  int norm = graph_batchnorm(&f.builder, 0, true, true);
  fixture_open(&f, norm);
  f.ref->layers[0].y[0] = 0.1;
  f.ref->layers[0].y[1] = 0.3;
  f.ref->parameters[0] = 3;
  f.ref->parameters[1] = 7;
  sht__ref_forward(f.ref);
  double epsilon = (double)f.builder.nodes[norm].epsilon;
  assert_true(is_near(output(&f, norm, 0, 0, 0, 0), 7 - 3 * 0.1 / sqrt(0.01 + epsilon), 1e-12));
  assert_true(is_near(output(&f, norm, 1, 0, 0, 0), 7 + 3 * 0.1 / sqrt(0.01 + epsilon), 1e-12));
  f.ref->statistics[0] = 1;
  f.ref->statistics[1] = 4;
  sht__ref_batchnorm_settle(&f.ref->layers[norm]);
  double decay = (double)f.builder.nodes[norm].decay;
  assert_true(is_near(f.ref->statistics[0], decay + (1 - decay) * 0.2, exact));
  assert_true(is_near(f.ref->statistics[1], 4 * decay + (1 - decay) * 0.01, exact));
  f.ref->batch.training = false;
  sht__ref_forward(f.ref);
  double expected = (0.3 - f.ref->statistics[0]) / sqrt(f.ref->statistics[1] + epsilon) * 3 + 7;
  assert_true(is_near(output(&f, norm, 1, 0, 0, 0), expected, 1e-12));
  fixture_close(&f);
}

static void relu_keeps_what_is_positive_and_nan(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "relu", (sht_shape){4, 1, 1}, CLASSES);
  int relu = graph_relu(&f.builder, 0);
  fixture_open(&f, relu);
  f.ref->layers[0].y[1] = NAN;
  sht__ref_forward(f.ref);
  assert_true(is_near(output(&f, relu, 0, 0, 0, 0), 0.1, exact));
  assert_true(isnan(output(&f, relu, 0, 0, 0, 1)));
  assert_true(is_near(output(&f, relu, 0, 0, 0, 2), 0, 0));
  fixture_close(&f);
}

// All inputs negative: padding, were it zero, would win.
static void maxpool_padding_never_wins(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "maxpool", (sht_shape){1, 3, 3}, CLASSES);
  int pool = graph_maxpool(&f.builder, 0, (window){3, 1, 1, 1});
  fixture_open(&f, pool);
  for (uint64_t i = 0; i < 18; i++) {
    f.ref->layers[0].y[i] = -1 - (double)i;
  }
  sht__ref_forward(f.ref);
  assert_true(is_near(output(&f, pool, 0, 0, 0, 0), -1, 0));
  assert_true(is_near(output(&f, pool, 0, 2, 2, 0), -5, 0));
  fixture_close(&f);
}

static void maxpool_gives_ties_to_the_first(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "maxpool", (sht_shape){1, 2, 2}, CLASSES);
  int pool = graph_maxpool(&f.builder, 0, (window){2, 1, 0, 0});
  fixture_open(&f, pool);
  for (uint64_t i = 0; i < 8; i++) {
    f.ref->layers[0].y[i] = i == 0 ? 1 : 2;
  }
  f.ref->parameters[0] = 1;  // only the first class sees the maximum
  uint32_t correct = 0;
  sht__ref_forward(f.ref);
  (void)sht__ref_loss(f.ref, (uint16_t[]){0, 0}, true, &correct);
  sht__ref_backward(f.ref);
  const double *dx = f.ref->layers[0].dy;
  assert_true(dx[0] == 0 && dx[1] != 0 && dx[2] == 0 && dx[3] == 0);
  assert_true(dx[4] != 0 && dx[5] == 0 && dx[6] == 0 && dx[7] == 0);
  fixture_close(&f);
}

// The mean of ones is one, also at the border.
static void avgpool_does_not_count_padding(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "avgpool", (sht_shape){2, 4, 3}, CLASSES);
  int pool = graph_avgpool(&f.builder, 0, (window){3, 1, 1, 1});
  fixture_open(&f, pool);
  for (uint64_t i = 0; i < sht__ref_size(&f.ref->layers[0]); i++) {
    f.ref->layers[0].y[i] = i % 2 == 0 ? 1 : -3;
  }
  sht__ref_forward(f.ref);
  for (uint64_t i = 0; i < sht__ref_size(&f.ref->layers[pool]); i++) {
    assert_true(is_near(f.ref->layers[pool].y[i], i % 2 == 0 ? 1 : -3, exact));
  }
  fixture_close(&f);
}

// Channels 1, 2, 3, 4 with radius 1: the sum at the second is 1 + 4 + 9, at the last 9 + 16; alpha is not divided.
static void lrn_sums_squares_of_neighbours(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "lrn", (sht_shape){4, 1, 1}, CLASSES);
  int lrn = graph_lrn(&f.builder, 0, 1, 2, 0.5F, 0.75F);
  fixture_open(&f, lrn);
  for (uint64_t c = 0; c < 4; c++) {
    f.ref->layers[0].y[c] = (double)c + 1;
  }
  sht__ref_forward(f.ref);
  assert_true(is_near(output(&f, lrn, 0, 0, 0, 1), 2 / pow(2 + 0.5 * 14, 0.75), exact));
  assert_true(is_near(output(&f, lrn, 0, 0, 0, 3), 4 / pow(2 + 0.5 * 25, 0.75), exact));
  fixture_close(&f);
}

static void add_and_concat_join(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "join", (sht_shape){2, 2, 1}, CLASSES);
  int relu = graph_relu(&f.builder, 0);
  int add = graph_add(&f.builder, relu, 0);
  int concat = graph_concat(&f.builder, 3, (int[]){0, add, relu});
  fixture_open(&f, concat);
  sht__ref_forward(f.ref);
  for (uint64_t h = 0; h < 2; h++) {
    for (uint64_t c = 0; c < 2; c++) {
      double x = output(&f, 0, 1, h, 0, c);
      assert_true(is_near(output(&f, concat, 1, h, 0, c), x, 0));
      assert_true(is_near(output(&f, concat, 1, h, 0, 2 + c), x > 0 ? 2 * x : x, exact));
      assert_true(is_near(output(&f, concat, 1, h, 0, 4 + c), x > 0 ? x : 0, 0));
    }
  }
  fixture_close(&f);
}

// The masks are those that shatter/engine.h defines, and nothing is dropped in evaluation.
static void dropout_masks_are_addressed(void **state) {
  (void)state;
  fixture f;
  graph_start(&f.builder, "dropout", (sht_shape){9, 7, 5}, CLASSES);
  int dropout = graph_dropout(&f.builder, graph_relu(&f.builder, 0), 0.25F);
  fixture_open(&f, dropout);
  sht_rng rng = sht_rng_make(5, SHT_PURPOSE_DROPOUT);
  uint64_t dropped = 0;
  for (uint64_t i = 0; i < sht__ref_size(&f.ref->layers[0]); i++) {
    f.ref->layers[0].y[i] = 3;
  }
  sht__ref_forward(f.ref);
  for (uint32_t n = 0; n < EXAMPLES; n++) {
    for (uint32_t e = 0; e < 315; e++) {
      uint32_t words[4];
      sht_rng_block(rng, 6, (uint64_t)dropout << 32 | f.examples[n], e / 4, words);
      bool drop = words[e % 4] < 1U << 30;
      dropped += drop;
      assert_true(is_near(f.ref->layers[dropout].y[n * 315 + e], drop ? 0 : 4, exact));
    }
  }
  // 630 draws with p = 1/4: mean 157.5, deviation 10.9; four deviations.
  assert_in_range(dropped, 114, 201);
  f.ref->batch.training = false;
  sht__ref_forward(f.ref);
  for (uint64_t i = 0; i < sht__ref_size(&f.ref->layers[dropout]); i++) {
    assert_true(is_near(f.ref->layers[dropout].y[i], 3, 0));
  }
  fixture_close(&f);
}

// Logits (0, log 3): probabilities 1/4 and 3/4.
static void loss_is_cross_entropy(void **state) {
  (void)state;
  fixture f;
  uint32_t correct = 0;
  graph_start(&f.builder, "loss", (sht_shape){1, 1, 1}, CLASSES);
  fixture_open(&f, 0);
  f.ref->layers[0].y[0] = 1;
  f.ref->layers[0].y[1] = 1000;  // overflows exp unless the largest is taken out
  f.ref->parameters[1] = log(3);
  sht__ref_forward(f.ref);
  double sum = sht__ref_loss(f.ref, (uint16_t[]){0, 1}, true, &correct);
  assert_true(is_near(f.ref->losses[0], log(4), exact));
  assert_true(is_near(f.ref->losses[1], 0, exact));
  assert_true(is_near(sum, log(4), exact));
  assert_int_equal(correct, 1);
  assert_true(is_near(f.ref->layers[1].dy[0], (0.25 - 1) / 2, exact));
  assert_true(is_near(f.ref->layers[1].dy[1], 0.75 / 2, exact));
  fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolution_is_a_correlation),          cmocka_unit_test(stride_two_starts_at_the_first_pixel),
      cmocka_unit_test(linear_flattens_rows_columns_channels), cmocka_unit_test(batchnorm_uses_the_biased_variance),
      cmocka_unit_test(relu_keeps_what_is_positive_and_nan),   cmocka_unit_test(maxpool_padding_never_wins),
      cmocka_unit_test(maxpool_gives_ties_to_the_first),       cmocka_unit_test(avgpool_does_not_count_padding),
      cmocka_unit_test(lrn_sums_squares_of_neighbours),        cmocka_unit_test(add_and_concat_join),
      cmocka_unit_test(dropout_masks_are_addressed),           cmocka_unit_test(loss_is_cross_entropy),
  };
  return cmocka_run_group_tests_name("layers of the reference", tests, NULL, NULL);
}
