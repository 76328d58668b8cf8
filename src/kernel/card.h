// A card that a kernel problem is solved on: it has the features, K and its factor, and multiplies with all of them.
//
// What drives it is a plugin, shatter-kernel-cuda.so (src/kernel/cuda), loaded at run time. Everything else of a
// solution is the same code as without: attempts with a jitter, the refinement, norms, errors.
#ifndef SHT_KERNEL_CARD_H
#define SHT_KERNEL_CARD_H

#include <string.h>

#include "dense/cholesky.h"
#include "dense/triangle.h"
#include "kernel/problem.h"

enum {
  SHT__CARD_VERSION = 3,        // of sht__card_functions
  SHT__CARD_BLOCK = 512,        // columns of K that are made and factored at once, and those that are made in double
  SHT__CARD_FILTERS = 512,      // of random convolutions whose features are made at once
  SHT__CARD_WIDE = 512,         // examples whose streamed features are in double at once
  SHT__CARD_TAPS_MULTIPLE = 8,  // tensor cores read values of patches and filters in vectors of so many
};

// What the plugin exports as `sht_kernel_card_cuda`. state: the plugin's own.
typedef struct sht__card_functions {
  int version;
  sht_status (*find)(sht_kernel_card *out, sht_error *error);
  // Copies the features of both sides (test: NULL: none) to the card, or what streamed ones are made from. columns: the
  // most vectors of a product. Borrows gram. *state is to be closed also after an error, unless NULL.
  sht_status (*open)(const sht__gram *gram, const sht__side *test, uint64_t columns, void **state, sht_error *error);
  void (*close)(void *state);
  // Features in blocks, once and first: their inner products, which stay on the card; for another kernel than the
  // linear one also those with test examples, and among training examples those of example i become those of same[i],
  // the first that is equal to it. same: [n], NULL for the linear kernel; squares: [n] the diagonal.
  sht_status (*accumulate)(void *state, const uint32_t *same, double *squares, sht_error *error);
  // Some of those products, for another kernel than the linear one and before `fill`: out [rows][count] <- of training
  // examples order[first] .. order[first+rows-1] and order[0] .. order[count-1]. rows: at most SHT__CARD_BLOCK.
  sht_status (*select)(void *state, const uint32_t *order, uint64_t count, uint64_t first, uint64_t rows, float *out,
                       sht_error *error);
  // The leading SHT__CARD_BLOCK columns of the factor of K + shift I, made in double, and what they leave of the rest,
  // in fp32: as lead.h. diagonal: [n], floor: as in sht__cholesky_options. The result is an outcome. Streamed features:
  // no column leads, and the sums of `accumulate` are taken.
  sht_status (*fill)(void *state, double shift, const float *diagonal, float floor, sht__cholesky_result *result,
                     sht_error *error);
  // The rest of the factor. result: as `fill` left it.
  sht_status (*factor)(void *state, const float *diagonal, float floor, sht__cholesky_result *result, sht_error *error);
  // As sht__triangle_solve and sht__triangle_product, of the factor.
  sht_status (*solve)(void *state, float *x, sht_error *error);
  sht_status (*product)(void *state, float *x, float *y, sht_error *error);
  // out = K v, or k(test, train) v, in double, K computed anew; v: [columns][n], out: [columns][n or test n].
  sht_status (*multiply)(void *state, bool test, const double *v, double *out, uint64_t columns, sht_error *error);
} sht__card_functions;

// What CUDA and cuBLAS keep for themselves, in bytes.
#define SHT__CARD_RUNTIME ((uint64_t)768 << 20)

typedef struct sht__card {
  const sht__card_functions *functions;
  void *handle;  // of the plugin
  void *state;   // NULL: not open
} sht__card;

static inline bool sht__card_is_asked(const sht_kernel_options *options) {
  return options->device != NULL && strcmp(options->device, "cuda") == 0;
}

// Devices that there are not, and what cannot be had on a card: SHT_CONFIG, naming it.
sht_status sht__card_check_options(const sht_kernel_options *options, sht_error *error);

// How features of random convolutions are made on a card: the sizes of its blocks.
typedef struct sht__card_blocks {
  uint64_t all;      // filters, with those that fill up the last panel of 32
  uint64_t filters;  // of a block
  uint64_t count;    // of blocks
  uint64_t width;    // features of a block
  uint64_t places;   // positions of a patch in an image, and in its mirror image where features are of both
  uint64_t depth;    // values of a patch, in whole vectors
  uint64_t images;   // whose responses are there at once
} sht__card_blocks;

sht__card_blocks sht__card_blocks_of(const sht__feature_map *map, const sht_split *images);

// The card's memory that n training and `tests` test examples take. images: of features in blocks, else not looked at;
// keeps: their inner products are kept, for another kernel than the linear one.
uint64_t sht__card_bytes(uint64_t n, uint64_t tests, const sht__feature_map *map, const sht_split *images, bool keeps,
                         uint64_t columns);

// The card with the problem on it. Close in every case. Errors: SHT_UNAVAILABLE, SHT_MEMORY.
sht_status sht__card_open(const sht__problem *problem, sht__card *out, sht_error *error);
void sht__card_close(sht__card *card);

// Adds the inner products of features in blocks up, on the card, and gives the training side its squares. same: as of
// sht__card_functions. Errors: SHT_MEMORY, SHT_STOPPED, SHT_UNAVAILABLE.
sht_status sht__card_accumulate(sht__gram *gram, const uint32_t *same, sht_error *error);

// sht__gram_multiply and sht__gram_predict.
sht_status sht__card_multiply(const sht__gram *gram, const double *v, double *out, uint64_t columns, sht_error *error);
sht_status sht__card_predict(const sht__gram *gram, const double *v, double *out, uint64_t columns, sht_error *error);

// The factor on the card, for a triangle; card NULL: none.
sht__far_factor sht__card_factor(const sht__card *card);

#endif
