// Telling about long work (shatter/work.h), for those who do it.
#ifndef SHT_BASE_WORK_H
#define SHT_BASE_WORK_H

#include <time.h>

#include "shatter/work.h"

// Tells how far a phase is; true when the work is to stop. On the calling thread alone.
static inline bool sht__work_tell(const sht_work *work, const char *phase, double done, double total) {
  if (work->progressed != NULL) {
    work->progressed(work->context, phase, done, total);
  }
  return work->stop_requested != NULL && work->stop_requested(work->context);
}

// Seconds of a clock that never goes back.
static inline double sht__work_clock(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
