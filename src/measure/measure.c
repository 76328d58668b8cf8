// All measures of one network: see measure.h.
#include "shatter/measure.h"

#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/pool.h"
#include "measure/bounds.h"
#include "measure/linear_map.h"
#include "measure/trained.h"

// What the work on layers shares. Of each node: as trained, and before training.
typedef struct layers_job {
  const sht__trained *trained;
  sht__measured_network now, before;
  double *spectral;  // [node_count]
  sht_pool *pool;
  const sht_work *work;
} layers_job;

// ---- layers

static void subtract(const double *a, const double *b, uint64_t count, double *out) {
  for (uint64_t i = 0; i < count; i++) {
    out[i] = a[i] - b[i];
  }
}

static double norm_of(const double *values, uint64_t count) {
  double squares = 0;
  for (uint64_t i = 0; i < count; i++) {
    squares += values[i] * values[i];
  }
  return sqrt(squares);
}

static sht_status map_norm(const layers_job *job, int i, const double *weight, double *out, sht_error *error) {
  const sht_graph *graph = job->now.graph;
  const sht_node *node = &graph->nodes[i];
  sht__linear_map map;
  SHT_TRY(sht__linear_map_open(node, graph->nodes[node->inputs[0]].out, weight, &map, error));
  sht_status status = sht__linear_map_norm(&map, job->trained->session.config.seed, job->pool, out, error);
  sht__linear_map_close(&map);
  return status;
}

static sht_status map_two_one(const layers_job *job, int i, const double *weight, double *out, sht_error *error) {
  const sht_graph *graph = job->now.graph;
  const sht_node *node = &graph->nodes[i];
  sht__linear_map map;
  SHT_TRY(sht__linear_map_open(node, graph->nodes[node->inputs[0]].out, weight, &map, error));
  sht_status status = sht__linear_map_two_one(&map, out, error);
  sht__linear_map_close(&map);
  return status;
}

static sht_status measure_map(const layers_job *job, int i, sht_measure_layer *out, sht_error *error) {
  const uint64_t count = sht__measured_weights(job->now.graph, i);
  const double *now = job->now.nodes[i].weight, *before = job->before.nodes[i].weight;
  double *moved = NULL;
  SHT_TRY(SHT_ALLOC(&moved, count, "moves of weights", error));
  subtract(now, before, count, moved);
  out->norm = norm_of(now, count);
  out->distance = norm_of(moved, count);
  sht_status status = map_norm(job, i, now, &out->spectral, error);
  if (status == SHT_OK) {
    status = map_norm(job, i, before, &out->initial_spectral, error);
  }
  if (status == SHT_OK) {
    status = map_two_one(job, i, moved, &out->two_one, error);
  }
  sht_free(moved);
  return status;
}

static double largest_of(const double *values, uint64_t count) {
  double largest = 0;
  for (uint64_t i = 0; i < count; i++) {
    largest = fmax(largest, fabs(values[i]));
  }
  return largest;
}

// A batch normalisation that stands alone: a diagonal map, the same at every position.
static void measure_scale(const layers_job *job, int i, sht_measure_layer *out) {
  const sht_shape shape = job->now.graph->nodes[i].out;
  const double *now = job->now.nodes[i].scale, *before = job->before.nodes[i].scale;
  double squares = 0, moved = 0;
  for (uint32_t c = 0; c < shape.channels; c++) {
    squares += (now[c] - before[c]) * (now[c] - before[c]);
    moved += fabs(now[c] - before[c]);
  }
  out->spectral = largest_of(now, shape.channels);
  out->initial_spectral = largest_of(before, shape.channels);
  out->norm = norm_of(now, shape.channels);
  out->distance = sqrt(squares);
  out->two_one = moved * shape.height * shape.width;
}

static sht_status measure_layers(layers_job *job, sht_measures *out, sht_error *error) {
  const sht_graph *graph = job->now.graph;
  for (int i = 0; i < graph->node_count; i++) {
    const bool map = sht__measured_weights(graph, i) > 0, scale = job->now.nodes[i].scale != NULL;
    sht_measure_layer *layer = &out->layers[out->layer_count];
    SHT_TRY(sht__measure_go_on(job->work, "norms of the layers", i, graph->node_count, error));
    if (map) {
      SHT_TRY(measure_map(job, i, layer, error));
    } else if (scale) {
      measure_scale(job, i, layer);
    } else {
      job->spectral[i] = 1;  // a batch normalisation that was taken in, or nothing that is read
      continue;
    }
    layer->op = graph->nodes[i].op;
    (void)snprintf(layer->name, sizeof layer->name, "%s", graph->nodes[i].name);
    job->spectral[i] = layer->spectral;
    out->layer_count++;
  }
  return SHT_OK;
}

// ---- what follows from them

static double complexity(const sht_measures *m) {
  double sum = 0;
  for (uint32_t i = 0; i < m->layer_count; i++) {
    sum += m->layers[i].spectral > 0 ? pow(m->layers[i].two_one / m->layers[i].spectral, 2.0 / 3) : 0;
  }
  return m->lipschitz * pow(sum, 1.5);
}

static sht_status measure_weights(layers_job *job, sht_measures *out, sht_error *error) {
  const sht_graph *graph = job->now.graph;
  SHT_TRY(SHT_ALLOC(&out->layers, graph->node_count, "layers", error));
  SHT_TRY(SHT_ALLOC(&job->spectral, graph->node_count, "norms of the layers", error));
  SHT_TRY(measure_layers(job, out, error));
  SHT_TRY(sht__lipschitz_bound(graph, job->spectral, &out->lipschitz, error));
  SHT_TRY(sht__path_norm(&job->now, &out->path_norm, error));
  out->is_chain = sht__graph_is_chain(graph);
  out->spectral_complexity = complexity(out);
  return SHT_OK;
}

static sht_status open_networks(layers_job *job, sht_error *error) {
  const sht__trained *trained = job->trained;
  const sht_graph *graph = trained->session.graph;
  float *fresh = NULL;
  SHT_TRY(SHT_ALLOC(&fresh, graph->statistic_count, "running statistics", error));
  sht_graph_initialize_statistics(graph, fresh);
  sht_status status = sht__measured_open(graph, trained->parameters, trained->statistics, &job->now, error);
  if (status == SHT_OK) {
    status = sht__measured_open(graph, trained->initial, fresh, &job->before, error);
  }
  sht_free(fresh);
  return status;
}

static sht_status measure_network(const sht__trained *trained, const sht_work *work, sht_measures *out,
                                  sht_error *error) {
  layers_job job = {.trained = trained, .work = work};
  sht_status status = sht_pool_open((int)trained->session.config.threads, &job.pool, error);
  if (status == SHT_OK) {
    status = open_networks(&job, error);
  }
  if (status == SHT_OK) {
    status = measure_weights(&job, out, error);
  }
  sht_free(job.spectral);
  sht__measured_close(&job.before);
  sht__measured_close(&job.now);
  sht_pool_close(job.pool);
  return status;
}

// ---- answers

// ||X||_F of a split as the network sees it.
static sht_status data_norm(const sht_pipeline *pipeline, double *out, sht_error *error) {
  sht_pipeline plain = *pipeline;
  plain.augment = (sht_augmentation){0};
  const uint64_t values = (uint64_t)plain.height * plain.width * plain.split->channels;
  float *image = NULL;
  double squares = 0;
  SHT_TRY(SHT_ALLOC(&image, values, "an image", error));
  for (uint64_t i = 0; i < plain.split->count; i++) {
    const uint32_t example = (uint32_t)i;
    uint16_t label = 0;
    sht_pipeline_fill(&plain, 0, &example, 1, image, &label);
    for (uint64_t k = 0; k < values; k++) {
      squares += (double)image[k] * image[k];
    }
  }
  sht_free(image);
  *out = sqrt(squares);
  return SHT_OK;
}

static sht_status measure_answers(sht__trained *trained, const sht_work *work, sht_measures *out, sht_error *error) {
  sht_session *session = &trained->session;
  const uint32_t classes = session->graph->classes;
  float *logits = NULL;
  SHT_TRY(SHT_ALLOC(&logits, out->examples * classes, "logits", error));
  sht_status status = sht__trained_evaluate(trained, &session->train, out->examples, "margins", work, logits, NULL,
                                            &out->train_accuracy, error);
  if (status == SHT_OK) {
    status = sht__margins_measure(logits, session->train.split->labels, out->examples, classes, out->margins, error);
  }
  sht_free(logits);
  SHT_TRY(status);
  SHT_TRY(sht__trained_evaluate(trained, &session->test, out->test_examples, "test examples", work, NULL, NULL,
                                &out->test_accuracy, error));
  return data_norm(&session->train, &out->data_norm, error);
}

static sht_status measure_all(sht__trained *trained, const sht_measure_options *options, const sht_work *work,
                              sht_measures *out, sht_error *error) {
  const sht_session *session = &trained->session;
  out->parameters = session->graph->parameter_count;
  out->examples = session->data->train.count;
  out->test_examples = session->data->test.count;
  out->norm = sht__parameters_distance(trained->parameters, NULL, out->parameters);
  out->distance = sht__parameters_distance(trained->parameters, trained->initial, out->parameters);
  out->sharpness = out->relative_sharpness = out->divergence = out->pac_bayes_bound = NAN;
  SHT_TRY(measure_answers(trained, work, out, error));
  SHT_TRY(measure_network(trained, work, out, error));
  const double margin = out->margins[1];
  // With one class there is no other logit, and the margin is infinite.
  out->spectral_bound = margin > 0 && isfinite(margin)
                            ? out->spectral_complexity * out->data_norm / (margin * (double)out->examples)
                            : (double)NAN;
  return options->sharpness ? sht__sharpness_measure(trained, options, work, out, error) : SHT_OK;
}

sht_status sht_measure(const sht_measured *network, const sht_measure_options *options, const sht_work *work,
                       sht_measures *out, sht_error *error) {
  sht__trained trained;
  *out = (sht_measures){0};
  SHT_TRY(sht__trained_open(network, &trained, error));
  sht_status status = measure_all(&trained, options, work, out, error);
  sht__trained_close(&trained);
  if (status != SHT_OK) {
    sht_measures_close(out);
  }
  return status;
}

void sht_measures_close(sht_measures *measures) {
  sht_free(measures->layers);
  *measures = (sht_measures){0};
}
