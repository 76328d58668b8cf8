// A pool of threads that runs numbered tasks. Which thread runs which task varies; what a task computes must not depend
// on it. Waiting threads spin briefly, then block, so that an idle pool costs nothing.
#ifndef SHT_BASE_POOL_H
#define SHT_BASE_POOL_H

#include <stddef.h>

#include "shatter/error.h"

typedef struct sht_pool sht_pool;

// task: 0 .. tasks-1; worker: 0 .. threads-1, for scratch memory of one's own.
typedef void (*sht_task)(void *context, size_t task, int worker);

// threads: 0 means all cores that this process may use. The caller of sht_pool_run is worker 0.
sht_status sht_pool_open(int threads, sht_pool **out, sht_error *error);
void sht_pool_close(sht_pool *pool);         // NULL is allowed
int sht_pool_threads(const sht_pool *pool);  // NULL: 1

// Runs all tasks and returns when they are done. Not re-entrant. pool NULL: runs them here, in order.
void sht_pool_run(sht_pool *pool, size_t tasks, sht_task run, void *context);

// Runs `run` once on every worker (task = worker), for per-thread set-up.
void sht_pool_each(sht_pool *pool, sht_task run, void *context);

#endif
