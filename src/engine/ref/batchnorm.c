// Batch normalisation (Ioffe and Szegedy 2015, algorithm 1): y = scale * (x - mean) / sqrt(variance + epsilon) + shift,
// with the batch's mean and biased variance over examples and positions in training, the running ones in evaluation.
//
// Scratch: the batch's mean [C], then its variance [C].
#include <math.h>

#include "base/memory.h"
#include "engine/ref/layer.h"

static bool scratch_count(const sht__ref_layer *layer, uint64_t batch, uint64_t *count) {
  (void)batch;
  return sht_size_mul(2, layer->node->out.channels, count);
}

static uint64_t positions(const sht__ref_layer *layer) { return layer->batch->n * sht__ref_area(layer->node->out); }

static void measure_channel(const sht__ref_layer *layer, uint64_t c) {
  const uint64_t channels = layer->node->out.channels;
  const uint64_t count = positions(layer);
  double mean = 0;
  double variance = 0;
  for (uint64_t i = 0; i < count; i++) {
    mean += layer->x[0][i * channels + c];
  }
  mean /= (double)count;
  for (uint64_t i = 0; i < count; i++) {
    double distance = layer->x[0][i * channels + c] - mean;
    variance += distance * distance;
  }
  layer->scratch[c] = mean;
  layer->scratch[channels + c] = variance / (double)count;
}

// One channel's x -> (x - mean) * inverse, then * scale + shift.
typedef struct normalizer {
  double mean, inverse, scale, shift;
} normalizer;

static normalizer normalizer_of(const sht__ref_layer *layer, uint64_t c) {
  const uint64_t channels = layer->node->out.channels;
  const double *statistics = layer->batch->training ? layer->scratch : layer->statistics;
  return (normalizer){
      .mean = statistics[c],
      .inverse = 1 / sqrt(statistics[channels + c] + (double)layer->node->epsilon),
      .scale = layer->weight == NULL ? 1 : layer->weight[c],
      .shift = layer->bias == NULL ? 0 : layer->bias[c],
  };
}

static void forward(const sht__ref_layer *layer) {
  const uint64_t channels = layer->node->out.channels;
  for (uint64_t c = 0; c < channels; c++) {
    if (layer->batch->training) {
      measure_channel(layer, c);
    }
    normalizer by = normalizer_of(layer, c);
    for (uint64_t i = c; i < sht__ref_size(layer); i += channels) {
      layer->y[i] = (layer->x[0][i] - by.mean) * by.inverse * by.scale + by.shift;
    }
  }
}

// With z = (x - mean) * inverse: dx = scale * inverse * (dy - mean(dy) - z * mean(dy * z)).
static void backward(const sht__ref_layer *layer) {
  const uint64_t channels = layer->node->out.channels;
  const double count = (double)positions(layer);
  for (uint64_t c = 0; c < channels; c++) {
    normalizer by = normalizer_of(layer, c);
    double sum = 0;
    double sum_z = 0;
    for (uint64_t i = c; i < sht__ref_size(layer); i += channels) {
      sum += layer->dy[i];
      sum_z += layer->dy[i] * (layer->x[0][i] - by.mean) * by.inverse;
    }
    for (uint64_t i = c; i < sht__ref_size(layer); i += channels) {
      double z = (layer->x[0][i] - by.mean) * by.inverse;
      layer->dx[0][i] += by.scale * by.inverse * (layer->dy[i] - sum / count - z * sum_z / count);
    }
    if (layer->dweight != NULL) {
      layer->dweight[c] += sum_z;
    }
    if (layer->dbias != NULL) {
      layer->dbias[c] += sum;
    }
  }
}

void sht__ref_batchnorm_settle(const sht__ref_layer *layer) {
  const double decay = (double)layer->node->decay;
  for (uint64_t i = 0; i < 2 * (uint64_t)layer->node->out.channels; i++) {
    layer->statistics[i] = decay * layer->statistics[i] + (1 - decay) * layer->scratch[i];
  }
}

const sht__ref_op sht__ref_batchnorm = {.scratch_count = scratch_count, .forward = forward, .backward = backward};
