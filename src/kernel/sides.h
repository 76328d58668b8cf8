// Right-hand sides and sums in double, in the forms that products of panels want: see gram_f64.c.
#ifndef SHT_KERNEL_SIDES_H
#define SHT_KERNEL_SIDES_H

#include <stdint.h>

#include "dense/tiles.h"
#include "shatter/error.h"

// Vectors of one length in groups of 32: in: [groups][rows][32 vectors]; sums: [groups][rows / 32][32 vectors][32
// rows].
typedef struct sht__sides {
  uint64_t n;        // length
  uint64_t rows;     // padded to whole tiles
  uint64_t columns;  // vectors
  uint64_t groups;   // of 32
  double *data;
} sht__sides;

sht_status sht__sides_open(uint64_t n, uint64_t columns, sht__sides *out, sht_error *error);
void sht__sides_close(sht__sides *sides);
// From [columns][n] into [groups][rows][32].
void sht__sides_load(sht__sides *sides, const double *v);
// From sums [groups][rows / 32][32][32] into [columns][n], and adds `factor` times v [columns][n] (NULL: nothing).
void sht__sides_store(const sht__sides *sums, const double *v, double factor, double *out);

// Vectors of a group that count, rounded up to 8: what products need to compute.
static inline size_t sht__sides_used(const sht__sides *sides, uint64_t group) {
  uint64_t left = sides->columns - group * SHT_LANES;
  return left >= SHT_LANES ? SHT_LANES : (size_t)(left + 7) / 8 * 8;
}
// Row `row` of a group as loaded, and the sums [32][32] of a panel of 32 rows.
static inline double *sht__sides_row(const sht__sides *sides, uint64_t group, uint64_t row) {
  return sides->data + (group * sides->rows + row) * SHT_LANES;
}
static inline double *sht__sides_panel(const sht__sides *sides, uint64_t group, uint64_t panel) {
  return sht__sides_row(sides, group, panel * SHT_LANES);
}

#endif
