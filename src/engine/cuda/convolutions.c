// Convolutions: cuDNN's (our own straight loops where it has none), with a frame of zeros of our own where the padding
// is not the same on all sides. Bias and ReLU are a pass behind it or, on demand and where cuDNN has that, part of the
// same launch.
#include "engine/cuda/plan.h"

static void run_convolution(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  (void)stream;
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  for (uint32_t run = 0; run < engine->runs && status == CUDNN_STATUS_SUCCESS; run++) {
    status = cudnnSetStream(engine->cudnn, cuda_lane_of(engine, op, run)->stream);
    if (status == CUDNN_STATUS_SUCCESS) {
      status = cuda_convolution_run(&op->as.convolution.convolution, run, engine->cudnn);
    }
  }
  if (status != CUDNN_STATUS_SUCCESS) {
    engine->failed = op->name;
  }
}

static void close_convolution(cuda_op *op) { cuda_convolution_close(&op->as.convolution.convolution); }

static void run_frame_put(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_frame all = op->as.frame;
  all.batch *= engine->runs;
  cuda_run_frame_put(engine->type, &all, stream);
}

static void run_frame_cut(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_frame all = op->as.frame;
  all.batch *= engine->runs;
  cuda_run_frame_cut(engine->type, &all, stream);
}

static bool has_frame(const sht_node *node) { return node->pad_before != node->pad_after; }

static sht_shape input_shape(const sht_graph *graph, const sht_node *node) { return graph->nodes[node->inputs[0]].out; }

// The input as cuDNN sees it: with its frame, where it has one.
static sht_shape framed_shape(const sht_graph *graph, const sht_node *node) {
  sht_shape shape = input_shape(graph, node);
  if (has_frame(node)) {
    shape.height += node->pad_before + node->pad_after;
    shape.width += node->pad_before + node->pad_after;
  }
  return shape;
}

static cuda_frame frame_of(const cuda_plan *plan, const sht_node *node, cuda_map small, cuda_map large) {
  const sht_shape in = input_shape(plan->graph, node);
  const sht_shape framed = framed_shape(plan->graph, node);
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

cuda_convolution_shape cuda_shape_of(const sht_graph *graph, const sht_node *node, uint32_t batch,
                                     sht_precision precision) {
  const sht_shape in = framed_shape(graph, node);
  return (cuda_convolution_shape){.n = batch,
                                  .channels = cuda_padded(in.channels),
                                  .height = in.height,
                                  .width = in.width,
                                  .filters = cuda_padded(node->out.channels),
                                  .out_height = node->out.height,
                                  .out_width = node->out.width,
                                  .kernel = node->kernel,
                                  .stride = node->stride,
                                  .padding = has_frame(node) ? 0 : node->pad_before,
                                  .bfloat16 = precision == SHT_BF16,
                                  .tf32 = precision == SHT_TF32};
}

static cuda_convolution_shape shape_of(const cuda_plan *plan, const sht_node *node) {
  return cuda_shape_of(plan->graph, node, plan->engine->batch, plan->engine->precision);
}

static void run_direct(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  cuda_direct all = op->as.direct;
  all.runs = engine->runs;
  cuda_run_direct(engine->type, &all, stream);
}

static cuda_direct direct_of(const cuda_plan *plan, const cuda_convolution_shape *s, cuda_direction direction,
                             const cuda_convolution_operands *at) {
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
                       .out_vectors = (uint32_t)s->filters / CUDA_VECTOR,
                       .apart = plan->engine->parameters.count};
}

// Filters and their gradients are of the same type as x and y.
static void set_apart(const cuda_engine *engine, const cuda_convolution_shape *s, cuda_convolution_op *as) {
  const uint64_t bytes = cuda_element_bytes(engine);
  as->apart.x = (uint64_t)(s->n * s->height * s->width * s->channels) * bytes;
  as->apart.y =
      (uint64_t)(s->n * s->out_height * s->out_width * (s->y_spacing > 0 ? s->y_spacing : s->filters)) * bytes;
  as->apart.w = engine->parameters.count * bytes;
  as->apart.bias = engine->parameters.count * sizeof(float);
}

static cuda_op *new_op(cuda_plan *plan, const sht_node *node, cuda_direction direction, cuda_run run) {
  cuda_op *op = cuda_plan_op(plan, direction == CUDA_FORWARD ? CUDA_ALWAYS : CUDA_LEARNING, run, node->name);
  op->side = direction == CUDA_FILTER_GRADIENT;
  return op;
}

// An operation of cuDNN's, which takes over what was found.
static void add_found(cuda_plan *plan, const sht_node *node, const cuda_convolution_shape *shape,
                      cuda_direction direction, const cuda_convolution *found, const cuda_convolution_operands *at) {
  const uint64_t bytes = found->workspace_bytes;
  cuda_op *op = new_op(plan, node, direction, run_convolution);
  op->close = close_convolution;
  op->run_by_run = true;
  op->as.convolution = (cuda_convolution_op){.convolution = *found, .at = *at};
  set_apart(plan->engine, shape, &op->as.convolution);
  plan->workspace_bytes = bytes > plan->workspace_bytes ? bytes : plan->workspace_bytes;
  plan->choices = 31 * (31 * plan->choices + (uint32_t)found->engine) + (uint32_t)bytes;
}

static sht_status find_convolution(const cuda_plan *plan, const sht_node *node, const cuda_convolution_shape *shape,
                                   cuda_direction direction, cuda_convolution *out, sht_error *error) {
  const cuda_place here = {.handle = plan->engine->cudnn};
  return cuda_convolution_open(&here, shape, direction, node->name, out, error);
}

static sht_status add_convolution(cuda_plan *plan, const sht_node *node, cuda_direction direction,
                                  cuda_convolution_operands at, sht_error *error) {
  const cuda_convolution_shape shape = shape_of(plan, node);
  cuda_convolution found;
  SHT_TRY(find_convolution(plan, node, &shape, direction, &found, error));
  if (found.plan != NULL) {
    add_found(plan, node, &shape, direction, &found, &at);
  } else {
    new_op(plan, node, direction, run_direct)->as.direct = direct_of(plan, &shape, direction, &at);
    plan->direct++;
  }
  return SHT_OK;
}

// With bias and ReLU in the same launch, straight into `out`. *done: whether cuDNN has that. In bfloat16 alone: what it
// has for floats convolves a slice into its workspace and copies that.
static sht_status try_fused(cuda_plan *plan, int node, cuda_convolution_operands at, cuda_map out, bool *done,
                            sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_convolution_shape shape = shape_of(plan, n);
  cuda_convolution found = {.plan = NULL};
  shape.bias = n->bias >= 0;
  shape.relu = plan->values[node].relu >= 0;
  shape.y_spacing = out.stride;
  if (plan->engine->fuses && shape.bfloat16) {
    SHT_TRY(find_convolution(plan, n, &shape, CUDA_FORWARD, &found, error));
  }
  *done = found.plan != NULL;
  if (*done) {
    at.y = out.data;
    at.bias = cuda_float_weights_at(plan->engine, n->bias);
    add_found(plan, n, &shape, CUDA_FORWARD, &found, &at);
    plan->fused++;
  }
  return SHT_OK;
}

static cuda_convolution_operands operands_of(const cuda_convolution_op *as, uint32_t run) {
  return (cuda_convolution_operands){
      .x = (char *)as->at.x + run * as->apart.x,
      .w = (char *)as->at.w + run * as->apart.w,
      .y = (char *)as->at.y + run * as->apart.y,
      .bias = as->at.bias != NULL ? (char *)as->at.bias + run * as->apart.bias : NULL,
  };
}

static sht_status bind_runs(const cuda_engine *engine, cuda_op *op, sht_error *error) {
  cuda_convolution_op *as = &op->as.convolution;
  for (uint32_t run = 0; run < engine->room; run++) {
    const cuda_convolution_operands at = operands_of(as, run);
    SHT_TRY(cuda_convolution_bind(&as->convolution, run, &at, cuda_lane_of(engine, op, run)->workspace, error));
  }
  return SHT_OK;
}

sht_status cuda_bind_convolutions(cuda_plan *plan, sht_error *error) {
  for (int i = 0; i < plan->op_count; i++) {
    if (plan->ops[i].run == run_convolution) {
      SHT_TRY(bind_runs(plan->engine, &plan->ops[i], error));
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
  SHT_TRY(cuda_plan_extent(plan, framed_shape(plan->graph, node), node->name, &extent, error));
  SHT_TRY(cuda_plan_tensor(plan, extent, node->name, out, error));
  cuda_plan_op(plan, CUDA_ALWAYS, run_frame_put, node->name)->as.frame = frame_of(plan, node, small, *out);
  return SHT_OK;
}

// In two launches: y, with a pass over it behind.
static sht_status forward_apart(cuda_plan *plan, int node, cuda_convolution_operands at, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  const cuda_value *value = &plan->values[node];
  cuda_map y = value->map;
  if (!cuda_is_packed(y, value->extent)) {
    SHT_TRY(cuda_plan_tensor(plan, value->extent, n->name, &y, error));
  }
  at.y = y.data;
  SHT_TRY(add_convolution(plan, n, CUDA_FORWARD, at, error));
  cuda_plan_gather(plan, CUDA_ALWAYS,
                   &(cuda_gather){.terms = cuda_one_term(y),
                                  .bias = cuda_float_weights_at(plan->engine, n->bias),
                                  .relu = value->relu >= 0,
                                  .out = value->map,
                                  .extent = value->extent},
                   n->name);
  return SHT_OK;
}

sht_status cuda_convolution_forward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_value *value = &plan->values[node];
  const int result = cuda_plan_result(plan, node);
  bool fused = false;
  SHT_TRY(frame_input(plan, n, &value->framed, error));
  SHT_TRY(cuda_plan_output(plan, result, error));
  value->map = plan->values[result].map;
  cuda_convolution_operands at = {
      .x = value->framed.data, .w = cuda_weights_at(plan->engine, n->weight), .y = value->map.data};
  if (n->bias < 0 && value->relu < 0) {
    return add_convolution(plan, n, CUDA_FORWARD, at, error);
  }
  SHT_TRY(try_fused(plan, node, at, value->map, &fused, error));
  return fused ? SHT_OK : forward_apart(plan, node, at, error);
}

// The gradient with respect to the input, out of its frame.
static sht_status input_gradient(cuda_plan *plan, int node, cuda_map g, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_map dx;
  SHT_TRY(cuda_plan_tensor(plan, plan->values[n->inputs[0]].extent, n->name, &dx, error));
  cuda_map framed = dx;
  if (has_frame(n)) {
    cuda_extent extent;
    SHT_TRY(cuda_plan_extent(plan, framed_shape(plan->graph, n), n->name, &extent, error));
    SHT_TRY(cuda_plan_tensor(plan, extent, n->name, &framed, error));
  }
  const cuda_convolution_operands at = {.x = framed.data, .w = cuda_weights_at(plan->engine, n->weight), .y = g.data};
  SHT_TRY(add_convolution(plan, n, CUDA_INPUT_GRADIENT, at, error));
  if (has_frame(n)) {
    cuda_plan_op(plan, CUDA_LEARNING, run_frame_cut, n->name)->as.frame = frame_of(plan, n, dx, framed);
  }
  return cuda_plan_add_term(plan, n->inputs[0], dx, error);
}

sht_status cuda_convolution_backward(cuda_plan *plan, int node, sht_error *error) {
  const sht_node *n = &plan->graph->nodes[node];
  cuda_map g;
  SHT_TRY(cuda_plan_gradient(plan, node, n->bias, &g, error));
  const cuda_convolution_operands at = {
      .x = plan->values[node].framed.data, .w = cuda_gradient_at(plan->engine, n->weight), .y = g.data};
  SHT_TRY(add_convolution(plan, n, CUDA_FILTER_GRADIENT, at, error));
  return plan->values[n->inputs[0]].needs_gradient ? input_gradient(plan, node, g, error) : SHT_OK;
}
