// A table on a page: see report_sheet.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "lab/report_sheet.h"
#include "lab/svg_text.h"

static void write_title(FILE *out, const sht__sheet *sheet) {
  (void)fputs("<figure class=\"full table\">\n<figcaption>", out);
  if (sheet->what[0] != '\0') {
    (void)fputs("<p class=\"what\">", out);
    sht__xml_text(out, sheet->what);
    (void)fputs("</p>", out);
  }
  (void)fputs("<h3>", out);
  sht__xml_text(out, sheet->finding);
  (void)fputs("</h3></figcaption>\n", out);
}

// The second row of the head: whose values a column has.
static void write_sources(FILE *out, const sht__sheet *sheet) {
  (void)fputs("<tr>", out);
  for (size_t c = 0; c < sheet->column_count; c++) {
    (void)fputs(sheet->has_paper[c] ? "<th scope=\"col\" class=\"number paper-number\">paper</th>" : "", out);
    (void)fputs("<th scope=\"col\" class=\"number\">ours</th>", out);
    (void)fputs(sheet->has_difference[c] ? "<th scope=\"col\" class=\"number\">difference</th>" : "", out);
  }
  (void)fputs("</tr>", out);
}

static void write_head(FILE *out, const sht__sheet *sheet) {
  char axis[SHT__PLOT_NAME];
  bool paper = sht__sheet_has_paper(sheet);
  int rows = paper ? 2 : 1;
  (void)fprintf(out, "<thead><tr><th scope=\"col\" rowspan=\"%d\">run</th>", rows);
  if (sht__sheet_has_spread(sheet)) {
    (void)fprintf(out, "<th scope=\"col\" rowspan=\"%d\" class=\"number\">n</th>", rows);
  }
  for (size_t c = 0; c < sheet->column_count; c++) {
    (void)fprintf(out, "<th scope=\"%s\" class=\"number\" colspan=\"%d\">", paper ? "colgroup" : "col",
                  sht__sheet_width(sheet, c));
    sht__xml_text(out, sht__quantity_axis(&sheet->columns[c], axis, sizeof axis));
    (void)fputs("</th>", out);
  }
  if (sht__sheet_has_remarks(sheet)) {
    (void)fprintf(out, "<th scope=\"col\" rowspan=\"%d\">remark</th>", rows);
  }
  (void)fputs("</tr>\n", out);
  if (paper) {
    write_sources(out, sheet);
  }
  (void)fputs("</thead>\n<tbody>\n", out);
}

// "50.51 ± 0.12" and below it in small print the best value and n.
static void write_ours(FILE *out, const sht__quantity *quantity, const sht__cell *cell) {
  char text[SHT__TEXT_SIZE];
  (void)fprintf(out, "<td class=\"number ours\">%s", sht__cell_value_text(quantity, cell->value, text, sizeof text));
  if (isfinite(cell->spread)) {
    (void)fprintf(out, " <small>\xc2\xb1 %s</small>", sht__cell_value_text(quantity, cell->spread, text, sizeof text));
  }
  if (isfinite(cell->best)) {
    (void)fprintf(out, " <small>(%s)</small>", sht__cell_value_text(quantity, cell->best, text, sizeof text));
  }
  (void)fputs("</td>", out);
}

static void write_cell(FILE *out, const sht__sheet *sheet, size_t row, size_t column) {
  const sht__quantity *quantity = &sheet->columns[column];
  const sht__cell *cell = sht__sheet_cell(sheet, row, column);
  char text[SHT__TEXT_SIZE];
  if (sheet->has_paper[column]) {
    (void)fprintf(out, "<td class=\"number paper-number\">%s</td>",
                  sht__cell_value_text(quantity, cell->paper, text, sizeof text));
  }
  write_ours(out, quantity, cell);
  if (sheet->has_difference[column]) {
    double difference = sht__sheet_difference(sheet, row, column);
    (void)fprintf(out, "<td class=\"number\">%s</td>",
                  sht__cell_difference_text(quantity, difference, text, sizeof text));
  }
}

static void write_row(FILE *out, const sht__sheet *sheet, size_t row) {
  (void)fputs("<tr><th scope=\"row\">", out);
  sht__xml_text(out, sheet->rows[row].label);
  (void)fputs("</th>", out);
  if (sht__sheet_has_spread(sheet)) {
    (void)fprintf(out, "<td class=\"number\">%" PRIu32 "</td>", sht__sheet_row_runs(sheet, row));
  }
  for (size_t c = 0; c < sheet->column_count; c++) {
    write_cell(out, sheet, row, c);
  }
  if (sht__sheet_has_remarks(sheet)) {
    (void)fputs("<td class=\"remark\">", out);
    sht__xml_text(out, sheet->rows[row].remark);
    (void)fputs("</td>", out);
  }
  (void)fputs("</tr>\n", out);
}

static sht_status write_csv_link(FILE *out, const sht__sheet *sheet, sht_error *error) {
  char *text = NULL;
  size_t length = 0;
  FILE *writer = open_memstream(&text, &length);
  if (writer != NULL) {
    sht__sheet_csv(writer, sheet);
  }
  if (writer == NULL || fclose(writer) != 0) {
    free(text);
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a table");
  }
  (void)fputs("<div class=\"data\">", out);
  sht__csv_link(out, sheet->name, text);
  (void)fputs("</div>\n", out);
  free(text);
  return SHT_OK;
}

static void write_caption(FILE *out, const sht__sheet *sheet) {
  char legend[SHT__PLOT_NAME];
  (void)fprintf(out, "<p class=\"caption\">%s", sht__sheet_legend(sheet, legend, sizeof legend));
  if (sheet->variant.note[0] != '\0') {
    (void)fputs(" <strong>", out);
    sht__xml_text(out, sheet->variant.note);
    (void)fputs("</strong>", out);
    (void)fputs(sht__sheet_has_paper(sheet) ? " No difference to the paper is formed." : "", out);
  }
  (void)fputs("</p>\n", out);
}

sht_status sht__sheet_html(FILE *out, const sht__sheet *sheet, sht_error *error) {
  write_title(out, sheet);
  (void)fputs("<div class=\"wide\"><table class=\"runs\">\n", out);
  write_head(out, sheet);
  for (size_t r = 0; r < sheet->row_count; r++) {
    write_row(out, sheet, r);
  }
  (void)fputs("</tbody></table></div>\n", out);
  write_caption(out, sheet);
  SHT_TRY(write_csv_link(out, sheet, error));
  (void)fputs("</figure>\n", out);
  return SHT_OK;
}
