// Several processes, on one machine or many, that work on one problem: the ranks of a cluster. A launcher (mpirun,
// srun) starts the same command on each; a plugin, shatter-cluster-mpi.so, passes messages between them, so that the
// library itself does not link MPI.
//
// Every rank makes the same calls in the same order. Where a function says "together", all ranks must call it.
#ifndef SHATTER_CLUSTER_H
#define SHATTER_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/error.h"

typedef struct sht_cluster sht_cluster;

// What can be said of a cluster; NULL: of a process alone.
typedef struct sht_cluster_info {
  int rank, ranks;
  int rows, columns;  // of the grid that the ranks form, rows >= columns; rank = row * columns + column
  int local_ranks;    // on this machine
  int threads;        // cores that this rank may use, those that several ranks may use shared between them; 1 or more
} sht_cluster_info;

// How many processes the launcher started with this one, by the environment that Open MPI, PMI and Slurm set; 1: none
// of them did. *rank: which this one is, 0 where that is not known.
int sht_cluster_launched(int *rank);

// Whether the plugin is there and can be loaded.
bool sht_cluster_available(const char *plugin_dir);

// Joins the other ranks, together. plugin_dir: looked into first; NULL: none. ranks: of sht_cluster_launched. Errors:
// SHT_UNAVAILABLE (no plugin; one of another version; message passing sees another number of processes than the
// launcher started).
sht_status sht_cluster_open(const char *plugin_dir, int ranks, sht_cluster **out, sht_error *error);
sht_cluster_info sht_cluster_describe(const sht_cluster *cluster);  // NULL: a process alone

// The end of a part of the work that may have failed on any rank, together: returns the status of the first rank that
// failed, SHT_OK when none did. The message stays on that rank alone, with its number before it unless all failed, and
// is "" on the others. A rank that failed while others are at work, waiting for it perhaps, gets its own failure back
// after some seconds; all end when it closes the cluster. NULL: returns `status`.
sht_status sht_cluster_agree(sht_cluster *cluster, sht_status status, sht_error *error);

// Leaves the cluster, together; after a failure that only this rank knows of it ends all ranks, and this call does not
// return: the launcher's exit code is `exit_code`. NULL is allowed.
void sht_cluster_close(sht_cluster *cluster, int exit_code);

#endif
