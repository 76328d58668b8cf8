// Words as values, the same rules for flags and YAML: 1e-3 is a number, only true and false are booleans.
#ifndef SHT_CONFIG_SCALAR_H
#define SHT_CONFIG_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Each returns false, leaving *out alone, when the whole text is not such a value.
bool sht__scalar_bool(const char *text, bool *out);
// Decimal digits only; false when above 2^64 - 1.
bool sht__scalar_count(const char *text, uint64_t *out);
// Decimal with optional sign, fraction and exponent; finite. No inf, nan or hexadecimal.
bool sht__scalar_number(const char *text, double *out);
// The shortest decimal that reads back as the same double. size: at least 32.
void sht__scalar_print(double value, char *out, size_t size);

// UTF-8 without control characters and line breaks: what can stand in a YAML text and in a message.
bool sht__scalar_printable(const char *text);

#endif
