// Labels and matrices of label noise from files: see labels.h.
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/labels.h"
#include "data/npy.h"

// Walks through a text.
typedef struct lines {
  const char *next;   // where the next line begins
  const char *stop;   // end of the text
  const char *start;  // of the present line, after blanks
  const char *end;    // its newline, or the end of the text
  int number;         // 1-based
} lines;

// Goes to the next line that says something.
static bool next_line(lines *at) {
  do {
    if (at->next == at->stop) {
      return false;
    }
    at->start = at->next;
    const char *newline = memchr(at->start, '\n', (size_t)(at->stop - at->start));
    at->end = newline == NULL ? at->stop : newline;
    at->next = newline == NULL ? at->stop : newline + 1;
    at->number++;
    while (at->start < at->end && isspace((unsigned char)*at->start)) {
      at->start++;
    }
  } while (at->start == at->end || *at->start == '#');
  return true;
}

// Reads one row; false when it is not `classes` numbers.
static bool parse_row(const lines *line, uint32_t classes, double *row) {
  const char *at = line->start;
  for (uint32_t k = 0; k < classes; k++) {
    while (at < line->end && (isspace((unsigned char)*at) || (*at == ',' && k > 0))) {
      at++;
    }
    char *stop = (char *)at;
    row[k] = strtod(at, &stop);
    if (stop == at || stop > line->end) {  // also when the line is over: numbers of the next one are not taken
      return false;
    }
    at = stop;
  }
  while (at < line->end && isspace((unsigned char)*at)) {
    at++;
  }
  return at == line->end;
}

static bool adds_up(const double *row, uint32_t classes) {
  double sum = 0;
  for (uint32_t k = 0; k < classes; k++) {
    if (!(row[k] >= 0)) {
      return false;
    }
    sum += row[k];
  }
  return fabs(sum - 1) <= 1e-6;
}

sht_status sht__labels_parse_matrix(const char *path, const char *bytes, uint64_t size, uint32_t classes,
                                    double *matrix, sht_error *error) {
  lines line = {.next = bytes, .start = bytes, .end = bytes, .stop = bytes + size};
  uint32_t row = 0;
  while (next_line(&line)) {
    if (row == classes) {
      return SHT_FAIL(error, SHT_DATA, "%s:%d: more than %u rows, expected one for each of the %u classes", path,
                      line.number, classes, classes);
    }
    double *values = matrix + (uint64_t)row * classes;
    if (!parse_row(&line, classes, values)) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s:%d: expected %u numbers separated by blanks or commas: the chance of each given class when "
                      "class %u is true",
                      path, line.number, classes, row);
    }
    if (!adds_up(values, classes)) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s:%d: expected chances of at least 0 whose sum is 1 (to 1e-6); correct the row", path,
                      line.number);
    }
    row++;
  }
  if (row != classes) {
    return SHT_FAIL(error, SHT_DATA, "%s: %u rows, expected one for each of the %u classes", path, row, classes);
  }
  return SHT_OK;
}

static sht_status parse_npy_labels(const char *path, const char *bytes, uint64_t size, uint32_t classes, uint64_t count,
                                   uint16_t *labels, sht_error *error) {
  sht_npy array;
  SHT_TRY(sht__npy_parse(path, bytes, size, &array, error));
  if (array.rank != 1 || (array.kind != 'i' && array.kind != 'u') || array.count != count) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: an array of rank %d, kind '%c' and %" PRIu64 " entries, expected a vector of %" PRIu64
                    " integers, one label for each training example",
                    path, array.rank, array.kind, array.count, count);
  }
  for (uint64_t i = 0; i < count; i++) {
    int64_t label = sht__npy_integer(&array, i);
    if (label < 0 || label >= classes) {
      return SHT_FAIL(error, SHT_DATA, "%s: entry %" PRIu64 " is %" PRId64 ", expected a label from 0 to %u", path, i,
                      label, classes - 1);
    }
    labels[i] = (uint16_t)label;
  }
  return SHT_OK;
}

// A whole line that is one integer below `classes`.
static bool parse_label(const lines *line, uint32_t classes, uint16_t *out) {
  if (isdigit((unsigned char)*line->start) == 0) {
    return false;
  }
  char *stop = NULL;
  errno = 0;
  unsigned long long value = strtoull(line->start, &stop, 10);
  while (stop < line->end && isspace((unsigned char)*stop)) {
    stop++;
  }
  *out = (uint16_t)value;
  return errno == 0 && stop == line->end && value < classes;
}

static sht_status parse_text_labels(const char *path, const char *bytes, uint64_t size, uint32_t classes,
                                    uint64_t count, uint16_t *labels, sht_error *error) {
  lines line = {.next = bytes, .start = bytes, .end = bytes, .stop = bytes + size};
  uint64_t found = 0;
  while (next_line(&line)) {
    if (found == count) {
      return SHT_FAIL(error, SHT_DATA, "%s:%d: more than %" PRIu64 " labels, expected one for each training example",
                      path, line.number, count);
    }
    if (!parse_label(&line, classes, &labels[found])) {
      return SHT_FAIL(error, SHT_DATA, "%s:%d: expected one label from 0 to %u", path, line.number, classes - 1);
    }
    found++;
  }
  if (found != count) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: %" PRIu64 " labels, expected %" PRIu64 ", one a line for each training example", path, found,
                    count);
  }
  return SHT_OK;
}

sht_status sht__labels_parse_file(const char *path, const char *bytes, uint64_t size, uint32_t classes, uint64_t count,
                                  uint16_t *labels, sht_error *error) {
  bool npy = size >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0;
  return (npy ? parse_npy_labels : parse_text_labels)(path, bytes, size, classes, count, labels, error);
}
