// Values and operations of the plan: see plan.h.
#include "engine/cuda/plan.h"

#include "base/memory.h"

cuda_op *cuda_plan_op(cuda_plan *plan, unsigned passes, cuda_run run, const char *name) {
  cuda_op *op = &plan->ops[plan->op_count];
  if (plan->op_count + 1 < plan->op_capacity) {
    plan->op_count++;
  }
  *op = (cuda_op){.run = run, .passes = passes, .name = name};
  return op;
}

sht_status cuda_plan_extent(const cuda_plan *plan, sht_shape shape, const char *name, cuda_extent *out,
                            sht_error *error) {
  const uint64_t limit = (uint64_t)1 << 31;  // kernels count vectors in 32 bits
  const uint64_t vectors = cuda_padded(shape.channels) / CUDA_VECTOR;
  uint64_t rows = 0;
  uint64_t items = 0;
  if (!sht_size_mul(shape.height, shape.width, &rows) || !sht_size_mul(rows, plan->engine->batch, &rows) ||
      !sht_size_mul(rows, vectors, &items) || !sht_size_mul(items, plan->engine->room, &items) || items >= limit) {
    return SHT_FAIL(
        error, SHT_MEMORY,
        "layer '%s': a batch of %u with %u x %u x %u values each is more than the engine 'cuda' takes; make "
        "--batch smaller, or have fewer runs --together",
        name, plan->engine->batch, shape.height, shape.width, shape.channels);
  }
  *out = (cuda_extent){.rows = (uint32_t)rows, .vectors = (uint32_t)vectors};
  return SHT_OK;
}

sht_status cuda_plan_tensor(cuda_plan *plan, cuda_extent extent, const char *name, cuda_map *out, sht_error *error) {
  const uint64_t bytes =
      plan->engine->room * (uint64_t)extent.rows * extent.vectors * CUDA_VECTOR * cuda_element_bytes(plan->engine);
  out->stride = extent.vectors * CUDA_VECTOR;
  return cuda_memory_take(&plan->engine->memory, &out->data, bytes, name, error);
}

sht_status cuda_plan_output(cuda_plan *plan, int node, sht_error *error) {
  cuda_value *value = &plan->values[node];
  if (value->home < 0) {
    return cuda_plan_tensor(plan, value->extent, plan->graph->nodes[node].name, &value->map, error);
  }
  const cuda_map home = plan->values[value->home].map;
  value->map.stride = home.stride;
  value->map.data = (char *)home.data + value->home_channel * cuda_element_bytes(plan->engine);
  return SHT_OK;
}

static void run_gather(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_gather all = op->as.gather;
  all.runs = engine->runs;
  cuda_run_gather(engine->type, &all, stream);
}

void cuda_plan_gather(cuda_plan *plan, unsigned passes, const cuda_gather *gather, const char *name) {
  cuda_op *op = cuda_plan_op(plan, passes, run_gather, name);
  op->as.gather = *gather;
  op->as.gather.apart = plan->engine->parameters.count;
}

static void run_copy(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_channels all = op->as.copy;
  all.rows *= engine->runs;
  cuda_run_copy_channels(engine->type, &all, stream);
}

void cuda_plan_copy(cuda_plan *plan, unsigned passes, const cuda_channels *copy, const char *name) {
  cuda_plan_op(plan, passes, run_copy, name)->as.copy = *copy;
}

sht_status cuda_plan_packed(cuda_plan *plan, int node, cuda_map *out, sht_error *error) {
  cuda_value *value = &plan->values[node];
  const char *name = plan->graph->nodes[node].name;
  if (value->packed.data == NULL && cuda_is_packed(value->map, value->extent)) {
    value->packed = value->map;
  }
  if (value->packed.data == NULL) {
    SHT_TRY(cuda_plan_tensor(plan, value->extent, name, &value->packed, error));
    cuda_plan_gather(plan, CUDA_ALWAYS,
                     &(cuda_gather){.terms = cuda_one_term(value->map), .out = value->packed, .extent = value->extent},
                     name);
  }
  *out = value->packed;
  return SHT_OK;
}

int cuda_plan_result(const cuda_plan *plan, int node) {
  return plan->values[node].relu >= 0 ? plan->values[node].relu : node;
}

// Where there is no more room, the terms become one.
sht_status cuda_plan_add_term(cuda_plan *plan, int node, cuda_map term, sht_error *error) {
  cuda_value *value = &plan->values[node];
  const char *name = plan->graph->nodes[node].name;
  if (value->terms.count == CUDA_TERMS_MAX) {
    cuda_map sum;
    SHT_TRY(cuda_plan_tensor(plan, value->extent, name, &sum, error));
    cuda_plan_gather(plan, CUDA_LEARNING, &(cuda_gather){.terms = value->terms, .out = sum, .extent = value->extent},
                     name);
    value->terms = cuda_one_term(sum);
  }
  value->terms.term[value->terms.count++] = term;
  return SHT_OK;
}

static void run_bias(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_bias all = op->as.bias;
  all.runs = engine->runs;
  cuda_run_bias_gradient(engine->type, &all, stream);
}

static void plan_bias(cuda_plan *plan, int node, int bias, cuda_terms terms, cuda_map mask, cuda_map out) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_plan_op(plan, CUDA_LEARNING, run_bias, n->name)->as.bias =
      (cuda_bias){.terms = terms,
                  .mask = mask,
                  .out = out,
                  .extent = plan->values[node].extent,
                  .bias = cuda_float_gradient_at(plan->engine, bias),
                  .sign = n->op == SHT_OP_SHIFT ? -1 : 1,
                  .partial = plan->partial,
                  .counter = plan->counter,
                  .apart = plan->engine->parameters.count};
}

sht_status cuda_plan_gradient(cuda_plan *plan, int node, int bias, cuda_map *out, sht_error *error) {
  const cuda_value *value = &plan->values[cuda_plan_result(plan, node)];
  const char *name = plan->graph->nodes[node].name;
  const cuda_map none = {.data = NULL};
  const cuda_map mask = plan->values[node].relu >= 0 ? value->map : none;
  const bool whole =
      value->terms.count == 1 && mask.data == NULL && cuda_is_packed(value->terms.term[0], value->extent);
  *out = value->terms.term[0];
  if (!whole) {
    SHT_TRY(cuda_plan_tensor(plan, value->extent, name, out, error));
  }
  if (bias >= 0) {
    plan_bias(plan, node, bias, value->terms, mask, whole ? none : *out);
  } else if (!whole) {
    cuda_plan_gather(plan, CUDA_LEARNING,
                     &(cuda_gather){.terms = value->terms, .mask = mask, .out = *out, .extent = value->extent}, name);
  }
  return SHT_OK;
}
