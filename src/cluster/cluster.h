// Messages between the ranks of a cluster (shatter/cluster.h): what a plugin gives, and what is made of it.
//
// A failing message ends all ranks (as MPI does by default), so that passing one returns nothing. All functions but the
// plugin's own take NULL for a process alone, for which they do nothing. On the thread that opened the cluster alone.
#ifndef SHT_CLUSTER_CLUSTER_H
#define SHT_CLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "shatter/cluster.h"

enum { SHT_CLUSTER_VERSION = 1 };

// Whom a message goes to: all ranks, or those of one's own row or column of the grid. In a row a rank's number is its
// column, in a column its row.
typedef enum sht__cluster_group { SHT_CLUSTER_ALL, SHT_CLUSTER_ROW, SHT_CLUSTER_COLUMN } sht__cluster_group;

// The table of a plugin, `sht_cluster_mpi`.
typedef struct sht__cluster_plugin {
  int version;  // SHT_CLUSTER_VERSION
  sht_status (*open)(int ranks, sht_cluster **out, sht_error *error);
  // bytes at `data`, from member `root` of the group to its others.
  void (*broadcast)(sht_cluster *cluster, sht__cluster_group group, int root, void *data, uint64_t bytes);
  // `to` and `from`: ranks. A message is received as it was sent, bytes and all.
  void (*send)(sht_cluster *cluster, int to, const void *data, uint64_t bytes);
  void (*receive)(sht_cluster *cluster, int from, void *data, uint64_t bytes);
  // all[rank] = mine, of every rank; false when that has not come about within `patience` seconds (below 0: waits), and
  // then `all` is not to be freed.
  bool (*exchange)(sht_cluster *cluster, int mine, int *all, double patience);
  void (*leave)(sht_cluster *cluster);                 // frees it
  void (*abort)(sht_cluster *cluster, int exit_code);  // ends all ranks; does not return
} sht__cluster_plugin;

// First member of a plugin's own struct.
struct sht_cluster {
  const sht__cluster_plugin *plugin;
  void *handle;  // of dlopen
  sht_cluster_info info;
  bool abandoned;  // this rank failed alone
};

static inline int sht__cluster_rank(const sht_cluster *cluster) { return cluster != NULL ? cluster->info.rank : 0; }
static inline int sht__cluster_ranks(const sht_cluster *cluster) { return cluster != NULL ? cluster->info.ranks : 1; }

void sht__cluster_broadcast(sht_cluster *cluster, sht__cluster_group group, int root, void *data, uint64_t bytes);
void sht__cluster_send(sht_cluster *cluster, int to, const void *data, uint64_t bytes);
void sht__cluster_receive(sht_cluster *cluster, int from, void *data, uint64_t bytes);

// A rank's share of `count` things in a row: *first .. *last-1, none where there are fewer than ranks.
void sht__cluster_share(const sht_cluster *cluster, int rank, uint64_t count, uint64_t *first, uint64_t *last);
// Every rank has written its share of `data` [count][bytes]; now each gets those of the others.
void sht__cluster_complete(sht_cluster *cluster, void *data, uint64_t count, uint64_t bytes);
// The largest of the ranks' values, on all.
uint64_t sht__cluster_largest(sht_cluster *cluster, uint64_t value);

#endif
