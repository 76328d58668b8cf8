// The page of an experiment: see experiment_report.h.
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "lab/experiment_report.h"
#include "lab/svg_text.h"

static void write_variant(FILE *out, const char *what, const char *text) {
  if (text[0] != '\0') {
    (void)fprintf(out, "<p class=\"scale\"><strong>%s</strong> ", what);
    sht__xml_text(out, text);
    (void)fputs("</p>\n", out);
  }
}

static void write_head(FILE *out, const sht__results *results) {
  const sht_experiment *experiment = results->experiment;
  sht__head_write(out);
  sht__xml_text(out, experiment->title);
  (void)fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<p class=\"what\">", sht__report_style);
  sht__xml_text(out, experiment->name);
  if (experiment->source[0] != '\0') {
    (void)fputs(" \xc2\xb7 ", out);
    sht__xml_text(out, experiment->source);
  }
  (void)fputs("</p>\n<h1>", out);
  sht__xml_text(out, experiment->title);
  (void)fputs("</h1>\n", out);
  write_variant(out, "Scaled down.", experiment->scale_note);
  write_variant(out, "Changed:", experiment->changed);
}

static bool is_same(const sht_run *a, const sht_run *b) {
  return strcmp(a->config.labels, b->config.labels) == 0 && strcmp(a->config.pixels, b->config.pixels) == 0 &&
         sht__report_same_model(a, b) && strcmp(a->config.data, b->config.data) == 0 &&
         sht__report_differences(a, b) == 0;
}

// Partly random labels are what figures show best.
static bool is_spoken_of(const sht_run *run) {
  double corruption = sht__run_corruption(run);
  return !(corruption > 0 && corruption < 1);
}

// The begun runs that the verdict speaks of: each once, as often as the plan shows it.
// distinct: [run_count].
static uint64_t distinct_runs(const sht__results *results, sht_run *distinct) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < results->experiment->run_count; i++) {
    bool known = !sht__result_is_there(results, i) || !is_spoken_of(&results->runs[i]);
    for (uint64_t k = 0; k < count && !known; k++) {
      known = is_same(&distinct[k], &results->runs[i]);
    }
    if (!known) {
      distinct[count++] = results->runs[i];
    }
  }
  return count;
}

static sht_status write_verdicts(FILE *out, const sht__results *results, sht_error *error) {
  sht_run *runs = NULL;
  sht__report report = {0};
  if (results->trained == 0) {
    (void)fputs("<p class=\"verdict\">No run of this experiment has been trained yet.</p>\n", out);
    return SHT_OK;
  }
  SHT_TRY(SHT_ALLOC(&runs, results->experiment->run_count, "runs of the experiment", error));
  uint64_t count = distinct_runs(results, runs);
  sht_status status = sht__report_open(runs, count, false, &report, error);
  bool shared = status == SHT_OK && sht__verdict_is_shared(&report);
  if (shared) {
    status = sht__verdict_shared_html(out, &report, error);
  }
  for (size_t g = 0; g < report.group_count && status == SHT_OK && !shared; g++) {
    // Of networks that have nothing to be compared with, the figures say enough.
    bool compared = report.groups[g].base != NULL && report.groups[g].random != NULL;
    if (compared || report.group_count == 1) {
      status = sht__verdict_html(out, &report.groups[g], error);
    }
  }
  sht__report_close(&report);
  sht_free(runs);
  return status;
}

static void write_state(FILE *out, const sht__results *results) {
  (void)fprintf(out, "<p class=\"caption\">%" PRIu64 " of %" PRIu64 " runs of the plan are complete", results->complete,
                results->planned);
  if (results->trained > results->complete) {
    (void)fprintf(out, ", %" PRIu64 " more %s begun", results->trained - results->complete,
                  results->trained - results->complete == 1 ? "is" : "are");
  }
  (void)fputs(".</p>\n", out);
  for (uint64_t i = 0; i < results->experiment->run_count; i++) {
    if (results->runs[i].damaged) {
      (void)fputs("<p class=\"problem\">Left out: ", out);
      sht__xml_text(out, results->runs[i].problem);
      (void)fputs("</p>\n", out);
    }
  }
}

static void write_empty(FILE *out, const sht__plot *plot) {
  (void)fputs("<figure class=\"full\"><figcaption><p class=\"what\">", out);
  sht__xml_text(out, plot->what);
  (void)fputs("</p><h3>Not measured yet</h3></figcaption></figure>\n", out);
}

static sht_status write_plots(FILE *out, const sht__results *results, uint64_t index, sht_error *error) {
  uint32_t parts = 0;
  SHT_TRY(sht__view_parts(&results->experiment->views[index], &parts, error));
  for (uint32_t part = 0; part < parts; part++) {
    sht__plot plot;
    sht_status status = sht__view_plot(results, index, part, &plot, error);
    if (status == SHT_OK && !sht__plot_has_points(&plot)) {
      write_empty(out, &plot);
    } else if (status == SHT_OK) {
      status = sht__plot_html(out, &plot, error);
    }
    sht__plot_close(&plot);
    SHT_TRY(status);
  }
  return SHT_OK;
}

static sht_status write_view(FILE *out, const sht__results *results, uint64_t index, sht_error *error) {
  if (results->experiment->views[index].kind != SHT_VIEW_TABLE) {
    return write_plots(out, results, index, error);
  }
  sht__sheet sheet;
  sht_status status = sht__view_sheet(results, index, &sheet, error);
  if (status == SHT_OK) {
    status = sht__sheet_html(out, &sheet, error);
  }
  sht__sheet_close(&sheet);
  return status;
}

sht_status sht__experiment_page(FILE *out, const void *what, sht_error *error) {
  const sht__results *results = what;
  write_head(out, results);
  SHT_TRY(write_verdicts(out, results, error));
  write_state(out, results);
  (void)fputs("</header>\n<main>\n<section id=\"results\">\n<div class=\"figures\">\n", out);
  for (uint64_t i = 0; i < results->experiment->view_count; i++) {
    SHT_TRY(write_view(out, results, i, error));
  }
  (void)fputs("</div>\n</section>\n", out);
  SHT_TRY(sht__experiment_runs_html(out, results, error));
  sht__terms_write(out, results->experiment->run_count > 0 ? results->experiment->runs[0].config.fitted_at : 0.99);
  sht__foot_write(out);
  return SHT_OK;
}
