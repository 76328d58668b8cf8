// What members ask for, done for all of them at once: steps, gradients, answers. A member whose data cannot be had, or
// who asks for something else, sits a pass out: its job is of no examples, and stopped, so that nothing of its run
// moves.
#include <string.h>

#include "engine/cuda/cuda.h"
#include "engine/cuda/passes.h"

static bool asks(const cuda_member *member, cuda_pass pass) {
  return member->request.pass == pass && member->request.status == SHT_OK;
}

static void sit_out(cuda_engine *engine, uint32_t run) {
  engine->host_job[run] = (cuda_job){.batch = engine->batch, .stopped = 1};
}

// The jobs of the pass: `describe` fills that of a member who asks for it; a failure is that member's alone. Returns
// how many there are.
static uint32_t prepare(cuda_engine *engine, cuda_pass pass,
                        sht_status (*describe)(cuda_member *member, cuda_job *job, sht_error *error)) {
  uint32_t active = 0;
  for (uint32_t r = 0; r < engine->runs; r++) {
    cuda_member *member = engine->members[r];
    sit_out(engine, r);
    if (asks(member, pass)) {
      cuda_job job = {.batch = engine->batch};
      member->request.status = cuda_source_of(member, &job.source, member->request.error);
      if (member->request.status == SHT_OK) {
        member->request.status = describe(member, &job, member->request.error);
      }
      if (member->request.status == SHT_OK) {
        engine->host_job[r] = job;
        active++;
      }
    }
  }
  return active;
}

// The card's failure is everybody's who asked.
static void fail_all(cuda_engine *engine, cuda_pass pass, sht_status status, const sht_error *error) {
  for (uint32_t r = 0; r < engine->runs && status != SHT_OK; r++) {
    cuda_request *request = &engine->members[r]->request;
    if (asks(engine->members[r], pass)) {
      request->status = status;
      if (request->error != NULL) {
        *request->error = *error;
      }
    }
  }
}

// ---- steps

static sht_step_metrics metrics_of(const cuda_metrics *from) {
  return (sht_step_metrics){
      .loss_sum = from->loss_sum, .correct = from->correct, .count = from->count, .finite = from->finite != 0};
}

static sht_status describe_steps(cuda_member *member, cuda_job *job, sht_error *error) {
  const cuda_request *request = &member->request;
  job->examples = member->base.train_examples;
  job->step = request->first;
  job->epoch = request->epoch;
  job->learning_rate = request->rates.learning_rate;
  job->momentum = request->rates.momentum;
  job->weight_decay = request->rates.weight_decay;
  job->dropout = sht_rng_make(member->seed, SHT_PURPOSE_DROPOUT);
  return cuda_order_put(member, request->epoch, &job->order, error);
}

static sht_status read_metrics(cuda_engine *engine, uint64_t steps, sht_error *error) {
  return cuda_copy(engine->stream, engine->host_metrics, engine->metrics,
                   steps * engine->runs * sizeof *engine->metrics, cudaMemcpyDeviceToHost, "a training step", error);
}

// So many steps that nobody is asked to do more than they want.
static uint64_t count_steps(const cuda_engine *engine) {
  uint64_t steps = CUDA_METRICS_MAX;
  for (uint32_t r = 0; r < engine->runs; r++) {
    const cuda_member *member = engine->members[r];
    if (asks(member, CUDA_TRAIN) && member->request.count < steps) {
      steps = member->request.count;
    }
  }
  return steps;
}

// With one wait at the end.
static sht_status run_steps(cuda_engine *engine, uint64_t steps, sht_error *error) {
  SHT_TRY(cuda_pass_prepare(engine, CUDA_TRAIN, error));
  SHT_TRY(cuda_jobs_put(engine, error));
  for (uint64_t i = 0; i < steps; i++) {
    SHT_TRY(cuda_pass_launch(engine, CUDA_TRAIN, error));
  }
  // While the card works: the orders that come next.
  for (uint32_t r = 0; r < engine->runs; r++) {
    cuda_member *member = engine->members[r];
    if (asks(member, CUDA_TRAIN)) {
      cuda_order_make(member, member->request.epoch + 1);
    }
  }
  return read_metrics(engine, steps, error);
}

// Up to the first step that was not finite.
static void file_steps(const cuda_engine *engine, uint32_t run, uint64_t steps) {
  cuda_request *request = &engine->members[run]->request;
  bool ended = false;
  for (uint64_t i = 0; i < steps && !ended; i++) {
    request->metrics[i] = metrics_of(&engine->host_metrics[i * engine->runs + run]);
    ended = !request->metrics[i].finite;
    request->done++;
  }
}

static void serve_steps(cuda_engine *engine) {
  sht_error error = {.message = ""};
  if (prepare(engine, CUDA_TRAIN, describe_steps) == 0) {
    return;
  }
  const uint64_t steps = count_steps(engine);
  fail_all(engine, CUDA_TRAIN, run_steps(engine, steps, &error), &error);
  for (uint32_t r = 0; r < engine->runs; r++) {
    if (asks(engine->members[r], CUDA_TRAIN)) {
      file_steps(engine, r, steps);
    }
  }
}

// ---- gradients

static sht_status describe_gradient(cuda_member *member, cuda_job *job, sht_error *error) {
  const cuda_request *request = &member->request;
  uint32_t *list = member->engine->list + (uint64_t)member->run * member->engine->batch;
  job->order = list;
  job->examples = request->count;
  job->dropout = sht_rng_make(member->seed, SHT_PURPOSE_DROPOUT);
  return cuda_copy(member->engine->stream, list, request->examples, request->count * sizeof *list,
                   cudaMemcpyHostToDevice, "copying to the card", error);
}

static sht_status run_gradient(cuda_engine *engine, sht_error *error) {
  SHT_TRY(cuda_jobs_put(engine, error));
  SHT_TRY(cuda_pass_run(engine, CUDA_GRADIENT, error));
  return read_metrics(engine, 1, error);
}

static void serve_gradients(cuda_engine *engine) {
  sht_error error = {.message = ""};
  if (prepare(engine, CUDA_GRADIENT, describe_gradient) == 0) {
    return;
  }
  fail_all(engine, CUDA_GRADIENT, run_gradient(engine, &error), &error);
  for (uint32_t r = 0; r < engine->runs; r++) {
    if (asks(engine->members[r], CUDA_GRADIENT)) {
      *engine->members[r]->request.metrics = metrics_of(&engine->host_metrics[r]);
    }
  }
}

// ---- answers

static sht_status describe_evaluation(cuda_member *member, cuda_job *job, sht_error *error) {
  (void)error;
  job->base = member->request.first;
  job->examples = member->request.count;
  return SHT_OK;
}

// The running statistics as the passes of an evaluation read them.
static sht_status use_running_statistics(cuda_engine *engine, sht_error *error) {
  const cuda_norms *norms = &engine->norms;
  if (norms->count == 0) {
    return SHT_OK;
  }
  cuda_run_norm_inverse(norms->running_variance, norms->epsilon, norms->running_inverse, norms->count, engine->runs,
                        engine->stream);
  return cuda_check(cudaGetLastError(), "evaluation", error);
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

// Examples of the run in the batch that begins with the one numbered `at`.
static uint64_t examples_at(const cuda_engine *engine, uint32_t run, uint64_t at) {
  const cuda_request *request = &engine->members[run]->request;
  return asks(engine->members[run], CUDA_EVALUATE) && at < request->count ? least(request->count - at, engine->batch)
                                                                          : 0;
}

// Of a slot: the run's answers to where its member wants them.
static void file_answers(const cuda_engine *engine, uint32_t run, uint64_t slot, uint64_t at) {
  const cuda_request *request = &engine->members[run]->request;
  const uint64_t classes = engine->graph->classes;
  const uint64_t n = examples_at(engine, run, at);
  const uint64_t place = (slot * engine->runs + run) * engine->batch;
  if (n > 0 && request->logits != NULL) {
    memcpy(request->logits + at * classes, engine->host_logits + place * classes,
           n * classes * sizeof *request->logits);
  }
  if (n > 0 && request->losses != NULL) {
    memcpy(request->losses + at, engine->host_losses + place, n * sizeof *request->losses);
  }
}

static sht_status read_answers(cuda_engine *engine, uint64_t slots, sht_error *error) {
  const uint64_t answers = slots * engine->runs * engine->batch;
  SHT_TRY(cuda_copy(engine->stream, engine->host_logits, engine->logits,
                    answers * engine->graph->classes * sizeof(float), cudaMemcpyDeviceToHost, "evaluation", error));
  return cuda_copy(engine->stream, engine->host_losses, engine->losses, answers * sizeof(float), cudaMemcpyDeviceToHost,
                   "evaluation", error);
}

// Batches from the example numbered `first` on, at most CUDA_EVALUATE_SLOTS.
static sht_status run_answers(cuda_engine *engine, uint64_t first, uint64_t slots, sht_error *error) {
  for (uint32_t r = 0; r < engine->runs; r++) {
    engine->host_job[r].slot = 0;
    engine->host_job[r].step = first / engine->batch;
  }
  SHT_TRY(cuda_jobs_put(engine, error));
  for (uint64_t i = 0; i < slots; i++) {
    SHT_TRY(cuda_pass_launch(engine, CUDA_EVALUATE, error));
  }
  SHT_TRY(read_answers(engine, slots, error));
  for (uint64_t i = 0; i < slots; i++) {
    for (uint32_t r = 0; r < engine->runs; r++) {
      file_answers(engine, r, i, first + i * engine->batch);
    }
  }
  return SHT_OK;
}

static sht_status run_evaluations(cuda_engine *engine, sht_error *error) {
  uint64_t longest = 0;
  for (uint32_t r = 0; r < engine->runs; r++) {
    const uint64_t count = engine->host_job[r].examples;
    longest = count > longest ? count : longest;
  }
  SHT_TRY(use_running_statistics(engine, error));
  SHT_TRY(cuda_pass_prepare(engine, CUDA_EVALUATE, error));
  const uint64_t block = (uint64_t)CUDA_EVALUATE_SLOTS * engine->batch;
  for (uint64_t first = 0; first < longest; first += block) {
    const uint64_t slots = (least(longest - first, block) + engine->batch - 1) / engine->batch;
    SHT_TRY(run_answers(engine, first, slots, error));
  }
  return SHT_OK;
}

static void serve_evaluations(cuda_engine *engine) {
  sht_error error = {.message = ""};
  if (prepare(engine, CUDA_EVALUATE, describe_evaluation) > 0) {
    fail_all(engine, CUDA_EVALUATE, run_evaluations(engine, &error), &error);
  }
}

// Gradients after steps, which write over them: their members read them before they ask again.
void cuda_serve(void *shared) {
  cuda_engine *engine = shared;
  serve_steps(engine);
  serve_gradients(engine);
  serve_evaluations(engine);
}
