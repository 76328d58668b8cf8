// Joining and leaving a cluster, and what is made of its messages: see cluster.h.
#include "cluster/cluster.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/plugin.h"

// How long a rank that failed waits for the others to say that they have, too.
static const double PATIENCE_SECONDS = 2;

// A number in the environment; -1: there is none.
static int number_in(const char *name) {
  const char *text = getenv(name);
  char *end = NULL;
  long value = text != NULL ? strtol(text, &end, 10) : -1;
  return text != NULL && end != text && *end == '\0' && value >= 0 && value < 1 << 24 ? (int)value : -1;
}

int sht_cluster_launched(int *rank) {
  // Slurm sets SLURM_NTASKS also for a script that starts no step; only a step has more than one process.
  static const char *const names[][2] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                         {"PMI_SIZE", "PMI_RANK"},
                                         {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}};
  *rank = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    int ranks = number_in(names[i][0]), own = number_in(names[i][1]);
    if (ranks >= 1) {
      *rank = own > 0 ? own : 0;
      return ranks;
    }
  }
  return 1;
}

static sht_status load(const char *plugin_dir, const char *what, const sht__cluster_plugin **plugin, void **handle,
                       sht_error *error) {
  // Global: Open MPI loads components of its own, which look for its functions among all that are known.
  const sht__plugin_request request = {
      .what = what,
      .kind = "cluster",
      .instead = "start one process alone (the plugin is built where libopenmpi-dev is installed)",
      .file = "shatter-cluster-mpi.so",
      .folder = plugin_dir,
      .symbol = "sht_cluster_mpi",
      .version = SHT_CLUSTER_VERSION,
      .flags = RTLD_GLOBAL};
  const void *table = NULL;
  SHT_TRY(sht__plugin_load(&request, &table, handle, error));
  *plugin = table;
  return SHT_OK;
}

bool sht_cluster_available(const char *plugin_dir) {
  const sht__cluster_plugin *plugin = NULL;
  void *handle = NULL;
  if (load(plugin_dir, "", &plugin, &handle, NULL) != SHT_OK) {
    return false;
  }
  dlclose(handle);
  return true;
}

sht_status sht_cluster_open(const char *plugin_dir, int ranks, sht_cluster **out, sht_error *error) {
  char what[96];
  const sht__cluster_plugin *plugin = NULL;
  void *handle = NULL;
  *out = NULL;
  (void)snprintf(what, sizeof what, "started as %d processes to solve one problem", ranks);
  SHT_TRY(load(plugin_dir, what, &plugin, &handle, error));
  sht_status status = plugin->open(ranks, out, error);
  if (status != SHT_OK) {
    dlclose(handle);
    return status;
  }
  (*out)->plugin = plugin;
  (*out)->handle = handle;
  return SHT_OK;
}

sht_cluster_info sht_cluster_describe(const sht_cluster *cluster) {
  return cluster != NULL ? cluster->info
                         : (sht_cluster_info){.ranks = 1, .rows = 1, .columns = 1, .local_ranks = 1, .threads = 1};
}

// Puts the rank's number before the message, which may lose its end.
static void sign(const sht_cluster *cluster, sht_error *error) {
  char number[48];
  int size = snprintf(number, sizeof number, "rank %d of %d: ", cluster->info.rank, cluster->info.ranks);
  memmove(error->message + size, error->message, sizeof error->message - (size_t)size - 1);
  memcpy(error->message, number, (size_t)size);
  error->message[sizeof error->message - 1] = '\0';
}

// All statuses are known: that of the first that failed, whose rank alone keeps its message.
static sht_status settle(const sht_cluster *cluster, const int *all, sht_error *error) {
  int first = -1, failed = 0;
  for (int r = cluster->info.ranks; r-- > 0;) {
    first = all[r] != SHT_OK ? r : first;
    failed += all[r] != SHT_OK;
  }
  if (first < 0) {
    return SHT_OK;
  }
  if (first != cluster->info.rank) {
    error->message[0] = '\0';
  } else if (failed < cluster->info.ranks) {
    sign(cluster, error);
  }
  error->status = (sht_status)all[first];
  return error->status;
}

sht_status sht_cluster_agree(sht_cluster *cluster, sht_status status, sht_error *error) {
  sht_error unwanted = {0};
  int *all = NULL;
  if (cluster == NULL) {
    return status;
  }
  error = error != NULL ? error : &unwanted;
  if (SHT_ALLOC(&all, cluster->info.ranks, "statuses of ranks", status == SHT_OK ? error : NULL) == SHT_OK &&
      cluster->plugin->exchange(cluster, (int)status, all, status == SHT_OK ? -1 : PATIENCE_SECONDS)) {
    status = settle(cluster, all, error);
    sht_free(all);
    return status;
  }
  cluster->abandoned = true;  // `all` is not freed: what the others may still send goes there
  sign(cluster, error);
  return status == SHT_OK ? SHT_MEMORY : status;
}

void sht_cluster_close(sht_cluster *cluster, int exit_code) {
  if (cluster == NULL) {
    return;
  }
  if (cluster->abandoned) {
    (void)fflush(NULL);  // ends without the usual flush
    cluster->plugin->abort(cluster, exit_code);
  }
  void *handle = cluster->handle;
  cluster->plugin->leave(cluster);
  dlclose(handle);
}

void sht__cluster_broadcast(sht_cluster *cluster, sht__cluster_group group, int root, void *data, uint64_t bytes) {
  if (cluster != NULL && bytes > 0) {
    cluster->plugin->broadcast(cluster, group, root, data, bytes);
  }
}

void sht__cluster_send(sht_cluster *cluster, int to, const void *data, uint64_t bytes) {
  if (cluster != NULL && bytes > 0) {
    cluster->plugin->send(cluster, to, data, bytes);
  }
}

void sht__cluster_receive(sht_cluster *cluster, int from, void *data, uint64_t bytes) {
  if (cluster != NULL && bytes > 0) {
    cluster->plugin->receive(cluster, from, data, bytes);
  }
}

void sht__cluster_share(const sht_cluster *cluster, int rank, uint64_t count, uint64_t *first, uint64_t *last) {
  const uint64_t ranks = (uint64_t)sht__cluster_ranks(cluster), own = (uint64_t)rank;
  uint64_t each = count / ranks, more = count % ranks;  // the first `more` ranks have one more
  *first = own * each + (own < more ? own : more);
  *last = *first + each + (own < more ? 1 : 0);
}

void sht__cluster_complete(sht_cluster *cluster, void *data, uint64_t count, uint64_t bytes) {
  for (int r = 0; cluster != NULL && r < cluster->info.ranks; r++) {
    uint64_t first = 0, last = 0;
    sht__cluster_share(cluster, r, count, &first, &last);
    sht__cluster_broadcast(cluster, SHT_CLUSTER_ALL, r, (char *)data + first * bytes, (last - first) * bytes);
  }
}

uint64_t sht__cluster_largest(sht_cluster *cluster, uint64_t value) {
  uint64_t largest = value;
  for (int r = 0; cluster != NULL && r < cluster->info.ranks; r++) {
    uint64_t other = value;
    sht__cluster_broadcast(cluster, SHT_CLUSTER_ALL, r, &other, sizeof other);
    largest = other > largest ? other : largest;
  }
  return largest;
}
