// The configuration of a run and the one table that describes it.
//
// The table gives the command line's flags, the YAML keys, --help, and the documentation. Unknown keys are errors with
// file, line, column, the line itself and a suggestion; all errors of a file are reported at once.
#ifndef SHATTER_CONFIG_H
#define SHATTER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/error.h"

enum { SHT_TEXT_MAX = 1024 };

// Everything that a training run can be told. Plain data: copy it freely. Texts are NUL-terminated.
typedef struct sht_config {
  char model[SHT_TEXT_MAX];    // shipped name or path of a model file
  char data[SHT_TEXT_MAX];     // cifar10, cifar100, mnist, shapes, or a folder
  char labels[SHT_TEXT_MAX];   // true, random, corrupt:P, wrong:P, matrix:PATH, file:PATH, signs
  char pixels[SHT_TEXT_MAX];   // true, shuffled, random, gaussian
  char augment[SHT_TEXT_MAX];  // none, or crop, flip, rotate:25 ... (sht_augmentation_parse in shatter/data.h)
  uint64_t train_size;         // examples to train on; 0: all
  uint64_t test_size;          // examples to test on; 0: all
  uint64_t replace;            // training example, from 1 on, that is another one; 0: none
  uint64_t seed;
  uint64_t batch;              // 128
  uint64_t epochs;             // 100
  double learning_rate;        // NaN: the model's own
  double learning_rate_decay;  // factor per epoch; NaN: the model's own
  double momentum;             // NaN: the model's own
  double weight_decay;         // 0: off; NaN: the model's default coefficient ("--weight-decay default")
  double dropout;  // NaN: the model's own; else the probability of its dropout layers, or of one before its linear ones
  bool stop_when_fitted;         // stop at the epoch in which the training set is fitted
  double fitted_at;              // training accuracy from which a set counts as fitted: 0.99
  char precision[SHT_TEXT_MAX];  // fp32, bf16 (fp64 with the reference backend, tf32 with cuda)
  char device[SHT_TEXT_MAX];     // cpu, ref, cuda
  uint64_t threads;              // 0: all cores. Not part of a run's identity
  bool fast;                     // allow results that depend on the number of threads
  double checkpoint_seconds;     // longest time between checkpoints: 60. Not part of the identity
  char store[SHT_TEXT_MAX];      // folder of the runs; empty: $SHATTER_STORE, else ./shatter-runs. Not in the identity
  char data_dir[SHT_TEXT_MAX];   // folder of downloaded data; empty: $SHATTER_DATA. Not in the identity
  char dynamics[SHT_TEXT_MAX];   // which training examples are watched each epoch: auto, all, off, N. Not in it
  char save[SHT_TEXT_MAX];       // what to keep of each example at the end: none, logits, losses, all. Not in it
} sht_config;

typedef enum sht_option_type {
  SHT_OPTION_BOOL,    // flag; YAML true/false
  SHT_OPTION_COUNT,   // uint64_t
  SHT_OPTION_NUMBER,  // double; 1e-3 accepted; "default" gives NaN where `nullable`
  SHT_OPTION_TEXT,
  SHT_OPTION_CHOICE,  // text, one of `choices`
} sht_option_type;

typedef struct sht_option {
  const char *name;          // flag and key: "learning-rate"
  size_t offset;             // in sht_config
  double minimum, maximum;   // of COUNT and NUMBER, inclusive
  const char *choices;       // of CHOICE: "fp32 bf16 fp64 tf32"
  const char *default_text;  // "128"
  const char *unit;          // "examples", or ""
  const char *help;          // one sentence
  const char *example;       // "0.1"
  sht_option_type type;
  bool nullable;  // "default" is a value (NaN): the model's own
  bool identity;  // part of a run's identity
  bool later;     // newer than the first runs: left out of the identity at its default, so that theirs still hold
} sht_option;

// The table, and its length, which is at most SHT_OPTIONS_MAX.
enum { SHT_OPTIONS_MAX = 64 };
extern const sht_option sht_options[];
extern const size_t sht_option_count;

void sht_config_default(sht_config *config);
// NULL when there is none.
const sht_option *sht_option_find(const char *name);
// Sets one option from text, with range and choices checked. `where` ("--batch", "run.yaml:3:8") opens the message.
// Errors: SHT_CONFIG, with a suggestion for a mistyped name or choice.
sht_status sht_config_set(sht_config *config, const char *name, const char *text, const char *where, sht_error *error);
// Reads a YAML mapping of options into `config` (over what it holds). All faults at once: SHT_CONFIG.
sht_status sht_config_read(sht_config *config, const char *path, sht_error *error);
// Contradictions between options (fp64 with cpu, batch above the training size...): SHT_CONFIG, all at once.
sht_status sht_config_check(const sht_config *config, sht_error *error);
// The value of one option as text, as sht_config_set reads it.
void sht_config_get(const sht_config *config, const sht_option *option, char *out, size_t size);
// The whole configuration as YAML with every option in the order of the table; free with sht_text_free. identity_only:
// what a run's identity is hashed from.
sht_status sht_config_write(const sht_config *config, bool identity_only, char **out, sht_error *error);
void sht_text_free(char *text);

#endif
