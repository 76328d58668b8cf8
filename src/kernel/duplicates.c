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

static const uint64_t HASH_START = 0xcbf29ce484222325U;

// FNV-1a over the bytes; what it makes equal is compared in full.
static uint64_t hash_bytes(uint64_t hash, const void *bytes, uint64_t size) {
  for (uint64_t i = 0; i < size; i++) {
    hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3U;
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

// Of images.
static uint64_t example_bytes(const sht_kernel_examples *e) {
  uint64_t values = (uint64_t)e->images->height * e->images->width * e->images->channels;
  return values * (e->images->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t));
}

static const unsigned char *example_at(const sht_kernel_examples *e, uint64_t i) {
  return (const unsigned char *)e->images->pixels + i * example_bytes(e);
}

// -0 is 0.
static uint64_t hash_example(const sht_kernel_examples *e, uint64_t i) {
  if (e->images != NULL) {
    return hash_bytes(HASH_START, example_at(e, i), example_bytes(e));
  }
  uint64_t hash = HASH_START;
  for (uint64_t f = 0; f < e->width; f++) {
    const float value = e->inputs[i * e->width + f] + 0.0F;
    hash = hash_bytes(hash, &value, sizeof value);
  }
  return hash;
}

static bool same_inputs(const sht_kernel_examples *e, uint64_t a, uint64_t b) {
  if (e->images != NULL) {
    return memcmp(example_at(e, a), example_at(e, b), example_bytes(e)) == 0;
  }
  bool same = true;
  for (uint64_t f = 0; same && f < e->width; f++) {
    same = e->inputs[a * e->width + f] == e->inputs[b * e->width + f];
  }
  return same;
}

static bool same_targets(const sht_kernel_examples *e, uint64_t a, uint64_t b) {
  if (e->labels != NULL) {
    return e->labels[a] == e->labels[b];
  }
  bool same = true;
  for (uint64_t k = 0; same && k < e->outputs; k++) {
    same = e->targets[a * e->outputs + k] == e->targets[b * e->outputs + k];
  }
  return same;
}

// Compares each example with those after it that have its hash.
static sht_status compare_neighbours(const sht_kernel_examples *train, const print *prints, sht_error *error) {
  for (uint64_t i = 0; i < train->count; i++) {
    for (uint64_t k = i + 1; k < train->count && prints[k].hash == prints[i].hash; k++) {
      uint64_t a = prints[i].index, b = prints[k].index;
      if (!same_targets(train, a, b) && same_inputs(train, a, b)) {
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

// Sorted, so that equal examples lie in a row, the first of them first. sht_free frees them.
static sht_status make_prints(const sht_kernel_examples *train, print **out, sht_error *error) {
  print *prints = NULL;
  SHT_TRY(SHT_ALLOC(&prints, train->count, "hashes of examples", error));
  for (uint64_t i = 0; i < train->count; i++) {
    prints[i] = (print){hash_example(train, i), i};
  }
  qsort(prints, train->count, sizeof *prints, compare);
  *out = prints;
  return SHT_OK;
}

sht_status sht__problem_check_duplicates(const sht_kernel_examples *train, sht_error *error) {
  print *prints = NULL;
  SHT_TRY(make_prints(train, &prints, error));
  sht_status status = compare_neighbours(train, prints, error);
  sht_free(prints);
  return status;
}

sht_status sht__problem_find_equal(const sht_kernel_examples *train, uint32_t *first, sht_error *error) {
  const uint64_t n = train->count;
  print *prints = NULL;
  SHT_TRY(make_prints(train, &prints, error));
  for (uint64_t i = 0; i < n; i++) {
    first[i] = (uint32_t)i;
  }
  for (uint64_t i = 0; i < n; i++) {
    const uint64_t a = prints[i].index;
    for (uint64_t k = i + 1; first[a] == a && k < n && prints[k].hash == prints[i].hash; k++) {
      const uint64_t b = prints[k].index;
      first[b] = first[b] == b && same_inputs(train, a, b) ? (uint32_t)a : first[b];
    }
  }
  sht_free(prints);
  return SHT_OK;
}
