// Dense layers: cuBLASLt's products, with bias and ReLU in the same launch, of all runs at once.
#include "engine/cuda/libraries.h"
#include "engine/cuda/plan.h"

static void run_matrix(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_matrix *matrix = &op->as.matrix.matrix;
  for (uint32_t run = 0; run < engine->runs; run += matrix->together) {
    const cuda_operands at = cuda_operands_of(&matrix->shape, &op->as.matrix.at, run);
    void *workspace = cuda_lane_of(engine, op, run)->workspace;
    if (cuda_matrix_run(matrix, engine->cublas, &at, workspace, stream) != CUBLAS_STATUS_SUCCESS) {
      engine->failed = op->name;
    }
  }
}

sht_status cuda_dense_repeat(cuda_plan *plan, sht_error *error) {
  for (int i = 0; i < plan->op_count; i++) {
    cuda_op *op = &plan->ops[i];
    if (op->run == run_matrix) {
      SHT_TRY(cuda_check_cublas(cuda_matrix_repeat(&op->as.matrix.matrix, plan->engine->cublas, plan->engine->runs),
                                op->name, error));
    }
  }
  return SHT_OK;
}

static void close_matrix(cuda_op *op) { cuda_matrix_close(&op->as.matrix.matrix); }

static sht_status add_matrix(cuda_plan *plan, const sht_node *node, unsigned passes, cuda_matrix_shape shape,
                             cuda_operands at, bool side, sht_error *error) {
  cuda_op *op = cuda_plan_op(plan, passes, run_matrix, node->name);
  op->close = close_matrix;
  op->side = side;
  op->as.matrix.at = at;
  shape.bfloat16 = plan->engine->type == CUDA_BFLOAT16;
  shape.tf32 = plan->engine->precision == SHT_TF32;
  SHT_TRY(cuda_matrix_open(plan->engine->cublas, &shape, at.bias, plan->engine->workspace_bytes, node->name,
                           &op->as.matrix.matrix, error));
  plan->choices = 31 * plan->choices + op->as.matrix.matrix.choice;
  return SHT_OK;
}

// Values of an example of the input, as held.
static uint64_t inputs_of(const cuda_plan *plan, const sht_node *node) {
  const sht_shape in = plan->graph->nodes[node->inputs[0]].out;
  return (uint64_t)in.height * in.width * cuda_padded(in.channels);
}

// Elements from a run's tensor of the node's size to the next run's.
static uint64_t apart_of(const cuda_plan *plan, int node) {
  const cuda_extent extent = plan->values[node].extent;
  return (uint64_t)extent.rows * extent.vectors * CUDA_VECTOR;
}

// The logits are float, for the loss.
static bool gives_logits(const cuda_plan *plan, int node) { return node == plan->graph->node_count - 1; }

static sht_status make_result(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_value *value = &plan->values[node];
  value->is_float = gives_logits(plan, node);
  if (!value->is_float) {
    return cuda_plan_tensor(plan, value->extent, n->name, &value->map, error);
  }
  value->map.stride = value->extent.vectors * CUDA_VECTOR;
  return cuda_memory_take(&plan->engine->memory, &value->map.data,
                          plan->engine->room * apart_of(plan, node) * sizeof(float), n->name, error);
}

sht_status cuda_dense_forward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_value *value = &plan->values[node];
  cuda_map x;
  SHT_TRY(cuda_plan_packed(plan, n->inputs[0], &x, error));
  SHT_TRY(make_result(plan, node, error));
  plan->values[cuda_plan_result(plan, node)].map = value->map;
  const cuda_matrix_shape shape = {.m = plan->engine->batch,
                                   .n = cuda_padded(n->out.channels),
                                   .k = inputs_of(plan, n),
                                   .b_turned = true,
                                   .d_float = value->is_float,
                                   .bias = n->bias >= 0,
                                   .relu = n->bias >= 0 && value->relu >= 0,
                                   .apart = {.a = apart_of(plan, n->inputs[0]),
                                             .b = plan->engine->parameters.count,
                                             .d = apart_of(plan, node),
                                             .bias = plan->engine->parameters.count}};
  cuda_operands at = {.a = x.data, .b = cuda_weights_at(plan->engine, n->weight), .d = value->map.data};
  if (n->bias >= 0) {
    at.bias =
        value->is_float ? (void *)cuda_float_weights_at(plan->engine, n->bias) : cuda_weights_at(plan->engine, n->bias);
  }
  SHT_TRY(add_matrix(plan, n, CUDA_ALWAYS, shape, at, false, error));
  if (value->relu >= 0 && n->bias < 0) {
    cuda_plan_gather(
        plan, CUDA_ALWAYS,
        &(cuda_gather){.terms = cuda_one_term(value->map), .relu = true, .out = value->map, .extent = value->extent},
        n->name);
  }
  return SHT_OK;
}

static sht_status input_gradient(cuda_plan *plan, int node, cuda_map g, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_map dx;
  SHT_TRY(cuda_plan_tensor(plan, plan->values[n->inputs[0]].extent, n->name, &dx, error));
  const cuda_matrix_shape shape = {
      .m = plan->engine->batch,
      .n = inputs_of(plan, n),
      .k = cuda_padded(n->out.channels),
      .apart = {.a = apart_of(plan, node), .b = plan->engine->parameters.count, .d = apart_of(plan, n->inputs[0])}};
  const cuda_operands at = {.a = g.data, .b = cuda_weights_at(plan->engine, n->weight), .d = dx.data};
  SHT_TRY(add_matrix(plan, n, CUDA_LEARNING, shape, at, false, error));
  return cuda_plan_add_term(plan, n->inputs[0], dx, error);
}

sht_status cuda_dense_backward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_map g;
  SHT_TRY(cuda_plan_gradient(plan, node, n->bias, &g, error));
  const cuda_matrix_shape shape = {
      .m = cuda_padded(n->out.channels),
      .n = inputs_of(plan, n),
      .k = plan->engine->batch,
      .a_turned = true,
      .d_float = true,
      .apart = {.a = apart_of(plan, node), .b = apart_of(plan, n->inputs[0]), .d = plan->engine->parameters.count}};
  const cuda_operands at = {
      .a = g.data, .b = plan->values[n->inputs[0]].packed.data, .d = cuda_gradient_at(plan->engine, n->weight)};
  SHT_TRY(add_matrix(plan, n, CUDA_LEARNING, shape, at, true, error));
  return plan->values[n->inputs[0]].needs_gradient ? input_gradient(plan, node, g, error) : SHT_OK;
}
