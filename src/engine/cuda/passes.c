// Runs the plan: one pass launched kernel by kernel, or captured once as a CUDA graph and launched whole.
#include "engine/cuda/passes.h"

#include "engine/cuda/plan.h"

// What these lanes do begins when everything before it on the main stream is done.
static cudaError_t fork_lanes(cuda_engine *engine, const cuda_lane *lanes, uint32_t count) {
  cudaError_t code = count > 0 ? cudaEventRecord(engine->fork, engine->stream) : cudaSuccess;
  for (uint32_t i = 0; i < count && code == cudaSuccess; i++) {
    code = cudaStreamWaitEvent(lanes[i].stream, engine->fork, 0);
  }
  return code;
}

static cudaError_t join_lanes(cuda_engine *engine, const cuda_lane *lanes, uint32_t count) {
  cudaError_t code = cudaSuccess;
  for (uint32_t i = 0; i < count && code == cudaSuccess; i++) {
    code = cudaEventRecord(lanes[i].done, lanes[i].stream);
    code = code == cudaSuccess ? cudaStreamWaitEvent(engine->stream, lanes[i].done, 0) : code;
  }
  return code;
}

// Lanes that the operation uses: the first ones.
static uint32_t lanes_of(const cuda_engine *engine, const cuda_op *op) {
  const uint32_t most = op->run_by_run ? engine->lane_count : 1;
  return engine->runs < most ? engine->runs : most;
}

static cudaError_t run_op(cuda_engine *engine, const cuda_op *op, cudaStream_t stream) {
  op->run(engine, op, stream);
  return cudaGetLastError();
}

// *forked: side lanes that have something to do, until they are joined.
static cudaError_t run_on_side(cuda_engine *engine, const cuda_op *op, uint32_t *forked) {
  const cuda_lane *lanes = engine->lanes[CUDA_SIDE];
  const uint32_t count = lanes_of(engine, op);
  const cudaError_t code = fork_lanes(engine, lanes, count);
  *forked = count > *forked ? count : *forked;
  return code == cudaSuccess ? run_op(engine, op, lanes[0].stream) : code;
}

static cudaError_t run_on_main(cuda_engine *engine, const cuda_op *op, uint32_t *forked) {
  const cuda_lane *others = &engine->lanes[CUDA_MAIN][1];
  const uint32_t count = lanes_of(engine, op) - 1;
  cudaError_t code = cudaSuccess;
  if (op->joins) {
    code = join_lanes(engine, engine->lanes[CUDA_SIDE], *forked);
    *forked = 0;
  }
  code = code == cudaSuccess ? fork_lanes(engine, others, count) : code;
  code = code == cudaSuccess ? run_op(engine, op, engine->stream) : code;
  return code == cudaSuccess ? join_lanes(engine, others, count) : code;
}

// A library refused. What the card itself says is asked for by waiting, which may not be done while a graph is
// captured: the libraries have a runtime of their own, and what that was told does not show in ours.
static sht_status fail_library(cuda_engine *engine, sht_error *error) {
  const char *layer = engine->failed;
  enum cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  SHT_TRY(cuda_check(cudaStreamIsCapturing(engine->stream, &capturing), layer, error));
  if (capturing == cudaStreamCaptureStatusNone) {
    SHT_TRY(cuda_check(cuda_lanes_wait(engine), layer, error));
  }
  return SHT_FAIL(error, SHT_INTERNAL, "layer '%s': cuDNN or cuBLASLt could not run what it had planned; report this",
                  layer);
}

sht_status cuda_pass_run(cuda_engine *engine, cuda_pass pass, sht_error *error) {
  const cuda_plan *plan = engine->plan;
  uint32_t forked = 0;
  engine->pass = pass;
  engine->failed = NULL;
  for (int i = 0; i < plan->op_count && engine->failed == NULL; i++) {
    const cuda_op *op = &plan->ops[i];
    if ((op->passes & pass) != 0) {
      const cudaError_t code = op->side ? run_on_side(engine, op, &forked) : run_on_main(engine, op, &forked);
      SHT_TRY(cuda_check(code, op->name, error));
    }
  }
  return engine->failed != NULL ? fail_library(engine, error) : SHT_OK;
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
