// A figure on a page, with its numbers as a table and as CSV: see report_plot.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/report_plot.h"
#include "lab/svg_text.h"

enum { ROWS_MAX = 1000 };

static void percent_encoded(FILE *out, const char *text) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~,";
  for (; *text != '\0'; text++) {
    if (strchr(plain, *text) != NULL) {
      (void)fputc(*text, out);
    } else {
      (void)fprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
  }
}

void sht__csv_link(FILE *out, const char *name, const char *csv) {
  (void)fputs("<a class=\"csv\" download=\"", out);
  sht__xml_text(out, name);
  (void)fputs(".csv\" href=\"data:text/csv;charset=utf-8,", out);
  percent_encoded(out, csv);
  (void)fputs("\">CSV</a>\n", out);
}

static sht_status write_csv_link(FILE *out, const sht__plot *plot, sht_error *error) {
  char *text = NULL;
  size_t length = 0;
  FILE *writer = open_memstream(&text, &length);
  if (writer != NULL) {
    sht__plot_csv(writer, plot);
  }
  if (writer == NULL || fclose(writer) != 0) {
    free(text);
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a table");
  }
  sht__csv_link(out, plot->name, text);
  free(text);
  return SHT_OK;
}

static void write_cell(FILE *out, const sht__quantity *quantity, double value) {
  char text[SHT__TEXT_SIZE];
  (void)fprintf(out, "<td>%s</td>",
                sht__number_text(value * quantity->scale, quantity->decimals, false, text, sizeof text));
}

static void write_head(FILE *out, const sht__plot *plot, bool spread, bool paper) {
  char axis[SHT__PLOT_NAME];
  (void)fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">series</th><th scope=\"col\">", out);
  sht__xml_text(out, sht__quantity_axis(&plot->x, axis, sizeof axis));
  (void)fputs("</th><th scope=\"col\">", out);
  sht__xml_text(out, sht__quantity_axis(&plot->y, axis, sizeof axis));
  (void)fprintf(out, "</th>%s%s</tr></thead>\n<tbody>\n",
                spread ? "<th scope=\"col\">&#177;</th><th scope=\"col\">n</th>" : "",
                paper ? "<th scope=\"col\">paper</th>" : "");
}

// The paper's value at this x; NaN: it gives none.
static double paper_at(const sht__plot_series *s, double x) {
  for (uint64_t i = 0; i < s->paper_count; i++) {
    if (fabs(s->paper_x[i] - x) <= 1e-9 * fmax(1, fabs(x))) {
      return s->paper_y[i];
    }
  }
  return NAN;
}

static void write_series(FILE *out, const sht__plot *plot, const sht__plot_series *s, bool spread, bool paper) {
  uint64_t stride = s->count / ROWS_MAX + 1;
  for (uint64_t i = 0; i < s->count; i++) {
    if (i % stride != stride - 1 && i + 1 != s->count) {
      continue;
    }
    (void)fputs("<tr><th scope=\"row\">", out);
    sht__xml_text(out, s->label);
    (void)fputs("</th>", out);
    write_cell(out, &plot->x, s->x[i]);
    write_cell(out, &plot->y, s->y[i]);
    if (spread) {
      write_cell(out, &plot->y, s->spread[i]);
      (void)fprintf(out, "<td>%.0f</td>", s->n[i]);
    }
    if (paper) {
      write_cell(out, &plot->y, paper_at(s, s->x[i]));
    }
    (void)fputs("</tr>\n", out);
  }
}

static sht_status write_data(FILE *out, const sht__plot *plot, sht_error *error) {
  bool spread = sht__plot_runs(plot) > 1;
  bool paper = false;
  bool thinned = false;
  for (size_t i = 0; i < plot->series_count; i++) {
    paper = paper || plot->series[i].paper_count > 0;
    thinned = thinned || plot->series[i].count > ROWS_MAX;
  }
  (void)fputs("<div class=\"data\"><details><summary>Data of this figure</summary>\n", out);
  (void)fputs(thinned ? "<p>Not all epochs are listed; the CSV has them all.</p>\n" : "", out);
  write_head(out, plot, spread, paper);
  for (size_t i = 0; i < plot->series_count; i++) {
    write_series(out, plot, &plot->series[i], spread, paper);
  }
  (void)fputs("</tbody></table></div>\n</details>\n", out);
  SHT_TRY(write_csv_link(out, plot, error));
  (void)fputs("</div>\n", out);
  return SHT_OK;
}

static void write_caption(FILE *out, const sht__plot *plot) {
  (void)fputs("<p class=\"caption\">", out);
  sht__xml_text(out, plot->caption);
  if (plot->series_count > SHT_SVG_LINES_MAX) {
    (void)fprintf(out, " The first %d of %zu lines are drawn.", SHT_SVG_LINES_MAX, plot->series_count);
  }
  if (plot->variant.note[0] != '\0') {
    (void)fputs(" <strong>", out);
    sht__xml_text(out, plot->variant.note);
    (void)fputs("</strong>", out);
  }
  (void)fputs("</p>\n", out);
}

sht_status sht__plot_html(FILE *out, const sht__plot *plot, sht_error *error) {
  (void)fprintf(out, "<figure class=\"%s\">\n<figcaption>", plot->wide ? "full" : "half");
  if (plot->what[0] != '\0') {
    (void)fputs("<p class=\"what\">", out);
    sht__xml_text(out, plot->what);
    (void)fputs("</p>", out);
  }
  (void)fputs("<h3>", out);
  sht__xml_text(out, plot->finding);
  (void)fputs("</h3></figcaption>\n<div class=\"drawing\"><div class=\"on-wide\">\n", out);
  SHT_TRY(sht__plot_svg(out, plot, plot->wide ? SHT__PLOT_WIDE : SHT__PLOT_HALF, error));
  (void)fputs("</div>\n<div class=\"on-narrow\">\n", out);
  SHT_TRY(sht__plot_svg(out, plot, SHT__PLOT_NARROW, error));
  (void)fputs("</div></div>\n", out);
  write_caption(out, plot);
  SHT_TRY(write_data(out, plot, error));
  (void)fputs("</figure>\n", out);
  return SHT_OK;
}
