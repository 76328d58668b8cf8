// A verb over several processes that a launcher (mpirun, srun) started: rank 0 alone prints and writes, the first rank
// that fails says why, all end with its exit code.
#ifndef SHT_CLI_RANKS_H
#define SHT_CLI_RANKS_H

#include "cli/cli.h"

// Joins the others, if there are any: cli->cluster, which main leaves at the end. Ranks but the first become quiet, and
// each gets its share of the machine's cores unless --threads says how many. Errors: SHT_UNAVAILABLE, told by one.
sht_status sht__ranks_join(sht_cli *cli, sht_error *error);
// Whether this process prints and writes.
bool sht__ranks_is_first(const sht_cli *cli);

#endif
