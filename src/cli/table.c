// A table of text: see table.h.
#include "cli/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

sht_status sht__table_open(sht_table *table, const char *alignment, sht_error *error) {
  *table = (sht_table){.alignment = alignment, .columns = (int)strlen(alignment)};
  table->writer = open_memstream(&table->cells, &table->size);
  if (table->writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a table");
  }
  return SHT_OK;
}

void sht__table_add(sht_table *table, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vfprintf(table->writer, format, arguments);
  va_end(arguments);
  (void)fputc('\0', table->writer);
  table->count++;
}

char *sht__percent(double fraction, char *out, size_t size) {
  if (isnan(fraction)) {
    (void)snprintf(out, size, "-");
  } else {
    (void)snprintf(out, size, "%.2f %%", 100 * fraction);
  }
  return out;
}

void sht__table_add_number(sht_table *table, double number) {
  if (isfinite(number)) {
    sht__table_add(table, "%.4g", number);
  } else {
    sht__table_add(table, "-");
  }
}

void sht__table_add_percent(sht_table *table, double fraction) {
  char text[32];
  sht__table_add(table, "%s", sht__percent(fraction, text, sizeof text));
}

void sht__table_add_count(sht_table *table, unsigned long long count) {
  char text[32];
  sht__table_add(table, "%s", sht_text_count(count, text, sizeof text));
}

static void measure(const sht_table *table, int widths[SHT_TABLE_COLUMNS_MAX]) {
  const char *cell = table->cells;
  for (size_t i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
    int width = sht__text_columns(cell);
    int *widest = &widths[i % (size_t)table->columns];
    *widest = width > *widest ? width : *widest;
  }
}

static void print_cell(const char *cell, int width, char side, bool last, FILE *out) {
  int padding = width - sht__text_columns(cell);
  int before = side == 'r' ? padding : 0;
  int after = side == 'r' || last ? 0 : padding;
  (void)fprintf(out, "%*s%s%*s%s", before, "", cell, after, "", last ? "" : "  ");
}

static void print_rows(const sht_table *table, FILE *out, const sht_terminal *terminal) {
  int widths[SHT_TABLE_COLUMNS_MAX] = {0};
  measure(table, widths);
  const char *cell = table->cells;
  for (size_t i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
    int column = (int)(i % (size_t)table->columns);
    bool last = column == table->columns - 1;
    if (i == 0) {
      (void)fputs(sht__ink(terminal, SHT_INK_BOLD), out);
    }
    print_cell(cell, widths[column], table->alignment[column], last, out);
    if (last) {
      (void)fprintf(out, "%s\n", i + 1 == (size_t)table->columns ? sht__ink_end(terminal) : "");
    }
  }
}

sht_status sht__table_print(sht_table *table, FILE *out, const sht_terminal *terminal, sht_error *error) {
  bool lost = ferror(table->writer) != 0;
  lost = fclose(table->writer) != 0 || lost;
  if (!lost) {
    print_rows(table, out, terminal);
  }
  free(table->cells);
  *table = (sht_table){0};
  return lost ? SHT_FAIL(error, SHT_MEMORY, "no memory for a table") : SHT_OK;
}
