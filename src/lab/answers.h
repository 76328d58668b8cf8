// The runs of a store, found by what they ask (question.h) and not by their identity: what is written in their folders
// is enough, without the data or an engine, so that records serve on any machine.
#ifndef SHT_LAB_ANSWERS_H
#define SHT_LAB_ANSWERS_H

#include "shatter/experiment.h"

typedef struct sht__answers {
  sht_run *runs;          // [count] complete ones, newest first
  char (*questions)[65];  // [count] "" where a folder's files cannot be read
  uint64_t count;
} sht__answers;

// path: as sht_store_open_readable. Close also after an error.
sht_status sht__answers_open(const char *path, sht__answers *out, sht_error *error);
void sht__answers_close(sht__answers *answers);

// The run for each that the experiment plans, [experiment->run_count], freed with sht_free. Of several that ask the
// same the one in the planned precision, then fp32, before others; then on the planned device before others; then the
// newest. Where there is none, an empty run with the planned configuration. Errors: those of sht_model_read.
sht_status sht__answers_take(const sht__answers *answers, const sht_experiment *experiment, sht_run **out,
                             sht_error *error);

#endif
