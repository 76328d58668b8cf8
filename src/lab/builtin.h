// The shipped experiments' names and texts, generated from experiments/*.yaml at build time.
#ifndef SHT_LAB_BUILTIN_H
#define SHT_LAB_BUILTIN_H

typedef struct sht__builtin_experiment {
  const char *name;  // "table1"
  const char *text;  // YAML, NUL-terminated
} sht__builtin_experiment;

extern const sht__builtin_experiment sht__builtin_experiments[];  // ended by NULLs
extern const char *const sht__builtin_experiment_names[];         // in the same order, ended by NULL

#endif
