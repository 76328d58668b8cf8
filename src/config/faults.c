// Collects faults: see faults.h.
#include "config/faults.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { LINE_SHOWN = 100 };

// Text that grows in a block of fixed size and says when it is full.
typedef struct writer {
  char *out;
  size_t size;
  size_t length;
  bool full;
} writer;

__attribute__((format(printf, 2, 3))) static void put(writer *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(w->out + w->length, w->size - w->length, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= w->size - w->length) {
    w->full = true;
    w->out[w->length] = '\0';
  } else {
    w->length += (size_t)length;
  }
}

void sht__faults_start(sht__faults *faults, const char *path, const char *text) {
  faults->path = path;
  faults->text = text;
  faults->count = 0;
}

static int kept(const sht__faults *faults) {
  return faults->count < SHT__FAULTS_KEPT ? faults->count : SHT__FAULTS_KEPT;
}

static bool is_before(sht__place a, sht__place b) {
  return a.line < b.line || (a.line == b.line && a.column < b.column);
}

static bool is_known(const sht__faults *faults, const sht__fault_row *row) {
  for (int i = 0; i < kept(faults); i++) {
    const sht__fault_row *other = &faults->rows[i];
    if (other->at.line == row->at.line && other->at.column == row->at.column &&
        strcmp(other->sentence + other->who_length, row->sentence + row->who_length) == 0) {
      return true;
    }
  }
  return false;
}

// Keeps the rows in the order of the file.
static void insert(sht__faults *faults, const sht__fault_row *row) {
  if (faults->count >= SHT__FAULTS_KEPT) {
    faults->count++;
    return;
  }
  int at = faults->count++;
  for (; at > 0 && is_before(row->at, faults->rows[at - 1].at); at--) {
    faults->rows[at] = faults->rows[at - 1];
  }
  faults->rows[at] = *row;
}

void sht__fault(sht__faults *faults, sht__place at, const char *who, const char *advice, const char *format, ...) {
  sht__fault_row row = {.at = at};
  writer sentence = {.out = row.sentence, .size = sizeof row.sentence};
  if (who != NULL) {
    put(&sentence, "%s: ", who);
  }
  row.who_length = sentence.length;
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(row.sentence + row.who_length, sizeof row.sentence - row.who_length, format, arguments);
  va_end(arguments);
  (void)snprintf(row.advice, sizeof row.advice, "%s", advice == NULL ? "" : advice);
  if (!is_known(faults, &row)) {
    insert(faults, &row);
  }
}

// The start of line `line` (from 1), or NULL.
static const char *find_line(const char *text, int line) {
  for (; line > 1; line--) {
    text = strchr(text, '\n');
    if (text == NULL) {
      return NULL;
    }
    text++;
  }
  return text;
}

static bool is_continuation(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

// The source line and a caret below the column. Tabs stay tabs in both lines, so that the caret stands right.
static void put_source(writer *w, const char *text, sht__place at) {
  const char *line = text == NULL || at.line < 1 ? NULL : find_line(text, at.line);
  if (line == NULL || at.column < 1 || at.column > LINE_SHOWN) {
    return;
  }
  int bytes = 0;
  for (int shown = 0; line[bytes] != '\0' && line[bytes] != '\n' && line[bytes] != '\r'; bytes++) {
    shown += !is_continuation(line[bytes]);
    if (shown > LINE_SHOWN) {
      break;
    }
  }
  put(w, "\n    %.*s\n    ", bytes, line);
  int column = 1;
  for (int i = 0; i < bytes && column < at.column; i++) {
    if (!is_continuation(line[i])) {
      put(w, "%c", line[i] == '\t' ? '\t' : ' ');
      column++;
    }
  }
  put(w, "^");
}

static void put_row(writer *w, const sht__faults *faults, const sht__fault_row *row) {
  put(w, "%s%s", w->length > 0 ? "\n" : "", faults->path);
  if (row->at.line > 0) {
    put(w, ":%d:%d", row->at.line, row->at.column);
  }
  put(w, ": %s", row->sentence);
  put_source(w, faults->text, row->at);
  if (row->advice[0] != '\0') {
    put(w, "\n  %s", row->advice);
  }
}

sht_status sht__faults_end(sht__faults *faults, sht_status status, sht_error *error) {
  if (faults->count == 0) {
    return SHT_OK;
  }
  const size_t reserve = 64;  // for the closing line
  char message[SHT_ERROR_MESSAGE_MAX];
  writer w = {.out = message, .size = sizeof message - reserve};
  int told = 0;
  for (; told < kept(faults); told++) {
    size_t before = w.length;
    put_row(&w, faults, &faults->rows[told]);
    if (w.full) {
      w.length = before;
      message[before] = '\0';
      break;
    }
  }
  if (told < faults->count) {
    w.size = sizeof message;
    put(&w, "\n... and %d more faults", faults->count - told);
  }
  return SHT_FAIL(error, status, "%s", message);
}

const char *sht__advise(char *out, size_t size, const char *what, const char *word, const char *const *candidates) {
  writer w = {.out = out, .size = size};
  const char *nearest = sht_text_nearest(word, candidates);
  if (nearest != NULL) {
    put(&w, "did you mean \"%s\"?", nearest);
    return out;
  }
  put(&w, "known %s: ", what);
  for (const char *const *name = candidates; *name != NULL && !w.full; name++) {
    put(&w, "%s%s", name == candidates ? "" : ", ", *name);
  }
  return out;
}
