// Features that are whole numbers from 0 to 255, times one scale: the levels of images (1/255), or an array that holds
// nothing else (1).
//
// Their inner products are exact in whole numbers, and one instruction for products of bytes (VNNI) takes eight times
// as many as one in double: K in double, which is made anew for every product with it, is that much cheaper there.
//
// A product of bytes takes one factor with a sign: the levels along the columns less 128. What that leaves out, 128
// times the sum of the row's levels, is added in double, where it is exact too.
#ifndef SHT_KERNEL_LEVELS_H
#define SHT_KERNEL_LEVELS_H

#include "dense/block.h"
#include "kernel/panels.h"
#include "shatter/kernel.h"

enum {
  SHT__LEVELS_WIDTH_MAX = 1 << 16,         // features whose products with a sign add up to less than 2^31
  SHT__LEVELS_CHUNK = 128,                 // fours of features that products take at once, a multiple of 16
  SHT__LEVELS_SCRATCH = SHT_TILE_SIZE / 2  // doubles
};

// Whether all examples have such features, for kernels of the levels themselves.
bool sht__levels_are(const sht_kernel_examples *examples);

// Panels in fours of the levels of all examples. Errors: SHT_MEMORY.
sht_status sht__levels_open(const sht_kernel_examples *examples, sht__panels *out, sht_error *error);

// squares: [n padded to tiles] |x|^2 of every example; lacks: [n padded] what products with a sign leave out of those
// with its levels along the rows.
void sht__levels_measure(const sht__panels *panels, double *squares, double *lacks);

// tile [8][256][32] <- inner products of examples 256 i .. of `rows` with examples 256 j .. of `columns`. lacks: of
// `rows`. scratch: [SHT__LEVELS_SCRATCH]; both 64-byte aligned.
void sht__levels_tile(const sht__block_kernels *kernels, const sht__panels *rows, const double *lacks, uint64_t i,
                      const sht__panels *columns, uint64_t j, double *tile, double *scratch);

#endif
