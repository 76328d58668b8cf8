// Error statuses and messages: see shatter/error.h.
#include "shatter/error.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct status_row {
  const char *name;
  int exit_code;
  const char *meaning;
} status_row;

static const status_row status_rows[] = {
#define STATUS_ROW(name, code, meaning) [SHT_##name] = {#name, code, meaning},
    SHT_STATUS_MAP(STATUS_ROW)
#undef STATUS_ROW
};

const char *sht_status_name(sht_status status) { return status_rows[status].name; }

const char *sht_status_meaning(sht_status status) { return status_rows[status].meaning; }

int sht_status_exit_code(sht_status status) { return status_rows[status].exit_code; }

sht_status sht_error_set(sht_error *error, sht_status status, const char *source_file, int source_line,
                         const char *format, ...) {
  if (error == NULL) {
    return status;
  }
  error->status = status;
  error->source_file = source_file;
  error->source_line = source_line;
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  return status;
}
