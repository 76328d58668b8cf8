// Text and numbers in SVG and HTML: everything from outside escaped, the same bytes in every locale.
#ifndef SHT_LAB_SVG_TEXT_H
#define SHT_LAB_SVG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// Writes `text` so that it is text and nothing else, in elements and in quoted attributes: & < > " ' become entities,
// control characters a space, bytes that are no UTF-8 the replacement character U+FFFD. NULL writes nothing.
void sht__xml_text(FILE *out, const char *text);

// "12.5" into out; returns out. `decimals` 0 to 9, rounded half away from zero; `trim` cuts zeros at the end ("12").
// NaN and infinities give a dash, values beyond 1e15 in size powers of ten ("1e+20").
char *sht__number_text(double value, int decimals, bool trim, char *out, size_t size);

// The number trimmed, for coordinates.
void sht__xml_number(FILE *out, double value, int decimals);

// The bytes of the UTF-8 character at `text`, 0 when there is none (a broken byte, or the end).
int sht__utf8_length(const char *text);

// About how wide a text is, in the unit of `font`, the size of a letter: on the safe side, since the font that will be
// used is not known.
double sht__text_width(const char *text, double font);
// The text, or as much of its beginning as fits into `width`, with an ellipsis. out: [size].
void sht__text_fit(const char *text, double width, double font, char *out, size_t size);

#endif
