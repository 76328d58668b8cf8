// What figures and tables show of runs: the quantities of shatter/experiment.h, their names for people, and their
// values.
#ifndef SHT_LAB_REPORT_QUANTITY_H
#define SHT_LAB_REPORT_QUANTITY_H

#include <stdbool.h>

#include "shatter/lab.h"

typedef struct sht__quantity {
  const char *name;   // "test_error": in pages of experiments, CSV
  const char *label;  // "test error"
  double scale;       // what people see is the value times this: 100 for percent
  int decimals;       // that people see
  bool fraction;      // shown as percent; differences are percentage points
} sht__quantity;

// false: there is no such quantity. An option's name is one. The texts have static storage.
bool sht__quantity_find(const char *name, sht__quantity *out);
// The names of all quantities but the options, NULL-terminated; those of an epoch come first.
const char *const *sht__quantity_names(void);
// Whether an epoch has it, so that a curve can show it.
bool sht__quantity_is_of_epoch(const char *name);
// "test error (%)". Returns out.
char *sht__quantity_axis(const sht__quantity *quantity, char *out, size_t size);

// Of one epoch; NaN for the quantities of a run.
double sht__quantity_of_epoch(const sht__quantity *quantity, const sht_epoch *epoch);
// Of a run, of its last epoch so far for the quantities of an epoch. `base`: the run that differs only in having true
// labels, for relative_time; may be NULL. NaN where there is no value: not trained, not fitted, diverged.
double sht__quantity_of_run(const sht__quantity *quantity, const sht_run *run, const sht_run *base);

// Whether it is an option whose values are no numbers: "model", "labels".
bool sht__quantity_is_text(const char *name);
// Whether it is measured, so that it changes while a run goes on; else the configuration says it.
bool sht__quantity_is_result(const sht__quantity *quantity);

// Share of the labels that is randomised; NaN where a matrix or a file decides, and of signs, which stand for no
// labels.
double sht__run_corruption(const sht_run *run);
// Whether `base` differs from `run` only in having true labels. A run with signs has none: it is another task.
bool sht__run_is_base(const sht_run *base, const sht_run *run);

#endif
