// Triangles in tiles: see tiles.h.
#include "dense/tiles.h"

#include <string.h>

#include "base/memory.h"

uint64_t sht__tiles_bytes(uint64_t n) {
  uint64_t count = n / SHT_TILE + (n % SHT_TILE != 0);
  uint64_t tiles = 0, bytes = 0;
  bool fits = sht_size_mul(count, count + 1, &tiles) && sht_size_mul(tiles / 2, SHT_TILE_SIZE * sizeof(float), &bytes);
  return fits ? bytes : UINT64_MAX;
}

uint64_t sht__tiles_from(const sht__tiles *tiles, uint64_t first) {
  uint64_t left = tiles->count - first;
  return tiles->grid != NULL ? tiles->grid->held : left * (left + 1) / 2;
}

void sht__tile_locate(const sht__tiles *tiles, uint64_t first, uint64_t task, uint64_t *i, uint64_t *j) {
  uint64_t column = first;
  if (tiles->grid != NULL) {
    *i = tiles->grid->where[task].i;
    *j = tiles->grid->where[task].j;
    return;
  }
  while (task >= tiles->count - column) {
    task -= tiles->count - column;
    column++;
  }
  *j = column;
  *i = column + task;
}

sht_status sht__tiles_open(uint64_t n, sht__tiles *out, sht_error *error) {
  *out = (sht__tiles){.n = n, .count = sht__tile_rows(n)};
  return SHT_ALLOC(&out->data, sht__tiles_bytes(n) / sizeof(float), "a triangle of the kernel matrix", error);
}

sht_status sht__tiles_open_spread(uint64_t n, sht_cluster *cluster, sht__tiles *out, sht_error *error) {
  if (cluster == NULL) {
    return sht__tiles_open(n, out, error);
  }
  *out = (sht__tiles){.n = n, .count = sht__tile_rows(n)};
  SHT_TRY(sht__grid_open(cluster, out->count, &out->grid, error));
  return SHT_ALLOC(&out->data, out->grid->held * SHT_TILE_SIZE, "a share of the kernel matrix", error);
}

uint64_t sht__tiles_held(const sht__tiles *tiles) {
  return sht__tiles_from(tiles, 0) * SHT_TILE_SIZE * sizeof *tiles->data;
}

void sht__tiles_clear(sht__tiles *tiles) { memset(tiles->data, 0, sht__tiles_held(tiles)); }

void sht__tiles_close(sht__tiles *tiles) {
  sht__grid_close(tiles->grid);
  sht_free(tiles->data);
  *tiles = (sht__tiles){0};
}

void sht__tile_pad(const sht__tiles *tiles, uint64_t i, uint64_t j) {
  if (i + 1 < tiles->count || tiles->n % SHT_TILE == 0) {
    return;
  }
  float *tile = sht__tile_at(tiles, i, j);
  size_t used = tiles->n % SHT_TILE;
  for (size_t c = 0; c < SHT_TILE; c++) {
    size_t first = i == j && c >= used ? 0 : used;
    for (size_t r = first; r < SHT_TILE; r++) {
      tile[sht__tile_place(r, c)] = i == j && r == c ? 1.0F : 0.0F;
    }
  }
}
