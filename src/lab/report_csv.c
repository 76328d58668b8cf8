// CSV: see report_csv.h.
#include "lab/report_csv.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/json.h"

void sht__csv_text(FILE *out, bool first, const char *text) {
  (void)fputs(first ? "" : ",", out);
  text = text == NULL ? "" : text;
  if (text[strcspn(text, ",\"\r\n")] == '\0') {
    (void)fputs(text, out);
    return;
  }
  (void)fputc('"', out);
  for (; *text != '\0'; text++) {
    (void)fputs(*text == '"' ? "\"\"" : (char[]){*text, '\0'}, out);
  }
  (void)fputc('"', out);
}

void sht__csv_number(FILE *out, bool first, double value) {
  char text[40];
  sht__csv_text(out, first, isfinite(value) ? sht_json_number_text(value, text, sizeof text) : "");
}

void sht__csv_count(FILE *out, bool first, uint64_t count) {
  (void)fprintf(out, "%s%" PRIu64, first ? "" : ",", count);
}

void sht__csv_end(FILE *out) { (void)fputs("\r\n", out); }
