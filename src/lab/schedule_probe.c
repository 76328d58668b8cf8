// Asking a network's engine what it computes with, and timing its steps, in processes of their own: see schedule.h.
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/core_share.h"
#include "base/memory.h"
#include "engine/group_time.h"
#include "lab/schedule.h"
#include "train/session.h"

enum { WINDOWS_MAX = 64, COPIES_MAX = 256 };
static const double timed_seconds = 0.7;

typedef struct probe {
  const sht_config *config;
  bool timed;
  uint32_t members;  // of a group whose steps are timed; 1: the steps of one run are
} probe;

static uint64_t count_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint64_t)CPU_COUNT(&set) : 1;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

// The median and the mean time of a training step, after one to warm up, and the share of a core that was there.
static sht_status time_steps(sht_session *session, sht__told *told, sht_error *error) {
  const sht_step_rates rates = {1e-6F, 0, 0};
  double times[WINDOWS_MAX];
  int count = -1;
  double first = 0;
  double last = 0;
  sht__core_account before = {0};
  while (count < 1 || (count < WINDOWS_MAX && last < first + timed_seconds)) {
    sht_step_metrics metrics;
    uint64_t done = 0;
    double began = sht__schedule_clock();
    SHT_TRY(sht_engine_train(session->engine, &session->train, 0, 0, 1, &rates, &metrics, &done, error));
    last = sht__schedule_clock();
    if (count >= 0) {
      times[count] = last - began;
    } else {
      before = sht__core_account_read();
      first = last;
    }
    count++;
  }
  sht__core_account after = sht__core_account_read();
  qsort(times, (size_t)count, sizeof times[0], by_value);
  told->seconds = times[count / 2];
  told->mean_seconds = (last - first) / count;
  told->share = sht__core_share(&before, &after);
  return SHT_OK;
}

// A run's share of a step of a whole group on the session's network and data.
static sht_status time_group(const sht_session *session, uint32_t members, sht__told *told, sht_error *error) {
  const sht__group_trial trial = {.graph = session->graph,
                                  .train = &session->train,
                                  .options = sht__session_engine_options(session),
                                  .members = members,
                                  .seconds = timed_seconds};
  double seconds = 0;
  SHT_TRY(sht__group_time(&trial, &seconds, error));
  told->seconds = told->mean_seconds = seconds / members;
  told->share = 1;  // the card works, the threads wait
  return SHT_OK;
}

static void probe_in_child(void *context, int pipe) {
  const probe *self = context;
  sht_session session;
  sht_error error = {.message = ""};
  sht__told told = {.kind = SHT__TOLD_TIMED};
  double began = sht__schedule_clock();
  told.status = sht__session_open(self->config, NULL, &session, &error);
  // Others at work would make thousands of short runs look long.
  sht__core_account opened = sht__core_account_read();
  told.opening = (sht__schedule_clock() - began) * sht__core_share(&(sht__core_account){0}, &opened);
  if (told.status == SHT_OK) {
    told.parameters = session.graph->parameter_count;
    (void)snprintf(told.text, sizeof told.text, "%s", session.info.numerics);
    told.together = session.info.together;
    if (self->timed) {
      told.status =
          self->members > 1 ? time_group(&session, self->members, &told, &error) : time_steps(&session, &told, &error);
    }
  }
  if (told.status != SHT_OK) {
    (void)snprintf(told.text, sizeof told.text, "%.*s", (int)sizeof told.text - 1, error.message);
  }
  sht__told_write(pipe, &told);
  _exit(0);
}

// Of what a thread has on an idle machine, where `wanted` threads share the cores, what it had. On a busy machine the
// time of a step is the mean, since the median may be a step in which nothing was waited for, less the waiting.
static void correct(sht__told *told, uint64_t wanted, sht_schedule_network *network) {
  double fair = fmin(1, (double)count_cores() / (double)wanted);
  double share = fmin(1, told->share / fair);
  if (share < SHT_CORE_SHARE_BUSY) {
    told->seconds = told->mean_seconds * share;
  }
  network->core_share = network->core_share > 0 ? fmin(network->core_share, share) : share;
}

// wanted: threads at work, of all copies.
static sht_status take_answer(sht__child *child, uint64_t wanted, sht_schedule_network *network, double *seconds,
                              sht_error *error) {
  sht__told told;
  char how[128] = "";
  int got = sht__child_read(child, &told);
  sht__child_end(child, how, sizeof how);
  if (got != 1) {
    return SHT_FAIL(error, SHT_INTERNAL, "%s could not be tried out: %s", network->model, how);
  }
  if (told.status != SHT_OK) {
    return SHT_FAIL(error, told.status, "%s", told.text);
  }
  (void)snprintf(network->numerics, sizeof network->numerics, "%.*s", (int)sizeof network->numerics - 1, told.text);
  network->parameters = told.parameters;
  network->together = network->together > 0 ? network->together : told.together;
  network->opening = told.opening;
  if (told.share > 0) {
    correct(&told, wanted, network);
  }
  *seconds = told.seconds > *seconds ? told.seconds : *seconds;
  return SHT_OK;
}

sht_status sht__network_probe(sht_schedule_network *network, const sht_config *config, uint64_t threads,
                              uint64_t copies, double *seconds, sht_error *error) {
  sht__child children[COPIES_MAX];
  sht_config changed = *config;
  changed.threads = threads > 0 ? threads : 1;
  probe work = {.config = &changed, .timed = threads > 0, .members = 1};
  if (work.timed && network->together > 1) {
    work.members = sht__network_group_size(network, network->runs);
  }
  sht_status status = SHT_OK;
  uint64_t started = 0;
  *seconds = 0;
  for (; started < copies && started < COPIES_MAX && status == SHT_OK; started += status == SHT_OK) {
    status = sht__child_start(&children[started], probe_in_child, &work, NULL, 0, error);
  }
  for (uint64_t i = 0; i < started; i++) {
    sht_status answer =
        take_answer(&children[i], changed.threads * copies, network, seconds, status == SHT_OK ? error : NULL);
    status = status == SHT_OK ? answer : status;
  }
  return status;
}
