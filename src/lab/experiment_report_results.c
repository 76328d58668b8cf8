// The plan's runs and what came of them: see experiment_report.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "lab/experiment_report.h"

// A run of the plan with what tells it from others.
typedef struct named_run {
  char *name;  // its identity; before it has one, what that is hashed from. Owned
  uint64_t index;
} named_run;

static int by_name(const void *a, const void *b) {
  return strcmp(((const named_run *)a)->name, ((const named_run *)b)->name);
}

static sht_status name_run(const sht__results *results, uint64_t index, named_run *out, sht_error *error) {
  const char *id = results->runs[index].id;
  out->index = index;
  if (id[0] == '\0') {
    return sht_config_write(&results->experiment->runs[index].config, true, &out->name, error);
  }
  size_t bytes = strlen(id) + 1;
  SHT_TRY(SHT_ALLOC(&out->name, bytes, "a run's identity", error));
  memcpy(out->name, id, bytes);
  return SHT_OK;
}

static void count_named(sht__results *results, named_run *named) {
  uint64_t count = results->experiment->run_count;
  qsort(named, count, sizeof *named, by_name);
  for (uint64_t i = 0; i < count; i++) {
    if (i == 0 || by_name(&named[i], &named[i - 1]) != 0) {
      bool there = sht__result_is_there(results, named[i].index);
      results->planned++;
      results->trained += there;
      results->complete += there && results->runs[named[i].index].complete;
    }
  }
}

static sht_status count_distinct(sht__results *results, sht_error *error) {
  named_run *named = NULL;
  uint64_t count = results->experiment->run_count;
  SHT_TRY(SHT_ALLOC(&named, count, "the runs of the plan", error));
  sht_status status = SHT_OK;
  for (uint64_t i = 0; i < count && status == SHT_OK; i++) {
    status = name_run(results, i, &named[i], error);
  }
  if (status == SHT_OK) {
    count_named(results, named);
  }
  for (uint64_t i = 0; i < count; i++) {
    sht_free(named[i].name);
  }
  sht_free(named);
  return status;
}

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
  }
  return count_distinct(out, error);
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

bool sht__view_has(const sht__results *results, const sht_plan_view *view, uint64_t run, const char *name) {
  return strcmp(view->series[run - results->experiment->sets[view->set].first], name) == 0;
}

size_t sht__view_series(const sht_experiment *experiment, const sht_plan_view *view, const char **names) {
  size_t count = 0;
  for (uint64_t i = 0; i < experiment->sets[view->set].count; i++) {
    size_t known = 0;
    while (known < count && strcmp(names[known], view->series[i]) != 0) {
      known++;
    }
    if (known == count) {
      names[count++] = view->series[i];
    }
  }
  return count;
}
