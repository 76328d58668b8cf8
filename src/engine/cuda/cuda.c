// The cuda engine's seam. Reading order: cuda.h (the parts), kernels.h (what runs on the card), plan.h and compile.c
// (graph -> operations), passes.c (running them), engine.c and members.c (who is there), serve.c (steps and answers),
// this file.
#include "engine/cuda/cuda.h"

#include <stdio.h>

#include "engine/cuda/plan.h"
#include "engine/group.h"

// ---- opening

static sht_status check_precision(const sht_engine_options *options, sht_error *error) {
  if (options->precision == SHT_FP64) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "the engine 'cuda' computes in fp32, tf32 or bf16, not fp64; use --precision fp32, or the engine "
                    "'ref'");
  }
  return SHT_OK;
}

static sht_status open_alone(const sht_graph *graph, const sht_engine_options *options, sht_engine **out,
                             sht_error *error) {
  cuda_engine *engine = NULL;
  cuda_member *member = NULL;
  *out = NULL;
  SHT_TRY(check_precision(options, error));
  SHT_TRY(cuda_engine_open(graph, options, 1, &engine, error));
  sht_status status = cuda_member_open(engine, graph, options, &member, error);
  if (status != SHT_OK) {
    cuda_engine_close(engine);
    return status;
  }
  *out = &member->base;
  return SHT_OK;
}

// The first to come opens the engine of all.
static sht_status open_member(sht_engine_group *group, const sht_graph *graph, const sht_engine_options *options,
                              cuda_member **out, sht_error *error) {
  void **shared = sht__group_shared(group);
  if (*shared == NULL) {
    cuda_engine *opened = NULL;
    SHT_TRY(cuda_engine_open(graph, options, sht__group_members(group), &opened, error));
    *shared = opened;
  }
  cuda_engine *engine = *shared;
  sht_status status = cuda_member_open(engine, graph, options, out, error);
  if (status == SHT_OK) {
    (*out)->group = group;
  } else if (engine->runs == 0) {
    cuda_engine_close(engine);
    *shared = NULL;
  }
  return status;
}

static sht_status join(sht_engine_group *group, const sht_graph *graph, const sht_engine_options *options,
                       sht_engine **out, sht_error *error) {
  cuda_member *member = NULL;
  *out = NULL;
  SHT_TRY(check_precision(options, error));
  sht__group_lock(group);
  sht_status status = open_member(group, graph, options, &member, error);
  sht__group_unlock(group);
  if (status == SHT_OK) {
    *out = &member->base;
  }
  return status;
}

static void lock(const cuda_member *member) {
  if (member->group != NULL) {
    sht__group_lock(member->group);
  }
}

static void unlock(const cuda_member *member) {
  if (member->group != NULL) {
    sht__group_unlock(member->group);
  }
}

static void close_member(sht_engine *base) {
  cuda_member *member = (cuda_member *)base;
  cuda_engine *engine = member->engine;
  sht_engine_group *group = member->group;
  lock(member);
  cuda_member_close(member);
  if (engine->runs == 0) {
    cuda_engine_close(engine);
    if (group != NULL) {
      *sht__group_shared(group) = NULL;
    }
  }
  if (group != NULL) {
    sht__group_unlock(group);
  }
}

// ---- asking

static sht_status ask(cuda_member *member, cuda_request request, sht_error *error) {
  request.error = error;
  member->request = request;
  sht_status status = cuda_look_up(member, error);
  if (status == SHT_OK && member->group == NULL) {
    cuda_serve(member->engine);
  } else if (status == SHT_OK) {
    sht__group_meet(member->group, cuda_serve);
  }
  status = status == SHT_OK ? member->request.status : status;
  member->request.pass = 0;
  return status;
}

// Alone, all steps are run; in a group as many as all members have asked for.
static sht_status train(sht_engine *base, const sht_pipeline *data, uint32_t epoch, uint64_t first, uint64_t count,
                        const sht_step_rates *rates, sht_step_metrics *metrics, uint64_t *done, sht_error *error) {
  cuda_member *member = (cuda_member *)base;
  bool more = count > 0;
  while (more) {
    const cuda_request request = {.pass = CUDA_TRAIN,
                                  .data = data,
                                  .epoch = epoch,
                                  .first = first + *done,
                                  .count = count - *done,
                                  .rates = *rates,
                                  .metrics = metrics + *done};
    SHT_TRY(ask(member, request, error));
    *done += member->request.done;
    more = member->group == NULL && *done < count && metrics[*done - 1].finite;
  }
  return SHT_OK;
}

static sht_status gradient(sht_engine *base, const sht_pipeline *data, const uint32_t *examples, uint32_t n,
                           sht_step_metrics *metrics, sht_error *error) {
  const cuda_request request = {
      .pass = CUDA_GRADIENT, .data = data, .examples = examples, .count = n, .metrics = metrics};
  return ask((cuda_member *)base, request, error);
}

static sht_status evaluate(sht_engine *base, const sht_pipeline *data, uint64_t first, uint64_t count, float *logits,
                           float *losses, sht_error *error) {
  const cuda_request request = {
      .pass = CUDA_EVALUATE, .data = data, .first = first, .count = count, .logits = logits, .losses = losses};
  return count == 0 ? SHT_OK : ask((cuda_member *)base, request, error);
}

// ---- state

static sht_status get(sht_engine *base, sht_state state, float *values, uint64_t count, sht_error *error) {
  const cuda_member *member = (cuda_member *)base;
  (void)count;
  lock(member);
  const sht_status status = cuda_parameters_get(member->engine, member->run, state, values, error);
  unlock(member);
  return status;
}

static sht_status put(sht_engine *base, sht_state state, const float *values, uint64_t count, sht_error *error) {
  const cuda_member *member = (cuda_member *)base;
  (void)count;
  lock(member);
  const sht_status status = cuda_parameters_put(member->engine, member->run, state, values, error);
  unlock(member);
  return status;
}

static const char *precision_name(sht_precision precision) {
  return precision == SHT_BF16 ? "bf16" : precision == SHT_TF32 ? "tf32" : "fp32";
}

// What decides the bits: the card's kind, the libraries, and what cuDNN chose.
static void describe(const sht_engine *base, sht_engine_info *info) {
  const cuda_engine *engine = ((const cuda_member *)base)->engine;
  const cuda_device *device = &engine->device;
  *info = (sht_engine_info){
      .bytes = engine->memory.bytes / engine->room, .threads = 1, .together = cuda_engine_together(engine)};
  (void)snprintf(info->backend, sizeof info->backend, "cuda");
  (void)snprintf(
      info->numerics, sizeof info->numerics,
      "CUDA %d.%d, driver's %d.%d, cuDNN %zu, cuBLASLt %zu, %.40s sm_%d%d x %d, %s, choices %08x, direct %d, fused %d",
      device->runtime / 1000, device->runtime % 1000 / 10, device->driver / 1000, device->driver % 1000 / 10,
      cudnnGetVersion(), cublasLtGetVersion(), device->name, device->major, device->minor, device->processors,
      precision_name(engine->precision), engine->plan->choices, engine->plan->direct, engine->plan->fused);
}

const sht_backend sht_backend_cuda = {
    .version = SHT_BACKEND_VERSION,
    .name = "cuda",
    .open = open_alone,
    .join = join,
    .close = close_member,
    .train = train,
    .gradient = gradient,
    .evaluate = evaluate,
    .get = get,
    .put = put,
    .describe = describe,
};
