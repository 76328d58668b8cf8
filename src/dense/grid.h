// A triangle's tiles spread over the ranks of a cluster: tile (i, j) lies on the rank in row i mod p and column j mod q
// of a grid of p x q ranks (block-cyclic, as ScaLAPACK spreads its blocks), so that all ranks have work to the end.
//
// A rank's tiles lie in its memory column by column, the rows of a column in order: what it has of a column is
// contiguous.
#ifndef SHT_DENSE_GRID_H
#define SHT_DENSE_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/cluster.h"

typedef struct sht__tile_name {
  uint32_t i, j;
} sht__tile_name;

typedef struct sht__grid {
  sht_cluster *cluster;
  uint64_t count;          // N: rows of tiles
  uint64_t rows, columns;  // p, q
  uint64_t row, column;    // of this rank
  uint64_t held;           // tiles here
  uint64_t *start;         // [N + 1] tiles here in the columns before
  sht__tile_name *where;   // [held]
} sht__grid;

// Errors: SHT_MEMORY. Close in every case.
sht_status sht__grid_open(sht_cluster *cluster, uint64_t count, sht__grid **out, sht_error *error);
void sht__grid_close(sht__grid *grid);  // NULL is allowed

// The most tiles that a rank of such a grid holds of N rows of tiles.
uint64_t sht__grid_most(const sht_cluster_info *info, uint64_t count);

static inline bool sht__grid_has(const sht__grid *grid, uint64_t i, uint64_t j) {
  return i % grid->rows == grid->row && j % grid->columns == grid->column;
}
// The first of the tile rows from `i` on that this rank's row of the grid has; and of columns.
static inline uint64_t sht__grid_row_from(const sht__grid *grid, uint64_t i) {
  return i + (grid->row + grid->rows - i % grid->rows) % grid->rows;
}
static inline uint64_t sht__grid_column_from(const sht__grid *grid, uint64_t j) {
  return j + (grid->column + grid->columns - j % grid->columns) % grid->columns;
}
// How many of the tile rows before `i` this rank's row of the grid has; and of columns. Also the place of row `i` among
// them, where it has that.
static inline uint64_t sht__grid_rows_before(const sht__grid *grid, uint64_t i) {
  return sht__grid_row_from(grid, i) / grid->rows;
}
static inline uint64_t sht__grid_columns_before(const sht__grid *grid, uint64_t j) {
  return sht__grid_column_from(grid, j) / grid->columns;
}
// Place in memory of a tile that is here.
static inline uint64_t sht__grid_place(const sht__grid *grid, uint64_t i, uint64_t j) {
  return grid->start[j] + (i - sht__grid_row_from(grid, j)) / grid->rows;
}
static inline int sht__grid_rank(const sht__grid *grid, uint64_t i, uint64_t j) {
  return (int)(i % grid->rows * grid->columns + j % grid->columns);
}

#endif
