// Where the inner products of streamed features are kept, so that all ridges of a path, and all attempts with a jitter,
// share one sum: in files when there is a folder for progress, else for a path in memory. A card keeps them itself.
#ifndef SHT_KERNEL_KEPT_H
#define SHT_KERNEL_KEPT_H

#include "kernel/problem.h"
#include "kernel/saved.h"

typedef struct sht__kept_products {
  sht__saved *saved;  // NULL: not in files
  float *copy;        // the tiles; NULL: not in memory
  bool complete;      // the copy holds the products of all blocks
  sht__saved shared;  // of a path: what `saved` points to
} sht__kept_products;

// For the ridges of problem->options; one ridge keeps its products with its factor (set `saved`), and stored features
// have none. Close in every case. Errors: those of sht__saved_open, SHT_MEMORY.
sht_status sht__kept_open(sht__problem *problem, const sht__tiles *tiles, sht__kept_products *out, sht_error *error);
void sht__kept_close(sht__kept_products *kept);

#endif
