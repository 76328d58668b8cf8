// The cpu engine: opening, the step, evaluation, state. See cpu.h for how the parts meet.
#include "engine/cpu/cpu.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "engine/cpu/isa.h"
#include "engine/cpu/plan.h"

// ---- running a plan

typedef struct stage_job {
  cpu_engine *engine;
  const cpu_stage *stage;
} stage_job;

static bool runs(const cpu_engine *engine, const cpu_op *op) { return engine->step.training || !op->training; }

static void run_shard_ops(const stage_job *job, size_t shard, int worker) {
  const cpu_engine *engine = job->engine;
  cpu_tile tile = cpu_tile_at(job->engine, (uint32_t)shard, worker);
  for (int i = 0; i < job->stage->ops; i++) {
    const cpu_op *op = engine->plan->order[job->stage->first_op + i];
    if (op->kind == CPU_OP_SHARD && runs(engine, op)) {
      op->run_shard(op, &tile);
    }
  }
}

static void run_chunk_op(const stage_job *job, size_t chunk, int worker) {
  for (int i = 0; i < job->stage->ops; i++) {
    const cpu_op *op = job->engine->plan->order[job->stage->first_op + i];
    if (chunk < op->chunks) {
      op->run_chunk(op, job->engine, chunk, worker);
      return;
    }
    chunk -= op->chunks;
  }
}

static void run_task(void *context, size_t task, int worker) {
  const stage_job *job = context;
  uint32_t shards = job->engine->step.shards;
  if (task < shards) {
    run_shard_ops(job, task, worker);
  } else {
    run_chunk_op(job, task - shards, worker);
  }
}

static void run_whole_ops(cpu_engine *engine, const cpu_stage *stage) {
  for (int i = 0; i < stage->ops; i++) {
    const cpu_op *op = engine->plan->order[stage->first_op + i];
    if (op->kind == CPU_OP_WHOLE && runs(engine, op)) {
      op->run_whole(op, engine);
    }
  }
}

// Everything that is to be done for the batch in engine->step.
static void run_step(cpu_engine *engine) {
  atomic_store(&engine->infinite, false);
  engine->step.shards = (engine->step.n + CPU_SHARD_IMAGES - 1) / CPU_SHARD_IMAGES;
  for (int s = 0; s < engine->plan->stage_count; s++) {
    stage_job job = {engine, &engine->plan->stages[s]};
    size_t chunks = engine->step.training ? job.stage->chunk_tasks : 0;
    sht_pool_run(engine->pool, engine->step.shards + chunks, run_task, &job);
    run_whole_ops(engine, job.stage);
  }
}

static void read_metrics(const cpu_engine *engine, sht_step_metrics *metrics) {
  *metrics = (sht_step_metrics){.count = engine->step.n};
  for (uint32_t s = 0; s < engine->step.shards; s++) {
    metrics->loss_sum += engine->loss_partial[s];
    metrics->correct += engine->correct[s];
  }
  metrics->finite = isfinite(metrics->loss_sum) && !atomic_load(&engine->infinite);
}

static sht_status check_run(cpu_engine *engine, sht_error *error) {
  if (atomic_exchange(&engine->failed, false)) {
    return SHT_FAIL(error, SHT_MEMORY, "oneDNN could not run a layer of model '%s'; is there memory left?",
                    engine->base.graph->name);
  }
  return SHT_OK;
}

// oneDNN's one-thread primitives read OpenMP's setting of the calling thread; it is the caller's again afterwards.
static int enter_one_thread(void) {
  int before = omp_get_max_threads();
  omp_set_num_threads(1);
  return before;
}

static void know_order(cpu_engine *engine, uint32_t epoch) {
  if (engine->order_epoch != (int64_t)epoch) {
    sht_order_fill(engine->seed, epoch, (uint32_t)engine->base.train_examples, engine->order, engine->order_scratch);
    engine->order_epoch = (int64_t)epoch;
  }
}

static sht_status train(sht_engine *base, const sht_pipeline *data, uint32_t epoch, uint64_t first, uint64_t count,
                        const sht_step_rates *rates, sht_step_metrics *metrics, uint64_t *done, sht_error *error) {
  cpu_engine *engine = (cpu_engine *)base;
  int threads = enter_one_thread();
  know_order(engine, epoch);
  for (uint64_t i = first; i < first + count; i++) {
    uint64_t start = i * base->batch;
    uint64_t left = base->train_examples - start;
    uint32_t n = left < base->batch ? (uint32_t)left : base->batch;
    engine->step = (cpu_step){
        .pipeline = data, .examples = engine->order + start, .n = n, .epoch = epoch, .training = true, .rates = rates};
    run_step(engine);
    read_metrics(engine, &metrics[i - first]);
    (*done)++;
    if (!metrics[i - first].finite) {
      break;
    }
  }
  omp_set_num_threads(threads);
  return check_run(engine, error);
}

static sht_status gradient(sht_engine *base, const sht_pipeline *data, const uint32_t *examples, uint32_t n,
                           sht_step_metrics *metrics, sht_error *error) {
  cpu_engine *engine = (cpu_engine *)base;
  int threads = enter_one_thread();
  engine->step = (cpu_step){.pipeline = data, .examples = examples, .n = n, .training = true};
  run_step(engine);
  read_metrics(engine, metrics);
  omp_set_num_threads(threads);
  return check_run(engine, error);
}

static void use_running_statistics(cpu_engine *engine) {
  for (int i = 0; i < engine->base.graph->node_count; i++) {
    if (engine->norms[i] != NULL) {
      cpu_norm_use_running(engine, i);
    }
  }
}

// NOLINTBEGIN(readability-non-const-parameter): the signature is that of sht_backend, and run_step writes there
static sht_status evaluate(sht_engine *base, const sht_pipeline *data, uint64_t first, uint64_t count, float *logits,
                           float *losses, sht_error *error) {
  // NOLINTEND(readability-non-const-parameter)
  cpu_engine *engine = (cpu_engine *)base;
  int threads = enter_one_thread();
  use_running_statistics(engine);
  for (uint64_t at = 0; at < count; at += base->batch) {
    uint32_t n = count - at < base->batch ? (uint32_t)(count - at) : base->batch;
    for (uint32_t i = 0; i < n; i++) {
      engine->examples[i] = (uint32_t)(first + at + i);
    }
    engine->step = (cpu_step){
        .pipeline = data,
        .examples = engine->examples,
        .n = n,
        .logits = logits == NULL ? NULL : logits + at * base->graph->classes,
        .losses = losses == NULL ? NULL : losses + at,
    };
    run_step(engine);
  }
  omp_set_num_threads(threads);
  return check_run(engine, error);
}

// ---- opening

static void close_layers(cpu_engine *engine) {
  for (int i = 0; i < engine->base.graph->node_count; i++) {
    if (engine->convs != NULL) {
      cpu_conv_close(engine->convs[i]);
    }
    if (engine->norms != NULL) {
      cpu_norm_close(engine->norms[i]);
    }
    if (engine->denses != NULL) {
      cpu_dense_close(engine->denses[i]);
    }
  }
  sht_free(engine->convs);
  sht_free(engine->norms);
  sht_free(engine->denses);
}

static void close_dnnl(cpu_engine *engine) {
  for (int w = 0; engine->streams != NULL && w < engine->workers; w++) {
    if (engine->streams[w] != NULL) {
      dnnl_stream_destroy(engine->streams[w]);
    }
  }
  sht_free(engine->streams);
  if (engine->dnnl != NULL) {
    dnnl_engine_destroy(engine->dnnl);
  }
}

static void close_engine(sht_engine *base) {
  cpu_engine *engine = (cpu_engine *)base;
  if (engine == NULL) {
    return;
  }
  close_layers(engine);
  cpu_plan_close(engine->plan);
  close_dnnl(engine);
  sht_free(engine->params);
  for (int f = 0; f < CPU_FAMILIES; f++) {
    sht_free(engine->family[f]);
  }
  void *blocks[] = {engine->arena,   engine->locals, engine->scratch,       engine->labels,  engine->loss_partial,
                    engine->correct, engine->order,  engine->order_scratch, engine->examples};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
    sht_free(blocks[i]);
  }
  sht_pool_close(engine->pool);
  sht_free(engine);
}

// Block width, layout and loops by what oneDNN will use.
static sht_status choose_kernels(cpu_engine *engine, sht_error *error) {
  bool avx512 = cpu_isa_has(dnnl_cpu_isa_avx512_core);
  bool avx2 = cpu_isa_has(dnnl_cpu_isa_avx2);
  engine->channels_last = engine->precision == SHT_BF16 && cpu_isa_has(dnnl_cpu_isa_avx512_core_amx);
  engine->kernels = engine->channels_last ? &cpu_kernels_avx512_bf16
                    : avx512              ? &cpu_kernels_avx512
                    : avx2                ? &cpu_kernels_avx2
                                          : &cpu_kernels_base;
  engine->block = engine->kernels->block;
  if (engine->precision == SHT_BF16 && !avx512) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "precision bf16 needs a processor with AVX-512, and this one (or ONEDNN_MAX_CPU_ISA) has none; use "
                    "--precision fp32");
  }
  return SHT_OK;
}

static sht_status check_precision(const sht_engine_options *options, sht_error *error) {
  if (options->precision == SHT_FP64 || options->precision == SHT_TF32) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "the cpu engine computes in fp32 or bf16, not %s; use --precision fp32, or the engine '%s'",
                    options->precision == SHT_FP64 ? "fp64" : "tf32", options->precision == SHT_FP64 ? "ref" : "cuda");
  }
  return SHT_OK;
}

static void make_single_threaded(void *context, size_t task, int worker) {
  (void)context;
  (void)task;
  if (worker > 0) {
    omp_set_num_threads(1);  // for the life of the pool's own threads
  }
}

static sht_status open_threads(cpu_engine *engine, int threads, sht_error *error) {
  SHT_TRY(sht_pool_open(threads, &engine->pool, error));
  engine->workers = sht_pool_threads(engine->pool);
  sht_pool_each(engine->pool, make_single_threaded, NULL);
  SHT_TRY(SHT_ALLOC(&engine->streams, engine->workers, "oneDNN's streams", error));
  bool fine = dnnl_engine_create(&engine->dnnl, dnnl_cpu, 0) == dnnl_success;
  for (int w = 0; fine && w < engine->workers; w++) {
    fine = dnnl_stream_create(&engine->streams[w], engine->dnnl, dnnl_stream_default_flags) == dnnl_success;
  }
  return fine ? SHT_OK : SHT_FAIL(error, SHT_UNAVAILABLE, "oneDNN does not start on this processor; use engine 'ref'");
}

static sht_status allocate_step(cpu_engine *engine, uint64_t train_examples, sht_error *error) {
  int nodes = engine->base.graph->node_count;
  SHT_TRY(SHT_ALLOC(&engine->convs, nodes, "layers", error));
  SHT_TRY(SHT_ALLOC(&engine->norms, nodes, "layers", error));
  SHT_TRY(SHT_ALLOC(&engine->denses, nodes, "layers", error));
  SHT_TRY(SHT_ALLOC(&engine->params, engine->base.graph->parameter_tensors, "layers", error));
  SHT_TRY(SHT_ALLOC(&engine->labels, (uint64_t)engine->shards * CPU_SHARD_IMAGES, "labels", error));
  SHT_TRY(SHT_ALLOC(&engine->loss_partial, engine->shards, "losses", error));
  SHT_TRY(SHT_ALLOC(&engine->correct, engine->shards, "losses", error));
  SHT_TRY(SHT_ALLOC(&engine->order, train_examples, "order of the examples", error));
  SHT_TRY(SHT_ALLOC(&engine->order_scratch, 2 * train_examples, "order of the examples", error));
  engine->bytes += 20 * train_examples;
  return SHT_ALLOC(&engine->examples, engine->base.batch, "examples", error);
}

static void prepare_convolutions(cpu_engine *engine) {
  for (int i = 0; i < engine->base.graph->node_count; i++) {
    if (engine->convs[i] != NULL) {
      cpu_conv_repack(engine, i, 0);
    }
  }
}

static sht_status build(cpu_engine *engine, const sht_engine_options *options, sht_error *error) {
  SHT_TRY(choose_kernels(engine, error));
  SHT_TRY(open_threads(engine, options->threads, error));
  SHT_TRY(allocate_step(engine, options->train_examples, error));
  SHT_TRY(cpu_plan_open(engine, &engine->plan, error));
  SHT_TRY(cpu_compile(engine->plan, error));
  SHT_TRY(cpu_params_open(engine, error));
  prepare_convolutions(engine);
  return check_run(engine, error);
}

static sht_status open_engine(const sht_graph *graph, const sht_engine_options *options, sht_engine **out,
                              sht_error *error) {
  *out = NULL;
  SHT_TRY(check_precision(options, error));
  cpu_engine *engine = NULL;
  SHT_TRY(SHT_ALLOC(&engine, 1, "engine", error));
  engine->base = (sht_engine){.graph = graph, .batch = options->batch, .train_examples = options->train_examples};
  engine->precision = options->precision;
  engine->seed = options->seed;
  engine->dropout = sht_rng_make(options->seed, SHT_PURPOSE_DROPOUT);
  engine->shards = (options->batch - 1) / CPU_SHARD_IMAGES + 1;
  engine->order_epoch = -1;
  int threads = enter_one_thread();
  sht_status status = build(engine, options, error);
  omp_set_num_threads(threads);
  if (status != SHT_OK) {
    close_engine(&engine->base);
    return status;
  }
  *out = &engine->base;
  return SHT_OK;
}

// ---- state

static sht_status copy_dense(cpu_engine *engine, const sht_parameter *spec, sht_state state, float *values, bool put) {
  const sht_graph *graph = engine->base.graph;
  const sht_node *node = &graph->nodes[spec->node];
  const cpu_value *value = &engine->plan->values[spec->node];
  if (spec != &graph->parameters[node->weight]) {
    return SHT_OK;  // the bias goes with the weight
  }
  float *weight = values + spec->offset;
  float *bias = node->bias >= 0 ? values + graph->parameters[node->bias].offset : NULL;
  cpu_dense *dense = engine->denses[value->chain];
  if (put) {
    cpu_dense_put(dense, (uint32_t)value->chain_index, state, weight, bias);
  } else {
    cpu_dense_get(dense, (uint32_t)value->chain_index, state, weight, bias);
  }
  return SHT_OK;
}

static sht_status copy_parameter(cpu_engine *engine, int index, sht_state state, float *values, bool put,
                                 sht_error *error) {
  const sht_graph *graph = engine->base.graph;
  const sht_parameter *spec = &graph->parameters[index];
  if (engine->params[index].spec == NULL) {
    return copy_dense(engine, spec, state, values, put);
  }
  int family = state == SHT_STATE_PARAMETERS ? 0 : state == SHT_STATE_MOMENTUM ? 1 : 2;
  float *held = cpu_param_at(engine, index, family);
  float *given = values + spec->offset;
  if (spec->rank == 4) {
    return cpu_conv_copy(engine, spec, held, given, put, error);
  }
  memcpy(put ? held : given, put ? given : held, spec->count * sizeof *held);
  return SHT_OK;
}

static sht_status copy_state(cpu_engine *engine, sht_state state, float *values, bool put, sht_error *error) {
  const sht_graph *graph = engine->base.graph;
  for (int i = 0; state == SHT_STATE_STATISTICS && i < graph->node_count; i++) {
    if (engine->norms[i] != NULL) {
      cpu_norm_copy(engine->norms[i], &graph->nodes[i], values + graph->nodes[i].statistics, put);
    }
  }
  for (int i = 0; state != SHT_STATE_STATISTICS && i < graph->parameter_tensors; i++) {
    SHT_TRY(copy_parameter(engine, i, state, values, put, error));
  }
  return SHT_OK;
}

static sht_status get(sht_engine *base, sht_state state, float *values, uint64_t count, sht_error *error) {
  (void)count;
  int threads = enter_one_thread();
  sht_status status = copy_state((cpu_engine *)base, state, values, false, error);
  omp_set_num_threads(threads);
  return status;
}

static sht_status put(sht_engine *base, sht_state state, const float *values, uint64_t count, sht_error *error) {
  (void)count;
  cpu_engine *engine = (cpu_engine *)base;
  int threads = enter_one_thread();
  sht_status status = copy_state(engine, state, (float *)values, true, error);
  prepare_convolutions(engine);
  omp_set_num_threads(threads);
  return status == SHT_OK ? check_run(engine, error) : status;
}

static bool has_conv(const cpu_engine *engine, bool (*is)(const cpu_conv *conv)) {
  bool found = false;
  for (int i = 0; i < engine->base.graph->node_count; i++) {
    found = found || is(engine->convs[i]);
  }
  return found;
}

static void describe(const sht_engine *base, sht_engine_info *info) {
  const cpu_engine *engine = (const cpu_engine *)base;
  const dnnl_version_t *v = dnnl_version();
  *info = (sht_engine_info){.bytes = engine->bytes, .threads = engine->workers};
  (void)snprintf(info->backend, sizeof info->backend, "cpu");
  (void)snprintf(
      info->numerics, sizeof info->numerics, "oneDNN %d.%d.%d isa %#x, loops %s%s%s%s, dense %s, shards of %d, %s",
      v->major, v->minor, v->patch, (unsigned)dnnl_get_effective_cpu_isa(), engine->kernels->name,
      has_conv(engine, cpu_conv_is_winograd) ? ", winograd" : "", engine->channels_last ? ", channels last" : "",
      has_conv(engine, cpu_conv_is_amx) ? ", convolutions amx" : "", cpu_dense_kernels_name(engine->precision),
      CPU_SHARD_IMAGES, engine->precision == SHT_BF16 ? "bf16" : "fp32");
}

const sht_backend sht_backend_cpu = {
    .version = SHT_BACKEND_VERSION,
    .name = "cpu",
    .open = open_engine,
    .close = close_engine,
    .train = train,
    .gradient = gradient,
    .evaluate = evaluate,
    .get = get,
    .put = put,
    .describe = describe,
};
