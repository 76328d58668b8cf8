// How long a step of a whole group takes: members of one network on the same data, each in a thread of its own.
#ifndef SHT_ENGINE_GROUP_TIME_H
#define SHT_ENGINE_GROUP_TIME_H

#include "shatter/engine.h"

typedef struct sht__group_trial {
  const sht_graph *graph;
  const sht_pipeline *train;
  sht_engine_options options;  // of each member, but for the group
  uint32_t members;
  double seconds;  // for which steps are timed
} sht__group_trial;

// The mean time of a step of all, after some to warm up: *seconds. Errors: those of opening and training an engine.
sht_status sht__group_time(const sht__group_trial *trial, double *seconds, sht_error *error);

#endif
