// What the parts of an experiment's report share: the plan's runs with their epochs, and how its views become figures
// and tables.
#ifndef SHT_LAB_EXPERIMENT_REPORT_H
#define SHT_LAB_EXPERIMENT_REPORT_H

#include "lab/report_files.h"
#include "shatter/experiment.h"

// The plan and what came of it; all arrays [experiment->run_count].
typedef struct sht__results {
  const sht_experiment *experiment;
  const sht_run *runs;
  sht_epoch **epochs;  // owned
  uint64_t *epoch_counts;
  // Distinct runs, as they are trained: one that two sets or series show counts once.
  uint64_t planned;
  uint64_t trained;  // of these, that have a folder
  uint64_t complete;
} sht__results;

sht_status sht__results_open(const sht_experiment *experiment, const sht_run *runs, sht__results *out,
                             sht_error *error);
void sht__results_close(sht__results *results);
// Whether the run has been begun and can be read.
bool sht__result_is_there(const sht__results *results, uint64_t index);
// A quantity of a run; NaN for final values of a run that goes on.
double sht__result_value(const sht__results *results, const sht__quantity *quantity, uint64_t index);

// The names of a view's series in their order; names: [its set's count]. Returns how many.
size_t sht__view_series(const sht_experiment *experiment, const sht_plan_view *view, const char **names);
// Whether a run of the view's set, by its index in the plan, belongs to the series.
bool sht__view_has(const sht__results *results, const sht_plan_view *view, uint64_t run, const char *name);

// The quantities on one vertical axis.
typedef struct sht__axis {
  sht__quantity quantities[SHT__SHEET_COLUMNS];
  uint32_t count;
} sht__axis;
// The name of a line: its series, and its quantity where the axis has several. out: [size].
void sht__axis_label(const sht__axis *axis, uint32_t index, const char *series, char *out, size_t size);

// A figure has a part for each axis that its quantities need.
sht_status sht__view_parts(const sht_plan_view *view, uint32_t *count, sht_error *error);
// The view `index` as a figure (curves, sweeps) or a table. Close it also after a failure.
sht_status sht__view_plot(const sht__results *results, uint64_t index, uint32_t part, sht__plot *out, sht_error *error);
sht_status sht__view_sheet(const sht__results *results, uint64_t index, sht__sheet *out, sht_error *error);
// Of a figure of curves or a sweep: fills the series.
sht_status sht__view_curves(const sht__results *results, const sht_plan_view *view, const sht__axis *axis,
                            sht__plot *plot, sht_error *error);
sht_status sht__view_sweep(const sht__results *results, const sht_plan_view *view, const sht__axis *axis,
                           sht__plot *plot, sht_error *error);

// The title of a view, and what sets its experiment apart from that of the page: its scale and what was changed.
void sht__view_title(const sht_experiment *experiment, uint64_t index, char what[SHT__PLOT_TEXT],
                     sht__variant *variant);
// The name of the view's files, safe and different for each view.
char *sht__view_name(const sht_experiment *experiment, uint64_t index, char *out, size_t size);

// Sets the sentences that say what figures and tables show.
void sht__curves_find(sht__plot *plot);
void sht__sweep_find(sht__plot *plot);
void sht__sheet_find(sht__sheet *sheet);

// The page. writer of sht__text_export; results: a sht__results.
sht_status sht__experiment_page(FILE *out, const void *what, sht_error *error);
// Its last part: how each run is made again, and where they were made.
sht_status sht__experiment_runs_html(FILE *out, const sht__results *results, sht_error *error);

#endif
