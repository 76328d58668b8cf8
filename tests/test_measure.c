// Measuring whole networks: margins, what an untrained network has, threads, stopping, and files of weights that are
// missing, cut off, of another model or not finite.
#include <math.h>

#include "measure/trained.h"
#include "shatter/measure.h"
#include "train_fixture.h"

// ---- margins

static void percentiles_of_a_known_sample(void **state) {
  (void)state;
  enum { N = 20 };
  float logits[N * 3];
  uint16_t labels[N];
  double margins[SHT_MARGIN_QUANTILES];
  for (int i = 0; i < N; i++) {  // margins 19, 18 .. 0, above the second largest logit, which changes places
    labels[i] = (uint16_t)(i % 3);
    logits[3 * i + labels[i]] = (float)(N - 1 - i + 5);
    logits[3 * i + (i + 1) % 3] = i % 2 == 0 ? 5 : -7;
    logits[3 * i + (i + 2) % 3] = i % 2 == 0 ? -7 : 5;
  }
  assert_int_equal(sht__margins_measure(logits, labels, N, 3, margins, NULL), SHT_OK);
  assert_true(margins[0] == 0 && margins[1] == 1 && margins[2] == 9);
  assert_int_equal(sht__margins_measure(logits, labels, 1, 3, margins, NULL), SHT_OK);
  assert_true(margins[0] == 19 && margins[1] == 19 && margins[2] == 19);
  labels[0] = 1;  // 5 where the largest is 24
  assert_int_equal(sht__margins_measure(logits, labels, N, 3, margins, NULL), SHT_OK);
  assert_true(margins[0] == -19 && margins[1] == 0 && margins[2] == 8);
  assert_int_equal(sht__margins_measure(logits, labels, 19, 3, margins, NULL), SHT_OK);  // 5 % of 19: one
  assert_true(margins[0] == -19 && margins[1] == 1 && margins[2] == 9);
}

// ---- networks

// Weights of the configuration's network before training, the first of them `value` if that is not 0, as `path`.
static void write_weights(const sht_config *config, float value, const char *path) {
  sht_session session;
  sht_error error = {.message = ""};
  float *weights = NULL;
  fixture_ok(sht__session_open(config, NULL, &session, &error), &error);
  const uint64_t count = session.graph->parameter_count;
  fixture_ok(SHT_ALLOC(&weights, count, "weights", &error), &error);
  fixture_ok(sht_engine_get(session.engine, SHT_STATE_PARAMETERS, weights, count, &error), &error);
  weights[0] = value == 0 ? weights[0] : value;
  fixture_ok(sht_engine_put(session.engine, SHT_STATE_PARAMETERS, weights, count, &error), &error);
  fixture_ok(sht__session_write_weights(&session, path, &error), &error);
  sht_free(weights);
  sht__session_close(&session);
}

// The fixture's configuration and weights in the test's folder.
typedef struct network {
  sht_config config;
  char weights[FIXTURE_PATH * 2];
  sht_measured measured;
} network;

static void make_network(void *const *state, float value, network *out) {
  out->config = fixture_config(*state);
  (void)snprintf(out->weights, sizeof out->weights, "%s/weights.safetensors", (const char *)*state);
  write_weights(&out->config, value, out->weights);
  out->measured = (sht_measured){.config = &out->config, .weights = out->weights};
}

static sht_measures measure(const network *n, const sht_measure_options *options) {
  sht_measures out;
  sht_error error = {.message = ""};
  fixture_ok(sht_measure(&n->measured, options, NULL, &out, &error), &error);
  return out;
}

static void an_untrained_network_has_not_moved(void **state) {
  network n;
  const sht_measure_options quick = {.sharpness = false};
  make_network(state, 0, &n);
  sht_measures m = measure(&n, &quick);
  assert_int_equal(m.examples, FIXTURE_TRAIN);
  assert_int_equal(m.test_examples, 20);
  assert_true(m.distance == 0 && m.norm > 0 && m.spectral_complexity == 0 && m.lipschitz > 0 && m.path_norm > 0);
  assert_true(m.is_chain);
  assert_int_equal(m.layer_count, 2);  // the normalisation is part of the convolution
  double product = 1;
  for (uint32_t i = 0; i < m.layer_count; i++) {
    const sht_measure_layer *layer = &m.layers[i];
    assert_true(layer->distance == 0 && layer->two_one == 0 && layer->spectral == layer->initial_spectral);
    assert_true(layer->spectral > 0 && layer->norm > 0);
    product *= layer->spectral;
  }
  assert_true(fabs(m.lipschitz - product) <= 1e-12 * product);
  assert_true(isnan(m.sharpness) && isnan(m.relative_sharpness) && isnan(m.divergence) && isnan(m.pac_bayes_bound));
  sht_measures_close(&m);
}

static void threads_do_not_matter(void **state) {
  network n;
  const sht_measure_options options = {.sharpness = true, .sharpness_examples = 30};
  make_network(state, 0.5F, &n);
  sht_measures one = measure(&n, &options);
  n.config.threads = 3;
  sht_measures three = measure(&n, &options);
  assert_int_equal(one.sharpness_examples, 30);
  assert_true(one.distance > 0);
  assert_memory_equal(one.layers, three.layers, one.layer_count * sizeof *one.layers);
  sht_measure_layer *layers = three.layers;
  three.layers = one.layers;
  assert_memory_equal(&one, &three, sizeof one);
  three.layers = layers;
  sht_measures_close(&one);
  sht_measures_close(&three);
}

// Asked again and again: each question may be the one that is answered with yes.
static void work_stops_when_asked(void **state) {
  network n;
  const sht_measure_options options = {.sharpness = true, .sharpness_examples = 20};
  make_network(state, 0, &n);
  for (uint64_t at = 1; at <= 64; at *= 2) {
    fixture_watch watch = {.stop_at = at};
    const sht_work work = {.context = &watch, .stop_requested = fixture_stop_requested};
    sht_measures m;
    assert_int_equal(sht_measure(&n.measured, &options, &work, &m, NULL), SHT_STOPPED);
    assert_null(m.layers);
    assert_int_equal(watch.asked, at);
  }
}

static void one_example_is_enough(void **state) {
  network n;
  const sht_measure_options options = {.sharpness = true};
  n.config = fixture_config(*state);
  (void)snprintf(n.config.data, sizeof n.config.data, "shapes:1,1");
  n.config.batch = 1;
  (void)snprintf(n.weights, sizeof n.weights, "%s/weights.safetensors", (const char *)*state);
  write_weights(&n.config, 0, n.weights);
  n.measured = (sht_measured){.config = &n.config, .weights = n.weights};
  sht_measures m = measure(&n, &options);
  assert_int_equal(m.examples, 1);
  assert_true(m.margins[0] == m.margins[2] && m.data_norm > 0);
  sht_measures_close(&m);
}

// A network whose weights are all zero: it is constant.
static void zero_weights_are_no_fault(void **state) {
  network n;
  const sht_measure_options options = {.sharpness = true};
  static const char zeros[] =
      "layers:\n  - conv: {filters: 2, kernel: 3, stride: 4, init: {constant: 0}}\n  - relu\n"
      "  - linear: {units: classes, init: {constant: 0}}\n";
  n.config = fixture_config(*state);
  fixture_write(n.config.model, zeros, sizeof zeros - 1);
  (void)snprintf(n.weights, sizeof n.weights, "%s/weights.safetensors", (const char *)*state);
  write_weights(&n.config, 0, n.weights);
  n.measured = (sht_measured){.config = &n.config, .weights = n.weights};
  sht_measures m = measure(&n, &options);
  assert_true(m.norm == 0 && m.lipschitz == 0 && m.path_norm == 0 && m.spectral_complexity == 0);
  assert_true(m.margins[0] == 0 && m.margins[2] == 0 && isnan(m.spectral_bound));
  sht_measures_close(&m);
}

// ---- files

static void check_refused(const network *n, sht_status wanted, const char *words) {
  const sht_measure_options quick = {.sharpness = false};
  sht_measures m;
  sht_measure_difference difference;
  sht_error error = {.message = ""};
  assert_int_equal(sht_measure(&n->measured, &quick, NULL, &m, &error), wanted);
  if (strstr(error.message, words) == NULL || strstr(error.message, n->weights) == NULL) {
    fail_msg("\"%s\" says nothing of \"%s\" and the file", error.message, words);
  }
  assert_int_equal(sht_measure_compare(&n->measured, &n->measured, NULL, &difference, &error), wanted);
}

static void bad_files_are_named(void **state) {
  network n;
  make_network(state, NAN, &n);
  check_refused(&n, SHT_DATA, "not finite");
  make_network(state, INFINITY, &n);
  check_refused(&n, SHT_DATA, "not finite");
  size_t size = 0;
  char *bytes = fixture_read(n.weights, &size);
  for (size_t keep = 0; keep < size; keep += size / 7) {
    fixture_write(n.weights, bytes, keep);
    check_refused(&n, SHT_DATA, "");
  }
  free(bytes);
  assert_int_equal(unlink(n.weights), 0);
  check_refused(&n, SHT_MISSING, "");
}

static void weights_of_other_models_are_named(void **state) {
  static const char wider[] =
      "layers:\n  - conv: {filters: 7, kernel: 3, stride: 4, bias: false}\n  - batchnorm\n"
      "  - linear: {units: classes}\n",
                    deeper[] =
                        "layers:\n  - conv: {filters: 6, kernel: 3, stride: 4, bias: false}\n  - batchnorm\n"
                        "  - linear: {units: 10}\n  - relu\n  - linear: {name: second, units: classes}\n";
  network n;
  make_network(state, 0, &n);
  fixture_write(n.config.model, wider, sizeof wider - 1);
  check_refused(&n, SHT_DATA,
                "conv.weight\" has 162 elements of F32, expected 189 of F32: these are not weights of the model tiny");
  fixture_write(n.config.model, deeper, sizeof deeper - 1);
  check_refused(&n, SHT_DATA, "no tensor \"linear1.weight\": these are not weights of the model tiny");
}

// ---- two networks

static void networks_are_compared_on_the_same_tests(void **state) {
  network one, other;
  sht_measure_difference d;
  sht_error error = {.message = ""};
  make_network(state, 0, &one);
  fixture_ok(sht_measure_compare(&one.measured, &one.measured, NULL, &d, &error), &error);
  assert_int_equal(d.test_examples, 20);
  assert_true(d.distance == 0 && d.loss_mean == 0 && d.loss_max == 0 && d.disagreement == 0);
  other = one;
  (void)snprintf(other.weights, sizeof other.weights, "%s/other.safetensors", (const char *)*state);
  write_weights(&other.config, 50, other.weights);
  other.measured = (sht_measured){.config = &other.config, .weights = other.weights};
  fixture_ok(sht_measure_compare(&one.measured, &other.measured, NULL, &d, &error), &error);
  assert_true(d.distance > 49 && d.distance < 51 && d.loss_max >= d.loss_mean && d.loss_mean > 0);
  // A part of the training set, drawn otherwise, and labels at random: the tests are the same.
  (void)snprintf(other.config.labels, sizeof other.config.labels, "true");
  other.config.train_size = 50;
  fixture_ok(sht_measure_compare(&one.measured, &other.measured, NULL, &d, &error), &error);
  // The same labels, of pixels in another order.
  (void)snprintf(other.config.pixels, sizeof other.config.pixels, "shuffled");
  assert_int_equal(sht_measure_compare(&one.measured, &other.measured, NULL, &d, &error), SHT_USAGE);
  (void)snprintf(other.config.pixels, sizeof other.config.pixels, "true");
  // Shapes of another seed are other pictures.
  other.config.seed = 2;
  assert_int_equal(sht_measure_compare(&one.measured, &other.measured, NULL, &d, &error), SHT_USAGE);
  other.config.seed = one.config.seed;
  other.config.test_size = 10;
  assert_int_equal(sht_measure_compare(&one.measured, &other.measured, NULL, &d, &error), SHT_USAGE);
  assert_non_null(strstr(error.message, "--test-size"));
}

// Crops read around the window in training; what is tested is the window itself.
static void augmentation_changes_no_tests(void **state) {
  network one, other;
  sht_measure_difference d;
  sht_error error = {.message = ""};
  make_network(state, 0, &one);
  other = one;
  other.measured.config = &other.config;
  (void)snprintf(other.config.augment, sizeof other.config.augment, "crop:2,flip");
  fixture_ok(sht_measure_compare(&one.measured, &other.measured, NULL, &d, &error), &error);
  assert_true(d.loss_max == 0);
  const sht_measure_options options = {.sharpness = true, .sharpness_examples = 20};
  sht_measures plain = measure(&one, &options), augmented = measure(&other, &options);
  assert_true(plain.train_accuracy == augmented.train_accuracy && plain.margins[1] == augmented.margins[1]);
  assert_true(plain.data_norm == augmented.data_norm);
  assert_true(plain.sharpness == augmented.sharpness || (isnan(plain.sharpness) && isnan(augmented.sharpness)));
  sht_measures_close(&plain);
  sht_measures_close(&augmented);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(percentiles_of_a_known_sample),
      TEST(an_untrained_network_has_not_moved),
      TEST(threads_do_not_matter),
      TEST(work_stops_when_asked),
      TEST(one_example_is_enough),
      TEST(zero_weights_are_no_fault),
      TEST(bad_files_are_named),
      TEST(weights_of_other_models_are_named),
      TEST(networks_are_compared_on_the_same_tests),
      TEST(augmentation_changes_no_tests),
  };
  return cmocka_run_group_tests_name("measure", tests, NULL, NULL);
}
