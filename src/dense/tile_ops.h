// What is done with whole tiles: the steps of a blocked Cholesky factorisation. See tiles.h for the form of a tile.
#ifndef SHT_DENSE_TILE_OPS_H
#define SHT_DENSE_TILE_OPS_H

#include <stdbool.h>

#include "dense/block.h"

// Products of tiles with one right factor b, in fp32 or in parts (block.h), where those of b are made once for all.
typedef struct sht__product {
  const sht__block_kernels *kernels;
  bool parts;
  uint32_t *room;  // [sht__product_words], 64-byte aligned: parts of a, of b turned, and of b; one thread's own
  const float *b;
} sht__product;

uint64_t sht__product_words(const sht__block_kernels *kernels);
// Whether the products of a factorisation are to be taken in parts: where the kernels can, and no element of the
// matrix's diagonal, [n], is so small or large that they would lose what counts.
bool sht__product_has_parts(const sht__block_kernels *kernels, const float *diagonal, uint64_t n);
void sht__product_begin(sht__product *product, const float *b);
// c <- c - a b^T; lower: of a diagonal tile the lower triangle alone, in blocks of 32. next: the tile that the next
// product reads, to be brought nearer meanwhile; NULL: not known.
void sht__product_subtract(const sht__product *product, float *c, const float *a, bool lower, const float *next);

// c <- its Cholesky factor, zeros above the diagonal. Only the lower triangle is read. Stops at the first pivot (the
// square of a diagonal element) that is not above `floor` times the diagonal element diagonal[row]: returns that row,
// 256 when there is none. diagonal: [256]. *smallest becomes the smallest of the quotients met, if below it.
int sht__tile_factor(const sht__block_kernels *kernels, float *c, const float *diagonal, float floor, float *smallest);

// x <- x l^-T with a factor l; x: a tile.
void sht__tile_solve(const sht__block_kernels *kernels, float *x, const float *l);

// The same for one panel x: [256 columns][32 rows].
void sht__panel_solve_transposed(const sht__block_kernels *kernels, float *x, const float *l);
// x <- x l^-1.
void sht__panel_solve(const sht__block_kernels *kernels, float *x, const float *l);
// y <- y + sign x t^T; x, y: panels [256][32], t: a tile.
void sht__panel_multiply(const sht__block_kernels *kernels, float *y, const float *x, const float *t, float sign);
// y <- y + sign x t.
void sht__panel_multiply_turned(const sht__block_kernels *kernels, float *y, const float *x, const float *t,
                                float sign);

// to <- from^T; blocks [32][32] in double, not the same.
void sht__block_turn_f64(const double *from, double *to);

#endif
