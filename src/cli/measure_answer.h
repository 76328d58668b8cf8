// What `shatter measure` has found out, as a table and as JSON.
#ifndef SHT_CLI_MEASURE_ANSWER_H
#define SHT_CLI_MEASURE_ANSWER_H

#include "cli/cli.h"
#include "shatter/lab.h"
#include "shatter/measure.h"

enum { SHT_MEASURE_RUNS_MAX = 8 };

typedef struct sht_measure_answer {
  sht_run runs[SHT_MEASURE_RUNS_MAX];
  sht_measures measures[SHT_MEASURE_RUNS_MAX];
  int count;
  sht_run against;  // that the first run is compared with, when `compared`
  bool compared;
  sht_measure_difference difference;
} sht_measure_answer;

// People's text on standard output, or with --json the object. Errors: SHT_MEMORY.
sht_status sht__measure_answer(sht_cli *cli, const sht_measure_answer *answer, sht_error *error);

#endif
