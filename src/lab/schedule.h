// What the parts of the schedule share: processes that work on a run and tell of it through a pipe.
#ifndef SHT_LAB_SCHEDULE_H
#define SHT_LAB_SCHEDULE_H

#include <sys/types.h>

#include "shatter/schedule.h"

// What a child process tells. Smaller than PIPE_BUF: written and read whole.
typedef struct sht__told {
  enum { SHT__TOLD_PROGRESS, SHT__TOLD_TIMED, SHT__TOLD_ELSEWHERE, SHT__TOLD_ENDED } kind;
  uint32_t member;  // whose run it is about, of those that the child trains
  sht_status status;
  uint64_t epochs, steps;
  double loss, accuracy;
  double seconds;  // of a step, the median
  double mean_seconds;
  double share;    // of a core, that each thread got while it had work; 1 where the kernel does not tell
  double opening;  // seconds to open data, model and engine
  uint64_t parameters;
  uint32_t together;  // as sht_engine_info has it
  char text[1024];    // what went wrong; of TIMED: numerics; of ELSEWHERE: the run's folder
} sht__told;

typedef struct sht__child {
  pid_t pid;  // 0: none
  int pipe;   // read end
} sht__child;

// Seconds of a clock that never goes back.
double sht__schedule_clock(void);

// Forks; `work` runs in the child with the write end and must not return. inherited: descriptors [inherited_count] that
// the child closes.
sht_status sht__child_start(sht__child *child, void (*work)(void *context, int pipe), void *context,
                            const int *inherited, int inherited_count, sht_error *error);
// Reads one message; 1: got it, 0: none yet (never without `blocking`... see poll), -1: the child is gone.
int sht__child_read(const sht__child *child, sht__told *out);
// Waits for the child's end and forgets it; how it ended goes to `how` [size] when it did not end by itself.
void sht__child_end(sht__child *child, char *how, size_t size);
void sht__told_write(int pipe, const sht__told *told);

// In a child: trains the configurations in the store, several of them as a group of engines with a thread each, and
// tells of it; ends the process. `stop` is the read end of a pipe whose other end the parent closes (or loses with its
// life) to stop its children.
typedef struct sht__training_work {
  const sht_config *configs;  // [count]
  uint32_t count;
  const char *store;
  int stop;
  const sht_schedule_observer *observer;
} sht__training_work;
void sht__train_in_child(void *context, int pipe);

// Whether two runs can be members of one group: the same network, as many examples.
bool sht__schedule_together(const sht_schedule *schedule, uint64_t one, uint64_t other);
// How many of so many runs that wait for one network the next process takes: groups are as equal as can be.
uint32_t sht__network_group_size(const sht_schedule_network *network, uint64_t waiting);

// Marks the runs that are asked for (options' `only`) and counts them; the others become UNASKED unless they are DONE.
sht_status sht__schedule_ask(sht_schedule *schedule, const char *only, sht_error *error);

// Asks the network's engine for its numerics (and size, and how many can be together), and with threads > 0 times its
// steps: `copies` at once with `threads` each, for about a second. The slowest copy's median goes to *seconds; on a
// busy machine, less the time in which others had the cores (network->core_share). Of a network whose runs train
// together (network->together > 1), *seconds is a run's share of a step of a whole group.
sht_status sht__network_probe(sht_schedule_network *network, const sht_config *config, uint64_t threads,
                              uint64_t copies, double *seconds, sht_error *error);

#endif
