// Figures of sweeps: a point for the runs of a series at each x, averaged over the seeds: see experiment_report.h.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/experiment_report.h"
#include "lab/question.h"
#include "lab/report_moments.h"

// A place of the series along x, with what its runs say there.
typedef struct place {
  double x;
  sht__moments y;
  uint32_t trained;  // runs that have ended
} place;

static const double same = 1e-9;

// The place at x, in ascending order; made when there is none yet.
static place *find_place(place *places, size_t *count, double x) {
  size_t at = 0;
  while (at < *count && places[at].x < x - same) {
    at++;
  }
  if (at == *count || places[at].x > x + same) {
    memmove(&places[at + 1], &places[at], (*count - at) * sizeof *places);
    places[at] = (place){.x = x};
    (*count)++;
  }
  return &places[at];
}

static size_t collect(const sht__results *results, const sht_plan_view *view, const sht__plot *plot,
                      const sht__quantity *y, const char *name, place *places) {
  const sht_plan_set *set = &results->experiment->sets[view->set];
  size_t count = 0;
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    double x = sht__result_value(results, &plot->x, i);
    if (!sht__view_has(results, view, i, name) || !isfinite(x)) {
      continue;
    }
    place *p = find_place(places, &count, x);
    sht__moments_add(&p->y, sht__result_value(results, y, i));
    p->trained += sht__result_is_there(results, i) && results->runs[i].complete;
  }
  return count;
}

// Says which runs ended without a value, so that a gap is not taken for a run that is missing.
static void note_gaps(sht__plot *plot, const char *name, const place *places, size_t count) {
  uint32_t gaps = 0;
  for (size_t i = 0; i < count; i++) {
    gaps += places[i].trained > places[i].y.n ? places[i].trained - places[i].y.n : 0;
  }
  bool of_time = strcmp(plot->y.name, "relative_time") == 0 || strncmp(plot->y.name, "fitted", 6) == 0;
  if (gaps > 0) {
    char sentence[SHT__PLOT_NAME];
    (void)snprintf(sentence, sizeof sentence, "%.100s: %u run%s %s.", name, gaps, gaps == 1 ? "" : "s",
                   of_time ? "not fitted" : "without a value");
    sht__plot_explain(plot, sentence);
  }
}

// Says which runs were computed otherwise than planned.
static void note_means(const sht__results *results, const sht_plan_view *view, const char *name, sht__plot *plot) {
  const sht_plan_set *set = &results->experiment->sets[view->set];
  char means[SHT__MEANS_SIZE] = "";
  char last[SHT__MEANS_SIZE] = "";
  uint32_t count = 0;
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    bool there = sht__view_has(results, view, i, name) && sht__result_is_there(results, i);
    const sht_config *planned = &results->experiment->runs[i].config;
    if (there && sht__question_means(planned, &results->runs[i].config, means, sizeof means)[0] != '\0') {
      memcpy(last, means, sizeof last);
      count++;
    }
  }
  if (count > 0) {
    char sentence[SHT__PLOT_NAME];
    size_t used = strlen(plot->means);
    (void)snprintf(sentence, sizeof sentence, "%.100s: %u run%s %s.", name, count, count == 1 ? "" : "s", last);
    (void)snprintf(plot->means + used, sizeof plot->means - used, "%s%s", used > 0 ? " " : "", sentence);
    sht__plot_explain(plot, sentence);
  }
}

static sht_status add_paper(const sht_plan_view *view, const char *quantity, const char *name, sht__plot_series *series,
                            sht_error *error) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < view->paper_count; i++) {
    count += strcmp(view->paper[i].series, name) == 0 && strcmp(view->paper[i].quantity, quantity) == 0;
  }
  if (count == 0) {
    return SHT_OK;
  }
  SHT_TRY(sht__plot_paper_open(series, count, error));
  uint64_t next = 0;
  for (uint64_t i = 0; i < view->paper_count; i++) {
    const sht_paper_value *value = &view->paper[i];
    if (strcmp(value->series, name) == 0 && strcmp(value->quantity, quantity) == 0) {
      series->paper_x[next] = value->x;
      series->paper_y[next++] = value->value;
    }
  }
  return SHT_OK;
}

static sht_status add_line(const sht__results *results, const sht_plan_view *view, const sht__axis *axis, uint32_t y,
                           const char *name, int style, place *places, sht__plot *plot, sht_error *error) {
  char label[SHT__LABEL_SIZE];
  size_t count = collect(results, view, plot, &axis->quantities[y], name, places);
  sht__axis_label(axis, y, name, label, sizeof label);
  SHT_TRY(sht__plot_series_open(plot, label, count, error));
  sht__plot_series *series = &plot->series[plot->series_count - 1];
  series->style = style;
  for (size_t i = 0; i < count; i++) {
    series->x[i] = places[i].x;
    series->y[i] = sht__moments_mean(&places[i].y);
    series->spread[i] = sht__moments_deviation(&places[i].y);
    series->n[i] = places[i].y.n;
  }
  note_gaps(plot, label, places, count);
  note_means(results, view, name, plot);
  return results->experiment->comparable ? add_paper(view, axis->quantities[y].name, name, series, error) : SHT_OK;
}

static sht_status add_lines(const sht__results *results, const sht_plan_view *view, const sht__axis *axis,
                            const char **names, place *places, sht__plot *plot, sht_error *error) {
  size_t count = sht__view_series(results->experiment, view, names);
  SHT_TRY(SHT_ALLOC(&plot->series, count * axis->count, "lines of a figure", error));
  for (size_t i = 0; i < count; i++) {
    for (uint32_t y = 0; y < axis->count; y++) {
      int style = (int)i + SHT_SVG_COLORS * (int)y;
      SHT_TRY(add_line(results, view, axis, y, names[i], style, places, plot, error));
    }
  }
  return SHT_OK;
}

sht_status sht__view_sweep(const sht__results *results, const sht_plan_view *view, const sht__axis *axis,
                           sht__plot *plot, sht_error *error) {
  uint64_t room = results->experiment->sets[view->set].count;
  const char **names = NULL;
  place *places = NULL;
  SHT_TRY(SHT_ALLOC(&names, room, "names of a figure", error));
  // One more: a new place moves the others up before it is filled.
  sht_status status = SHT_ALLOC(&places, room + 1, "points of a figure", error);
  if (status == SHT_OK) {
    status = add_lines(results, view, axis, names, places, plot, error);
  }
  sht_free(names);
  sht_free(places);
  return status;
}
