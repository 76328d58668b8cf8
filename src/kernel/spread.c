// Sharing a kernel problem among ranks: see spread.h.
#include "kernel/spread.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "cluster/cluster.h"
#include "dense/spread_cholesky.h"
#include "kernel/identity.h"

sht_status sht__spread_check_options(const sht_kernel_options *options, sht_error *error) {
  if (options->cluster == NULL) {
    return SHT_OK;
  }
  if (options->leave_one_out) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "--leave-one-out needs the whole factor in one place, and over several ranks it is in none; start "
                    "one process alone, or leave it out");
  }
  if (options->folder != NULL) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "over several ranks no progress is saved: leave the folder out (the program still writes its "
                    "result to -o FOLDER)");
  }
  return SHT_OK;
}

sht_status sht__spread_check_problem(const sht__problem *problem, sht_error *error) {
  sht_cluster *cluster = problem->gram.cluster;
  char own[96] = "", first[96];
  if (cluster == NULL) {
    return SHT_OK;
  }
  char identity[65];
  SHT_TRY(sht__problem_identity(problem, identity, error));
  (void)snprintf(own, sizeof own, "%s %s", identity, problem->gram.kernels->name);
  memcpy(first, own, sizeof first);
  sht__cluster_broadcast(cluster, SHT_CLUSTER_ALL, 0, first, sizeof first);
  if (strcmp(first + 65, own + 65) != 0) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "this machine multiplies with %s and that of rank 0 with %s, which round differently; start all "
                    "ranks on machines with the same instruction set",
                    own + 65, first + 65);
  }
  if (strcmp(first, own) != 0) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "the examples or options here are not those of rank 0; all ranks must read the same files");
  }
  return SHT_OK;
}

uint64_t sht__spread_bytes(const sht_cluster *cluster, uint64_t n, uint64_t copies) {
  uint64_t tiles = sht__tiles_bytes(n), beside = 0, sum = 0;
  if (cluster != NULL && tiles != UINT64_MAX) {
    const uint64_t rows = sht__tile_rows(n);
    tiles = sht__grid_most(&cluster->info, rows) * SHT_TILE_SIZE * sizeof(float);
    beside = sht__spread_factor_bytes(&cluster->info, rows);
  }
  return sht_size_mul(tiles, copies, &sum) && sht_size_add(sum, beside, &sum) ? sum : UINT64_MAX;
}

// Examples 32 first .. of a split.
static sht_split part_of(const sht_split *split, uint64_t first, uint64_t count) {
  sht_split part = *split;
  uint64_t values = (uint64_t)split->height * split->width * split->channels;
  uint64_t bytes = values * (split->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t));
  part.pixels = (char *)split->pixels + first * bytes;
  part.count = count;
  return part;
}

// Each rank its share of the examples, and all from each.
static sht_status make_features(const sht__gram *gram, const sht_split *split, uint64_t block, sht__panels *panels,
                                sht_error *error) {
  const uint64_t count = (panels->n + SHT_LANES - 1) / SHT_LANES;
  uint64_t first = 0, last = 0;
  sht__cluster_share(gram->cluster, sht__cluster_rank(gram->cluster), count, &first, &last);
  const uint64_t example = first * SHT_LANES;
  const uint64_t end = last * SHT_LANES < panels->n ? last * SHT_LANES : panels->n;
  if (first < last) {
    sht__panels part = {.n = end - example, .width = panels->width};
    part.data = panels->data != NULL ? sht__panel_at(panels, first) : NULL;
    part.pairs = panels->pairs != NULL ? sht__panel_pairs_at(panels, first) : NULL;
    sht_split examples = part_of(split, example, end - example);
    SHT_TRY(sht__panels_fill(&part, &gram->map, &examples, block, gram->pool, gram->work, error));
  }
  if (panels->pairs != NULL) {
    sht__cluster_complete(gram->cluster, panels->pairs, count, panels->width / 2 * SHT_LANES * sizeof *panels->pairs);
  } else {
    sht__cluster_complete(gram->cluster, panels->data, count, panels->width * SHT_LANES * sizeof *panels->data);
  }
  return SHT_OK;
}

sht_status sht__spread_fill(const sht__gram *gram, const sht__side *side, uint64_t block, sht__panels *panels,
                            sht_error *error) {
  if (sht__feature_file_read(side->made, block, panels)) {
    return sht__work_tell(gram->work, "features", (double)block + 1, (double)gram->map.blocks)
               ? SHT_FAIL(error, SHT_STOPPED, "stopped while reading features")
               : SHT_OK;
  }
  const double start = sht__work_clock();
  SHT_TRY(make_features(gram, side->split, block, panels, error));
  sht__feature_file_add(side->made, block, panels, sht__work_clock() - start);
  return SHT_OK;
}

void sht__spread_complete(sht_cluster *cluster, sht__sides *sums) {
  for (uint64_t g = 0; g < sums->groups; g++) {
    sht__cluster_complete(cluster, sht__sides_row(sums, g, 0), sums->rows / SHT_TILE, SHT_PANEL * sizeof *sums->data);
  }
}

void sht__spread_squares(const sht__tiles *tiles, sht__side *side) {
  const sht__grid *grid = tiles->grid;
  for (uint64_t j = 0; grid != NULL && j < grid->count; j++) {
    sht__cluster_broadcast(grid->cluster, SHT_CLUSTER_ALL, sht__grid_rank(grid, j, j), side->squares + j * SHT_TILE,
                           SHT_TILE * sizeof *side->squares);
  }
}
