// Experiments: a page of YAML -> a plan of runs, and the figures and tables that they make.
//
// An experiment has sets of runs (models x data x randomisation x regularisers x seeds), figures and tables drawn from
// a set, and scales ("small": the same story with fewer images and epochs). Opening one reads and checks the whole
// page, and expands it into runs; nothing is trained. docs/experiments.md says how a page is written.
// A run stands in the plan once for each set and series that shows it; it is trained once (schedule.h).
// A figure or table looks at each run of its set through quantities, which are named here so that the page, the
// report and the CSV say the same:
//   of an epoch    steps, epochs, train_loss, train_accuracy, train_error, test_loss, test_accuracy, test_error
//   of a run       corruption (share of randomised labels), fitted_steps, fitted_epochs, relative_time (fitted_steps
//                  over those of the run that differs only in having true labels), best_test_accuracy, final values of
//                  the epoch quantities, and any option by its name ("seed", "weight-decay")
#ifndef SHATTER_EXPERIMENT_H
#define SHATTER_EXPERIMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/config.h"
#include "shatter/error.h"
#include "shatter/lab.h"

enum { SHT_LABEL_MAX = 128 };

// One run of the plan.
typedef struct sht_plan_run {
  sht_config config;
  // Its row in tables and its line in curves: "one layer, random labels". Runs that differ only in their seed share it.
  char series[SHT_LABEL_MAX];
  uint32_t set;  // index into sets
} sht_plan_run;

typedef struct sht_plan_set {
  char name[SHT_LABEL_MAX];
  uint64_t first, count;  // its runs, in the plan's order
} sht_plan_set;

// A value that the paper gives, to stand beside ours. x is NaN in tables.
typedef struct sht_paper_value {
  char series[SHT_LABEL_MAX];
  char quantity[SHT_LABEL_MAX];  // "test_accuracy"
  double x;
  double value;  // a fraction where the quantity is one
} sht_paper_value;

typedef enum sht_plan_view_kind {
  SHT_VIEW_CURVES,  // y against x over the epochs, a line a series
  SHT_VIEW_SWEEP,   // a point a run, joined along x, a line a series
  SHT_VIEW_TABLE,   // a row a series, a column a quantity
} sht_plan_view_kind;

// A figure or a table.
typedef struct sht_plan_view {
  sht_plan_view_kind kind;
  char name[SHT_LABEL_MAX];  // "1a": also the name of its files
  char title[SHT_TEXT_MAX];  // what it shows
  uint32_t set;              // index into sets
  // [its set's count] the line or row of each run of the set: in a sweep without what is along x, "one layer".
  char (*series)[SHT_LABEL_MAX];
  char x[SHT_LABEL_MAX];     // quantity; "" in tables
  char y[8][SHT_LABEL_MAX];  // quantity, or a table's columns
  uint32_t y_count;          // 1 .. 8
  sht_paper_value *paper;    // [paper_count]
  uint64_t paper_count;
} sht_plan_view;

typedef struct sht_experiment {
  char name[SHT_LABEL_MAX];  // "fig1"
  char title[SHT_TEXT_MAX];
  char source[SHT_TEXT_MAX];      // "Zhang et al. 2017, Figure 1"; "" for one's own
  char scale[SHT_LABEL_MAX];      // "full", "small"
  char scale_note[SHT_TEXT_MAX];  // what the scale changes, in a sentence; "" at full scale. Every output shows it
  // "epochs 3, train-size 500": options above the page that change runs; "": none. Every output shows it, too.
  char changed[SHT_TEXT_MAX];
  // Whether its numbers can be held against published ones: at full scale, and what is changed is the seed, the device
  // or the precision. Else no differences are formed.
  bool comparable;
  char *command;       // "shatter run fig1 --scale small --epochs=3" for a shell: makes all of it again
  sht_plan_set *sets;  // [set_count]
  uint32_t set_count;
  sht_plan_run *runs;  // [run_count], set by set
  uint64_t run_count;
  sht_plan_view *views;  // [view_count]
  uint64_t view_count;
  char scales[SHT_TEXT_MAX];  // the names of the page's scales besides "full", separated by ", "
} sht_experiment;

// An option that stands above what the page says, for all runs.
typedef struct sht_setting {
  const char *name;  // "epochs"; NULL ends a list
  const char *text;  // "20"
} sht_setting;

// Opens a shipped experiment by name ("table1") or a user's file. scale: NULL, "" or "full", or one that the page has.
// above: ended by a NULL name; NULL: none. What it changes in any run of the plan makes it another experiment, which
// says so. A model file that the page names is looked for beside the page first.
// Errors: SHT_MISSING (with a suggestion), SHT_CONFIG (all faults of the page at once, each with file, line, column and
// the line itself), SHT_MEMORY.
sht_status sht_experiment_open(const char *spec, const char *scale, const sht_setting *above, sht_experiment **out,
                               sht_error *error);
void sht_experiment_close(sht_experiment *experiment);  // NULL is allowed

// Names of the shipped experiments, NULL-terminated, static storage.
const char *const *sht_experiment_names(void);

// Writes the experiment's page and the files of its figures and tables into `folder`: index.html (self-contained), and
// for each view NAME.svg, NAME.csv, NAME.tex (tables), NAME.pdf and NAME.png (where rsvg-convert is there; `noted` says
// when it is not). runs: [run_count] beside experiment->runs; a run that has not been trained yet has id "". Several
// seeds of a series are shown as their mean with their spread. Errors: SHT_DISK, SHT_MEMORY; SHT_INTERNAL when
// rsvg-convert failed on some, after everything else was written.
sht_status sht_experiment_report(const sht_experiment *experiment, const sht_run *runs, const char *folder,
                                 void (*noted)(void *context, const char *sentence), void *context, sht_error *error);

#endif
