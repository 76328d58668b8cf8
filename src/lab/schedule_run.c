// Working through a schedule: starts runs, longest first, hears of them, and brings in their results. See
// shatter/schedule.h.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "lab/lock.h"
#include "lab/schedule.h"

enum { JOBS_MAX = 1024, POLL_MILLISECONDS = 100 };
static const double retry_seconds = 1;  // between two looks at a run that another process trains

// A child at work, and the runs that it trains.
typedef struct errand {
  sht__child child;
  uint32_t count;
  struct {
    uint64_t index;
    bool told;  // its end
  } runs[SHT_TOGETHER_MAX];
} errand;

typedef struct workshop {
  sht_schedule *schedule;
  const sht_schedule_observer *observer;
  uint64_t *order;     // [run_count] longest first
  errand *jobs;        // [jobs_room]
  uint64_t job_count;  // at work
  int stop[2];         // [1] -1 once closed: the children stop
  sht_status ended;    // other than SHT_OK: no more runs are started
  char reason[1024];
  double told, retried;
} workshop;

static void tell_change(const workshop *shop, uint64_t index) {
  if (shop->observer->changed != NULL) {
    shop->observer->changed(shop->observer->context, shop->schedule, index);
  }
}

static void stop_children(workshop *shop, sht_status why, const char *reason) {
  if (shop->ended == SHT_OK) {
    shop->ended = why;
    (void)snprintf(shop->reason, sizeof shop->reason, "%.*s", (int)sizeof shop->reason - 1, reason);
  }
  if (shop->stop[1] >= 0) {
    (void)close(shop->stop[1]);
    shop->stop[1] = -1;
  }
}

// Longest first: what is long and begins late is waited for in the end.
static int by_seconds(const void *a, const void *b, void *context) {
  const sht_slot *slots = context;
  const uint64_t left = *(const uint64_t *)a;
  const uint64_t right = *(const uint64_t *)b;
  if (slots[left].seconds != slots[right].seconds) {
    return slots[left].seconds < slots[right].seconds ? 1 : -1;
  }
  return (left > right) - (left < right);
}

static bool is_waiting(const sht_schedule *schedule, uint64_t index) {
  return schedule->slots[index].state == SHT_SLOT_WAITING && schedule->slots[index].same_as == index;
}

// Waiting runs that the one at `place` of the order can be trained with, itself the first; as many of these as there
// are go to *waiting, and those that train with it now to `job`.
static void gather(const workshop *shop, uint64_t place, errand *job) {
  const sht_schedule *schedule = shop->schedule;
  const uint64_t first = shop->order[place];
  uint64_t waiting = 0;
  for (uint64_t i = place; i < schedule->experiment->run_count; i++) {
    waiting += is_waiting(schedule, shop->order[i]) && sht__schedule_together(schedule, first, shop->order[i]);
  }
  const uint32_t size = sht__network_group_size(&schedule->networks[schedule->slots[first].network], waiting);
  for (uint64_t i = place; job->count < size; i++) {
    if (is_waiting(schedule, shop->order[i]) && sht__schedule_together(schedule, first, shop->order[i])) {
      job->runs[job->count++].index = shop->order[i];
    }
  }
}

static sht_status start_child(workshop *shop, errand *job, const sht__training_work *work, sht_error *error) {
  int inherited[JOBS_MAX + 1];
  int count = 0;
  inherited[count++] = shop->stop[1];
  for (uint64_t i = 0; i < shop->job_count; i++) {
    inherited[count++] = shop->jobs[i].child.pipe;
  }
  return sht__child_start(&job->child, sht__train_in_child, (void *)work, inherited, count, error);
}

// Starts the run at `place` of the order, with those that train together with it.
static sht_status start(workshop *shop, uint64_t place, sht_error *error) {
  sht_schedule *schedule = shop->schedule;
  errand *job = &shop->jobs[shop->job_count];
  sht_config *configs = NULL;
  *job = (errand){.count = 0};
  gather(shop, place, job);
  SHT_TRY(SHT_ALLOC(&configs, job->count, "runs to be started", error));
  for (uint32_t i = 0; i < job->count; i++) {
    configs[i] = schedule->experiment->runs[job->runs[i].index].config;
    configs[i].threads = schedule->threads / job->count > 0 ? schedule->threads / job->count : 1;
  }
  const sht__training_work work = {.configs = configs,
                                   .count = job->count,
                                   .store = schedule->store,
                                   .stop = shop->stop[0],
                                   .observer = shop->observer};
  sht_status status = start_child(shop, job, &work, error);
  sht_free(configs);
  SHT_TRY(status);
  shop->job_count++;
  for (uint32_t i = 0; i < job->count; i++) {
    schedule->slots[job->runs[i].index].state = SHT_SLOT_RUNNING;
    schedule->slots[job->runs[i].index].began = sht__schedule_clock();
  }
  return SHT_OK;
}

static sht_status start_more(workshop *shop, sht_error *error) {
  sht_schedule *schedule = shop->schedule;
  for (uint64_t i = 0; i < schedule->experiment->run_count && shop->job_count < schedule->jobs; i++) {
    if (is_waiting(schedule, shop->order[i])) {
      SHT_TRY(start(shop, i, error));
    }
  }
  return SHT_OK;
}

static void fail(workshop *shop, uint64_t index, const char *problem) {
  sht_slot *slot = &shop->schedule->slots[index];
  slot->state = SHT_SLOT_FAILED;
  (void)snprintf(slot->problem, sizeof slot->problem, "%.*s", (int)sizeof slot->problem - 1, problem);
  tell_change(shop, index);
}

static void take_progress(sht_slot *slot, const sht__told *told) {
  slot->epochs_done = told->epochs;
  slot->steps_done = told->steps;
  slot->loss = told->loss;
  slot->accuracy = told->accuracy;
}

// A run has ended: its result is in its folder.
static void finish(workshop *shop, uint64_t index) {
  sht_slot *slot = &shop->schedule->slots[index];
  char id[65];
  sht_store *store = NULL;
  sht_error error = {.message = ""};
  memcpy(id, slot->run.id, sizeof id);
  sht_status status = sht_store_open(shop->schedule->store, &store, &error);
  if (status == SHT_OK) {
    status = sht_store_find(store, id, &slot->run, &error);
  }
  sht_store_close(store);
  if (status != SHT_OK || !slot->run.complete || slot->run.damaged) {
    memcpy(slot->run.id, id, sizeof id);
    fail(shop, index, status != SHT_OK ? error.message : slot->run.damaged ? slot->run.problem : "it has no result");
    return;
  }
  slot->state = SHT_SLOT_DONE;
  slot->steps_done = slot->run.result.steps;
  slot->epochs_done = slot->run.result.epochs;
  tell_change(shop, index);
}

static void take_end(workshop *shop, uint64_t index, const sht__told *told) {
  sht_slot *slot = &shop->schedule->slots[index];
  if (told->kind == SHT__TOLD_ELSEWHERE) {
    slot->state = SHT_SLOT_ELSEWHERE;
    (void)snprintf(slot->run.folder, sizeof slot->run.folder, "%.*s", (int)sizeof slot->run.folder - 1, told->text);
    tell_change(shop, index);
  } else if (told->status == SHT_OK) {
    finish(shop, index);
  } else if (told->status == SHT_STOPPED) {
    slot->state = SHT_SLOT_WAITING;
  } else if (told->status == SHT_DISK) {
    slot->state = SHT_SLOT_WAITING;
    stop_children(shop, SHT_DISK, told->text);
  } else {
    fail(shop, index, told->text);
  }
}

// Takes what a child has to say; true when it is gone.
static bool hear(workshop *shop, errand *job) {
  sht__told told;
  if (sht__child_read(&job->child, &told) == 1) {
    const uint64_t index = job->runs[told.member].index;
    if (told.kind == SHT__TOLD_PROGRESS) {
      take_progress(&shop->schedule->slots[index], &told);
    } else {
      job->runs[told.member].told = true;
      take_end(shop, index, &told);
    }
    return false;
  }
  char how[128];
  sht__child_end(&job->child, how, sizeof how);
  for (uint32_t i = 0; i < job->count; i++) {
    if (!job->runs[i].told) {
      fail(shop, job->runs[i].index, how);
    }
  }
  return true;
}

static void hear_all(workshop *shop) {
  struct pollfd pipes[JOBS_MAX];
  for (uint64_t i = 0; i < shop->job_count; i++) {
    pipes[i] = (struct pollfd){.fd = shop->jobs[i].child.pipe, .events = POLLIN};
  }
  if (poll(pipes, shop->job_count, POLL_MILLISECONDS) <= 0) {
    return;
  }
  for (uint64_t i = shop->job_count; i > 0; i--) {
    if (pipes[i - 1].revents != 0 && hear(shop, &shop->jobs[i - 1])) {
      shop->jobs[i - 1] = shop->jobs[--shop->job_count];
    }
  }
}

// Gives a run its turn when the process that had it is gone.
static void look_again(workshop *shop, uint64_t index) {
  sht_slot *slot = &shop->schedule->slots[index];
  sht_error error = {.message = ""};
  bool is_free = false;
  if (sht__lock_ask(slot->run.folder, &is_free, &error) != SHT_OK) {
    fail(shop, index, error.message);
  } else if (is_free) {
    slot->state = SHT_SLOT_WAITING;
  }
}

// Runs that another process trained and left, finished or not, get their turn. Returns how many are still there.
static uint64_t look_elsewhere(workshop *shop) {
  uint64_t there = 0;
  bool due = sht__schedule_clock() - shop->retried >= retry_seconds;
  for (uint64_t i = 0; i < shop->schedule->experiment->run_count; i++) {
    sht_slot *slot = &shop->schedule->slots[i];
    if (slot->state != SHT_SLOT_ELSEWHERE || slot->same_as != i) {
      continue;
    }
    there++;
    if (due) {
      look_again(shop, i);
    }
  }
  if (due) {
    shop->retried = sht__schedule_clock();
  }
  return there;
}

static void tell_progress(workshop *shop) {
  double now = sht__schedule_clock();
  if (shop->observer->progressed != NULL && now - shop->told >= 1e-3 * POLL_MILLISECONDS) {
    shop->told = now;
    shop->observer->progressed(shop->observer->context, shop->schedule);
  }
}

static bool any_is_waiting(const sht_schedule *schedule) {
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    if (is_waiting(schedule, i)) {
      return true;
    }
  }
  return false;
}

static void check_stop(workshop *shop) {
  const sht_schedule_observer *observer = shop->observer;
  if (shop->ended == SHT_OK && observer->stop_requested != NULL && observer->stop_requested(observer->context)) {
    stop_children(shop, SHT_STOPPED, "stopped on request");
  }
}

static sht_status work(workshop *shop, sht_error *error) {
  sht_status status = SHT_OK;
  for (;;) {
    check_stop(shop);
    uint64_t elsewhere = look_elsewhere(shop);
    if (shop->ended == SHT_OK && status == SHT_OK) {
      status = start_more(shop, error);
      if (status != SHT_OK) {
        stop_children(shop, status, "");
      }
    }
    bool awaited = elsewhere > 0 && !shop->schedule->leave;
    bool more = shop->ended == SHT_OK && (awaited || any_is_waiting(shop->schedule));
    if (shop->job_count == 0 && !more) {
      break;
    }
    hear_all(shop);
    tell_progress(shop);
  }
  SHT_TRY(status);
  return shop->ended == SHT_OK ? SHT_OK : SHT_FAIL(error, shop->ended, "%s", shop->reason);
}

// Runs of the plan that are the same run have the same result.
static void share_results(sht_schedule *schedule) {
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    uint64_t first = schedule->slots[i].same_as;
    if (first != i) {
      schedule->slots[i] = schedule->slots[first];
    }
  }
}

static sht_status open_shop(workshop *shop, sht_error *error) {
  sht_schedule *schedule = shop->schedule;
  uint64_t count = schedule->experiment->run_count;
  schedule->jobs = schedule->jobs > JOBS_MAX ? JOBS_MAX : schedule->jobs;
  SHT_TRY(SHT_ALLOC(&shop->order, count, "the order of the runs", error));
  SHT_TRY(SHT_ALLOC(&shop->jobs, schedule->jobs, "the runs at work", error));
  for (uint64_t i = 0; i < count; i++) {
    shop->order[i] = i;
  }
  qsort_r(shop->order, count, sizeof *shop->order, by_seconds, schedule->slots);
  if (pipe(shop->stop) != 0) {
    return SHT_FAIL(error, SHT_MEMORY, "no pipe to stop runs with: %s", strerror(errno));
  }
  return SHT_OK;
}

sht_status sht_schedule_run(sht_schedule *schedule, const sht_schedule_observer *observer, sht_error *error) {
  static const sht_schedule_observer nobody = {0};
  workshop shop = {.schedule = schedule, .observer = observer == NULL ? &nobody : observer, .stop = {-1, -1}};
  sht_status status = open_shop(&shop, error);
  if (status == SHT_OK) {
    status = work(&shop, error);
  }
  for (int i = 0; i < 2; i++) {
    if (shop.stop[i] >= 0) {
      (void)close(shop.stop[i]);
    }
  }
  share_results(schedule);
  sht_free(shop.order);
  sht_free(shop.jobs);
  return status;
}
