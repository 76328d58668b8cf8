// Steps, gradients and evaluation of the reference engine.
#include <math.h>

#include "engine/ref/ref.h"

// Fetches the examples of a batch and sets them up as the input of the network.
static void load_batch(sht__ref *ref, const sht_pipeline *data, uint32_t epoch, const uint32_t *examples, uint32_t n,
                       bool training) {
  ref->batch.n = n;
  ref->batch.training = training;
  ref->batch.epoch = epoch;
  ref->batch.examples = examples;
  sht_pipeline_fill(data, epoch, examples, n, ref->pixels, ref->labels);
  for (uint64_t i = 0; i < sht__ref_size(&ref->layers[0]); i++) {
    ref->layers[0].y[i] = (double)ref->pixels[i];
  }
}

static void compute_gradients(sht__ref *ref, sht_step_metrics *metrics) {
  sht__ref_forward(ref);
  metrics->count = ref->batch.n;
  metrics->loss_sum = sht__ref_loss(ref, ref->labels, true, &metrics->correct);
  metrics->finite = isfinite(metrics->loss_sum);
  sht__ref_backward(ref);
}

// State as a float can hold it.
static double stored(const sht__ref *ref, double value) {
  return ref->precision == SHT_FP32 ? (double)(float)value : value;
}

// v <- momentum * v + (g + weight_decay * w); w <- w - learning_rate * v. False: a weight is no longer finite.
static bool update_tensor(sht__ref *ref, const sht_parameter *tensor, const sht_step_rates *rates) {
  const double decay = tensor->weight_decay ? (double)rates->weight_decay : 0;
  bool finite = true;
  for (uint64_t i = tensor->offset; i < tensor->offset + tensor->count; i++) {
    double *v = &ref->momentum[i];
    double *w = &ref->parameters[i];
    *v = stored(ref, (double)rates->momentum * *v + (ref->gradients[i] + decay * *w));
    *w = stored(ref, *w - (double)rates->learning_rate * *v);
    finite = finite && isfinite(*w);
  }
  return finite;
}

static bool update(sht__ref *ref, const sht_step_rates *rates) {
  const sht_graph *graph = ref->base.graph;
  bool finite = true;
  for (int i = 0; i < graph->parameter_tensors; i++) {
    finite = update_tensor(ref, &graph->parameters[i], rates) && finite;
  }
  for (int i = 0; i < graph->node_count; i++) {
    if (graph->nodes[i].op == SHT_OP_BATCHNORM) {
      sht__ref_batchnorm_settle(&ref->layers[i]);
    }
  }
  for (uint64_t i = 0; i < graph->statistic_count; i++) {
    ref->statistics[i] = stored(ref, ref->statistics[i]);
  }
  return finite;
}

static void know_order(sht__ref *ref, uint32_t epoch) {
  if (!ref->order_known || ref->order_epoch != epoch) {
    sht_order_fill(ref->seed, epoch, (uint32_t)ref->base.train_examples, ref->order, ref->order_scratch);
    ref->order_epoch = epoch;
    ref->order_known = true;
  }
}

sht_status sht__ref_train(sht_engine *engine, const sht_pipeline *train, uint32_t epoch, uint64_t first, uint64_t count,
                          const sht_step_rates *rates, sht_step_metrics *metrics, uint64_t *done, sht_error *error) {
  (void)error;
  sht__ref *ref = (sht__ref *)engine;
  know_order(ref, epoch);
  for (uint64_t step = first; step < first + count; step++) {
    uint64_t start = step * engine->batch;
    uint64_t left = engine->train_examples - start;
    uint32_t n = left < engine->batch ? (uint32_t)left : engine->batch;
    load_batch(ref, train, epoch, ref->order + start, n, true);
    compute_gradients(ref, metrics);
    metrics->finite = update(ref, rates) && metrics->finite;
    (*done)++;
    if (!metrics->finite) {
      break;
    }
    metrics++;
  }
  return SHT_OK;
}

sht_status sht__ref_gradient(sht_engine *engine, const sht_pipeline *data, const uint32_t *examples, uint32_t n,
                             sht_step_metrics *metrics, sht_error *error) {
  (void)error;
  sht__ref *ref = (sht__ref *)engine;
  load_batch(ref, data, 0, examples, n, true);
  compute_gradients(ref, metrics);
  return SHT_OK;
}

static void evaluate_batch(sht__ref *ref, const sht_pipeline *data, uint64_t first, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    ref->examples[i] = (uint32_t)(first + i);
  }
  load_batch(ref, data, 0, ref->examples, n, false);
  sht__ref_forward(ref);
  uint32_t correct = 0;
  (void)sht__ref_loss(ref, ref->labels, false, &correct);
}

sht_status sht__ref_evaluate(sht_engine *engine, const sht_pipeline *data, uint64_t first, uint64_t count,
                             float *logits, float *losses, sht_error *error) {
  (void)error;
  sht__ref *ref = (sht__ref *)engine;
  const uint32_t classes = engine->graph->classes;
  const double *y = ref->layers[engine->graph->node_count - 1].y;
  for (uint64_t at = 0; at < count; at += engine->batch) {
    uint32_t n = count - at < engine->batch ? (uint32_t)(count - at) : engine->batch;
    evaluate_batch(ref, data, first + at, n);
    for (uint64_t i = 0; logits != NULL && i < (uint64_t)n * classes; i++) {
      logits[at * classes + i] = (float)y[i];
    }
    for (uint64_t i = 0; losses != NULL && i < n; i++) {
      losses[at + i] = (float)ref->losses[i];
    }
  }
  return SHT_OK;
}
