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
  SHT__CARD_VERSION = 1,  // of sht__card_functions
  SHT__CARD_BLOCK = 512,  // columns of K that are made and factored at once, and those that are made in double
};

// What the plugin exports as `sht_kernel_card_cuda`. state: the plugin's own.
typedef struct sht__card_functions {
  int version;
  sht_status (*find)(sht_kernel_card *out, sht_error *error);
  // Copies the features of both sides (test: NULL: none) to the card. columns: the most vectors of a product. Borrows
  // gram. *state is to be closed also after an error, unless NULL.
  sht_status (*open)(const sht__gram *gram, const sht__side *test, uint64_t columns, void **state, sht_error *error);
  void (*close)(void *state);
  // The leading SHT__CARD_BLOCK columns of the factor of K + shift I, made in double, and what they leave of the rest,
  // in fp32: as lead.h. diagonal: [n], floor: as in sht__cholesky_options. The result is an outcome.
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

typedef struct sht__card {
  const sht__card_functions *functions;
  void *handle;  // of the plugin
  void *state;   // NULL: not open
} sht__card;

static inline bool sht__card_is_asked(const sht_kernel_options *options) {
  return options->device != NULL && strcmp(options->device, "cuda") == 0;
}

// Devices that there are not, and what cannot be had on a card: SHT_CONFIG, naming it.
sht_status sht__card_check_options(const sht_kernel_options *options, const sht__feature_map *map, sht_error *error);

// The card's memory that n training and `tests` test examples of `width` features take.
uint64_t sht__card_bytes(uint64_t n, uint64_t tests, uint64_t width, uint64_t columns);

// The card with the problem on it. Close in every case. Errors: SHT_UNAVAILABLE, SHT_MEMORY.
sht_status sht__card_open(const sht__problem *problem, sht__card *out, sht_error *error);
void sht__card_close(sht__card *card);

// sht__gram_multiply and sht__gram_predict.
sht_status sht__card_multiply(const sht__gram *gram, const double *v, double *out, uint64_t columns, sht_error *error);
sht_status sht__card_predict(const sht__gram *gram, const double *v, double *out, uint64_t columns, sht_error *error);

// The factor on the card, for a triangle; card NULL: none.
sht__far_factor sht__card_factor(const sht__card *card);

#endif
