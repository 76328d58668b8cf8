// Single numbers inside a page of Markdown: see report_values.h.
#include "lab/report_values.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

enum { PAGE_SIZE_MAX = 1 << 24, RESULT_SIZE_MAX = 1 << 24, WORD_SIZE = 128, PATH_SIZE = 4096, TEXT_SIZE = 64 };

static const char opening[] = "<!-- value:";
static const char closing[] = "-->";
static const char ending[] = "<!-- end -->";

typedef struct place {
  char where[PATH_SIZE];  // page and line, for errors
  char file[WORD_SIZE], key[WORD_SIZE], format[WORD_SIZE];
} place;

// ---- reading

// A place begins at `from`; *rest: what follows it.
static sht_status read_place(const char *path, const char *text, const char *from, place *out, const char **rest,
                             sht_error *error) {
  uint64_t line = 1;
  for (const char *c = text; c < from; c++) {
    line += *c == '\n';
  }
  (void)snprintf(out->where, sizeof out->where, "%s:%" PRIu64, path, line);
  const char *stop = from + strcspn(from, "\n");
  const char *end = strstr(from, ending);
  int used = 0;
  int words = sscanf(from + strlen(opening), " %127s %127s %127s -->%n", out->file, out->key, out->format, &used);
  if (words != 3 || used == 0 || strstr(out->key, closing) != NULL) {
    return SHT_FAIL(error, SHT_DATA, "%s: write %s FILE KEY FORMAT --> ... %s", out->where, opening, ending);
  }
  if (end == NULL || end > stop) {
    return SHT_FAIL(error, SHT_DATA, "%s: no %s in this line ends the value", out->where, ending);
  }
  *rest = end;
  return SHT_OK;
}

// ---- the number

static const json_t *find_member(const json_t *object, const char *key) {
  char word[WORD_SIZE];
  while (object != NULL && *key != '\0') {
    size_t length = strcspn(key, ".");
    (void)snprintf(word, sizeof word, "%.*s", (int)length, key);
    object = json_is_array(object) ? json_array_get(object, strtoull(word, NULL, 10)) : json_object_get(object, word);
    key += length + (key[length] == '.');
  }
  return object;
}

static sht_status read_number(const place *p, const char *folder, double *out, sht_error *error) {
  char path[PATH_SIZE];
  char *text = NULL;
  json_t *object = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_path_join(path, sizeof path, folder, p->file, error));
  SHT_TRY(sht_file_read(path, RESULT_SIZE_MAX, &text, &size, error));
  sht_status status = sht_json_read(text, size, path, &object, error);
  sht_free(text);
  SHT_TRY(status);
  const json_t *member = find_member(object, p->key);
  bool found = json_is_number(member);
  *out = found ? json_number_value(member) : (double)NAN;
  json_decref(object);
  return found ? SHT_OK : SHT_FAIL(error, SHT_DATA, "%s: %s has no number \"%s\"", p->where, path, p->key);
}

// ---- its text

static void write_whole(char *out, size_t size, double value) {
  char digits[TEXT_SIZE];
  int count = snprintf(digits, sizeof digits, "%.0f", value);
  size_t at = 0;
  for (int i = 0; i < count && at + 2 < size; i++) {
    out[at++] = digits[i];
    int left = count - 1 - i;
    if (left > 0 && left % 3 == 0 && digits[i] != '-') {
      out[at++] = ',';
    }
  }
  out[at] = '\0';
}

static sht_status write_number(const place *p, double value, char *out, size_t size, sht_error *error) {
  const char *format = p->format;
  if (strcmp(format, "percent") == 0 || strcmp(format, "percent1") == 0) {
    (void)snprintf(out, size, "%.*f", format[strlen("percent")] == '1' ? 1 : 2, 100 * value);
    return SHT_OK;
  }
  if (format[0] < '1' || format[0] > '9' || format[1] != '\0') {
    return SHT_FAIL(error, SHT_DATA, "%s: \"%s\" is no format; write percent, percent1 or a number of digits, 1 to 9",
                    p->where, format);
  }
  if (value == floor(value) && fabs(value) < 1e15) {
    write_whole(out, size, value);
  } else {
    (void)snprintf(out, size, "%.*g", format[0] - '0', value);
  }
  return SHT_OK;
}

static sht_status write_page(FILE *out, const char *path, const char *text, const char *folder, uint64_t *values,
                             sht_error *error) {
  const char *at = text;
  for (const char *from = strstr(at, opening); from != NULL; from = strstr(at, opening)) {
    place p;
    char number[TEXT_SIZE];
    double value = 0;
    const char *rest = from;
    SHT_TRY(read_place(path, text, from, &p, &rest, error));
    SHT_TRY(read_number(&p, folder, &value, error));
    SHT_TRY(write_number(&p, value, number, sizeof number, error));
    const char *head = strstr(from, closing) + strlen(closing);
    (void)fwrite(at, 1, (size_t)(head - at), out);
    (void)fputs(number, out);
    at = rest;
    (*values)++;
  }
  (void)fputs(at, out);
  return SHT_OK;
}

sht_status sht__report_values(const char *path, const char *folder, uint64_t *values, sht_error *error) {
  char *text = NULL;
  char *page = NULL;
  size_t length = 0;
  uint64_t size = 0;
  *values = 0;
  SHT_TRY(sht_file_read(path, PAGE_SIZE_MAX, &text, &size, error));
  FILE *out = open_memstream(&page, &length);
  sht_status status = out == NULL ? SHT_FAIL(error, SHT_MEMORY, "no memory for %s", path)
                                  : write_page(out, path, text, folder, values, error);
  if (out != NULL && fclose(out) != 0 && status == SHT_OK) {
    status = SHT_FAIL(error, SHT_MEMORY, "no memory for %s", path);
  }
  if (status == SHT_OK) {
    status = sht_file_write(path, page, length, error);
  }
  free(page);
  sht_free(text);
  return status;
}
