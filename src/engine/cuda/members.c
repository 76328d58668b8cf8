// Members of an engine: how they come and leave, and the orders of their examples. See cuda.h.
#include <string.h>

#include "base/memory.h"
#include "engine/cuda/cuda.h"
#include "engine/cuda/plan.h"

// ---- orders

static uint32_t parity_of(uint32_t epoch) { return epoch % 2; }

// The order is made here, like the processor's, and copied.
void cuda_order_make(cuda_member *member, uint32_t epoch) {
  const uint32_t place = parity_of(epoch);
  if (member->host_epoch[place] != (int64_t)epoch) {
    sht_order_fill(member->seed, epoch, (uint32_t)member->base.train_examples, member->host_order[place],
                   member->order_scratch);
    member->host_epoch[place] = (int64_t)epoch;
  }
}

sht_status cuda_order_put(cuda_member *member, uint32_t epoch, const uint32_t **out, sht_error *error) {
  const uint32_t place = parity_of(epoch);
  *out = member->order[place];
  if (member->order_epoch[place] == (int64_t)epoch) {
    return SHT_OK;
  }
  cuda_order_make(member, epoch);
  member->order_epoch[place] = -1;
  SHT_TRY(cuda_copy(member->engine->stream, member->order[place], member->host_order[place],
                    member->base.train_examples * sizeof(uint32_t), cudaMemcpyHostToDevice,
                    "copying the order of the examples", error));
  member->order_epoch[place] = (int64_t)epoch;
  return SHT_OK;
}

static sht_status open_orders(cuda_member *member, sht_error *error) {
  static const char *const what = "order of the examples";
  const uint64_t examples = member->base.train_examples;
  for (int i = 0; i < 2; i++) {
    SHT_TRY(cuda_memory_take(&member->memory, (void **)&member->order[i], examples * sizeof(uint32_t), what, error));
    SHT_TRY(SHT_ALLOC(&member->host_order[i], examples, what, error));
    member->order_epoch[i] = member->host_epoch[i] = -1;
  }
  return SHT_ALLOC(&member->order_scratch, 2 * examples, what, error);
}

// ---- coming and leaving

static bool same_window(const sht_node *a, const sht_node *b) {
  return a->kernel == b->kernel && a->stride == b->stride && a->pad_before == b->pad_before &&
         a->pad_after == b->pad_after;
}

static bool same_numbers(const sht_node *a, const sht_node *b) {
  return a->epsilon == b->epsilon && a->decay == b->decay && a->dropout == b->dropout &&
         a->lrn_radius == b->lrn_radius && a->lrn_bias == b->lrn_bias && a->lrn_alpha == b->lrn_alpha &&
         a->lrn_beta == b->lrn_beta;
}

static bool same_node(const sht_node *a, const sht_node *b) {
  return a->op == b->op && a->input_count == b->input_count &&
         memcmp(a->inputs, b->inputs, (size_t)a->input_count * sizeof *a->inputs) == 0 &&
         a->out.channels == b->out.channels && a->out.height == b->out.height && a->out.width == b->out.width &&
         same_window(a, b) && same_numbers(a, b) && a->weight == b->weight && a->bias == b->bias &&
         a->statistics == b->statistics;
}

static bool same_parameter(const sht_parameter *a, const sht_parameter *b) {
  return a->node == b->node && a->offset == b->offset && a->count == b->count && a->weight_decay == b->weight_decay;
}

// Whether a plan of one is a plan of the other.
static bool same_graph(const sht_graph *a, const sht_graph *b) {
  bool same = a->node_count == b->node_count && a->parameter_tensors == b->parameter_tensors &&
              a->classes == b->classes && a->parameter_count == b->parameter_count;
  for (int i = 0; same && i < a->node_count; i++) {
    same = same_node(&a->nodes[i], &b->nodes[i]);
  }
  for (int i = 0; same && i < a->parameter_tensors; i++) {
    same = same_parameter(&a->parameters[i], &b->parameters[i]);
  }
  return same;
}

static sht_status check_belongs(const cuda_engine *engine, const sht_graph *graph, const sht_engine_options *options,
                                sht_error *error) {
  if (engine->runs == engine->room) {
    return SHT_FAIL(error, SHT_USAGE, "a group of engines was opened for %u and has as many", engine->room);
  }
  if (!same_graph(engine->graph, graph) || engine->batch != options->batch || engine->precision != options->precision ||
      engine->train_examples != options->train_examples) {
    return SHT_FAIL(error, SHT_USAGE,
                    "model '%s' with %llu examples in batches of %u is another network than that of its group",
                    graph->name, (unsigned long long)options->train_examples, options->batch);
  }
  return SHT_OK;
}

// Launches are those of so many runs from now on.
static sht_status set_runs(cuda_engine *engine, uint32_t runs, sht_error *error) {
  engine->runs = runs;
  cuda_engine_forget_graphs(engine);
  return runs > 0 ? cuda_dense_repeat(engine->plan, error) : SHT_OK;
}

static void free_member(cuda_member *member) {
  cuda_splits_close(member);
  cuda_memory_close(&member->memory);
  for (int i = 0; i < 2; i++) {
    sht_free(member->host_order[i]);
  }
  sht_free(member->order_scratch);
  sht_free(member);
}

sht_status cuda_member_open(cuda_engine *engine, const sht_graph *graph, const sht_engine_options *options,
                            cuda_member **out, sht_error *error) {
  cuda_member *member = NULL;
  SHT_TRY(check_belongs(engine, graph, options, error));
  SHT_TRY(SHT_ALLOC(&member, 1, "engine", error));
  member->base = (sht_engine){.graph = graph, .batch = options->batch, .train_examples = options->train_examples};
  member->engine = engine;
  member->run = engine->runs;
  member->seed = options->seed;
  sht_status status = open_orders(member, error);
  if (status == SHT_OK) {
    status = cuda_parameters_clear(engine, member->run, error);  // of whoever had the place
  }
  if (status == SHT_OK) {
    status = set_runs(engine, engine->runs + 1, error);
  }
  if (status != SHT_OK) {
    engine->runs = member->run;
    free_member(member);
    return status;
  }
  engine->members[member->run] = member;
  *out = member;
  return SHT_OK;
}

// The last run takes the place that becomes free. Where the card no longer does that, its next step says so.
void cuda_member_close(cuda_member *member) {
  cuda_engine *engine = member->engine;
  cuda_member *last = engine->members[engine->runs - 1];
  (void)cudaStreamSynchronize(engine->stream);
  if (last != member) {
    (void)cuda_parameters_move(engine, last->run, member->run, NULL);
    last->run = member->run;
    engine->members[last->run] = last;
  }
  (void)set_runs(engine, engine->runs - 1, NULL);
  free_member(member);
}
