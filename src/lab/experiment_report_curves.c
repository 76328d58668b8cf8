// Figures of curves: the epochs of the runs of a series, averaged over the seeds: see experiment_report.h.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/experiment_report.h"
#include "lab/report_curve.h"

static bool belongs(const sht__results *results, const sht_plan_view *view, uint64_t run, const char *series) {
  return sht__view_has(results, view, run, series) && sht__result_is_there(results, run);
}

// The curve of each run of the series. curves: [the set's count].
static sht_status open_curves(const sht__results *results, const sht_plan_view *view, const sht__plot *plot,
                              const sht__quantity *y, const char *name, sht__run_curve *curves, size_t *count,
                              sht_error *error) {
  const sht_plan_set *set = &results->experiment->sets[view->set];
  *count = 0;
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    if (belongs(results, view, i, name)) {
      SHT_TRY(sht__run_curve_open(&plot->x, y, results->epochs[i], results->epoch_counts[i], &curves[*count], error));
      curves[*count].settled = results->runs[i].complete && results->runs[i].result.outcome != SHT_OUTCOME_DIVERGED;
      (*count)++;
    }
  }
  return SHT_OK;
}

static bool all_diverged(const sht__results *results, const sht_plan_view *view, const char *name) {
  const sht_plan_set *set = &results->experiment->sets[view->set];
  bool all = true;
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    all = all && (!belongs(results, view, i, name) || results->runs[i].result.outcome == SHT_OUTCOME_DIVERGED);
  }
  return all;
}

// What the paper gives for the whole curve stands at its end.
static sht_status add_paper(const sht_plan_view *view, const char *quantity, const char *name, sht__plot_series *series,
                            sht_error *error) {
  for (uint64_t i = 0; i < view->paper_count && series->count > 0; i++) {
    const sht_paper_value *value = &view->paper[i];
    if (strcmp(value->series, name) == 0 && strcmp(value->quantity, quantity) == 0) {
      SHT_TRY(sht__plot_paper_open(series, 1, error));
      series->paper_x[0] = isfinite(value->x) ? value->x : series->x[series->count - 1];
      series->paper_y[0] = value->value;
      break;
    }
  }
  return SHT_OK;
}

// The line of a series and a quantity. Lines of one series have one colour and different dashes.
static sht_status add_line(const sht__results *results, const sht_plan_view *view, const sht__axis *axis, uint32_t y,
                           const char *name, int style, sht__run_curve *curves, sht__plot *plot, sht_error *error) {
  size_t count = 0;
  uint64_t longest = 0;
  char label[SHT__LABEL_SIZE];
  sht__axis_label(axis, y, name, label, sizeof label);
  sht_status status = open_curves(results, view, plot, &axis->quantities[y], name, curves, &count, error);
  for (size_t c = 0; c < count; c++) {
    longest = curves[c].count > longest ? curves[c].count : longest;
  }
  if (status == SHT_OK) {
    status = sht__plot_series_open(plot, label, longest, error);
  }
  if (status == SHT_OK) {
    sht__plot_series *series = &plot->series[plot->series_count - 1];
    sht__run_curves_average(curves, count, plot, series);
    series->style = style;
    series->crossed = count > 0 && all_diverged(results, view, name);
    if (results->experiment->comparable) {
      status = add_paper(view, axis->quantities[y].name, name, series, error);
    }
  }
  for (size_t c = 0; c < count; c++) {
    sht__run_curve_close(&curves[c]);
  }
  return status;
}

static sht_status add_lines(const sht__results *results, const sht_plan_view *view, const sht__axis *axis,
                            const char **names, sht__run_curve *curves, sht__plot *plot, sht_error *error) {
  size_t count = sht__view_series(results->experiment, view, names);
  SHT_TRY(SHT_ALLOC(&plot->series, count * axis->count, "lines of a figure", error));
  for (size_t i = 0; i < count; i++) {
    for (uint32_t y = 0; y < axis->count; y++) {
      int style = (int)i + SHT_SVG_COLORS * (int)y;
      SHT_TRY(add_line(results, view, axis, y, names[i], style, curves, plot, error));
    }
  }
  return SHT_OK;
}

sht_status sht__view_curves(const sht__results *results, const sht_plan_view *view, const sht__axis *axis,
                            sht__plot *plot, sht_error *error) {
  uint64_t room = results->experiment->sets[view->set].count;
  const char **names = NULL;
  sht__run_curve *curves = NULL;
  SHT_TRY(SHT_ALLOC(&names, room, "names of a figure", error));
  sht_status status = SHT_ALLOC(&curves, room, "curves of a figure", error);
  if (status == SHT_OK) {
    status = add_lines(results, view, axis, names, curves, plot, error);
  }
  sht_free(names);
  sht_free(curves);
  return status;
}
