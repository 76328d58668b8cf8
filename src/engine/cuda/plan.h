// The plan: values of the graph's nodes, and the operations that make them, in the order in which they are launched.
#ifndef SHT_ENGINE_CUDA_PLAN_H
#define SHT_ENGINE_CUDA_PLAN_H

#include "engine/cuda/convolution.h"
#include "engine/cuda/cuda.h"
#include "engine/cuda/matrix.h"

// A node's output, and the gradient with respect to it.
typedef struct cuda_value {
  cuda_map map;
  cuda_map packed;     // the same without gaps, made on demand
  cuda_map framed;     // of a convolution: its input as cuDNN sees it
  cuda_extent extent;  // of one run
  void *kept;          // what the forward pass leaves for the backward pass: winners of a pool, s of a normalisation
  bool is_float;       // logits in float whatever the engine's type
  cuda_terms terms;
  bool needs_gradient;  // a parameter lies before it
  int consumers;
  int relu;        // node of the ReLU that is done with this one, -1: none
  int fused_into;  // for such a ReLU: the node that does it, -1: none
  int home;        // concatenation that it is written straight into, -1: none
  uint32_t home_channel;
} cuda_value;

typedef struct cuda_op cuda_op;

typedef struct cuda_convolution_op {
  cuda_convolution convolution;
  cuda_convolution_operands at;  // of the first run
  struct {
    uint64_t x, w, y, bias;
  } apart;  // bytes from a run's to the next one's
} cuda_convolution_op;

typedef struct cuda_matrix_op {
  cuda_matrix matrix;
  cuda_operands at;  // of the first run
} cuda_matrix_op;

typedef struct cuda_norm_op {
  cuda_norm norm;
  uint32_t offset;  // in cuda_norms
  cuda_terms dy;
  cuda_map out;
} cuda_norm_op;

typedef struct cuda_pool_op {
  cuda_pool pool;
  cuda_terms dy;
  cuda_map dx;
} cuda_pool_op;

typedef struct cuda_lrn_op {
  cuda_lrn lrn;
  cuda_terms dy;
  cuda_map dx;
} cuda_lrn_op;

typedef struct cuda_shift_op {
  cuda_shift shift;
  cuda_terms dy;
  cuda_map dx;
} cuda_shift_op;

typedef void (*cuda_run)(cuda_engine *engine, const cuda_op *op, cudaStream_t stream);
typedef void (*cuda_close)(cuda_op *op);

struct cuda_op {
  cuda_run run;
  cuda_close close;  // NULL: it owns nothing
  unsigned passes;   // of cuda_pass, in which it takes part
  bool side;         // only the update waits for it: runs on side lanes
  bool joins;        // waits for the side lanes
  bool run_by_run;   // launches of its own for every run, over several lanes (cuda_lane_of); else one, in the first
  const char *name;  // of its node, for messages
  union {
    cuda_input input;
    cuda_gather gather;
    cuda_channels copy;
    cuda_frame frame;
    cuda_bias bias;
    cuda_dropout dropout;
    cuda_loss loss;
    cuda_convolution_op convolution;
    cuda_direct direct;
    cuda_matrix_op matrix;
    cuda_norm_op norm;
    cuda_pool_op pool;
    cuda_lrn_op lrn;
    cuda_shift_op shift;
  } as;
};

// Where the operation runs for a run.
static inline const cuda_lane *cuda_lane_of(const cuda_engine *engine, const cuda_op *op, uint32_t run) {
  return &engine->lanes[op->side ? CUDA_SIDE : CUDA_MAIN][op->run_by_run ? run % engine->lane_count : 0];
}

struct cuda_plan {
  cuda_engine *engine;
  const sht_graph *graph;
  cuda_value *values;  // [node_count]
  cuda_op *ops;
  int op_count, op_capacity;
  uint64_t workspace_bytes;  // largest that a convolution wants
  float *partial;            // [room][CUDA_SUM_BLOCKS][2][widest S]: sums go one after the other on the stream
  uint32_t *counter;
  uint32_t widest;   // vectors of a pixel
  int direct;        // convolutions that cuDNN does not have
  int fused;         // those that have their bias, ReLU or statistics in the same launch
  uint32_t choices;  // checksum of what cuDNN and cuBLASLt chose
};

// compile.c: emits everything. The plan is closed with cuda_plan_close in any case.
sht_status cuda_plan_open(cuda_engine *engine, cuda_plan **out, sht_error *error);
void cuda_plan_close(cuda_plan *plan);

// plan.c: values and operations.
// A new operation at the end of the list; the last place catches what is too much, cuda_plan_open tells.
cuda_op *cuda_plan_op(cuda_plan *plan, unsigned passes, cuda_run run, const char *name);
// A new tensor [room][B][H][W][S] of the engine's type, zeros. Errors: SHT_MEMORY.
sht_status cuda_plan_tensor(cuda_plan *plan, cuda_extent extent, const char *name, cuda_map *out, sht_error *error);
sht_status cuda_plan_extent(const cuda_plan *plan, sht_shape shape, const char *name, cuda_extent *out,
                            sht_error *error);
// Where the node's output goes: a slice of its concatenation, or a tensor of its own. Sets the value's map.
sht_status cuda_plan_output(cuda_plan *plan, int node, sht_error *error);
// The node's value without gaps between pixels: itself, or a copy.
sht_status cuda_plan_packed(cuda_plan *plan, int node, cuda_map *out, sht_error *error);
// Adds a gradient term.
sht_status cuda_plan_add_term(cuda_plan *plan, int node, cuda_map term, sht_error *error);
// The node whose value carries the gradient terms of this one: its fused ReLU or itself.
int cuda_plan_result(const cuda_plan *plan, int node);
// The gradient of a node (behind its fused ReLU) as one tensor without gaps; `bias`: its parameter's gradient too.
sht_status cuda_plan_gradient(cuda_plan *plan, int node, int bias, cuda_map *out, sht_error *error);
// out = sum of terms.
void cuda_plan_gather(cuda_plan *plan, unsigned passes, const cuda_gather *gather, const char *name);
void cuda_plan_copy(cuda_plan *plan, unsigned passes, const cuda_channels *copy, const char *name);
static inline bool cuda_is_packed(cuda_map map, cuda_extent extent) {
  return map.stride == extent.vectors * CUDA_VECTOR;
}
static inline cuda_terms cuda_one_term(cuda_map map) { return (cuda_terms){.term = {map}, .count = 1}; }

// convolutions.c, dense.c, layers.c: the operations of one node.
// A convolution of a batch as cuDNN is asked for it, without what follows it.
cuda_convolution_shape cuda_shape_of(const sht_graph *graph, const sht_node *node, uint32_t batch,
                                     sht_precision precision);
sht_status cuda_convolution_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_convolution_backward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_bind_convolutions(cuda_plan *plan, sht_error *error);
sht_status cuda_dense_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_dense_backward(cuda_plan *plan, int node, sht_error *error);
// The products are those of as many runs as the engine has.
sht_status cuda_dense_repeat(cuda_plan *plan, sht_error *error);
sht_status cuda_norm_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_norm_backward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_pool_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_pool_backward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_lrn_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_lrn_backward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_relu_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_relu_backward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_dropout_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_dropout_backward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_add_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_add_backward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_concat_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_concat_backward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_shift_forward(cuda_plan *plan, int node, sht_error *error);
sht_status cuda_shift_backward(cuda_plan *plan, int node, sht_error *error);

#endif
