// Both ends of the network: filling in the batch, and the loss.
#include <math.h>
#include <string.h>

#include "engine/cpu/plan.h"

// ---- input

static void run_input(const cpu_op *op, const cpu_tile *tile) {
  const cpu_step *step = &tile->engine->step;
  uint64_t first = (uint64_t)tile->shard * CPU_SHARD_IMAGES;
  sht_pipeline_fill(step->pipeline, step->epoch, step->examples + first, tile->images,
                    (float *)cpu_at(&op->view[0], tile), tile->engine->labels + first);
  cpu_zero_missing(&op->view[0], tile);
}

void cpu_input_forward(cpu_plan *plan, int node) {
  cpu_value *value = &plan->values[node];
  value->layout = CPU_ROWS;
  value->view = cpu_plan_tensor(plan, node, CPU_ROWS, false);
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, &plan->graph->nodes[node]);
  op->run_shard = run_input;
  cpu_op_writes(op, value->view);
  cpu_plan_place(plan, op);
}

// ---- softmax and cross-entropy

static float read_element(const cpu_array *row, uint32_t i) {
  if (!row->bf16) {
    return ((const float *)row->data)[i];
  }
  uint32_t bits = (uint32_t)((const uint16_t *)row->data)[i] << 16;
  float value = 0;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void write_element(const cpu_array *row, uint32_t i, float value) {
  if (!row->bf16) {
    ((float *)row->data)[i] = value;
    return;
  }
  uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  ((uint16_t *)row->data)[i] = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

typedef struct softmax {
  double top;     // largest logit
  double sum;     // of exp(logit - top)
  uint32_t best;  // first index of the largest
} softmax;

static softmax measure(const cpu_array *logits, uint32_t classes) {
  softmax s = {.top = (double)read_element(logits, 0)};
  for (uint32_t k = 1; k < classes; k++) {
    double x = (double)read_element(logits, k);
    s.best = x > s.top ? k : s.best;
    s.top = x > s.top ? x : s.top;
  }
  for (uint32_t k = 0; k < classes; k++) {
    s.sum += exp((double)read_element(logits, k) - s.top);
  }
  return s;
}

// d loss / d logit of the mean over n examples.
static void write_gradient(const cpu_array *logits, const softmax *s, uint32_t label, uint32_t classes, uint32_t n,
                           const cpu_array *gradient) {
  for (uint32_t k = 0; k < classes; k++) {
    double p = exp((double)read_element(logits, k) - s->top) / s->sum;
    write_element(gradient, k, (float)((p - (k == label ? 1.0 : 0.0)) / (double)n));
  }
}

static void give_out(const cpu_step *step, uint64_t example, const cpu_array *logits, uint32_t classes, double loss) {
  for (uint32_t k = 0; step->logits != NULL && k < classes; k++) {
    step->logits[example * classes + k] = read_element(logits, k);
  }
  if (step->losses != NULL) {
    step->losses[example] = (float)loss;
  }
}

// view: gradient of the logits, a sign that the loss is there, logits.
static void run_loss(const cpu_op *op, const cpu_tile *tile) {
  cpu_engine *engine = tile->engine;
  const uint32_t classes = engine->base.graph->classes;
  cpu_array gradient = cpu_array_at(&op->view[0], tile);
  cpu_array logits = cpu_array_at(&op->view[2], tile);
  double total = 0;
  uint32_t correct = 0;
  for (uint32_t i = 0; i < tile->images; i++) {
    uint64_t example = (uint64_t)tile->shard * CPU_SHARD_IMAGES + i;
    uint32_t label = engine->labels[example];
    softmax s = measure(&logits, classes);
    double loss = log(s.sum) + s.top - (double)read_element(&logits, label);
    total += loss;
    correct += s.best == label;
    if (engine->step.training) {
      write_gradient(&logits, &s, label, classes, engine->step.n, &gradient);
    }
    give_out(&engine->step, example, &logits, classes, loss);
    logits.data = (char *)logits.data + logits.stride;
    gradient.data = (char *)gradient.data + gradient.stride;
  }
  engine->loss_partial[tile->shard] = total;
  engine->correct[tile->shard] = correct;
  cpu_zero_missing(&op->view[0], tile);
}

void cpu_loss_forward(cpu_plan *plan) {
  int last = plan->graph->node_count - 1;
  cpu_view logits = cpu_input(plan, last, CPU_ROWS);
  cpu_op *op = cpu_plan_op(plan, CPU_OP_SHARD, &plan->graph->nodes[last]);
  op->run_shard = run_loss;
  cpu_view gradient = cpu_plan_tensor(plan, last, CPU_ROWS, logits.bf16);
  cpu_op_writes(op, gradient);
  cpu_op_writes(op, cpu_plan_memory(plan, 0));
  cpu_op_reads(op, logits);
  cpu_plan_place(plan, op);
  cpu_add_term(plan, last, CPU_ROWS, gradient);
}
