// Training all runs of an experiment: what is in the store already, how long the rest takes, and then the rest, several
// at a time, each in a process of its own, or those of one network together in one (on a card, which one of them would
// not fill). Which of the two, and beside whom, decides no bit of a run's result.
//
// Opening a schedule trains nothing: it asks each distinct network what its engine computes with, so that runs are
// recognised by their identity, and times a few steps in the two ways of using the machine: one thread for each of as
// many runs as there are cores, or one run with all cores. The quicker one is chosen.
// Runs that begin first are those that take longest. One run's failure or divergence does not touch the others, those
// that train together with it included; a process that is killed takes the runs with it that it trains; a full disk
// ends all. Killed at any moment, a schedule that is opened again goes on where the runs' checkpoints are. The caller's
// process forks: it must have no other threads and no open store while a function of this header runs.
#ifndef SHATTER_SCHEDULE_H
#define SHATTER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/experiment.h"

typedef enum sht_slot_state {
  SHT_SLOT_WAITING,
  SHT_SLOT_RUNNING,
  SHT_SLOT_ELSEWHERE,  // another process trains it; its result is awaited
  SHT_SLOT_DONE,       // its result is in the store, also when it diverged
  SHT_SLOT_FAILED,     // no result: `problem` says why
  SHT_SLOT_UNASKED,    // not among those that the options' `only` names, and not in the store
} sht_slot_state;

#define SHT_CORE_SHARE_BUSY 0.75
enum {
  SHT_TOGETHER_MAX = 64,
  // Runs that train together unless the options say otherwise, or the engine has use for fewer. A small network alone
  // keeps a card waiting for its launches several times as long as it moves bytes; of 32, that is a few percent. More
  // would gain little, take the host's memory (each run has its data), and lose more where a process ends early.
  SHT_TOGETHER_DEFAULT = 32,
};

// A run of the plan on its way.
typedef struct sht_slot {
  sht_slot_state state;
  uint64_t same_as;      // the first run of the plan with this identity; its own index when that is itself
  bool asked;            // it, or one that it is the same as, is to have a result
  bool found;            // its result was in the store when the schedule was opened
  uint32_t network;      // index into networks
  uint64_t steps;        // to be done in all, at most
  uint64_t steps_found;  // of these in the store when the schedule was opened
  uint64_t steps_done;   // whole epochs that are saved, then as told by the run
  uint64_t epochs_done;
  double loss, accuracy;  // online, of the running epoch
  double seconds;         // estimate for the steps and evaluations that were left when the schedule was opened
  double began;           // seconds of the monotonic clock
  sht_run run;            // once DONE: as it is in the store; before: what is known
  char problem[1024];
} sht_slot;

// What runs can share without taking another time for a step.
typedef struct sht_schedule_network {
  // Of the configuration.
  char model[SHT_TEXT_MAX], data[SHT_TEXT_MAX], augment[SHT_TEXT_MAX], device[SHT_TEXT_MAX], precision[SHT_TEXT_MAX];
  double dropout;  // NaN: the model's own
  bool signs;      // labels signs: two outputs
  uint64_t batch;
  uint64_t parameters;
  char numerics[160];
  uint64_t runs;             // distinct ones still to be done
  double step_side_by_side;  // seconds of a training step with one thread, as many at once as there are cores; NaN: not
                             // measured
  double opening;            // seconds until the first step
  // Runs of it that one process trains together, at most: on a card, where one alone would leave it idle. 1: each has a
  // process of its own. More than 1: the two times of a step are a run's share of a step of all.
  uint32_t together;
  double step_alone;  // with all cores for one
  // While steps were timed, the least share of a core that a thread got, of what it would have had without other
  // programs: 1 on an idle machine; 0: not timed. Below SHT_CORE_SHARE_BUSY the steps, and all times made of them, are
  // those of an idle machine: processor time, not time by the clock.
  double core_share;
} sht_schedule_network;

typedef struct sht_schedule {
  const sht_experiment *experiment;  // borrowed
  char store[SHT_TEXT_MAX];          // its path
  sht_slot *slots;                   // [experiment->run_count], beside its runs
  sht_schedule_network *networks;    // [network_count]
  uint32_t network_count;
  uint64_t distinct, found, begun;  // distinct runs; of these in the store: complete, begun
  uint64_t asked, asked_found;      // distinct runs that are to have a result; of these complete in the store
  uint64_t jobs, threads;           // processes at once, threads for each
  bool leave;                       // as in the options
  bool jobs_measured;               // chosen by measurement
  double seconds;                   // estimated for what is left, at most; NaN: nothing is left or not known
  uint64_t disk_bytes, disk_free;   // needed for what is left; free where the store is
} sht_schedule;

typedef struct sht_schedule_options {
  const char *store;  // folder; NULL or "": as sht_store_open
  uint64_t jobs;      // processes at once; 0: chosen by measurement, 1 where runs train together
  uint64_t threads;   // of each run; 0: the cores divided by the jobs
  uint64_t together;  // runs that train together where a device can do that; 0: SHT_TOGETHER_DEFAULT, 1: none do
  bool leave;         // ends without awaiting runs that other processes train; their slots stay ELSEWHERE
  // Shell patterns with | between them: only runs whose series (in tables, or in a figure) or set is like one of them
  // are trained; NULL: all. The others stay UNASKED, or DONE when the store has them.
  const char *only;
  bool timed;  // false: no step is timed; then jobs 0 means 1 and seconds is NaN
} sht_schedule_options;

typedef struct sht_schedule_observer {
  void *context;
  // At most ten times a second.
  void (*progressed)(void *context, const sht_schedule *schedule);
  // After a run's state became DONE, FAILED or ELSEWHERE.
  void (*changed)(void *context, const sht_schedule *schedule, uint64_t index);
  // True saves all running runs and ends with SHT_STOPPED. Asked in this process and in those of the runs.
  bool (*stop_requested)(void *context);
} sht_schedule_observer;

// Plans. `experiment` is borrowed until close. Errors: those of opening a run's data, model and engine;
// SHT_USAGE when `only` names nothing.
sht_status sht_schedule_open(const sht_experiment *experiment, const sht_schedule_options *options, sht_schedule **out,
                             sht_error *error);
void sht_schedule_close(sht_schedule *schedule);  // NULL is allowed

// Trains what is left. SHT_OK also when runs failed or diverged: their slots say so. Errors: SHT_STOPPED (everything is
// saved), SHT_DISK (the same, as far as the disk let it), SHT_MEMORY.
sht_status sht_schedule_run(sht_schedule *schedule, const sht_schedule_observer *observer, sht_error *error);

// Seconds of work, as estimated when the schedule was opened, that have been done since and that there were in all: of
// runs that ended early what they did; nothing of those that failed or are left to others.
void sht_schedule_work(const sht_schedule *schedule, double *done, double *total);

#endif
