// Questions that need many runs.
//
// Capacity: the largest sample that a training procedure fits. Nakkiran et al. 2019 call it the effective model
// complexity, on data as they are; on random labels it is the number of examples that the procedure shatters, as
// far as the labels drawn stand for all.
#ifndef SHATTER_STUDY_H
#define SHATTER_STUDY_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/config.h"
#include "shatter/error.h"
#include "shatter/lab.h"

enum { SHT_CAPACITY_PROBES_MAX = 64, SHT_CAPACITY_SEEDS_MAX = 32 };

typedef struct sht_capacity_options {
  uint64_t first;    // the size tried first; brought between the smallest and the largest
  uint64_t largest;  // the largest tried: there are no more examples
  double tolerance;  // the search ends when the smallest size not fitted is at most this share above the largest fitted
  uint32_t seeds;    // 1 .. SHT_CAPACITY_SEEDS_MAX: runs of each size, with seeds config.seed, + 1, ...
} sht_capacity_options;

// A size that was tried. Fitted: the mean over seeds of the final training accuracy is at least config.fitted_at; a run
// that diverges has fitted nothing.
typedef struct sht_capacity_probe {
  uint64_t examples;
  double train_accuracy;  // mean over seeds
  double epochs;          // mean over seeds of those that it took to be fitted; NaN when one was not
  bool fitted;
  uint32_t diverged;  // how many of the runs
} sht_capacity_probe;

typedef struct sht_capacity_result {
  uint64_t capacity;    // the largest size fitted; 0: not even the smallest
  uint64_t not_fitted;  // the smallest above it that was tried and not fitted; 0: there is none, all examples are
  uint64_t parameters;  // of the model
  sht_capacity_probe probes[SHT_CAPACITY_PROBES_MAX];  // [probe_count] in the order tried
  uint32_t probe_count;
} sht_capacity_result;

// Told of every run; any function may be NULL.
typedef struct sht_capacity_observer {
  void *context;
  void (*run_begins)(void *context, uint64_t examples, const sht_config *config);
  void (*run_done)(void *context, const sht_run *run);  // also of one that was stopped or failed
  const sht_observer *training;                         // of the run under way
} sht_capacity_observer;

// Trains in the store as configured, with other sizes of the training set, until the largest fitted size is known to
// the tolerance. Sizes double, or halve, from `first`, then close in between the two; the smallest is one batch. Runs
// that the store has are not repeated, so that a search that was stopped goes on where it was. Errors: SHT_CONFIG,
// SHT_STOPPED, those of training.
sht_status sht_capacity(sht_store *store, const sht_config *config, const sht_capacity_options *options,
                        const sht_capacity_observer *observer, sht_capacity_result *out, sht_error *error);

#endif
