// The plan's runs and what came of them: see experiment_report.h.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/experiment_report.h"

sht_status sht__results_open(const sht_experiment *experiment, const sht_run *runs, sht__results *out,
                             sht_error *error) {
  *out = (sht__results){.experiment = experiment, .runs = runs};
  SHT_TRY(SHT_ALLOC(&out->epochs, experiment->run_count, "curves of the experiment", error));
  SHT_TRY(SHT_ALLOC(&out->epoch_counts, experiment->run_count, "curves of the experiment", error));
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    if (!sht__result_is_there(out, i)) {
      continue;
    }
    // A curve that cannot be read is missing; the run's results stand.
    sht_status status = sht_run_epochs(&runs[i], &out->epochs[i], &out->epoch_counts[i], error);
    if (status == SHT_MEMORY) {
      return status;
    }
    out->trained++;
    out->complete += runs[i].complete;
  }
  return SHT_OK;
}

void sht__results_close(sht__results *results) {
  for (uint64_t i = 0; results->epochs != NULL && i < results->experiment->run_count; i++) {
    sht_free(results->epochs[i]);
  }
  sht_free(results->epochs);
  sht_free(results->epoch_counts);
  *results = (sht__results){0};
}

bool sht__result_is_there(const sht__results *results, uint64_t index) {
  return results->runs[index].id[0] != '\0' && !results->runs[index].damaged;
}

static const sht_run *find_base(const sht__results *results, uint64_t index) {
  for (uint64_t i = 0; i < results->experiment->run_count; i++) {
    if (sht__result_is_there(results, i) && sht__run_is_base(&results->runs[i], &results->runs[index])) {
      return &results->runs[i];
    }
  }
  return NULL;
}

double sht__result_value(const sht__results *results, const sht__quantity *quantity, uint64_t index) {
  const sht_run *run = &results->runs[index];
  bool relative = strcmp(quantity->name, "relative_time") == 0;
  bool there = sht__result_is_there(results, index);
  // What never changes again is known before the run ends.
  bool settled = relative || strncmp(quantity->name, "fitted", 6) == 0 || !sht__quantity_is_result(quantity);
  if (there && !run->complete && !settled) {
    return NAN;
  }
  sht_run planned = {0};
  if (!there) {
    planned.config = results->experiment->runs[index].config;
    run = &planned;
  }
  return sht__quantity_of_run(quantity, run, relative && there ? find_base(results, index) : NULL);
}

size_t sht__set_series(const sht_experiment *experiment, uint32_t set, const char **names) {
  const sht_plan_set *s = &experiment->sets[set];
  size_t count = 0;
  for (uint64_t i = s->first; i < s->first + s->count; i++) {
    size_t known = 0;
    while (known < count && strcmp(names[known], experiment->runs[i].series) != 0) {
      known++;
    }
    if (known == count) {
      names[count++] = experiment->runs[i].series;
    }
  }
  return count;
}
