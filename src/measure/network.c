// Taking batch normalisation into weights: see network.h.
#include "measure/network.h"

#include <math.h>

#include "base/memory.h"

uint64_t sht__measured_weights(const sht_graph *graph, int node) {
  const sht_node *n = &graph->nodes[node];
  const bool has = n->op == SHT_OP_CONV || n->op == SHT_OP_LINEAR;
  return has && n->weight >= 0 ? graph->parameters[n->weight].count : 0;
}

bool sht__graph_is_chain(const sht_graph *graph) {
  for (int i = 1; i < graph->node_count; i++) {
    if (graph->nodes[i].input_count != 1 || graph->nodes[i].inputs[0] != i - 1) {
      return false;
    }
  }
  return true;
}

// How many nodes read the output of `node`.
static int count_readers(const sht_graph *graph, int node) {
  int readers = 0;
  for (int i = 0; i < graph->node_count; i++) {
    for (int k = 0; k < graph->nodes[i].input_count; k++) {
      readers += graph->nodes[i].inputs[k] == node;
    }
  }
  return readers;
}

static sht_status copy(const float *values, uint64_t count, double **out, sht_error *error) {
  SHT_TRY(SHT_ALLOC(out, count, "weights in double", error));
  for (uint64_t i = 0; values != NULL && i < count; i++) {
    (*out)[i] = values[i];
  }
  return SHT_OK;
}

static const float *parameter(const sht_graph *graph, int index, const float *parameters) {
  return index < 0 ? NULL : parameters + graph->parameters[index].offset;
}

// scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale.
static sht_status open_batchnorm(const sht_graph *graph, const sht_node *node, const float *parameters,
                                 const float *statistics, sht__measured_node *out, sht_error *error) {
  const uint32_t channels = node->out.channels;
  const float *gamma = parameter(graph, node->weight, parameters);
  const float *beta = parameter(graph, node->bias, parameters);
  const float *mean = statistics + node->statistics;
  const float *variance = mean + channels;
  SHT_TRY(SHT_ALLOC(&out->scale, channels, "batch normalisation", error));
  SHT_TRY(SHT_ALLOC(&out->shift, channels, "batch normalisation", error));
  for (uint32_t c = 0; c < channels; c++) {
    out->scale[c] = (gamma == NULL ? 1 : gamma[c]) / sqrt((double)variance[c] + node->epsilon);
    out->shift[c] = (beta == NULL ? 0 : beta[c]) - mean[c] * out->scale[c];
  }
  return SHT_OK;
}

// The layer's outputs are scaled and shifted at once; the batch normalisation is the identity from now on.
static void take_in(sht__measured_node *layer, uint64_t weights, uint32_t outputs, sht__measured_node *batchnorm) {
  const uint64_t row = weights / outputs;
  for (uint64_t o = 0; o < outputs; o++) {
    for (uint64_t i = 0; i < row; i++) {
      layer->weight[o * row + i] *= batchnorm->scale[o];
    }
    layer->bias[o] = layer->bias[o] * batchnorm->scale[o] + batchnorm->shift[o];
  }
  sht_free(batchnorm->scale);
  sht_free(batchnorm->shift);
  *batchnorm = (sht__measured_node){0};
}

static sht_status open_node(const sht_graph *graph, int index, const float *parameters, const float *statistics,
                            sht__measured_network *out, sht_error *error) {
  const sht_node *node = &graph->nodes[index];
  sht__measured_node *made = &out->nodes[index];
  if (node->op == SHT_OP_BATCHNORM) {
    SHT_TRY(open_batchnorm(graph, node, parameters, statistics, made, error));
    const int before = node->inputs[0];
    const uint64_t weights = sht__measured_weights(graph, before);
    if (weights > 0 && count_readers(graph, before) == 1) {
      take_in(&out->nodes[before], weights, node->out.channels, made);
    }
    return SHT_OK;
  }
  const uint64_t weights = sht__measured_weights(graph, index);
  if (weights > 0) {
    SHT_TRY(copy(parameter(graph, node->weight, parameters), weights, &made->weight, error));
  }
  const bool biased = weights > 0 || node->op == SHT_OP_SHIFT;
  return biased ? copy(parameter(graph, node->bias, parameters), node->out.channels, &made->bias, error) : SHT_OK;
}

sht_status sht__measured_open(const sht_graph *graph, const float *parameters, const float *statistics,
                              sht__measured_network *out, sht_error *error) {
  *out = (sht__measured_network){.graph = graph};
  sht_status status = SHT_ALLOC(&out->nodes, graph->node_count, "layers", error);
  for (int i = 0; i < graph->node_count && status == SHT_OK; i++) {
    status = open_node(graph, i, parameters, statistics, out, error);
  }
  if (status != SHT_OK) {
    sht__measured_close(out);
  }
  return status;
}

void sht__measured_close(sht__measured_network *network) {
  for (int i = 0; network->nodes != NULL && i < network->graph->node_count; i++) {
    sht_free(network->nodes[i].weight);
    sht_free(network->nodes[i].bias);
    sht_free(network->nodes[i].scale);
    sht_free(network->nodes[i].shift);
  }
  sht_free(network->nodes);
  *network = (sht__measured_network){0};
}
