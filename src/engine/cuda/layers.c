// The other layers: pools, normalisation across channels, ReLU on its own, dropout, sum, concatenation, shift.
#include "engine/cuda/plan.h"

static sht_shape input_shape(const cuda_plan *plan, const sht_node *node) {
  return plan->graph->nodes[node->inputs[0]].out;
}

static const cuda_value *input_of(const cuda_plan *plan, int node) {
  return &plan->values[plan->graph->nodes[node].inputs[0]];
}

// A tensor for the gradient with respect to the node's only input, as a term of it.
static sht_status take_input_gradient(cuda_plan *plan, int node, cuda_map *out, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  SHT_TRY(cuda_plan_tensor(plan, input_of(plan, node)->extent, n->name, out, error));
  return cuda_plan_add_term(plan, n->inputs[0], *out, error);
}

// ---- pools

static cuda_pool pool_of_all_runs(const cuda_engine *engine, const cuda_op *op) {
  cuda_pool all = op->as.pool.pool;
  all.batch *= engine->runs;
  return all;
}

static void run_maxpool(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_pool all = pool_of_all_runs(engine, op);
  cuda_run_maxpool(engine->type, &all, stream);
}

static void run_avgpool(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_pool all = pool_of_all_runs(engine, op);
  cuda_run_avgpool(engine->type, &all, stream);
}

static void run_maxpool_backward(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_pool all = pool_of_all_runs(engine, op);
  cuda_run_maxpool_backward(engine->type, &all, &op->as.pool.dy, op->as.pool.dx, stream);
}

static void run_avgpool_backward(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_pool all = pool_of_all_runs(engine, op);
  cuda_run_avgpool_backward(engine->type, &all, &op->as.pool.dy, op->as.pool.dx, stream);
}

static cuda_pool pool_of(const cuda_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  const sht_shape in = input_shape(plan, n);
  return (cuda_pool){.x = input_of(plan, node)->map,
                     .y = plan->values[node].map,
                     .winner = plan->values[node].kept,
                     .batch = plan->engine->batch,
                     .height = in.height,
                     .width = in.width,
                     .out_height = n->out.height,
                     .out_width = n->out.width,
                     .kernel = n->kernel,
                     .stride = n->stride,
                     .before = n->pad_before,
                     .vectors = cuda_padded(in.channels) / CUDA_VECTOR};
}

sht_status cuda_pool_forward(cuda_plan *plan, int node, sht_error *error) {
  enum { KERNEL_MAX = 15 };  // a winner is one byte, and one value means none
  const sht_node *n = &plan->graph->nodes[node];
  cuda_value *value = &plan->values[node];
  const bool maximum = n->op == SHT_OP_MAXPOOL;
  if (maximum && n->kernel > KERNEL_MAX) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "layer '%s': the engine 'cuda' has maxima over windows of up to %d x %d, not %u x %u; use --device "
                    "cpu",
                    n->name, (int)KERNEL_MAX, (int)KERNEL_MAX, n->kernel, n->kernel);
  }
  SHT_TRY(cuda_plan_output(plan, node, error));
  if (maximum) {
    const uint64_t bytes = (uint64_t)plan->engine->room * value->extent.rows * value->extent.vectors * CUDA_VECTOR;
    SHT_TRY(cuda_memory_take(&plan->engine->memory, &value->kept, bytes, n->name, error));
  }
  cuda_plan_op(plan, CUDA_ALWAYS, maximum ? run_maxpool : run_avgpool, n->name)->as.pool =
      (cuda_pool_op){.pool = pool_of(plan, node)};
  return SHT_OK;
}

sht_status cuda_pool_backward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_pool_op as = {.pool = pool_of(plan, node), .dy = plan->values[node].terms};
  SHT_TRY(take_input_gradient(plan, node, &as.dx, error));
  cuda_plan_op(plan, CUDA_LEARNING, n->op == SHT_OP_MAXPOOL ? run_maxpool_backward : run_avgpool_backward, n->name)
      ->as.pool = as;
  return SHT_OK;
}

// ---- normalisation across channels

static cuda_lrn lrn_of_all_runs(const cuda_engine *engine, const cuda_op *op) {
  cuda_lrn all = op->as.lrn.lrn;
  all.extent.rows *= engine->runs;
  return all;
}

static void run_lrn(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_lrn all = lrn_of_all_runs(engine, op);
  cuda_run_lrn(engine->type, &all, stream);
}

static void run_lrn_backward(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_lrn all = lrn_of_all_runs(engine, op);
  cuda_run_lrn_backward(engine->type, &all, &op->as.lrn.dy, op->as.lrn.dx, stream);
}

static cuda_lrn lrn_of(const cuda_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  return (cuda_lrn){.x = input_of(plan, node)->map,
                    .y = plan->values[node].map,
                    .s = plan->values[node].kept,
                    .extent = plan->values[node].extent,
                    .channels = n->out.channels,
                    .radius = n->lrn_radius,
                    .bias = n->lrn_bias,
                    .alpha = n->lrn_alpha,
                    .beta = n->lrn_beta};
}

sht_status cuda_lrn_forward(cuda_plan *plan, int node, sht_error *error) {
  const char *name = plan->graph->nodes[node].name;
  cuda_value *value = &plan->values[node];
  const uint64_t elements = (uint64_t)plan->engine->room * value->extent.rows * value->extent.vectors * CUDA_VECTOR;
  SHT_TRY(cuda_plan_output(plan, node, error));
  SHT_TRY(cuda_memory_take(&plan->engine->memory, &value->kept, elements * sizeof(float), name, error));
  cuda_plan_op(plan, CUDA_ALWAYS, run_lrn, name)->as.lrn = (cuda_lrn_op){.lrn = lrn_of(plan, node)};
  return SHT_OK;
}

sht_status cuda_lrn_backward(cuda_plan *plan, int node, sht_error *error) {
  cuda_lrn_op as = {.lrn = lrn_of(plan, node), .dy = plan->values[node].terms};
  SHT_TRY(take_input_gradient(plan, node, &as.dx, error));
  cuda_plan_op(plan, CUDA_LEARNING, run_lrn_backward, plan->graph->nodes[node].name)->as.lrn = as;
  return SHT_OK;
}

// ---- ReLU that no layer before it does

sht_status cuda_relu_forward(cuda_plan *plan, int node, sht_error *error) {
  SHT_TRY(cuda_plan_output(plan, node, error));
  cuda_plan_gather(plan, CUDA_ALWAYS,
                   &(cuda_gather){.terms = cuda_one_term(input_of(plan, node)->map),
                                  .relu = true,
                                  .out = plan->values[node].map,
                                  .extent = plan->values[node].extent},
                   plan->graph->nodes[node].name);
  return SHT_OK;
}

sht_status cuda_relu_backward(cuda_plan *plan, int node, sht_error *error) {
  cuda_map dx;
  SHT_TRY(take_input_gradient(plan, node, &dx, error));
  cuda_plan_gather(plan, CUDA_LEARNING,
                   &(cuda_gather){.terms = plan->values[node].terms,
                                  .mask = plan->values[node].map,
                                  .out = dx,
                                  .extent = plan->values[node].extent},
                   plan->graph->nodes[node].name);
  return SHT_OK;
}

// ---- dropout

static void run_dropout(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_dropout all = op->as.dropout;
  all.runs = engine->runs;
  cuda_run_dropout(engine->type, &all, stream);
}

static void plan_dropout(cuda_plan *plan, int node, cuda_terms x, cuda_map y) {
  const sht_node *n = &plan->graph->nodes[node];
  const double probability = (double)n->dropout;
  cuda_plan_op(plan, CUDA_LEARNING, run_dropout, n->name)->as.dropout = (cuda_dropout){
      .job = plan->engine->job,
      .examples = plan->engine->examples,
      .x = x,
      .y = y,
      .extent = plan->values[node].extent,
      .area = n->out.height * n->out.width,
      .channels = n->out.channels,
      .node = (uint32_t)node,
      .threshold = (uint32_t)(probability * 0x1p32),
      .kept = (float)(1 / (1 - probability)),
  };
}

sht_status cuda_dropout_forward(cuda_plan *plan, int node, sht_error *error) {
  const cuda_terms x = cuda_one_term(input_of(plan, node)->map);
  SHT_TRY(cuda_plan_output(plan, node, error));
  plan_dropout(plan, node, x, plan->values[node].map);
  cuda_plan_gather(plan, CUDA_EVALUATE,
                   &(cuda_gather){.terms = x, .out = plan->values[node].map, .extent = plan->values[node].extent},
                   plan->graph->nodes[node].name);
  return SHT_OK;
}

sht_status cuda_dropout_backward(cuda_plan *plan, int node, sht_error *error) {
  cuda_map dx;
  SHT_TRY(take_input_gradient(plan, node, &dx, error));
  plan_dropout(plan, node, plan->values[node].terms, dx);
  return SHT_OK;
}

// ---- sum

// As many inputs at a time as a gather takes; from the second time on, the sum so far is one of them.
sht_status cuda_add_forward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  SHT_TRY(cuda_plan_output(plan, node, error));
  const cuda_map out = plan->values[node].map;
  for (int input = 0; input < n->input_count;) {
    cuda_gather gather = {.out = out, .extent = plan->values[node].extent};
    if (input > 0) {
      gather.terms = cuda_one_term(out);
    }
    while (input < n->input_count && gather.terms.count < CUDA_TERMS_MAX) {
      gather.terms.term[gather.terms.count++] = plan->values[n->inputs[input++]].map;
    }
    cuda_plan_gather(plan, CUDA_ALWAYS, &gather, n->name);
  }
  return SHT_OK;
}

sht_status cuda_add_backward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  const cuda_terms terms = plan->values[node].terms;
  for (int input = 0; input < n->input_count; input++) {
    for (int t = 0; t < terms.count && plan->values[n->inputs[input]].needs_gradient; t++) {
      SHT_TRY(cuda_plan_add_term(plan, n->inputs[input], terms.term[t], error));
    }
  }
  return SHT_OK;
}

// ---- concatenation

static cuda_map slice_of(const cuda_plan *plan, cuda_map map, uint32_t channel) {
  map.data = (char *)map.data + channel * cuda_element_bytes(plan->engine);
  return map;
}

static bool is_whole(uint32_t channel, uint32_t channels) {
  return channel % CUDA_VECTOR == 0 && channels % CUDA_VECTOR == 0;
}

static void copy_into(cuda_plan *plan, int node, int input, uint32_t channel) {
  const sht_node *n = &plan->graph->nodes[node];
  const cuda_value *from = &plan->values[input];
  const uint32_t channels = plan->graph->nodes[input].out.channels;
  const cuda_map slice = slice_of(plan, plan->values[node].map, channel);
  if (is_whole(channel, channels)) {
    cuda_plan_gather(plan, CUDA_ALWAYS,
                     &(cuda_gather){.terms = cuda_one_term(from->map), .out = slice, .extent = from->extent}, n->name);
  } else {
    cuda_plan_copy(
        plan, CUDA_ALWAYS,
        &(cuda_channels){
            .from = from->map, .out = slice, .rows = from->extent.rows, .channels = channels, .fill = channels},
        n->name);
  }
}

// Inputs that are at home here have written themselves; an input that comes twice is at home in its first place.
sht_status cuda_concat_forward(cuda_plan *plan, int node, sht_error *error) {
  (void)error;
  const sht_node *n = &plan->graph->nodes[node];
  uint32_t channel = 0;
  for (int i = 0; i < n->input_count; i++) {
    const cuda_value *from = &plan->values[n->inputs[i]];
    if (from->home != node || from->home_channel != channel) {
      copy_into(plan, node, n->inputs[i], channel);
    }
    channel += plan->graph->nodes[n->inputs[i]].out.channels;
  }
  return SHT_OK;
}

// A slice that is no whole vectors, as a tensor of its own.
static sht_status copy_gradient(cuda_plan *plan, int node, int input, uint32_t channel, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  const cuda_extent extent = plan->values[input].extent;
  cuda_map all;
  cuda_map dx;
  SHT_TRY(cuda_plan_gradient(plan, node, -1, &all, error));
  SHT_TRY(cuda_plan_tensor(plan, extent, n->name, &dx, error));
  cuda_plan_copy(plan, CUDA_LEARNING,
                 &(cuda_channels){.from = slice_of(plan, all, channel),
                                  .out = dx,
                                  .rows = extent.rows,
                                  .channels = plan->graph->nodes[input].out.channels,
                                  .fill = extent.vectors * CUDA_VECTOR},
                 n->name);
  return cuda_plan_add_term(plan, input, dx, error);
}

// Slices of whole vectors are terms as they lie.
sht_status cuda_concat_backward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  const cuda_terms terms = plan->values[node].terms;
  uint32_t channel = 0;
  for (int i = 0; i < n->input_count; i++) {
    const int input = n->inputs[i];
    const uint32_t channels = plan->graph->nodes[input].out.channels;
    const bool whole = is_whole(channel, channels);
    const bool needed = plan->values[input].needs_gradient;
    for (int t = 0; whole && needed && t < terms.count; t++) {
      SHT_TRY(cuda_plan_add_term(plan, input, slice_of(plan, terms.term[t], channel), error));
    }
    if (!whole && needed) {
      SHT_TRY(copy_gradient(plan, node, input, channel, error));
    }
    channel += channels;
  }
  return SHT_OK;
}

// ---- shift

static cuda_shift shift_of_all_runs(const cuda_engine *engine, const cuda_op *op) {
  cuda_shift all = op->as.shift.shift;
  all.runs = engine->runs;
  return all;
}

static void run_shift(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_shift all = shift_of_all_runs(engine, op);
  cuda_run_shift(engine->type, &all, stream);
}

static void run_shift_backward(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  const cuda_shift all = shift_of_all_runs(engine, op);
  cuda_run_shift_backward(engine->type, &all, &op->as.shift.dy, op->as.shift.dx, stream);
}

static cuda_shift shift_of(const cuda_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  return (cuda_shift){.x = input_of(plan, node)->map,
                      .y = plan->values[node].map,
                      .shift = cuda_float_weights_at(plan->engine, n->bias),
                      .batch = plan->engine->batch,
                      .units = n->out.channels,
                      .vectors = plan->values[node].extent.vectors,
                      .apart = plan->engine->parameters.count};
}

sht_status cuda_shift_forward(cuda_plan *plan, int node, sht_error *error) {
  SHT_TRY(cuda_plan_output(plan, node, error));
  cuda_plan_op(plan, CUDA_ALWAYS, run_shift, plan->graph->nodes[node].name)->as.shift =
      (cuda_shift_op){.shift = shift_of(plan, node)};
  return SHT_OK;
}

sht_status cuda_shift_backward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_map g;
  SHT_TRY(cuda_plan_gradient(plan, node, n->bias, &g, error));
  if (!plan->values[n->inputs[0]].needs_gradient) {
    return SHT_OK;
  }
  cuda_shift_op as = {.shift = shift_of(plan, node), .dy = cuda_one_term(g)};
  SHT_TRY(take_input_gradient(plan, node, &as.dx, error));
  cuda_plan_op(plan, CUDA_LEARNING, run_shift_backward, n->name)->as.shift = as;
  return SHT_OK;
}
