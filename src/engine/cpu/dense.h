// Fully connected layers: a chain of them, trained in place.
//
// A chain is y = W_L(...relu(W_1 x + b_1)...) + b_L, held and trained as one unit: activations between its layers never
// leave the layouts that the kernels want. One layer is a chain of length one. A chain owns fp32 master weights,
// momentum and bias of its layers, and in bf16 the working copies of the weights.
//
// The update happens inside the weight-gradient product, while a block of weights is in cache:
//   g = dW + weight_decay * W;  V <- momentum * V + g;  W <- W - learning_rate * V
// so that no gradient is ever stored, unless it is asked for.
//
// Same bits at any number of threads: work is cut over outputs (features of y, x or dW), every element is summed by one
// thread in one order. Bits depend on the kernels that the processor gets (cpu_dense_kernels_name) and on nothing else.
// Sums are fp32 everywhere. In bf16 weights and activations are rounded to bf16 (to nearest, ties to even) before they
// are multiplied; logits, bias, momentum and master weights are fp32.
// Letters: n examples of a batch (1 .. B), I inputs and O outputs of a layer, L layers.
#ifndef SHT_ENGINE_CPU_DENSE_H
#define SHT_ENGINE_CPU_DENSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "shatter/engine.h"
#include "shatter/error.h"

typedef struct cpu_dense cpu_dense;

typedef struct cpu_dense_layer {
  uint32_t outputs;  // O
  bool bias;
  bool relu;          // max(0, .) after the layer
  bool decay_weight;  // whether weight decay applies to W
  bool decay_bias;    // and to b
} cpu_dense_layer;

typedef struct cpu_dense_spec {
  uint32_t inputs;  // I of the first layer
  uint32_t batch;   // B, the largest n
  uint32_t layers;  // L >= 1
  const cpu_dense_layer *layer;
  sht_precision precision;  // SHT_FP32 or SHT_BF16: of the products
  sht_precision input;      // SHT_FP32 or SHT_BF16: how x and dx are stored
  bool input_gradient;      // whether backward can give dx
} cpu_dense_spec;

// Allocates everything; weights start at zero. The pool is borrowed until close; NULL runs on the calling thread.
// Errors: SHT_CONFIG (a size of zero or beyond 2^24, a precision that is not served), SHT_MEMORY.
sht_status cpu_dense_open(const cpu_dense_spec *spec, sht_pool *pool, cpu_dense **out, sht_error *error);
void cpu_dense_close(cpu_dense *dense);  // NULL and half-made ones are allowed

// y [n][O of the last layer], fp32. x: [n][I] as spec.input says; not kept, what backward needs is copied.
// training: whether a cpu_dense_backward may follow. Allocates nothing.
void cpu_dense_forward(cpu_dense *dense, const void *x, uint32_t n, bool training, float *y);

// After cpu_dense_forward(training) with the same n. dy: [n][O], the gradient of the loss with respect to y, fp32, not
// changed. dx: [n][I] as spec.input says, or NULL; made with the weights before the update; needs spec.input_gradient.
// Updates weights and bias. *finite: whether all updated parameters are finite. Allocates nothing.
void cpu_dense_backward(cpu_dense *dense, const float *dy, uint32_t n, void *dx, const sht_step_rates *rates,
                        bool *finite);

// The same, but stores the gradients for cpu_dense_get(..., SHT_STATE_GRADIENTS) and updates nothing. Allocates room
// for them on first use: SHT_MEMORY.
sht_status cpu_dense_gradient(cpu_dense *dense, const float *dy, uint32_t n, void *dx, sht_error *error);

// Parameters, momentum or gradients of one layer, as the graph lays them out: weight [O][I], bias [O], fp32.
// bias is not touched when the layer has none; put of gradients is a bug (nothing happens). Gradients are zero before
// the first cpu_dense_gradient.
void cpu_dense_get(const cpu_dense *dense, uint32_t layer, sht_state state, float *weight, float *bias);
void cpu_dense_put(cpu_dense *dense, uint32_t layer, sht_state state, const float *weight, const float *bias);

uint64_t cpu_dense_bytes(const cpu_dense *dense);  // allocated

// The kernels that this processor gets: "amx", "avx512_bf16", "avx512", "avx2" or "portable". Part of a run's identity.
const char *cpu_dense_kernels_name(sht_precision precision);

#endif
