// One layer of the reference engine: its arrays, and the table of what each operation does with them.
//
// All activations are [n][H][W][C] doubles. backward() adds to dx, dweight and dbias, which start at zero, so that a
// node with several readers gets the sum of their derivatives.
#ifndef SHT_ENGINE_REF_LAYER_H
#define SHT_ENGINE_REF_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "shatter/model.h"
#include "shatter/random.h"

// What all layers need to know of the batch.
typedef struct sht__ref_batch {
  uint32_t n;                // examples
  bool training;             // batch statistics and dropout; else running statistics and none
  uint32_t epoch;            // for dropout
  const uint32_t *examples;  // [n] their indices in the split, for dropout; only read when training
  sht_rng dropout;
} sht__ref_batch;

typedef struct sht__ref_layer {
  const sht_node *node;
  uint32_t index;  // of the node in the graph
  const sht__ref_batch *batch;
  sht_pool *pool;                        // for independent outputs; NULL is allowed
  sht_shape in[SHT_NODE_INPUTS_MAX];     // shapes of the inputs
  const double *x[SHT_NODE_INPUTS_MAX];  // [n][H][W][C] each
  double *dx[SHT_NODE_INPUTS_MAX];       // derivatives of the loss, same shapes; added to
  double *y;                             // [n][H][W][C] of the output
  double *dy;                            // derivative of the loss, same shape
  const double *weight;                  // CONV [O][I][K][K]; LINEAR [O][H*W*C]; BATCHNORM scale [C] or NULL
  const double *bias;                    // [O] or [C]; NULL: none
  double *dweight;                       // same shapes; added to
  double *dbias;
  double *statistics;  // BATCHNORM: running mean [C], running variance [C]
  double *scratch;     // what backward needs of forward; meaning per layer
} sht__ref_layer;

typedef struct sht__ref_op {
  // Elements of scratch for a batch of `batch` examples; NULL: none. False on overflow.
  bool (*scratch_count)(const sht__ref_layer *layer, uint64_t batch, uint64_t *count);
  void (*forward)(const sht__ref_layer *layer);
  void (*backward)(const sht__ref_layer *layer);
} sht__ref_op;

// NULL: not supported.
const sht__ref_op *sht__ref_op_of(sht_op op);

static inline uint64_t sht__ref_area(sht_shape shape) { return (uint64_t)shape.height * shape.width; }
static inline uint64_t sht__ref_volume(sht_shape shape) { return sht__ref_area(shape) * shape.channels; }
// Elements of y in the present batch.
static inline uint64_t sht__ref_size(const sht__ref_layer *layer) {
  return layer->batch->n * sht__ref_volume(layer->node->out);
}

// y[0..count) += a * x[0..count)
static inline void sht__ref_add_scaled(double *y, const double *x, double a, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    y[i] += a * x[i];
  }
}

// As many as the batch's outputs: for scratch_count.
bool sht__ref_scratch_like_output(const sht__ref_layer *layer, uint64_t batch, uint64_t *count);
// Moves the running statistics of a BATCHNORM layer towards those of the batch last seen in training mode.
void sht__ref_batchnorm_settle(const sht__ref_layer *layer);

extern const sht__ref_op sht__ref_conv, sht__ref_linear, sht__ref_batchnorm, sht__ref_relu, sht__ref_maxpool,
    sht__ref_avgpool, sht__ref_lrn, sht__ref_dropout, sht__ref_add, sht__ref_concat, sht__ref_shift;

#endif
