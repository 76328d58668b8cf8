// The table of a report's runs with the paper's numbers beside ours: see report.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "lab/report.h"
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

// A short piece of the run's line, so that table and figures can be read together.
static void write_swatch(FILE *out, const sht__report_run *run) {
  static const char *const dashes[] = {"none", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 2"};
  const int colors = (int)(sizeof dashes / sizeof dashes[0]);
  (void)fprintf(out,
                "<svg class=\"swatch\" width=\"26\" height=\"8\" aria-hidden=\"true\"><line class=\"c%d\" x1=\"0\" "
                "y1=\"4\" x2=\"26\" y2=\"4\" stroke-width=\"2.5\" stroke-dasharray=\"%s\"/></svg>",
                run->style % colors, dashes[(run->style + run->style / colors) % colors]);
}

static void write_run(FILE *out, const sht__report_run *run, bool paper) {
  const sht_run *r = run->run;
  const sht_train_result *result = &r->result;
  (void)fputs("<tr><th scope=\"row\">", out);
  write_swatch(out, run);
  sht__xml_text(out, run->label);
  if (!r->complete) {
    (void)fputs(" <em>(unfinished)</em>", out);
  }
  (void)fputs("</th>", out);
  write_cell(out, r->config.model);
  write_cell(out, r->config.data);
  write_cell(out, r->config.labels);
  write_cell(out, r->config.pixels);
  write_count_cell(out, result->train_examples);
  write_count_cell(out, result->parameters);
  write_count_cell(out, result->epochs);
  write_count_cell(out, result->steps);
  write_fitted_cell(out, result);
  const sht__paper_row *row = paper ? sht__paper_find(run) : NULL;
  write_percent_cell(out, "number", sht__train_accuracy(&result->last));
  if (paper) {
    write_percent_cell(out, "number paper-number", row == NULL ? NAN : row->train_accuracy);
  }
  write_percent_cell(out, "number", result->last.test_accuracy);
  if (paper) {
    char obstacle[96];
    write_percent_cell(out, "number paper-number", row == NULL ? NAN : row->test_accuracy);
    write_cell(out, row == NULL ? "not in Table 1" : sht__paper_obstacle(r, obstacle, sizeof obstacle));
  }
  (void)fputs("</tr>\n", out);
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
  (void)fputs("<p class=\"caption\"><i>Paper</i>: Table 1 of Zhang et al. (2017), without random cropping.", out);
  if (scaled) {
    (void)fputs(
        " A run with a remark in the last column was scaled down or changed: its numbers and the paper's are "
        "<strong>not comparable</strong>.",
        out);
  }
  (void)fputs("</p>\n", out);
}

void sht__runs_write(FILE *out, const sht__report *report) {
  static const char *const heads[] = {"run",      "model",      "data",   "labels", "pixels",
                                      "examples", "parameters", "epochs", "steps",  "fitted"};
  bool paper = has_paper_row(report);
  (void)fputs("<section id=\"runs\">\n<h2>Runs</h2>\n<div class=\"wide\"><table class=\"runs\">\n<thead><tr>", out);
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    (void)fprintf(out, "<th scope=\"col\"%s>%s</th>", i > 4 && i < 9 ? " class=\"number\"" : "", heads[i]);
  }
  const char *paper_head = paper ? "<th scope=\"col\" class=\"number paper-number\">paper</th>" : "";
  (void)fprintf(out,
                "<th scope=\"col\" class=\"number\">train %%</th>%s<th scope=\"col\" class=\"number\">test %%</th>%s%s",
                paper_head, paper_head, paper ? "<th scope=\"col\">comparable?</th>" : "");
  (void)fputs("</tr></thead>\n<tbody>\n", out);
  for (size_t i = 0; i < report->run_count; i++) {
    write_run(out, &report->runs[i], paper);
  }
  (void)fputs("</tbody></table></div>\n", out);
  write_paper_note(out, report, paper);
  (void)fputs("</section>\n", out);
}
