// What a run asks, apart from the arithmetic that answers it: all of its identity but precision, device and numerics.
// Pages find their runs by it (answers.h), so that published records serve on any processor.
#ifndef SHT_LAB_QUESTION_H
#define SHT_LAB_QUESTION_H

#include "shatter/lab.h"

enum { SHT__MEANS_SIZE = 48 };

// SHA-256 of the options and the model's text, as the run's folder has them. Errors: SHT_MISSING, SHT_DISK when its
// model.yaml cannot be read.
sht_status sht__question_of_run(const sht_run *run, char hex[65], sht_error *error);

// The same of a run that is planned, without its data: "default" rates are those of the model's file. Values that are
// written out and that only data and layers show to be the default (train-size, test-size, dropout) make it another
// question. Errors: those of sht_model_read.
sht_status sht__question_of_plan(const sht_config *config, char hex[65], sht_error *error);

// "in bf16", "on cuda", "in bf16, on cuda": how the run was computed otherwise than planned; "" when it was not.
// Returns out.
char *sht__question_means(const sht_config *planned, const sht_config *run, char *out, size_t size);

#endif
