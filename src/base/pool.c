// A pool of threads: see pool.h.
//
// One job at a time. `generation` announces a job; workers take tasks from `next` and count finished ones in `done`.
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"

enum { SPINS = 20000, THREADS_MAX = 1024 };

typedef struct worker {
  sht_pool *pool;
  int number;
  pthread_t thread;
} worker;

struct sht_pool {
  int threads;
  int started;      // threads that were created, beyond the caller
  int spins;        // looks at a flag before blocking
  worker *workers;  // [threads - 1]
  sht_task run;     // the job
  void *context;
  size_t tasks;
  bool each;           // every worker runs exactly the task of its own number
  atomic_size_t next;  // first task that nobody has taken
  atomic_int busy;     // workers that have not left the job
  atomic_uint generation;
  bool closing;
  pthread_mutex_t mutex;
  pthread_cond_t wake;  // a job was announced
  pthread_cond_t idle;  // the last worker left the job
};

static void take_tasks(sht_pool *pool, int number) {
  if (pool->each) {
    pool->run(pool->context, (size_t)number, number);
    return;
  }
  for (;;) {
    size_t task = atomic_fetch_add(&pool->next, 1);
    if (task >= pool->tasks) {
      return;
    }
    pool->run(pool->context, task, number);
  }
}

static void pause_briefly(void) { __builtin_ia32_pause(); }

static void wait_for_job(sht_pool *pool, unsigned seen) {
  for (int i = 0; i < pool->spins; i++) {
    if (atomic_load(&pool->generation) != seen) {
      return;
    }
    pause_briefly();
  }
  pthread_mutex_lock(&pool->mutex);
  while (atomic_load(&pool->generation) == seen) {
    pthread_cond_wait(&pool->wake, &pool->mutex);
  }
  pthread_mutex_unlock(&pool->mutex);
}

static void leave_job(sht_pool *pool) {
  if (atomic_fetch_sub(&pool->busy, 1) == 1) {
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_signal(&pool->idle);
    pthread_mutex_unlock(&pool->mutex);
  }
}

static void *work(void *argument) {
  worker *self = argument;
  sht_pool *pool = self->pool;
  unsigned seen = 0;
  for (;;) {
    wait_for_job(pool, seen);
    seen++;
    if (pool->closing) {
      return NULL;
    }
    take_tasks(pool, self->number);
    leave_job(pool);
  }
}

static void announce(sht_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->generation, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

static void wait_for_workers(sht_pool *pool) {
  for (int i = 0; i < pool->spins; i++) {
    if (atomic_load(&pool->busy) == 0) {
      break;
    }
    pause_briefly();
  }
  // The lock is taken even after a successful spin: the last worker still holds it to signal.
  pthread_mutex_lock(&pool->mutex);
  while (atomic_load(&pool->busy) != 0) {
    pthread_cond_wait(&pool->idle, &pool->mutex);
  }
  pthread_mutex_unlock(&pool->mutex);
}

static void run_job(sht_pool *pool, size_t tasks, bool each, sht_task run, void *context) {
  pool->run = run;
  pool->context = context;
  pool->tasks = tasks;
  pool->each = each;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->busy, pool->started);
  announce(pool);
  take_tasks(pool, 0);
  wait_for_workers(pool);
}

void sht_pool_run(sht_pool *pool, size_t tasks, sht_task run, void *context) {
  if (pool != NULL && pool->started > 0 && tasks > 1) {
    run_job(pool, tasks, false, run, context);
    return;
  }
  for (size_t task = 0; task < tasks; task++) {
    run(context, task, 0);
  }
}

void sht_pool_each(sht_pool *pool, sht_task run, void *context) {
  run_job(pool, (size_t)pool->threads, true, run, context);
}

static int count_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    return CPU_COUNT(&set);
  }
  return 1;
}

static bool start_workers(sht_pool *pool) {
  for (int i = 0; i < pool->threads - 1; i++) {
    pool->workers[i] = (worker){.pool = pool, .number = i + 1};
    if (pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i]) != 0) {
      return false;
    }
    pool->started++;
  }
  return true;
}

sht_status sht_pool_open(int threads, sht_pool **out, sht_error *error) {
  *out = NULL;
  threads = threads == 0 ? count_cores() : threads;
  if (threads < 1 || threads > THREADS_MAX) {
    return SHT_FAIL(error, SHT_CONFIG, "%d threads: expected 1 to %d, or 0 for all cores", threads, THREADS_MAX);
  }
  sht_pool *pool = NULL;
  SHT_TRY(SHT_ALLOC(&pool, 1, "thread pool", error));
  pool->threads = threads;
  // With more threads than cores, whoever spins keeps the core from whom it waits for.
  pool->spins = threads > count_cores() ? 0 : SPINS;
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->idle, NULL);
  sht_status status = SHT_ALLOC(&pool->workers, threads, "thread pool", error);
  if (status == SHT_OK && !start_workers(pool)) {
    status = SHT_FAIL(error, SHT_MEMORY, "thread %d of %d cannot be started; use fewer --threads", pool->started + 2,
                      threads);
  }
  if (status != SHT_OK) {
    sht_pool_close(pool);
    return status;
  }
  *out = pool;
  return SHT_OK;
}

void sht_pool_close(sht_pool *pool) {
  if (pool == NULL) {
    return;
  }
  pool->closing = true;
  announce(pool);
  for (int i = 0; i < pool->started; i++) {
    pthread_join(pool->workers[i].thread, NULL);
  }
  pthread_cond_destroy(&pool->idle);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  sht_free(pool->workers);
  sht_free(pool);
}

int sht_pool_threads(const sht_pool *pool) { return pool == NULL ? 1 : pool->threads; }
