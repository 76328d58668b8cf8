// The lower triangle of a symmetric matrix in square tiles, in fp32.
//
// n rows, tiles of 256 x 256, N = ceil(n / 256) tile rows. Tile (i, j), j <= i, lies behind those of the columns before
// j and the rows before i of column j, so that columns of tiles are contiguous. A tile is 8 panels [256 columns][32
// rows] (see block.h): element (r, c) of it stands at (r / 32) * 8192 + c * 32 + r % 32. Rows and columns from n on are
// padding: the identity, so that every operation may run over whole tiles.
//
// Over the ranks of a cluster each holds some of the tiles (grid.h), and sees no others.
#ifndef SHT_DENSE_TILES_H
#define SHT_DENSE_TILES_H

#include <stddef.h>
#include <stdint.h>

#include "dense/block.h"
#include "dense/grid.h"
#include "shatter/error.h"

enum {
  SHT_TILE = 256,                      // rows and columns of a tile
  SHT_TILE_PANELS = 8,                 // panels of a tile
  SHT_PANEL = SHT_TILE * SHT_LANES,    // elements of a panel of a tile
  SHT_TILE_SIZE = SHT_TILE * SHT_TILE  // elements of a tile
};

typedef struct sht__tiles {
  uint64_t n;       // rows
  uint64_t count;   // N
  float *data;      // [N (N + 1) / 2][SHT_TILE_SIZE]; of a grid: [held][SHT_TILE_SIZE]
  sht__grid *grid;  // NULL: all tiles are here
} sht__tiles;

static inline uint64_t sht__tile_rows(uint64_t n) { return (n + SHT_TILE - 1) / SHT_TILE; }

// Number of the tile (i, j) in memory; of (j, j) also the number of tiles before column j.
static inline uint64_t sht__tile_index(const sht__tiles *tiles, uint64_t i, uint64_t j) {
  return tiles->grid != NULL ? sht__grid_place(tiles->grid, i, j) : j * tiles->count - j * (j + 1) / 2 + i;
}
static inline bool sht__tile_is_here(const sht__tiles *tiles, uint64_t i, uint64_t j) {
  return tiles->grid == NULL || sht__grid_has(tiles->grid, i, j);
}
// Tiles here from column `first` on (0 for a grid).
uint64_t sht__tiles_from(const sht__tiles *tiles, uint64_t first);
// Row and column of tile number `task` of those.
void sht__tile_locate(const sht__tiles *tiles, uint64_t first, uint64_t task, uint64_t *i, uint64_t *j);
static inline float *sht__tile_at(const sht__tiles *tiles, uint64_t i, uint64_t j) {
  return tiles->data + sht__tile_index(tiles, i, j) * SHT_TILE_SIZE;
}
static inline size_t sht__tile_place(size_t row, size_t column) {
  return row / SHT_LANES * SHT_PANEL + column * SHT_LANES + row % SHT_LANES;
}

// Bytes of a triangle of n rows; UINT64_MAX when that overflows.
uint64_t sht__tiles_bytes(uint64_t n);
// Zeros. Errors: SHT_MEMORY. Close in every case.
sht_status sht__tiles_open(uint64_t n, sht__tiles *out, sht_error *error);
// The same, spread over a cluster. NULL: all tiles here.
sht_status sht__tiles_open_spread(uint64_t n, sht_cluster *cluster, sht__tiles *out, sht_error *error);
// The shape alone, of a triangle that is not in this process's memory.
static inline sht__tiles sht__tiles_elsewhere(uint64_t n) { return (sht__tiles){.n = n, .count = sht__tile_rows(n)}; }
void sht__tiles_clear(sht__tiles *tiles);
// Bytes of the tiles that are here.
uint64_t sht__tiles_held(const sht__tiles *tiles);
void sht__tiles_close(sht__tiles *tiles);
// Writes the padding of tile (i, j): the identity.
void sht__tile_pad(const sht__tiles *tiles, uint64_t i, uint64_t j);

#endif
