// The five networks of the paper and two residual ones, as shipped, and with dropout put before linear layers, on
// another engine against the reference: forward, every gradient tensor, and weights, momentum, running statistics and
// evaluation after three steps, the second of them with a smaller batch; and the same bits at any number of threads.
//
// Limits. fp32: each of the up to 21 convolutions and 20 normalisations in a row adds a relative error of about 1e-6
// (sums of 27 to 3136 products in float), so logits agree to 1e-5 or so. Gradients do worse: where a pre-activation
// lies nearer to zero than its error, or two elements of a window nearer to one another, that element's whole gradient
// comes or goes. Such a share s of the elements, about as large as the relative error, 1e-6, adds sqrt(s) = 1e-3 to the
// error in the norm. The same holds in bf16 with 2^-9 for each rounding: some 1 % in the logits for each ten layers,
// and a share of 1 % of all choices of each layer that come out differently, 10 % in the norm, over all layers a third.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the headers that it needs
#include <cmocka.h>

#include "engine_compare.h"

enum { BATCH = 24, EXAMPLES = 40, CLASSES = 10 };

typedef struct network {
  const char *name;
  limits fp32, bf16;
  float learning_rate;
  uint32_t side;   // of the images: small where the network is costly
  double dropout;  // 0: as the file says
} network;

// Forward passes agree to rounding. Gradients and what several steps make of them differ more with depth: where
// rounding moves an activation across zero, or another pixel wins a maximum, a whole term comes or goes, and each step
// passes it on. Minimal filtering has five times the rounding error of direct convolutions in fp32, so a share of such
// elements that is five times as large. Measured on AVX-512 (fp32, bf16), gradient: inception-nobn 5e-4, .04; inception
// .011, .4; state: alexnet 4e-6, .38; inception-nobn .005, .3; inception .1, .4.
static const network networks[] = {
    {"mlp-1x512", {1e-5, 1e-4, 1e-3}, {0.02, 0.1, 0.1}, 0.01F, 28, 0},
    {"mlp-3x512", {1e-5, 2e-4, 1e-3}, {0.03, 0.2, 0.2}, 0.01F, 28, 0},
    {"alexnet", {2e-5, 1e-3, 3e-3}, {0.05, 0.25, 0.6}, 0.01F, 28, 0},
    {"inception-nobn", {5e-5, 2e-3, 3e-2}, {0.1, 0.4, 0.6}, 0.01F, 28, 0},
    {"inception", {5e-5, 3e-2, 3e-1}, {0.1, 0.5, 0.8}, 0.05F, 28, 0},
    {"resnet18", {5e-5, 3e-2, 3e-1}, {0.1, 0.5, 0.8}, 0.005F, 8, 0},
    {"wrn-28-1", {5e-5, 3e-2, 3e-1}, {0.1, 0.5, 0.8}, 0.005F, 8, 0},
    {"mlp-3x512", {1e-5, 2e-4, 1e-3}, {0.03, 0.2, 0.2}, 0.01F, 8, 0.5},
    {"alexnet", {2e-5, 1e-3, 3e-3}, {0.05, 0.25, 0.6}, 0.002F, 12, 0.5},
    {"inception-small", {5e-5, 3e-2, 3e-1}, {0.1, 0.5, 0.8}, 0.01F, 8, 0.2},
};

// A network with its data and what the reference says.
typedef struct exam {
  const network *network;
  sht_graph *graph;
  engine_data data;
  trial trial;
  outcome expected;
} exam;

static void exam_open(exam *e, const network *n) {
  const uint32_t side = n->side;
  const sht_graph_options options = {
      .input = {3, side, side}, .classes = CLASSES, .set_dropout = n->dropout > 0, .dropout = n->dropout};
  sht_error error = {.message = ""};
  e->network = n;
  if (sht_graph_open(n->name, &options, &e->graph, &error) != SHT_OK) {
    fail_msg("%s: %s", n->name, error.message);
  }
  engine_data_open(&e->data, e->graph, EXAMPLES, 11);
  sht_step_rates rates = {n->learning_rate, 0.9F, 1e-3F};
  e->trial = (trial){.graph = e->graph, .data = &e->data, .batch = BATCH, .rates = rates, .seed = 7};
  if (trial_run(&e->trial, "ref", SHT_FP64, 2, &e->expected, &error) != SHT_OK) {
    fail_msg("%s: %s", n->name, error.message);
  }
}

static void exam_close(exam *e) {
  outcome_close(&e->expected);
  engine_data_close(&e->data);
  sht_graph_close(e->graph);
}

// Runs on 1, 2, 3, 4 and 8 threads: the first is judged, the others must have its bits.
static void check_precision(const exam *e, sht_precision precision, limits limit) {
  static const int threads[] = {2, 3, 4, 8};
  outcome one;
  sht_error error = {.message = ""};
  if (trial_run(&e->trial, "cpu", precision, 1, &one, &error) != SHT_OK) {
    fail_msg("%s: %s", e->network->name, error.message);
  }
  verdict v = outcome_compare(&e->trial, &one, &e->expected, limit);
  verdict_print(&v);
  assert_int_equal(v.failures, 0);
  for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
    outcome other;
    assert_int_equal(trial_run(&e->trial, "cpu", precision, threads[i], &other, NULL), SHT_OK);
    if (!outcome_same_bits(&e->trial, &other, &one)) {
      fail_msg("%s: %d threads give other bits than one", e->network->name, threads[i]);
    }
    outcome_close(&other);
  }
  outcome_close(&one);
}

// What any engine must do with the reference's own figures: the loss of untrained networks is near log 10 or above, it
// is finite, and three steps change it.
static void check_sense(const exam *e) {
  const outcome *o = &e->expected;
  assert_int_equal(o->steps, 3);
  assert_int_equal(o->metrics[1].count, EXAMPLES - BATCH);
  assert_true(o->gradient_metrics.loss_sum / BATCH > 0.8 * log(CLASSES));
  for (uint64_t i = 0; i < o->steps; i++) {
    assert_true(o->metrics[i].finite);
  }
  assert_true(norm_of_difference(o->logits, o->first_logits, EXAMPLES * CLASSES) > 0);
}

static void network_agrees(void **state) {
  exam e;
  char reason[SHT_ERROR_MESSAGE_MAX];
  exam_open(&e, *state);
  check_sense(&e);
  bool fp32 = backend_present("cpu", SHT_FP32, reason, sizeof reason);
  if (fp32) {
    check_precision(&e, SHT_FP32, e.network->fp32);
  }
  bool bf16 = fp32 && backend_present("cpu", SHT_BF16, reason, sizeof reason);
  if (bf16) {
    check_precision(&e, SHT_BF16, e.network->bf16);
  }
  exam_close(&e);
  if (!bf16) {
    print_message("SKIP %s: %s\n", fp32 ? "bf16" : "cpu", reason);
    skip();
  }
}

int main(void) {
  struct CMUnitTest tests[sizeof networks / sizeof networks[0]];
  for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
    tests[i] = (struct CMUnitTest){networks[i].name, network_agrees, NULL, NULL, (void *)&networks[i]};
  }
  return cmocka_run_group_tests_name("networks against the reference", tests, NULL, NULL);
}
