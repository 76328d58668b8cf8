// The sentences above the tables of an experiment, made from their numbers: see experiment_report.h.
#include <math.h>
#include <string.h>

#include "lab/experiment_report.h"
#include "lab/svg_text.h"

static const double near_paper = 0.01;  // one percentage point

// How the measured cells stand to the paper's.
typedef struct comparison {
  size_t measured, near_ones, compared;
  double furthest;
  size_t row, column;  // of the furthest
} comparison;

static comparison compare(const sht__sheet *sheet) {
  comparison out = {0};
  for (size_t r = 0; r < sheet->row_count; r++) {
    bool some = false;
    for (size_t c = 0; c < sheet->column_count; c++) {
      double difference = sht__sheet_difference(sheet, r, c);
      some = some || isfinite(sht__sheet_cell(sheet, r, c)->value);
      if (!sheet->columns[c].fraction || !isfinite(difference)) {
        continue;
      }
      out.compared++;
      out.near_ones += fabs(difference) <= near_paper;
      if (out.compared == 1 || fabs(difference) > fabs(out.furthest)) {
        out.furthest = difference;
        out.row = r;
        out.column = c;
      }
    }
    out.measured += some;
  }
  return out;
}

// "Both", "All 6" into out; returns out.
static const char *all_of(size_t count, char out[SHT__TEXT_SIZE]) {
  if (count == 2) {
    (void)snprintf(out, SHT__TEXT_SIZE, "Both");
  } else {
    (void)snprintf(out, SHT__TEXT_SIZE, "All %zu", count);
  }
  return out;
}

static void tell_comparison(sht__sheet *sheet, const comparison *c) {
  char text[SHT__TEXT_SIZE];
  char all[SHT__TEXT_SIZE];
  char share[2 * SHT__TEXT_SIZE];
  if (c->near_ones < c->compared) {
    (void)snprintf(share, sizeof share, "%zu of %zu", c->near_ones, c->compared);
  } else {
    (void)snprintf(share, sizeof share, "%s", all_of(c->compared, all));
  }
  (void)snprintf(sheet->finding, sizeof sheet->finding,
                 "%s values lie within 1 point of the paper's; furthest: %s points (%.200s, %s)", share,
                 sht__cell_difference_text(&sheet->columns[c->column], c->furthest, text, sizeof text),
                 sheet->rows[c->row].label, sheet->columns[c->column].label);
}

// Adds to the sentence.
static void say(sht__sheet *sheet, const char *text) {
  size_t used = strlen(sheet->finding);
  (void)snprintf(sheet->finding + used, sizeof sheet->finding - used, "%s", text);
}

// "5 of 6 rows fitted their training set"
static void tell_fitted(sht__sheet *sheet) {
  size_t complete = 0;
  size_t fitted = 0;
  char text[SHT__PLOT_NAME];
  for (size_t r = 0; r < sheet->row_count; r++) {
    complete += sheet->rows[r].complete > 0;
    fitted += sheet->rows[r].complete > 0 && sheet->rows[r].fitted == sheet->rows[r].complete;
  }
  const char *which = complete < sheet->row_count ? "finished rows" : "rows";
  if (complete == 1) {
    (void)snprintf(text, sizeof text, "The %s %s its training set",
                   complete < sheet->row_count ? "finished row" : "row", fitted == 1 ? "fitted" : "did not fit");
  } else if (fitted == 0) {
    (void)snprintf(text, sizeof text, "None of %zu %s fitted its training set", complete, which);
  } else if (fitted == complete) {
    char all[SHT__TEXT_SIZE];
    (void)snprintf(text, sizeof text, "%s %s fitted their training set", all_of(complete, all), which);
  } else {
    (void)snprintf(text, sizeof text, "%zu of %zu %s fitted their training set", fitted, complete, which);
  }
  say(sheet, text);
}

// "test accuracy 45.1 to 61.3 % with true labels" of the rows of this kind; nothing where there are none. separator:
// what comes before.
static bool tell_span(sht__sheet *sheet, size_t column, sht__kind kind, const char *labels, const char *separator) {
  const sht__quantity *quantity = &sheet->columns[column];
  char low[SHT__TEXT_SIZE], high[SHT__TEXT_SIZE], text[SHT__PLOT_NAME];
  double least = INFINITY;
  double most = -INFINITY;
  for (size_t r = 0; r < sheet->row_count; r++) {
    double value = sht__sheet_cell(sheet, r, column)->value;
    if (sheet->rows[r].kind == kind && isfinite(value)) {
      least = fmin(least, value);
      most = fmax(most, value);
    }
  }
  if (!isfinite(least)) {
    return false;
  }
  (void)sht__number_text(least * quantity->scale, 1, false, low, sizeof low);
  (void)sht__number_text(most * quantity->scale, 1, false, high, sizeof high);
  bool one = strcmp(low, high) == 0;
  (void)snprintf(text, sizeof text, "%s%s%s%s %% %s", separator, low, one ? "" : " to ", one ? "" : high, labels);
  say(sheet, text);
  return true;
}

// "; empirical Rademacher complexity at least 0.991 to 1.000"
static void tell_rademacher(sht__sheet *sheet, size_t column) {
  char low[SHT__TEXT_SIZE], high[SHT__TEXT_SIZE], text[SHT__PLOT_NAME];
  double least = INFINITY;
  double most = -INFINITY;
  for (size_t r = 0; r < sheet->row_count; r++) {
    double value = sht__sheet_cell(sheet, r, column)->value;
    least = isfinite(value) ? fmin(least, value) : least;
    most = isfinite(value) ? fmax(most, value) : most;
  }
  if (isfinite(least)) {
    (void)sht__number_text(sht_lower_bound_shown(least), 3, false, low, sizeof low);
    (void)sht__number_text(sht_lower_bound_shown(most), 3, false, high, sizeof high);
    bool one = strcmp(low, high) == 0;
    (void)snprintf(text, sizeof text, "; empirical Rademacher complexity at least %s%s%s", low, one ? "" : " to ",
                   one ? "" : high);
    say(sheet, text);
  }
}

// What came out where nothing can be held against the paper.
static void tell_outcome(sht__sheet *sheet) {
  tell_fitted(sheet);
  for (size_t c = 0; c < sheet->column_count; c++) {
    if (strcmp(sheet->columns[c].name, "test_accuracy") == 0) {
      bool some = tell_span(sheet, c, SHT__KIND_TRUE, "with true labels", "; test accuracy ");
      (void)tell_span(sheet, c, SHT__KIND_RANDOM_LABELS, "with random labels", some ? ", " : "; test accuracy ");
    } else if (strcmp(sheet->columns[c].name, "rademacher") == 0) {
      tell_rademacher(sheet, c);
    }
  }
}

void sht__sheet_find(sht__sheet *sheet) {
  comparison c = compare(sheet);
  bool some = false;
  for (size_t r = 0; r < sheet->row_count; r++) {
    some = some || sheet->rows[r].complete > 0;
  }
  sheet->finding[0] = '\0';
  if (c.compared > 0) {
    tell_comparison(sheet, &c);
  } else if (some) {
    tell_outcome(sheet);
  } else {
    say(sheet, c.measured > 0 ? "No run has ended yet" : "Not measured yet");
  }
}
