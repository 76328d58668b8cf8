// Runs one graph on one engine and keeps everything it says; compares that with what another engine said.
//
// The error of a tensor is ||a - b|| / ||b|| in the 2-norm: rounding errors of a sum are relative to its terms, so
// single elements that nearly cancel say nothing. A tensor of less than 3 % of all gradients' norm is itself such a
// difference of larger terms (a bias before a batch normalisation has gradient 0) and is measured against that.
// Comparisons are written so that NaN fails.
#ifndef SHT_TESTS_ENGINE_COMPARE_H
#define SHT_TESTS_ENGINE_COMPARE_H

#include <stdio.h>

#include "engine_graphs.h"
#include "shatter/engine.h"

enum { TRIAL_STEPS_MAX = 8 };

// What is run: the gradient of the first batch; an evaluation; all steps of epoch 0 (the last is smaller) and the first
// step of epoch 1; an evaluation.
typedef struct trial {
  const sht_graph *graph;
  const engine_data *data;  // at most TRIAL_STEPS_MAX - 1 batches
  uint32_t batch;
  sht_step_rates rates;
  uint64_t seed;
} trial;

typedef struct outcome {
  sht_step_metrics gradient_metrics;
  sht_step_metrics metrics[TRIAL_STEPS_MAX];
  uint64_t steps;
  float *gradients;     // [P] of the first batch, before any step
  float *first_logits;  // [N][K] before any step
  float *parameters;    // [P] after all steps
  float *momentum;      // [P]
  float *statistics;    // [S]
  float *logits;        // [N][K] after all steps
  float *losses;        // [N]
  sht_engine_info info;
} outcome;

static inline void *outcome_array(uint64_t count) {
  void *block = calloc(count + 1, sizeof(float));
  assert(block != NULL);
  return block;
}

static inline void outcome_close(outcome *o) {
  float *arrays[] = {o->gradients, o->first_logits, o->parameters, o->momentum, o->statistics, o->logits, o->losses};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
    free(arrays[i]);
  }
}

static inline sht_status trial_put_state(const trial *t, sht_engine *engine, outcome *o, sht_error *error) {
  graph_fill_parameters(t->graph, t->seed, o->parameters);
  for (int i = 0; i < t->graph->node_count; i++) {
    const sht_node *node = &t->graph->nodes[i];
    for (uint32_t c = 0; node->statistics >= 0 && c < node->out.channels; c++) {
      o->statistics[node->statistics + c] = 0.25F;
      o->statistics[node->statistics + node->out.channels + c] = 1.5F;
    }
  }
  SHT_TRY(sht_engine_put(engine, SHT_STATE_PARAMETERS, o->parameters, t->graph->parameter_count, error));
  SHT_TRY(sht_engine_put(engine, SHT_STATE_MOMENTUM, o->momentum, t->graph->parameter_count, error));
  return sht_engine_put(engine, SHT_STATE_STATISTICS, o->statistics, t->graph->statistic_count, error);
}

static inline sht_status trial_gradient(const trial *t, sht_engine *engine, outcome *o, sht_error *error) {
  uint32_t examples[1024];
  assert(t->batch <= 1024 && t->batch <= t->data->split.count);
  for (uint32_t i = 0; i < t->batch; i++) {
    examples[i] = t->batch - 1 - i;
  }
  SHT_TRY(sht_engine_gradient(engine, &t->data->pipeline, examples, t->batch, &o->gradient_metrics, error));
  return sht_engine_get(engine, SHT_STATE_GRADIENTS, o->gradients, t->graph->parameter_count, error);
}

static inline sht_status trial_train(const trial *t, sht_engine *engine, outcome *o, sht_error *error) {
  uint64_t steps = (t->data->split.count + t->batch - 1) / t->batch;
  uint64_t done = 0;
  assert(steps < TRIAL_STEPS_MAX);
  SHT_TRY(sht_engine_train(engine, &t->data->pipeline, 0, 0, steps, &t->rates, o->metrics, &done, error));
  o->steps = done;
  if (done < steps) {
    return SHT_OK;
  }
  SHT_TRY(sht_engine_train(engine, &t->data->pipeline, 1, 0, 1, &t->rates, o->metrics + steps, &done, error));
  o->steps += done;
  return SHT_OK;
}

static inline sht_status trial_run_on(const trial *t, sht_engine *engine, outcome *o, sht_error *error) {
  const sht_pipeline *data = &t->data->pipeline;
  const uint64_t count = t->data->split.count;
  SHT_TRY(trial_put_state(t, engine, o, error));
  SHT_TRY(trial_gradient(t, engine, o, error));
  SHT_TRY(sht_engine_evaluate(engine, data, 0, count, o->first_logits, NULL, error));
  SHT_TRY(trial_train(t, engine, o, error));
  SHT_TRY(sht_engine_evaluate(engine, data, 0, count, o->logits, o->losses, error));
  SHT_TRY(sht_engine_get(engine, SHT_STATE_PARAMETERS, o->parameters, t->graph->parameter_count, error));
  SHT_TRY(sht_engine_get(engine, SHT_STATE_MOMENTUM, o->momentum, t->graph->parameter_count, error));
  return sht_engine_get(engine, SHT_STATE_STATISTICS, o->statistics, t->graph->statistic_count, error);
}

// Fills *o, which the caller closes with outcome_close in any case.
static inline sht_status trial_run(const trial *t, const char *backend, sht_precision precision, int threads,
                                   outcome *o, sht_error *error) {
  const uint64_t count = t->data->split.count;
  *o = (outcome){
      .gradients = outcome_array(t->graph->parameter_count),
      .first_logits = outcome_array(count * t->graph->classes),
      .parameters = outcome_array(t->graph->parameter_count),
      .momentum = outcome_array(t->graph->parameter_count),
      .statistics = outcome_array(t->graph->statistic_count),
      .logits = outcome_array(count * t->graph->classes),
      .losses = outcome_array(count),
  };
  sht_engine_options options = {.backend = backend,
                                .precision = precision,
                                .threads = threads,
                                .batch = t->batch,
                                .seed = t->seed,
                                .train_examples = count};
  sht_engine *engine = NULL;
  SHT_TRY(sht_engine_open(t->graph, &options, &engine, error));
  sht_engine_describe(engine, &o->info);
  sht_status status = trial_run_on(t, engine, o, error);
  sht_engine_close(engine);
  return status;
}

// Largest relative errors that pass.
typedef struct limits {
  double forward;   // logits and losses before any step
  double gradient;  // each tensor of the first batch's gradient
  double state;     // after the steps: each tensor of weights, momentum and statistics, and the logits and losses
} limits;

typedef struct verdict {
  const char *name;
  limits limit;
  limits worst;  // errors found
  int failures;
  char first_failure[256];
} verdict;

static inline double norm_of_difference(const float *a, const float *b, uint64_t count) {
  double sum = 0;
  for (uint64_t i = 0; i < count; i++) {
    double difference = (double)a[i] - (b == NULL ? 0 : (double)b[i]);
    sum += difference * difference;
  }
  return sqrt(sum);
}

static inline void verdict_fail(verdict *v, const char *what, double found, double limit) {
  if (v->failures++ == 0) {
    (void)snprintf(v->first_failure, sizeof v->first_failure, "%s: %.3g, at most %.3g allowed", what, found, limit);
  }
}

static inline void judge(verdict *v, const char *what, const float *a, const float *b, uint64_t count, double floor,
                         double limit, double *worst) {
  double size = norm_of_difference(b, NULL, count);
  double error = norm_of_difference(a, b, count);
  error = error == 0 ? 0 : error / fmax(size, floor);
  if (!(error <= limit)) {
    verdict_fail(v, what, error, limit);
  }
  *worst = error <= *worst ? *worst : error;  // NaN stays
}

static inline void judge_tensors(verdict *v, const trial *t, const char *what, const float *a, const float *b,
                                 double limit, double *worst) {
  double all = norm_of_difference(b, NULL, t->graph->parameter_count);
  for (int i = 0; i < t->graph->parameter_tensors; i++) {
    const sht_parameter *tensor = &t->graph->parameters[i];
    char label[160];
    (void)snprintf(label, sizeof label, "%s of %s", what, tensor->name);
    judge(v, label, a + tensor->offset, b + tensor->offset, tensor->count, 0.03 * all, limit, worst);
  }
}

// Mean and variance of a layer together: the mean alone may be near zero.
static inline void judge_statistics(verdict *v, const trial *t, const outcome *a, const outcome *b) {
  for (int i = 0; i < t->graph->node_count; i++) {
    const sht_node *node = &t->graph->nodes[i];
    if (node->statistics >= 0) {
      judge(v, node->name, a->statistics + node->statistics, b->statistics + node->statistics,
            2 * (uint64_t)node->out.channels, 0, v->limit.state, &v->worst.state);
    }
  }
}

// Examples whose two largest logits are as near as the error may change sides: 1 in 16 and one more.
static inline void judge_metrics(verdict *v, const char *what, const sht_step_metrics *a, const sht_step_metrics *b,
                                 double limit, double *worst) {
  float loss[2] = {(float)a->loss_sum, (float)b->loss_sum};
  judge(v, what, &loss[0], &loss[1], 1, 0, limit, worst);
  if (a->count != b->count || a->finite != b->finite) {
    verdict_fail(v, "examples of a step, or whether it was finite", a->count, b->count);
  }
  double moved = fabs((double)a->correct - (double)b->correct);
  if (!(moved <= 1 + b->count / 16.0)) {
    verdict_fail(v, "correct examples that changed", moved, 1 + b->count / 16.0);
  }
}

// Compares `a` with `b`, the judge's.
static inline verdict outcome_compare(const trial *t, const outcome *a, const outcome *b, limits limit) {
  verdict v = {.name = t->graph->name, .limit = limit};
  const uint64_t count = t->data->split.count;
  const uint64_t logits = count * t->graph->classes;
  judge(&v, "first logits", a->first_logits, b->first_logits, logits, 0, limit.forward, &v.worst.forward);
  judge_metrics(&v, "first loss", &a->gradient_metrics, &b->gradient_metrics, limit.forward, &v.worst.forward);
  judge_tensors(&v, t, "gradient", a->gradients, b->gradients, limit.gradient, &v.worst.gradient);
  if (a->steps != b->steps) {
    verdict_fail(&v, "steps", (double)a->steps, (double)b->steps);
  }
  for (uint64_t i = 0; i < b->steps && i < a->steps; i++) {
    judge_metrics(&v, "loss of a step", &a->metrics[i], &b->metrics[i], limit.state, &v.worst.state);
  }
  judge_tensors(&v, t, "weights", a->parameters, b->parameters, limit.state, &v.worst.state);
  judge_tensors(&v, t, "momentum", a->momentum, b->momentum, limit.state, &v.worst.state);
  judge_statistics(&v, t, a, b);
  judge(&v, "last logits", a->logits, b->logits, logits, 0, limit.state, &v.worst.state);
  judge(&v, "last losses", a->losses, b->losses, count, 0, limit.state, &v.worst.state);
  return v;
}

static inline void verdict_print(const verdict *v) {
  printf("  %-32s forward %8.2g of %.0e  gradient %8.2g of %.0e  state %8.2g of %.0e%s%s\n", v->name, v->worst.forward,
         v->limit.forward, v->worst.gradient, v->limit.gradient, v->worst.state, v->limit.state,
         v->failures == 0 ? "" : "  FAILED ", v->first_failure);
}

// Whether two outcomes are the same bits.
static inline bool outcome_same_bits(const trial *t, const outcome *a, const outcome *b) {
  const uint64_t parameters = t->graph->parameter_count * sizeof(float);
  const uint64_t count = t->data->split.count * sizeof(float);
  bool same = a->steps == b->steps;
  for (uint64_t i = 0; i < a->steps && same; i++) {
    same = memcmp(&a->metrics[i].loss_sum, &b->metrics[i].loss_sum, sizeof(double)) == 0 &&
           a->metrics[i].correct == b->metrics[i].correct;
  }
  return same && memcmp(a->gradients, b->gradients, parameters) == 0 &&
         memcmp(a->parameters, b->parameters, parameters) == 0 && memcmp(a->momentum, b->momentum, parameters) == 0 &&
         memcmp(a->statistics, b->statistics, t->graph->statistic_count * sizeof(float)) == 0 &&
         memcmp(a->first_logits, b->first_logits, count * t->graph->classes) == 0 &&
         memcmp(a->logits, b->logits, count * t->graph->classes) == 0 && memcmp(a->losses, b->losses, count) == 0;
}

// Whether the backend can be had at all on this machine; the reason otherwise.
static inline bool backend_present(const char *backend, sht_precision precision, char *reason, size_t size) {
  graph_builder b;
  graph_start(&b, "probe", (sht_shape){2, 1, 1}, 2);
  (void)graph_linear(&b, 0, 2, true);
  sht_engine_options options = {
      .backend = backend, .precision = precision, .threads = 1, .batch = 2, .train_examples = 2};
  sht_engine *engine = NULL;
  sht_error error;
  sht_status status = sht_engine_open(graph_finish(&b), &options, &engine, &error);
  sht_engine_close(engine);
  (void)snprintf(reason, size, "%s", status == SHT_OK ? "" : error.message);
  return status != SHT_UNAVAILABLE;
}

#endif
