// Processes that work for a schedule: see schedule.h.
#include "base/memory.h"
#include "lab/schedule.h"
#include "lab/work.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(sht__told) <= 4096, "a message is to fit into PIPE_BUF");

double sht__schedule_clock(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

sht_status sht__child_start(sht__child *child, void (*work)(void *context, int pipe), void *context,
                            const int *inherited, int inherited_count, sht_error *error) {
  int ends[2];
  if (pipe(ends) != 0) {
    return SHT_FAIL(error, SHT_MEMORY, "no pipe for another run: %s; use fewer --jobs", strerror(errno));
  }
  pid_t pid = fork();
  if (pid == 0) {
    (void)close(ends[0]);
    for (int i = 0; i < inherited_count; i++) {
      (void)close(inherited[i]);
    }
    // The terminal's Ctrl-C reaches the whole group; the parent alone answers it. A write beyond a limit is to fail
    // with a sentence.
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    work(context, ends[1]);
    _exit(0);
  }
  (void)close(ends[1]);
  if (pid < 0) {
    (void)close(ends[0]);
    return SHT_FAIL(error, SHT_MEMORY, "no process for another run: %s; use fewer --jobs", strerror(errno));
  }
  *child = (sht__child){.pid = pid, .pipe = ends[0]};
  return SHT_OK;
}

int sht__child_read(const sht__child *child, sht__told *out) {
  ssize_t got = 0;
  do {
    got = read(child->pipe, out, sizeof *out);
  } while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof *out ? 1 : -1;
}

void sht__child_end(sht__child *child, char *how, size_t size) {
  int status = 0;
  (void)close(child->pipe);
  while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    (void)snprintf(how, size, "its process was killed by signal %d (%s)%s", WTERMSIG(status),
                   strsignal(WTERMSIG(status)), WTERMSIG(status) == SIGKILL ? "; was there enough memory?" : "");
  } else {
    (void)snprintf(how, size, "its process ended without a word, with exit code %d", WEXITSTATUS(status));
  }
  *child = (sht__child){0};
}

void sht__told_write(int pipe, const sht__told *told) {
  while (write(pipe, told, sizeof *told) < 0 && errno == EINTR) {
  }
}

// A run in a child: what its observer and its thread need.
typedef struct telling {
  const sht__training_work *work;
  sht_engine_group *group;  // NULL: it is the only run
  uint32_t member;
  pthread_t thread;
  bool begun;  // it has that thread
  int pipe;
  uint64_t steps_per_epoch;
  double told;  // when the last message went out
} telling;

static void on_started(void *context, const sht_graph *graph, const sht_dataset *data, uint64_t steps_per_epoch,
                       const sht_engine_info *engine, uint32_t resumed_epochs) {
  (void)graph;
  (void)data;
  (void)engine;
  telling *self = context;
  self->steps_per_epoch = steps_per_epoch;
  sht__told told = {.kind = SHT__TOLD_PROGRESS,
                    .member = self->member,
                    .epochs = resumed_epochs,
                    .steps = resumed_epochs * steps_per_epoch};
  sht__told_write(self->pipe, &told);
}

static void on_progressed(void *context, uint32_t epoch, uint64_t step_in_epoch, double loss, double accuracy,
                          double images_per_second) {
  (void)images_per_second;
  telling *self = context;
  double now = sht__schedule_clock();
  if (now - self->told < 0.2) {
    return;
  }
  self->told = now;
  sht__told told = {.kind = SHT__TOLD_PROGRESS,
                    .member = self->member,
                    .epochs = epoch - 1,
                    .steps = (epoch - 1) * self->steps_per_epoch + step_in_epoch,
                    .loss = loss,
                    .accuracy = accuracy};
  sht__told_write(self->pipe, &told);
}

static bool on_stop_requested(void *context) {
  const telling *self = context;
  const sht_schedule_observer *observer = self->work->observer;
  struct pollfd stop = {.fd = self->work->stop, .events = POLLIN};
  // Nothing is ever written: readable means that the other end is closed.
  return poll(&stop, 1, 0) != 0 || (observer->stop_requested != NULL && observer->stop_requested(observer->context));
}

// One run from its data to its result, and the word on how it ended.
static void train_one(telling *self) {
  const sht__training_work *work = self->work;
  sht_observer observer = {
      .context = self, .started = on_started, .progressed = on_progressed, .stop_requested = on_stop_requested};
  sht_store *store = NULL;
  sht_error error = {.message = ""};
  sht_run run = {.folder = ""};
  sht_status status = sht_store_open(work->store, &store, &error);
  if (status == SHT_OK) {
    status = sht__lab_train_in(self->group, store, &work->configs[self->member], &observer, &run, &error);
  }
  sht_store_close(store);
  sht__told told = {.kind = SHT__TOLD_ENDED, .member = self->member, .status = status};
  // With a folder, the engine is there: what is not available is the run's lock.
  if (status == SHT_UNAVAILABLE && run.folder[0] != '\0') {
    told.kind = SHT__TOLD_ELSEWHERE;
  }
  (void)snprintf(told.text, sizeof told.text, "%.*s", (int)sizeof told.text - 1,
                 told.kind == SHT__TOLD_ELSEWHERE ? run.folder : error.message);
  sht__told_write(self->pipe, &told);
}

static void *train_member(void *context) {
  telling *self = context;
  train_one(self);
  sht_engine_group_leave(self->group);
  return NULL;
}

// Without a thread of its own a run cannot be trained; the others do without it.
static void refuse_member(telling *self, int fault) {
  sht__told told = {.kind = SHT__TOLD_ENDED, .member = self->member, .status = SHT_MEMORY};
  (void)snprintf(told.text, sizeof told.text, "no thread for another run: %s; use a smaller --together",
                 strerror(fault));
  sht_engine_group_leave(self->group);
  sht__told_write(self->pipe, &told);
}

static void train_group(telling *members, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const int fault = pthread_create(&members[i].thread, NULL, train_member, &members[i]);
    members[i].begun = fault == 0;
    if (fault != 0) {
      refuse_member(&members[i], fault);
    }
  }
  for (uint32_t i = 0; i < count; i++) {
    if (members[i].begun) {
      (void)pthread_join(members[i].thread, NULL);
    }
  }
}

// What keeps all from beginning is each one's failure.
static void fail_members(const sht__training_work *work, int pipe, sht_status status, const sht_error *error) {
  for (uint32_t i = 0; i < work->count; i++) {
    sht__told told = {.kind = SHT__TOLD_ENDED, .member = i, .status = status};
    (void)snprintf(told.text, sizeof told.text, "%.*s", (int)sizeof told.text - 1, error->message);
    sht__told_write(pipe, &told);
  }
}

static sht_status train_together(const sht__training_work *work, int pipe, sht_error *error) {
  telling *members = NULL;
  sht_engine_group *group = NULL;
  SHT_TRY(SHT_ALLOC(&members, work->count, "runs", error));
  sht_status status = sht_engine_group_open(work->count, &group, error);
  for (uint32_t i = 0; i < work->count; i++) {
    members[i] = (telling){.work = work, .group = group, .member = i, .pipe = pipe};
  }
  if (status == SHT_OK) {
    train_group(members, work->count);
  }
  sht_engine_group_close(group);
  sht_free(members);
  return status;
}

void sht__train_in_child(void *context, int pipe) {
  const sht__training_work *work = context;
  sht_error error = {.message = ""};
  if (work->count == 1) {
    train_one(&(telling){.work = work, .pipe = pipe});
  } else {
    sht_status status = train_together(work, pipe, &error);
    if (status != SHT_OK) {
      fail_members(work, pipe, status, &error);
    }
  }
  _exit(0);
}
