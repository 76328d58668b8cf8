// What follows from the weights of a network alone: its Lipschitz bound, its path norm, how much a window repeats.
#ifndef SHT_MEASURE_BOUNDS_H
#define SHT_MEASURE_BOUNDS_H

#include "measure/network.h"

// A bound on how far the logits move when the image moves by 1, in the Euclidean norm. spectral: [node_count], ||A|| of
// the nodes with weights, the largest |scale| of batch normalisations that stand alone, 1 of those that were taken in;
// other entries are not read.
// Errors: SHT_MEMORY.
sht_status sht__lipschitz_bound(const sht_graph *graph, const double *spectral, double *out, sht_error *error);

// The path norm of measure.h. Errors: SHT_MEMORY.
sht_status sht__path_norm(const sht__measured_network *network, double *out, sht_error *error);

#endif
