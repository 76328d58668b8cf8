// Max and average pooling, and local response normalisation.
#include "engine/cpu/plan.h"

enum { WINNER_KERNEL_MAX = 16 };  // a winner's index in the window is a byte

static cpu_window window_of(const cpu_engine *engine, const sht_node *node) {
  sht_shape in = engine->base.graph->nodes[node->inputs[0]].out;
  return (cpu_window){
      .images = CPU_SHARD_IMAGES,
      .blocks = cpu_round_up(node->out.channels, engine->block) / engine->block,
      .height = in.height,
      .width = in.width,
      .out_height = node->out.height,
      .out_width = node->out.width,
      .kernel = node->kernel,
      .stride = node->stride,
      .pad = node->pad_before,
  };
}

// view: y, winners (max only), x.
static void run_pool(const cpu_op *op, const cpu_tile *tile) {
  cpu_window window = window_of(tile->engine, op->node);
  cpu_array y = cpu_array_at(&op->view[0], tile);
  cpu_array x = cpu_array_at(&op->view[op->outputs], tile);
  if (op->flag) {
    tile->engine->kernels->max_forward(&x, &y, (uint8_t *)cpu_at(&op->view[1], tile), &window);
  } else {
    tile->engine->kernels->mean_forward(&x, &y, &window);
  }
}

// view: dx, dy, winners (max only).
static void run_pool_backward(const cpu_op *op, const cpu_tile *tile) {
  cpu_window window = window_of(tile->engine, op->node);
  cpu_array dx = cpu_array_at(&op->view[0], tile);
  cpu_array dy = cpu_array_at(&op->view[1], tile);
  float *plane = (float *)cpu_scratch(tile);
  if (op->flag) {
    tile->engine->kernels->max_backward(&dy, (const uint8_t *)cpu_at(&op->view[2], tile), &dx, plane, &window);
  } else {
    tile->engine->kernels->mean_backward(&dy, &dx, plane, &window);
  }
}

static cpu_op *window_op(cpu_plan *plan, int node, bool training, cpu_view output) {
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, &plan->graph->nodes[node]);
  op->training = training;
  op->flag = plan->graph->nodes[node].op == SHT_OP_MAXPOOL;
  cpu_op_writes(op, output);
  return op;
}

sht_status cpu_pool_forward(cpu_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_value *value = &plan->values[node];
  if (n->op == SHT_OP_MAXPOOL && n->kernel > WINNER_KERNEL_MAX) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "layer '%s': the cpu engine has maximum pooling up to %d x %d windows, not %u x %u; use a smaller "
                    "window, or the engine 'ref'",
                    n->name, WINNER_KERNEL_MAX, WINNER_KERNEL_MAX, n->kernel, n->kernel);
  }
  cpu_view x = cpu_input_slice(plan, plan->graph->nodes[node].inputs[0], CPU_BLOCKED);
  value->layout = CPU_BLOCKED;
  value->view = cpu_output(plan, node);
  cpu_op *op = window_op(plan, node, false, value->view);
  op->run_shard = run_pool;
  if (op->flag) {
    value->kept = cpu_plan_memory(plan, cpu_elements(plan, node, CPU_BLOCKED) * CPU_SHARD_IMAGES);
    cpu_op_writes(op, value->kept);
  }
  cpu_op_reads(op, x);
  cpu_plan_place(plan, op);
  return SHT_OK;
}

void cpu_pool_backward(cpu_plan *plan, int node) {
  int input = plan->graph->nodes[node].inputs[0];
  cpu_view dy = cpu_gradient(plan, node, (cpu_view){0});
  cpu_view dx = cpu_plan_activation(plan, input);
  cpu_window window = window_of(plan->engine, &plan->graph->nodes[node]);
  cpu_need_scratch(plan->engine, (uint64_t)window.height * window.width * plan->engine->block * sizeof(float));
  cpu_op *op = window_op(plan, node, true, dx);
  op->run_shard = run_pool_backward;
  cpu_op_reads(op, dy);
  if (op->flag) {
    cpu_op_reads(op, plan->values[node].kept);
  }
  cpu_plan_place(plan, op);
  cpu_add_term(plan, input, CPU_BLOCKED, dx);
}

// ---- local response normalisation

static cpu_lrn lrn_of(const cpu_engine *engine, const sht_node *node) {
  return (cpu_lrn){
      .images = CPU_SHARD_IMAGES,
      .blocks = cpu_round_up(node->out.channels, engine->block) / engine->block,
      .positions = node->out.height * node->out.width,
      .radius = node->lrn_radius,
      .bias = node->lrn_bias,
      .alpha = node->lrn_alpha,
      .beta = node->lrn_beta,
  };
}

// view: y, x.
static void run_lrn(const cpu_op *op, const cpu_tile *tile) {
  cpu_lrn lrn = lrn_of(tile->engine, op->node);
  cpu_array y = cpu_array_at(&op->view[0], tile);
  cpu_array x = cpu_array_at(&op->view[1], tile);
  tile->engine->kernels->lrn_forward(&x, &y, &lrn, (float *)cpu_scratch(tile));
}

// view: dx, dy, x.
static void run_lrn_backward(const cpu_op *op, const cpu_tile *tile) {
  cpu_lrn lrn = lrn_of(tile->engine, op->node);
  cpu_array dx = cpu_array_at(&op->view[0], tile);
  cpu_array dy = cpu_array_at(&op->view[1], tile);
  cpu_array x = cpu_array_at(&op->view[2], tile);
  tile->engine->kernels->lrn_backward(&x, &dy, &dx, &lrn, (float *)cpu_scratch(tile));
}

static cpu_view lrn_input(cpu_plan *plan, int node) {
  return cpu_input_slice(plan, plan->graph->nodes[node].inputs[0], CPU_BLOCKED);
}

void cpu_lrn_forward(cpu_plan *plan, int node) {
  cpu_value *value = &plan->values[node];
  cpu_lrn lrn = lrn_of(plan->engine, &plan->graph->nodes[node]);
  cpu_need_scratch(plan->engine, 3 * cpu_lrn_row(&lrn, plan->engine->block) * sizeof(float));
  cpu_view x = lrn_input(plan, node);
  value->layout = CPU_BLOCKED;
  value->view = cpu_output(plan, node);
  cpu_op *op = window_op(plan, node, false, value->view);
  op->run_shard = run_lrn;
  cpu_op_reads(op, x);
  cpu_plan_place(plan, op);
}

void cpu_lrn_backward(cpu_plan *plan, int node) {
  int input = plan->graph->nodes[node].inputs[0];
  cpu_view dy = cpu_gradient(plan, node, (cpu_view){0});
  cpu_view dx = cpu_plan_activation(plan, input);
  cpu_op *op = window_op(plan, node, true, dx);
  op->run_shard = run_lrn_backward;
  cpu_op_reads(op, dy);
  cpu_op_reads(op, lrn_input(plan, node));
  cpu_plan_place(plan, op);
  cpu_add_term(plan, input, CPU_BLOCKED, dx);
}
