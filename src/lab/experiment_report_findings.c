// The sentences above the figures of an experiment, made from their numbers: see experiment_report.h.
#include <math.h>
#include <string.h>

#include "lab/experiment_report.h"
#include "lab/svg_text.h"

enum { STEADY_FROM = 3, DECIMALS = 3, DECIMALS_MAX = 8 };  // points, digits

// Where a line begins and ends.
typedef struct course {
  const sht__plot_series *series;
  double first_x, first, last_x, last;
  bool is_long;  // there are some points between
  bool rises;    // so it is, and none lies below the one before
} course;

static bool follow(const sht__plot_series *series, course *out) {
  uint64_t count = 0;
  *out = (course){.series = series, .rises = true};
  for (uint64_t i = 0; i < series->count; i++) {
    if (!isfinite(series->y[i])) {
      continue;
    }
    if (count == 0) {
      out->first_x = series->x[i];
      out->first = series->y[i];
    }
    out->rises = out->rises && (count == 0 || series->y[i] >= out->last);
    out->last_x = series->x[i];
    out->last = series->y[i];
    count++;
  }
  out->is_long = count >= STEADY_FROM;
  out->rises = out->rises && out->is_long;
  return count > 0;
}

// The lines that have points; of them those that end lowest and highest.
typedef struct summary {
  course all[SHT_SVG_LINES_MAX];
  size_t count;
  const course *lowest, *highest;
  const course *highest_long;  // of the long ones, NULL: there is none; short ones tell nothing of what is between
  bool all_rise;               // the long ones
} summary;

static void summarise(const sht__plot *plot, summary *out) {
  *out = (summary){.all_rise = true};
  for (size_t i = 0; i < plot->series_count && out->count < SHT_SVG_LINES_MAX; i++) {
    course *c = &out->all[out->count];
    bool leads = plot->quantities < 2 || i % plot->quantities == plot->quantities - 1;
    if (!leads || !follow(&plot->series[i], c)) {
      continue;
    }
    out->count++;
    out->lowest = out->lowest == NULL || c->last < out->lowest->last ? c : out->lowest;
    out->highest = out->highest == NULL || c->last > out->highest->last ? c : out->highest;
    if (c->is_long) {
      out->highest_long = out->highest_long == NULL || c->last > out->highest_long->last ? c : out->highest_long;
      out->all_rise = out->all_rise && c->rises && c->last > c->first;
    }
  }
  out->all_rise = out->all_rise && out->highest_long != NULL;
}

// Of small losses the first two digits that are not 0.
static int decimals_of(const sht__plot *plot, double value) {
  if (plot->y.fraction || strcmp(plot->y.name, "relative_time") == 0) {
    return 1;
  }
  int decimals = plot->y.decimals < DECIMALS ? plot->y.decimals : DECIMALS;
  double rest = plot->y.decimals > 0 ? fabs(value) : 0;
  while (rest > 0 && rest < 0.01 && decimals < DECIMALS_MAX) {
    rest *= 10;
    decimals++;
  }
  return decimals;
}

static const char *value_of(const sht__plot *plot, double value, char out[SHT__TEXT_SIZE]) {
  char number[SHT__TEXT_SIZE];
  (void)sht__number_text(value * plot->y.scale, decimals_of(plot, value), false, number, sizeof number);
  (void)snprintf(out, SHT__TEXT_SIZE, plot->y.fraction ? "%.24s %%" : "%.24s", number);
  return out;
}

// "Test error"; returns out.
static char *capitalised(const char *text, char *out, size_t size) {
  (void)snprintf(out, size, "%s", text);
  out[0] = (char)(out[0] >= 'a' && out[0] <= 'z' ? out[0] - 'a' + 'A' : out[0]);
  return out;
}

// A loss that all lines fall below; 0: they do not.
static double common_bound(const summary *s) {
  static const double bounds[] = {0.001, 0.01, 0.1};
  for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
    if (s->highest->last < bounds[i]) {
      return bounds[i];
    }
  }
  return 0;
}

static bool find_nothing(const summary *s, char *finding) {
  if (s->count == 0) {
    (void)snprintf(finding, SHT__PLOT_TEXT, "Not measured yet");
  }
  return s->count == 0;
}

// Where along x a line first lies below a bound; NaN: nowhere.
static double reaches(const sht__plot_series *series, double bound) {
  for (uint64_t i = 0; i < series->count; i++) {
    if (series->y[i] < bound) {
      return series->x[i];
    }
  }
  return NAN;
}

// The line that comes below the bound last; NULL: several do. Lines that end at different lengths, because they stop
// when they are fitted, are judged alike by that.
static const course *find_slowest(const summary *s, double bound) {
  const course *slowest = NULL;
  double last = -INFINITY;
  for (size_t i = 0; i < s->count; i++) {
    double at = reaches(s->all[i].series, bound);
    if (at >= last) {
      slowest = at > last ? &s->all[i] : NULL;
      last = at;
    }
  }
  return slowest;
}

// How fast all fell below the bound, and where they end.
static void find_losses(const summary *s, sht__plot *plot, double bound) {
  char text[SHT__TEXT_SIZE], low[SHT__TEXT_SIZE], high[SHT__TEXT_SIZE];
  char all[SHT__TEXT_SIZE] = "Both";
  const course *slowest = find_slowest(s, bound);
  if (s->count != 2) {
    (void)snprintf(all, sizeof all, "All %zu", s->count);
  }
  (void)snprintf(plot->finding, sizeof plot->finding,
                 "%s reach a training loss below %s%s%.200s; they end between %s (%.200s) and %s (%.200s)", all,
                 sht__number_text(bound, 3, true, text, sizeof text), slowest == NULL ? "" : ", last ",
                 slowest == NULL ? "" : slowest->series->label, value_of(plot, s->lowest->last, low),
                 s->lowest->series->label, value_of(plot, s->highest->last, high), s->highest->series->label);
}

// The line's name without its quantity, which the sentence has named.
static const char *series_name(const sht__plot *plot, const course *c, char out[SHT__LABEL_SIZE]) {
  (void)snprintf(out, SHT__LABEL_SIZE, "%s", c->series->label);
  char *quantity = plot->quantities > 1 ? strrchr(out, ',') : NULL;
  if (quantity != NULL) {
    *quantity = '\0';
  }
  return out;
}

void sht__curves_find(sht__plot *plot) {
  summary s;
  char first[SHT__LABEL_SIZE];
  char second[SHT__LABEL_SIZE];
  char name[SHT__PLOT_NAME];
  char low[SHT__TEXT_SIZE];
  char high[SHT__TEXT_SIZE];
  summarise(plot, &s);
  if (find_nothing(&s, plot->finding)) {
    return;
  }
  double bound = strcmp(plot->y.name, "train_loss") == 0 ? common_bound(&s) : 0;
  (void)capitalised(plot->leader != NULL ? plot->leader : plot->y.label, name, sizeof name);
  if (s.count == 1) {
    (void)snprintf(plot->finding, sizeof plot->finding, "%s ends at %s (%.200s)", name,
                   value_of(plot, s.lowest->last, low), series_name(plot, s.lowest, first));
  } else if (bound > 0) {
    find_losses(&s, plot, bound);
  } else {
    (void)snprintf(plot->finding, sizeof plot->finding, "%s ends between %s (%.200s) and %s (%.200s)", name,
                   value_of(plot, s.lowest->last, low), series_name(plot, s.lowest, first),
                   value_of(plot, s.highest->last, high), series_name(plot, s.highest, second));
  }
}

static const char *share_of_labels(double share, char out[SHT__TEXT_SIZE]) {
  char number[SHT__TEXT_SIZE];
  (void)snprintf(out, SHT__TEXT_SIZE, "%.12s %% of the labels",
                 sht__number_text(100 * share, 1, true, number, sizeof number));
  return share < 1 ? out : "all labels";
}

// Whether a point of the plan has no value.
static bool has_gaps(const sht__plot *plot) {
  bool some = false;
  for (size_t i = 0; i < plot->series_count; i++) {
    for (uint64_t p = 0; p < plot->series[i].count; p++) {
      some = some || !isfinite(plot->series[i].y[p]);
    }
  }
  return some;
}

static void find_slowdown(const summary *s, sht__plot *plot) {
  char most[SHT__TEXT_SIZE];
  char at[SHT__TEXT_SIZE];
  const sht__plot_series *series = NULL;
  uint64_t point = 0;
  for (size_t i = 0; i < s->count; i++) {
    const sht__plot_series *candidate = s->all[i].series;
    for (uint64_t p = 0; p < candidate->count; p++) {
      if (isfinite(candidate->y[p]) && (series == NULL || candidate->y[p] > series->y[point])) {
        series = candidate;
        point = p;
      }
    }
  }
  if (series == NULL) {
    return;  // nothing came to an end
  }
  (void)snprintf(plot->finding, sizeof plot->finding,
                 "%s takes at most %s times as long as with true labels (%.200s, %s random)",
                 has_gaps(plot) ? "Where it came to an end, fitting" : "Fitting",
                 value_of(plot, series->y[point], most), series->label, share_of_labels(series->x[point], at));
}

void sht__sweep_find(sht__plot *plot) {
  summary s;
  char name[SHT__PLOT_NAME];
  char low[SHT__TEXT_SIZE];
  char high[SHT__TEXT_SIZE];
  summarise(plot, &s);
  if (find_nothing(&s, plot->finding)) {
    return;
  }
  if (strcmp(plot->y.name, "relative_time") == 0) {
    find_slowdown(&s, plot);
    return;
  }
  (void)capitalised(plot->y.label, name, sizeof name);
  if (s.all_rise) {
    (void)snprintf(plot->finding, sizeof plot->finding, "%s rises steadily with the %s, to %s", name, plot->x.label,
                   value_of(plot, s.highest_long->last, high));
    return;
  }
  const course *c = s.highest_long != NULL ? s.highest_long : s.highest;
  if (c->first_x == c->last_x) {
    (void)snprintf(plot->finding, sizeof plot->finding, "%s is %s (%.200s)", name, value_of(plot, c->last, high),
                   c->series->label);
  } else {
    (void)snprintf(plot->finding, sizeof plot->finding, "%s goes from %s to %s (%.200s)", name,
                   value_of(plot, c->first, low), value_of(plot, c->last, high), c->series->label);
  }
}
