// The cuda engine: opening, steps, evaluation, state. Reading order: cuda.h (the parts), kernels.h (what runs on the
// card), plan.h and compile.c (graph -> operations), passes.c (running them), this file (the seam).
#include "engine/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/cuda/libraries.h"
#include "engine/cuda/passes.h"
#include "engine/cuda/plan.h"

enum { MATRIX_WORKSPACE_BYTES = 32 << 20 };

// ---- steps

static uint32_t parity_of(uint32_t epoch) { return epoch % 2; }

// The order of an epoch is made on the host, like the processor's, and copied.
static sht_status know_order(cuda_engine *engine, uint32_t epoch, sht_error *error) {
  const uint64_t count = engine->base.train_examples;
  const uint32_t place = parity_of(epoch);
  if (engine->order_epoch[place] == (int64_t)epoch) {
    return SHT_OK;
  }
  engine->order_epoch[place] = -1;
  sht_order_fill(engine->seed, epoch, (uint32_t)count, engine->host_order, engine->order_scratch);
  SHT_TRY(cuda_copy(engine->side, engine->order[place], engine->host_order, count * sizeof(uint32_t),
                    cudaMemcpyHostToDevice, "copying the order of the examples", error));
  engine->order_epoch[place] = (int64_t)epoch;
  return SHT_OK;
}

static cuda_job train_job(const cuda_engine *engine, uint32_t epoch, const sht_step_rates *rates) {
  return (cuda_job){.order = engine->order[parity_of(epoch)],
                    .examples = engine->base.train_examples,
                    .batch = engine->base.batch,
                    .epoch = epoch,
                    .learning_rate = rates->learning_rate,
                    .momentum = rates->momentum,
                    .weight_decay = rates->weight_decay};
}

static sht_status read_metrics(cuda_engine *engine, uint64_t count, sht_error *error) {
  return cuda_copy(engine->stream, engine->host_metrics, engine->metrics, count * sizeof *engine->metrics,
                   cudaMemcpyDeviceToHost, "a training step", error);
}

static sht_step_metrics metrics_of(const cuda_metrics *from) {
  return (sht_step_metrics){
      .loss_sum = from->loss_sum, .correct = from->correct, .count = from->count, .finite = from->finite != 0};
}

// Steps first .. first+count-1, at most CUDA_METRICS_MAX, with one wait at the end. *ended: a step was not finite.
static sht_status train_block(cuda_engine *engine, cuda_job *job, uint64_t count, sht_step_metrics *metrics,
                              uint64_t *done, bool *ended, sht_error *error) {
  SHT_TRY(cuda_job_put(engine, job, error));
  for (uint64_t i = 0; i < count; i++) {
    SHT_TRY(cuda_pass_launch(engine, CUDA_TRAIN, error));
  }
  // While the card works: the order that comes next.
  SHT_TRY(know_order(engine, job->epoch + 1, error));
  SHT_TRY(read_metrics(engine, count, error));
  for (uint64_t i = 0; i < count && !*ended; i++) {
    metrics[i] = metrics_of(&engine->host_metrics[i]);
    *ended = !metrics[i].finite;
    (*done)++;
  }
  return SHT_OK;
}

static sht_status train(sht_engine *base, const sht_pipeline *data, uint32_t epoch, uint64_t first, uint64_t count,
                        const sht_step_rates *rates, sht_step_metrics *metrics, uint64_t *done, sht_error *error) {
  cuda_engine *engine = (cuda_engine *)base;
  cuda_job job = train_job(engine, epoch, rates);
  bool ended = false;
  SHT_TRY(cuda_source_of(engine, data, &job.source, error));
  SHT_TRY(know_order(engine, epoch, error));
  SHT_TRY(cuda_pass_prepare(engine, CUDA_TRAIN, &job, error));
  for (uint64_t at = 0; at < count && !ended; at += CUDA_METRICS_MAX) {
    const uint64_t left = count - at;
    job.step = first + at;
    SHT_TRY(train_block(engine, &job, left < CUDA_METRICS_MAX ? left : CUDA_METRICS_MAX, metrics + at, done, &ended,
                        error));
  }
  return SHT_OK;
}

static sht_status gradient(sht_engine *base, const sht_pipeline *data, const uint32_t *examples, uint32_t n,
                           sht_step_metrics *metrics, sht_error *error) {
  cuda_engine *engine = (cuda_engine *)base;
  cuda_job job = {.order = engine->list, .examples = n, .batch = base->batch};
  SHT_TRY(cuda_source_of(engine, data, &job.source, error));
  SHT_TRY(cuda_copy(engine->stream, engine->list, examples, n * sizeof *examples, cudaMemcpyHostToDevice,
                    "copying to the card", error));
  SHT_TRY(cuda_job_put(engine, &job, error));
  SHT_TRY(cuda_pass_run(engine, CUDA_GRADIENT, error));
  SHT_TRY(read_metrics(engine, 1, error));
  *metrics = metrics_of(engine->host_metrics);
  return SHT_OK;
}

static sht_status copy_answers(cuda_engine *engine, uint64_t count, float *logits, float *losses, sht_error *error) {
  const uint64_t classes = engine->base.graph->classes;
  if (logits != NULL) {
    SHT_TRY(cuda_check(cudaMemcpyAsync(logits, engine->logits, count * classes * sizeof *logits, cudaMemcpyDeviceToHost,
                                       engine->stream),
                       "copying the logits", error));
  }
  if (losses != NULL) {
    SHT_TRY(cuda_check(
        cudaMemcpyAsync(losses, engine->losses, count * sizeof *losses, cudaMemcpyDeviceToHost, engine->stream),
        "copying the losses", error));
  }
  return cuda_wait(engine, "evaluation", error);
}

// The running statistics as the passes of an evaluation read them.
static sht_status use_running_statistics(cuda_engine *engine, sht_error *error) {
  const cuda_norms *norms = &engine->norms;
  if (norms->count == 0) {
    return SHT_OK;
  }
  cuda_run_norm_inverse(norms->running_variance, norms->epsilon, norms->running_inverse, norms->count, engine->stream);
  return cuda_check(cudaGetLastError(), "evaluation", error);
}

// The job's examples, at most CUDA_EVALUATE_SLOTS batches.
static sht_status evaluate_block(cuda_engine *engine, const cuda_job *job, float *logits, float *losses,
                                 sht_error *error) {
  SHT_TRY(cuda_job_put(engine, job, error));
  for (uint64_t i = 0; i < job->examples; i += job->batch) {
    SHT_TRY(cuda_pass_launch(engine, CUDA_EVALUATE, error));
  }
  return copy_answers(engine, job->examples, logits, losses, error);
}

static sht_status evaluate(sht_engine *base, const sht_pipeline *data, uint64_t first, uint64_t count, float *logits,
                           float *losses, sht_error *error) {
  cuda_engine *engine = (cuda_engine *)base;
  const uint64_t block = (uint64_t)CUDA_EVALUATE_SLOTS * base->batch;
  cuda_job job = {.base = first, .examples = count < block ? count : block, .batch = base->batch};
  if (count == 0) {
    return SHT_OK;
  }
  SHT_TRY(cuda_source_of(engine, data, &job.source, error));
  SHT_TRY(use_running_statistics(engine, error));
  SHT_TRY(cuda_pass_prepare(engine, CUDA_EVALUATE, &job, error));
  for (uint64_t at = 0; at < count; at += block) {
    job.base = first + at;
    job.examples = count - at < block ? count - at : block;
    SHT_TRY(evaluate_block(engine, &job, logits == NULL ? NULL : logits + at * base->graph->classes,
                           losses == NULL ? NULL : losses + at, error));
  }
  return SHT_OK;
}

// ---- opening

static sht_status take(cuda_engine *engine, void *out, uint64_t count, uint64_t size, const char *what,
                       sht_error *error) {
  uint64_t bytes = 0;
  if (!sht_size_mul(count, size, &bytes)) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: more than a card can address", what);
  }
  return cuda_memory_take(&engine->memory, (void **)out, bytes, what, error);
}

static sht_status open_norms(cuda_engine *engine, sht_error *error) {
  const sht_graph *graph = engine->base.graph;
  cuda_norms *norms = &engine->norms;
  SHT_TRY(SHT_ALLOC(&norms->offsets, graph->node_count, "normalisations", error));
  for (int i = 0; i < graph->node_count; i++) {
    norms->offsets[i] = norms->count;
    norms->count += graph->nodes[i].statistics >= 0 ? cuda_padded(graph->nodes[i].out.channels) : 0;
  }
  float **families[] = {&norms->mean,         &norms->inverse,          &norms->mean_g,  &norms->mean_gz,
                        &norms->running_mean, &norms->running_variance, &norms->epsilon, &norms->running_inverse};
  for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
    SHT_TRY(take(engine, families[f], norms->count, sizeof(float), "normalisations", error));
  }
  return SHT_OK;
}

// Epsilon of every channel, so that one kernel serves all layers.
static sht_status fill_epsilon(cuda_engine *engine, sht_error *error) {
  const sht_graph *graph = engine->base.graph;
  float *values = NULL;
  SHT_TRY(SHT_ALLOC(&values, engine->norms.count, "normalisations", error));
  for (uint32_t c = 0; c < engine->norms.count; c++) {
    values[c] = 1;  // channels that are there to make whole vectors
  }
  for (int i = 0; i < graph->node_count; i++) {
    for (uint32_t c = 0; graph->nodes[i].statistics >= 0 && c < graph->nodes[i].out.channels; c++) {
      values[engine->norms.offsets[i] + c] = graph->nodes[i].epsilon;
    }
  }
  sht_status status = cuda_copy(engine->stream, engine->norms.epsilon, values, engine->norms.count * sizeof *values,
                                cudaMemcpyHostToDevice, "normalisations", error);
  sht_free(values);
  return status;
}

static sht_status open_libraries(cuda_engine *engine, sht_error *error) {
  static const char *const doing = "starting the card";
  SHT_TRY(cuda_check(cudaStreamCreateWithFlags(&engine->stream, cudaStreamNonBlocking), doing, error));
  SHT_TRY(cuda_check(cudaStreamCreateWithFlags(&engine->side, cudaStreamNonBlocking), doing, error));
  SHT_TRY(cuda_check(cudaEventCreateWithFlags(&engine->fork, cudaEventDisableTiming), doing, error));
  SHT_TRY(cuda_check(cudaEventCreateWithFlags(&engine->join, cudaEventDisableTiming), doing, error));
  if (cudnnGetVersion() / 10000 != CUDNN_MAJOR) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "cuDNN %zu is installed, the engine 'cuda' needs cuDNN %d",
                    cudnnGetVersion(), CUDNN_MAJOR);
  }
  SHT_TRY(cuda_check_cudnn(cudnnCreate(&engine->cudnn), "starting cuDNN", error));
  return cuda_check_cublas(cublasLtCreate(&engine->cublas), "starting cuBLASLt", error);
}

static sht_status open_order(cuda_engine *engine, sht_error *error) {
  const uint64_t examples = engine->base.train_examples;
  for (int i = 0; i < 2; i++) {
    SHT_TRY(take(engine, &engine->order[i], examples, sizeof(uint32_t), "order of the examples", error));
    engine->order_epoch[i] = -1;
  }
  SHT_TRY(SHT_ALLOC(&engine->host_order, examples, "order of the examples", error));
  return SHT_ALLOC(&engine->order_scratch, 2 * examples, "order of the examples", error);
}

static sht_status open_batch(cuda_engine *engine, sht_error *error) {
  const uint64_t batch = engine->base.batch;
  const uint64_t answers = batch * CUDA_EVALUATE_SLOTS;
  SHT_TRY(take(engine, &engine->job, 1, sizeof *engine->job, "step", error));
  SHT_TRY(take(engine, &engine->metrics, CUDA_METRICS_MAX, sizeof *engine->metrics, "metrics", error));
  SHT_TRY(take(engine, &engine->logits, answers * engine->base.graph->classes, sizeof(float), "logits", error));
  SHT_TRY(take(engine, &engine->losses, answers, sizeof(float), "losses", error));
  SHT_TRY(take(engine, &engine->labels, batch, sizeof *engine->labels, "labels", error));
  SHT_TRY(take(engine, &engine->examples, batch, sizeof *engine->examples, "examples", error));
  SHT_TRY(take(engine, &engine->list, batch, sizeof *engine->list, "examples", error));
  return SHT_ALLOC(&engine->host_metrics, CUDA_METRICS_MAX, "metrics", error);
}

static sht_status open_workspaces(cuda_engine *engine, sht_error *error) {
  const uint64_t bytes =
      engine->plan->workspace_bytes > engine->workspace_bytes ? engine->plan->workspace_bytes : engine->workspace_bytes;
  for (int lane = 0; lane < CUDA_LANES; lane++) {
    SHT_TRY(take(engine, &engine->workspace[lane], bytes, 1, "workspace of cuDNN and cuBLASLt", error));
  }
  return cuda_bind_convolutions(engine->plan, error);
}

static void launch_nothing(void) { cuda_run_round(NULL, NULL, 0, NULL); }

static sht_status build(cuda_engine *engine, sht_error *error) {
  const char *graph = getenv("SHATTER_CUDA_GRAPH");
  engine->without_graph = graph != NULL && strcmp(graph, "0") == 0;
  engine->workspace_bytes = MATRIX_WORKSPACE_BYTES;
  SHT_TRY(cuda_device_open(launch_nothing, &engine->device, error));
  SHT_TRY(open_libraries(engine, error));
  SHT_TRY(open_batch(engine, error));
  SHT_TRY(open_order(engine, error));
  SHT_TRY(open_norms(engine, error));
  SHT_TRY(fill_epsilon(engine, error));
  SHT_TRY(cuda_parameters_open(engine, error));
  SHT_TRY(cuda_plan_open(engine, &engine->plan, error));
  SHT_TRY(open_workspaces(engine, error));
  return cuda_check(cudaDeviceSynchronize(), "starting the card", error);
}

static void close_graph(cudaGraphExec_t graph) {
  if (graph != NULL) {
    (void)cudaGraphExecDestroy(graph);
  }
}

static void close_libraries(cuda_engine *engine) {
  if (engine->cudnn != NULL) {
    (void)cudnnDestroy(engine->cudnn);
  }
  if (engine->cublas != NULL) {
    (void)cublasLtDestroy(engine->cublas);
  }
  cudaEvent_t events[] = {engine->fork, engine->join};
  cudaStream_t streams[] = {engine->stream, engine->side};
  for (size_t i = 0; i < 2; i++) {
    if (events[i] != NULL) {
      (void)cudaEventDestroy(events[i]);
    }
    if (streams[i] != NULL) {
      (void)cudaStreamDestroy(streams[i]);
    }
  }
}

static void close_engine(sht_engine *base) {
  cuda_engine *engine = (cuda_engine *)base;
  if (engine == NULL) {
    return;
  }
  if (engine->stream != NULL) {
    (void)cudaStreamSynchronize(engine->stream);
  }
  close_graph(engine->train_graph);
  close_graph(engine->evaluate_graph);
  cuda_plan_close(engine->plan);
  cuda_splits_close(engine);
  close_libraries(engine);
  cuda_memory_close(&engine->memory);
  sht_free(engine->parameters.tensors);
  sht_free(engine->norms.offsets);
  sht_free(engine->host_order);
  sht_free(engine->order_scratch);
  sht_free(engine->host_metrics);
  sht_free(engine);
}

static sht_status open_engine(const sht_graph *graph, const sht_engine_options *options, sht_engine **out,
                              sht_error *error) {
  *out = NULL;
  if (options->precision == SHT_FP64) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "the engine 'cuda' computes in fp32, tf32 or bf16, not fp64; use --precision fp32, or the engine "
                    "'ref'");
  }
  cuda_engine *engine = NULL;
  SHT_TRY(SHT_ALLOC(&engine, 1, "engine", error));
  engine->base = (sht_engine){.graph = graph, .batch = options->batch, .train_examples = options->train_examples};
  engine->precision = options->precision;
  engine->type = options->precision == SHT_BF16 ? CUDA_BFLOAT16 : CUDA_FLOAT;
  engine->seed = options->seed;
  sht_status status = build(engine, error);
  if (status != SHT_OK) {
    close_engine(&engine->base);
    return status;
  }
  *out = &engine->base;
  return SHT_OK;
}

// ---- state

static sht_status get(sht_engine *base, sht_state state, float *values, uint64_t count, sht_error *error) {
  (void)count;
  return cuda_parameters_get((cuda_engine *)base, state, values, error);
}

static sht_status put(sht_engine *base, sht_state state, const float *values, uint64_t count, sht_error *error) {
  (void)count;
  return cuda_parameters_put((cuda_engine *)base, state, values, error);
}

static const char *precision_name(sht_precision precision) {
  return precision == SHT_BF16 ? "bf16" : precision == SHT_TF32 ? "tf32" : "fp32";
}

// What decides the bits: the card's kind, the libraries, and what cuDNN chose.
static void describe(const sht_engine *base, sht_engine_info *info) {
  const cuda_engine *engine = (const cuda_engine *)base;
  const cuda_device *device = &engine->device;
  *info = (sht_engine_info){.bytes = engine->memory.bytes, .threads = 1};
  (void)snprintf(info->backend, sizeof info->backend, "cuda");
  (void)snprintf(info->numerics, sizeof info->numerics,
                 "CUDA %d.%d, driver's %d.%d, cuDNN %zu, cuBLASLt %zu, %.40s sm_%d%d x %d, %s, choices %08x, direct %d",
                 device->runtime / 1000, device->runtime % 1000 / 10, device->driver / 1000, device->driver % 1000 / 10,
                 cudnnGetVersion(), cublasLtGetVersion(), device->name, device->major, device->minor,
                 device->processors, precision_name(engine->precision), engine->plan->choices, engine->plan->direct);
}

const sht_backend sht_backend_cuda = {
    .version = SHT_BACKEND_VERSION,
    .name = "cuda",
    .open = open_engine,
    .close = close_engine,
    .train = train,
    .gradient = gradient,
    .evaluate = evaluate,
    .get = get,
    .put = put,
    .describe = describe,
};
