// Which options stand on the command line, and refusing those that would have no effect beside the others.
#ifndef SHT_CLI_GIVEN_H
#define SHT_CLI_GIVEN_H

#include "cli/cli.h"

// Whether an option was given: one of the verb's own or of the run's configuration.
bool sht__is_given(const sht_cli *cli, const char *name);

// Refuses the first of `names` (separated by spaces) that was given, with "--NAME REASON". `reason` says what the
// option goes with and what to do instead. Errors: SHT_USAGE.
sht_status sht__refuse_given(const sht_cli *cli, const char *names, const char *reason, sht_error *error);

#endif
