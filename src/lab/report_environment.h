// Where runs were made: what env.json says.
#ifndef SHT_LAB_REPORT_ENVIRONMENT_H
#define SHT_LAB_REPORT_ENVIRONMENT_H

#include <jansson.h>
#include <stdio.h>

#include "shatter/lab.h"

enum { SHT__ENVIRONMENT_TEXT = 64 };

// Reads the run's env.json; json_decref. Errors: SHT_MISSING, SHT_DATA.
sht_status sht__environment_open(const sht_run *run, json_t **out, sht_error *error);
// A value as text, numbers into `out`; NULL for what is not shown (lists, objects, null).
const char *sht__environment_text(const char *key, const json_t *value, char out[SHT__ENVIRONMENT_TEXT]);
// A list of what the environments of several runs are: each value once, with the number of runs where they differ.
void sht__environments_write(FILE *out, const sht_run *const *runs, uint64_t count);

#endif
