// Words as values: see scalar.h.
#include "config/scalar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool sht__scalar_bool(const char *text, bool *out) {
  bool is_true = strcmp(text, "true") == 0;
  if (!is_true && strcmp(text, "false") != 0) {
    return false;
  }
  *out = is_true;
  return true;
}

bool sht__scalar_count(const char *text, uint64_t *out) {
  uint64_t value = 0;
  const char *at = text;
  for (; is_digit(*at); at++) {
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
      return false;
    }
  }
  if (at == text || *at != '\0') {
    return false;
  }
  *out = value;
  return true;
}

static const char *skip_digits(const char *at) {
  while (is_digit(*at)) {
    at++;
  }
  return at;
}

// [+-] digits [. digits] [e [+-] digits], with a digit before or after the point.
static bool is_decimal(const char *text) {
  const char *at = text + (*text == '+' || *text == '-');
  const char *end = skip_digits(at);
  ptrdiff_t digits = end - at;
  if (*end == '.') {
    at = end + 1;
    end = skip_digits(at);
    digits += end - at;
  }
  if (digits == 0) {
    return false;
  }
  if (*end == 'e' || *end == 'E') {
    at = end + 1;
    at += *at == '+' || *at == '-';
    end = skip_digits(at);
    if (end == at) {
      return false;
    }
  }
  return *end == '\0';
}

bool sht__scalar_number(const char *text, double *out) {
  if (!is_decimal(text)) {
    return false;
  }
  char *end = NULL;
  double value = strtod(text, &end);
  if (*end != '\0' || !isfinite(value)) {
    return false;
  }
  *out = value;
  return true;
}

void sht__scalar_print(double value, char *out, size_t size) {
  for (int digits = 1; digits <= 17; digits++) {
    (void)snprintf(out, size, "%.*g", digits, value);
    if (strtod(out, NULL) == value) {
      return;
    }
  }
}

// Reads one character of UTF-8; returns its length in bytes, or 0 when it is not one.
static int decode(const unsigned char *at, uint32_t *out) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  int length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
  if (length == 0) {
    return 0;
  }
  uint32_t value = length == 1 ? at[0] : at[0] & (0x7fU >> length);
  for (int i = 1; i < length; i++) {
    if (at[i] >> 6 != 2) {
      return 0;
    }
    value = value << 6 | (at[i] & 0x3fU);
  }
  *out = value;
  return value >= least[length] ? length : 0;
}

static bool is_printable(uint32_t c) {
  bool is_break = c == 0x2028 || c == 0x2029 || c == 0xfeff;
  return !is_break && ((c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd) ||
                       (c >= 0x10000 && c <= 0x10ffff));
}

bool sht__scalar_printable(const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  while (*at != '\0') {
    uint32_t c = 0;
    int length = decode(at, &c);
    if (length == 0 || !is_printable(c)) {
      return false;
    }
    at += length;
  }
  return true;
}
