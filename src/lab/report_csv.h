// CSV as RFC 4180 has it: fields in quotes where they need them, lines end in CR LF, numbers with a point.
#ifndef SHT_LAB_REPORT_CSV_H
#define SHT_LAB_REPORT_CSV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// first: of its line, so that no comma comes before it. NULL is an empty field.
void sht__csv_text(FILE *out, bool first, const char *text);
// The shortest number that reads back as the same bits; an empty field when it is not finite.
void sht__csv_number(FILE *out, bool first, double value);
void sht__csv_count(FILE *out, bool first, uint64_t count);
void sht__csv_end(FILE *out);

#endif
