// Values of nodes in the layout that a consumer wants, and gradients as sums of terms.
#include <string.h>

#include "engine/cpu/plan.h"

static bool is_bf16(const cpu_plan *plan) { return plan->engine->precision == SHT_BF16; }

uint64_t cpu_elements(const cpu_plan *plan, int node, cpu_layout layout) {
  sht_shape s = plan->graph->nodes[node].out;
  uint32_t channels = layout == CPU_BLOCKED ? cpu_round_up(s.channels, plan->engine->block) : s.channels;
  return (uint64_t)channels * s.height * s.width;
}

static cpu_steps steps_of(const cpu_plan *plan, int node, cpu_layout layout) {
  const sht_shape s = plan->graph->nodes[node].out;
  const uint32_t v = plan->engine->block;
  const uint64_t positions = (uint64_t)s.height * s.width;
  const bool last = plan->engine->channels_last;
  switch (layout) {
    case CPU_BLOCKED:
      return last ? (cpu_steps){v, cpu_round_up(s.channels, v)} : (cpu_steps){positions * v, v};
    case CPU_ROWS:
      return (cpu_steps){v, s.channels};
    case CPU_PLANES:  // blocks of one channel
      return last ? (cpu_steps){1, s.channels} : (cpu_steps){positions, 1};
  }
  return (cpu_steps){0};
}

cpu_view cpu_plan_tensor(cpu_plan *plan, int node, cpu_layout layout, bool bf16) {
  uint64_t image = cpu_elements(plan, node, layout) * (bf16 ? 2 : 4);
  cpu_view view = cpu_plan_memory(plan, image * CPU_SHARD_IMAGES);
  view.buffer->image_bytes = image;
  view.steps = steps_of(plan, node, layout);
  view.bf16 = bf16;
  return view;
}

cpu_view cpu_plan_activation(cpu_plan *plan, int node) {
  return cpu_plan_tensor(plan, node, CPU_BLOCKED, is_bf16(plan));
}

cpu_view cpu_slice(const cpu_plan *plan, cpu_view view, uint32_t channel) {
  view.offset += channel / plan->engine->block * view.steps.block * (view.bf16 ? 2 : 4);
  return view;
}

void cpu_zero_missing(const cpu_view *view, const cpu_tile *tile) {
  char *first = cpu_at(view, tile);
  for (uint32_t i = tile->images; i < CPU_SHARD_IMAGES; i++) {
    memset(first + i * view->buffer->image_bytes, 0, view->buffer->image_bytes - view->offset);
  }
}

static uint64_t view_bytes(const cpu_plan *plan, int node, cpu_layout layout, cpu_view view) {
  return cpu_elements(plan, node, layout) * (view.bf16 ? 2 : 4);
}

static bool is_dense(const cpu_plan *plan, int node, cpu_layout layout, cpu_view view) {
  return view.offset == 0 && view.buffer->image_bytes == view_bytes(plan, node, layout, view);
}

// ---- sums and copies

// One run, unless channels lie last in something wider.
void cpu_op_runs(const cpu_plan *plan, cpu_op *op, int node, cpu_layout layout) {
  const sht_shape s = plan->graph->nodes[node].out;
  op->runs = 1;
  for (int i = 0; i < op->views; i++) {
    if (op->view[i].steps.position != steps_of(plan, node, layout).position) {
      op->runs = s.height * s.width;
    }
  }
  op->elements = cpu_elements(plan, node, layout) / op->runs;
}

static void run_gather(const cpu_op *op, const cpu_tile *tile) {
  cpu_array terms[CPU_TERMS_MAX];
  int count = op->views - 1 - (op->flag ? 1 : 0);
  for (int i = 0; i < count; i++) {
    terms[i] = cpu_array_at(&op->view[1 + i], tile);
  }
  cpu_array mask = op->flag ? cpu_array_at(&op->view[1 + count], tile) : (cpu_array){0};
  cpu_array out = cpu_array_at(&op->view[0], tile);
  tile->engine->kernels->gather(terms, count, op->flag ? &mask : NULL, &out, cpu_runs_of(op));
}

void cpu_plan_gather(cpu_plan *plan, int node, cpu_layout layout, const cpu_view *terms, int count, cpu_view mask,
                     cpu_view out, bool training) {
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, NULL);
  op->run_shard = run_gather;
  op->training = training;
  cpu_op_writes(op, out);
  for (int i = 0; i < count; i++) {
    cpu_op_reads(op, terms[i]);
  }
  if (mask.buffer != NULL) {
    op->flag = true;
    cpu_op_reads(op, mask);
  }
  cpu_op_runs(plan, op, node, layout);
  cpu_plan_place(plan, op);
}

// ---- changes of layout

static void run_block(const cpu_op *op, const cpu_tile *tile) {
  cpu_array from = cpu_array_at(&op->view[1], tile);
  cpu_array to = cpu_array_at(&op->view[0], tile);
  sht_shape s = op->node->out;
  tile->engine->kernels->block_rows(&from, &to, CPU_SHARD_IMAGES, s.channels, s.height * s.width);
}

static void run_unblock(const cpu_op *op, const cpu_tile *tile) {
  cpu_array from = cpu_array_at(&op->view[1], tile);
  cpu_array to = cpu_array_at(&op->view[0], tile);
  sht_shape s = op->node->out;
  tile->engine->kernels->unblock_rows(&from, &to, CPU_SHARD_IMAGES, s.channels, s.height * s.width);
}

static void store_element(const cpu_array *to, uint64_t i, float value) {
  if (!to->bf16) {
    ((float *)to->data)[i] = value;
    return;
  }
  uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  ((uint16_t *)to->data)[i] = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// The network's input, [H][W][C] in fp32, for the first convolution.
static void run_planes(const cpu_op *op, const cpu_tile *tile) {
  cpu_array from = cpu_array_at(&op->view[1], tile);
  cpu_array to = cpu_array_at(&op->view[0], tile);
  uint32_t channels = op->node->out.channels;
  uint32_t positions = op->node->out.height * op->node->out.width;
  for (uint32_t n = 0; n < CPU_SHARD_IMAGES; n++) {
    const float *pixels = (const float *)((const char *)from.data + n * from.stride);
    cpu_array image = {.data = (char *)to.data + n * to.stride, .bf16 = to.bf16};
    for (uint32_t p = 0; p < positions; p++) {
      for (uint32_t c = 0; c < channels; c++) {
        store_element(&image, c * to.steps.block + p * to.steps.position, pixels[(uint64_t)p * channels + c]);
      }
    }
  }
}

// Whole blocks, and one position or channels last: rows and blocked tensors are the same bytes.
static bool layouts_agree(const cpu_plan *plan, int node) {
  sht_shape s = plan->graph->nodes[node].out;
  bool side_by_side = plan->engine->channels_last || (s.height == 1 && s.width == 1);
  return side_by_side && s.channels % plan->engine->block == 0;
}

static cpu_view change_layout(cpu_plan *plan, int node, cpu_view from, cpu_layout layout, bool bf16, bool training) {
  cpu_view out = cpu_plan_tensor(plan, node, layout, bf16);
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, &plan->graph->nodes[node]);
  op->run_shard = layout == CPU_BLOCKED ? run_block : layout == CPU_ROWS ? run_unblock : run_planes;
  op->training = training;
  cpu_op_writes(op, out);
  cpu_op_reads(op, from);
  cpu_plan_place(plan, op);
  return out;
}

cpu_view cpu_input_slice(cpu_plan *plan, int node, cpu_layout layout) {
  cpu_value *value = &plan->values[node];
  if (layout == value->layout) {
    return value->view;
  }
  if (value->other[layout].buffer == NULL) {
    bool bf16 = is_bf16(plan);
    bool same = layout != CPU_PLANES && layouts_agree(plan, node) && value->view.bf16 == bf16;
    value->other[layout] = same ? value->view : change_layout(plan, node, value->view, layout, bf16, false);
  }
  return value->other[layout];
}

cpu_view cpu_input(cpu_plan *plan, int node, cpu_layout layout) {
  cpu_value *value = &plan->values[node];
  cpu_view view = cpu_input_slice(plan, node, layout);
  if (is_dense(plan, node, layout, view)) {
    return view;
  }
  if (value->dense.buffer == NULL) {
    value->dense = cpu_plan_tensor(plan, node, layout, view.bf16);
    cpu_plan_gather(plan, node, layout, &view, 1, (cpu_view){0}, value->dense, false);
  }
  return value->dense;
}

cpu_view cpu_output(cpu_plan *plan, int node) {
  cpu_value *value = &plan->values[node];
  const cpu_value *last = value->relu >= 0 ? &plan->values[value->relu] : value;
  if (last->home < 0) {
    return cpu_plan_activation(plan, node);
  }
  return cpu_slice(plan, plan->values[last->home].view, last->home_channel);
}

// ---- gradients

void cpu_add_term(cpu_plan *plan, int node, cpu_layout layout, cpu_view view) {
  cpu_value *value = &plan->values[node];
  cpu_layout own = value->layout;
  if (layout != own && !(layouts_agree(plan, node) && view.bf16 == value->view.bf16)) {
    view = change_layout(plan, node, view, own, value->view.bf16, true);
  }
  if (value->term_count == CPU_TERMS_MAX) {
    cpu_view sum = cpu_plan_tensor(plan, node, own, view.bf16);
    cpu_plan_gather(plan, node, own, value->terms, value->term_count, (cpu_view){0}, sum, true);
    value->terms[0] = sum;
    value->term_count = 1;
  }
  value->terms[value->term_count++] = view;
}

cpu_view cpu_gradient(cpu_plan *plan, int node, cpu_view mask) {
  const cpu_value *value = &plan->values[node];
  if (value->term_count == 1 && mask.buffer == NULL && is_dense(plan, node, value->layout, value->terms[0])) {
    return value->terms[0];
  }
  cpu_view sum = cpu_plan_tensor(plan, node, value->layout, value->terms[0].bf16);
  cpu_plan_gather(plan, node, value->layout, value->terms, value->term_count, mask, sum, true);
  return sum;
}
