// Joining the processes that a launcher started: see ranks.h.
#include "cli/ranks.h"

sht_status sht__ranks_join(sht_cli *cli, sht_error *error) {
  int rank = 0;
  const int ranks = sht_cluster_launched(&rank);
  if (ranks == 1) {
    return SHT_OK;
  }
  cli->quiet = cli->quiet || rank > 0;
  sht_status status = sht_cluster_open(NULL, ranks, &cli->cluster, error);
  if (status != SHT_OK) {
    error->message[0] = rank > 0 ? '\0' : error->message[0];  // all fail alike: one says so
    return status;
  }
  if (cli->config.threads == 0) {
    cli->config.threads = (uint64_t)sht_cluster_describe(cli->cluster).threads;
  }
  return SHT_OK;
}

bool sht__ranks_is_first(const sht_cli *cli) { return sht_cluster_describe(cli->cluster).rank == 0; }
