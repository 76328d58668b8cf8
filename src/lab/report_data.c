// The numbers of a figure as a table and as CSV: see report_measure.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "lab/report_measure.h"
#include "lab/svg_text.h"

enum { ROWS_MAX = 1000 };

// Every so many epochs are listed, so that a page stays a page.
static uint64_t stride_of(const sht__report_group *group) {
  uint64_t longest = 0;
  for (size_t i = 0; i < group->run_count; i++) {
    longest = longest > group->runs[i].epoch_count ? longest : group->runs[i].epoch_count;
  }
  return longest / ROWS_MAX + 1;
}

static bool is_listed(uint64_t index, uint64_t count, uint64_t stride) {
  return index % stride == stride - 1 || index + 1 == count;
}

static void csv_text(FILE *out, const char *text) {
  (void)fputc('"', out);
  for (; *text != '\0'; text++) {
    (void)fputs(*text == '"' ? "\"\"" : (char[]){*text, '\0'}, out);
  }
  (void)fputc('"', out);
}

static void write_csv(FILE *out, sht__measure what, const sht__report_group *group) {
  uint64_t stride = stride_of(group);
  (void)fprintf(out, "run,epoch,steps,%s\n", sht__measure_key(what));
  for (size_t i = 0; i < group->run_count; i++) {
    const sht__report_run *run = &group->runs[i];
    for (uint64_t e = 0; e < run->epoch_count; e++) {
      const sht_epoch *epoch = &run->epochs[e];
      double value = sht__measure_value(what, epoch) / (what == SHT__MEASURE_LOSS ? 1 : 100);
      char number[40];
      if (!is_listed(e, run->epoch_count, stride)) {
        continue;
      }
      csv_text(out, run->label);
      (void)fprintf(out, ",%" PRIu32 ",%" PRIu64 ",%s\n", epoch->epoch, epoch->steps,
                    isfinite(value) ? sht_json_number_text(value, number, sizeof number) : "");
    }
  }
}

static void percent_encoded(FILE *out, const char *text) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~,";
  for (; *text != '\0'; text++) {
    if (strchr(plain, *text) != NULL) {
      (void)fputc(*text, out);
    } else {
      (void)fprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
  }
}

static sht_status write_csv_link(FILE *out, sht__measure what, const sht__report_group *group, const char *id,
                                 sht_error *error) {
  char *text = NULL;
  size_t length = 0;
  FILE *writer = open_memstream(&text, &length);
  if (writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for a table");
  }
  write_csv(writer, what, group);
  bool written = fclose(writer) == 0;
  if (written) {
    (void)fprintf(out, "<a class=\"csv\" download=\"%s.csv\" href=\"data:text/csv;charset=utf-8,", id);
    percent_encoded(out, text);
    (void)fputs("\">CSV</a>\n", out);
  }
  free(text);
  return written ? SHT_OK : SHT_FAIL(error, SHT_MEMORY, "no memory for a table");
}

static void write_row(FILE *out, sht__measure what, const sht__report_group *group, uint64_t e) {
  char text[SHT__TEXT_SIZE];
  (void)fprintf(out, "<tr><th scope=\"row\">%" PRIu64 "</th>", e + 1);
  for (size_t i = 0; i < group->run_count; i++) {
    const sht__report_run *run = &group->runs[i];
    bool there = e < run->epoch_count;
    if (what == SHT__MEASURE_LOSS) {
      (void)fprintf(out, "<td>%s</td>",
                    sht__number_text(there ? (double)run->epochs[e].steps : NAN, 0, true, text, sizeof text));
    }
    (void)fprintf(out, "<td>%s</td>",
                  sht__number_text(there ? sht__measure_value(what, &run->epochs[e]) : NAN,
                                   what == SHT__MEASURE_LOSS ? 4 : 2, false, text, sizeof text));
  }
  (void)fputs("</tr>\n", out);
}

static void write_table(FILE *out, sht__measure what, const sht__report_group *group) {
  uint64_t longest = 0;
  (void)fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">epoch</th>", out);
  for (size_t i = 0; i < group->run_count; i++) {
    longest = longest > group->runs[i].epoch_count ? longest : group->runs[i].epoch_count;
    (void)fputs(what == SHT__MEASURE_LOSS ? "<th scope=\"col\">steps</th><th scope=\"col\">" : "<th scope=\"col\">",
                out);
    sht__xml_text(out, group->runs[i].label);
    (void)fputs("</th>", out);
  }
  (void)fputs("</tr></thead>\n<tbody>\n", out);
  uint64_t stride = stride_of(group);
  for (uint64_t e = 0; e < longest; e++) {
    if (is_listed(e, longest, stride)) {
      write_row(out, what, group, e);
    }
  }
  (void)fputs("</tbody></table></div>\n", out);
}

sht_status sht__data_write(FILE *out, sht__measure what, const sht__report_group *group, const char *id,
                           sht_error *error) {
  uint64_t stride = stride_of(group);
  (void)fprintf(out, "<div class=\"data\"><details><summary>Data of this figure (%s)</summary>\n",
                sht__measure_label(what));
  if (stride > 1) {
    (void)fprintf(out, "<p>Every %" PRIu64 "th epoch; metrics.jsonl in the run's folder has them all.</p>\n", stride);
  }
  write_table(out, what, group);
  (void)fputs("</details>\n", out);
  SHT_TRY(write_csv_link(out, what, group, id, error));
  (void)fputs("</div>\n", out);
  return SHT_OK;
}
