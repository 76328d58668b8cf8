// Opening the engine: the card, its libraries, and the memory of all runs. See cuda.h.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/cuda/cuda.h"
#include "engine/cuda/libraries.h"
#include "engine/cuda/plan.h"

enum { MATRIX_WORKSPACE_BYTES = 32 << 20 };

static sht_status take(cuda_engine *engine, void *out, uint64_t count, uint64_t size, const char *what,
                       sht_error *error) {
  uint64_t bytes = 0;
  if (!sht_size_mul(count, size, &bytes)) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: more than a card can address", what);
  }
  return cuda_memory_take(&engine->memory, (void **)out, bytes, what, error);
}

static sht_status open_norms(cuda_engine *engine, sht_error *error) {
  const sht_graph *graph = engine->graph;
  cuda_norms *norms = &engine->norms;
  SHT_TRY(SHT_ALLOC(&norms->offsets, graph->node_count, "normalisations", error));
  for (int i = 0; i < graph->node_count; i++) {
    norms->offsets[i] = norms->count;
    norms->count += graph->nodes[i].statistics >= 0 ? cuda_padded(graph->nodes[i].out.channels) : 0;
  }
  float **families[] = {&norms->mean,         &norms->inverse,          &norms->mean_g,         &norms->mean_gz,
                        &norms->running_mean, &norms->running_variance, &norms->running_inverse};
  const uint64_t all = (uint64_t)engine->room * norms->count;
  for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
    SHT_TRY(take(engine, families[f], all, sizeof(float), "normalisations", error));
  }
  return take(engine, &norms->epsilon, norms->count, sizeof(float), "normalisations", error);
}

// Epsilon of every channel, so that one kernel serves all layers.
static sht_status fill_epsilon(cuda_engine *engine, sht_error *error) {
  const sht_graph *graph = engine->graph;
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

static sht_status open_lanes(cuda_engine *engine, sht_error *error) {
  static const char *const doing = "starting the card";
  engine->lane_count = engine->room < CUDA_LANES ? engine->room : CUDA_LANES;
  for (int track = 0; track < CUDA_TRACKS; track++) {
    for (uint32_t i = 0; i < engine->lane_count; i++) {
      cuda_lane *lane = &engine->lanes[track][i];
      SHT_TRY(cuda_check(cudaStreamCreateWithFlags(&lane->stream, cudaStreamNonBlocking), doing, error));
      SHT_TRY(cuda_check(cudaEventCreateWithFlags(&lane->done, cudaEventDisableTiming), doing, error));
    }
  }
  engine->stream = engine->lanes[CUDA_MAIN][0].stream;
  return cuda_check(cudaEventCreateWithFlags(&engine->fork, cudaEventDisableTiming), doing, error);
}

static sht_status open_libraries(cuda_engine *engine, sht_error *error) {
  if (cudnnGetVersion() / 10000 != CUDNN_MAJOR) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "cuDNN %zu is installed, the engine 'cuda' needs cuDNN %d",
                    cudnnGetVersion(), CUDNN_MAJOR);
  }
  SHT_TRY(cuda_check_cudnn(cudnnCreate(&engine->cudnn), "starting cuDNN", error));
  return cuda_check_cublas(cublasLtCreate(&engine->cublas), "starting cuBLASLt", error);
}

// What goes between this machine and the card.
static sht_status open_host(cuda_engine *engine, sht_error *error) {
  const uint64_t answers = (uint64_t)engine->room * engine->batch * CUDA_EVALUATE_SLOTS;
  SHT_TRY(SHT_ALLOC(&engine->members, engine->room, "runs", error));
  SHT_TRY(SHT_ALLOC(&engine->pixels, (uint64_t)engine->room * CUDA_SPLITS_MAX, "runs", error));
  SHT_TRY(SHT_ALLOC(&engine->host_job, engine->room, "steps", error));
  SHT_TRY(SHT_ALLOC(&engine->host_logits, answers * engine->graph->classes, "logits", error));
  SHT_TRY(SHT_ALLOC(&engine->host_losses, answers, "losses", error));
  return SHT_ALLOC(&engine->host_metrics, (uint64_t)engine->room * CUDA_METRICS_MAX, "metrics", error);
}

static sht_status open_batch(cuda_engine *engine, sht_error *error) {
  const uint64_t batch = (uint64_t)engine->room * engine->batch;
  const uint64_t answers = batch * CUDA_EVALUATE_SLOTS;
  const uint64_t steps = (uint64_t)engine->room * CUDA_METRICS_MAX;
  SHT_TRY(take(engine, &engine->job, engine->room, sizeof *engine->job, "step", error));
  SHT_TRY(take(engine, &engine->metrics, steps, sizeof *engine->metrics, "metrics", error));
  SHT_TRY(take(engine, &engine->logits, answers * engine->graph->classes, sizeof(float), "logits", error));
  SHT_TRY(take(engine, &engine->losses, answers, sizeof(float), "losses", error));
  SHT_TRY(take(engine, &engine->labels, batch, sizeof *engine->labels, "labels", error));
  SHT_TRY(take(engine, &engine->examples, batch, sizeof *engine->examples, "examples", error));
  return take(engine, &engine->list, batch, sizeof *engine->list, "examples", error);
}

static sht_status open_workspaces(cuda_engine *engine, sht_error *error) {
  const uint64_t bytes =
      engine->plan->workspace_bytes > engine->workspace_bytes ? engine->plan->workspace_bytes : engine->workspace_bytes;
  for (int track = 0; track < CUDA_TRACKS; track++) {
    for (uint32_t i = 0; i < engine->lane_count; i++) {
      void **out = &engine->lanes[track][i].workspace;
      SHT_TRY(take(engine, out, bytes, 1, "workspace of cuDNN and cuBLASLt", error));
    }
  }
  return cuda_bind_convolutions(engine->plan, error);
}

static void launch_nothing(void) { cuda_run_round(NULL, NULL, 0, NULL); }

// What of the graph a plan looks at.
static sht_status copy_graph(const sht_graph *from, sht_graph **out, sht_error *error) {
  SHT_TRY(SHT_ALLOC(out, 1, "graph", error));
  sht_graph *graph = *out;
  *graph = *from;
  graph->nodes = NULL;
  graph->parameters = NULL;
  graph->text = NULL;
  SHT_TRY(SHT_ALLOC(&graph->nodes, from->node_count, "graph", error));
  SHT_TRY(SHT_ALLOC(&graph->parameters, from->parameter_tensors, "graph", error));
  memcpy(graph->nodes, from->nodes, (size_t)from->node_count * sizeof *from->nodes);
  if (from->parameter_tensors > 0) {
    memcpy(graph->parameters, from->parameters, (size_t)from->parameter_tensors * sizeof *from->parameters);
  }
  return SHT_OK;
}

static bool is_set_to(const char *variable, const char *value) {
  const char *found = getenv(variable);
  return found != NULL && strcmp(found, value) == 0;
}

static sht_status build(cuda_engine *engine, sht_error *error) {
  engine->without_graph = is_set_to("SHATTER_CUDA_GRAPH", "0");
  engine->fuses = is_set_to("SHATTER_CUDA_FUSE", "1");
  engine->workspace_bytes = MATRIX_WORKSPACE_BYTES;
  SHT_TRY(cuda_device_open(launch_nothing, &engine->device, error));
  SHT_TRY(open_lanes(engine, error));
  SHT_TRY(open_libraries(engine, error));
  SHT_TRY(open_host(engine, error));
  SHT_TRY(open_batch(engine, error));
  SHT_TRY(open_norms(engine, error));
  SHT_TRY(fill_epsilon(engine, error));
  SHT_TRY(cuda_parameters_open(engine, error));
  SHT_TRY(cuda_plan_open(engine, &engine->plan, error));
  SHT_TRY(open_workspaces(engine, error));
  return cuda_check(cudaStreamSynchronize(engine->stream), "starting the card", error);
}

static void close_host(cuda_engine *engine) {
  sht_free(engine->members);
  sht_free(engine->pixels);
  sht_free(engine->host_job);
  sht_free(engine->host_logits);
  sht_free(engine->host_losses);
  sht_free(engine->host_metrics);
}

static void close_graph_copy(sht_graph *graph) {
  if (graph != NULL) {
    sht_free(graph->nodes);
    sht_free(graph->parameters);
    sht_free(graph);
  }
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
}

static void close_lanes(cuda_engine *engine) {
  for (uint32_t i = 0; i < CUDA_TRACKS * CUDA_LANES; i++) {
    cuda_lane *lane = &engine->lanes[i / CUDA_LANES][i % CUDA_LANES];
    if (lane->done != NULL) {
      (void)cudaEventDestroy(lane->done);
    }
    if (lane->stream != NULL) {
      (void)cudaStreamDestroy(lane->stream);
    }
  }
  if (engine->fork != NULL) {
    (void)cudaEventDestroy(engine->fork);
  }
}

cudaError_t cuda_lanes_wait(const cuda_engine *engine) {
  cudaError_t code = cudaSuccess;
  for (uint32_t i = 0; i < CUDA_TRACKS * CUDA_LANES; i++) {
    const cuda_lane *lane = &engine->lanes[i / CUDA_LANES][i % CUDA_LANES];
    if (lane->stream != NULL) {
      const cudaError_t mine = cudaStreamSynchronize(lane->stream);
      code = code == cudaSuccess ? mine : code;
    }
  }
  return code;
}

void cuda_engine_forget_graphs(cuda_engine *engine) {
  close_graph(engine->train_graph);
  close_graph(engine->evaluate_graph);
  engine->train_graph = engine->evaluate_graph = NULL;
}

void cuda_engine_close(cuda_engine *engine) {
  if (engine == NULL) {
    return;
  }
  (void)cuda_lanes_wait(engine);
  cuda_engine_forget_graphs(engine);
  cuda_plan_close(engine->plan);
  close_libraries(engine);
  close_lanes(engine);
  cuda_memory_close(&engine->memory);
  sht_free(engine->parameters.tensors);
  sht_free(engine->norms.offsets);
  close_host(engine);
  close_graph_copy(engine->graph);
  sht_free(engine);
}

sht_status cuda_engine_open(const sht_graph *graph, const sht_engine_options *options, uint32_t room, cuda_engine **out,
                            sht_error *error) {
  cuda_engine *engine = NULL;
  *out = NULL;
  SHT_TRY(SHT_ALLOC(&engine, 1, "engine", error));
  engine->room = room;
  engine->batch = options->batch;
  engine->train_examples = options->train_examples;
  engine->precision = options->precision;
  engine->type = options->precision == SHT_BF16 ? CUDA_BFLOAT16 : CUDA_FLOAT;
  sht_status status = copy_graph(graph, &engine->graph, error);
  if (status == SHT_OK) {
    status = build(engine, error);
  }
  if (status != SHT_OK) {
    cuda_engine_close(engine);
    return status;
  }
  *out = engine;
  return SHT_OK;
}

// Of convolutions CUDA_LANES are side by side; as many runs again have work ready where one ends. More gain little and
// take memory: a run of Inception at a batch of 128 in bf16 about 1 GB.
static uint32_t useful_runs(const sht_graph *graph) {
  for (int i = 0; i < graph->node_count; i++) {
    if (graph->nodes[i].op == SHT_OP_CONV) {
      return 2 * CUDA_LANES;
    }
  }
  return CUDA_RUNS_MAX;
}

// A run's pixels may be its own: as large as they can be foreseen, 16 bits each, with a test set of half the size and
// what an augmentation cuts off. Each run is taken to have workspaces, though there are no more than lanes.
uint32_t cuda_engine_together(const cuda_engine *engine) {
  enum { KEPT_FREE = 10 };  // of what is free, one part in so many
  const uint32_t most = useful_runs(engine->graph);
  const sht_shape input = engine->graph->input;
  const uint64_t pixels = 3 * engine->train_examples * input.height * input.width * input.channels;
  size_t free_bytes = 0, all_bytes = 0;
  if (cudaMemGetInfo(&free_bytes, &all_bytes) != cudaSuccess) {
    return 1;
  }
  const uint64_t each = engine->memory.bytes / engine->room + pixels;
  const uint64_t more = (free_bytes - free_bytes / KEPT_FREE) / each;
  return more + 1 < most ? (uint32_t)more + 1 : most;
}
