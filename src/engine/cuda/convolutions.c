// Convolutions: cuDNN's (our own straight loops where it has none), with a frame of zeros of our own where the padding
// is not the same on all sides, and bias and ReLU in one pass behind them.
#include "engine/cuda/plan.h"

static void run_convolution(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cudnnStatus_t status = cudnnSetStream(engine->cudnn, stream);
  if (status == CUDNN_STATUS_SUCCESS) {
    status = cuda_convolution_run(&op->as.convolution.convolution, engine->cudnn);
  }
  if (status != CUDNN_STATUS_SUCCESS) {
    engine->failed = op->name;
  }
}

static void close_convolution(cuda_op *op) { cuda_convolution_close(&op->as.convolution.convolution); }

static void run_frame_put(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_run_frame_put(engine->type, &op->as.frame, stream);
}

static void run_frame_cut(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_run_frame_cut(engine->type, &op->as.frame, stream);
}

static bool has_frame(const sht_node *node) { return node->pad_before != node->pad_after; }

static sht_shape input_shape(const cuda_plan *plan, const sht_node *node) {
  return plan->graph->nodes[node->inputs[0]].out;
}

// The input as cuDNN sees it: with its frame, where it has one.
static sht_shape framed_shape(const cuda_plan *plan, const sht_node *node) {
  sht_shape shape = input_shape(plan, node);
  if (has_frame(node)) {
    shape.height += node->pad_before + node->pad_after;
    shape.width += node->pad_before + node->pad_after;
  }
  return shape;
}

static cuda_frame frame_of(const cuda_plan *plan, const sht_node *node, cuda_map small, cuda_map large) {
  const sht_shape in = input_shape(plan, node);
  const sht_shape framed = framed_shape(plan, node);
  return (cuda_frame){.small = small,
                      .large = large,
                      .batch = plan->engine->batch,
                      .height = in.height,
                      .width = in.width,
                      .large_height = framed.height,
                      .large_width = framed.width,
                      .before = node->pad_before,
                      .vectors = cuda_padded(in.channels) / CUDA_VECTOR};
}

static cuda_convolution_shape shape_of(const cuda_plan *plan, const sht_node *node) {
  const sht_shape in = framed_shape(plan, node);
  return (cuda_convolution_shape){.n = plan->engine->batch,
                                  .channels = cuda_padded(in.channels),
                                  .height = in.height,
                                  .width = in.width,
                                  .filters = cuda_padded(node->out.channels),
                                  .out_height = node->out.height,
                                  .out_width = node->out.width,
                                  .kernel = node->kernel,
                                  .stride = node->stride,
                                  .padding = has_frame(node) ? 0 : node->pad_before,
                                  .bfloat16 = plan->engine->type == CUDA_BFLOAT16,
                                  .tf32 = plan->engine->precision == SHT_TF32};
}

static void run_direct(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_run_direct(engine->type, &op->as.direct, stream);
}

static cuda_direct direct_of(const cuda_convolution_shape *s, cuda_direction direction, const cuda_convolution_op *at) {
  return (cuda_direct){.direction = direction,
                       .x = {.data = at->x, .stride = (uint32_t)s->channels},
                       .y = {.data = at->y, .stride = (uint32_t)s->filters},
                       .w = at->w,
                       .batch = (uint32_t)s->n,
                       .height = (uint32_t)s->height,
                       .width = (uint32_t)s->width,
                       .out_height = (uint32_t)s->out_height,
                       .out_width = (uint32_t)s->out_width,
                       .kernel = (uint32_t)s->kernel,
                       .stride = (uint32_t)s->stride,
                       .padding = (uint32_t)s->padding,
                       .vectors = (uint32_t)s->channels / CUDA_VECTOR,
                       .out_vectors = (uint32_t)s->filters / CUDA_VECTOR};
}

static sht_status add_convolution(cuda_plan *plan, const sht_node *node, cuda_direction direction, void *x, void *w,
                                  void *y, sht_error *error) {
  const cuda_convolution_shape shape = shape_of(plan, node);
  cuda_op *op =
      cuda_plan_op(plan, direction == CUDA_FORWARD ? CUDA_ALWAYS : CUDA_LEARNING, run_convolution, node->name);
  cuda_convolution_op *as = &op->as.convolution;
  op->side = direction == CUDA_FILTER_GRADIENT;
  *as = (cuda_convolution_op){.x = x, .w = w, .y = y};
  SHT_TRY(cuda_convolution_open(plan->engine->cudnn, &shape, direction, node->name, &as->convolution, error));
  if (as->convolution.plan == NULL) {
    const cuda_direct direct = direct_of(&shape, direction, as);
    op->run = run_direct;
    op->as.direct = direct;
    plan->direct++;
    return SHT_OK;
  }
  op->close = close_convolution;
  const uint64_t bytes = as->convolution.workspace_bytes;
  plan->workspace_bytes = bytes > plan->workspace_bytes ? bytes : plan->workspace_bytes;
  plan->choices = 31 * (31 * plan->choices + (uint32_t)as->convolution.engine) + (uint32_t)bytes;
  return SHT_OK;
}

sht_status cuda_bind_convolutions(cuda_plan *plan, sht_error *error) {
  for (int i = 0; i < plan->op_count; i++) {
    cuda_op *op = &plan->ops[i];
    if (op->run == run_convolution) {
      cuda_convolution_op *as = &op->as.convolution;
      SHT_TRY(cuda_convolution_bind(&as->convolution, as->x, as->w, as->y, plan->engine->workspace[op->side], error));
    }
  }
  return SHT_OK;
}

// The input without gaps, in its frame where it has one: *out.
static sht_status frame_input(cuda_plan *plan, const sht_node *node, cuda_map *out, sht_error *error) {
  cuda_map small;
  cuda_extent extent;
  SHT_TRY(cuda_plan_packed(plan, node->inputs[0], &small, error));
  if (!has_frame(node)) {
    *out = small;
    return SHT_OK;
  }
  SHT_TRY(cuda_plan_extent(plan, framed_shape(plan, node), node->name, &extent, error));
  SHT_TRY(cuda_plan_tensor(plan, extent, node->name, out, error));
  cuda_plan_op(plan, CUDA_ALWAYS, run_frame_put, node->name)->as.frame = frame_of(plan, node, small, *out);
  return SHT_OK;
}

sht_status cuda_convolution_forward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_value *value = &plan->values[node];
  cuda_value *result = &plan->values[cuda_plan_result(plan, node)];
  cuda_map y;
  SHT_TRY(frame_input(plan, n, &value->framed, error));
  SHT_TRY(cuda_plan_tensor(plan, value->extent, n->name, &y, error));
  SHT_TRY(add_convolution(plan, n, CUDA_FORWARD, value->framed.data, cuda_weights_at(plan->engine, n->weight), y.data,
                          error));
  if (n->bias < 0 && value->relu < 0) {
    value->map = y;
    return SHT_OK;
  }
  result->map = y;
  if (result->home >= 0) {
    SHT_TRY(cuda_plan_output(plan, cuda_plan_result(plan, node), error));
  }
  value->map = result->map;
  cuda_plan_gather(plan, CUDA_ALWAYS,
                   &(cuda_gather){.terms = cuda_one_term(y),
                                  .bias = cuda_float_weights_at(plan->engine, n->bias),
                                  .relu = value->relu >= 0,
                                  .out = result->map,
                                  .extent = value->extent},
                   n->name);
  return SHT_OK;
}

// The gradient with respect to the input, out of its frame.
static sht_status input_gradient(cuda_plan *plan, int node, cuda_map g, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_map dx;
  SHT_TRY(cuda_plan_tensor(plan, plan->values[n->inputs[0]].extent, n->name, &dx, error));
  cuda_map framed = dx;
  if (has_frame(n)) {
    cuda_extent extent;
    SHT_TRY(cuda_plan_extent(plan, framed_shape(plan, n), n->name, &extent, error));
    SHT_TRY(cuda_plan_tensor(plan, extent, n->name, &framed, error));
  }
  SHT_TRY(add_convolution(plan, n, CUDA_INPUT_GRADIENT, framed.data, cuda_weights_at(plan->engine, n->weight), g.data,
                          error));
  if (has_frame(n)) {
    cuda_plan_op(plan, CUDA_LEARNING, run_frame_cut, n->name)->as.frame = frame_of(plan, n, dx, framed);
  }
  return cuda_plan_add_term(plan, n->inputs[0], dx, error);
}

sht_status cuda_convolution_backward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_map g;
  SHT_TRY(cuda_plan_gradient(plan, node, n->bias, &g, error));
  SHT_TRY(add_convolution(plan, n, CUDA_FILTER_GRADIENT, plan->values[node].framed.data,
                          cuda_gradient_at(plan->engine, n->weight), g.data, error));
  return plan->values[n->inputs[0]].needs_gradient ? input_gradient(plan, node, g, error) : SHT_OK;
}
