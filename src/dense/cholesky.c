// Blocked Cholesky factorisation: see cholesky.h.
#include "dense/cholesky.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "base/work.h"
#include "dense/spread_cholesky.h"
#include "dense/tile_ops.h"

// GROUP: tiles of a column that a task makes together where their common right factor takes preparing; their sums and
// both factors lie in a cache of 2 MB.
enum { SPINS = 200, GROUP = 4 };

// What the tasks of one factorisation share.
typedef struct job {
  const sht__tiles *tiles;
  const sht__cholesky_options *options;
  const sht__block_kernels *kernels;
  const sht_work *work;
  uint32_t *rooms;        // [threads][room_words]
  uint64_t room_words;    // sht__product_words
  bool parts;             // see sht__product
  uint64_t group;         // tiles of a task
  uint64_t first;         // column of the first task
  atomic_uchar *done;     // [tiles] 1: final
  float *smallest;        // [N] of each diagonal tile
  atomic_bool stop;       // on request, or because a pivot failed
  atomic_ullong updates;  // tile products done
  double total;           // tile products of the whole factorisation
  bool failed;
  uint64_t failed_row;
} job;

// Tile products that column j takes, its solves counted as one each.
static double column_cost(const job *work, uint64_t j) {
  const uint64_t lead = work->options->lead;
  return j < lead ? 0 : (double)(work->tiles->count - j) * (double)(j - lead + 1);
}

double sht__cholesky_flops(uint64_t n) { return (double)n * (double)n * (double)n / 3; }

// Waits until tile (i, j) is final; false when the work has been stopped. Whoever makes that tile has a smaller number
// and was therefore started before: waiting cannot go in a circle.
static bool await(job *work, uint64_t i, uint64_t j) {
  atomic_uchar *done = &work->done[sht__tile_index(work->tiles, i, j)];
  for (int spins = 0; atomic_load_explicit(done, memory_order_acquire) == 0; spins++) {
    if (atomic_load_explicit(&work->stop, memory_order_relaxed)) {
      return false;
    }
    if (spins >= SPINS) {
      (void)sched_yield();
    }
  }
  return !atomic_load_explicit(&work->stop, memory_order_relaxed);
}

static void tell(job *work) {
  if (sht__work_tell(work->work, "factorisation", (double)atomic_load(&work->updates), work->total)) {
    atomic_store(&work->stop, true);
  }
}

static bool finish_diagonal(job *work, uint64_t j, float *tile) {
  int bad = sht__tile_factor(work->kernels, tile, work->options->diagonal + j * SHT_TILE, work->options->floor,
                             &work->smallest[j]);
  if (bad < SHT_TILE) {
    work->failed = true;
    work->failed_row = j * SHT_TILE + (uint64_t)bad;
    atomic_store(&work->stop, true);
    return false;
  }
  return true;
}

// Tiles (i, j) .. (i + count - 1, j).
typedef struct task_tiles {
  uint64_t i, j, count;
} task_tiles;

// Their updates, column by column; false when stopped on the way.
static bool update_tiles(job *work, const task_tiles *t, sht__product *product) {
  for (uint64_t k = work->options->lead; k < t->j; k++) {
    if (!await(work, t->j, k)) {
      return false;
    }
    sht__product_begin(product, sht__tile_at(work->tiles, t->j, k));
    for (uint64_t i = t->i; i < t->i + t->count; i++) {
      if (!await(work, i, k)) {
        return false;
      }
      const bool last = i + 1 == t->i + t->count;
      const float *next = sht__tile_at(work->tiles, last ? t->i : i + 1, last ? k + 1 : k);
      sht__product_subtract(product, sht__tile_at(work->tiles, i, t->j), sht__tile_at(work->tiles, i, k), i == t->j,
                            next);
    }
  }
  return true;
}

// The factor of an updated tile (j, j), or the solution with it.
static bool finish_tile(job *work, uint64_t i, uint64_t j) {
  float *tile = sht__tile_at(work->tiles, i, j);
  if (i == j) {
    return finish_diagonal(work, j, tile);
  }
  if (!await(work, j, j)) {
    return false;
  }
  sht__tile_solve(work->kernels, tile, sht__tile_at(work->tiles, j, j));
  return true;
}

static uint64_t tasks_of_column(const job *work, uint64_t j) {
  return (work->tiles->count - j + work->group - 1) / work->group;
}

// The tiles of a task, counted from column `first` on, column by column.
static task_tiles locate(const job *work, uint64_t task) {
  task_tiles t = {.j = work->first};
  for (; task >= tasks_of_column(work, t.j); t.j++) {
    task -= tasks_of_column(work, t.j);
  }
  t.i = t.j + task * work->group;
  t.count = work->tiles->count - t.i < work->group ? work->tiles->count - t.i : work->group;
  return t;
}

static void run_task(void *context, size_t task, int worker) {
  job *work = context;
  if (atomic_load_explicit(&work->stop, memory_order_relaxed)) {
    return;
  }
  const task_tiles t = locate(work, task);
  sht__product product = {
      .kernels = work->kernels, .parts = work->parts, .room = work->rooms + (size_t)worker * work->room_words};
  if (!update_tiles(work, &t, &product)) {
    return;
  }
  for (uint64_t i = t.i; i < t.i + t.count && finish_tile(work, i, t.j); i++) {
    atomic_store_explicit(&work->done[sht__tile_index(work->tiles, i, t.j)], 1, memory_order_release);
    (void)atomic_fetch_add(&work->updates, t.j - work->options->lead + 1);
  }
  if (worker == 0) {
    tell(work);
  }
}

// The first column from `first` on that is not whole.
static uint64_t whole_columns(const job *work, uint64_t first) {
  for (uint64_t j = first; j < work->tiles->count; j++) {
    for (uint64_t i = j; i < work->tiles->count; i++) {
      if (atomic_load(&work->done[sht__tile_index(work->tiles, i, j)]) == 0) {
        return j;
      }
    }
  }
  return work->tiles->count;
}

// The column to stop before, so that a batch takes about batch_seconds at `rate` tile products a second.
static uint64_t batch_end(const job *work, uint64_t first, double rate) {
  double budget = rate * work->options->batch_seconds;
  uint64_t last = first;
  do {
    budget -= column_cost(work, last);
    last++;
  } while (last < work->tiles->count && (work->options->batch_seconds <= 0 || budget > 0));
  return last;
}

static void mark_given_columns(job *work) {
  for (uint64_t t = 0; t < sht__tile_index(work->tiles, work->first, work->first); t++) {
    atomic_store_explicit(&work->done[t], 1, memory_order_relaxed);
  }
  for (uint64_t j = 0; j < work->tiles->count; j++) {
    work->smallest[j] = j < work->first ? work->options->smallest : 1;
    work->total += column_cost(work, j);
    atomic_fetch_add(&work->updates, j < work->first ? (unsigned long long)column_cost(work, j) : 0);
  }
}

// The smallest pivot of the columns before `last`; 1: none.
static float smallest_before(const job *work, uint64_t last) {
  float smallest = 1;
  for (uint64_t j = 0; j < last; j++) {
    smallest = work->smallest[j] < smallest ? work->smallest[j] : smallest;
  }
  return smallest;
}

static sht_status factor_columns(job *work, sht_pool *pool, sht__cholesky_result *result, sht_error *error) {
  const uint64_t count = work->tiles->count;
  double rate = 1000;  // tile products a second, until measured
  while (work->first < count && !atomic_load(&work->stop)) {
    uint64_t last = batch_end(work, work->first, rate);
    size_t tasks = 0;
    for (uint64_t j = work->first; j < last; j++) {
      tasks += (size_t)tasks_of_column(work, j);
    }
    double start = sht__work_clock(), before = (double)atomic_load(&work->updates);
    sht_pool_run(pool, tasks, run_task, work);
    rate = ((double)atomic_load(&work->updates) - before) / (sht__work_clock() - start + 1e-9);
    uint64_t whole = whole_columns(work, work->first);
    result->columns = whole;
    if (work->options->saved != NULL && whole > work->first && !work->failed) {
      SHT_TRY(work->options->saved(work->options->context, work->first, whole, smallest_before(work, whole), error));
    }
    work->first = whole;
  }
  return SHT_OK;
}

static sht_status finish(const job *work, sht__cholesky_result *result, sht_error *error) {
  result->complete = result->columns == work->tiles->count;
  result->failed_row = work->failed_row;
  result->smallest_pivot = smallest_before(work, work->tiles->count);
  if (!result->complete && !work->failed) {
    return SHT_FAIL(error, SHT_STOPPED, "the factorisation was stopped after %llu of %llu columns of tiles",
                    (unsigned long long)result->columns, (unsigned long long)work->tiles->count);
  }
  return SHT_OK;
}

uint64_t sht__cholesky_bytes(int threads) {
  return (uint64_t)threads * sht__product_words(sht__block_choose()) * sizeof(uint32_t);
}

static sht_status open_job(job *work, const sht_pool *pool, sht_error *error) {
  const uint64_t count = work->tiles->count;
  work->parts = sht__product_has_parts(work->kernels, work->options->diagonal, count * SHT_TILE);
  work->group = work->parts ? GROUP : 1;
  work->room_words = sht__product_words(work->kernels);
  SHT_TRY(SHT_ALLOC(&work->done, count * (count + 1) / 2, "marks of tiles", error));
  SHT_TRY(SHT_ALLOC(&work->smallest, count, "smallest pivots", error));
  return SHT_ALLOC(&work->rooms, (uint64_t)sht_pool_threads(pool) * work->room_words, "parts of tiles", error);
}

sht_status sht__cholesky_factor(sht__tiles *tiles, const sht__cholesky_options *options, sht_pool *pool,
                                const sht_work *work, sht__cholesky_result *result, sht_error *error) {
  if (tiles->grid != NULL) {
    return sht__spread_factor(tiles, options, pool, work, result, error);
  }
  job shared = {
      .tiles = tiles, .options = options, .kernels = sht__block_choose(), .work = work, .first = options->first};
  *result = (sht__cholesky_result){.columns = options->first};
  sht_status status = open_job(&shared, pool, error);
  if (status == SHT_OK) {
    mark_given_columns(&shared);
    status = factor_columns(&shared, pool, result, error);
  }
  if (status == SHT_OK) {
    status = finish(&shared, result, error);
  }
  sht_free(shared.rooms);
  sht_free(shared.smallest);
  sht_free(shared.done);
  return status;
}
