// The networks as shipped, with data and what the reference says of them: what engines are judged on.
#ifndef SHT_TESTS_NETWORK_EXAM_H
#define SHT_TESTS_NETWORK_EXAM_H

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

static inline void exam_open(exam *e, const network *n) {
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
  if (trial_run(&e->trial, "ref", SHT_FP64, 0, &e->expected, &error) != SHT_OK) {
    fail_msg("%s: %s", n->name, error.message);
  }
}

static inline void exam_close(exam *e) {
  outcome_close(&e->expected);
  engine_data_close(&e->data);
  sht_graph_close(e->graph);
}

// What any engine must do with the reference's own figures: the loss of untrained networks is near log 10 or above, it
// is finite, and three steps change it.
static inline void check_sense(const exam *e) {
  const outcome *o = &e->expected;
  assert_int_equal(o->steps, 3);
  assert_int_equal(o->metrics[1].count, EXAMPLES - BATCH);
  assert_true(o->gradient_metrics.loss_sum / BATCH > 0.8 * log(CLASSES));
  for (uint64_t i = 0; i < o->steps; i++) {
    assert_true(o->metrics[i].finite);
  }
  assert_true(norm_of_difference(o->logits, o->first_logits, EXAMPLES * CLASSES) > 0);
}

#endif
