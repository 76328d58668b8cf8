// Dense layers: chains of them, held by dense.h, as operations on the whole batch.
#include <string.h>

#include "base/memory.h"
#include "engine/cpu/plan.h"

enum { CHAIN_MAX = 64 };

// view: y, x.
static void run_forward(const cpu_op *op, cpu_engine *engine) {
  const cpu_view *x = &op->view[1];
  cpu_dense_forward(op->layer, x->buffer->base + x->offset, engine->step.n, engine->step.training,
                    (float *)op->view[0].buffer->base);
}

static char *missing_rows(const cpu_view *view, const cpu_engine *engine) {
  return view->buffer->base + engine->step.n * view->buffer->image_bytes;
}

// view: dx (only where it is wanted: flag), or a sign; dy.
static void run_backward(const cpu_op *op, cpu_engine *engine) {
  const float *dy = (const float *)op->view[1].buffer->base;
  void *dx = op->flag ? op->view[0].buffer->base : NULL;
  bool fine = true;
  if (engine->step.rates != NULL) {
    cpu_dense_backward(op->layer, dy, engine->step.n, dx, engine->step.rates, &fine);
  } else if (cpu_dense_gradient(op->layer, dy, engine->step.n, dx, NULL) != SHT_OK) {
    atomic_store(&engine->failed, true);
  }
  if (!fine) {
    atomic_store(&engine->infinite, true);
  }
  if (op->flag) {
    uint64_t rows = (uint64_t)engine->step.shards * CPU_SHARD_IMAGES - engine->step.n;
    memset(missing_rows(&op->view[0], engine), 0, rows * op->view[0].buffer->image_bytes);
  }
}

// The layers of the chain that begins at `head`, as dense.h wants them; returns the last one's node.
static int describe_chain(const cpu_plan *plan, int head, cpu_dense_layer *layers, uint32_t *count) {
  int last = head;
  *count = 0;
  for (int i = head; i < plan->graph->node_count; i++) {
    const sht_node *n = &plan->graph->nodes[i];
    if (plan->values[i].chain != head) {
      continue;
    }
    const sht_parameter *all = plan->graph->parameters;
    layers[(*count)++] = (cpu_dense_layer){
        .outputs = n->out.channels,
        .bias = n->bias >= 0,
        .relu = plan->values[i].relu >= 0,
        .decay_weight = all[n->weight].weight_decay,
        .decay_bias = n->bias >= 0 && all[n->bias].weight_decay,
    };
    last = i;
  }
  return last;
}

static sht_status open_chain(cpu_plan *plan, int head, cpu_view x, int *last, sht_error *error) {
  cpu_engine *engine = plan->engine;
  int input = plan->graph->nodes[head].inputs[0];
  cpu_dense_layer layers[CHAIN_MAX];
  cpu_dense_spec spec = {
      .inputs = (uint32_t)cpu_elements(plan, input, CPU_ROWS),
      .batch = engine->shards * CPU_SHARD_IMAGES,
      .layer = layers,
      .precision = engine->precision,
      .input = x.bf16 ? SHT_BF16 : SHT_FP32,
      .input_gradient = plan->values[input].needs_gradient,
  };
  *last = describe_chain(plan, head, layers, &spec.layers);
  SHT_TRY(cpu_dense_open(&spec, engine->pool, &engine->denses[head], error));
  engine->bytes += cpu_dense_bytes(engine->denses[head]);
  return SHT_OK;
}

sht_status cpu_linear_forward(cpu_plan *plan, int node, sht_error *error) {
  cpu_value *value = &plan->values[node];
  if (value->chain != node) {
    return SHT_OK;  // part of a chain that has been planned
  }
  int last = node;
  cpu_view x = cpu_input(plan, plan->graph->nodes[node].inputs[0], CPU_ROWS);
  SHT_TRY(open_chain(plan, node, x, &last, error));
  cpu_value *end = &plan->values[last];
  end->layout = CPU_ROWS;
  end->view = cpu_plan_tensor(plan, last, CPU_ROWS, false);
  cpu_op *op = cpu_plan_op(plan, CPU_OP_WHOLE, &plan->graph->nodes[node]);
  op->run_whole = run_forward;
  op->layer = plan->engine->denses[node];
  cpu_op_writes(op, end->view);
  cpu_op_reads(op, x);
  cpu_plan_place(plan, op);
  return SHT_OK;
}

// Called for the layers of a chain from the last to the first; the last does it.
void cpu_linear_backward(cpu_plan *plan, int node) {
  const cpu_value *value = &plan->values[node];
  if (value->view.buffer == NULL) {
    return;
  }
  int head = value->chain;
  int input = plan->graph->nodes[head].inputs[0];
  bool wanted = plan->values[input].needs_gradient;
  cpu_view dy = cpu_gradient(plan, node, (cpu_view){0});
  cpu_view x = cpu_input(plan, input, CPU_ROWS);
  cpu_view dx = wanted ? cpu_plan_tensor(plan, input, CPU_ROWS, x.bf16) : cpu_plan_memory(plan, 0);
  cpu_op *op = cpu_plan_op(plan, CPU_OP_WHOLE, &plan->graph->nodes[head]);
  op->run_whole = run_backward;
  op->training = true;
  op->layer = plan->engine->denses[head];
  op->flag = wanted;
  cpu_op_writes(op, dx);
  cpu_op_reads(op, dy);
  cpu_plan_place(plan, op);
  if (wanted) {
    cpu_add_term(plan, input, CPU_ROWS, dx);
  }
}
