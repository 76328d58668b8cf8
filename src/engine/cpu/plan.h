// The plan: tensors of the graph's nodes, operations in stages, memory by the time of use.
#ifndef SHT_ENGINE_CPU_PLAN_H
#define SHT_ENGINE_CPU_PLAN_H

#include "engine/cpu/cpu.h"

typedef enum cpu_layout {
  CPU_BLOCKED,  // [C/V][H][W][V], or [H][W][C/V][V] with channels last
  CPU_ROWS,     // [H][W][C], images side by side without a gap
  CPU_PLANES,   // [C][H][W], or [H][W][C] with channels last: the network's input, for a first convolution
} cpu_layout;

// A node's output, and the gradient with respect to it: the sum of the terms.
typedef struct cpu_value {
  cpu_layout layout;
  cpu_view view;
  cpu_view other[3];  // copies in other layouts, made on demand, by cpu_layout
  cpu_view kept;      // what the forward pass leaves for the backward pass, by operation
  cpu_view dense;     // copy of a slice, made on demand
  cpu_view terms[CPU_TERMS_MAX];
  int term_count;
  cpu_view waiting;     // of a convolution: the gradient that one before it with the same input goes on with
  bool needs_gradient;  // a parameter lies before it
  bool used;            // the loss depends on it
  int relu;             // node of the ReLU that is done with this one, -1: none
  int fused_into;       // for such a ReLU: the node that does it, -1: none
  int chain;            // first layer of the chain of dense layers that it is part of, -1: none
  int chain_index;      // its place in the chain
  int consumers;
  int home;  // concatenation that it is written straight into, -1: none
  uint32_t home_channel;
} cpu_value;

typedef struct cpu_stage {
  int first_op, ops;  // in plan->order: shards, then chunks, then whole
  size_t chunk_tasks;
} cpu_stage;

struct cpu_plan {
  cpu_engine *engine;
  const sht_graph *graph;
  cpu_value *values;  // [node_count]
  cpu_buffer *buffers;
  int buffer_count, buffer_capacity;
  cpu_op *ops;
  int op_count, op_capacity;
  cpu_op **order;  // [op_count], by stage
  cpu_stage *stages;
  int stage_count;
};

// plan.c
sht_status cpu_plan_open(cpu_engine *engine, cpu_plan **out, sht_error *error);
void cpu_plan_close(cpu_plan *plan);
// A new tensor of shard_bytes a shard.
cpu_view cpu_plan_memory(cpu_plan *plan, uint64_t shard_bytes);
// A new operation, to be filled in and then given its stage by cpu_plan_place.
cpu_op *cpu_plan_op(cpu_plan *plan, cpu_op_kind kind, const sht_node *node);
void cpu_op_writes(cpu_op *op, cpu_view view);
void cpu_op_reads(cpu_op *op, cpu_view view);
void cpu_plan_place(cpu_plan *plan, cpu_op *op);
sht_status cpu_plan_finish(cpu_plan *plan, sht_error *error);

// compile.c: emits the whole graph and finishes the plan.
sht_status cpu_compile(cpu_plan *plan, sht_error *error);

// tensors.c: values of nodes in the layout that a consumer wants.
uint64_t cpu_elements(const cpu_plan *plan, int node, cpu_layout layout);
// A new tensor for a node's value, or for something of its shape.
cpu_view cpu_plan_tensor(cpu_plan *plan, int node, cpu_layout layout, bool bf16);
// The same of the layout and the precision of activations.
cpu_view cpu_plan_activation(cpu_plan *plan, int node);
// The slice of a blocked view that begins at a channel, a multiple of V.
cpu_view cpu_slice(const cpu_plan *plan, cpu_view view, uint32_t channel);
cpu_view cpu_input(cpu_plan *plan, int node, cpu_layout layout);        // dense in memory
cpu_view cpu_input_slice(cpu_plan *plan, int node, cpu_layout layout);  // may be a slice
// What an operation goes through that takes the node's values element by element, whatever slices its views are.
void cpu_op_runs(const cpu_plan *plan, cpu_op *op, int node, cpu_layout layout);
static inline cpu_runs cpu_runs_of(const cpu_op *op) { return (cpu_runs){CPU_SHARD_IMAGES, op->runs, op->elements}; }
// out = sum of terms, zero where mask is not positive; all of the node's shape, in one layout and precision.
void cpu_plan_gather(cpu_plan *plan, int node, cpu_layout layout, const cpu_view *terms, int count, cpu_view mask,
                     cpu_view out, bool training);
// Where the node's output goes: a slice of its concatenation, or a tensor of its own.
cpu_view cpu_output(cpu_plan *plan, int node);
// Adds a gradient term in the given layout.
void cpu_add_term(cpu_plan *plan, int node, cpu_layout layout, cpu_view view);
// The gradient of a node as one dense tensor, zero where `mask` is not positive (mask.buffer NULL: none).
cpu_view cpu_gradient(cpu_plan *plan, int node, cpu_view mask);

// Each of these emits the operations of one node.
void cpu_input_forward(cpu_plan *plan, int node);
sht_status cpu_conv_forward(cpu_plan *plan, int node, sht_error *error);
void cpu_conv_backward(cpu_plan *plan, int node);
sht_status cpu_norm_forward(cpu_plan *plan, int node, sht_error *error);
void cpu_norm_backward(cpu_plan *plan, int node);
sht_status cpu_linear_forward(cpu_plan *plan, int node, sht_error *error);
void cpu_linear_backward(cpu_plan *plan, int node);
sht_status cpu_pool_forward(cpu_plan *plan, int node, sht_error *error);
void cpu_pool_backward(cpu_plan *plan, int node);
void cpu_lrn_forward(cpu_plan *plan, int node);
void cpu_lrn_backward(cpu_plan *plan, int node);
void cpu_relu_forward(cpu_plan *plan, int node);
void cpu_relu_backward(cpu_plan *plan, int node);
void cpu_dropout_forward(cpu_plan *plan, int node);
void cpu_dropout_backward(cpu_plan *plan, int node);
void cpu_add_forward(cpu_plan *plan, int node);
void cpu_add_backward(cpu_plan *plan, int node);
void cpu_concat_forward(cpu_plan *plan, int node);
void cpu_concat_backward(cpu_plan *plan, int node);
void cpu_loss_forward(cpu_plan *plan);

// conv.c, norm.c, linear.c: state of layers.
void cpu_conv_close(cpu_conv *conv);
bool cpu_conv_is_winograd(const cpu_conv *conv);                 // NULL: no
bool cpu_conv_is_amx(const cpu_conv *conv);                      // kernels of our own; NULL: no
uint64_t cpu_conv_weight_count(const cpu_conv *conv);            // floats held, with padding
void cpu_conv_repack(cpu_engine *engine, int node, int worker);  // working weights from the master weights
sht_status cpu_conv_copy(cpu_engine *engine, const sht_parameter *spec, float *held, float *given, bool put,
                         sht_error *error);
void cpu_norm_close(cpu_norm *norm);
void cpu_norm_use_running(cpu_engine *engine, int node);  // evaluation
void cpu_norm_copy(const cpu_norm *norm, const sht_node *node, float *statistics, bool put);

#endif
