// env.json: where and with what a run was trained. Facts for people; nothing here decides a result.
#ifndef SHT_LAB_ENV_H
#define SHT_LAB_ENV_H

#include "shatter/lab.h"

typedef struct sht_env {
  const char *identity;
  const char *family;
  const sht_config *config;       // its options outside the identity are kept here
  const sht_engine_info *engine;  // numerics, threads, memory
  const char *continued_from;     // name of the run whose end was the start, or NULL
  double created;                 // seconds since 1970 in which the run was begun
} sht_env;

// Writes folder/env.json. Errors: SHT_DISK, SHT_MEMORY.
sht_status sht__env_write(const char *folder, const sht_env *env, sht_error *error);

// Fills run->id, family, created and the options outside the identity from it; leaves alone what it does not tell.
void sht__env_take(const char *folder, sht_run *run);
// What outlives the sessions of a run: *created and continued_from [SHT_TEXT_MAX]; leaves alone what it does not tell.
void sht__env_origin(const char *folder, double *created, char *continued_from);

#endif
