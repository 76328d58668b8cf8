// The cuda engine's parts, and how they meet.
//
// A graph is compiled into one list of operations on the card: forward, loss, backward, update. Everything they need
// lies in the card's memory: the data set, the order of the examples, the number of the step (cuda_job), so that a step
// is the same list of launches every time. It is captured once as a CUDA graph and launched as often as the caller asks
// for steps; the host waits and reads the metrics once a call.
//
// An engine holds one run or a group of several, of one network with other seeds, labels, pixels and rates: everything
// of a run lies beside that of the next (kernels.h), and a step is one list of launches for all. A member is one run's
// handle. Members ask (cuda_request) and are served together (serve.c); alone, a member is served at once. A run's
// place changes when another leaves, so that the runs there are are always the first ones. What is launched run by run
// (convolutions) goes over several lanes, side by side; everything else is one launch for all runs.
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

enum { CUDA_SPLITS_MAX = 4, CUDA_METRICS_MAX = 4096, CUDA_EVALUATE_SLOTS = 16 };

// Convolutions are launched run by run, on so many streams side by side: at a batch of 128 the smallest layers of
// Inception have some fifty blocks of 128 x 128 outputs, a third of a large card's processors. More streams would only
// wait, and each costs a workspace.
enum { CUDA_LANES = 4 };

typedef struct cuda_engine cuda_engine;
typedef struct cuda_member cuda_member;
typedef struct cuda_plan cuda_plan;

// What is being run; operations say in which of them they take part.
typedef enum cuda_pass { CUDA_TRAIN = 1, CUDA_GRADIENT = 2, CUDA_EVALUATE = 4 } cuda_pass;
enum { CUDA_LEARNING = CUDA_TRAIN | CUDA_GRADIENT, CUDA_ALWAYS = CUDA_LEARNING | CUDA_EVALUATE };

// What follows one another, and what only the update waits for.
enum { CUDA_MAIN, CUDA_SIDE, CUDA_TRACKS };

typedef struct cuda_lane {
  cudaStream_t stream;
  cudaEvent_t done;
  void *workspace;
} cuda_lane;

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
  uint64_t count;             // P' of a run, whole chunks
  float *weights, *momentum;  // [room][P']
  float *gradients;           // [room][P']
  void *rounded;              // [room][P'] bfloat16 weights; NULL in float
  void *rounded_gradients;    // [room][P'] bfloat16; NULL in float
  uint8_t *chunks;            // [P' / CUDA_CHUNK]
} cuda_parameters;

// All normalisations side by side, each in whole vectors.
typedef struct cuda_norms {
  uint32_t *offsets;                                         // [node_count]
  uint32_t count;                                            // channels of a run in all
  float *mean, *inverse, *mean_g, *mean_gz;                  // [room][count]
  float *running_mean, *running_variance, *running_inverse;  // [room][count]
  float *epsilon;                                            // [count]
} cuda_norms;

// Pixels on the card, once for all members whose splits have the same.
typedef struct cuda_pixels {
  char digest[65];  // SHA-256; "": of a member that is alone
  uint64_t bytes;
  void *data;
  uint32_t users;  // splits; 0: a free place
} cuda_pixels;

// A split of a member's that lies in the card's memory.
typedef struct cuda_split {
  sht_split as;     // as it was when it was copied; count 0: none
  uint32_t sample;  // checksum of some of its pixels
  cuda_pixels *pixels;
  uint16_t *labels;
  uint16_t *host_labels;  // as copied
  uint64_t used;          // when, in calls
} cuda_split;

// What a member waits for: steps, gradients or answers.
typedef struct cuda_request {
  cuda_pass pass;  // 0: nothing
  const sht_pipeline *data;
  cuda_split *held;       // the data's split on the card; NULL: it is new
  bool relabelled;        // whose labels are others now
  char digest[65];        // of a new split's pixels; "": of a member that is alone
  uint32_t epoch;         // of a step
  uint64_t first, count;  // steps of the epoch, or examples of the split
  sht_step_rates rates;
  const uint32_t *examples;   // [count] of a gradient
  sht_step_metrics *metrics;  // [count] of steps, [1] of a gradient
  uint64_t done;              // steps that were run: as many as all members asked for
  float *logits, *losses;     // [count][K], [count] of an evaluation; NULL: none
  sht_status status;
  sht_error *error;
} cuda_request;

struct cuda_member {
  sht_engine base;
  sht_engine_group *group;  // NULL: it is alone
  cuda_engine *engine;
  uint32_t run;  // its place among the engine's
  uint64_t seed;
  cuda_memory memory;
  uint32_t *order[2];                     // [train_examples] on the card: of even and of odd epochs
  uint32_t *host_order[2];                // the same, here
  int64_t order_epoch[2], host_epoch[2];  // -1: none
  uint64_t *order_scratch;
  cuda_split splits[CUDA_SPLITS_MAX];
  uint64_t calls;
  cuda_request request;
};

struct cuda_engine {
  sht_graph *graph;  // its own: members come and go with theirs
  uint32_t batch;    // B
  uint64_t train_examples;
  sht_precision precision;
  cuda_type type;
  cuda_device device;
  cuda_memory memory;  // everything that is freed at the end

  uint32_t room, runs;    // runs there is memory for; runs there are
  cuda_member **members;  // [room], of these [runs]
  cuda_pixels *pixels;    // [room * CUDA_SPLITS_MAX]

  cuda_lane lanes[CUDA_TRACKS][CUDA_LANES];  // [..][lane_count]
  uint32_t lane_count;
  cudaStream_t stream;  // of the first main lane: where a step begins and ends
  cudaEvent_t fork;
  cudnnHandle_t cudnn;
  cublasLtHandle_t cublas;
  uint64_t workspace_bytes;

  cuda_plan *plan;
  cuda_parameters parameters;
  cuda_norms norms;

  cuda_job *job;           // [room] on the card
  cuda_metrics *metrics;   // [CUDA_METRICS_MAX][runs] on the card
  float *logits, *losses;  // [CUDA_EVALUATE_SLOTS][runs][B][K], [CUDA_EVALUATE_SLOTS][runs][B] on the card
  int32_t *labels;         // [runs][B] of the step, on the card
  uint32_t *examples;      // [runs][B] of the step, on the card
  uint32_t *list;          // [runs][B] examples of a gradient, on the card
  cuda_job *host_job;      // what the card's arrays are filled from, and copied to
  cuda_metrics *host_metrics;
  float *host_logits, *host_losses;

  cuda_pass pass;                               // what is running
  bool without_graph;                           // SHATTER_CUDA_GRAPH=0
  bool fuses;                                   // SHATTER_CUDA_FUSE=1
  cudaGraphExec_t train_graph, evaluate_graph;  // of the runs there are; NULL: not captured
  const char *failed;                           // a library refused to run this, NULL: none
};

static inline uint32_t cuda_padded(uint32_t channels) {
  return (channels + CUDA_VECTOR - 1) / CUDA_VECTOR * CUDA_VECTOR;
}

static inline uint64_t cuda_element_bytes(const cuda_engine *engine) { return engine->type == CUDA_FLOAT ? 4 : 2; }

// engine.c: everything of `room` runs, none of which is there yet. The graph is copied. Leaves *out NULL on failure.
sht_status cuda_engine_open(const sht_graph *graph, const sht_engine_options *options, uint32_t room, cuda_engine **out,
                            sht_error *error);
void cuda_engine_close(cuda_engine *engine);  // NULL is allowed
void cuda_engine_forget_graphs(cuda_engine *engine);
cudaError_t cuda_lanes_wait(const cuda_engine *engine);  // until nothing is on any; the first error
// How many runs of this network it is of use to have in one engine on this card, and how many that can hold, data
// included as far as they can be foreseen: the smaller number.
uint32_t cuda_engine_together(const cuda_engine *engine);

// members.c: a member comes as the last of the runs, and leaves.
sht_status cuda_member_open(cuda_engine *engine, const sht_graph *graph, const sht_engine_options *options,
                            cuda_member **out, sht_error *error);
void cuda_member_close(cuda_member *member);
// Makes the order of an epoch here, and brings it to the card: its address there.
void cuda_order_make(cuda_member *member, uint32_t epoch);
sht_status cuda_order_put(cuda_member *member, uint32_t epoch, const uint32_t **out, sht_error *error);

// serve.c: does what the members of an engine (cuda_engine *) ask for, and files how that ended in each request.
void cuda_serve(void *shared);

// parameters.c
sht_status cuda_parameters_open(cuda_engine *engine, sht_error *error);
sht_status cuda_parameters_get(cuda_engine *engine, uint32_t run, sht_state state, float *values, sht_error *error);
sht_status cuda_parameters_put(cuda_engine *engine, uint32_t run, sht_state state, const float *values,
                               sht_error *error);
// Everything that is known of a run, into the place of another; a place as it is when the engine is opened: zeros.
sht_status cuda_parameters_move(cuda_engine *engine, uint32_t from, uint32_t to, sht_error *error);
sht_status cuda_parameters_clear(cuda_engine *engine, uint32_t run, sht_error *error);
// Addresses of a tensor's weights as layers read them, and of its gradient, of the first run.
void *cuda_weights_at(const cuda_engine *engine, int tensor);
void *cuda_gradient_at(const cuda_engine *engine, int tensor);
static inline float *cuda_float_weights_at(const cuda_engine *engine, int tensor) {
  return tensor < 0 ? NULL : engine->parameters.weights + engine->parameters.tensors[tensor].offset;
}
static inline float *cuda_float_gradient_at(const cuda_engine *engine, int tensor) {
  return tensor < 0 ? NULL : engine->parameters.gradients + engine->parameters.tensors[tensor].offset;
}

// data.c: the split of a request on the card, copied when it is not there yet.
sht_status cuda_source_of(cuda_member *member, sht__example_source *out, sht_error *error);
// Before members are served, each by its own thread: looks up the split of its request, and what new pixels are known
// by.
sht_status cuda_look_up(cuda_member *member, sht_error *error);
void cuda_splits_close(cuda_member *member);

#endif
