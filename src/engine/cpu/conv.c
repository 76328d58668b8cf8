// Convolutions: oneDNN's primitives, each made for one shard and one thread; 3x3 ones of stride 1 by winograd.h, and
// on AMX the weights' gradient by correlate.h and the other two passes by convolve.h, where those are faster.
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
#include "engine/cpu/convolve.h"
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
  cpu_convolve *convolve;    // NULL: the forward pass is oneDNN's
  cpu_convolve *back;        // NULL: the input's gradient is oneDNN's, if it is wanted
  cpu_conv *next;            // whose gradient with respect to the same input is added to this one's, NULL: none
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

static bool data_is_dnnl(const cpu_conv *conv) { return conv->input_gradient && conv->back == NULL; }

static void find_descriptors(cpu_engine *engine, const cpu_conv *conv, const geometry *g, descriptors *d) {
  d->hint = forward_descriptor(engine, conv, g, dnnl_forward_training, dnnl_convolution_direct);
  d->forward = conv->convolve == NULL
                   ? forward_descriptor(engine, conv, g, dnnl_forward_training, dnnl_convolution_direct)
                   : NULL;
  d->data = data_is_dnnl(conv) ? data_descriptor(engine, g, dnnl_convolution_direct, d->hint) : NULL;
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
  if (conv->convolve != NULL) {
    cpu_convolve_pack(conv->convolve, conv->value, false);
  }
  if (conv->back != NULL) {
    cpu_convolve_pack(conv->back, conv->value, true);
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
    dnnl_memory_desc_init_by_tag(&conv->held, 4, dims, dnnl_f32, dnnl_OIhw16o16i);
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
  return (conv->convolve != NULL || (make_pass(engine, &conv->forward, d->forward, forward, forward_md, bias ? 4 : 3) &&
                                     make_working(engine, conv, &conv->forward_weights, d->forward))) &&
         (conv->correlate != NULL ||
          make_pass(engine, &conv->weights, d->weights, weights, weights_md, bias ? 4 : 3)) &&
         (!data_is_dnnl(conv) || (make_pass(engine, &conv->data, d->data, data, data_md, 3) &&
                                  make_working(engine, conv, &conv->data_weights, d->data)));
}

// Kernels of our own on AMX, for the passes that they fit.
static sht_status open_amx(cpu_engine *engine, cpu_conv *conv, uint32_t reach, sht_error *error) {
  const cpu_convolve_shape forward = cpu_convolve_forward_shape(conv->node, conv->in);
  const cpu_convolve_shape data = cpu_convolve_data_shape(conv->node, conv->in, reach);
  SHT_TRY(cpu_correlate_open(engine, conv->node, conv->in, &conv->correlate, error));
  if (cpu_convolve_fits(&forward)) {
    SHT_TRY(cpu_convolve_open(engine, &forward, &conv->convolve, error));
  }
  const bool turns = conv->node->stride == 1 && conv->node->pad_before < conv->node->kernel;
  if (conv->input_gradient && turns && cpu_convolve_fits(&data)) {
    SHT_TRY(cpu_convolve_open(engine, &data, &conv->back, error));
  }
  return SHT_OK;
}

static sht_status make_conv(cpu_engine *engine, cpu_conv *conv, uint32_t reach, sht_error *error) {
  if (cpu_winograd_fits(engine, conv->node, conv->in)) {
    SHT_TRY(cpu_winograd_open(engine, conv->node, conv->in, conv->input_gradient, &conv->winograd, error));
    conv->held_count = cpu_winograd_weight_count(conv->winograd);
    return SHT_OK;
  }
  if (!conv->planes && cpu_correlate_fits(engine)) {
    SHT_TRY(open_amx(engine, conv, reach, error));
  }
  geometry g;
  describe(engine, conv, &g);
  descriptors d = {0};
  find_descriptors(engine, conv, &g, &d);
  bool found = (conv->convolve != NULL || d.forward != NULL) && (conv->correlate != NULL || d.weights != NULL) &&
               (!data_is_dnnl(conv) || d.data != NULL);
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
  cpu_convolve_close(conv->convolve);
  cpu_convolve_close(conv->back);
  close_working(&conv->forward_weights);
  close_working(&conv->data_weights);
  close_pass(&conv->forward, conv->workers);
  close_pass(&conv->data, conv->workers);
  close_pass(&conv->weights, conv->workers);
  sht_free(conv);
}

bool cpu_conv_is_winograd(const cpu_conv *conv) { return conv != NULL && conv->winograd != NULL; }

bool cpu_conv_is_amx(const cpu_conv *conv) { return conv != NULL && conv->correlate != NULL; }

uint64_t cpu_conv_weight_count(const cpu_conv *conv) { return conv->held_count; }

// ---- operations

static void run_forward(const cpu_op *op, const cpu_tile *tile) {
  const cpu_conv *conv = op->layer;
  if (conv->winograd != NULL) {
    cpu_winograd_forward(conv->winograd, tile, cpu_array_at(&op->view[1], tile), cpu_array_at(&op->view[0], tile),
                         conv->bias, conv->relu);
    return;
  }
  if (conv->convolve != NULL) {
    cpu_array x = cpu_array_at(&op->view[1], tile);
    cpu_convolve_run((const cpu_convolve *const[]){conv->convolve}, 1, tile, &x, cpu_array_at(&op->view[0], tile),
                     conv->bias, conv->relu);
    return;
  }
  run_pass(&conv->forward, tile,
           (void *[]){cpu_at(&op->view[1], tile), cpu_at(&op->view[0], tile), weights_for(conv, &conv->forward_weights),
                      conv->bias});
}

// view: dx, the layer's dy, then those of the layers that follow it with the same input.
static void run_data_sum(const cpu_op *op, const cpu_tile *tile) {
  const cpu_convolve *all[CPU_CONVOLVE_SUM_MAX];
  cpu_array dy[CPU_CONVOLVE_SUM_MAX];
  int count = 0;
  for (const cpu_conv *conv = op->layer; conv != NULL; conv = conv->next, count++) {
    all[count] = conv->back;
    dy[count] = cpu_array_at(&op->view[1 + count], tile);
  }
  cpu_convolve_run(all, count, tile, dy, cpu_array_at(&op->view[0], tile), NULL, false);
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

// view: the weights' gradient and the bias's, if there is one; x, dy.
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
    cpu_correlate_run(conv->correlate, tile, cpu_array_at(x, tile), cpu_array_at(dy, tile), true, gradient, bias);
    return;
  }
  run_pass(&conv->weights, tile, (void *[]){cpu_at(x, tile), cpu_at(dy, tile), gradient, bias});
}

// The same for shards that have one gradient of the weights between them.
static void run_weights_together(const cpu_op *op, cpu_engine *engine, size_t chunk, int worker) {
  const cpu_conv *conv = op->layer;
  const uint32_t together = op->view[0].buffer->together;
  const uint32_t first = (uint32_t)chunk * together;
  for (uint32_t shard = first; shard < first + together && shard < engine->step.shards; shard++) {
    const cpu_tile from = cpu_tile_at(engine, first, worker);
    const cpu_tile tile = cpu_tile_at(engine, shard, worker);
    const cpu_array x = cpu_array_at(&op->view[op->outputs], &tile);
    const cpu_array dy = cpu_array_at(&op->view[op->outputs + 1], &tile);
    cpu_correlate_run(conv->correlate, &tile, x, dy, shard == first, (float *)cpu_at(&op->view[0], &from),
                      conv->bias_count > 0 ? (float *)cpu_at(&op->view[1], &tile) : NULL);
  }
}

static cpu_view conv_input(cpu_plan *plan, const cpu_conv *conv) {
  int input = conv->node->inputs[0];
  if (conv->winograd != NULL) {
    return cpu_input_slice(plan, input, CPU_BLOCKED);
  }
  return cpu_input(plan, input, conv->planes ? CPU_PLANES : CPU_BLOCKED);
}

// Whether two nodes are convolutions of the same input whose gradients with respect to it can be one sum.
static bool are_siblings(const cpu_plan *plan, int a, int b) {
  const sht_node *m = &plan->graph->nodes[a];
  const sht_node *n = &plan->graph->nodes[b];
  return m->op == SHT_OP_CONV && n->op == SHT_OP_CONV && m->inputs[0] == n->inputs[0] && m->stride == 1 &&
         n->stride == 1;
}

static uint32_t reach_of_siblings(const cpu_plan *plan, int node) {
  uint32_t reach = 0;
  for (int i = 0; i < plan->graph->node_count; i++) {
    if (are_siblings(plan, node, i) && plan->graph->nodes[i].kernel - 1 > reach) {
      reach = plan->graph->nodes[i].kernel - 1;
    }
  }
  return reach;
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
  SHT_TRY(make_conv(engine, conv, reach_of_siblings(plan, node), error));
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

enum { SHARDS_TOGETHER = 4 };

// Shards that have one gradient of the weights between them, where to write and to sum a gradient for each would move
// more bytes than what it is made from.
static uint32_t shards_together(const cpu_conv *conv, cpu_view x, cpu_view dy) {
  const uint64_t factors = x.buffer->shard_bytes + dy.buffer->shard_bytes;
  return conv->correlate != NULL && conv->held_count * sizeof(float) > 2 * factors ? SHARDS_TOGETHER : 1;
}

static void plan_weights(cpu_plan *plan, int node, cpu_view dy) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_conv *conv = plan->engine->convs[node];
  cpu_view bias = {0};
  cpu_view x = conv_input(plan, conv);
  const uint32_t together = shards_together(conv, x, dy);
  cpu_view weights = cpu_plan_memory(plan, conv->held_count * sizeof(float) / together);
  weights.buffer->together = together;
  cpu_op *op = cpu_plan_op(plan, together > 1 ? CPU_OP_CHUNKS : CPU_OP_SHARD, n);
  op->run_shard = run_weights;
  op->run_chunk = run_weights_together;
  op->chunks = together > 1 ? cpu_tensors_in(weights.buffer, plan->engine->shards) : 0;
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

static cpu_op *plan_data(cpu_plan *plan, int node, cpu_view dy) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, n);
  op->run_shard = run_data;
  op->training = true;
  op->layer = plan->engine->convs[node];
  cpu_op_writes(op, cpu_plan_activation(plan, n->inputs[0]));
  cpu_op_reads(op, dy);
  return op;
}

// A sibling whose backward pass comes later, and will add this one's share of the gradient to its own; -1: none.
static int later_sibling(const cpu_plan *plan, int node) {
  for (int i = node - 1; i >= 0; i--) {
    if (are_siblings(plan, node, i) && plan->engine->convs[i]->back != NULL && plan->values[i].used) {
      return i;
    }
  }
  return -1;
}

static int summands_of(const cpu_conv *conv) {
  int count = 0;
  for (; conv != NULL; conv = conv->next) {
    count++;
  }
  return count;
}

// The sum of this gradient and of those that wait for it, in one.
static cpu_op *plan_data_sum(cpu_plan *plan, int node, cpu_view dy) {
  cpu_op *op = plan_data(plan, node, dy);
  uint64_t scratch = 0;
  op->run_shard = run_data_sum;
  for (const cpu_conv *conv = op->layer; conv != NULL; conv = conv->next) {
    scratch += cpu_convolve_scratch(conv->back);
    if (conv->next != NULL) {
      cpu_op_reads(op, plan->values[conv->next->node - plan->graph->nodes].waiting);
    }
  }
  cpu_need_scratch(plan->engine, scratch);
  return op;
}

// Gradients that wait and are ready sooner than this one are summed without it: the update of their weights, which
// makes the filters anew, does not wait for it.
static void finish_earlier(cpu_plan *plan, int node, cpu_view dy) {
  cpu_conv *conv = plan->engine->convs[node];
  if (conv->next == NULL) {
    return;
  }
  const int other = (int)(conv->next->node - plan->graph->nodes);
  const cpu_view waiting = plan->values[other].waiting;
  if (waiting.buffer->ready != dy.buffer->ready) {
    cpu_op *op = plan_data_sum(plan, other, waiting);
    cpu_plan_place(plan, op);
    cpu_add_term(plan, plan->graph->nodes[other].inputs[0], CPU_BLOCKED, op->view[0]);
    conv->next = NULL;
  }
}

void cpu_conv_backward(cpu_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_conv *conv = plan->engine->convs[node];
  cpu_view mask = conv->relu ? plan->values[plan->values[node].relu].view : (cpu_view){0};
  cpu_view dy = cpu_gradient(plan, node, mask);
  plan_weights(plan, node, dy);  // first, so that the other gradient is in cache for what comes next
  finish_earlier(plan, node, dy);
  const int later = conv->back != NULL && summands_of(conv) < CPU_CONVOLVE_SUM_MAX ? later_sibling(plan, node) : -1;
  if (later >= 0) {
    plan->values[node].waiting = dy;
    plan->engine->convs[later]->next = conv;
  } else if (conv->input_gradient) {
    cpu_op *op = conv->back != NULL ? plan_data_sum(plan, node, dy) : plan_data(plan, node, dy);
    cpu_plan_place(plan, op);
    cpu_add_term(plan, n->inputs[0], CPU_BLOCKED, op->view[0]);
  }
}
