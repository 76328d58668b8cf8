// The tables of an experiment: see experiment_report.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/experiment_report.h"
#include "lab/question.h"
#include "lab/report_moments.h"

// The runs of a row, counted by how far they are.
typedef struct progress {
  uint64_t planned, begun, complete, diverged, fitted;
  uint32_t epochs;  // of one that goes on
  uint64_t planned_epochs;
  char means[SHT__MEANS_SIZE];  // "in bf16": how they were computed otherwise than planned
} progress;

// Of several seeds the last that was computed otherwise than planned speaks for all.
static void take_means(const sht_config *planned, const sht_config *run, char out[SHT__MEANS_SIZE]) {
  char means[SHT__MEANS_SIZE];
  if (sht__question_means(planned, run, means, sizeof means)[0] != '\0') {
    memcpy(out, means, sizeof means);
  }
}

static progress count_row(const sht__results *results, const sht_plan_view *view, const char *name) {
  const sht_plan_set *set = &results->experiment->sets[view->set];
  progress row = {0};
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    const sht_run *run = &results->runs[i];
    if (!sht__view_has(results, view, i, name)) {
      continue;
    }
    row.planned++;
    row.planned_epochs = results->experiment->runs[i].config.epochs;
    if (!sht__result_is_there(results, i)) {
      continue;
    }
    row.begun++;
    take_means(&results->experiment->runs[i].config, &run->config, row.means);
    row.complete += run->complete;
    row.diverged += run->result.outcome == SHT_OUTCOME_DIVERGED;
    row.fitted += run->complete && run->result.fitted_epoch > 0;
    row.epochs = run->complete ? row.epochs : run->result.epochs;
  }
  return row;
}

static void set_remark(const progress *p, bool of_papers_size, sht__sheet_row *row) {
  row->complete = (uint32_t)p->complete;
  row->fitted = (uint32_t)p->fitted;
  row->comparable = of_papers_size && p->complete > 0 && p->complete == p->begun;
  if (p->begun == 0) {
    (void)snprintf(row->remark, sizeof row->remark, "not measured yet");
  } else if (p->complete == 0) {
    (void)snprintf(row->remark, sizeof row->remark, "unfinished: %" PRIu32 " of %" PRIu64 " epochs", p->epochs,
                   p->planned_epochs);
  } else if (p->complete < p->planned) {
    (void)snprintf(row->remark, sizeof row->remark, "%" PRIu64 " of %" PRIu64 " seeds so far", p->complete, p->planned);
  } else if (p->diverged > 0) {
    (void)snprintf(row->remark, sizeof row->remark, p->planned == 1 ? "diverged" : "%" PRIu64 " diverged", p->diverged);
  } else if (p->fitted < p->complete) {
    (void)snprintf(row->remark, sizeof row->remark, p->planned == 1 ? "not fitted" : "%" PRIu64 " not fitted",
                   p->complete - p->fitted);
  }
  if (p->means[0] != '\0') {
    size_t used = strlen(row->remark);
    (void)snprintf(row->remark + used, sizeof row->remark - used, "%s%s", used > 0 ? ", " : "", p->means);
  }
}

static double paper_value(const sht_plan_view *view, const char *series, const char *quantity) {
  for (uint64_t i = 0; i < view->paper_count; i++) {
    if (strcmp(view->paper[i].series, series) == 0 && strcmp(view->paper[i].quantity, quantity) == 0) {
      return view->paper[i].value;
    }
  }
  return NAN;
}

static bool has_column(const sht_plan_view *view, const char *quantity) {
  bool some = false;
  for (uint32_t i = 0; i < view->y_count; i++) {
    some = some || strcmp(view->y[i], quantity) == 0;
  }
  return some;
}

// The mean of the best test accuracies, beside that of the last ones.
static double best_of(const sht__results *results, const sht_plan_view *view, const char *name) {
  const sht_plan_set *set = &results->experiment->sets[view->set];
  sht__moments best = {0};
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    if (sht__view_has(results, view, i, name) && sht__result_is_there(results, i) && results->runs[i].complete) {
      sht__moments_add(&best, results->runs[i].result.best_test_accuracy);
    }
  }
  return sht__moments_mean(&best);
}

static void fill_cell(const sht__results *results, const sht_plan_view *view, const char *name,
                      const sht__quantity *quantity, sht__cell *cell) {
  const sht_plan_set *set = &results->experiment->sets[view->set];
  sht__moments values = {0};
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    if (sht__view_has(results, view, i, name)) {
      sht__moments_add(&values, sht__result_value(results, quantity, i));
    }
  }
  cell->value = sht__moments_mean(&values);
  cell->spread = sht__moments_deviation(&values);
  cell->n = values.n;
  cell->paper = paper_value(view, name, quantity->name);
  // In brackets, unless it has a column of its own.
  bool beside = strcmp(quantity->name, "test_accuracy") == 0 && !has_column(view, "best_test_accuracy");
  cell->best = beside ? best_of(results, view, name) : NAN;
}

// What the runs of a row have in common, but for their seeds.
static sht_status describe_row(const sht__results *results, const sht_plan_view *view, const char *name,
                               sht__sheet_row *row, sht_error *error) {
  const sht_plan_set *set = &results->experiment->sets[view->set];
  uint64_t i = set->first;
  while (!sht__view_has(results, view, i, name)) {
    i++;
  }
  const sht_run planned = {.config = results->experiment->runs[i].config};
  sht__report_run named = {.run = &planned};
  sht__report_name(&named);
  row->kind = named.kind;
  return sht__command_text(&planned.config, row->command, sizeof row->command, error);
}

static sht_status fill_sheet(const sht__results *results, const sht_plan_view *view, const char *const *names,
                             size_t count, sht__sheet *sheet, sht_error *error) {
  SHT_TRY(sht__sheet_open(sheet, count, error));
  for (size_t r = 0; r < count; r++) {
    progress p = count_row(results, view, names[r]);
    (void)snprintf(sheet->rows[r].label, sizeof sheet->rows[r].label, "%s", names[r]);
    set_remark(&p, results->experiment->comparable, &sheet->rows[r]);
    SHT_TRY(describe_row(results, view, names[r], &sheet->rows[r], error));
    for (size_t c = 0; c < sheet->column_count; c++) {
      fill_cell(results, view, names[r], &sheet->columns[c], sht__sheet_cell(sheet, r, c));
    }
  }
  sht__sheet_finish(sheet);
  sht__sheet_find(sheet);
  return SHT_OK;
}

sht_status sht__view_sheet(const sht__results *results, uint64_t index, sht__sheet *out, sht_error *error) {
  const sht_plan_view *view = &results->experiment->views[index];
  const char **names = NULL;
  *out = (sht__sheet){.column_count = view->y_count};
  (void)snprintf(out->id, sizeof out->id, "view-%" PRIu64, index + 1);
  (void)sht__view_name(results->experiment, index, out->name, sizeof out->name);
  sht__view_title(results->experiment, index, out->what, &out->variant);
  for (size_t c = 0; c < out->column_count; c++) {
    if (!sht__quantity_find(view->y[c], &out->columns[c])) {
      return SHT_FAIL(error, SHT_INTERNAL, "%s: no quantity \"%s\"", view->name, view->y[c]);
    }
  }
  SHT_TRY(SHT_ALLOC(&names, results->experiment->sets[view->set].count, "rows of a table", error));
  size_t count = sht__view_series(results->experiment, view, names);
  sht_status status = fill_sheet(results, view, names, count, out, error);
  sht_free(names);
  return status;
}
