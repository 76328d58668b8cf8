// Cholesky factorisation of a triangle in tiles, in place, in fp32.
//
// Left-looking by columns of tiles: a tile takes all its updates at once while it lies in the cache, then its solve; a
// tile's task waits for the tiles that it reads and for nothing else. Columns not reached yet are untouched, which is
// what makes a factorisation that was stopped go on from its last whole column. Each tile is computed by one thread in
// a fixed order: the same bits at any number of threads. Products of tiles go through parts in bf16 where the processor
// has a unit for those (block.h); they are as exact as in fp32.
#ifndef SHT_DENSE_CHOLESKY_H
#define SHT_DENSE_CHOLESKY_H

#include <stdbool.h>

#include "base/pool.h"
#include "dense/tiles.h"
#include "shatter/work.h"

typedef struct sht__cholesky_options {
  uint64_t first;         // columns of tiles that are factored already
  uint64_t lead;          // of those, the columns whose products have been taken off all other tiles
  float smallest;         // pivot of them; without any not read
  const float *diagonal;  // [N * 256] the matrix's own diagonal, 1 in the padding: what pivots are measured by
  float floor;            // a pivot (relative to the diagonal) must be above it
  double batch_seconds;   // `saved` is called about this often; 0: once, at the end
  // Columns first .. last-1 are final; smallest: pivot of all up to them. NULL: none. A failure ends the factorisation.
  sht_status (*saved)(void *context, uint64_t first, uint64_t last, float smallest, sht_error *error);
  void *context;
} sht__cholesky_options;

// An outcome, not an error.
typedef struct sht__cholesky_result {
  bool complete;         // false: pivot number failed_row was not above the floor
  uint64_t failed_row;   // 0 .. n-1
  uint64_t columns;      // of tiles that are factored
  float smallest_pivot;  // relative to the diagonal
} sht__cholesky_result;

// Errors: SHT_STOPPED (the columns result->columns are whole and were saved), SHT_MEMORY, what `saved` returns.
sht_status sht__cholesky_factor(sht__tiles *tiles, const sht__cholesky_options *options, sht_pool *pool,
                                const sht_work *work, sht__cholesky_result *result, sht_error *error);

// Bytes of its threads' own room; beside it a factorisation takes a byte a tile.
uint64_t sht__cholesky_bytes(int threads);

// Multiply-adds times two that a factorisation of n rows takes: n^3 / 3.
double sht__cholesky_flops(uint64_t n);

#endif
