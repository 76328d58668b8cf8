// A table's numbers: see report_sheet.h.
#include "lab/report_sheet.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/report_csv.h"
#include "lab/svg_text.h"

sht_status sht__sheet_open(sht__sheet *sheet, size_t rows, sht_error *error) {
  uint64_t cells = 0;
  if (!sht_size_mul(rows, sheet->column_count, &cells)) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a table of %zu rows", rows);
  }
  SHT_TRY(SHT_ALLOC(&sheet->rows, rows, "rows of a table", error));
  SHT_TRY(SHT_ALLOC(&sheet->cells, cells, "cells of a table", error));
  for (uint64_t i = 0; i < cells; i++) {
    sheet->cells[i] = (sht__cell){.value = NAN, .spread = NAN, .best = NAN, .paper = NAN};
  }
  sheet->row_count = rows;
  return SHT_OK;
}

void sht__sheet_close(sht__sheet *sheet) {
  sht_free(sheet->rows);
  sht_free(sheet->cells);
  sheet->rows = NULL;
  sheet->cells = NULL;
  sheet->row_count = 0;
}

sht__cell *sht__sheet_cell(const sht__sheet *sheet, size_t row, size_t column) {
  return &sheet->cells[row * sheet->column_count + column];
}

void sht__sheet_finish(sht__sheet *sheet) {
  for (size_t c = 0; c < sheet->column_count; c++) {
    sheet->has_paper[c] = sheet->has_difference[c] = false;
    for (size_t r = 0; r < sheet->row_count; r++) {
      sheet->has_paper[c] = sheet->has_paper[c] || isfinite(sht__sheet_cell(sheet, r, c)->paper);
      sheet->has_difference[c] = sheet->has_difference[c] || isfinite(sht__sheet_difference(sheet, r, c));
    }
  }
}

bool sht__sheet_has_paper(const sht__sheet *sheet) {
  bool some = false;
  for (size_t c = 0; c < sheet->column_count; c++) {
    some = some || sheet->has_paper[c];
  }
  return some;
}

int sht__sheet_width(const sht__sheet *sheet, size_t column) {
  return 1 + sheet->has_paper[column] + sheet->has_difference[column];
}

double sht__sheet_difference(const sht__sheet *sheet, size_t row, size_t column) {
  const sht__cell *cell = sht__sheet_cell(sheet, row, column);
  return sheet->rows[row].comparable ? cell->value - cell->paper : NAN;
}

bool sht__sheet_has_spread(const sht__sheet *sheet) {
  bool some = false;
  for (size_t i = 0; i < sheet->row_count * sheet->column_count; i++) {
    some = some || isfinite(sheet->cells[i].spread);
  }
  return some;
}

bool sht__sheet_has_remarks(const sht__sheet *sheet) {
  bool some = false;
  for (size_t r = 0; r < sheet->row_count; r++) {
    some = some || sheet->rows[r].remark[0] != '\0';
  }
  return some;
}

uint32_t sht__sheet_row_runs(const sht__sheet *sheet, size_t row) {
  uint32_t most = 0;
  for (size_t c = 0; c < sheet->column_count; c++) {
    const sht__cell *cell = sht__sheet_cell(sheet, row, c);
    most = cell->n > most ? cell->n : most;
  }
  return most;
}

bool sht__sheet_has_best(const sht__sheet *sheet) {
  bool some = false;
  for (size_t i = 0; i < sheet->row_count * sheet->column_count; i++) {
    some = some || isfinite(sheet->cells[i].best);
  }
  return some;
}

char *sht__cell_value_text(const sht__quantity *quantity, double value, char *out, size_t size) {
  return sht__number_text(value * quantity->scale, quantity->decimals, false, out, size);
}

char *sht__cell_difference_text(const sht__quantity *quantity, double difference, char *out, size_t size) {
  char number[SHT__TEXT_SIZE];
  (void)sht__number_text(fabs(difference) * quantity->scale, quantity->decimals, false, number, sizeof number);
  // U+2212, the minus sign; a difference that rounds to nothing has none.
  bool nothing = strspn(number, "0.") == strlen(number);
  const char *sign = difference < 0 ? "\xe2\x88\x92" : "+";
  (void)snprintf(out, size, "%s%s", !isfinite(difference) || nothing ? "" : sign, number);
  return out;
}

char *sht__sheet_legend(const sht__sheet *sheet, char *out, size_t size) {
  bool spread = sht__sheet_has_spread(sheet);
  bool best = sht__sheet_has_best(sheet);
  (void)snprintf(out, size, "%s%s%s", spread ? "Mean \xc2\xb1 standard deviation over n seeds." : "",
                 spread && best ? " " : "", best ? "In brackets: the best test accuracy during training." : "");
  return out;
}

static void write_head(FILE *out, const sht__sheet *sheet) {
  static const char *const suffixes[] = {"", "_sd", "_n", "_best", "_paper", "_difference"};
  sht__csv_text(out, true, "series");
  for (size_t c = 0; c < sheet->column_count; c++) {
    for (size_t s = 0; s < sizeof suffixes / sizeof suffixes[0]; s++) {
      char name[SHT__PLOT_NAME];
      (void)snprintf(name, sizeof name, "%s%s", sheet->columns[c].name, suffixes[s]);
      sht__csv_text(out, false, name);
    }
  }
  sht__csv_text(out, false, "remark");
  sht__csv_text(out, false, "variant");
  sht__csv_end(out);
}

void sht__sheet_csv(FILE *out, const sht__sheet *sheet) {
  write_head(out, sheet);
  for (size_t r = 0; r < sheet->row_count; r++) {
    sht__csv_text(out, true, sheet->rows[r].label);
    for (size_t c = 0; c < sheet->column_count; c++) {
      const sht__cell *cell = sht__sheet_cell(sheet, r, c);
      sht__csv_number(out, false, cell->value);
      sht__csv_number(out, false, cell->spread);
      sht__csv_count(out, false, cell->n);
      sht__csv_number(out, false, cell->best);
      sht__csv_number(out, false, cell->paper);
      sht__csv_number(out, false, sht__sheet_difference(sheet, r, c));
    }
    sht__csv_text(out, false, sheet->rows[r].remark);
    sht__csv_text(out, false, sheet->variant.mark);
    sht__csv_end(out);
  }
}
