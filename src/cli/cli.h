// What the verbs of the program share: the description of a verb, and what its command line said.
//
// main.c parses (arguments.h), calls the verb, turns its status into an exit code. A verb prints its result on standard
// output, as text or (--json) as one object, and everything else on standard error.
#ifndef SHT_CLI_CLI_H
#define SHT_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/cluster.h"
#include "shatter/config.h"
#include "shatter/error.h"

typedef struct sht_cli sht_cli;

// An option of the program itself: one that is not part of a run's configuration.
typedef struct sht_cli_option {
  const char *name;          // "output"
  char letter;               // 'o' for -o; 0: none
  sht_option_type type;      // how its value is checked
  const char *value_name;    // "FILE"; NULL for BOOL
  const char *choices;       // of CHOICE: "auto plain none"
  const char *default_text;  // shown in the help; NULL: none
  const char *help;          // one sentence
} sht_cli_option;

// How a verb's help differs from the option table on an option of the run.
typedef struct sht_config_note {
  const char *name;          // "epochs"; "*": all that no other note names, ended by a NULL name
  const char *default_text;  // NULL: what the configuration holds after `prepare`
  const char *choices;       // NULL: the table's
  const char *help;          // NULL: the table's
} sht_config_note;

typedef struct sht_verb {
  const char *name;                     // one word, or group and word: "model show"
  const char *arguments;                // "NAME|FILE"; "": none
  int arguments_min, arguments_max;     // how many
  const char *summary;                  // one line
  const char *description;              // what more there is to say; ""
  const char *const *examples;          // pairs of command and what it does, ended by NULL
  const char *config_options;           // names of the run's options that it takes: "seed threads", "*", ""
  const sht_config_note *config_notes;  // NULL: none
  const sht_cli_option *options;        // its own, ended by a NULL name; NULL: none
  void (*prepare)(sht_config *config);  // sets defaults of its own before file and flags; may be NULL
  sht_status (*run)(sht_cli *cli, sht_error *error);
} sht_verb;

enum { SHT_CLI_ANY_NUMBER = 1 << 20, SHT_CLI_OPTIONS_MAX = 40, SHT_CLI_FLAGS_MAX = 64 };

// An option of the configuration as given on the command line.
typedef struct sht_cli_flag {
  const sht_option *option;
  const char *text;
} sht_cli_flag;

struct sht_cli {
  const sht_verb *verb;
  const char *group;  // "data" when that word stood alone; else NULL
  sht_config config;  // defaults, then --config's file, then flags
  char **arguments;   // [argument_count] what is not an option
  int argument_count;
  const sht_cli_option *options[SHT_CLI_OPTIONS_MAX];  // that the verb takes
  const char *values[SHT_CLI_OPTIONS_MAX];             // as given; NULL: not given
  int option_count;
  sht_cli_flag flags[SHT_CLI_FLAGS_MAX];  // in the order given
  int flag_count;
  bool json;
  bool quiet;
  bool help;
  bool verb_named;       // false: no verb stands on the command line, `verb` is help or version
  bool answered;         // the JSON object is out
  sht_cluster *cluster;  // that the verb joined, left at the end of main; NULL: none
};

// All verbs in the order of the help, ended by NULL.
extern const sht_verb *const sht__verbs[];
// Options that every verb takes, ended by a NULL name.
extern const sht_cli_option sht__common_options[];
// Those of the verbs that train; a verb's own table repeats them with this macro.
#define SHT_CLI_TRAINING_OPTIONS                                      \
  {.name = "config",                                                  \
   .type = SHT_OPTION_TEXT,                                           \
   .value_name = "FILE",                                              \
   .help = "read options from a YAML file first; flags go above it"}, \
      SHT_CLI_PRINT_CONFIG_OPTION, SHT_CLI_PROGRESS_OPTION
// main answers it for every verb that has it.
#define SHT_CLI_PRINT_CONFIG_OPTION \
  { .name = "print-config", .type = SHT_OPTION_BOOL, .help = "print the resolved options as YAML, and do no more" }
#define SHT_CLI_PROGRESS_OPTION                                                                            \
  {                                                                                                        \
    .name = "progress", .type = SHT_OPTION_CHOICE, .value_name = "HOW", .choices = "auto plain none",      \
    .default_text = "auto", .help = "how progress is shown: redrawn on a terminal, as plain lines, or not" \
  }

// The value of one of the verb's own options, or NULL when it was not given.
const char *sht__cli_text(const sht_cli *cli, const char *name);
bool sht__cli_is_set(const sht_cli *cli, const char *name);  // of BOOL
uint64_t sht__cli_count(const sht_cli *cli, const char *name, uint64_t fallback);
// What 32 bits do not hold is their largest number, not what is left of it.
uint32_t sht__cli_count_u32(const sht_cli *cli, const char *name, uint32_t fallback);
// Whether the verb takes this option of the configuration.
bool sht__verb_takes(const sht_verb *verb, const sht_option *option);
// Sets the flags that were given, over what `config` holds.
sht_status sht__cli_apply_flags(const sht_cli *cli, sht_config *config, sht_error *error);

#endif
