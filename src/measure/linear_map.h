// A convolution or a dense layer as a linear map A from one example's input to its output, in double, without bias.
//
// Vectors are [H][W][C], channels last. Letters: I, O channels of input and output, K side of the filters.
// The same bits at any number of threads: each element is summed by one of them, in one order.
#ifndef SHT_MEASURE_LINEAR_MAP_H
#define SHT_MEASURE_LINEAR_MAP_H

#include "base/pool.h"
#include "shatter/error.h"
#include "shatter/model.h"

typedef struct sht__linear_map {
  const sht_node *node;  // CONV or LINEAR, borrowed
  sht_shape in;
  uint64_t inputs, outputs;  // elements of a vector: columns and rows of A
  double *forward;           // CONV [K*K][I][O], LINEAR [inputs][O]
  double *backward;          // CONV [K*K][O][I], LINEAR [O][inputs]
} sht__linear_map;

// weight: as in the graph, CONV [O][I][K][K], LINEAR [O][H*W*C]. Errors: SHT_MEMORY.
sht_status sht__linear_map_open(const sht_node *node, sht_shape in, const double *weight, sht__linear_map *out,
                                sht_error *error);
void sht__linear_map_close(sht__linear_map *map);

// y = A x. x: [inputs], y: [outputs].
void sht__linear_map_apply(const sht__linear_map *map, const double *x, double *y, sht_pool *pool);
// x = A' y.
void sht__linear_map_adjoin(const sht__linear_map *map, const double *y, double *x, sht_pool *pool);

// ||A'||_{2,1}: the sum over the outputs of the norm of their row of A. Errors: SHT_MEMORY.
sht_status sht__linear_map_two_one(const sht__linear_map *map, double *out, sht_error *error);

// The largest singular value of A, by Lanczos' bidiagonalisation (Golub and Kahan 1965) from a vector that `seed`
// draws: from below, to about ten digits; where the second largest is within 1e-6 of it, in proportion, what comes out
// may lie between the two. Errors: SHT_MEMORY.
sht_status sht__linear_map_norm(const sht__linear_map *map, uint64_t seed, sht_pool *pool, double *out,
                                sht_error *error);

#endif
