// The plan: operations get the earliest stage that their inputs allow; tensors get memory by first fit over the stages
// in which they are used. See plan.h.
#include "engine/cpu/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { BUFFERS_PER_NODE = 24, OPS_PER_NODE = 32, ALIGNMENT = 4096 };

cpu_view cpu_plan_memory(cpu_plan *plan, uint64_t shard_bytes) {
  cpu_buffer *b = &plan->buffers[plan->buffer_count];
  if (plan->buffer_count + 1 < plan->buffer_capacity) {
    plan->buffer_count++;  // the last one catches what is too much; cpu_plan_finish tells
  }
  *b = (cpu_buffer){.shard_bytes = shard_bytes, .together = 1, .made = -1, .first = -1, .first_op = -1};
  return (cpu_view){.buffer = b};
}

cpu_op *cpu_plan_op(cpu_plan *plan, cpu_op_kind kind, const sht_node *node) {
  cpu_op *op = &plan->ops[plan->op_count];
  if (plan->op_count + 1 < plan->op_capacity) {
    plan->op_count++;
  }
  *op = (cpu_op){.kind = kind, .node = node};
  return op;
}

void cpu_op_writes(cpu_op *op, cpu_view view) {
  op->view[op->views++] = view;
  op->outputs++;
}

void cpu_op_reads(cpu_op *op, cpu_view view) { op->view[op->views++] = view; }

static int stage_after(const cpu_buffer *b, cpu_op_kind kind) {
  if (b->made < 0) {
    return 0;
  }
  switch (kind) {
    case CPU_OP_SHARD:
      return b->ready;
    case CPU_OP_WHOLE:
      return b->made;
    case CPU_OP_CHUNKS:
      return b->made + 1;
  }
  return 0;
}

static void mark_use(cpu_buffer *b, const cpu_op *op, int number, bool write) {
  if (write) {
    int ready = op->kind == CPU_OP_SHARD ? op->stage : op->stage + 1;
    b->made = op->stage > b->made ? op->stage : b->made;
    b->ready = ready > b->ready ? ready : b->ready;
  }
  b->first = b->first < 0 || op->stage < b->first ? op->stage : b->first;
  b->last = op->stage > b->last ? op->stage : b->last;
  b->first_op = b->first_op < 0 ? number : b->first_op;
  b->last_op = number;
  b->shared = b->shared || op->kind != CPU_OP_SHARD;
}

void cpu_plan_place(cpu_plan *plan, cpu_op *op) {
  for (int i = 0; i < op->views; i++) {
    int stage = stage_after(op->view[i].buffer, op->kind);
    op->stage = stage > op->stage ? stage : op->stage;
  }
  for (int i = 0; i < op->views; i++) {
    mark_use(op->view[i].buffer, op, (int)(op - plan->ops), i < op->outputs);
  }
  plan->stage_count = op->stage + 1 > plan->stage_count ? op->stage + 1 : plan->stage_count;
}

// ---- order of the operations

static int kind_rank(cpu_op_kind kind) { return kind == CPU_OP_SHARD ? 0 : kind == CPU_OP_CHUNKS ? 1 : 2; }

static int by_stage(const void *a, const void *b) {
  const cpu_op *x = *(cpu_op *const *)a;
  const cpu_op *y = *(cpu_op *const *)b;
  if (x->stage != y->stage) {
    return x->stage - y->stage;
  }
  int rank = kind_rank(x->kind) - kind_rank(y->kind);
  return rank != 0 ? rank : (x < y ? -1 : 1);
}

static void order_ops(cpu_plan *plan) {
  for (int i = 0; i < plan->op_count; i++) {
    plan->order[i] = &plan->ops[i];
  }
  qsort(plan->order, (size_t)plan->op_count, sizeof *plan->order, by_stage);
  for (int i = 0; i < plan->op_count; i++) {
    cpu_stage *stage = &plan->stages[plan->order[i]->stage];
    stage->first_op = stage->ops == 0 ? i : stage->first_op;
    stage->ops++;
    stage->chunk_tasks += plan->order[i]->chunks;
  }
}

// ---- memory

typedef struct claim {
  cpu_buffer *buffer;
  uint64_t bytes;
  int from, to;  // inclusive
} claim;

static bool overlap(const claim *a, const claim *b) { return a->from <= b->to && b->from <= a->to; }

static int by_offset(const void *a, const void *b) {
  const claim *x = *(const claim *const *)a;
  const claim *y = *(const claim *const *)b;
  return x->buffer->offset < y->buffer->offset ? -1 : x->buffer->offset > y->buffer->offset;
}

// Lowest gap among the placed claims that are alive at the same time.
static uint64_t first_fit(const claim *want, const claim *placed, int count, const claim **alive) {
  int n = 0;
  for (int i = 0; i < count; i++) {
    if (overlap(want, &placed[i])) {
      alive[n++] = &placed[i];
    }
  }
  qsort(alive, (size_t)n, sizeof *alive, by_offset);
  uint64_t offset = 0;
  for (int i = 0; i < n; i++) {
    if (alive[i]->buffer->offset >= offset + want->bytes) {
      break;
    }
    uint64_t end = alive[i]->buffer->offset + alive[i]->bytes;
    offset = end > offset ? end : offset;
  }
  return offset;
}

static int larger_first(const void *a, const void *b) {
  const claim *x = a;
  const claim *y = b;
  if (x->bytes != y->bytes) {
    return x->bytes > y->bytes ? -1 : 1;
  }
  return x->buffer < y->buffer ? -1 : 1;
}

// Places all claims; returns the bytes in all.
static uint64_t place_claims(claim *claims, int count, const claim **alive) {
  uint64_t total = 0;
  qsort(claims, (size_t)count, sizeof *claims, larger_first);
  for (int i = 0; i < count; i++) {
    claims[i].buffer->offset = first_fit(&claims[i], claims, i, alive);
    uint64_t end = claims[i].buffer->offset + claims[i].bytes;
    total = end > total ? end : total;
  }
  return total;
}

static int collect_claims(cpu_plan *plan, bool local, claim *claims) {
  int count = 0;
  for (int i = 0; i < plan->buffer_count; i++) {
    cpu_buffer *b = &plan->buffers[i];
    b->local = !b->shared && b->first == b->last;
    if (b->first < 0 || b->shard_bytes == 0 || b->local != local) {
      continue;
    }
    const uint64_t shards = (uint64_t)cpu_tensors_in(b, plan->engine->shards) * b->together;
    uint64_t bytes = local ? b->shard_bytes : b->shard_bytes * shards;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    claims[count++] = local ? (claim){b, bytes, b->first_op, b->last_op} : (claim){b, bytes, b->first, b->last};
  }
  return count;
}

static void set_bases(cpu_plan *plan) {
  for (int i = 0; i < plan->buffer_count; i++) {
    cpu_buffer *b = &plan->buffers[i];
    b->base = (b->local ? plan->engine->locals : plan->engine->arena) + b->offset;
  }
}

static sht_status allocate_memory(cpu_plan *plan, claim *claims, const claim **alive, sht_error *error) {
  cpu_engine *engine = plan->engine;
  uint64_t shared = place_claims(claims, collect_claims(plan, false, claims), alive);
  // Operations are emitted node by node but run by stage: within a stage the numbers still rise with time.
  engine->local_bytes = place_claims(claims, collect_claims(plan, true, claims), alive);
  SHT_TRY(SHT_ALLOC(&engine->arena, shared, "activations and gradients of a batch", error));
  SHT_TRY(SHT_ALLOC(&engine->locals, engine->local_bytes * (uint64_t)engine->workers, "tensors of a shard", error));
  SHT_TRY(SHT_ALLOC(&engine->scratch, engine->scratch_bytes * (uint64_t)engine->workers, "scratch memory", error));
  engine->bytes += shared + (engine->local_bytes + engine->scratch_bytes) * (uint64_t)engine->workers;
  set_bases(plan);
  return SHT_OK;
}

sht_status cpu_plan_finish(cpu_plan *plan, sht_error *error) {
  if (plan->buffer_count + 1 >= plan->buffer_capacity || plan->op_count + 1 >= plan->op_capacity) {
    return SHT_FAIL(error, SHT_INTERNAL, "model %s: the plan needs more than %d operations; report this model",
                    plan->graph->name, plan->op_capacity);
  }
  SHT_TRY(SHT_ALLOC(&plan->order, plan->op_count, "plan", error));
  SHT_TRY(SHT_ALLOC(&plan->stages, plan->stage_count, "plan", error));
  order_ops(plan);
  claim *claims = NULL;
  const claim **alive = NULL;
  sht_status status = SHT_ALLOC(&claims, plan->buffer_count, "plan", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&alive, plan->buffer_count, "plan", error);
  }
  if (status == SHT_OK) {
    status = allocate_memory(plan, claims, alive, error);
  }
  sht_free(alive);
  sht_free(claims);
  return status;
}

static sht_status allocate_plan(cpu_plan *plan, int nodes, sht_error *error) {
  plan->buffer_capacity = BUFFERS_PER_NODE * nodes + BUFFERS_PER_NODE;
  plan->op_capacity = OPS_PER_NODE * nodes + OPS_PER_NODE;
  SHT_TRY(SHT_ALLOC(&plan->values, nodes, "plan", error));
  SHT_TRY(SHT_ALLOC(&plan->buffers, plan->buffer_capacity, "plan", error));
  return SHT_ALLOC(&plan->ops, plan->op_capacity, "plan", error);
}

sht_status cpu_plan_open(cpu_engine *engine, cpu_plan **out, sht_error *error) {
  cpu_plan *plan = NULL;
  SHT_TRY(SHT_ALLOC(&plan, 1, "plan", error));
  *out = plan;  // the engine closes it, half-made or not
  plan->engine = engine;
  plan->graph = engine->base.graph;
  return allocate_plan(plan, plan->graph->node_count, error);
}

void cpu_plan_close(cpu_plan *plan) {
  if (plan == NULL) {
    return;
  }
  sht_free(plan->values);
  sht_free(plan->buffers);
  sht_free(plan->ops);
  sht_free(plan->order);
  sht_free(plan->stages);
  sht_free(plan);
}
