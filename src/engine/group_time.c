// Timing the steps of a group: see group_time.h.
#include "engine/group_time.h"

#include <pthread.h>
#include <time.h>

#include "base/memory.h"

enum { CALL_STEPS = 16 };

typedef struct timed_member {
  const sht__group_trial *trial;
  const float *parameters;  // [P] to begin with
  sht_engine_group *group;
  pthread_t thread;
  uint64_t steps;
  double seconds;
  sht_status status;
  sht_error error;
} timed_member;

static double now(void) {
  struct timespec time;
  (void)clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Calls of several steps, one to warm up, then for as long as is timed.
static sht_status time_member(timed_member *member, sht_engine *engine, sht_error *error) {
  const sht__group_trial *trial = member->trial;
  const sht_step_rates rates = {1e-6F, 0, 0};
  const uint64_t epoch = (trial->options.train_examples + trial->options.batch - 1) / trial->options.batch;
  const uint64_t count = epoch < CALL_STEPS ? epoch : CALL_STEPS;
  sht_step_metrics metrics[CALL_STEPS];
  double began = 0;
  for (bool warm = false; !warm || member->seconds < trial->seconds; warm = true) {
    uint64_t done = 0;
    SHT_TRY(sht_engine_train(engine, trial->train, 0, 0, count, &rates, metrics, &done, error));
    const double time = now();
    began = warm ? began : time;
    member->seconds = time - began;
    member->steps += warm ? done : 0;
  }
  return SHT_OK;
}

static void *run_member(void *context) {
  timed_member *member = context;
  const sht__group_trial *trial = member->trial;
  sht_engine_options options = trial->options;
  sht_engine *engine = NULL;
  options.group = member->group;
  member->status = sht_engine_open(trial->graph, &options, &engine, &member->error);
  if (member->status == SHT_OK) {
    member->status =
        sht_engine_put(engine, SHT_STATE_PARAMETERS, member->parameters, trial->graph->parameter_count, &member->error);
  }
  if (member->status == SHT_OK) {
    member->status = time_member(member, engine, &member->error);
  }
  sht_engine_close(engine);
  sht_engine_group_leave(member->group);
  return NULL;
}

// One that cannot be had is a failure of all.
static sht_status run_members(timed_member *members, uint32_t count, sht_error *error) {
  sht_status status = SHT_OK;
  uint32_t begun = 0;
  while (begun < count && pthread_create(&members[begun].thread, NULL, run_member, &members[begun]) == 0) {
    begun++;
  }
  for (uint32_t i = begun; i < count; i++) {
    sht_engine_group_leave(members[i].group);
    status = SHT_FAIL(error, SHT_MEMORY, "no threads for %u runs; use a smaller --together", count);
  }
  for (uint32_t i = 0; i < begun; i++) {
    (void)pthread_join(members[i].thread, NULL);
    if (status == SHT_OK && members[i].status != SHT_OK) {
      status = members[i].status;
      if (error != NULL) {
        *error = members[i].error;
      }
    }
  }
  return status;
}

static sht_status time_members(const sht__group_trial *trial, timed_member *members, const float *parameters,
                               double *seconds, sht_error *error) {
  sht_engine_group *group = NULL;
  SHT_TRY(sht_engine_group_open(trial->members, &group, error));
  for (uint32_t i = 0; i < trial->members; i++) {
    members[i] = (timed_member){.trial = trial, .parameters = parameters, .group = group};
  }
  sht_status status = run_members(members, trial->members, error);
  sht_engine_group_close(group);
  *seconds = status == SHT_OK ? members[0].seconds / (double)members[0].steps : 0;
  return status;
}

sht_status sht__group_time(const sht__group_trial *trial, double *seconds, sht_error *error) {
  float *parameters = NULL;
  timed_member *members = NULL;
  sht_status status = SHT_ALLOC(&parameters, trial->graph->parameter_count, "weights", error);
  if (status == SHT_OK) {
    sht_graph_initialize(trial->graph, trial->options.seed, parameters);
    status = SHT_ALLOC(&members, trial->members, "runs to be timed", error);
  }
  if (status == SHT_OK) {
    status = time_members(trial, members, parameters, seconds, error);
  }
  sht_free(members);
  sht_free(parameters);
  return status;
}
