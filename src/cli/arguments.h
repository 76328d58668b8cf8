// The command line: which verb, which arguments, which options. Options may stand anywhere, as --name value or
// --name=value; switches as --name or --no-name; "--" ends them.
#ifndef SHT_CLI_ARGUMENTS_H
#define SHT_CLI_ARGUMENTS_H

#include "cli/cli.h"

// Whether --json stands on the command line: also known when it cannot be parsed.
bool sht__arguments_want_json(int count, char **words);

// Fills `cli` from the words after the program's name; config: the verb's defaults, the file of --config, the flags.
// Errors: SHT_USAGE, SHT_CONFIG, with suggestions. Close in every case.
sht_status sht__arguments_parse(int count, char **words, sht_cli *cli, sht_error *error);
void sht__arguments_close(sht_cli *cli);

// The verb of this name ("train", "model show"; "model": "model list"), or NULL.
const sht_verb *sht__verb_find(const char *name);
// Whether verbs of two words begin with it.
bool sht__verb_is_group(const char *name);

#endif
