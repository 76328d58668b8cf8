// Draws a figure's numbers: see report_plot.h.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/report_plot.h"

static const struct {
  double width, height, font;
} sizes[] = {
    [SHT__PLOT_WIDE] = {1000, 400, 15},
    [SHT__PLOT_HALF] = {490, 350, 14},
    [SHT__PLOT_NARROW] = {360, 290, 13},
    [SHT__PLOT_FILE] = {640, 400, 14},
};

// The scaled numbers of a figure, in one block.
typedef struct drawing {
  double *values;
  sht_svg_line lines[SHT_SVG_LINES_MAX];
  size_t count;
} drawing;

static double largest(const sht__plot *plot, bool of_x) {
  double most = 0;
  for (size_t i = 0; i < plot->series_count; i++) {
    const sht__plot_series *s = &plot->series[i];
    for (uint64_t p = 0; p < s->count; p++) {
      double spread = of_x || !isfinite(s->spread[p]) ? 0 : s->spread[p];
      double value = of_x ? s->x[p] : s->y[p] + spread;
      most = isfinite(value) && isfinite(s->y[p]) ? fmax(most, value) : most;
    }
    for (uint64_t p = 0; p < s->paper_count; p++) {
      most = fmax(most, of_x ? s->paper_x[p] : s->paper_y[p]);
    }
  }
  return most;
}

// Where a line begins, of those that did not diverge.
static double largest_start(const sht__plot *plot) {
  double start = 0;
  for (size_t i = 0; i < plot->series_count; i++) {
    const sht__plot_series *s = &plot->series[i];
    start = s->count > 0 && isfinite(s->y[0]) && !s->crossed ? fmax(start, s->y[0]) : start;
  }
  return start;
}

// Losses: all points, but not far above where the lines begin, so that one that diverges does not flatten the others.
static double top_of(const sht__plot *plot) {
  if (plot->y.fraction) {
    return plot->y.scale;
  }
  double most = largest(plot, false);
  double start = largest_start(plot);
  bool cut = !plot->marked && start > 0;
  return sht__svg_nice_maximum((cut ? fmin(most, 1.5 * start) : most) * plot->y.scale);
}

// Long trainings have their steps in thousands.
static double x_scale(const sht__plot *plot) {
  return strcmp(plot->x.name, "steps") == 0 && largest(plot, true) >= 2000 ? 0.001 : plot->x.scale;
}

static double *scaled(const double *values, uint64_t count, double scale, double **next) {
  double *out = *next;
  for (uint64_t i = 0; i < count; i++) {
    out[i] = values[i] * scale;
  }
  *next += count;
  return out;
}

static sht_status drawing_open(const sht__plot *plot, drawing *out, sht_error *error) {
  uint64_t total = 0;
  for (size_t i = 0; i < plot->series_count; i++) {
    total += 3 * plot->series[i].count + 2 * plot->series[i].paper_count;
  }
  *out = (drawing){0};
  SHT_TRY(SHT_ALLOC(&out->values, total, "points of a figure", error));
  double *next = out->values;
  double unit = x_scale(plot);
  for (size_t i = 0; i < plot->series_count && out->count < SHT_SVG_LINES_MAX; i++) {
    const sht__plot_series *s = &plot->series[i];
    out->lines[out->count++] = (sht_svg_line){.label = s->label,
                                              .x = scaled(s->x, s->count, unit, &next),
                                              .y = scaled(s->y, s->count, plot->y.scale, &next),
                                              .spread = scaled(s->spread, s->count, plot->y.scale, &next),
                                              .count = s->count,
                                              .style = s->style,
                                              .marked = plot->marked,
                                              .mark = s->mark,
                                              .crossed = s->crossed,
                                              .hollow_x = scaled(s->paper_x, s->paper_count, unit, &next),
                                              .hollow_y = scaled(s->paper_y, s->paper_count, plot->y.scale, &next),
                                              .hollow_count = s->paper_count};
  }
  return SHT_OK;
}

sht_status sht__plot_svg(FILE *out, const sht__plot *plot, sht__plot_size size, sht_error *error) {
  static const char *const suffixes[] = {"", "", "-narrow", ""};
  drawing d;
  char id[SHT__PLOT_NAME + 16];
  char x_label[SHT__PLOT_NAME];
  char y_label[SHT__PLOT_NAME];
  double most = largest(plot, true);
  bool in_file = size == SHT__PLOT_FILE;
  (void)snprintf(id, sizeof id, "%s%s", plot->id, suffixes[size]);
  (void)sht__quantity_axis(&plot->y, y_label, sizeof y_label);
  if (x_scale(plot) != plot->x.scale) {
    (void)snprintf(x_label, sizeof x_label, "%s (thousands)", plot->x.label);
  } else {
    (void)sht__quantity_axis(&plot->x, x_label, sizeof x_label);
  }
  sht_status status = drawing_open(plot, &d, error);
  if (status == SHT_OK) {
    sht_svg_figure figure = {.id = id,
                             .title = plot->finding,
                             .description = plot->caption,
                             .heading = in_file ? plot->finding : NULL,
                             .note = in_file && plot->variant.note[0] != '\0' ? plot->variant.note : NULL,
                             .x = {x_label, 0, most > 0 ? most * x_scale(plot) : 1, false},
                             .y = {y_label, 0, top_of(plot), false},
                             .lines = d.lines,
                             .line_count = d.count,
                             .level = plot->level,
                             .level_label = plot->level_label,
                             .hollow_label = "paper",
                             .width = sizes[size].width,
                             .height = sizes[size].height,
                             .font = sizes[size].font};
    status = sht__svg_write(out, &figure, error);
  }
  sht_free(d.values);
  return status;
}
