// A data set of random pixels and labels in memory, of any shape, for tests of what is done with one.
#ifndef SHATTER_TESTS_DATA_RANDOM_H
#define SHATTER_TESTS_DATA_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/dataset.h"
#include "shatter/data.h"

// Labels cycle through the classes; levels are uniform, of a cheap sequence that shares nothing with the library's.
static inline void fill_split(sht_split *split, uint64_t count, const uint32_t shape[3], uint32_t classes,
                              uint64_t seed) {
  if (sht__split_make("test", count, shape, split, NULL) != SHT_OK) {
    abort();
  }
  uint64_t state = seed;
  for (uint64_t i = 0; i < count * shape[0] * shape[1] * shape[2]; i++) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    ((uint8_t *)split->pixels)[i] = (uint8_t)(state >> 56);
  }
  for (uint64_t i = 0; i < count; i++) {
    split->labels[i] = (uint16_t)(i % classes);
    split->true_labels[i] = split->labels[i];
  }
}

static inline sht_dataset *random_dataset(uint64_t train, uint64_t test, const uint32_t shape[3], uint32_t classes) {
  sht_dataset *data = NULL;
  if (SHT_ALLOC(&data, 1, "test", NULL) != SHT_OK || sht__dataset_set_classes(data, classes, NULL) != SHT_OK) {
    abort();
  }
  fill_split(&data->train, train, shape, classes, 1);
  fill_split(&data->test, test, shape, classes, 2);
  return data;
}

// As parsed from the two texts.
static inline sht_randomization randomization(const char *labels, const char *pixels, uint64_t seed) {
  sht_randomization how;
  if (sht_randomization_parse(labels, pixels, seed, &how, NULL) != SHT_OK) {
    abort();
  }
  return how;
}

#endif
