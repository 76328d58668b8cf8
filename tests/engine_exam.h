// Runs the table of engine_cases.h on an engine and judges what it says against the reference.
//
// The layer stands between a 1x1 convolution and a linear layer, so that the first one's gradient shows the layer's
// input gradient.
#ifndef SHT_TESTS_ENGINE_EXAM_H
#define SHT_TESTS_ENGINE_EXAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// after the headers that it needs
#include <cmocka.h>

#include "engine_cases.h"
#include "engine_compare.h"

enum { BATCH = 13, EXAMPLES = 31, CLASSES = 5 };  // the last batch has 5 examples

// A case with its graph, its data and what the reference says.
typedef struct exam {
  graph_builder builder;
  engine_data data;
  trial trial;
  outcome expected;
} exam;

static inline void exam_open_batch(exam *e, const engine_case *c, uint32_t examples, uint32_t batch) {
  graph_start(&e->builder, c->name, c->shape, CLASSES);
  int first = graph_conv(&e->builder, 0, c->shape.channels, (window){1, 1, 0, 0}, true);
  (void)graph_linear(&e->builder, c->build(&e->builder, first), CLASSES, true);
  const sht_graph *graph = graph_finish(&e->builder);
  engine_data_open(&e->data, graph, examples, 11);
  e->trial = (trial){.graph = graph, .data = &e->data, .batch = batch, .rates = {0.05F, 0.9F, 1e-3F}, .seed = 7};
  sht_error error = {.message = ""};
  if (trial_run(&e->trial, "ref", SHT_FP64, 1, &e->expected, &error) != SHT_OK) {
    fail_msg("%s: %s", c->name, error.message);
  }
}

static inline void exam_open(exam *e, const engine_case *c) { exam_open_batch(e, c, EXAMPLES, BATCH); }

static inline void exam_close(exam *e) {
  outcome_close(&e->expected);
  engine_data_close(&e->data);
}

// Failures of all cases together, so that one run shows them all.
static inline int judge_backend(const char *backend, sht_precision precision, limits layer, limits network) {
  int failures = 0;
  for (size_t i = 0; i < ENGINE_CASES; i++) {
    exam e;
    outcome found;
    sht_error error = {.message = ""};
    exam_open(&e, &engine_cases[i]);
    if (trial_run(&e.trial, backend, precision, 2, &found, &error) == SHT_OK) {
      // Wide 3x3 layers go by minimal filtering, which rounds five times as coarsely as a direct convolution.
      bool coarse = engine_cases[i].network || engine_cases[i].wide;
      verdict v = outcome_compare(&e.trial, &found, &e.expected, coarse ? network : layer);
      verdict_print(&v);
      failures += v.failures;
    } else {
      printf("  %-32s FAILED %s\n", engine_cases[i].name, error.message);
      failures++;
    }
    outcome_close(&found);
    exam_close(&e);
  }
  return failures;
}

static inline void skip_unless_present(const char *backend, sht_precision precision) {
  char reason[SHT_ERROR_MESSAGE_MAX];
  if (!backend_present(backend, precision, reason, sizeof reason)) {
    print_message("SKIP: %s\n", reason);
    skip();
  }
}

#endif
