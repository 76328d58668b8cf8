// What a Cholesky factor L in tiles is used for: solving with many right-hand sides, products with L L^T, the diagonal
// of the inverse. All in fp32, the same bits at any number of threads.
//
// Right-hand sides stand 32 side by side, in N panels [256 rows of the system][32 right-hand sides], one after another;
// those that are not needed are zero, and so are the rows of the padding.
#ifndef SHT_DENSE_TRIANGLE_H
#define SHT_DENSE_TRIANGLE_H

#include "base/pool.h"
#include "dense/tiles.h"
#include "shatter/work.h"

// A factor that is not in this process's memory but on a card. x, y: [N][256][32], of which the n rows of the system
// are read and written; x may be overwritten. Errors: those of the card.
typedef struct sht__far_factor {
  void *context;  // NULL: the factor is here
  sht_status (*solve)(void *context, float *x, sht_error *error);
  sht_status (*product)(void *context, float *x, float *y, sht_error *error);
} sht__far_factor;

typedef struct sht__triangle {
  const sht__tiles *factor;
  sht_pool *pool;
  const sht__block_kernels *kernels;
  float *panels;  // of a factor spread over ranks (spread_triangle.h); NULL: it is all here
  sht__far_factor far;
} sht__triangle;

// Borrows factor and pool; a factor elsewhere has a shape and no data here (set `far`). Errors: SHT_MEMORY. Close in
// every case.
sht_status sht__triangle_open(const sht__tiles *factor, sht_pool *pool, sht__triangle *out, sht_error *error);
void sht__triangle_close(sht__triangle *triangle);

// Elements of 32 right-hand sides: N * 256 * 32.
static inline uint64_t sht__sides_size(const sht__tiles *tiles) { return tiles->count * SHT_PANEL; }

// x <- (L L^T)^-1 x; x: [N][256][32]. Errors: those of a factor elsewhere.
sht_status sht__triangle_solve(const sht__triangle *triangle, float *x, sht_error *error);
// y <- L L^T x; x: [N][256][32], overwritten; y: [N][256][32]. Errors: those of a factor elsewhere.
sht_status sht__triangle_product(const sht__triangle *triangle, float *x, float *y, sht_error *error);

// out[i] = element (i, i) of (L L^T)^-1, i < n, of a factor that is all here: as costly as the factorisation, and (n +
// 256) * 1 KiB of memory for each thread. out: [n]. Errors: SHT_MEMORY, SHT_STOPPED.
sht_status sht__triangle_inverse_diagonal(const sht__triangle *triangle, const sht_work *work, double *out,
                                          sht_error *error);

#endif
