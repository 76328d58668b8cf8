// A verdict as a piece of a page: see report.h.
#include <stdlib.h>
#include <string.h>

#include "lab/report.h"
#include "lab/svg_text.h"

typedef void (*writer)(FILE *out, const void *what);

static void write_group(FILE *out, const void *what) { sht__verdict_write(out, what); }
static void write_pair(FILE *out, const void *what) { sht__verdict_write_pair(out, what); }
static void write_shared(FILE *out, const void *what) { sht__verdict_write_shared(out, what); }

// The text, in which no line ends between a number and its percent sign. Cuts it up.
static void put_text(FILE *out, char *text) {
  for (char *sign = strstr(text, " %"); sign != NULL; sign = strstr(text, " %")) {
    *sign = '\0';
    sht__xml_text(out, text);
    (void)fputs("&#160;%", out);
    text = sign + 2;
  }
  sht__xml_text(out, text);
}

// What `write` says of `what` as an element: its tag, and what else begins it.
static sht_status write_element(FILE *out, const char *tag, const char *attributes, writer write, const void *what,
                                sht_error *error) {
  char *text = NULL;
  size_t length = 0;
  FILE *sentences = open_memstream(&text, &length);
  if (sentences != NULL) {
    write(sentences, what);
  }
  if (sentences == NULL || fclose(sentences) != 0) {
    free(text);
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the verdict");
  }
  (void)fprintf(out, "<%s%s>", tag, attributes);
  put_text(out, text);
  (void)fprintf(out, "</%s>\n", tag);
  free(text);
  return SHT_OK;
}

sht_status sht__verdict_html(FILE *out, const sht__report_group *group, sht_error *error) {
  return write_element(out, "p", " class=\"verdict\"", write_group, group, error);
}

sht_status sht__verdict_shared_html(FILE *out, const sht__report *report, sht_error *error) {
  (void)fputs("<div class=\"verdict\">\n", out);
  SHT_TRY(write_element(out, "p", "", write_shared, report, error));
  (void)fputs("<ul>\n", out);
  for (size_t g = 0; g < report->group_count; g++) {
    SHT_TRY(write_element(out, "li", "", write_pair, &report->groups[g], error));
  }
  (void)fputs("</ul>\n</div>\n", out);
  return SHT_OK;
}
