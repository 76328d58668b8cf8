// Graph -> plan: what is fused, what is written straight into a concatenation, then each node's operations: forward,
// the loss, backward in reverse order, the update.
#include "base/memory.h"
#include "engine/cuda/plan.h"

enum { OPS_PER_NODE = 24, FIXED_OPS = 8 };

// ---- analysis

static bool holds_parameters(sht_op op) {
  return op == SHT_OP_CONV || op == SHT_OP_LINEAR || op == SHT_OP_BATCHNORM || op == SHT_OP_SHIFT;
}

static void count_consumers(cuda_plan *plan) {
  for (int i = 0; i < plan->graph->node_count; i++) {
    const sht_node *n = &plan->graph->nodes[i];
    cuda_value *value = &plan->values[i];
    value->relu = value->fused_into = value->home = -1;
    value->needs_gradient = holds_parameters(n->op);
    for (int k = 0; k < n->input_count; k++) {
      plan->values[n->inputs[k]].consumers++;
      value->needs_gradient = value->needs_gradient || plan->values[n->inputs[k]].needs_gradient;
    }
  }
}

// ReLU becomes part of the one layer before it that can do it.
static void fuse_relu(cuda_plan *plan) {
  for (int i = 0; i < plan->graph->node_count; i++) {
    const sht_node *n = &plan->graph->nodes[i];
    const int input = n->inputs[0];
    if (n->op != SHT_OP_RELU || plan->values[input].consumers != 1) {
      continue;
    }
    const sht_op before = plan->graph->nodes[input].op;
    if (before == SHT_OP_CONV || before == SHT_OP_LINEAR || before == SHT_OP_BATCHNORM) {
      plan->values[i].fused_into = input;
      plan->values[input].relu = i;
    }
  }
}

// Whether the operation that makes the node's value is a kernel of ours, which can write into a slice.
static bool can_write_slice(const cuda_plan *plan, int node) {
  const int fused = plan->values[node].fused_into;
  const sht_node *n = &plan->graph->nodes[fused >= 0 ? fused : node];
  switch (n->op) {
    case SHT_OP_INPUT:
    case SHT_OP_LINEAR:
    case SHT_OP_CONCAT:
      return false;
    case SHT_OP_CONV:
      return n->bias >= 0 || fused >= 0;
    default:
      return true;
  }
}

// Inputs of a concatenation whose channels are whole vectors are written where they belong. (An input of two
// concatenations lives in the first and is copied into the other.)
static sht_status find_homes(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  uint32_t channel = 0;
  for (int i = 0; i < n->input_count; i++) {
    cuda_value *input = &plan->values[n->inputs[i]];
    const uint32_t channels = plan->graph->nodes[n->inputs[i]].out.channels;
    if (channel % CUDA_VECTOR == 0 && channels % CUDA_VECTOR == 0 && input->home < 0 &&
        can_write_slice(plan, n->inputs[i])) {
      input->home = node;
      input->home_channel = channel;
    }
    channel += channels;
  }
  return cuda_plan_tensor(plan, plan->values[node].extent, n->name, &plan->values[node].map, error);
}

// Room of the sums over pixels.
static sht_status take_sums(cuda_plan *plan, sht_error *error) {
  enum { TILE = 8 };  // vectors of a column of blocks, at least: kernels_norm.cu
  cuda_memory *memory = &plan->engine->memory;
  const uint64_t room = plan->engine->room;
  const uint64_t bytes = room * CUDA_SUM_BLOCKS * 2 * plan->widest * CUDA_VECTOR * sizeof(float);
  SHT_TRY(cuda_memory_take(memory, (void **)&plan->partial, bytes, "sums over pixels", error));
  return cuda_memory_take(memory, (void **)&plan->counter, room * (plan->widest / TILE + 1) * sizeof(uint32_t),
                          "sums over pixels", error);
}

static sht_status analyse(cuda_plan *plan, sht_error *error) {
  for (int i = 0; i < plan->graph->node_count; i++) {
    cuda_value *value = &plan->values[i];
    SHT_TRY(cuda_plan_extent(plan, plan->graph->nodes[i].out, plan->graph->nodes[i].name, &value->extent, error));
    plan->widest = value->extent.vectors > plan->widest ? value->extent.vectors : plan->widest;
  }
  count_consumers(plan);
  fuse_relu(plan);
  SHT_TRY(take_sums(plan, error));
  for (int i = 0; i < plan->graph->node_count; i++) {
    if (plan->graph->nodes[i].op == SHT_OP_CONCAT) {
      SHT_TRY(find_homes(plan, i, error));
    }
  }
  return SHT_OK;
}

// ---- the two ends

static void run_input(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_input all = op->as.input;
  all.runs = engine->runs;
  cuda_run_input(engine->type, &all, stream);
}

static sht_status input_forward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_engine *engine = plan->engine;
  cuda_value *value = &plan->values[node];
  void *levels = NULL;
  const uint64_t values = (uint64_t)engine->room * value->extent.rows * n->out.channels;
  SHT_TRY(cuda_plan_output(plan, node, error));
  SHT_TRY(cuda_memory_take(&engine->memory, &levels, values * sizeof(int16_t), n->name, error));
  cuda_plan_op(plan, CUDA_ALWAYS, run_input, n->name)->as.input =
      (cuda_input){.job = engine->job,
                   .x = value->map,
                   .levels = levels,
                   .labels = engine->labels,
                   .examples = engine->examples,
                   .batch = engine->batch,
                   .positions = n->out.height * n->out.width,
                   .vectors = value->extent.vectors};
  return SHT_OK;
}

static void run_loss(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_loss all = op->as.loss;
  all.runs = engine->runs;
  cuda_run_loss(engine->type, &all, stream);
}

static sht_status plan_loss(cuda_plan *plan, sht_error *error) {
  const int last = plan->graph->node_count - 1;
  const char *name = plan->graph->nodes[last].name;
  cuda_engine *engine = plan->engine;
  const cuda_value *value = &plan->values[last];
  cuda_loss loss = {.job = engine->job,
                    .logits = value->map,
                    .logits_float = value->is_float,
                    .labels = engine->labels,
                    .batch = engine->batch,
                    .classes = plan->graph->classes,
                    .vectors = value->extent.vectors};
  cuda_op *evaluation = cuda_plan_op(plan, CUDA_EVALUATE, run_loss, name);
  evaluation->as.loss = loss;
  evaluation->as.loss.all_logits = engine->logits;
  evaluation->as.loss.all_losses = engine->losses;
  SHT_TRY(cuda_plan_tensor(plan, value->extent, name, &loss.gradient, error));
  cuda_plan_op(plan, CUDA_LEARNING, run_loss, name)->as.loss = loss;
  return cuda_plan_add_term(plan, last, loss.gradient, error);
}

static void run_update(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  (void)op;
  const cuda_parameters *all = &engine->parameters;
  const cuda_update update = {.job = engine->job,
                              .weights = all->weights,
                              .momentum = all->momentum,
                              .gradients = all->gradients,
                              .rounded_gradients = all->rounded_gradients,
                              .rounded = all->rounded,
                              .chunks = all->chunks,
                              .chunk_count = all->count / CUDA_CHUNK,
                              .runs = engine->runs};
  if (update.chunk_count > 0) {
    cuda_run_update(&update, stream);
  }
}

static void run_finish(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  (void)op;
  cuda_run_finish(engine->job, engine->pass == CUDA_EVALUATE ? NULL : engine->metrics, engine->runs, stream);
}

// What every step ends with; the side stream's gradients are needed from here on.
static void plan_end(cuda_plan *plan) {
  cuda_op *update = cuda_plan_op(plan, CUDA_TRAIN, run_update, "update");
  update->joins = true;
  cuda_op *finish = cuda_plan_op(plan, CUDA_ALWAYS, run_finish, "end of the step");
  finish->joins = true;
}

// ---- emission

typedef sht_status (*emitter)(cuda_plan *plan, int node, sht_error *error);

static sht_status nothing(cuda_plan *plan, int node, sht_error *error) {
  (void)plan;
  (void)node;
  (void)error;
  return SHT_OK;
}

static const struct {
  emitter forward, backward;
} emitters[] = {
    [SHT_OP_INPUT] = {input_forward, nothing},
    [SHT_OP_CONV] = {cuda_convolution_forward, cuda_convolution_backward},
    [SHT_OP_LINEAR] = {cuda_dense_forward, cuda_dense_backward},
    [SHT_OP_BATCHNORM] = {cuda_norm_forward, cuda_norm_backward},
    [SHT_OP_RELU] = {cuda_relu_forward, cuda_relu_backward},
    [SHT_OP_MAXPOOL] = {cuda_pool_forward, cuda_pool_backward},
    [SHT_OP_AVGPOOL] = {cuda_pool_forward, cuda_pool_backward},
    [SHT_OP_LRN] = {cuda_lrn_forward, cuda_lrn_backward},
    [SHT_OP_DROPOUT] = {cuda_dropout_forward, cuda_dropout_backward},
    [SHT_OP_ADD] = {cuda_add_forward, cuda_add_backward},
    [SHT_OP_CONCAT] = {cuda_concat_forward, cuda_concat_backward},
    [SHT_OP_SHIFT] = {cuda_shift_forward, cuda_shift_backward},
};

static sht_status plan_forward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  if ((size_t)n->op >= sizeof emitters / sizeof emitters[0]) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "the engine 'cuda' has no operation %d (layer '%s'); use --device cpu",
                    (int)n->op, n->name);
  }
  return plan->values[node].fused_into >= 0 ? SHT_OK : emitters[n->op].forward(plan, node, error);
}

// Whether something behind the node sent a gradient; a fused ReLU's is its layer's.
static bool has_gradient(const cuda_plan *plan, int node) {
  return plan->values[node].needs_gradient && plan->values[node].fused_into < 0 &&
         plan->values[cuda_plan_result(plan, node)].terms.count > 0;
}

static sht_status compile(cuda_plan *plan, sht_error *error) {
  SHT_TRY(analyse(plan, error));
  for (int i = 0; i < plan->graph->node_count; i++) {
    SHT_TRY(plan_forward(plan, i, error));
  }
  SHT_TRY(plan_loss(plan, error));
  for (int i = plan->graph->node_count - 1; i >= 0; i--) {
    if (has_gradient(plan, i)) {
      SHT_TRY(emitters[plan->graph->nodes[i].op].backward(plan, i, error));
    }
  }
  plan_end(plan);
  if (plan->op_count + 1 >= plan->op_capacity) {
    return SHT_FAIL(error, SHT_INTERNAL, "model %s: the plan needs more than %d operations; report this model",
                    plan->graph->name, plan->op_capacity);
  }
  return SHT_OK;
}

sht_status cuda_plan_open(cuda_engine *engine, cuda_plan **out, sht_error *error) {
  cuda_plan *plan = NULL;
  SHT_TRY(SHT_ALLOC(&plan, 1, "plan", error));
  *out = plan;
  plan->engine = engine;
  plan->graph = engine->graph;
  plan->op_capacity = OPS_PER_NODE * plan->graph->node_count + FIXED_OPS;
  SHT_TRY(SHT_ALLOC(&plan->values, plan->graph->node_count, "plan", error));
  SHT_TRY(SHT_ALLOC(&plan->ops, plan->op_capacity, "plan", error));
  return compile(plan, error);
}

void cuda_plan_close(cuda_plan *plan) {
  if (plan == NULL) {
    return;
  }
  for (int i = 0; plan->ops != NULL && i < plan->op_capacity; i++) {
    if (plan->ops[i].close != NULL) {
      plan->ops[i].close(&plan->ops[i]);
    }
  }
  sht_free(plan->values);
  sht_free(plan->ops);
  sht_free(plan);
}
