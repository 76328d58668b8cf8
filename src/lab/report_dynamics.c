// What is learned when: the figures of a run with corrupted labels, of how the network answers over the epochs: see
// report_measure.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "lab/report_measure.h"
#include "lab/svg_text.h"

typedef double (*share_of)(const sht_epoch *epoch);

static double memorised(const sht_epoch *e) { return e->memorised; }
static double resisted(const sht_epoch *e) { return e->resisted; }
static double other(const sht_epoch *e) { return e->other; }
static double clean(const sht_epoch *e) { return e->clean_fitted; }
static double clean_error(const sht_epoch *e) { return 1 - e->test_accuracy; }
static double corrupted_error(const sht_epoch *e) { return 1 - e->corrupted_test_accuracy; }

typedef struct line {
  const char *label;
  share_of get;
  int style;
} line;
static const line answer_lines[] = {{"clean: given label", clean, 2},
                                    {"wrong: given label", memorised, 1},
                                    {"wrong: true label", resisted, 0},
                                    {"wrong: neither", other, 3}};
static const line test_lines[] = {{"true labels", clean_error, 0}, {"corrupted labels", corrupted_error, 1}};

static bool has_any(const sht__report_run *run, share_of get) {
  for (uint64_t i = 0; i < run->epoch_count; i++) {
    if (isfinite(get(&run->epochs[i]))) {
      return true;
    }
  }
  return false;
}

static sht_status add_line(const sht__report_run *run, const line *l, sht__plot *plot, sht_error *error) {
  if (!has_any(run, l->get)) {
    return SHT_OK;
  }
  SHT_TRY(sht__plot_series_open(plot, l->label, run->epoch_count, error));
  sht__plot_series *series = &plot->series[plot->series_count - 1];
  series->style = l->style;
  for (uint64_t i = 0; i < run->epoch_count; i++) {
    series->x[i] = run->epochs[i].epoch;
    series->y[i] = l->get(&run->epochs[i]);
    series->n[i] = isfinite(series->y[i]);
  }
  return SHT_OK;
}

// The epoch with the largest share, 0 when none has one.
static const sht_epoch *peak_of(const sht__report_run *run, share_of get) {
  const sht_epoch *peak = NULL;
  for (uint64_t i = 0; i < run->epoch_count; i++) {
    const sht_epoch *e = &run->epochs[i];
    peak = isfinite(get(e)) && (peak == NULL || get(e) > get(peak)) ? e : peak;
  }
  return peak;
}

static void find_answers(const sht__report_run *run, sht__plot *plot) {
  char most[SHT__TEXT_SIZE];
  char end[SHT__TEXT_SIZE];
  const sht_epoch *peak = peak_of(run, resisted);
  const sht_epoch *last = &run->epochs[run->epoch_count - 1];
  (void)snprintf(plot->finding, sizeof plot->finding,
                 "Of the wrong labels %s are seen through at most (epoch %u); %s are memorised in the end",
                 sht__percent_text(peak == NULL ? NAN : peak->resisted, most, sizeof most),
                 peak == NULL ? 0 : (unsigned)peak->epoch, sht__percent_text(last->memorised, end, sizeof end));
  char wrong[SHT__TEXT_SIZE];
  char right[SHT__TEXT_SIZE];
  (void)snprintf(plot->caption, sizeof plot->caption,
                 "Evaluation mode, over the same training examples each epoch: %s whose given label is wrong, and "
                 "%s whose is right (clean).",
                 sht_text_count(last->dynamics_corrupted, wrong, sizeof wrong),
                 sht_text_count(last->dynamics_clean, right, sizeof right));
}

static void find_tests(const sht__report_run *run, sht__plot *plot) {
  char true_text[SHT__TEXT_SIZE];
  char corrupted_text[SHT__TEXT_SIZE];
  const sht_epoch *last = &run->epochs[run->epoch_count - 1];
  (void)snprintf(plot->finding, sizeof plot->finding, "Test error: %s against true labels, %s against corrupted ones",
                 sht__percent_text(clean_error(last), true_text, sizeof true_text),
                 sht__percent_text(corrupted_error(last), corrupted_text, sizeof corrupted_text));
  (void)snprintf(plot->caption, sizeof plot->caption,
                 "The same answers on new examples, against their true labels and against labels corrupted as the "
                 "training labels are.");
}

bool sht__dynamics_has(const sht__report_run *run) {
  return run->epoch_count > 0 && (has_any(run, memorised) || has_any(run, corrupted_error));
}

static sht_status open_plot(const char *name, size_t lines, sht__plot *out, sht_error *error) {
  *out = (sht__plot){.level = NAN};
  (void)sht__quantity_find("epochs", &out->x);
  (void)snprintf(out->id, sizeof out->id, "%s", name);
  (void)snprintf(out->name, sizeof out->name, "%s", name);
  return SHT_ALLOC(&out->series, lines, "lines of a figure", error);
}

sht_status sht__dynamics_plot(const sht__report_run *run, const char *name, bool of_tests, sht__plot *out,
                              sht_error *error) {
  const line *lines = of_tests ? test_lines : answer_lines;
  size_t count = of_tests ? sizeof test_lines / sizeof test_lines[0] : sizeof answer_lines / sizeof answer_lines[0];
  SHT_TRY(open_plot(name, count, out, error));
  out->y = (sht__quantity){"share", "share of examples", 100, 2, true};
  if (of_tests) {
    (void)sht__quantity_find("test_error", &out->y);
  }
  (void)snprintf(out->what, sizeof out->what, of_tests ? "Two sets of test labels: %s" : "What is learned when: %s",
                 run->label);
  if (run->seed_count > 1) {
    size_t used = strlen(out->what);
    (void)snprintf(out->what + used, sizeof out->what - used, ", of which seed %" PRIu64,
                   run->seeds[0].run->config.seed);
  }
  for (size_t i = 0; i < count; i++) {
    SHT_TRY(add_line(run, &lines[i], out, error));
  }
  if (of_tests) {
    find_tests(run, out);
  } else {
    find_answers(run, out);
  }
  return SHT_OK;
}
