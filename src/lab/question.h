// What a run asks, apart from the arithmetic that answers it: all of its identity but precision, device and numerics.
// Published records are matched by it, so that they serve on any processor.
#ifndef SHT_LAB_QUESTION_H
#define SHT_LAB_QUESTION_H

#include "shatter/lab.h"

enum { SHT__MEANS_SIZE = 48 };

// SHA-256 of the resolved configuration (as in a run's config.yaml, or of a session) and the text of its model.
sht_status sht__question_hash(const sht_config *config, const char *model_text, char hex[65], sht_error *error);

// The same of a run in a store. Errors: SHT_MISSING, SHT_DISK when its model.yaml cannot be read.
sht_status sht__question_of_run(const sht_run *run, char hex[65], sht_error *error);

// "in bf16", "on cuda", "in bf16, on cuda": how the run was computed otherwise than planned; "" when it was not.
// Returns out.
char *sht__question_means(const sht_config *planned, const sht_config *run, char *out, size_t size);

#endif
