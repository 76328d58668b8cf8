// What the stream that we write to can show: colours, redrawing, Unicode, how many columns.
#ifndef SHT_CLI_TERMINAL_H
#define SHT_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

typedef struct sht_terminal {
  bool live;     // lines may be redrawn: a terminal that is not dumb, and not under CI
  bool color;    // a terminal, and NO_COLOR is not set
  bool unicode;  // the locale is UTF-8
  int columns;
} sht_terminal;

// Okabe and Ito's colours (told apart by nearly everyone), as near as 256 colours come, and a few emphases.
typedef enum sht_ink {
  SHT_INK_PLAIN,
  SHT_INK_BOLD,
  SHT_INK_DIM,
  SHT_INK_GOOD,
  SHT_INK_WARN,
  SHT_INK_BAD,
  SHT_INK_SERIES,  // SHT_INK_SERIES + i: colour of the i-th curve
} sht_ink;
enum { SHT_INK_SERIES_COUNT = 7 };

sht_terminal sht__terminal_of(FILE *stream);

// The escape codes, or "" where there are no colours.
const char *sht__ink(const sht_terminal *terminal, int ink);
const char *sht__ink_end(const sht_terminal *terminal);

// Columns that a UTF-8 text takes (every character counts as one).
int sht__text_columns(const char *text);
// Prints `text` in lines of at most `columns`, broken at spaces, each after `indent` spaces; the first line is taken to
// be at column `at` already.
void sht__print_wrapped(FILE *out, const char *text, int at, int indent, int columns);

#endif
