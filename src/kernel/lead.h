// The leading columns of the factor, made in double.
//
// A kernel matrix of thousands of examples is nearly its first few hundred columns: every pair of examples has much in
// common. In fp32 the updates that take this common part off leave rounding errors of its size, which are large beside
// what remains, and it is what remains that an ill-conditioned system is decided by. So these columns are computed in
// double, rounded once, and taken off the rest of K in double before that is rounded to fp32. On 6,000 digits with
// Gabor features the refinement then takes 4 products with K instead of 8.
#ifndef SHT_KERNEL_LEAD_H
#define SHT_KERNEL_LEAD_H

#include "dense/cholesky.h"
#include "kernel/gram.h"

typedef struct sht__lead {
  uint64_t columns;  // of tiles; 0: none (streamed features)
  sht__tiles tiles;  // whose tiles (i, k), k < columns, are all here: the triangle itself, or over ranks a copy of them
  float *copy;       // NULL: the triangle itself
} sht__lead;

// Multiply-adds times two, in double, of the triangle and what the leading columns take off it.
double sht__lead_flops(uint64_t n, uint64_t width);
// What the leading columns take beside the triangle on each of `ranks` ranks, in bytes.
uint64_t sht__lead_bytes(uint64_t n, int ranks);

// Borrows `tiles`, of stored features. Errors: SHT_MEMORY. Close in every case.
sht_status sht__lead_open(const sht__tiles *tiles, sht__lead *out, sht_error *error);
void sht__lead_close(sht__lead *lead);

// Factors the leading columns of K + (ridge + jitter) I. diagonal, floor: as in sht__cholesky_options. The result is an
// outcome: complete (the columns are in `lead` and in `tiles`), or the row whose pivot failed. Errors: SHT_MEMORY,
// SHT_STOPPED.
sht_status sht__lead_factor(const sht__gram *gram, double jitter, const float *diagonal, float floor,
                            const sht__lead *lead, sht__tiles *tiles, sht__cholesky_result *result, sht_error *error);

// tile [8][256][32] <- tile (i, j) of K less what the leading columns before `before` take off. scratch:
// [SHT__TILE_F64_SCRATCH], 64-byte aligned like the tile. No ridge, no padding.
void sht__lead_remainder(const sht__gram *gram, const sht__lead *lead, uint64_t before, uint64_t i, uint64_t j,
                         double *tile, double *scratch);

// The same in the triangle, rounded to fp32, for the columns of tiles from `column` (at least lead->columns) on.
// Errors: SHT_MEMORY, SHT_STOPPED.
sht_status sht__lead_fill(const sht__gram *gram, const sht__lead *lead, uint64_t column, sht__tiles *tiles,
                          sht_error *error);

#endif
