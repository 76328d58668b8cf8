// The figures of a group of runs: what they show, and the sentence above each.
#ifndef SHT_LAB_REPORT_MEASURE_H
#define SHT_LAB_REPORT_MEASURE_H

#include "lab/report.h"
#include "lab/report_plot.h"

typedef enum sht__measure { SHT__MEASURE_LOSS, SHT__MEASURE_TRAIN, SHT__MEASURE_TEST, SHT__MEASURE_COUNT } sht__measure;

// As drawn: accuracies in percent. NaN where not measured.
double sht__measure_value(sht__measure what, const sht_epoch *epoch);

// The finding in one sentence without its full stop, as plain text.
void sht__finding_write(FILE *out, sht__measure what, const sht__report_group *group);

// The figure of a group, the `number`th of its report. Close it also after a failure.
sht_status sht__measure_plot(sht__measure what, const sht__report_group *group, size_t number, sht__plot *out,
                             sht_error *error);

// Whether the epochs of a run say how it answers where labels are corrupted.
bool sht__dynamics_has(const sht__report_run *run);
// Its figure: the answers on training examples, or the test error against both kinds of labels. name: of its files.
sht_status sht__dynamics_plot(const sht__report_run *run, const char *name, bool of_tests, sht__plot *out,
                              sht_error *error);

// All figures of a group, in order: those of each measure, then two for each run whose labels are corrupted.
size_t sht__group_plot_count(const sht__report_group *group);
sht_status sht__group_plot(const sht__report_group *group, size_t number, size_t index, sht__plot *out,
                           sht_error *error);

#endif
