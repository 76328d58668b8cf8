// Right-hand sides: see sides.h.
#include "kernel/sides.h"

#include <string.h>

#include "base/memory.h"

sht_status sht__sides_open(uint64_t n, uint64_t columns, sht__sides *out, sht_error *error) {
  *out = (sht__sides){.n = n, .columns = columns};
  out->rows = sht__tile_rows(n) * SHT_TILE;
  out->groups = (columns + SHT_LANES - 1) / SHT_LANES;
  uint64_t size = 0;
  if (!sht_size_mul(out->rows, out->groups * SHT_LANES, &size)) {
    return SHT_FAIL(error, SHT_MEMORY, "right-hand sides: more than a machine can address");
  }
  return SHT_ALLOC(&out->data, size, "right-hand sides", error);
}

void sht__sides_close(sht__sides *sides) {
  sht_free(sides->data);
  *sides = (sht__sides){0};
}

void sht__sides_load(sht__sides *sides, const double *v) {
  for (uint64_t c = 0; c < sides->columns; c++) {
    for (uint64_t i = 0; i < sides->n; i++) {
      sht__sides_row(sides, c / SHT_LANES, i)[c % SHT_LANES] = v[c * sides->n + i];
    }
  }
}

void sht__sides_store(const sht__sides *sums, const double *v, double factor, double *out) {
  for (uint64_t c = 0; c < sums->columns; c++) {
    for (uint64_t i = 0; i < sums->n; i++) {
      const double *panel = sht__sides_panel(sums, c / SHT_LANES, i / SHT_LANES);
      double sum = panel[c % SHT_LANES * SHT_LANES + i % SHT_LANES];
      out[c * sums->n + i] = sum + (v != NULL ? factor * v[c * sums->n + i] : 0);
    }
  }
}
