// Parameters that the engine holds itself, and their update: the shards' partial gradients are summed in a fixed tree
// and used while they are in cache.
#include <string.h>

#include "base/memory.h"
#include "engine/cpu/plan.h"

enum { PARAM_ALIGN = 64 };  // floats

static uint64_t held_count(const cpu_engine *engine, const sht_parameter *spec) {
  const sht_node *node = &engine->base.graph->nodes[spec->node];
  if (node->op == SHT_OP_CONV && spec == &engine->base.graph->parameters[node->weight]) {
    return cpu_conv_weight_count(engine->convs[spec->node]);
  }
  return cpu_round_up(spec->dims[0], engine->block);
}

sht_status cpu_params_open(cpu_engine *engine, sht_error *error) {
  const sht_graph *graph = engine->base.graph;
  for (int i = 0; i < graph->parameter_tensors; i++) {
    const sht_parameter *spec = &graph->parameters[i];
    if (graph->nodes[spec->node].op == SHT_OP_LINEAR) {
      continue;
    }
    uint64_t count = held_count(engine, spec);
    engine->params[i] = (cpu_param){.spec = spec, .count = count, .offset = engine->family_count};
    engine->family_count += (count + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
  }
  static const char *const names[CPU_FAMILIES] = {"parameters", "momentum", "gradients"};
  for (int f = 0; f < CPU_FAMILIES; f++) {
    SHT_TRY(SHT_ALLOC(&engine->family[f], engine->family_count, names[f], error));
    engine->bytes += engine->family_count * sizeof(float);
  }
  return SHT_OK;
}

void cpu_param_step(cpu_engine *engine, int index, uint64_t first, uint64_t count, const float *gradient) {
  const sht_step_rates *rates = engine->step.rates;
  if (rates == NULL) {
    memcpy(cpu_param_at(engine, index, 2) + first, gradient, count * sizeof *gradient);
    return;
  }
  bool decays = engine->params[index].spec->weight_decay;
  cpu_update_rule rule = {rates->learning_rate, rates->momentum, decays ? rates->weight_decay : 0};
  float *value = cpu_param_at(engine, index, 0) + first;
  float *momentum = cpu_param_at(engine, index, 1) + first;
  if (!engine->kernels->update(value, momentum, gradient, count, rule)) {
    atomic_store(&engine->infinite, true);
  }
}

static void run_update(const cpu_op *op, cpu_engine *engine, size_t chunk, int worker) {
  (void)worker;
  uint64_t total = engine->params[op->parameter].count;
  uint64_t first = (uint64_t)chunk * CPU_CHUNK;
  uint64_t count = total - first < CPU_CHUNK ? total - first : CPU_CHUNK;
  const cpu_buffer *partial = op->view[1].buffer;
  float *gradient = (float *)partial->base + first;
  const uint64_t stride = partial->shard_bytes / sizeof(float) * partial->together;
  engine->kernels->tree_sum(gradient, stride, cpu_tensors_in(partial, engine->step.shards), count);
  cpu_param_step(engine, op->parameter, first, count, gradient);
}

static void run_repack(const cpu_op *op, cpu_engine *engine, size_t chunk, int worker) {
  (void)chunk;
  if (engine->step.rates != NULL) {
    cpu_conv_repack(engine, (int)(op->node - engine->base.graph->nodes), worker);
  }
}

static cpu_op *plan_chunks(cpu_plan *plan, const sht_node *node, cpu_view input) {
  cpu_op *op = cpu_plan_op(plan, CPU_OP_CHUNKS, node);
  op->training = true;
  cpu_op_writes(op, cpu_plan_memory(plan, 0));  // a sign that it has been done
  cpu_op_reads(op, input);
  cpu_plan_place(plan, op);
  return op;
}

void cpu_plan_update(cpu_plan *plan, int parameter, cpu_view partial) {
  const sht_node *node = &plan->graph->nodes[plan->graph->parameters[parameter].node];
  uint64_t count = partial.buffer->shard_bytes / sizeof(float) * partial.buffer->together;
  cpu_op *op = plan_chunks(plan, node, partial);
  op->run_chunk = run_update;
  op->chunks = (count + CPU_CHUNK - 1) / CPU_CHUNK;
  op->parameter = parameter;
  if (parameter == node->weight) {
    op = plan_chunks(plan, node, op->view[0]);
    op->run_chunk = run_repack;
    op->chunks = 1;
  }
}
