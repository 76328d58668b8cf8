// The figures of a group of runs, each with its data as a table and as CSV: see report.h.
#include <math.h>

#include "base/memory.h"
#include "lab/report_measure.h"
#include "lab/svg.h"
#include "lab/svg_text.h"

enum { ID_SIZE = 48, TITLE_SIZE = 512 };

typedef struct sizes {
  double width, height, font;
} sizes;

static const struct {
  const char *key;  // column of the CSV, part of ids
  const char *x_label;
  const char *y_label;
  const char *caption;
  sizes wide;
} measures[] = {
    [SHT__MEASURE_LOSS] = {"train_loss",
                           "steps (thousands)",
                           "training loss",
                           "Mean cross-entropy over each epoch, drawn at the epoch's last step.",
                           {1000, 400, 15}},
    [SHT__MEASURE_TRAIN] = {"train_accuracy",
                            "epochs",
                            "training accuracy (%)",
                            "Mean over each epoch; from 98 % on measured again in evaluation mode.",
                            {490, 350, 14}},
    [SHT__MEASURE_TEST] = {"test_accuracy",
                           "epochs",
                           "test accuracy (%)",
                           "On images that were not trained on, with true labels.",
                           {490, 350, 14}},
};
static const sizes narrow = {360, 290, 13};

// The lines of one figure; x and y: [sum of the runs' epochs], one allocation.
typedef struct lines {
  double *points;
  sht_svg_line line[SHT_SVG_LINES_MAX];
  size_t count;
} lines;

const char *sht__measure_key(sht__measure what) { return measures[what].key; }

const char *sht__measure_label(sht__measure what) { return measures[what].y_label; }

double sht__measure_value(sht__measure what, const sht_epoch *epoch) {
  switch (what) {
    case SHT__MEASURE_LOSS:
      return epoch->train_loss;
    case SHT__MEASURE_TRAIN:
      return 100 * sht__train_accuracy(epoch);
    default:
      return 100 * epoch->test_accuracy;
  }
}

static double place_of(sht__measure what, const sht_epoch *epoch, double unit) {
  return what == SHT__MEASURE_LOSS ? (double)epoch->steps / unit : (double)epoch->epoch;
}

// Short trainings have their steps written out.
static double step_unit(const sht__report_group *group) {
  uint64_t longest = 0;
  for (size_t i = 0; i < group->run_count; i++) {
    const sht__report_run *run = &group->runs[i];
    uint64_t steps = run->epoch_count > 0 ? run->epochs[run->epoch_count - 1].steps : 0;
    longest = longest > steps ? longest : steps;
  }
  return longest < 2000 ? 1 : 1000;
}

static uint64_t mark_of(const sht__report_run *run) {
  for (uint64_t i = 0; i < run->epoch_count; i++) {
    if (run->epochs[i].epoch == run->run->result.fitted_epoch) {
      return i;
    }
  }
  return SHT_SVG_NO_MARK;
}

static sht_status lines_open(const sht__report_group *group, sht__measure what, lines *out, sht_error *error) {
  uint64_t total = 0;
  *out = (lines){0};
  for (size_t i = 0; i < group->run_count; i++) {
    total += group->runs[i].epoch_count;
  }
  SHT_TRY(SHT_ALLOC(&out->points, 2 * total, "points of a figure", error));
  double *next = out->points;
  double unit = step_unit(group);
  for (size_t i = 0; i < group->run_count && out->count < SHT_SVG_LINES_MAX; i++) {
    const sht__report_run *run = &group->runs[i];
    double *x = next;
    double *y = next + run->epoch_count;
    next = y + run->epoch_count;
    for (uint64_t e = 0; e < run->epoch_count; e++) {
      x[e] = place_of(what, &run->epochs[e], unit);
      y[e] = sht__measure_value(what, &run->epochs[e]);
    }
    out->line[out->count++] = (sht_svg_line){.label = run->label,
                                             .x = x,
                                             .y = y,
                                             .count = run->epoch_count,
                                             .style = run->style,
                                             .mark = what == SHT__MEASURE_TEST ? SHT_SVG_NO_MARK : mark_of(run),
                                             .crossed = run->run->result.outcome == SHT_OUTCOME_DIVERGED};
  }
  return SHT_OK;
}

static double largest_x(const lines *all) {
  double largest = 0;
  for (size_t i = 0; i < all->count; i++) {
    const sht_svg_line *line = &all->line[i];
    largest = line->count > 0 ? fmax(largest, line->x[line->count - 1]) : largest;
  }
  return largest > 0 ? largest : 1;
}

// Where the axis of losses ends: all points, but not far above where the lines begin, so that one that diverges does
// not flatten the others.
static double largest_loss(const lines *all) {
  double largest = 0;
  double start = 0;
  for (size_t i = 0; i < all->count; i++) {
    const sht_svg_line *line = &all->line[i];
    for (uint64_t e = 0; e < line->count; e++) {
      largest = isfinite(line->y[e]) ? fmax(largest, line->y[e]) : largest;
    }
    if (line->count > 0 && isfinite(line->y[0]) && !line->crossed) {
      start = fmax(start, line->y[0]);
    }
  }
  return start > 0 ? fmin(largest, 1.5 * start) : largest;
}

static sht_status write_drawing(FILE *out, sht__measure what, const sht__report_group *group, const lines *all,
                                const char *title, const char *id, const sizes *size, sht_error *error) {
  char level_label[SHT__TEXT_SIZE * 2] = "";
  bool chance = what == SHT__MEASURE_TEST && group->classes > 0;
  if (chance) {
    char number[SHT__TEXT_SIZE];
    (void)snprintf(level_label, sizeof level_label, "chance: %s %%",
                   sht__number_text(100.0 / group->classes, 1, true, number, sizeof number));
  }
  bool plain = what == SHT__MEASURE_LOSS && step_unit(group) == 1;
  const char *x_label = plain ? "steps" : measures[what].x_label;
  double top = what == SHT__MEASURE_LOSS ? sht__svg_nice_maximum(largest_loss(all)) : 100;
  sht_svg_figure figure = {.id = id,
                           .title = title,
                           .description = measures[what].caption,
                           .x = {x_label, 0, largest_x(all), false},
                           .y = {sht__measure_label(what), 0, top, false},
                           .lines = all->line,
                           .line_count = all->count,
                           .level = chance ? 100.0 / group->classes : NAN,
                           .level_label = level_label,
                           .width = size->width,
                           .height = size->height,
                           .font = size->font};
  return sht__svg_write(out, &figure, error);
}

static sht_status write_drawings(FILE *out, sht__measure what, const sht__report_group *group, const char *title,
                                 const char *id, sht_error *error) {
  lines all;
  char narrow_id[ID_SIZE + 8];
  sht_status status = lines_open(group, what, &all, error);
  (void)snprintf(narrow_id, sizeof narrow_id, "%s-narrow", id);
  if (status == SHT_OK) {
    (void)fputs("<div class=\"on-wide\">\n", out);
    status = write_drawing(out, what, group, &all, title, id, &measures[what].wide, error);
    (void)fputs("</div>\n<div class=\"on-narrow\">\n", out);
  }
  if (status == SHT_OK) {
    status = write_drawing(out, what, group, &all, title, narrow_id, &narrow, error);
    (void)fputs("</div>\n", out);
  }
  sht_free(all.points);
  return status;
}

static sht_status finding_text(sht__measure what, const sht__report_group *group, char out[TITLE_SIZE],
                               sht_error *error) {
  FILE *writer = fmemopen(out, TITLE_SIZE, "w");
  if (writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a title");
  }
  (void)setvbuf(writer, NULL, _IONBF, 0);
  out[0] = '\0';
  sht__finding_write(writer, what, group);
  (void)fclose(writer);
  out[TITLE_SIZE - 1] = '\0';
  return SHT_OK;
}

static sht_status write_figure(FILE *out, sht__measure what, const sht__report_group *group, size_t number,
                               sht_error *error) {
  char title[TITLE_SIZE];
  char id[ID_SIZE];
  (void)snprintf(id, sizeof id, "%s-%zu", sht__measure_key(what), number);
  SHT_TRY(finding_text(what, group, title, error));
  (void)fprintf(out, "<figure class=\"%s\">\n<figcaption><h3>", what == SHT__MEASURE_LOSS ? "full" : "half");
  sht__xml_text(out, title);
  (void)fputs("</h3></figcaption>\n", out);
  SHT_TRY(write_drawings(out, what, group, title, id, error));
  (void)fprintf(out, "<p class=\"caption\">%s", measures[what].caption);
  if (what == SHT__MEASURE_LOSS) {
    (void)fputs(" \xe2\x97\x8b first epoch at whose end the training set is fitted. \xc3\x97 diverged.", out);
  }
  if (group->run_count > SHT_SVG_LINES_MAX) {
    (void)fprintf(out, " The first %d of %zu runs are drawn.", SHT_SVG_LINES_MAX, group->run_count);
  }
  (void)fputs("</p>\n", out);
  SHT_TRY(sht__data_write(out, what, group, id, error));
  (void)fputs("</figure>\n", out);
  return SHT_OK;
}

sht_status sht__figures_write(FILE *out, const sht__report_group *group, size_t number, sht_error *error) {
  uint64_t total = 0;
  for (size_t i = 0; i < group->run_count; i++) {
    total += group->runs[i].epoch_count;
    if (group->runs[i].problem[0] != '\0') {
      (void)fputs("<p class=\"problem\">The curve of ", out);
      sht__xml_text(out, group->runs[i].label);
      (void)fputs(" is missing: ", out);
      sht__xml_text(out, group->runs[i].problem);
      (void)fputs("</p>\n", out);
    }
  }
  if (total == 0) {
    (void)fputs("<p>No epoch is finished yet, so there is nothing to draw.</p>\n", out);
    return SHT_OK;
  }
  (void)fputs("<div class=\"figures\">\n", out);
  for (int what = SHT__MEASURE_LOSS; what <= SHT__MEASURE_TEST; what++) {
    SHT_TRY(write_figure(out, (sht__measure)what, group, number, error));
  }
  (void)fputs("</div>\n", out);
  return SHT_OK;
}
