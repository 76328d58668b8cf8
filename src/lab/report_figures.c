// The figures of a group of runs: see report_measure.h.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/report_curve.h"
#include "lab/report_measure.h"
#include "lab/svg_text.h"

static const struct {
  const char *y;  // quantity
  const char *x;
  const char *caption;
  bool wide;
} measures[] = {
    [SHT__MEASURE_LOSS] = {"train_loss", "steps",
                           "Mean cross-entropy over the examples trained on. \xe2\x97\x8b first "
                           "epoch at whose end the training set is fitted. \xc3\x97 diverged.",
                           true},
    [SHT__MEASURE_TRAIN] = {"train_accuracy", "epochs",
                            "Mean over each epoch; from 98 % on measured again in evaluation mode.", false},
    [SHT__MEASURE_TEST] = {"test_accuracy", "epochs", "On images that were not trained on, with true labels.", false},
};

double sht__measure_value(sht__measure what, const sht_epoch *epoch) {
  sht__quantity quantity;
  (void)sht__quantity_find(measures[what].y, &quantity);
  return quantity.scale * sht__quantity_of_epoch(&quantity, epoch);
}

// The point at the end of the epoch in which the run was fitted; points: of the curve, the same number each epoch.
static uint64_t mark_of(const sht__report_run *run, uint64_t points) {
  for (uint64_t i = 0; i < run->epoch_count; i++) {
    if (run->epochs[i].epoch == run->run->result.fitted_epoch) {
      return (i + 1) * (points / run->epoch_count) - 1;
    }
  }
  return SHT_SVG_NO_MARK;
}

// The curves of a row's seeds; returns the length of the longest. curves: [seed_count].
static sht_status open_curves(const sht__report_run *run, const sht__plot *plot, sht__run_curve *curves,
                              uint64_t *longest, sht_error *error) {
  *longest = 0;
  for (size_t i = 0; i < run->seed_count; i++) {
    const sht__report_seed *seed = &run->seeds[i];
    SHT_TRY(sht__run_curve_open(&plot->x, &plot->y, seed->epochs, seed->epoch_count, &curves[i], error));
    curves[i].settled = seed->run->complete && seed->run->result.outcome != SHT_OUTCOME_DIVERGED;
    *longest = curves[i].count > *longest ? curves[i].count : *longest;
  }
  return SHT_OK;
}

static sht_status add_run(const sht__report_run *run, sht__measure what, sht__plot *plot, sht_error *error) {
  sht__run_curve *curves = NULL;
  uint64_t longest = 0;
  SHT_TRY(SHT_ALLOC(&curves, run->seed_count, "curves of a figure", error));
  sht_status status = open_curves(run, plot, curves, &longest, error);
  if (status == SHT_OK) {
    status = sht__plot_series_open(plot, run->label, longest, error);
  }
  if (status == SHT_OK) {
    sht__plot_series *series = &plot->series[plot->series_count - 1];
    bool marked = what != SHT__MEASURE_TEST && run->seed_count == 1;
    series->style = run->style;
    series->mark = marked ? mark_of(run, longest) : SHT_SVG_NO_MARK;
    series->crossed = run->run->result.outcome == SHT_OUTCOME_DIVERGED;
    sht__run_curves_average(curves, run->seed_count, plot, series);
  }
  for (size_t i = 0; i < run->seed_count; i++) {
    sht__run_curve_close(&curves[i]);
  }
  sht_free(curves);
  return status;
}

// More lines could not be told from one another.
static const size_t lines_max = 10;
// Figures of what is learned when, of so many rows of a group.
static const size_t dynamics_max = 4;

// The two that the sentences speak of, and of the others the first.
static sht_status add_runs(const sht__report_group *group, sht__measure what, sht__plot *plot, sht_error *error) {
  size_t others = lines_max - (group->base != NULL) - (group->random != NULL);
  size_t left_out = 0;
  for (size_t i = 0; i < group->run_count; i++) {
    const sht__report_run *run = &group->runs[i];
    bool spoken_of = run == group->base || run == group->random;
    if (!spoken_of && others == 0) {
      left_out++;
      continue;
    }
    others -= !spoken_of;
    SHT_TRY(add_run(run, what, plot, error));
  }
  if (left_out > 0) {
    char sentence[SHT__LABEL_SIZE];
    (void)snprintf(sentence, sizeof sentence,
                   "%zu of %zu lines are left out; shatter report RUN ... draws those of the runs it names.", left_out,
                   group->run_count);
    sht__plot_explain(plot, sentence);
  }
  return SHT_OK;
}

static void set_level(const sht__report_group *group, sht__plot *plot) {
  if (group->classes > 0) {
    char number[SHT__TEXT_SIZE];
    plot->level = 100.0 / group->classes;
    (void)snprintf(plot->level_label, sizeof plot->level_label, "chance: %s %%",
                   sht__number_text(plot->level, 1, true, number, sizeof number));
  }
}

static sht_status set_finding(sht__measure what, const sht__report_group *group, sht__plot *plot, sht_error *error) {
  FILE *writer = fmemopen(plot->finding, sizeof plot->finding, "w");
  if (writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a title");
  }
  (void)setvbuf(writer, NULL, _IONBF, 0);
  sht__finding_write(writer, what, group);
  (void)fclose(writer);
  plot->finding[sizeof plot->finding - 1] = '\0';
  return SHT_OK;
}

sht_status sht__measure_plot(sht__measure what, const sht__report_group *group, size_t number, sht__plot *out,
                             sht_error *error) {
  *out = (sht__plot){.wide = measures[what].wide, .level = NAN};
  (void)sht__quantity_find(measures[what].x, &out->x);
  (void)sht__quantity_find(measures[what].y, &out->y);
  (void)snprintf(out->id, sizeof out->id, "%s-%zu", measures[what].y, number);
  (void)snprintf(out->name, sizeof out->name, "%s", out->id);
  (void)snprintf(out->caption, sizeof out->caption, "%s", measures[what].caption);
  if (what == SHT__MEASURE_TEST) {
    set_level(group, out);
  }
  if (what == SHT__MEASURE_TEST && group->signs) {
    (void)snprintf(out->caption, sizeof out->caption, "On images that were not trained on, with signs of their own.");
  }
  SHT_TRY(set_finding(what, group, out, error));
  SHT_TRY(SHT_ALLOC(&out->series, group->run_count, "lines of a figure", error));
  return add_runs(group, what, out, error);
}

static size_t count_dynamics(const sht__report_group *group) {
  size_t count = 0;
  for (size_t i = 0; i < group->run_count; i++) {
    count += sht__dynamics_has(&group->runs[i]);
  }
  return count;
}

size_t sht__group_plot_count(const sht__report_group *group) {
  size_t rows = count_dynamics(group);
  return SHT__MEASURE_COUNT + 2 * (rows < dynamics_max ? rows : dynamics_max);
}

sht_status sht__group_plot(const sht__report_group *group, size_t number, size_t index, sht__plot *out,
                           sht_error *error) {
  if (index < SHT__MEASURE_COUNT) {
    return sht__measure_plot((sht__measure)index, group, number, out, error);
  }
  size_t wanted = (index - SHT__MEASURE_COUNT) / 2;
  size_t run = 0;
  for (size_t seen = 0; run < group->run_count; run++) {
    if (sht__dynamics_has(&group->runs[run]) && seen++ == wanted) {
      break;
    }
  }
  bool of_tests = (index - SHT__MEASURE_COUNT) % 2 == 1;
  char name[SHT__PLOT_NAME];
  (void)snprintf(name, sizeof name, "%s-%zu-%zu", of_tests ? "test_labels" : "learned", number, run + 1);
  return sht__dynamics_plot(&group->runs[run], name, of_tests, out, error);
}

static sht_status write_figure(FILE *out, const sht__report_group *group, size_t number, size_t index,
                               sht_error *error) {
  sht__plot plot;
  sht_status status = sht__group_plot(group, number, index, &plot, error);
  if (status == SHT_OK && sht__plot_has_points(&plot)) {
    status = sht__plot_html(out, &plot, error);
  }
  sht__plot_close(&plot);
  return status;
}

static void write_problems(FILE *out, const sht__report_group *group) {
  for (size_t i = 0; i < group->run_count; i++) {
    if (group->runs[i].problem[0] != '\0') {
      (void)fputs("<p class=\"problem\">The curve of ", out);
      sht__xml_text(out, group->runs[i].label);
      (void)fputs(" is missing: ", out);
      sht__xml_text(out, group->runs[i].problem);
      (void)fputs("</p>\n", out);
    }
  }
}

sht_status sht__figures_write(FILE *out, const sht__report_group *group, size_t number, sht_error *error) {
  uint64_t total = 0;
  for (size_t i = 0; i < group->run_count; i++) {
    total += group->runs[i].epoch_count;
  }
  write_problems(out, group);
  if (total == 0) {
    (void)fputs("<p>No epoch is finished yet, so there is nothing to draw.</p>\n", out);
    return SHT_OK;
  }
  (void)fputs("<div class=\"figures\">\n", out);
  for (size_t i = 0; i < sht__group_plot_count(group); i++) {
    SHT_TRY(write_figure(out, group, number, i, error));
  }
  (void)fputs("</div>\n", out);
  size_t rows = count_dynamics(group);
  if (rows > dynamics_max) {
    (void)fprintf(out, "<p class=\"caption\">What is learned when is drawn for %zu of %zu rows.</p>\n", dynamics_max,
                  rows);
  }
  return SHT_OK;
}
