// ReLU on its own, dropout, sums and concatenations.
#include <string.h>

#include "engine/cpu/plan.h"

// ---- ReLU

static bool is_fused(const cpu_plan *plan, int node) { return plan->values[node].fused_into >= 0; }

// A one-input node that works in its input's layout; its output there or in its slice.
static cpu_view like_input(cpu_plan *plan, int node, cpu_view input) {
  cpu_value *value = &plan->values[node];
  value->layout = plan->values[plan->graph->nodes[node].inputs[0]].layout;
  if (value->layout == CPU_BLOCKED) {
    value->view = cpu_output(plan, node);
  } else {
    value->home = -1;
    value->view = cpu_plan_tensor(plan, node, value->layout, input.bf16);
  }
  return value->view;
}

static cpu_view own_input(cpu_plan *plan, int node) {
  int input = plan->graph->nodes[node].inputs[0];
  return cpu_input_slice(plan, input, plan->values[input].layout);
}

void cpu_relu_forward(cpu_plan *plan, int node) {
  if (is_fused(plan, node)) {
    return;
  }
  cpu_view x = own_input(plan, node);
  cpu_view y = like_input(plan, node, x);
  cpu_plan_gather(plan, node, plan->values[node].layout, &x, 1, x, y, false);
}

void cpu_relu_backward(cpu_plan *plan, int node) {
  cpu_value *value = &plan->values[node];
  int input = plan->graph->nodes[node].inputs[0];
  if (is_fused(plan, node)) {
    memcpy(plan->values[input].terms, value->terms, sizeof value->terms);
    plan->values[input].term_count = value->term_count;
    return;
  }
  cpu_add_term(plan, input, value->layout, cpu_gradient(plan, node, value->view));
}

// ---- dropout: factors of the elements are drawn in the forward pass and kept

// Where factor e of [H][W][C] lies.
static uint64_t factor_place(const cpu_engine *engine, const cpu_op *op, uint64_t e) {
  const cpu_steps steps = op->view[1].steps;
  const uint64_t channel = e % op->node->out.channels;
  const uint64_t position = e / op->node->out.channels;
  return channel / engine->block * steps.block + position * steps.position + channel % engine->block;
}

// Addressing: shatter/engine.h.
static void draw_factors(const cpu_op *op, const cpu_tile *tile, uint32_t image, float *factors) {
  const cpu_engine *engine = tile->engine;
  const uint32_t example = engine->step.examples[(uint64_t)tile->shard * CPU_SHARD_IMAGES + image];
  const uint64_t address = (uint64_t)(op->node - engine->base.graph->nodes) << 32 | example;
  const uint32_t threshold = (uint32_t)((double)op->node->dropout * 0x1p32);
  const float kept = 1.0f / (1.0f - op->node->dropout);
  const uint64_t count = (uint64_t)op->node->out.channels * op->node->out.height * op->node->out.width;
  uint32_t words[4];
  for (uint64_t e = 0; e < count; e++) {
    if (e % 4 == 0) {
      sht_rng_block(engine->dropout, engine->step.epoch, address, (uint32_t)(e / 4), words);
    }
    factors[factor_place(engine, op, e)] = words[e % 4] < threshold ? 0.0f : kept;
  }
}

static void fill_factors(const cpu_op *op, const cpu_tile *tile) {
  float *factors = (float *)cpu_at(&op->view[1], tile);
  const uint64_t elements = op->runs * op->elements;
  memset(factors, 0, CPU_SHARD_IMAGES * elements * sizeof *factors);
  for (uint32_t i = 0; i < tile->images; i++) {
    if (tile->engine->step.training) {
      draw_factors(op, tile, i, factors + i * elements);
    }
  }
  for (uint64_t i = 0; !tile->engine->step.training && i < tile->images * elements; i++) {
    factors[i] = 1.0f;
  }
}

// view: out, factors, in. Forward draws the factors.
static void multiply(const cpu_op *op, const cpu_tile *tile) {
  cpu_array out = cpu_array_at(&op->view[0], tile);
  cpu_array factors = cpu_array_at(&op->view[1], tile);
  cpu_array in = cpu_array_at(&op->view[2], tile);
  tile->engine->kernels->multiply(&in, &factors, &out, cpu_runs_of(op));
}

static void run_dropout(const cpu_op *op, const cpu_tile *tile) {
  fill_factors(op, tile);
  multiply(op, tile);
}

void cpu_dropout_forward(cpu_plan *plan, int node) {
  cpu_value *value = &plan->values[node];
  cpu_view x = own_input(plan, node);
  cpu_view y = like_input(plan, node, x);
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, &plan->graph->nodes[node]);
  op->run_shard = run_dropout;
  value->kept = cpu_plan_tensor(plan, node, value->layout, false);
  cpu_op_writes(op, y);
  cpu_op_writes(op, value->kept);
  cpu_op_reads(op, x);
  cpu_op_runs(plan, op, node, value->layout);
  cpu_plan_place(plan, op);
}

void cpu_dropout_backward(cpu_plan *plan, int node) {
  cpu_value *value = &plan->values[node];
  cpu_view dy = cpu_gradient(plan, node, (cpu_view){0});
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, &plan->graph->nodes[node]);
  op->run_shard = multiply;
  op->training = true;
  cpu_view dx = cpu_plan_tensor(plan, node, value->layout, dy.bf16);
  cpu_op_writes(op, dx);
  cpu_op_reads(op, value->kept);
  cpu_op_reads(op, dy);
  cpu_op_runs(plan, op, node, value->layout);
  cpu_plan_place(plan, op);
  cpu_add_term(plan, plan->graph->nodes[node].inputs[0], value->layout, dx);
}

// ---- sums

void cpu_add_forward(cpu_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_value *value = &plan->values[node];
  cpu_view terms[SHT_NODE_INPUTS_MAX];
  value->layout = CPU_BLOCKED;
  for (int i = 0; i < n->input_count; i++) {
    terms[i] = cpu_input_slice(plan, n->inputs[i], CPU_BLOCKED);
  }
  value->view = cpu_output(plan, node);
  cpu_plan_gather(plan, node, CPU_BLOCKED, terms, n->input_count, (cpu_view){0}, value->view, false);
}

void cpu_add_backward(cpu_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_view dy = cpu_gradient(plan, node, (cpu_view){0});
  for (int i = 0; i < n->input_count; i++) {
    if (plan->values[n->inputs[i]].needs_gradient) {
      cpu_add_term(plan, n->inputs[i], CPU_BLOCKED, dy);
    }
  }
}

// ---- concatenation

// Copies channels of blocked tensors one by one, for widths that are not whole blocks. view: wide and narrow, the one
// written first; op->elements: the narrow one's first channel in the wide one; op->parameter: the wide one's channels;
// flag: the wide one is written. Channels that fill up the last block are zeroed.
static char *channel_at(const cpu_array *array, uint32_t image, uint64_t channel, uint32_t v) {
  const uint64_t element = channel / v * array->steps.block + channel % v;
  return (char *)array->data + image * array->stride + element * (array->bf16 ? 2 : 4);
}

static void zero_filling(const cpu_array *array, uint32_t image, uint32_t channels, uint32_t v, uint64_t positions) {
  const uint64_t size = array->bf16 ? 2 : 4;
  for (uint32_t c = channels; c % v != 0; c++) {
    for (uint64_t p = 0; p < positions; p++) {
      memset(channel_at(array, image, c, v) + p * array->steps.position * size, 0, size);
    }
  }
}

static void run_channels(const cpu_op *op, const cpu_tile *tile) {
  cpu_array wide = cpu_array_at(&op->view[op->flag ? 0 : 1], tile);
  cpu_array narrow = cpu_array_at(&op->view[op->flag ? 1 : 0], tile);
  const uint32_t v = tile->engine->block;
  const cpu_array *to = op->flag ? &wide : &narrow;
  const cpu_array *from = op->flag ? &narrow : &wide;
  const uint64_t size = wide.bf16 ? 2 : 4;
  const uint64_t positions = (uint64_t)op->node->out.height * op->node->out.width;
  for (uint32_t n = 0; n < CPU_SHARD_IMAGES; n++) {
    for (uint32_t c = 0; c < op->node->out.channels; c++) {
      char *target = channel_at(to, n, op->flag ? op->elements + c : c, v);
      const char *source = channel_at(from, n, op->flag ? c : op->elements + c, v);
      for (uint64_t p = 0; p < positions; p++) {
        memcpy(target + p * to->steps.position * size, source + p * from->steps.position * size, size);
      }
    }
    zero_filling(to, n, op->flag ? (uint32_t)op->parameter : op->node->out.channels, v, positions);
  }
}

static void copy_channels(cpu_plan *plan, int concat, int input, uint32_t channel, cpu_view wide, cpu_view narrow,
                          bool join) {
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, &plan->graph->nodes[input]);
  op->run_shard = run_channels;
  op->training = !join;
  op->flag = join;
  op->elements = channel;
  op->parameter = (int)plan->graph->nodes[concat].out.channels;
  cpu_op_writes(op, join ? wide : narrow);
  cpu_op_reads(op, join ? narrow : wide);
  cpu_plan_place(plan, op);
}

static bool is_slice(const cpu_plan *plan, int input, uint32_t channel) {
  uint32_t v = plan->engine->block;
  return channel % v == 0 && plan->graph->nodes[input].out.channels % v == 0;
}

void cpu_concat_forward(cpu_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  cpu_value *value = &plan->values[node];  // its tensor was made beforehand
  uint32_t channel = 0;
  for (int i = 0; i < n->input_count; i++) {
    int input = n->inputs[i];
    const cpu_value *from = &plan->values[input];
    if (from->home != node || from->home_channel != channel) {
      cpu_view x = cpu_input_slice(plan, input, CPU_BLOCKED);
      if (is_slice(plan, input, channel)) {
        cpu_plan_gather(plan, input, CPU_BLOCKED, &x, 1, (cpu_view){0}, cpu_slice(plan, value->view, channel), false);
      } else {
        copy_channels(plan, node, input, channel, value->view, x, true);
      }
    }
    channel += plan->graph->nodes[input].out.channels;
  }
}

static void add_slices(cpu_plan *plan, int node, int input, uint32_t channel) {
  const cpu_value *value = &plan->values[node];
  for (int t = 0; t < value->term_count; t++) {
    cpu_add_term(plan, input, CPU_BLOCKED, cpu_slice(plan, value->terms[t], channel));
  }
}

static void add_channels(cpu_plan *plan, int node, int input, uint32_t channel) {
  cpu_view wide = cpu_gradient(plan, node, (cpu_view){0});
  cpu_view narrow = cpu_plan_activation(plan, input);
  copy_channels(plan, node, input, channel, wide, narrow, false);
  cpu_add_term(plan, input, CPU_BLOCKED, narrow);
}

void cpu_concat_backward(cpu_plan *plan, int node) {
  const sht_node *n = &plan->graph->nodes[node];
  uint32_t channel = 0;
  for (int i = 0; i < n->input_count; i++) {
    int input = n->inputs[i];
    if (plan->values[input].needs_gradient) {
      if (is_slice(plan, input, channel)) {
        add_slices(plan, node, input, channel);
      } else {
        add_channels(plan, node, input, channel);
      }
    }
    channel += plan->graph->nodes[input].out.channels;
  }
}
