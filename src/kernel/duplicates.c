// Equal training examples with different targets: see problem.h.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernel/problem.h"

typedef struct print {  // of an example
  uint64_t hash;
  uint64_t index;
} print;

// FNV-1a over the bytes; what it makes equal is compared in full.
static uint64_t hash_bytes(const unsigned char *bytes, uint64_t size) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (uint64_t i = 0; i < size; i++) {
    hash = (hash ^ bytes[i]) * 0x100000001b3U;
  }
  return hash;
}

static int compare(const void *a, const void *b) {
  const print *x = a, *y = b;
  if (x->hash != y->hash) {
    return x->hash < y->hash ? -1 : 1;
  }
  return (x->index > y->index) - (x->index < y->index);
}

static uint64_t example_bytes(const sht_kernel_examples *e) {
  if (e->images == NULL) {
    return e->width * sizeof *e->inputs;
  }
  uint64_t values = (uint64_t)e->images->height * e->images->width * e->images->channels;
  return values * (e->images->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t));
}

static const unsigned char *example_at(const sht_kernel_examples *e, uint64_t i) {
  const void *start = e->images != NULL ? e->images->pixels : (const void *)e->inputs;
  return (const unsigned char *)start + i * example_bytes(e);
}

static bool same_targets(const sht_kernel_examples *e, uint64_t a, uint64_t b) {
  if (e->labels != NULL) {
    return e->labels[a] == e->labels[b];
  }
  return memcmp(e->targets + a * e->outputs, e->targets + b * e->outputs, e->outputs * sizeof *e->targets) == 0;
}

// Compares each example with those after it that have its hash.
static sht_status compare_neighbours(const sht_kernel_examples *train, const print *prints, sht_error *error) {
  const uint64_t bytes = example_bytes(train);
  for (uint64_t i = 0; i < train->count; i++) {
    for (uint64_t k = i + 1; k < train->count && prints[k].hash == prints[i].hash; k++) {
      uint64_t a = prints[i].index, b = prints[k].index;
      if (!same_targets(train, a, b) && memcmp(example_at(train, a), example_at(train, b), bytes) == 0) {
        return SHT_FAIL(error, SHT_DATA,
                        "training examples %" PRIu64 " and %" PRIu64
                        " are equal but have different targets: no function "
                        "has both values; take one out, or give a --ridge above 0",
                        a, b);
      }
    }
  }
  return SHT_OK;
}

sht_status sht__problem_check_duplicates(const sht_kernel_examples *train, sht_error *error) {
  print *prints = NULL;
  SHT_TRY(SHT_ALLOC(&prints, train->count, "hashes of examples", error));
  for (uint64_t i = 0; i < train->count; i++) {
    prints[i] = (print){hash_bytes(example_at(train, i), example_bytes(train)), i};
  }
  qsort(prints, train->count, sizeof *prints, compare);
  sht_status status = compare_neighbours(train, prints, error);
  sht_free(prints);
  return status;
}
