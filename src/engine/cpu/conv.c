// Convolutions: oneDNN's primitives, each made for one shard and one thread; 3x3 ones of stride 1 by winograd.h, and
// the weights' gradient by correlate.h, where those are faster.
//
// Weights are held (with momentum and gradient) in the layout in which their gradient is written. Where another
// primitive wants another layout or bf16, it has a working copy, made anew after each update.
//
// Activations lie in blocks of channels, or with the channels last where oneDNN's convolutions run on AMX, which want
// that. Channels are rounded up to whole blocks, which is how activations lie in memory anyway, with zeros in the rest:
// for other numbers oneDNN falls back to reference code in bf16. Weights of channels that are not there stay zero.
//
// oneDNN's algorithm is always the direct one, so that the bits do not depend on a measurement.
#include <string.h>

#include "base/memory.h"
#include "engine/cpu/correlate.h"
#include "engine/cpu/plan.h"
#include "engine/cpu/winograd.h"

enum { ARGS_MAX = 5 };

// One primitive, and its arguments for every worker.
typedef struct pass {
  dnnl_primitive_t primitive;
  int args;
  int id[ARGS_MAX];       // DNNL_ARG_...
  dnnl_memory_t *memory;  // [workers][ARGS_MAX]
} pass;

// Weights as a primitive wants them: the held ones, or a working copy.
typedef struct working {
  dnnl_memory_desc_t desc;
  char *copy;  // NULL: the held ones
  dnnl_primitive_t reorder;
  dnnl_memory_t from, to;
} working;

struct cpu_conv {
  const sht_node *node;
  cpu_winograd *winograd;    // NULL: oneDNN, and what follows from `held` on
  cpu_correlate *correlate;  // NULL: the weights' gradient is oneDNN's
  bool relu;
  bool planes;  // reads the network's input, CPU_PLANES
  bool input_gradient;
  int workers;
  sht_shape in;
  dnnl_memory_desc_t held;  // of the weights
  uint64_t held_count;      // floats
  uint32_t bias_count;      // floats, padded; 0: none
  pass forward, data, weights;
  working forward_weights, data_weights;
  float *value;  // held weights
  float *bias;
};

// ---- descriptions

typedef struct geometry {
  dnnl_memory_desc_t source, target, weights, float_weights, bias;
  dnnl_dims_t strides, before, after;
} geometry;

// Channels as oneDNN is told of them.
static uint32_t told_inputs(const cpu_engine *engine, const cpu_conv *conv) {
  return conv->planes ? conv->in.channels : cpu_round_up(conv->in.channels, engine->block);
}

static uint32_t told_outputs(const cpu_engine *engine, const cpu_conv *conv) {
  return cpu_round_up(conv->node->out.channels, engine->block);
}

static void describe(const cpu_engine *engine, const cpu_conv *conv, geometry *g) {
  const sht_node *n = conv->node;
  const uint32_t inputs = told_inputs(engine, conv);
  const uint32_t outputs = told_outputs(engine, conv);
  dnnl_data_type_t type = engine->precision == SHT_BF16 ? dnnl_bf16 : dnnl_f32;
  const bool last = engine->channels_last;
  dnnl_format_tag_t blocked = last ? dnnl_nhwc : engine->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
  dnnl_dims_t source = {CPU_SHARD_IMAGES, inputs, conv->in.height, conv->in.width};
  dnnl_dims_t target = {CPU_SHARD_IMAGES, outputs, n->out.height, n->out.width};
  dnnl_dims_t weights = {outputs, inputs, n->kernel, n->kernel};
  dnnl_dims_t bias = {outputs};
  dnnl_memory_desc_init_by_tag(&g->source, 4, source, type, conv->planes && !last ? dnnl_nchw : blocked);
  dnnl_memory_desc_init_by_tag(&g->target, 4, target, type, blocked);
  dnnl_memory_desc_init_by_tag(&g->weights, 4, weights, type, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag(&g->float_weights, 4, weights, dnnl_f32, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag(&g->bias, 1, bias, dnnl_f32, dnnl_x);
  for (int i = 0; i < 2; i++) {
    g->strides[i] = n->stride;
    g->before[i] = n->pad_before;
    g->after[i] = n->pad_after;
  }
}

static const dnnl_memory_desc_t *bias_of(const cpu_conv *conv, const geometry *g) {
  return conv->bias_count > 0 ? &g->bias : NULL;
}

// ---- primitive descriptors

// User-mode scratch memory, and ReLU after the forward pass.
static dnnl_primitive_attr_t make_attributes(bool relu) {
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_attr_create(&attributes);
  dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
  if (relu) {
    dnnl_post_ops_t operations = NULL;
    dnnl_post_ops_create(&operations);
    dnnl_post_ops_append_eltwise(operations, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
    dnnl_primitive_attr_set_post_ops(attributes, operations);
    dnnl_post_ops_destroy(operations);
  }
  return attributes;
}

static dnnl_primitive_desc_t make_descriptor(cpu_engine *engine, const dnnl_convolution_desc_t *desc, bool relu,
                                             const_dnnl_primitive_desc_t hint) {
  dnnl_primitive_desc_t made = NULL;
  dnnl_primitive_attr_t attributes = make_attributes(relu);
  if (dnnl_primitive_desc_create(&made, desc, attributes, engine->dnnl, hint) != dnnl_success) {
    made = NULL;
  }
  dnnl_primitive_attr_destroy(attributes);
  return made;
}

static dnnl_primitive_desc_t forward_descriptor(cpu_engine *engine, const cpu_conv *conv, const geometry *g,
                                                dnnl_prop_kind_t kind, dnnl_alg_kind_t algorithm) {
  dnnl_convolution_desc_t desc;
  if (dnnl_convolution_forward_desc_init(&desc, kind, algorithm, &g->source, &g->weights, bias_of(conv, g), &g->target,
                                         g->strides, g->before, g->after) != dnnl_success) {
    return NULL;
  }
  return make_descriptor(engine, &desc, conv->relu, NULL);
}

static dnnl_primitive_desc_t data_descriptor(cpu_engine *engine, const geometry *g, dnnl_alg_kind_t algorithm,
                                             const_dnnl_primitive_desc_t hint) {
  dnnl_convolution_desc_t desc;
  if (dnnl_convolution_backward_data_desc_init(&desc, algorithm, &g->source, &g->weights, &g->target, g->strides,
                                               g->before, g->after) != dnnl_success) {
    return NULL;
  }
  return make_descriptor(engine, &desc, false, hint);
}

static dnnl_primitive_desc_t weights_descriptor(cpu_engine *engine, const cpu_conv *conv, const geometry *g,
                                                dnnl_alg_kind_t algorithm, const_dnnl_primitive_desc_t hint) {
  dnnl_convolution_desc_t desc;
  if (dnnl_convolution_backward_weights_desc_init(&desc, algorithm, &g->source, &g->float_weights, bias_of(conv, g),
                                                  &g->target, g->strides, g->before, g->after) != dnnl_success) {
    return NULL;
  }
  return make_descriptor(engine, &desc, false, hint);
}

typedef struct descriptors {
  dnnl_primitive_desc_t hint, forward, data, weights;
} descriptors;

static void find_descriptors(cpu_engine *engine, const cpu_conv *conv, const geometry *g, descriptors *d) {
  d->hint = forward_descriptor(engine, conv, g, dnnl_forward_training, dnnl_convolution_direct);
  d->forward = forward_descriptor(engine, conv, g, dnnl_forward_training, dnnl_convolution_direct);
  d->data = conv->input_gradient ? data_descriptor(engine, g, dnnl_convolution_direct, d->hint) : NULL;
  d->weights = conv->correlate == NULL ? weights_descriptor(engine, conv, g, dnnl_convolution_direct, d->hint) : NULL;
}

static void close_descriptors(descriptors *d) {
  dnnl_primitive_desc_t all[] = {d->hint, d->forward, d->data, d->weights};
  for (int i = 0; i < 4; i++) {
    if (all[i] != NULL) {
      dnnl_primitive_desc_destroy(all[i]);
    }
  }
}

// ---- primitives and their arguments

static const dnnl_memory_desc_t *query(const_dnnl_primitive_desc_t desc, dnnl_query_t what) {
  return dnnl_primitive_desc_query_md(desc, what, 0);
}

static bool add_argument(cpu_engine *engine, pass *p, int id, const dnnl_memory_desc_t *desc) {
  for (int w = 0; w < engine->workers; w++) {
    if (dnnl_memory_create(&p->memory[w * ARGS_MAX + p->args], desc, engine->dnnl, DNNL_MEMORY_NONE) != dnnl_success) {
      return false;
    }
  }
  p->id[p->args++] = id;
  return true;
}

// what: queries of the arguments, in the order in which run_pass gets their addresses; scratch memory comes last.
static bool make_pass(cpu_engine *engine, pass *p, const_dnnl_primitive_desc_t desc, const int *ids,
                      const dnnl_query_t *what, int count) {
  if (SHT_ALLOC(&p->memory, engine->workers * ARGS_MAX, "convolution", NULL) != SHT_OK ||
      dnnl_primitive_create(&p->primitive, desc) != dnnl_success) {
    return false;
  }
  for (int i = 0; i < count; i++) {
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(desc, what[i], ids[i] == DNNL_ARG_BIAS ? 1 : 0);
    md = ids[i] == DNNL_ARG_DIFF_BIAS ? dnnl_primitive_desc_query_md(desc, what[i], 1) : md;
    if (!add_argument(engine, p, ids[i], md)) {
      return false;
    }
  }
  const dnnl_memory_desc_t *scratch = query(desc, dnnl_query_scratchpad_md);
  cpu_need_scratch(engine, dnnl_memory_desc_get_size(scratch));
  return add_argument(engine, p, DNNL_ARG_SCRATCHPAD, scratch);
}

static void close_pass(pass *p, int workers) {
  for (int i = 0; p->memory != NULL && i < workers * ARGS_MAX; i++) {
    if (p->memory[i] != NULL) {
      dnnl_memory_destroy(p->memory[i]);
    }
  }
  sht_free(p->memory);
  if (p->primitive != NULL) {
    dnnl_primitive_destroy(p->primitive);
  }
}

// address: one for each argument but the scratch memory.
static void run_pass(const pass *p, const cpu_tile *tile, void *const *address) {
  dnnl_exec_arg_t arguments[ARGS_MAX];
  dnnl_memory_t *memory = p->memory + (size_t)tile->worker * ARGS_MAX;
  bool fine = true;
  for (int i = 0; i < p->args; i++) {
    void *data = i + 1 == p->args ? cpu_scratch(tile) : address[i];
    fine = dnnl_memory_set_data_handle(memory[i], data) == dnnl_success && fine;
    arguments[i] = (dnnl_exec_arg_t){p->id[i], memory[i]};
  }
  dnnl_stream_t stream = tile->engine->streams[tile->worker];
  if (!fine || dnnl_primitive_execute(p->primitive, stream, p->args, arguments) != dnnl_success) {
    atomic_store(&tile->engine->failed, true);
  }
}

// ---- weights

static dnnl_primitive_t make_reorder(cpu_engine *engine, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to) {
  dnnl_primitive_desc_t desc = NULL;
  dnnl_primitive_t made = NULL;
  if (dnnl_reorder_primitive_desc_create(&desc, from, engine->dnnl, to, engine->dnnl, NULL) != dnnl_success) {
    return NULL;
  }
  if (dnnl_primitive_create(&made, desc) != dnnl_success) {
    made = NULL;
  }
  dnnl_primitive_desc_destroy(desc);
  return made;
}

// Prepares the working copy, unless the primitive takes the held weights as they are.
static bool make_working(cpu_engine *engine, const cpu_conv *conv, working *w, const_dnnl_primitive_desc_t desc) {
  w->desc = *query(desc, dnnl_query_weights_md);
  if (dnnl_memory_desc_equal(&w->desc, &conv->held)) {
    return true;
  }
  uint64_t bytes = dnnl_memory_desc_get_size(&w->desc);
  if (sht_alloc((void **)&w->copy, bytes, 1, "working copy of weights", NULL) != SHT_OK) {
    return false;
  }
  engine->bytes += bytes;
  w->reorder = make_reorder(engine, &conv->held, &w->desc);
  return w->reorder != NULL &&
         dnnl_memory_create(&w->from, &conv->held, engine->dnnl, DNNL_MEMORY_NONE) == dnnl_success &&
         dnnl_memory_create(&w->to, &w->desc, engine->dnnl, w->copy) == dnnl_success;
}

static void close_working(working *w) {
  if (w->reorder != NULL) {
    dnnl_primitive_destroy(w->reorder);
  }
  if (w->from != NULL) {
    dnnl_memory_destroy(w->from);
  }
  if (w->to != NULL) {
    dnnl_memory_destroy(w->to);
  }
  sht_free(w->copy);
}

static void refresh(cpu_engine *engine, const cpu_conv *conv, const working *w, int worker) {
  if (w->copy == NULL) {
    return;
  }
  dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, w->from}, {DNNL_ARG_TO, w->to}};
  if (dnnl_memory_set_data_handle(w->from, conv->value) != dnnl_success ||
      dnnl_primitive_execute(w->reorder, engine->streams[worker], 2, arguments) != dnnl_success) {
    atomic_store(&engine->failed, true);
  }
}

void cpu_conv_repack(cpu_engine *engine, int node, int worker) {
  cpu_conv *conv = engine->convs[node];
  conv->value = cpu_param_at(engine, conv->node->weight, 0);
  conv->bias = conv->node->bias >= 0 ? cpu_param_at(engine, conv->node->bias, 0) : NULL;
  if (conv->winograd != NULL) {
    cpu_winograd_repack(conv->winograd, conv->value);
    return;
  }
  refresh(engine, conv, &conv->forward_weights, worker);
  refresh(engine, conv, &conv->data_weights, worker);
}

static void *weights_for(const cpu_conv *conv, const working *w) {
  return w->copy != NULL ? w->copy : (char *)conv->value;
}

// held <-> plain, [outputs][inputs][K][K] with the channels that oneDNN is told.
static bool reorder_weights(cpu_engine *engine, const cpu_conv *conv, float *held, float *plain, bool put) {
  dnnl_dims_t dims = {told_outputs(engine, conv), told_inputs(engine, conv), conv->node->kernel, conv->node->kernel};
  dnnl_memory_desc_t plain_desc;
  dnnl_memory_desc_init_by_tag(&plain_desc, 4, dims, dnnl_f32, dnnl_oihw);
  const dnnl_memory_desc_t *from = put ? &plain_desc : &conv->held;
  const dnnl_memory_desc_t *to = put ? &conv->held : &plain_desc;
  dnnl_primitive_t reorder = make_reorder(engine, from, to);
  dnnl_memory_t a = NULL;
  dnnl_memory_t b = NULL;
  bool fine = reorder != NULL && dnnl_memory_create(&a, from, engine->dnnl, put ? plain : held) == dnnl_success &&
              dnnl_memory_create(&b, to, engine->dnnl, put ? held : plain) == dnnl_success;
  dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}};
  fine = fine && dnnl_primitive_execute(reorder, engine->streams[0], 2, arguments) == dnnl_success;
  if (a != NULL) {
    dnnl_memory_destroy(a);
  }
  if (b != NULL) {
    dnnl_memory_destroy(b);
  }
  if (reorder != NULL) {
    dnnl_primitive_destroy(reorder);
  }
  return fine;
}

// given: [O][I][K][K] <-> the corner of plain [outputs][inputs][K][K].
static void copy_corner(const sht_parameter *spec, uint32_t inputs, float *plain, float *given, bool put) {
  const uint64_t row = (uint64_t)spec->dims[1] * spec->dims[2] * spec->dims[3];
  const uint64_t pitch = (uint64_t)inputs * spec->dims[2] * spec->dims[3];
  for (uint64_t o = 0; o < spec->dims[0]; o++) {
    float *to = put ? plain + o * pitch : given + o * row;
    const float *from = put ? given + o * row : plain + o * pitch;
    memcpy(to, from, row * sizeof(float));
  }
}

// Between the graph's layout [O][I][K][K] and the held one.
sht_status cpu_conv_copy(cpu_engine *engine, const sht_parameter *spec, float *held, float *given, bool put,
                         sht_error *error) {
  const cpu_conv *conv = engine->convs[spec->node];
  if (conv->winograd != NULL) {
    cpu_winograd_copy(conv->winograd, held, given, put);
    return SHT_OK;
  }
  const uint32_t inputs = told_inputs(engine, conv);
  float *plain = NULL;
  SHT_TRY(SHT_ALLOC(&plain, (uint64_t)told_outputs(engine, conv) * inputs * spec->dims[2] * spec->dims[3],
                    "copy of weights", error));
  if (put) {
    copy_corner(spec, inputs, plain, given, true);
  }
  bool fine = reorder_weights(engine, conv, held, plain, put);
  if (fine && !put) {
    copy_corner(spec, inputs, plain, given, false);
  }
  sht_free(plain);
  return fine ? SHT_OK : SHT_FAIL(error, SHT_MEMORY, "%s: oneDNN cannot copy the weights", spec->name);
}

// ---- making

static void hold(const cpu_engine *engine, cpu_conv *conv, const descriptors *d) {
  if (conv->correlate == NULL) {
    conv->held = *query(d->weights, dnnl_query_diff_weights_md);
  } else {
    dnnl_dims_t dims = {told_outputs(engine, conv), told_inputs(engine, conv), conv->node->kernel, conv->node->kernel};
    dnnl_memory_desc_init_by_tag(&conv->held, 4, dims, dnnl_f32, dnnl_hwio);
  }
  conv->held_count = dnnl_memory_desc_get_size(&conv->held) / sizeof(float);
}

static bool make_passes(cpu_engine *engine, cpu_conv *conv, const descriptors *d) {
  bool bias = conv->bias_count > 0;
  const int forward[] = {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS};
  const dnnl_query_t forward_md[] = {dnnl_query_src_md, dnnl_query_dst_md, dnnl_query_weights_md,
                                     dnnl_query_weights_md};
  const int data[] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS};
  const dnnl_query_t data_md[] = {dnnl_query_diff_src_md, dnnl_query_diff_dst_md, dnnl_query_weights_md};
  const int weights[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS};
  const dnnl_query_t weights_md[] = {dnnl_query_src_md, dnnl_query_diff_dst_md, dnnl_query_diff_weights_md,
                                     dnnl_query_diff_weights_md};
  hold(engine, conv, d);
  return make_pass(engine, &conv->forward, d->forward, forward, forward_md, bias ? 4 : 3) &&
         make_working(engine, conv, &conv->forward_weights, d->forward) &&
         (conv->correlate != NULL ||
          make_pass(engine, &conv->weights, d->weights, weights, weights_md, bias ? 4 : 3)) &&
         (!conv->input_gradient || (make_pass(engine, &conv->data, d->data, data, data_md, 3) &&
                                    make_working(engine, conv, &conv->data_weights, d->data)));
}

static sht_status make_conv(cpu_engine *engine, cpu_conv *conv, sht_error *error) {
  if (cpu_winograd_fits(engine, conv->node, conv->in)) {
    SHT_TRY(cpu_winograd_open(engine, conv->node, conv->in, conv->input_gradient, &conv->winograd, error));
    conv->held_count = cpu_winograd_weight_count(conv->winograd);
    return SHT_OK;
  }
  if (!conv->planes && cpu_correlate_fits(engine, conv->node, conv->in)) {
    SHT_TRY(cpu_correlate_open(engine, conv->node, conv->in, &conv->correlate, error));
  }
  geometry g;
  describe(engine, conv, &g);
  descriptors d = {0};
  find_descriptors(engine, conv, &g, &d);
  bool found =
      d.forward != NULL && (conv->correlate != NULL || d.weights != NULL) && (!conv->input_gradient || d.data != NULL);
  bool made = found && make_passes(engine, conv, &d);
  close_descriptors(&d);
  if (!found) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "layer '%s': oneDNN has no %s convolution for this shape on this processor; use --precision fp32, "
                    "or the engine 'ref'",
                    conv->node->name, engine->precision == SHT_BF16 ? "bf16" : "fp32");
  }
  return made ? SHT_OK
              : SHT_FAIL(error, SHT_MEMORY, "layer '%s': no memory for its convolution; use a smaller model",
                         conv->node->name);
}

void cpu_conv_close(cpu_conv *conv) {
  if (conv == NULL) {
    return;
  }
  cpu_winograd_close(conv->winograd);
  cpu_correlate_close(conv->correlate);
  close_working(&conv->forward_weights);
  close_working(&conv->data_weights);
  close_pass(&conv->forward, conv->workers);
  close_pass(&conv->data, conv->workers);
  close_pass(&conv->weights, conv->workers);
  sht_free(conv);
}

bool cpu_conv_is_winograd(const cpu_conv *conv) { return conv != NULL && conv->winograd != NULL; }

uint64_t cpu_conv_weight_count(const cpu_conv *conv) { return conv->held_count; }

// ---- operations

static void run_forward(const cpu_op *op, const cpu_tile *tile) {
  const cpu_conv *conv = op->layer;
  if (conv->winograd != NULL) {
    cpu_winograd_forward(conv->winograd, tile, cpu_array_at(&op->view[1], tile), cpu_array_at(&op->view[0], tile),
                         conv->bias, conv->relu);
    return;
  }
  run_pass(&conv->forward, tile,
           (void *[]){cpu_at(&op->view[1], tile), cpu_at(&op->view[0], tile), weights_for(conv, &conv->forward_weights),
                      conv->bias});
}

static void run_data(const cpu_op *op, const cpu_tile *tile) {
  const cpu_conv *conv = op->layer;
  if (conv->winograd != NULL) {
    cpu_winograd_data(conv->winograd, tile, cpu_array_at(&op->view[1], tile), cpu_array_at(&op->view[0], tile));
    return;
  }
  run_pass(&conv->data, tile,
           (void *[]){cpu_at(&op->view[0], tile), cpu_at(&op->view[1], tile), weights_for(conv, &conv->data_weights)});
}

static void run_weights(const cpu_op *op, const cpu_tile *tile) {
  const cpu_conv *conv = op->layer;
  void *gradient = cpu_at(&op->view[0], tile);
  void *bias = conv->bias_count > 0 ? cpu_at(&op->view[1], tile) : NULL;
  const cpu_view *x = &op->view[op->outputs];
  const cpu_view *dy = &op->view[op->outputs + 1];
  if (conv->winograd != NULL) {
    cpu_winograd_weights(conv->winograd, tile, cpu_array_at(x, tile), cpu_array_at(dy, tile), gradient, bias);
    return;
  }
  if (conv->correlate != NULL) {
    cpu_correlate_run(conv->correlate, tile, cpu_array_at(x, tile), cpu_array_at(dy, tile), gradient, bias);
    return;
  }
  run_pass(&conv->weights, tile, (void *[]){cpu_at(x, tile), cpu_at(dy, tile), gradient, bias});
}

static cpu_view conv_input(cpu_plan *plan, const cpu_conv *conv) {
  int input = conv->node->inputs[0];
  if (conv->winograd != NULL) {
    return cpu_input_slice(plan, input, CPU_BLOCKED);
  }
  return cpu_input(plan, input, conv->planes ? CPU_PLANES : CPU_BLOCKED);
}

sht_status cpu_conv_forward(cpu_plan *plan, int node, sht_error *error) {
  cpu_engine *engine = plan->engine;
  const sht_node *n = &plan->graph->nodes[node];
  cpu_value *value = &plan->values[node];
  cpu_conv *conv = NULL;
  SHT_TRY(SHT_ALLOC(&conv, 1, "convolution", error));
  engine->convs[node] = conv;
  conv->node = n;
  conv->workers = engine->workers;
  conv->in = plan->graph->nodes[n->inputs[0]].out;
  conv->relu = value->relu >= 0;
  conv->planes = n->inputs[0] == 0 && conv->in.channels <= 3;
  conv->input_gradient = plan->values[n->inputs[0]].needs_gradient;
  conv->bias_count = n->bias >= 0 ? told_outputs(engine, conv) : 0;
  SHT_TRY(make_conv(engine, conv, error));
  value->layout = CPU_BLOCKED;
  value->view = cpu_plan_activation(plan, node);
  cpu_view x = conv_input(plan, conv);
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, n);
  op->run_shard = run_forward;
  op->layer = conv;
  cpu_op_writes(op, value->view);
  cpu_op_reads(op, x);
  cpu_plan_place(plan, op);
  return SHT_OK;
}

static void plan_weights(cpu_plan *plan, int node, cpu_view dy) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_conv *conv = plan->engine->convs[node];
  cpu_view weights = cpu_plan_memory(plan, conv->held_count * sizeof(float));
  cpu_view bias = {0};
  cpu_view x = conv_input(plan, conv);
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, n);
  op->run_shard = run_weights;
  op->training = true;
  op->layer = conv;
  cpu_op_writes(op, weights);
  if (conv->bias_count > 0) {
    bias = cpu_plan_memory(plan, conv->bias_count * sizeof(float));
    cpu_op_writes(op, bias);
  }
  cpu_op_reads(op, x);
  cpu_op_reads(op, dy);
  cpu_plan_place(plan, op);
  cpu_plan_update(plan, n->weight, weights);
  if (bias.buffer != NULL) {
    cpu_plan_update(plan, n->bias, bias);
  }
}

void cpu_conv_backward(cpu_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_conv *conv = plan->engine->convs[node];
  cpu_view mask = conv->relu ? plan->values[plan->values[node].relu].view : (cpu_view){0};
  cpu_view dy = cpu_gradient(plan, node, mask);
  if (conv->input_gradient) {
    cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, n);
    op->run_shard = run_data;
    op->training = true;
    op->layer = conv;
    cpu_view dx = cpu_plan_activation(plan, n->inputs[0]);
    cpu_op_writes(op, dx);
    cpu_op_reads(op, dy);
    cpu_plan_place(plan, op);
    cpu_add_term(plan, n->inputs[0], CPU_BLOCKED, dx);
  }
  plan_weights(plan, node, dy);
}
