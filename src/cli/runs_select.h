// Choosing runs by their options, and finding the options in which they differ.
#ifndef SHT_CLI_RUNS_SELECT_H
#define SHT_CLI_RUNS_SELECT_H

#include "cli/cli.h"
#include "shatter/lab.h"

enum { SHT_CONDITIONS_MAX = 16 };

// "seed=2,augment=flip,rotate:25": every option has that value.
typedef struct sht_selection {
  const sht_option *options[SHT_CONDITIONS_MAX];
  char texts[SHT_CONDITIONS_MAX][SHT_TEXT_MAX];  // their values as sht_config_get writes them
  sht_config wanted;                             // with the values set
  int count;
} sht_selection;

// text NULL: everything is selected. Errors: SHT_USAGE, SHT_CONFIG with a suggestion.
sht_status sht__selection_parse(const char *text, sht_selection *out, sht_error *error);
// A model that is a file goes by its name or by its path.
bool sht__selection_has(const sht_selection *selection, const sht_run *run);

// What people see of an option of the run: of its model the name. Returns out.
char *sht__run_value(const sht_run *run, const sht_option *option, char out[SHT_TEXT_MAX]);

// Options that decide results and in which the runs differ, into out [room]; returns how many.
int sht__runs_differ(const sht_run *runs, uint64_t count, const sht_option **out, int room);

#endif
