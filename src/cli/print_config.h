// --print-config: the options of a run as they come out of defaults, file and flags.
#ifndef SHT_CLI_PRINT_CONFIG_H
#define SHT_CLI_PRINT_CONFIG_H

#include "cli/cli.h"

// Prints the options that the verb takes as YAML, each line with where its value came from; with --json as an object.
sht_status sht__print_config(sht_cli *cli, sht_error *error);

#endif
