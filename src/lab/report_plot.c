// A figure's numbers: see report_plot.h.
#include "lab/report_plot.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/report_csv.h"

sht_status sht__plot_series_open(sht__plot *plot, const char *label, uint64_t count, sht_error *error) {
  sht__plot_series series = {.count = count, .style = (int)plot->series_count, .mark = SHT_SVG_NO_MARK};
  uint64_t values = 0;
  if (!sht_size_mul(count, 4, &values)) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the points of a figure");
  }
  SHT_TRY(SHT_ALLOC(&series.x, values, "points of a figure", error));
  series.y = series.x + count;
  series.spread = series.y + count;
  series.n = series.spread + count;
  for (uint64_t i = 0; i < 3 * count; i++) {
    series.x[i] = NAN;
  }
  (void)snprintf(series.label, sizeof series.label, "%s", label);
  plot->series[plot->series_count++] = series;
  return SHT_OK;
}

sht_status sht__plot_paper_open(sht__plot_series *series, uint64_t count, sht_error *error) {
  SHT_TRY(SHT_ALLOC(&series->paper_x, 2 * count, "points of the paper", error));
  series->paper_y = series->paper_x + count;
  series->paper_count = count;
  return SHT_OK;
}

void sht__plot_close(sht__plot *plot) {
  for (size_t i = 0; i < plot->series_count; i++) {
    sht_free(plot->series[i].x);
    sht_free(plot->series[i].paper_x);
  }
  sht_free(plot->series);
  plot->series = NULL;
  plot->series_count = 0;
}

void sht__plot_explain(sht__plot *plot, const char *sentence) {
  size_t used = strlen(plot->caption);
  (void)snprintf(plot->caption + used, sizeof plot->caption - used, "%s%s", used > 0 ? " " : "", sentence);
}

bool sht__plot_has_points(const sht__plot *plot) {
  for (size_t i = 0; i < plot->series_count; i++) {
    for (uint64_t p = 0; p < plot->series[i].count; p++) {
      if (isfinite(plot->series[i].y[p])) {
        return true;
      }
    }
  }
  return false;
}

double sht__plot_runs(const sht__plot *plot) {
  double most = 0;
  for (size_t i = 0; i < plot->series_count; i++) {
    for (uint64_t p = 0; p < plot->series[i].count; p++) {
      most = fmax(most, plot->series[i].n[p]);
    }
  }
  return most;
}

// x, y, spread, n
static void write_row(FILE *out, const char *label, const double values[4], const char *source, const char *variant) {
  sht__csv_text(out, true, label);
  for (int i = 0; i < 4; i++) {
    sht__csv_number(out, false, values[i]);
  }
  sht__csv_text(out, false, source);
  sht__csv_text(out, false, variant);
  sht__csv_end(out);
}

void sht__plot_csv(FILE *out, const sht__plot *plot) {
  char spread[SHT__PLOT_NAME];
  (void)snprintf(spread, sizeof spread, "%s_sd", plot->y.name);
  const char *const head[] = {"series", plot->x.name, plot->y.name, spread, "n", "source", "variant"};
  for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) {
    sht__csv_text(out, i == 0, head[i]);
  }
  sht__csv_end(out);
  for (size_t i = 0; i < plot->series_count; i++) {
    const sht__plot_series *s = &plot->series[i];
    for (uint64_t p = 0; p < s->count; p++) {
      const double values[] = {s->x[p], s->y[p], s->spread[p], s->n[p]};
      write_row(out, s->label, values, "measured", plot->variant.mark);
    }
    for (uint64_t p = 0; p < s->paper_count; p++) {
      const double values[] = {s->paper_x[p], s->paper_y[p], NAN, NAN};
      write_row(out, s->label, values, "paper", "");
    }
  }
}
