// Tiles spread over ranks: see grid.h.
#include "dense/grid.h"

#include "base/memory.h"

// Tiles of column j that a row of the grid has.
static uint64_t tiles_in_column(const sht__grid *grid, uint64_t j) {
  return sht__grid_rows_before(grid, grid->count) - sht__grid_rows_before(grid, j);
}

static void describe(const sht_cluster_info *info, int rank, uint64_t count, sht__grid *out) {
  *out = (sht__grid){.count = count, .rows = (uint64_t)info->rows, .columns = (uint64_t)info->columns};
  out->row = (uint64_t)rank / out->columns;
  out->column = (uint64_t)rank % out->columns;
  for (uint64_t j = out->column; j < count; j += out->columns) {
    out->held += tiles_in_column(out, j);
  }
}

static void name_tiles(sht__grid *grid) {
  uint64_t held = 0;
  for (uint64_t j = 0; j < grid->count; j++) {
    grid->start[j] = held;
    for (uint64_t i = sht__grid_row_from(grid, j); i < grid->count && j % grid->columns == grid->column;
         i += grid->rows) {
      grid->where[held++] = (sht__tile_name){(uint32_t)i, (uint32_t)j};
    }
  }
  grid->start[grid->count] = held;
}

sht_status sht__grid_open(sht_cluster *cluster, uint64_t count, sht__grid **out, sht_error *error) {
  sht__grid *grid = NULL;
  *out = NULL;
  SHT_TRY(SHT_ALLOC(&grid, 1, "a grid of ranks", error));
  *out = grid;
  describe(&cluster->info, cluster->info.rank, count, grid);
  grid->cluster = cluster;
  SHT_TRY(SHT_ALLOC(&grid->start, count + 1, "columns of tiles", error));
  SHT_TRY(SHT_ALLOC(&grid->where, grid->held, "names of tiles", error));
  name_tiles(grid);
  return SHT_OK;
}

void sht__grid_close(sht__grid *grid) {
  if (grid != NULL) {
    sht_free(grid->start);
    sht_free(grid->where);
    sht_free(grid);
  }
}

uint64_t sht__grid_most(const sht_cluster_info *info, uint64_t count) {
  uint64_t most = 0;
  for (int rank = 0; rank < info->ranks; rank++) {
    sht__grid grid;
    describe(info, rank, count, &grid);
    most = grid.held > most ? grid.held : most;
  }
  return most;
}
