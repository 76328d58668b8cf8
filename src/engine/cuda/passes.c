// Runs the plan: one pass launched kernel by kernel, or captured once as a CUDA graph and launched whole.
#include "engine/cuda/passes.h"

#include "engine/cuda/plan.h"

// What the side stream does begins when everything before it on the main stream is done.
static cudaError_t fork_side(cuda_engine *engine) {
  cudaError_t code = cudaEventRecord(engine->fork, engine->stream);
  return code == cudaSuccess ? cudaStreamWaitEvent(engine->side, engine->fork, 0) : code;
}

static cudaError_t join_side(cuda_engine *engine) {
  cudaError_t code = cudaEventRecord(engine->join, engine->side);
  return code == cudaSuccess ? cudaStreamWaitEvent(engine->stream, engine->join, 0) : code;
}

// A library refused. What the card itself says is asked for by waiting, which may not be done while a graph is
// captured: the libraries have a runtime of their own, and what that was told does not show in ours.
static sht_status fail_library(cuda_engine *engine, sht_error *error) {
  const char *layer = engine->failed;
  enum cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  SHT_TRY(cuda_check(cudaStreamIsCapturing(engine->stream, &capturing), layer, error));
  if (capturing == cudaStreamCaptureStatusNone) {
    SHT_TRY(cuda_check(cudaStreamSynchronize(engine->stream), layer, error));
    SHT_TRY(cuda_check(cudaStreamSynchronize(engine->side), layer, error));
  }
  return SHT_FAIL(error, SHT_INTERNAL, "layer '%s': cuDNN or cuBLASLt could not run what it had planned; report this",
                  layer);
}

sht_status cuda_pass_run(cuda_engine *engine, cuda_pass pass, sht_error *error) {
  const cuda_plan *plan = engine->plan;
  cudaError_t code = cudaSuccess;
  bool forked = false;
  engine->pass = pass;
  engine->failed = NULL;
  for (int i = 0; i < plan->op_count && code == cudaSuccess && engine->failed == NULL; i++) {
    const cuda_op *op = &plan->ops[i];
    if ((op->passes & pass) == 0) {
      continue;
    }
    if (op->side) {
      code = fork_side(engine);
      forked = true;
    } else if (op->joins && forked) {
      code = join_side(engine);
      forked = false;
    }
    op->run(engine, op, op->side ? engine->side : engine->stream);
    code = code == cudaSuccess ? cudaGetLastError() : code;
    if (code != cudaSuccess) {
      return cuda_check(code, op->name, error);
    }
  }
  return engine->failed != NULL ? fail_library(engine, error) : cuda_check(code, "running a step", error);
}

sht_status cuda_wait(cuda_engine *engine, const char *doing, sht_error *error) {
  return cuda_check(cudaStreamSynchronize(engine->stream), doing, error);
}

// A pass that changes nothing loads what is loaded at first use, which may not happen while a graph is captured.
static sht_status warm_up(cuda_engine *engine, cuda_pass pass, sht_error *error) {
  static const uint32_t stopped = 1;
  SHT_TRY(cuda_jobs_put(engine, error));
  for (uint32_t r = 0; r < engine->runs; r++) {
    SHT_TRY(cuda_check(
        cudaMemcpyAsync(&engine->job[r].stopped, &stopped, sizeof stopped, cudaMemcpyHostToDevice, engine->stream),
        "first step", error));
  }
  SHT_TRY(cuda_pass_run(engine, pass, error));
  return cuda_wait(engine, "first step", error);
}

static sht_status capture(cuda_engine *engine, cuda_pass pass, cudaGraphExec_t *out, sht_error *error) {
  static const char *const doing = "capturing a step (SHATTER_CUDA_GRAPH=0 does without)";
  cudaGraph_t graph = NULL;
  SHT_TRY(cuda_check(cudaStreamBeginCapture(engine->stream, cudaStreamCaptureModeThreadLocal), doing, error));
  sht_status status = cuda_pass_run(engine, pass, error);
  // After a failure its own word has been said, and this one is not to be found by who asks next.
  const sht_status ended =
      cuda_check(cudaStreamEndCapture(engine->stream, &graph), doing, status == SHT_OK ? error : NULL);
  status = status == SHT_OK ? ended : status;
  if (status == SHT_OK) {
    status = cuda_check(cudaGraphInstantiate(out, graph, 0), doing, error);
  }
  if (graph != NULL) {
    (void)cudaGraphDestroy(graph);
  }
  return status;
}

static cudaGraphExec_t *graph_of(cuda_engine *engine, cuda_pass pass) {
  return pass == CUDA_TRAIN ? &engine->train_graph : &engine->evaluate_graph;
}

sht_status cuda_pass_prepare(cuda_engine *engine, cuda_pass pass, sht_error *error) {
  cudaGraphExec_t *graph = graph_of(engine, pass);
  if (*graph == NULL && !engine->without_graph) {
    SHT_TRY(warm_up(engine, pass, error));
    SHT_TRY(capture(engine, pass, graph, error));
  }
  return SHT_OK;
}

sht_status cuda_jobs_put(cuda_engine *engine, sht_error *error) {
  return cuda_check(cudaMemcpyAsync(engine->job, engine->host_job, engine->runs * sizeof *engine->job,
                                    cudaMemcpyHostToDevice, engine->stream),
                    "copying to the card", error);
}

sht_status cuda_pass_launch(cuda_engine *engine, cuda_pass pass, sht_error *error) {
  cudaGraphExec_t graph = *graph_of(engine, pass);
  if (graph == NULL) {
    return cuda_pass_run(engine, pass, error);
  }
  return cuda_check(cudaGraphLaunch(graph, engine->stream), "launching a step", error);
}
