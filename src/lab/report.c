// The page of a report, put together from its parts: see shatter/lab.h.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "lab/report.h"
#include "lab/svg_text.h"

static void write_title(FILE *out, const sht__report *report) {
  if (report->group_count == 1) {
    sht__xml_text(out, report->groups[0].model);
    (void)fputs(" on ", out);
    sht__xml_text(out, report->groups[0].data);
    (void)fputs(report->run_count == 1 ? "" : ": true against randomised data", out);
  } else {
    (void)fprintf(out, "True against randomised data: %zu runs", report->seed_count);
  }
}

void sht__head_write(FILE *out) {
  (void)fputs(
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
      "<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"generator\" content=\"shatter " SHATTER_VERSION "\"/>\n<title>",
      out);
}

static void write_head(FILE *out, const sht__report *report) {
  sht__head_write(out);
  write_title(out, report);
  (void)fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>", sht__report_style);
  write_title(out, report);
  (void)fputs("</h1>\n", out);
}

void sht__terms_write(FILE *out, double fitted_at) {
  char level[SHT__TEXT_SIZE];
  (void)sht__number_text(100 * fitted_at, 2, true, level, sizeof level);
  (void)fprintf(
      out,
      "<section id=\"terms\">\n<h2>How to read this</h2>\n<dl class=\"terms\">\n"
      "<dt>Randomised data</dt><dd>The same network is trained, unchanged, on the data as it is and on copies "
      "in which labels or pixels are random. Random labels are drawn once and stay. The labels of the test "
      "set are always true; its pixels go through the same change as those of the training set. Random signs are "
      "another task, of two classes, and drawn for both sets.</dd>\n"
      "<dt>Fitted</dt><dd>The training accuracy, in evaluation mode, reached %s %%. What is fitted on random "
      "labels was learnt by heart, because there is nothing else to learn.</dd>\n"
      "<dt>Training accuracy</dt><dd>The mean during each epoch; from 98 %% on, and at the end, measured again "
      "with the weights held still.</dd>\n"
      "<dt>Step</dt><dd>One update of the weights, from one batch.</dd>\n</dl>\n</section>\n",
      level);
}

static sht_status write_groups(FILE *out, const sht__report *report, sht_error *error) {
  for (size_t i = 0; i < report->group_count; i++) {
    const sht__report_group *group = &report->groups[i];
    (void)fprintf(out, "<section id=\"figures-%zu\">\n<h2>", i + 1);
    if (report->group_count == 1) {
      (void)fputs("Figures", out);
    } else {
      char name[2 * SHT_TEXT_MAX];
      sht__xml_text(out, sht__report_group_name(group, name, sizeof name));
    }
    (void)fputs("</h2>\n", out);
    if (report->group_count > 1) {
      SHT_TRY(sht__verdict_html(out, group, error));
    }
    SHT_TRY(sht__figures_write(out, group, i + 1, error));
    (void)fputs("</section>\n", out);
  }
  return SHT_OK;
}

void sht__foot_write(FILE *out) {
  (void)fputs("</main>\n<footer>\n<p>Made by shatter " SHATTER_VERSION
              ". After C. Zhang, S. Bengio, M. Hardt, B. Recht, O. Vinyals: "
              "<i>Understanding deep learning requires rethinking generalization</i>, ICLR 2017, "
              "<a href=\"https://arxiv.org/abs/1611.03530\">arXiv 1611.03530</a>.</p>\n"
              "</footer>\n</body>\n</html>\n",
              out);
}

static void write_damaged(FILE *out, const sht_run *runs, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    if (runs[i].damaged) {
      (void)fputs("<p class=\"problem\">Left out: ", out);
      sht__xml_text(out, runs[i].problem);
      (void)fputs("</p>\n", out);
    }
  }
}

static sht_status write_page(FILE *out, const sht_run *runs, uint64_t count, const sht__report *report,
                             sht_error *error) {
  write_head(out, report);
  if (report->group_count == 1) {
    SHT_TRY(sht__verdict_html(out, &report->groups[0], error));
  }
  write_damaged(out, runs, count);
  (void)fputs("</header>\n<main>\n", out);
  if (report->group_count > 1) {
    sht__runs_write(out, report);
    SHT_TRY(write_groups(out, report, error));
  } else {
    SHT_TRY(write_groups(out, report, error));
    sht__runs_write(out, report);
  }
  sht__settings_write(out, report);
  sht__terms_write(out, report->run_count > 0 ? report->runs[0].run->config.fitted_at : 0.99);
  sht__foot_write(out);
  return SHT_OK;
}

static sht_status make_page(const sht_run *runs, uint64_t count, const sht__report *report, char **text, size_t *length,
                            sht_error *error) {
  FILE *out = open_memstream(text, length);
  if (out == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the report");
  }
  sht_status status = write_page(out, runs, count, report, error);
  if (fclose(out) != 0 && status == SHT_OK) {
    status = SHT_FAIL(error, SHT_MEMORY, "no memory for the report");
  }
  return status;
}

sht_status sht_report_write(const sht_run *runs, uint64_t count, const char *path, sht_error *error) {
  sht__report report;
  char *text = NULL;
  size_t length = 0;
  if (count == 0) {
    return SHT_FAIL(error, SHT_MISSING, "there is no run to report on; `shatter demo` makes the first ones");
  }
  sht_status status = sht__report_open(runs, count, true, &report, error);
  if (status == SHT_OK) {
    status = make_page(runs, count, &report, &text, &length, error);
  }
  if (status == SHT_OK) {
    status = sht_file_write(path, text, length, error);
  }
  free(text);
  sht__report_close(&report);
  return status;
}
