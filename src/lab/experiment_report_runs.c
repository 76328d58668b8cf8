// How the runs of an experiment are made again, and where they were made: see experiment_report.h.
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "lab/experiment_report.h"
#include "lab/report_environment.h"
#include "lab/svg_text.h"

enum { OPEN_BELOW = 7 };  // so many commands are shown without being asked for

static void write_how(FILE *out, const sht_experiment *experiment) {
  (void)fputs("<pre><code>", out);
  sht__xml_text(out, experiment->command);
  (void)fputs("</code></pre>\n", out);
}

static void write_outcome(FILE *out, const sht__results *results, uint64_t index) {
  const sht_run *run = &results->runs[index];
  const sht_train_result *result = &run->result;
  if (!sht__result_is_there(results, index)) {
    (void)fputs("not trained yet", out);
  } else if (!run->complete) {
    (void)fprintf(out, "unfinished: %" PRIu32 " of %" PRIu64 " epochs", result->epochs, run->config.epochs);
  } else if (result->outcome == SHT_OUTCOME_DIVERGED) {
    (void)fprintf(out, "diverged at step %" PRIu64, result->diverged_step);
  } else if (result->fitted_epoch > 0) {
    (void)fprintf(out, "fitted in epoch %" PRIu32, result->fitted_epoch);
  } else {
    (void)fprintf(out, "not fitted after %" PRIu32 " epochs", result->epochs);
  }
}

static void write_run(FILE *out, const sht__results *results, uint64_t index) {
  const sht_run *run = &results->runs[index];
  (void)fputs("<article>\n<h3>", out);
  sht__xml_text(out, results->experiment->runs[index].series);
  (void)fputs(" <small>", out);
  write_outcome(out, results, index);
  (void)fputs("</small></h3>\n", out);
  sht__command_html(out, &results->experiment->runs[index].config);
  if (sht__result_is_there(results, index)) {
    (void)fputs("<p class=\"caption\">Folder: ", out);
    sht__xml_text(out, run->folder);
    if (run->result.weights_sha256[0] != '\0') {
      (void)fprintf(out, "<br/>SHA-256 of the final weights: <code>%.64s</code>", run->result.weights_sha256);
    }
    (void)fputs("</p>\n", out);
  }
  (void)fputs("</article>\n", out);
}

static void write_set(FILE *out, const sht__results *results, uint32_t index) {
  const sht_plan_set *set = &results->experiment->sets[index];
  (void)fprintf(out, "<details%s><summary>", results->experiment->run_count < OPEN_BELOW ? " open=\"open\"" : "");
  sht__xml_text(out, set->name);
  (void)fprintf(out, ": the command of each of %" PRIu64 " run%s</summary>\n", set->count, set->count == 1 ? "" : "s");
  for (uint64_t i = set->first; i < set->first + set->count; i++) {
    write_run(out, results, i);
  }
  (void)fputs("</details>\n", out);
}

static sht_status write_environments(FILE *out, const sht__results *results, sht_error *error) {
  const sht_run **runs = NULL;
  uint64_t count = 0;
  SHT_TRY(SHT_ALLOC(&runs, results->experiment->run_count, "runs of the experiment", error));
  for (uint64_t i = 0; i < results->experiment->run_count; i++) {
    if (sht__result_is_there(results, i)) {
      runs[count++] = &results->runs[i];
    }
  }
  if (count > 0) {
    (void)fputs("<section id=\"environment\">\n<h2>Where it was made</h2>\n", out);
    sht__environments_write(out, runs, count);
    (void)fputs("</section>\n", out);
  }
  sht_free(runs);
  return SHT_OK;
}

sht_status sht__experiment_runs_html(FILE *out, const sht__results *results, sht_error *error) {
  (void)fputs(
      "<section id=\"commands\">\n<h2>How to repeat this</h2>\n"
      "<p>All of it, what is in the store already left as it is:</p>\n",
      out);
  write_how(out, results->experiment);
  // On paper nobody can unfold what is folded.
  (void)fprintf(out,
                "<p%s>A single run, with the same bits on the same kind of processor at any number of threads:</p>\n",
                results->experiment->run_count < OPEN_BELOW ? "" : " class=\"folded\"");
  for (uint32_t i = 0; i < results->experiment->set_count; i++) {
    write_set(out, results, i);
  }
  (void)fputs("</section>\n", out);
  return write_environments(out, results, error);
}
