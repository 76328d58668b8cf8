// The table of a report's runs with the paper's numbers beside ours: see report.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "lab/report_sheet.h"
#include "lab/svg.h"
#include "lab/svg_text.h"

static void write_cell(FILE *out, const char *text) {
  (void)fputs("<td>", out);
  sht__xml_text(out, text);
  (void)fputs("</td>", out);
}

static void write_count_cell(FILE *out, uint64_t count) {
  char text[SHT__TEXT_SIZE];
  (void)fprintf(out, "<td class=\"number\">%s</td>",
                count == 0 ? "\xe2\x80\x93" : sht_text_count(count, text, sizeof text));
}

// Accuracies with two decimals, as the paper gives them.
static void write_percent_cell(FILE *out, const char *class_name, double fraction) {
  char text[SHT__TEXT_SIZE];
  (void)fprintf(out, "<td class=\"%s\">%s</td>", class_name,
                sht__number_text(100 * fraction, 2, false, text, sizeof text));
}

// With the spread over the seeds in small print.
static void write_moments_cell(FILE *out, const sht__moments *moments) {
  char text[SHT__TEXT_SIZE];
  (void)fprintf(out, "<td class=\"number\">%s",
                sht__number_text(100 * sht__moments_mean(moments), 2, false, text, sizeof text));
  if (moments->n > 1) {
    (void)fprintf(out, " <small>\xc2\xb1 %s</small>",
                  sht__number_text(100 * sht__moments_deviation(moments), 2, false, text, sizeof text));
  }
  (void)fputs("</td>", out);
}

static void write_fitted_cells(FILE *out, const sht__report_run *run) {
  char mean[SHT__TEXT_SIZE];
  char spread[SHT__TEXT_SIZE];
  if (run->fitted.n > 0 && run->fitted.n < run->seed_count) {
    (void)fprintf(out, "<td>%" PRIu32 " of %zu seeds</td>", run->fitted.n, run->seed_count);
  } else {
    (void)fprintf(out, "<td>epoch %s <small>\xc2\xb1 %s</small></td>",
                  sht__number_text(sht__moments_mean(&run->fitted), 1, true, mean, sizeof mean),
                  sht__number_text(sht__moments_deviation(&run->fitted), 1, true, spread, sizeof spread));
  }
}

static void write_fitted_cell(FILE *out, const sht_train_result *result) {
  char steps[SHT__TEXT_SIZE];
  if (result->outcome == SHT_OUTCOME_DIVERGED) {
    (void)fprintf(out, "<td>diverged at step %s</td>", sht_text_count(result->diverged_step, steps, sizeof steps));
  } else if (result->fitted_epoch == 0) {
    (void)fputs("<td>not fitted</td>", out);
  } else {
    (void)fprintf(out, "<td>epoch %" PRIu32 ", step %s</td>", result->fitted_epoch,
                  sht_text_count(result->fitted_step, steps, sizeof steps));
  }
}

// Ours less the paper's, in points.
static void write_difference_cell(FILE *out, double difference) {
  sht__quantity quantity;
  char text[SHT__TEXT_SIZE];
  (void)sht__quantity_find("test_accuracy", &quantity);
  (void)fprintf(out, "<td class=\"number\">%s</td>",
                sht__cell_difference_text(&quantity, difference, text, sizeof text));
}

static void write_results(FILE *out, const sht__report_run *run, bool paper) {
  const sht__paper_row *row = paper ? sht__paper_find(run) : NULL;
  const sht_epoch *last = &run->run->result.last;
  char obstacle[96];
  bool comparable = row != NULL && sht__paper_obstacle(run->run, obstacle, sizeof obstacle)[0] == '\0';
  write_moments_cell(out, &run->train);
  if (paper) {
    write_percent_cell(out, "number paper-number", row == NULL ? NAN : row->train_accuracy);
    write_difference_cell(out, comparable ? sht__train_accuracy(last) - row->train_accuracy : NAN);
  }
  write_moments_cell(out, &run->test);
  if (paper) {
    write_percent_cell(out, "number paper-number", row == NULL ? NAN : row->test_accuracy);
    write_difference_cell(out, comparable ? last->test_accuracy - row->test_accuracy : NAN);
    write_cell(out, row == NULL ? "not in Table 1" : sht__paper_obstacle(run->run, obstacle, sizeof obstacle));
  }
  if (run->seed_count > 1 && run->fitted.n > 0) {
    write_fitted_cells(out, run);
  } else {
    write_fitted_cell(out, &run->run->result);
  }
}

static void write_run(FILE *out, const sht__report_run *run, bool paper) {
  const sht_run *r = run->run;
  (void)fputs("<tr><th scope=\"row\">", out);
  sht__svg_swatch_write(out, run->style, false);
  sht__xml_text(out, run->label);
  (void)fputs(r->complete ? "</th>" : " <em>(unfinished)</em></th>", out);
  write_results(out, run, paper);
  write_count_cell(out, r->result.epochs);
  write_count_cell(out, r->result.steps);
  write_count_cell(out, r->result.parameters);
  write_count_cell(out, r->result.train_examples);
  write_cell(out, sht_run_model(r));
  write_cell(out, r->config.data);
  write_cell(out, r->config.labels);
  write_cell(out, r->config.pixels);
  (void)fputs("</tr>\n", out);
}

static void write_group(FILE *out, const sht__report_group *group, bool headed, bool paper) {
  if (headed) {
    (void)fprintf(out, "<tr class=\"group\"><th colspan=\"%d\" scope=\"rowgroup\">", paper ? 17 : 12);
    char name[2 * SHT_TEXT_MAX];
    sht__xml_text(out, sht__report_group_name(group, name, sizeof name));
    (void)fputs("</th></tr>\n", out);
  }
  for (size_t i = 0; i < group->run_count; i++) {
    write_run(out, &group->runs[i], paper);
  }
}

static bool has_paper_row(const sht__report *report) {
  bool found = false;
  for (size_t i = 0; i < report->run_count; i++) {
    found = found || sht__paper_find(&report->runs[i]) != NULL;
  }
  return found;
}

static void write_paper_note(FILE *out, const sht__report *report, bool paper) {
  char obstacle[96];
  bool scaled = false;
  for (size_t i = 0; i < report->run_count; i++) {
    const sht__report_run *run = &report->runs[i];
    scaled =
        scaled || (sht__paper_find(run) != NULL && sht__paper_obstacle(run->run, obstacle, sizeof obstacle)[0] != '\0');
  }
  if (!paper) {
    (void)fputs(
        "<p class=\"caption\">Zhang et al. (2017) give numbers for the five shipped networks on the whole of "
        "CIFAR-10; none of these runs is one of theirs, so no number of the paper can stand beside them.</p>\n",
        out);
    return;
  }
  (void)fputs("<p class=\"caption\"><i>Paper</i>: Table 1 of Zhang et al. (2017).", out);
  if (scaled) {
    (void)fputs(
        " A run with a remark was scaled down or changed: its numbers and the paper's are "
        "<strong>not comparable</strong>.",
        out);
  }
  (void)fputs("</p>\n", out);
}

void sht__runs_write(FILE *out, const sht__report *report) {
  static const char paper_head[] =
      "<th scope=\"col\" class=\"number paper-number\">paper</th><th scope=\"col\" class=\"number\">diff.</th>";
  static const char number_head[] = "<th scope=\"col\" class=\"number\">";
  bool paper = has_paper_row(report);
  (void)fputs(
      "<section id=\"runs\">\n<h2>Runs</h2>\n<div class=\"wide\"><table class=\"runs\">\n<thead><tr>"
      "<th scope=\"col\">run</th>",
      out);
  (void)fprintf(out, "%strain %%</th>%s%stest %%</th>%s%s", number_head, paper ? paper_head : "", number_head,
                paper ? paper_head : "", paper ? "<th scope=\"col\">remark</th>" : "");
  (void)fprintf(out,
                "<th scope=\"col\">fitted</th>%sepochs</th>%ssteps</th>%sparameters</th>%sexamples</th>"
                "<th scope=\"col\">model</th><th scope=\"col\">data</th><th scope=\"col\">labels</th>"
                "<th scope=\"col\">pixels</th></tr></thead>\n<tbody>\n",
                number_head, number_head, number_head, number_head);
  for (size_t i = 0; i < report->group_count; i++) {
    write_group(out, &report->groups[i], report->group_count > 1, paper);
  }
  (void)fputs("</tbody></table></div>\n", out);
  if (report->seed_count > report->run_count) {
    (void)fputs(
        "<p class=\"caption\">Runs that differ in their seed alone share a row: mean \xc2\xb1 standard "
        "deviation.</p>\n",
        out);
  }
  write_paper_note(out, report, paper);
  (void)fputs("</section>\n", out);
}
