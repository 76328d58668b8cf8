// Sorts the runs of a report into groups of one model and one data set: see report.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "lab/report.h"
#include "shatter/data.h"

bool sht__report_same_model(const sht_run *a, const sht_run *b) {
  return strcmp(sht_run_model(a), sht_run_model(b)) == 0 && strcmp(a->model_id, b->model_id) == 0;
}

// A run that cannot be read belongs to none.
static bool same_group(const sht_run *a, const sht_run *b) {
  return !a->damaged && !b->damaged && sht__report_same_model(a, b) && strcmp(a->config.data, b->config.data) == 0 &&
         sht_labels_are_signs(a->config.labels) == sht_labels_are_signs(b->config.labels);
}

char *sht__report_group_name(const sht__report_group *group, char *out, size_t size) {
  (void)snprintf(out, size, "%s on %s%s", group->model, group->data, group->signs ? " with random signs" : "");
  return out;
}

static bool comes_before(const sht__report_run *a, const sht__report_run *b) {
  return a->kind < b->kind || (a->kind == b->kind && a->noise < b->noise);
}

// Adds the runs of the group that `leader` belongs to, in the order in which they are shown.
static size_t add_group(const sht_run *runs, uint64_t count, uint64_t leader, sht__report_run *out) {
  size_t members = 0;
  for (uint64_t i = leader; i < count; i++) {
    if (!same_group(&runs[leader], &runs[i])) {
      continue;
    }
    sht__report_run run = {.run = &runs[i]};
    sht__report_name(&run);
    size_t at = members++;
    for (; at > 0 && comes_before(&run, &out[at - 1]); at--) {
      out[at] = out[at - 1];
    }
    out[at] = run;
  }
  return members;
}

// The classes of a known data set ("shapes:1000,200" is `shapes`), and of signs on any.
static uint32_t classes_of(const sht_config *config) {
  char name[64];
  (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(config->data, ":"), config->data);
  const sht_known_data *known = sht_known_data_find(name);
  const sht_randomization how = {.labels = sht_labels_are_signs(config->labels) ? SHT_LABELS_SIGNS : SHT_LABELS_TRUE};
  return sht_randomization_classes(&how, known == NULL ? 0 : known->classes);
}

// Finished runs say most, then those that got furthest.
static bool says_more(const sht_run *a, const sht_run *b) {
  bool a_fitted = a->result.fitted_epoch > 0;
  bool b_fitted = b->result.fitted_epoch > 0;
  if (a_fitted != b_fitted) {
    return a_fitted;
  }
  return a->complete != b->complete ? a->complete : a->result.steps > b->result.steps;
}

// The randomised run to speak of first: random labels if there are any; of several, the one that says most.
static void choose_random(sht__report_group *group) {
  for (size_t i = 0; i < group->run_count; i++) {
    const sht__report_run *run = &group->runs[i];
    const sht__report_run *best = group->random;
    if (run->kind == SHT__KIND_TRUE) {
      continue;
    }
    if (best == NULL || (run->kind == best->kind && run->noise == best->noise && says_more(run->run, best->run))) {
      group->random = run;
    }
  }
}

// The run on true data whose settings are nearest to those of the randomised one.
static void choose_base(sht__report_group *group) {
  size_t least = SIZE_MAX;
  for (size_t i = 0; i < group->run_count; i++) {
    const sht__report_run *run = &group->runs[i];
    if (run->kind != SHT__KIND_TRUE) {
      continue;
    }
    size_t differences = group->random == NULL ? 0 : sht__report_differences(run->run, group->random->run);
    if (group->base == NULL || differences < least || (differences == least && says_more(run->run, group->base->run))) {
      group->base = run;
      least = differences;
    }
  }
}

static sht_status read_epochs(sht__report_run *run, sht__report_seed *seed, sht_error *error) {
  sht_error fault = {0};
  sht_status status = sht_run_epochs(seed->run, &seed->epochs, &seed->epoch_count, &fault);
  if (status == SHT_MEMORY) {
    return SHT_FAIL(error, status, "%s", fault.message);
  }
  if (status != SHT_OK && seed->run->result.epochs > 0) {
    (void)snprintf(run->problem, sizeof run->problem, "%.500s", fault.message);
  }
  return SHT_OK;
}

static sht_status read_row(sht__report_run *run, sht__report_seed *seeds, sht_error *error) {
  for (size_t i = 0; i < run->seed_count; i++) {
    SHT_TRY(read_epochs(run, &seeds[i], error));
  }
  run->epochs = seeds[0].epochs;
  run->epoch_count = seeds[0].epoch_count;
  return SHT_OK;
}

static sht_status read_rows(sht__report *report, sht_error *error) {
  sht__report_seed *seeds = report->seeds;
  for (size_t i = 0; i < report->run_count; i++) {
    SHT_TRY(read_row(&report->runs[i], seeds, error));
    seeds += report->runs[i].seed_count;
  }
  return SHT_OK;
}

static bool leads_group(const sht_run *runs, uint64_t index) {
  if (runs[index].damaged) {
    return false;
  }
  for (uint64_t i = 0; i < index; i++) {
    if (same_group(&runs[i], &runs[index])) {
      return false;
    }
  }
  return true;
}

static sht_status open_group(const sht_run *runs, uint64_t count, uint64_t leader, sht__report *out, sht_error *error) {
  sht__report_run *first = &out->runs[out->run_count];
  size_t members = add_group(runs, count, leader, first);
  const size_t seeds = members;
  sht_status status = sht__seeds_join(first, &members, &out->seeds[out->seed_count], error);
  out->seed_count += seeds;
  out->run_count += members;
  SHT_TRY(status);
  sht__report_label(first, members);
  sht__report_group *group = &out->groups[out->group_count++];
  *group = (sht__report_group){.model = sht_run_model(&runs[leader]),
                               .data = runs[leader].config.data,
                               .signs = sht_labels_are_signs(runs[leader].config.labels),
                               .classes = classes_of(&runs[leader].config),
                               .runs = first,
                               .run_count = members};
  choose_random(group);
  choose_base(group);
  return SHT_OK;
}

static int by_data_and_model(const void *a, const void *b) {
  const sht__report_group *left = a;
  const sht__report_group *right = b;
  int order = strcmp(left->data, right->data);
  order = order != 0 ? order : strcmp(left->model, right->model);
  return order != 0 ? order : left->signs - right->signs;
}

sht_status sht__report_open(const sht_run *runs, uint64_t count, bool with_epochs, sht__report *out, sht_error *error) {
  *out = (sht__report){0};
  SHT_TRY(SHT_ALLOC(&out->runs, count, "runs of the report", error));
  SHT_TRY(SHT_ALLOC(&out->seeds, count, "runs of the report", error));
  SHT_TRY(SHT_ALLOC(&out->groups, count, "groups of the report", error));
  for (uint64_t i = 0; i < count; i++) {
    if (leads_group(runs, i)) {
      SHT_TRY(open_group(runs, count, i, out, error));
    }
  }
  if (out->group_count > 0) {
    qsort(out->groups, out->group_count, sizeof *out->groups, by_data_and_model);
  }
  return with_epochs ? read_rows(out, error) : SHT_OK;
}

void sht__report_close(sht__report *report) {
  for (size_t i = 0; i < report->seed_count; i++) {
    sht_free(report->seeds[i].epochs);
  }
  for (size_t i = 0; i < report->run_count; i++) {
    sht_free(report->runs[i].mean);
  }
  sht_free(report->seeds);
  sht_free(report->runs);
  sht_free(report->groups);
  *report = (sht__report){0};
}
