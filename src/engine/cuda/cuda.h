// The cuda engine's parts, and how they meet.
//
// A graph is compiled into one list of operations on the card: forward, loss, backward, update. Everything they need
// lies in the card's memory: the data set, the order of the examples, the number of the step (cuda_job), so that a step
// is the same list of launches every time. It is captured once as a CUDA graph and launched as often as the caller asks
// for steps; the host waits and reads the metrics once a call.
//
// Activations are [B][H][W][S] in float or bfloat16, S whole vectors of 8 channels (kernels.h). Weights, momentum and
// sums are float; in bf16 the update also writes a bfloat16 copy of the weights, which the layers read. A gradient with
// respect to a value is kept as a sum of terms, one from each reader, which the next kernel adds as it reads them.
#ifndef SHT_ENGINE_CUDA_CUDA_H
#define SHT_ENGINE_CUDA_CUDA_H

#include <cublasLt.h>
#include <cudnn.h>

#include "engine/backend.h"
#include "engine/cuda/device.h"
#include "engine/cuda/kernels.h"

enum { CUDA_SPLITS_MAX = 4, CUDA_METRICS_MAX = 4096, CUDA_EVALUATE_SLOTS = 16, CUDA_LANES = 2 };

typedef struct cuda_engine cuda_engine;
typedef struct cuda_plan cuda_plan;

// What is being run; operations say in which of them they take part.
typedef enum cuda_pass { CUDA_TRAIN = 1, CUDA_GRADIENT = 2, CUDA_EVALUATE = 4 } cuda_pass;
enum { CUDA_LEARNING = CUDA_TRAIN | CUDA_GRADIENT, CUDA_ALWAYS = CUDA_LEARNING | CUDA_EVALUATE };

// Where a parameter tensor lies: [outputs][positions][inputs] with outputs and inputs in whole vectors; a vector has
// one position and one output.
typedef struct cuda_tensor {
  const sht_parameter *spec;
  uint32_t outputs, positions, inputs;     // as in the graph
  uint32_t padded_outputs, padded_inputs;  // as held
  bool inputs_first;                       // the graph's order is [outputs][inputs][positions]
  bool rounded;                            // its gradient is bfloat16
  uint64_t offset, count;                  // held elements, from a whole chunk on
} cuda_tensor;

typedef struct cuda_parameters {
  cuda_tensor *tensors;       // [parameter_tensors]
  uint64_t count;             // P', whole chunks
  float *weights, *momentum;  // [P']
  float *gradients;           // [P']
  void *rounded;              // [P'] bfloat16 weights; NULL in float
  void *rounded_gradients;    // [P'] bfloat16; NULL in float
  uint8_t *chunks;            // [P' / CUDA_CHUNK]
} cuda_parameters;

// All normalisations side by side, each in whole vectors.
typedef struct cuda_norms {
  uint32_t *offsets;  // [node_count]
  uint32_t count;     // channels in all
  float *mean, *inverse, *mean_g, *mean_gz;
  float *running_mean, *running_variance;
  float *epsilon, *running_inverse;
} cuda_norms;

// A split that lies in the card's memory.
typedef struct cuda_split {
  sht_split as;     // as it was when it was copied; count 0: none
  uint32_t sample;  // checksum of some of its pixels
  void *pixels;
  uint16_t *labels;
  uint16_t *host_labels;  // as copied
  uint64_t used;          // when, in calls
} cuda_split;

struct cuda_engine {
  sht_engine base;
  sht_precision precision;
  cuda_type type;
  uint64_t seed;
  cuda_device device;
  cuda_memory memory;  // everything that is freed at the end

  cudaStream_t stream;
  cudaStream_t side;  // what only the update waits for
  cudaEvent_t fork, join;
  cudnnHandle_t cudnn;
  cublasLtHandle_t cublas;
  void *workspace[CUDA_LANES];  // of the stream, of the side
  uint64_t workspace_bytes;

  cuda_plan *plan;
  cuda_parameters parameters;
  cuda_norms norms;

  cuda_job *job;           // on the card
  cuda_metrics *metrics;   // [CUDA_METRICS_MAX] on the card
  float *logits, *losses;  // [CUDA_EVALUATE_SLOTS][B][K], [CUDA_EVALUATE_SLOTS][B] on the card
  int32_t *labels;         // [B] of the step, on the card
  uint32_t *examples;      // [B] of the step, on the card
  uint32_t *list;          // [B] examples of a gradient, on the card
  uint32_t *order[2];      // [train_examples] on the card: of even and of odd epochs
  int64_t order_epoch[2];  // -1: none
  uint32_t *host_order;    // [train_examples]
  uint64_t *order_scratch;
  cuda_metrics *host_metrics;  // [CUDA_METRICS_MAX]

  cuda_split splits[CUDA_SPLITS_MAX];
  uint64_t calls;

  cuda_pass pass;      // what is running
  bool without_graph;  // SHATTER_CUDA_GRAPH=0
  cudaGraphExec_t train_graph, evaluate_graph;
  const char *failed;  // a library refused to run this, NULL: none
};

static inline uint32_t cuda_padded(uint32_t channels) {
  return (channels + CUDA_VECTOR - 1) / CUDA_VECTOR * CUDA_VECTOR;
}

static inline uint64_t cuda_element_bytes(const cuda_engine *engine) { return engine->type == CUDA_FLOAT ? 4 : 2; }

// parameters.c
sht_status cuda_parameters_open(cuda_engine *engine, sht_error *error);
sht_status cuda_parameters_get(cuda_engine *engine, sht_state state, float *values, sht_error *error);
sht_status cuda_parameters_put(cuda_engine *engine, sht_state state, const float *values, sht_error *error);
// Addresses of a tensor's weights as layers read them, and of its gradient.
void *cuda_weights_at(const cuda_engine *engine, int tensor);
void *cuda_gradient_at(const cuda_engine *engine, int tensor);
static inline float *cuda_float_weights_at(const cuda_engine *engine, int tensor) {
  return tensor < 0 ? NULL : engine->parameters.weights + engine->parameters.tensors[tensor].offset;
}
static inline float *cuda_float_gradient_at(const cuda_engine *engine, int tensor) {
  return tensor < 0 ? NULL : engine->parameters.gradients + engine->parameters.tensors[tensor].offset;
}

// data.c: the split of a pipeline on the card, copied when it is not there yet.
sht_status cuda_source_of(cuda_engine *engine, const sht_pipeline *data, sht__example_source *out, sht_error *error);
void cuda_splits_close(cuda_engine *engine);

#endif
