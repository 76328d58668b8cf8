// Opening a trained network and asking it: see trained.h.
#include "measure/trained.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "train/evaluate.h"

// A part of a split at a time, so that progress is shown and a request to stop is heard; rounded up to whole batches,
// so that the engine's tiles are those of an evaluation in training.
enum { PART_EXAMPLES = 2048 };

sht_status sht__measure_go_on(const sht_work *work, const char *phase, double done, double total, sht_error *error) {
  if (work != NULL && work->progressed != NULL) {
    work->progressed(work->context, phase, done, total);
  }
  if (work != NULL && work->stop_requested != NULL && work->stop_requested(work->context)) {
    return SHT_FAIL(error, SHT_STOPPED, "stopped on request; nothing is kept of what was measured");
  }
  return SHT_OK;
}

double sht__parameters_distance(const float *a, const float *b, uint64_t count) {
  double squares = 0;
  for (uint64_t i = 0; i < count; i++) {
    const double difference = (double)a[i] - (b == NULL ? 0 : b[i]);
    squares += difference * difference;
  }
  return sqrt(squares);
}

static sht_status check_finite(const char *path, const float *values, uint64_t count, sht_error *error) {
  for (uint64_t i = 0; i < count; i++) {
    if (!isfinite(values[i])) {
      return SHT_FAIL(error, SHT_DATA, "%s: holds weights that are not finite, of which nothing can be measured", path);
    }
  }
  return SHT_OK;
}

static sht_status read_state(const sht_measured *network, sht__trained *out, sht_error *error) {
  const sht_graph *graph = out->session.graph;
  SHT_TRY(SHT_ALLOC(&out->parameters, graph->parameter_count, "weights", error));
  SHT_TRY(SHT_ALLOC(&out->initial, graph->parameter_count, "initial weights", error));
  SHT_TRY(SHT_ALLOC(&out->statistics, graph->statistic_count, "running statistics", error));
  sht_graph_initialize(graph, network->config->seed, out->initial);
  SHT_TRY(sht__session_read_weights(&out->session, network->weights, error));
  SHT_TRY(sht_engine_get(out->session.engine, SHT_STATE_PARAMETERS, out->parameters, graph->parameter_count, error));
  if (graph->statistic_count > 0) {
    SHT_TRY(sht_engine_get(out->session.engine, SHT_STATE_STATISTICS, out->statistics, graph->statistic_count, error));
  }
  SHT_TRY(check_finite(network->weights, out->parameters, graph->parameter_count, error));
  return check_finite(network->weights, out->statistics, graph->statistic_count, error);
}

sht_status sht__trained_open(const sht_measured *network, sht__trained *out, sht_error *error) {
  *out = (sht__trained){0};
  SHT_TRY(sht__session_open(network->config, network->model_text, &out->session, error));
  sht_status status = read_state(network, out, error);
  if (status != SHT_OK) {
    sht__trained_close(out);
  }
  return status;
}

void sht__trained_close(sht__trained *trained) {
  sht__session_close(&trained->session);
  sht_free(trained->parameters);
  sht_free(trained->initial);
  sht_free(trained->statistics);
  *trained = (sht__trained){0};
}

uint32_t sht__answer_of(const float *logits, uint32_t classes) {
  uint32_t best = 0;
  for (uint32_t k = 1; k < classes; k++) {
    best = logits[k] > logits[best] ? k : best;
  }
  return isfinite(logits[best]) ? best : classes;
}

static uint64_t count_correct(const float *logits, const uint16_t *labels, uint64_t n, uint32_t classes) {
  uint64_t correct = 0;
  for (uint64_t i = 0; i < n; i++) {
    correct += sht__answer_of(logits + i * classes, classes) == labels[i];
  }
  return correct;
}

sht_status sht__trained_evaluate(sht__trained *trained, const sht_pipeline *pipeline, uint64_t count, const char *phase,
                                 const sht_work *work, float *logits, float *losses, double *accuracy,
                                 sht_error *error) {
  const uint32_t classes = trained->session.graph->classes;
  const uint64_t batch = trained->session.config.batch, room = (PART_EXAMPLES + batch - 1) / batch * batch;
  uint64_t correct = 0;
  float *part = NULL;
  SHT_TRY(SHT_ALLOC(&part, room * classes, "logits", error));
  sht_status status = SHT_OK;
  for (uint64_t first = 0; first < count && status == SHT_OK; first += room) {
    const uint64_t n = count - first < room ? count - first : room;
    float *own = logits == NULL ? part : logits + first * classes;
    status = phase == NULL ? SHT_OK : sht__measure_go_on(work, phase, (double)first, (double)count, error);
    if (status == SHT_OK) {
      status = sht_engine_evaluate(trained->session.engine, pipeline, first, n, own,
                                   losses == NULL ? NULL : losses + first, error);
    }
    if (status == SHT_OK) {
      correct += count_correct(own, pipeline->split->labels + first, n, classes);
    }
  }
  sht_free(part);
  *accuracy = count == 0 ? NAN : (double)correct / (double)count;
  return status;
}
