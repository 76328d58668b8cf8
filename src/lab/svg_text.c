// Text and numbers in SVG and HTML: see svg_text.h.
#include "lab/svg_text.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double largest_written_out = 1e15;

// Of a valid start byte, how many bytes follow; -1: not a start byte.
static int following_bytes(unsigned char first) {
  if (first < 0x80) {
    return 0;
  }
  if (first >= 0xc2 && first <= 0xdf) {
    return 1;
  }
  if ((first & 0xf0) == 0xe0) {
    return 2;
  }
  return first >= 0xf0 && first <= 0xf4 ? 3 : -1;
}

// Code points that take their bytes without need, surrogates, those above U+10FFFF and the two that XML forbids.
static bool is_forbidden(const unsigned char *bytes) {
  return (bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
         (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f) ||
         (bytes[0] == 0xef && bytes[1] == 0xbf && bytes[2] >= 0xbe);
}

int sht__utf8_length(const char *text) {
  const unsigned char *bytes = (const unsigned char *)text;
  int following = following_bytes(bytes[0]);
  if (bytes[0] == 0 || following < 0) {
    return 0;
  }
  for (int i = 1; i <= following; i++) {
    if ((bytes[i] & 0xc0) != 0x80) {
      return 0;
    }
  }
  return following > 0 && is_forbidden(bytes) ? 0 : following + 1;
}

// Widths of DejaVu Sans, the widest of the usual sans-serif fonts, in classes.
static double character_width(const char *character, int length) {
  if (length > 2) {
    return 1;
  }
  if (length == 2) {
    return 0.65;
  }
  if (strchr("il.,:;'|!jI()[] ", *character) != NULL) {
    return 0.36;
  }
  if (strchr("mwMW@%", *character) != NULL) {
    return 0.95;
  }
  return *character >= 'A' && *character <= 'Z' ? 0.7 : 0.61;
}

double sht__text_width(const char *text, double font) {
  double width = 0;
  while (*text != '\0') {
    int length = sht__utf8_length(text);
    width += character_width(text, length);
    text += length > 0 ? length : 1;
  }
  return width * font;
}

void sht__text_fit(const char *text, double width, double font, char *out, size_t size) {
  static const char ellipsis[] = "\xe2\x80\xa6";
  bool whole = sht__text_width(text, font) <= width + 0.01 && strlen(text) < size;
  double room = width - font;
  size_t used = 0;
  while (text[used] != '\0') {
    int length = sht__utf8_length(text + used);
    size_t bytes = length > 0 ? (size_t)length : 1;
    room -= character_width(text + used, length) * font;
    if (!whole && (room < 0 || used + bytes + sizeof ellipsis > size)) {
      break;
    }
    used += bytes;
  }
  memcpy(out, text, used);
  memcpy(out + used, whole ? "" : ellipsis, whole ? 1 : sizeof ellipsis);
}

static const char *entity_of(char character) {
  switch (character) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    case '\n':
      return "\n";
    case 0x7f:
      return " ";
    default:
      return (unsigned char)character < 0x20 ? " " : NULL;
  }
}

void sht__xml_text(FILE *out, const char *text) {
  while (text != NULL && *text != '\0') {
    const char *entity = entity_of(*text);
    int length = sht__utf8_length(text);
    if (entity != NULL) {
      (void)fputs(entity, out);
    } else if (length == 0) {
      (void)fputs("\xef\xbf\xbd", out);
    } else {
      (void)fwrite(text, 1, (size_t)length, out);
    }
    text += length > 0 ? length : 1;
  }
}

char *sht__number_text(double value, int decimals, bool trim, char *out, size_t size) {
  if (!isfinite(value)) {
    (void)snprintf(out, size, "\xe2\x80\x93");
    return out;
  }
  if (fabs(value) >= largest_written_out) {
    (void)snprintf(out, size, "%s1e+%d", value < 0 ? "-" : "", (int)floor(log10(fabs(value))));
    return out;
  }
  uint64_t unit = 1;
  for (int i = 0; i < decimals; i++) {
    unit *= 10;
  }
  double whole = floor(fabs(value));
  uint64_t parts = (uint64_t)round((fabs(value) - whole) * (double)unit);
  uint64_t integer = (uint64_t)whole + (parts >= unit);
  parts = parts >= unit ? 0 : parts;
  while (trim && decimals > 0 && parts % 10 == 0) {
    parts /= 10;
    decimals--;
  }
  const char *sign = value < 0 && (integer > 0 || parts > 0) ? "-" : "";
  if (decimals == 0) {
    (void)snprintf(out, size, "%s%llu", sign, (unsigned long long)integer);
  } else {
    (void)snprintf(out, size, "%s%llu.%0*llu", sign, (unsigned long long)integer, decimals, (unsigned long long)parts);
  }
  return out;
}

void sht__xml_number(FILE *out, double value, int decimals) {
  char text[40];
  (void)fputs(isfinite(value) ? sht__number_text(value, decimals, true, text, sizeof text) : "0", out);
}
