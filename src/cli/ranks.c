// Joining the processes that a launcher started: see ranks.h.
#include "cli/ranks.h"

#include <time.h>

// All ranks fail alike and the first one says so: the others give it the time to, for a launcher may end all as soon as
// one has ended.
static void leave_the_word_to_the_first(int rank, sht_error *error) {
  static const struct timespec pause = {.tv_nsec = 500000000};
  if (rank > 0) {
    error->message[0] = '\0';
    (void)nanosleep(&pause, NULL);
  }
}

sht_status sht__ranks_join(sht_cli *cli, sht_error *error) {
  int rank = 0;
  const int ranks = sht_cluster_launched(&rank);
  if (ranks == 1) {
    return SHT_OK;
  }
  cli->quiet = cli->quiet || rank > 0;
  sht_status status = sht_cluster_open(NULL, ranks, &cli->cluster, error);
  if (status != SHT_OK) {
    leave_the_word_to_the_first(rank, error);
    return status;
  }
  if (cli->config.threads == 0) {
    cli->config.threads = (uint64_t)sht_cluster_describe(cli->cluster).threads;
  }
  return SHT_OK;
}

bool sht__ranks_is_first(const sht_cli *cli) { return sht_cluster_describe(cli->cluster).rank == 0; }
