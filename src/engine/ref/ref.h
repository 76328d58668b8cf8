// The reference engine: plain C in double, slow and obvious, the judge of the other backends.
//
// Reading order: layer.h (what a layer is), one file a group of layers, pass.c (the whole network), train.c (steps and
// evaluation), ref.c (open, close, state). The struct is open so that tests can see every number in double.
// Letters: B batch size, n examples in a batch, H height, W width, C channels, P parameters, S statistics, K classes.
#ifndef SHT_ENGINE_REF_REF_H
#define SHT_ENGINE_REF_REF_H

#include "engine/backend.h"
#include "engine/ref/layer.h"

typedef struct sht__ref {
  sht_engine base;
  sht_precision precision;  // FP32: state is rounded to float after each step
  uint64_t seed;
  sht_pool *pool;
  uint64_t bytes;           // allocated
  double *parameters;       // [P]
  double *momentum;         // [P]
  double *gradients;        // [P]
  double *statistics;       // [S]
  sht__ref_layer *layers;   // [node_count]; owns y, dy and scratch
  sht__ref_batch batch;     // what is being computed
  double *losses;           // [B] cross-entropy of each example
  float *pixels;            // [B][H][W][C] as the pipeline gives them
  uint16_t *labels;         // [B]
  uint32_t *examples;       // [B]
  uint32_t *order;          // [train_examples] of order_epoch
  uint64_t *order_scratch;  // [2 * train_examples]
  uint32_t order_epoch;
  bool order_known;
} sht__ref;

// Forward through every layer on batch.n examples: layers[0].y holds the input [n][H][W][C]; the last y is the logits.
void sht__ref_forward(sht__ref *ref);
// Losses of the batch's examples against labels [n]; returns their sum. With `gradient`, dy of the last layer becomes
// the derivative of the mean. *correct: examples whose first largest logit is their label.
double sht__ref_loss(sht__ref *ref, const uint16_t *labels, bool gradient, uint32_t *correct);
// Backward after sht__ref_forward in training mode and sht__ref_loss: fills `gradients`, and dy of every layer,
// dy of layer 0 being the derivative with respect to the input.
void sht__ref_backward(sht__ref *ref);

// exact.c, on an engine that sht_engine_open opened as "ref" with FP64:
// parameters [P] in the graph's order and layout.
void sht__ref_put_doubles(sht_engine *engine, const double *parameters);
// Evaluation mode on x [n][H][W][C], n at most B: y [n][K].
void sht__ref_apply(sht_engine *engine, const double *x, uint32_t n, double *y);

sht_status sht__ref_train(sht_engine *engine, const sht_pipeline *train, uint32_t epoch, uint64_t first, uint64_t count,
                          const sht_step_rates *rates, sht_step_metrics *metrics, uint64_t *done, sht_error *error);
sht_status sht__ref_gradient(sht_engine *engine, const sht_pipeline *data, const uint32_t *examples, uint32_t n,
                             sht_step_metrics *metrics, sht_error *error);
sht_status sht__ref_evaluate(sht_engine *engine, const sht_pipeline *data, uint64_t first, uint64_t count,
                             float *logits, float *losses, sht_error *error);

#endif
