// What the verbs that train share: showing a run while it works, and telling how it came out.
#ifndef SHT_CLI_TRAINING_H
#define SHT_CLI_TRAINING_H

#include "cli/cli.h"
#include "shatter/lab.h"

typedef struct sht_training {
  const char *title;  // which of several runs this is; "": none
  int ink;            // its colour
  const sht_run *of;  // the run that is trained anew or further, with its own model; NULL: none
  bool again;         // train anew in spite of an earlier result
} sht_training;

// Opens the store of --store; without that flag, when `run` is a path, the store that the run lies in. run: NULL or as
// given on the command line.
sht_status sht__open_store(const sht_cli *cli, const char *run, sht_store **store, sht_error *error);
// The same for verbs that only read: a store that cannot be written serves too.
sht_status sht__open_store_to_read(const sht_cli *cli, const char *run, sht_store **store, sht_error *error);

// Trains in the store with progress on standard error. Stopped by a signal: SHT_STOPPED with a sentence that says how
// to go on.
sht_status sht__train_in_store(const sht_cli *cli, sht_store *store, const sht_config *config, const sht_training *how,
                               sht_run *run, bool *reused, sht_error *error);

// Prints the outcome of a run as a sentence and its folder, or with --json its object; SHT_DIVERGED when it diverged.
sht_status sht__tell_run(sht_cli *cli, const sht_run *run, bool reused, sht_error *error);

// "mlp-1x512 on cifar10 with random labels" into out; returns out.
char *sht__describe_run(const sht_run *run, char *out, size_t size);
// "random labels", "shuffled pixels", "true labels": how the run differs from the data as they are; returns out.
char *sht__describe_copy(const sht_config *config, char *out, size_t size);
// "mlp-1x512-shapes-0f3a9c" out of the path of its folder.
const char *sht__cli_run_name(const sht_run *run);

#endif
