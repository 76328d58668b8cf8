// The figures of an experiment: see experiment_report.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lab/experiment_report.h"

char *sht__view_name(const sht_experiment *experiment, uint64_t index, char *out, size_t size) {
  char other[SHT_LABEL_MAX];
  char plain[SHT_LABEL_MAX];
  (void)sht__file_name(experiment->views[index].name, plain, sizeof plain);
  bool taken = strcmp(plain, "index") == 0;
  for (uint64_t i = 0; i < index; i++) {
    taken = taken || strcmp(sht__file_name(experiment->views[i].name, other, sizeof other), plain) == 0;
  }
  if (taken) {
    (void)snprintf(out, size, "%s-%" PRIu64, plain, index + 1);
  } else {
    (void)snprintf(out, size, "%s", plain);
  }
  return out;
}

static void describe_variant(const sht_experiment *experiment, sht__variant *out) {
  bool scaled = experiment->scale_note[0] != '\0';
  bool changed = experiment->changed[0] != '\0';
  *out = (sht__variant){.note = ""};
  if (scaled) {
    (void)snprintf(out->note, sizeof out->note, "%s", experiment->scale_note);
    (void)snprintf(out->mark, sizeof out->mark, "scale %s", experiment->scale);
  }
  if (changed) {
    size_t note = strlen(out->note);
    size_t mark = strlen(out->mark);
    (void)snprintf(out->note + note, sizeof out->note - note, "%sChanged: %s.", scaled ? " " : "", experiment->changed);
    (void)snprintf(out->mark + mark, sizeof out->mark - mark, "%schanged: %s", scaled ? ", " : "", experiment->changed);
  }
}

void sht__view_title(const sht_experiment *experiment, uint64_t index, char what[SHT__PLOT_TEXT],
                     sht__variant *variant) {
  const sht_plan_view *view = &experiment->views[index];
  (void)snprintf(what, SHT__PLOT_TEXT, "%.120s: %.800s", view->name, view->title);
  describe_variant(experiment, variant);
}

// The quantities that share a part's axis: all fractions together, each other quantity alone.
static uint32_t part_of(const sht__quantity *quantities, uint32_t index) {
  uint32_t part = 0;
  bool fraction_seen = false;
  for (uint32_t i = 0; i <= index; i++) {
    if (i == index && quantities[i].fraction && fraction_seen) {
      uint32_t first = 0;
      while (!quantities[first].fraction) {
        first++;
      }
      return part_of(quantities, first);
    }
    part += i < index && !(quantities[i].fraction && fraction_seen);
    fraction_seen = fraction_seen || quantities[i].fraction;
  }
  return part;
}

static sht_status find_quantities(const sht_plan_view *view, sht__quantity out[SHT__SHEET_COLUMNS], sht_error *error) {
  for (uint32_t i = 0; i < view->y_count; i++) {
    if (!sht__quantity_find(view->y[i], &out[i])) {
      return SHT_FAIL(error, SHT_INTERNAL, "%s: no quantity \"%s\"", view->name, view->y[i]);
    }
  }
  return SHT_OK;
}

sht_status sht__view_parts(const sht_plan_view *view, uint32_t *count, sht_error *error) {
  sht__quantity all[SHT__SHEET_COLUMNS];
  SHT_TRY(find_quantities(view, all, error));
  *count = 0;
  for (uint32_t i = 0; i < view->y_count; i++) {
    uint32_t part = part_of(all, i);
    *count = part + 1 > *count ? part + 1 : *count;
  }
  return SHT_OK;
}

// What several quantities are called together: "accuracy" where all are one.
static sht__quantity joined(const sht__axis *axis) {
  static const char *const words[] = {"accuracy", "error"};
  sht__quantity out = {"share", "share", 100, 2, true};
  for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
    bool all = true;
    for (uint32_t i = 0; i < axis->count; i++) {
      all = all && strstr(axis->quantities[i].label, words[w]) != NULL;
    }
    if (all) {
      out.name = out.label = words[w];
    }
  }
  return axis->count == 1 ? axis->quantities[0] : out;
}

static sht_status make_axis(const sht_plan_view *view, uint32_t part, sht__axis *out, sht_error *error) {
  sht__quantity all[SHT__SHEET_COLUMNS];
  SHT_TRY(find_quantities(view, all, error));
  *out = (sht__axis){.count = 0};
  for (uint32_t i = 0; i < view->y_count; i++) {
    if (part_of(all, i) == part) {
      out->quantities[out->count++] = all[i];
    }
  }
  return SHT_OK;
}

void sht__axis_label(const sht__axis *axis, uint32_t index, const char *series, char *out, size_t size) {
  sht__quantity together = joined(axis);
  const char *label = axis->quantities[index].label;
  size_t length = strlen(label);
  size_t word = strlen(together.label);
  // "training accuracy" beside "test accuracy" on an axis of accuracies: "training".
  if (length > word + 1 && strcmp(label + length - word, together.label) == 0) {
    length -= word + 1;
  }
  if (axis->count == 1) {
    (void)snprintf(out, size, "%s", series);
  } else {
    (void)snprintf(out, size, "%s, %.*s", series, (int)length, label);
  }
}

// What bands, bars and hollow markers are; added to the caption. `left_out`: the page has values of the paper's that
// are not drawn, since a marker beside a point invites a comparison.
static void explain(sht__plot *plot, bool left_out) {
  double runs = sht__plot_runs(plot);
  bool paper = false;
  for (size_t i = 0; i < plot->series_count; i++) {
    paper = paper || plot->series[i].paper_count > 0;
  }
  if (runs > 1) {
    char spread[SHT__PLOT_NAME];
    (void)snprintf(spread, sizeof spread, "%s: \xc2\xb1 one standard deviation over the seeds (n = %.0f).",
                   plot->marked ? "Bars" : "Bands", runs);
    sht__plot_explain(plot, spread);
  }
  if (paper) {
    sht__plot_explain(plot, "Hollow markers: the paper's values.");
  }
  if (left_out) {
    sht__plot_explain(plot, "The paper's values are left out: its runs were others than these.");
  }
}

sht_status sht__view_plot(const sht__results *results, uint64_t index, uint32_t part, sht__plot *out,
                          sht_error *error) {
  const sht_plan_view *view = &results->experiment->views[index];
  bool sweep = view->kind == SHT_VIEW_SWEEP;
  sht__axis axis;
  *out = (sht__plot){.marked = sweep, .wide = !sweep, .level = NAN};
  SHT_TRY(make_axis(view, part, &axis, error));
  out->y = joined(&axis);
  out->quantities = axis.count;
  out->leader = axis.quantities[axis.count - 1].label;
  if (!sht__quantity_find(view->x, &out->x)) {
    return SHT_FAIL(error, SHT_INTERNAL, "%s: no quantity \"%s\"", view->name, view->x);
  }
  (void)snprintf(out->id, sizeof out->id, "view-%" PRIu64 "-%" PRIu32, index + 1, part + 1);
  (void)sht__view_name(results->experiment, index, out->name, sizeof out->name);
  if (part > 0) {
    size_t used = strlen(out->name);
    (void)snprintf(out->name + used, sizeof out->name - used, "-%s", out->y.name);
  }
  sht__view_title(results->experiment, index, out->what, &out->variant);
  SHT_TRY(sweep ? sht__view_sweep(results, view, &axis, out, error)
                : sht__view_curves(results, view, &axis, out, error));
  explain(out, view->paper_count > 0 && !results->experiment->comparable);
  if (sweep) {
    sht__sweep_find(out);
  } else {
    sht__curves_find(out);
  }
  return SHT_OK;
}
