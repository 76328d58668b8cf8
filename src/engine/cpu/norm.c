// Batch normalisation with its ReLU. Statistics of each shard are joined by Chan's formula in a fixed tree.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "engine/cpu/plan.h"

struct cpu_norm {
  const sht_node *node;
  uint64_t channels;   // padded
  uint64_t positions;  // H * W
  // [channels] each, in one block
  float *mean, *factor, *inverse, *slope, *constant, *zero, *running_mean, *running_variance, *gradient;
  float *gate;  // the shift of the forward pass, after its update
  // [shards][channels] each: mean and squared deviations, or the sums of gradients
  float *first, *second;
  float *block;
};

enum { VECTORS = 10 };

static float *shift_of(const cpu_engine *engine, const cpu_norm *norm) {
  return norm->node->bias >= 0 ? cpu_param_at(engine, norm->node->bias, 0) : norm->zero;
}

static cpu_norm_vectors vectors_of(const cpu_engine *engine, const cpu_norm *norm) {
  return (cpu_norm_vectors){norm->mean, norm->factor, shift_of(engine, norm)};
}

static cpu_extent extent_of(const cpu_engine *engine, const cpu_norm *norm, uint32_t images) {
  return (cpu_extent){images, (uint32_t)(norm->channels / engine->block), (uint32_t)norm->positions};
}

// ---- forward

static void run_statistics(const cpu_op *op, const cpu_tile *tile) {
  const cpu_norm *norm = op->layer;
  cpu_array x = cpu_array_at(&op->view[1], tile);
  tile->engine->kernels->norm_statistics(&x, extent_of(tile->engine, norm, tile->images),
                                         norm->first + tile->shard * norm->channels,
                                         norm->second + tile->shard * norm->channels);
}

// Joins (mean, m2) of b examples into those of a.
static void join(float *mean_a, float *m2_a, double a, const float *mean_b, const float *m2_b, double b, uint64_t n) {
  float share = (float)(b / (a + b));
  float weight = (float)(a * b / (a + b));
  for (uint64_t c = 0; c < n; c++) {
    float delta = mean_b[c] - mean_a[c];
    mean_a[c] += delta * share;
    m2_a[c] += m2_b[c] + delta * delta * weight;
  }
}

static double examples_in(const cpu_step *step, uint32_t first_shard, uint32_t shards) {
  uint64_t first = (uint64_t)first_shard * CPU_SHARD_IMAGES;
  uint64_t end = first + (uint64_t)shards * CPU_SHARD_IMAGES;
  return (double)((end < step->n ? end : step->n) - first);
}

static void join_shards(const cpu_engine *engine, const cpu_norm *norm) {
  const cpu_step *s = &engine->step;
  double positions = (double)norm->positions;
  for (uint32_t step = 1; step < s->shards; step *= 2) {
    for (uint32_t i = 0; i + step < s->shards; i += 2 * step) {
      uint64_t a = i * norm->channels;
      uint64_t b = (i + step) * norm->channels;
      join(norm->first + a, norm->second + a, examples_in(s, i, step) * positions, norm->first + b, norm->second + b,
           examples_in(s, i + step, step) * positions, norm->channels);
    }
  }
}

static void set_factors(const cpu_engine *engine, const cpu_norm *norm, const float *variance, double divisor) {
  const float *scale = norm->node->weight >= 0 ? cpu_param_at(engine, norm->node->weight, 0) : NULL;
  for (uint64_t c = 0; c < norm->channels; c++) {
    norm->inverse[c] = (float)(1.0 / sqrt((double)variance[c] / divisor + (double)norm->node->epsilon));
    norm->factor[c] = scale == NULL ? norm->inverse[c] : norm->inverse[c] * scale[c];
  }
}

static void move_running(const cpu_norm *norm, double count) {
  double decay = (double)norm->node->decay;
  for (uint64_t c = 0; c < norm->channels; c++) {
    double variance = (double)norm->second[c] / count;
    norm->running_mean[c] = (float)(decay * (double)norm->running_mean[c] + (1 - decay) * (double)norm->mean[c]);
    norm->running_variance[c] = (float)(decay * (double)norm->running_variance[c] + (1 - decay) * variance);
  }
}

static void run_join(const cpu_op *op, cpu_engine *engine) {
  const cpu_norm *norm = op->layer;
  double count = (double)engine->step.n * (double)norm->positions;
  join_shards(engine, norm);
  memcpy(norm->mean, norm->first, norm->channels * sizeof *norm->mean);
  set_factors(engine, norm, norm->second, count);
  if (engine->step.rates != NULL) {
    move_running(norm, count);
  }
}

static void run_apply(const cpu_op *op, const cpu_tile *tile) {
  const cpu_norm *norm = op->layer;
  cpu_array x = cpu_array_at(&op->view[1], tile);
  cpu_array y = cpu_array_at(&op->view[0], tile);
  tile->engine->kernels->norm_apply(&x, &y, extent_of(tile->engine, norm, CPU_SHARD_IMAGES),
                                    vectors_of(tile->engine, norm), op->flag);
}

static sht_status open_norm(cpu_engine *engine, const sht_node *node, cpu_norm **out, sht_error *error) {
  cpu_norm *norm = NULL;
  SHT_TRY(SHT_ALLOC(&norm, 1, "batch normalisation", error));
  *out = norm;
  norm->node = node;
  norm->channels = cpu_round_up(node->out.channels, engine->block);
  norm->positions = (uint64_t)node->out.height * node->out.width;
  uint64_t floats = norm->channels * (VECTORS + 2 * (uint64_t)engine->shards);
  SHT_TRY(SHT_ALLOC(&norm->block, floats, "batch normalisation", error));
  engine->bytes += floats * sizeof(float);
  float **vectors[VECTORS] = {&norm->mean,     &norm->factor, &norm->inverse,      &norm->slope,
                              &norm->constant, &norm->zero,   &norm->running_mean, &norm->running_variance,
                              &norm->gradient, &norm->gate};
  for (uint64_t i = 0; i < VECTORS; i++) {
    *vectors[i] = norm->block + i * norm->channels;
  }
  norm->first = norm->block + VECTORS * norm->channels;
  norm->second = norm->first + engine->shards * norm->channels;
  return SHT_OK;
}

void cpu_norm_close(cpu_norm *norm) {
  if (norm != NULL) {
    sht_free(norm->block);
    sht_free(norm);
  }
}

// An operation of the layer on what it reads, with what it writes.
static cpu_op *norm_op(cpu_plan *plan, cpu_norm *norm, cpu_op_kind kind, cpu_view output, bool training) {
  cpu_op *op = cpu_plan_op(plan, kind, norm->node);
  op->layer = norm;
  op->training = training;
  cpu_op_writes(op, output);
  return op;
}

sht_status cpu_norm_forward(cpu_plan *plan, int node, sht_error *error) {
  cpu_value *value = &plan->values[node];
  int input = plan->graph->nodes[node].inputs[0];
  cpu_norm *norm = NULL;
  SHT_TRY(open_norm(plan->engine, &plan->graph->nodes[node], &plan->engine->norms[node], error));
  norm = plan->engine->norms[node];
  cpu_view x = cpu_input_slice(plan, input, CPU_BLOCKED);
  cpu_op *op = norm_op(plan, norm, CPU_OP_SHARD, cpu_plan_memory(plan, 0), true);
  op->run_shard = run_statistics;
  cpu_op_reads(op, x);
  cpu_plan_place(plan, op);
  cpu_view measured = op->view[0];
  op = norm_op(plan, norm, CPU_OP_WHOLE, cpu_plan_memory(plan, 0), true);
  op->run_whole = run_join;
  cpu_op_reads(op, measured);
  cpu_plan_place(plan, op);
  cpu_view joined = op->view[0];
  value->layout = CPU_BLOCKED;
  value->view = cpu_output(plan, node);
  op = norm_op(plan, norm, CPU_OP_SHARD, value->view, false);
  op->run_shard = run_apply;
  op->flag = value->relu >= 0;
  cpu_op_reads(op, x);
  cpu_op_reads(op, joined);
  cpu_plan_place(plan, op);
  return SHT_OK;
}

void cpu_norm_use_running(cpu_engine *engine, int node) {
  const cpu_norm *norm = engine->norms[node];
  memcpy(norm->mean, norm->running_mean, norm->channels * sizeof *norm->mean);
  set_factors(engine, norm, norm->running_variance, 1);
}

// statistics: [2][C] of the graph.
void cpu_norm_copy(const cpu_norm *norm, const sht_node *node, float *statistics, bool put) {
  uint64_t bytes = node->out.channels * sizeof(float);
  memcpy(put ? norm->running_mean : statistics, put ? statistics : norm->running_mean, bytes);
  statistics += node->out.channels;
  memcpy(put ? norm->running_variance : statistics, put ? statistics : norm->running_variance, bytes);
}

// ---- backward

// view: a sign, and the gradient behind ReLU if it is a sum; the terms of the gradient, then x.
static void run_reduce(const cpu_op *op, const cpu_tile *tile) {
  const cpu_norm *norm = op->layer;
  cpu_array terms[CPU_TERMS_MAX];
  int count = op->views - op->outputs - 1;
  for (int i = 0; i < count; i++) {
    terms[i] = cpu_array_at(&op->view[op->outputs + i], tile);
  }
  cpu_array x = cpu_array_at(&op->view[op->views - 1], tile);
  cpu_array out = op->outputs > 1 ? cpu_array_at(&op->view[1], tile) : (cpu_array){0};
  uint64_t at = tile->shard * norm->channels;
  tile->engine->kernels->norm_reduce(terms, count, &x, &out, extent_of(tile->engine, norm, tile->images),
                                     vectors_of(tile->engine, norm), op->flag, norm->first + at, norm->second + at);
}

// dx = factor * (g - mean(g) - z * mean(g z)), z = (x - mean) * inverse.
static void set_slopes(const cpu_norm *norm, double count) {
  for (uint64_t c = 0; c < norm->channels; c++) {
    double factor = -(double)norm->factor[c] / count;
    double inverse = (double)norm->inverse[c];
    norm->slope[c] = (float)(factor * inverse * inverse * (double)norm->second[c]);
    norm->constant[c] = (float)(factor * (double)norm->first[c]);
  }
}

static void run_slopes(const cpu_op *op, cpu_engine *engine) {
  const cpu_norm *norm = op->layer;
  engine->kernels->tree_sum(norm->first, norm->channels, engine->step.shards, norm->channels);
  engine->kernels->tree_sum(norm->second, norm->channels, engine->step.shards, norm->channels);
  set_slopes(norm, (double)engine->step.n * (double)norm->positions);
  memcpy(norm->gate, shift_of(engine, norm), norm->channels * sizeof *norm->gate);
  if (norm->node->bias >= 0) {
    cpu_param_step(engine, norm->node->bias, 0, norm->channels, norm->first);
  }
  if (norm->node->weight >= 0) {
    for (uint64_t c = 0; c < norm->channels; c++) {
      norm->gradient[c] = norm->second[c] * norm->inverse[c];
    }
    cpu_param_step(engine, norm->node->weight, 0, norm->channels, norm->gradient);
  }
}

static void run_backward(const cpu_op *op, const cpu_tile *tile) {
  const cpu_norm *norm = op->layer;
  cpu_array dx = cpu_array_at(&op->view[0], tile);
  cpu_array dy = cpu_array_at(&op->view[1], tile);
  cpu_array x = cpu_array_at(&op->view[2], tile);
  const cpu_norm_vectors vectors = {norm->mean, norm->factor, norm->gate};
  tile->engine->kernels->norm_backward(&dy, &x, &dx, extent_of(tile->engine, norm, tile->images), vectors, norm->slope,
                                       norm->constant, op->flag);
  cpu_zero_missing(&op->view[0], tile);
}

static cpu_op *plan_reduce(cpu_plan *plan, int node, cpu_view x, cpu_view gradient) {
  const cpu_value *value = &plan->values[node];
  cpu_op *op = norm_op(plan, plan->engine->norms[node], CPU_OP_SHARD, cpu_plan_memory(plan, 0), true);
  op->run_shard = run_reduce;
  op->flag = value->relu >= 0;
  if (value->term_count > 1) {
    cpu_op_writes(op, gradient);
  }
  for (int i = 0; i < value->term_count; i++) {
    cpu_op_reads(op, value->terms[i]);
  }
  cpu_op_reads(op, x);
  cpu_plan_place(plan, op);
  return op;
}

void cpu_norm_backward(cpu_plan *plan, int node) {
  cpu_norm *norm = plan->engine->norms[node];
  int input = plan->graph->nodes[node].inputs[0];
  cpu_view x = cpu_input_slice(plan, input, CPU_BLOCKED);
  const cpu_value *value = &plan->values[node];
  // A single term is read again instead of stored: ReLU is known from x.
  bool sum = value->term_count > 1;
  cpu_view gradient = sum ? cpu_plan_activation(plan, node) : value->terms[0];
  cpu_view summed = plan_reduce(plan, node, x, gradient)->view[0];
  cpu_op *op = norm_op(plan, norm, CPU_OP_WHOLE, cpu_plan_memory(plan, 0), true);
  op->run_whole = run_slopes;
  cpu_op_reads(op, summed);
  cpu_plan_place(plan, op);
  if (!plan->values[input].needs_gradient) {
    return;
  }
  cpu_view slopes = op->view[0];
  cpu_view dx = cpu_plan_activation(plan, node);
  op = norm_op(plan, norm, CPU_OP_SHARD, dx, true);
  op->run_shard = run_backward;
  op->flag = value->relu >= 0 && !sum;
  cpu_op_reads(op, gradient);
  cpu_op_reads(op, x);
  cpu_op_reads(op, slopes);
  cpu_plan_place(plan, op);
  cpu_add_term(plan, input, CPU_BLOCKED, dx);
}
