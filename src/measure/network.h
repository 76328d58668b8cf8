// A trained network in double, with batch normalisation taken into the layers before it.
#ifndef SHT_MEASURE_NETWORK_H
#define SHT_MEASURE_NETWORK_H

#include "shatter/error.h"
#include "shatter/model.h"

// What a node computes when the network is evaluated; all NULL of nodes without parameters.
typedef struct sht__measured_node {
  double *weight;  // CONV [O][I][K][K], LINEAR [O][H*W*C]; else NULL
  double *bias;    // CONV, LINEAR [O], SHIFT [C]
  double *scale;   // BATCHNORM that stands alone: y = scale x + shift, [C]; taken into the layer before it: NULL
  double *shift;   // [C]
} sht__measured_node;

typedef struct sht__measured_network {
  const sht_graph *graph;     // borrowed
  sht__measured_node *nodes;  // [graph->node_count]
} sht__measured_network;

// parameters: [P], statistics: [S], as sht_engine_get gives them. Errors: SHT_MEMORY.
sht_status sht__measured_open(const sht_graph *graph, const float *parameters, const float *statistics,
                              sht__measured_network *out, sht_error *error);
void sht__measured_close(sht__measured_network *network);

// Elements of the node's weight; 0: it has none.
uint64_t sht__measured_weights(const sht_graph *graph, int node);

// Whether the graph is a chain: every node but the first reads the one before it, and it alone.
bool sht__graph_is_chain(const sht_graph *graph);

#endif
