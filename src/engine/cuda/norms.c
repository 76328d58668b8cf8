// Batch normalisation with the ReLU behind it: statistics, then one pass; backward: sums, then one pass.
#include "base/memory.h"
#include "engine/cuda/plan.h"

static cuda_norm of_all_runs(const cuda_engine *engine, const cuda_op *op) {
  cuda_norm all = op->as.norm.norm;
  all.runs = engine->runs;
  return all;
}

static void run_forward(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_norm_op *as = &op->as.norm;
  const cuda_norm all = of_all_runs(engine, op);
  if (engine->pass == CUDA_EVALUATE) {
    cuda_run_norm_apply(engine->type, &all, all.running_mean, engine->norms.running_inverse + as->offset, as->out,
                        stream);
    return;
  }
  cuda_run_norm_measure(engine->type, &all, engine->pass == CUDA_TRAIN, stream);
  cuda_run_norm_apply(engine->type, &all, all.mean, all.inverse, as->out, stream);
}

static void run_sums(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_norm all = of_all_runs(engine, op);
  cuda_run_norm_sums(engine->type, &all, &op->as.norm.dy, stream);
}

static void run_backward(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_norm all = of_all_runs(engine, op);
  cuda_run_norm_backward(engine->type, &all, &op->as.norm.dy, op->as.norm.out, stream);
}

static cuda_norm norm_of(const cuda_plan *plan, int node) {
  const cuda_engine *engine = plan->engine;
  const cuda_norms *all = &engine->norms;
  const sht_node *n = &plan->graph->nodes[node];
  const uint32_t offset = all->offsets[node];
  return (cuda_norm){
      .job = engine->job,
      .x = plan->values[n->inputs[0]].map,
      .extent = plan->values[node].extent,
      .area = n->out.height * n->out.width,
      .epsilon = n->epsilon,
      .decay = n->decay,
      .mean = all->mean + offset,
      .inverse = all->inverse + offset,
      .running_mean = all->running_mean + offset,
      .running_variance = all->running_variance + offset,
      .mean_g = all->mean_g + offset,
      .mean_gz = all->mean_gz + offset,
      .scale = cuda_float_weights_at(engine, n->weight),
      .shift = cuda_float_weights_at(engine, n->bias),
      .scale_gradient = cuda_float_gradient_at(engine, n->weight),
      .shift_gradient = cuda_float_gradient_at(engine, n->bias),
      .partial = plan->partial,
      .counter = plan->counter,
      .relu = plan->values[node].relu >= 0,
      .apart = engine->parameters.count,
      .statistics_apart = all->count,
  };
}

sht_status cuda_norm_forward(cuda_plan *plan, int node, sht_error *error) {
  const int result = cuda_plan_result(plan, node);
  SHT_TRY(cuda_plan_output(plan, result, error));
  plan->values[node].map = plan->values[result].map;
  cuda_plan_op(plan, CUDA_ALWAYS, run_forward, plan->graph->nodes[node].name)->as.norm = (cuda_norm_op){
      .norm = norm_of(plan, node), .offset = plan->engine->norms.offsets[node], .out = plan->values[result].map};
  return SHT_OK;
}

sht_status cuda_norm_backward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_norm_op as = {.norm = norm_of(plan, node), .dy = plan->values[cuda_plan_result(plan, node)].terms};
  cuda_plan_op(plan, CUDA_LEARNING, run_sums, n->name)->as.norm = as;
  if (!plan->values[n->inputs[0]].needs_gradient) {
    return SHT_OK;
  }
  SHT_TRY(cuda_plan_tensor(plan, plan->values[node].extent, n->name, &as.out, error));
  cuda_plan_op(plan, CUDA_LEARNING, run_backward, n->name)->as.norm = as;
  return cuda_plan_add_term(plan, n->inputs[0], as.out, error);
}
