// Cholesky factorisation of tiles that are spread over the ranks of a cluster.
//
// Right-looking: a column of tiles is factored by the ranks that have it, goes along the rows and columns of the grid,
// and every rank takes its products off its own tiles. Four columns are held back and taken off what lies behind them
// at once, so that a tile is brought into the cache once for four products. Each tile takes the same products in the
// same order as in cholesky.c: the same bits, at any number of ranks and threads.
#ifndef SHT_DENSE_SPREAD_CHOLESKY_H
#define SHT_DENSE_SPREAD_CHOLESKY_H

#include "dense/cholesky.h"

// As sht__cholesky_factor, together; of the options, all but those of saving; `first` is
// `lead`. Errors: SHT_MEMORY, SHT_STOPPED.
sht_status sht__spread_factor(sht__tiles *tiles, const sht__cholesky_options *options, sht_pool *pool,
                              const sht_work *work, sht__cholesky_result *result, sht_error *error);

// The most memory that it takes on a rank beside the tiles, in bytes.
uint64_t sht__spread_factor_bytes(const sht_cluster_info *info, uint64_t count);

#endif
