// What a stream can show: see terminal.h.
#include "cli/terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_DEFAULT = 80, COLUMNS_MIN = 40 };

static bool is_set(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0';
}

static int columns_of(FILE *stream) {
  struct winsize size;
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col >= COLUMNS_MIN) {
    return size.ws_col;
  }
  const char *columns = getenv("COLUMNS");
  long wanted = columns != NULL ? strtol(columns, NULL, 10) : 0;
  return wanted >= COLUMNS_MIN && wanted < 1000 ? (int)wanted : COLUMNS_DEFAULT;
}

sht_terminal sht__terminal_of(FILE *stream) {
  const char *kind = getenv("TERM");
  bool smart = isatty(fileno(stream)) != 0 && kind != NULL && strcmp(kind, "dumb") != 0;
  return (sht_terminal){
      .live = smart && !is_set("CI"),
      .color = smart && !is_set("NO_COLOR"),
      .unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
      .columns = columns_of(stream),
  };
}

const char *sht__ink(const sht_terminal *terminal, int ink) {
  static const char *const emphases[SHT_INK_SERIES] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m"};
  static const char *const series[SHT_INK_SERIES_COUNT] = {
      "\033[38;5;32m",   // blue
      "\033[38;5;166m",  // vermillion
      "\033[38;5;36m",   // bluish green
      "\033[38;5;214m",  // orange
      "\033[38;5;175m",  // reddish purple
      "\033[38;5;74m",   // sky blue
      "\033[38;5;185m",  // yellow
  };
  if (!terminal->color) {
    return "";
  }
  return ink < SHT_INK_SERIES ? emphases[ink] : series[(ink - SHT_INK_SERIES) % SHT_INK_SERIES_COUNT];
}

const char *sht__ink_end(const sht_terminal *terminal) { return terminal->color ? "\033[0m" : ""; }

static bool starts_character(char byte) { return ((unsigned char)byte & 0xC0) != 0x80; }

int sht__text_columns(const char *text) {
  int columns = 0;
  for (; *text != '\0'; text++) {
    columns += starts_character(*text);
  }
  return columns;
}

static int word_columns(const char *word, size_t bytes) {
  int columns = 0;
  for (size_t i = 0; i < bytes; i++) {
    columns += starts_character(word[i]);
  }
  return columns;
}

void sht__print_wrapped(FILE *out, const char *text, int at, int indent, int columns) {
  bool line_begins = true;
  while (*text != '\0') {
    size_t bytes = strcspn(text, " \n");
    int width = word_columns(text, bytes);
    if (!line_begins && at + 1 + width > columns) {
      (void)fprintf(out, "\n%*s", indent, "");
      at = indent;
      line_begins = true;
    }
    (void)fprintf(out, "%s%.*s", line_begins ? "" : " ", (int)bytes, text);
    at += width + !line_begins;
    line_begins = false;
    text += bytes;
    if (*text == '\n') {
      (void)fprintf(out, "\n%*s", indent, "");
      at = indent;
      line_begins = true;
    }
    text += *text != '\0';
  }
  (void)fputc('\n', out);
}
