// Messages between ranks by MPI: the plugin shatter-cluster-mpi.so. See cluster/cluster.h.
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/work.h"
#include "cluster/cluster.h"

// MPI counts in int: longer messages go in parts of this size.
static const uint64_t PART_BYTES = (uint64_t)1 << 30;

typedef struct mpi_cluster {
  sht_cluster base;
  MPI_Comm groups[SHT_CLUSTER_COLUMN + 1];
  MPI_Comm statuses;  // of exchange alone: a rank that failed is not to take a message of the work for a status
  MPI_Request exchanged;
} mpi_cluster;

static int part_of(uint64_t left) { return (int)(left < PART_BYTES ? left : PART_BYTES); }

static void broadcast(sht_cluster *cluster, sht__cluster_group group, int root, void *data, uint64_t bytes) {
  MPI_Comm comm = ((mpi_cluster *)cluster)->groups[group];
  for (uint64_t done = 0; done < bytes; done += (uint64_t)part_of(bytes - done)) {
    (void)MPI_Bcast((char *)data + done, part_of(bytes - done), MPI_BYTE, root, comm);
  }
}

static void send_bytes(sht_cluster *cluster, int to, const void *data, uint64_t bytes) {
  MPI_Comm comm = ((mpi_cluster *)cluster)->groups[SHT_CLUSTER_ALL];
  for (uint64_t done = 0; done < bytes; done += (uint64_t)part_of(bytes - done)) {
    (void)MPI_Send((const char *)data + done, part_of(bytes - done), MPI_BYTE, to, 0, comm);
  }
}

static void receive_bytes(sht_cluster *cluster, int from, void *data, uint64_t bytes) {
  MPI_Comm comm = ((mpi_cluster *)cluster)->groups[SHT_CLUSTER_ALL];
  for (uint64_t done = 0; done < bytes; done += (uint64_t)part_of(bytes - done)) {
    (void)MPI_Recv((char *)data + done, part_of(bytes - done), MPI_BYTE, from, 0, comm, MPI_STATUS_IGNORE);
  }
}

static bool exchange(sht_cluster *cluster, int mine, int *all, double patience) {
  static const struct timespec pause = {.tv_nsec = 500000};
  mpi_cluster *own = (mpi_cluster *)cluster;
  int done = 0;
  const double start = sht__work_clock();
  all[cluster->info.rank] = mine;
  (void)MPI_Iallgather(MPI_IN_PLACE, 1, MPI_INT, all, 1, MPI_INT, own->statuses, &own->exchanged);
  (void)MPI_Test(&own->exchanged, &done, MPI_STATUS_IGNORE);
  while (done == 0 && (patience < 0 || sht__work_clock() - start < patience)) {
    (void)nanosleep(&pause, NULL);
    (void)MPI_Test(&own->exchanged, &done, MPI_STATUS_IGNORE);
  }
  return done != 0;  // NOLINT(clang-analyzer-optin.mpi.MPI-Checker): MPI_Test has ended it, or it is given up
}

static void leave(sht_cluster *cluster) {
  mpi_cluster *own = (mpi_cluster *)cluster;
  (void)MPI_Comm_free(&own->groups[SHT_CLUSTER_ROW]);
  (void)MPI_Comm_free(&own->groups[SHT_CLUSTER_COLUMN]);
  (void)MPI_Comm_free(&own->statuses);
  sht_free(own);
  (void)MPI_Finalize();
}

static void end_all(sht_cluster *cluster, int exit_code) {
  (void)cluster;
  (void)MPI_Abort(MPI_COMM_WORLD, exit_code);
  abort();  // not reached
}

// Cores that this rank may use: of those that several ranks of this machine may use, its part.
static int share_of_cores(MPI_Comm local, int ranks) {
  cpu_set_t mine, other;
  double share = 0;
  int users[CPU_SETSIZE] = {0};
  CPU_ZERO(&mine);
  (void)sched_getaffinity(0, sizeof mine, &mine);
  for (int r = 0; r < ranks; r++) {
    other = mine;
    (void)MPI_Bcast(&other, sizeof other, MPI_BYTE, r, local);
    for (int core = 0; core < CPU_SETSIZE; core++) {
      users[core] += CPU_ISSET(core, &other) ? 1 : 0;
    }
  }
  for (int core = 0; core < CPU_SETSIZE; core++) {
    share += CPU_ISSET(core, &mine) && users[core] > 0 ? 1.0 / users[core] : 0;
  }
  return share + 1e-9 < 1 ? 1 : (int)(share + 1e-9);
}

static void describe_machine(sht_cluster_info *info) {
  MPI_Comm local;
  (void)MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, info->rank, MPI_INFO_NULL, &local);
  (void)MPI_Comm_size(local, &info->local_ranks);
  info->threads = share_of_cores(local, info->local_ranks);
  (void)MPI_Comm_free(&local);
}

// As square as the number of ranks allows, with no more columns than rows.
static void choose_grid(sht_cluster_info *info) {
  info->columns = 1;
  for (int c = 2; c * c <= info->ranks; c++) {
    info->columns = info->ranks % c == 0 ? c : info->columns;
  }
  info->rows = info->ranks / info->columns;
}

static sht_status check_size(int seen, int launched, sht_error *error) {
  return seen == launched ? SHT_OK
                          : SHT_FAIL(error, SHT_UNAVAILABLE,
                                     "the launcher started %d processes but MPI sees %d, so that they cannot work "
                                     "together; start them with the mpirun of this MPI, or with srun --mpi=pmix",
                                     launched, seen);
}

static sht_status join(int ranks, sht_cluster **out, sht_error *error) {
  int level = 0;
  mpi_cluster *own = NULL;
  SHT_TRY(SHT_ALLOC(&own, 1, "a cluster", error));
  sht_cluster_info *info = &own->base.info;
  (void)MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
  (void)MPI_Comm_rank(MPI_COMM_WORLD, &info->rank);
  (void)MPI_Comm_size(MPI_COMM_WORLD, &info->ranks);
  sht_status status = check_size(info->ranks, ranks, error);
  if (status != SHT_OK) {
    sht_free(own);
    (void)MPI_Finalize();
    return status;
  }
  choose_grid(info);
  describe_machine(info);
  own->groups[SHT_CLUSTER_ALL] = MPI_COMM_WORLD;
  (void)MPI_Comm_split(MPI_COMM_WORLD, info->rank / info->columns, info->rank, &own->groups[SHT_CLUSTER_ROW]);
  (void)MPI_Comm_split(MPI_COMM_WORLD, info->rank % info->columns, info->rank, &own->groups[SHT_CLUSTER_COLUMN]);
  (void)MPI_Comm_dup(MPI_COMM_WORLD, &own->statuses);
  *out = &own->base;
  return SHT_OK;
}

// Not exported by a header: found by name in the loaded plugin.
extern const sht__cluster_plugin sht_cluster_mpi;
const sht__cluster_plugin sht_cluster_mpi = {.version = SHT_CLUSTER_VERSION,
                                             .open = join,
                                             .broadcast = broadcast,
                                             .send = send_bytes,
                                             .receive = receive_bytes,
                                             .exchange = exchange,
                                             .leave = leave,
                                             .abort = end_all};
