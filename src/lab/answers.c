// Finding an experiment's runs in a store: see answers.h.
#include "lab/answers.h"

#include <string.h>

#include "base/memory.h"
#include "lab/question.h"

// Leaves out runs that have no result.
static void keep_complete(sht__answers *answers) {
  uint64_t kept = 0;
  for (uint64_t i = 0; i < answers->count; i++) {
    if (answers->runs[i].complete && !answers->runs[i].damaged) {
      answers->runs[kept++] = answers->runs[i];
    }
  }
  answers->count = kept;
}

sht_status sht__answers_open(const char *path, sht__answers *out, sht_error *error) {
  sht_store *store = NULL;
  *out = (sht__answers){.count = 0};
  SHT_TRY(sht_store_open_readable(path, &store, error));
  sht_status status = sht_store_list(store, &out->runs, &out->count, error);
  sht_store_close(store);
  SHT_TRY(status);
  keep_complete(out);
  SHT_TRY(SHT_ALLOC(&out->questions, out->count, "the store's runs", error));
  for (uint64_t i = 0; i < out->count; i++) {
    if (sht__question_of_run(&out->runs[i], out->questions[i], NULL) != SHT_OK) {
      out->questions[i][0] = '\0';
    }
  }
  return SHT_OK;
}

void sht__answers_close(sht__answers *answers) {
  sht_free(answers->runs);
  sht_free(answers->questions);
}

// How near a run's arithmetic is to what was planned.
static int rank(const sht_config *planned, const sht_config *run) {
  bool as_planned = strcmp(run->precision, planned->precision) == 0;
  int precision = as_planned ? 2 : strcmp(run->precision, "fp32") == 0;
  return 2 * precision + (strcmp(run->device, planned->device) == 0);
}

// NULL: there is none.
static const sht_run *find_best(const sht__answers *answers, const sht_config *planned, const char *question) {
  const sht_run *best = NULL;
  for (uint64_t i = 0; i < answers->count; i++) {
    const sht_run *run = &answers->runs[i];
    if (strcmp(answers->questions[i], question) == 0 &&
        (best == NULL || rank(planned, &run->config) > rank(planned, &best->config))) {
      best = run;
    }
  }
  return best;
}

sht_status sht__answers_take(const sht__answers *answers, const sht_experiment *experiment, sht_run **out,
                             sht_error *error) {
  SHT_TRY(SHT_ALLOC(out, experiment->run_count, "runs of the experiment", error));
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    const sht_config *planned = &experiment->runs[i].config;
    char question[65];
    SHT_TRY(sht__question_of_plan(planned, question, error));
    const sht_run *best = find_best(answers, planned, question);
    if (best != NULL) {
      (*out)[i] = *best;
    } else {
      (*out)[i].config = *planned;
    }
  }
  return SHT_OK;
}
