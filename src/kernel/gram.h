// The kernel matrix: its triangle in fp32 for the factorisation, and products with it in double, K being computed anew
// tile by tile and never stored.
//
// Features are stored (one block) or made block by block. With the linear kernel the blocks are streamed: inner
// products are summed over the blocks in their order, and a product with K = F F^T is a pass over the blocks: F (F^T
// v). Any other kernel is a function of the finished inner products, which are kept (products.h) in the place of stored
// features.
#ifndef SHT_KERNEL_GRAM_H
#define SHT_KERNEL_GRAM_H

#include "kernel/feature_file.h"
#include "kernel/function.h"
#include "kernel/levels.h"
#include "kernel/panels.h"

// Features that products in double take at once: sums are taken over so many.
enum { SHT__CHUNK_F64 = 64 };
// What a tile in double is made with, in doubles: enough for two sides widened, and for levels.
enum { SHT__TILE_F64_SCRATCH = SHT__LEVELS_SCRATCH };

// One side of a kernel matrix: the examples along it.
typedef struct sht__side {
  uint64_t n;
  const sht_split *split;      // streamed: where blocks are made from; may be NULL else
  sht__panels panels;          // stored features; else empty
  sht__feature_file *made;     // streamed: what was made before; NULL: nothing is kept
  double *squares;             // [n padded to tiles] |x|^2 as products of panels give it
  double *lacks;               // [n padded to tiles] of levels: see levels.h; NULL else
  const sht__tiles *products;  // inner products that are kept; NULL: none are
  uint64_t place;              // in them, of this side's first row of tiles
} sht__side;

typedef struct sht__gram {
  sht__kernel_function function;
  sht__feature_map map;
  bool streamed;  // features, with the linear kernel
  sht__side train;
  double ridge;                  // added to the diagonal
  sht_cluster *cluster;          // that shares the work; NULL: none
  const struct sht__card *card;  // that has the matrix and multiplies with it (card.h); NULL: none
  sht_pool *pool;
  const sht_work *work;
  const sht__block_kernels *kernels;
} sht__gram;

// Side of stored features: computes squares of stored panels. Errors: SHT_MEMORY.
sht_status sht__side_measure(sht__side *side, sht_pool *pool, sht_error *error);
// Squares out of finished inner products, in which the side's first row of tiles is side->place. Errors: SHT_MEMORY.
sht_status sht__side_measure_tiles(sht__side *side, const sht__tiles *tiles, sht_error *error);
void sht__side_close(sht__side *side);

// Stored features or kept products: tile [8][256][32] <- k(examples 256 i .. of `side`, training examples 256 j ..) in
// double. scratch: [SHT__TILE_F64_SCRATCH]; both 64-byte aligned.
void sht__gram_tile_f64(const sht__gram *gram, const sht__side *side, uint64_t i, uint64_t j, double *tile,
                        double *scratch);

// Called after each block of streamed features: the inner products of blocks 0 .. done-1 are in the tiles.
typedef sht_status (*sht__block_saver)(void *context, uint64_t done, sht_error *error);
// Features in blocks: adds the inner products of the blocks from `first` on to tiles, which hold those before (zeros at
// first). others: NULL, or a side whose examples follow those of training, in tiles of their own: their products with
// those of training are added as well, and with one another those of diagonal tiles. saver: NULL: none. Errors:
// SHT_MEMORY, SHT_STOPPED, those of the saver.
sht_status sht__gram_accumulate(const sht__gram *gram, const sht__side *others, uint64_t first, sht__block_saver saver,
                                void *context, sht__tiles *tiles, sht_error *error);

// Makes filled tiles ready for the factorisation, from column of tiles `column` on: ridge + jitter on the diagonal, the
// identity in the padding.
void sht__gram_finish(const sht__gram *gram, double jitter, uint64_t column, sht__tiles *tiles);

// The diagonal of K + ridge I: out: [N * 256], 1 in the padding.
void sht__gram_diagonal(const sht__gram *gram, float *out);

// out = (K + ridge I) v in double; v, out: [columns][n]. context: a sht__gram. For sht__system.
sht_status sht__gram_multiply(void *context, const double *v, double *out, uint64_t columns, sht_error *error);

// out = k(test, train) v in double; v: [columns][n], out: [columns][test n]. Errors: SHT_MEMORY, SHT_STOPPED.
sht_status sht__gram_predict(const sht__gram *gram, const sht__side *test, const double *v, double *out,
                             uint64_t columns, sht_error *error);

// Multiply-adds times two of the triangle, and of a product in double.
double sht__gram_flops(uint64_t n, uint64_t width);

#endif
