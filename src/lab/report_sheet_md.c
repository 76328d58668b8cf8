// A table as Markdown: see report_sheet.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lab/report_sheet.h"

void sht__md_text(FILE *out, const char *text) {
  for (; *text != '\0'; text++) {
    if (strchr("\\`*_[]<>|&#", *text) != NULL) {
      (void)fprintf(out, "\\%c", *text);
    } else {
      (void)fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
    }
  }
}

// In a cell a code span may hold anything but | and `, of which | is written as \|.
static void write_code(FILE *out, const char *text) {
  (void)fputs("``", out);
  (void)fputs(text[0] == '`' ? " " : "", out);
  for (; *text != '\0'; text++) {
    if (*text == '|') {
      (void)fputs("\\|", out);
    } else {
      (void)fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
    }
  }
  (void)fputs("``", out);
}

static void write_head(FILE *out, const sht__sheet *sheet, bool with_commands) {
  size_t numbers = 0;
  (void)fputs("| run |", out);
  for (size_t c = 0; c < sheet->column_count; c++) {
    char axis[SHT__PLOT_NAME];
    (void)sht__quantity_axis(&sheet->columns[c], axis, sizeof axis);
    if (sheet->has_paper[c]) {
      (void)fprintf(out, " %s: paper | ours | difference |", axis);
    } else {
      (void)fprintf(out, " %s |", axis);
    }
    numbers += sheet->has_paper[c] ? 3 : 1;
  }
  (void)fprintf(out, " remark |%s\n| --- |", with_commands ? " command |" : "");
  for (size_t i = 0; i < numbers; i++) {
    (void)fputs(" ---: |", out);
  }
  (void)fprintf(out, " --- |%s\n", with_commands ? " --- |" : "");
}

static void write_ours(FILE *out, const sht__quantity *quantity, const sht__cell *cell) {
  char text[SHT__TEXT_SIZE];
  (void)fprintf(out, " %s", sht__cell_value_text(quantity, cell->value, text, sizeof text));
  if (isfinite(cell->spread)) {
    (void)fprintf(out, " \xc2\xb1 %s", sht__cell_value_text(quantity, cell->spread, text, sizeof text));
  }
  if (isfinite(cell->best)) {
    (void)fprintf(out, " (%s)", sht__cell_value_text(quantity, cell->best, text, sizeof text));
  }
  if (cell->n > 1) {
    (void)fprintf(out, ", n = %" PRIu32, cell->n);
  }
  (void)fputs(" |", out);
}

static void write_row(FILE *out, const sht__sheet *sheet, size_t row, bool with_commands) {
  char text[SHT__TEXT_SIZE];
  (void)fputs("| ", out);
  sht__md_text(out, sheet->rows[row].label);
  (void)fputs(" |", out);
  for (size_t c = 0; c < sheet->column_count; c++) {
    const sht__quantity *quantity = &sheet->columns[c];
    const sht__cell *cell = sht__sheet_cell(sheet, row, c);
    if (sheet->has_paper[c]) {
      (void)fprintf(out, " %s |", sht__cell_value_text(quantity, cell->paper, text, sizeof text));
    }
    write_ours(out, quantity, cell);
    if (sheet->has_paper[c]) {
      double difference = sht__sheet_difference(sheet, row, c);
      (void)fprintf(out, " %s |", sht__cell_difference_text(quantity, difference, text, sizeof text));
    }
  }
  (void)fputc(' ', out);
  sht__md_text(out, sheet->rows[row].remark);
  (void)fputs(" |", out);
  if (with_commands) {
    (void)fputc(' ', out);
    write_code(out, sheet->rows[row].command);
    (void)fputs(" |", out);
  }
  (void)fputc('\n', out);
}

void sht__sheet_md(FILE *out, const sht__sheet *sheet, bool with_commands) {
  char legend[SHT__PLOT_NAME];
  write_head(out, sheet, with_commands);
  for (size_t r = 0; r < sheet->row_count; r++) {
    write_row(out, sheet, r, with_commands);
  }
  (void)sht__sheet_legend(sheet, legend, sizeof legend);
  if (legend[0] != '\0' || sheet->variant.note[0] != '\0') {
    (void)fprintf(out, "\n%s%s", legend, legend[0] != '\0' && sheet->variant.note[0] != '\0' ? " " : "");
    if (sheet->variant.note[0] != '\0') {
      (void)fputs("**", out);
      sht__md_text(out, sheet->variant.note);
      (void)fputs("**", out);
    }
    (void)fputc('\n', out);
  }
}
