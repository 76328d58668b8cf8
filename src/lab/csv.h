// Fields of CSV files.
#ifndef SHT_LAB_CSV_H
#define SHT_LAB_CSV_H

#include <stdio.h>

// Writes a field, in quotes where it holds a comma, a quote or a line's end (RFC 4180).
void sht__csv_text(FILE *out, const char *text);
// The shortest decimals that read back as the same bits; nothing for NaN.
void sht__csv_number(FILE *out, double value);

#endif
