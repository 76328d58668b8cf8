// The shipped models' names and texts, generated from models/*.yaml at build time.
#ifndef SHT_MODEL_BUILTIN_H
#define SHT_MODEL_BUILTIN_H

typedef struct sht__builtin_model {
  const char *name;  // "mlp-1x512"
  const char *text;  // YAML, NUL-terminated
} sht__builtin_model;

extern const sht__builtin_model sht__builtin_models[];  // ended by NULLs
extern const char *const sht__builtin_model_names[];    // in the same order, ended by NULL

#endif
