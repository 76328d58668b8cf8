// What the figures of a report show, and what their parts share.
#ifndef SHT_LAB_REPORT_MEASURE_H
#define SHT_LAB_REPORT_MEASURE_H

#include "lab/report.h"

typedef enum sht__measure { SHT__MEASURE_LOSS, SHT__MEASURE_TRAIN, SHT__MEASURE_TEST } sht__measure;

// "train_loss": column of the CSV, beginning of ids.
const char *sht__measure_key(sht__measure what);
// "training loss": label of the axis.
const char *sht__measure_label(sht__measure what);
// As drawn: accuracies in percent. NaN where not measured.
double sht__measure_value(sht__measure what, const sht_epoch *epoch);

// The finding in one sentence without its full stop, as plain text.
void sht__finding_write(FILE *out, sht__measure what, const sht__report_group *group);
// The numbers of a figure as a table and as a link to CSV.
sht_status sht__data_write(FILE *out, sht__measure what, const sht__report_group *group, const char *id,
                           sht_error *error);

#endif
