// Drives the report from a script. usage: driver_report OUT FOLDER...
// Reads run folders, writes their report to OUT, prints the verdict.
#include <stdio.h>

#include "base/memory.h"
#include "lab/files.h"

enum { VERDICT_SIZE = 1024 };

static sht_status report(char **folders, uint64_t count, const char *path, sht_error *error) {
  sht_run *runs = NULL;
  char verdict[VERDICT_SIZE];
  SHT_TRY(SHT_ALLOC(&runs, count, "runs", error));
  for (uint64_t i = 0; i < count; i++) {
    sht__run_read(folders[i], &runs[i]);
  }
  sht_status status = sht_report_write(runs, count, path, error);
  if (status == SHT_OK) {
    status = sht_report_verdict(runs, count, verdict, sizeof verdict, error);
  }
  if (status == SHT_OK) {
    (void)puts(verdict);
  }
  sht_free(runs);
  return status;
}

int main(int count, char **arguments) {
  sht_error error = {0};
  if (count < 2) {
    (void)fputs("usage: driver_report OUT FOLDER...\n", stderr);
    return 2;
  }
  sht_status status = report(arguments + 2, (uint64_t)count - 2, arguments[1], &error);
  if (status != SHT_OK) {
    (void)fprintf(stderr, "%s\n", error.message);
  }
  return sht_status_exit_code(status);
}
