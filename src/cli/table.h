// A table of text with aligned columns.
#ifndef SHT_CLI_TABLE_H
#define SHT_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "cli/terminal.h"
#include "shatter/error.h"

enum { SHT_TABLE_COLUMNS_MAX = 32 };

typedef struct sht_table {
  const char *alignment;  // a letter a column: "lrr"
  int columns;
  char *cells;  // texts one after another, each with its NUL, row by row; the first row is the header
  size_t size;
  size_t count;  // cells
  FILE *writer;
} sht_table;

sht_status sht__table_open(sht_table *table, const char *alignment, sht_error *error);
// Adds the next cell, left to right, top to bottom.
void sht__table_add(sht_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Four digits ("0.6049"; NaN and infinity, which are no figures: "-"), a fraction as percent ("99.36 %"; NaN: "-"), a
// count with separators.
void sht__table_add_number(sht_table *table, double number);
void sht__table_add_percent(sht_table *table, double fraction);
void sht__table_add_count(sht_table *table, unsigned long long count);
// Prints the table, the header in bold, and frees it. Errors: SHT_MEMORY.
sht_status sht__table_print(sht_table *table, FILE *out, const sht_terminal *terminal, sht_error *error);

// "99.36 %", "-" for NaN; returns out.
char *sht__percent(double fraction, char *out, size_t size);

#endif
