// Identity of a problem: see identity.h.
#include "kernel/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

// Raise it when the same call may give other bits than before.
enum { NUMERICS_VERSION = 6 };

static void add_examples(sht_hash *hash, const sht_kernel_examples *e) {
  if (e->images != NULL) {
    uint64_t values = (uint64_t)e->images->height * e->images->width * e->images->channels;
    uint64_t size = e->images->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t);
    sht_hash_add(hash, e->images->pixels, e->count * values * size);
  } else {
    sht_hash_add(hash, e->inputs, e->count * e->width * sizeof *e->inputs);
  }
}

sht_status sht__problem_identity(const sht__problem *problem, char hex[65], sht_error *error) {
  char text[512];
  const sht_kernel_options *options = problem->options;
  const sht__kernel_function *function = &problem->gram.function;
  int size = snprintf(text, sizeof text, "%d %s %s %.17g %.17g %u %.17g %llu %llu %s %llu", NUMERICS_VERSION,
                      problem->gram.kernels->name, sht_kernel_name(function->kind), function->sigma, function->offset,
                      function->degree, problem->gram.ridge, (unsigned long long)problem->train->count,
                      (unsigned long long)problem->gram.map.width,
                      options->features != NULL ? options->features : "none", (unsigned long long)options->seed);
  sht_hash *hash = NULL;
  SHT_TRY(sht_hash_open(&hash, error));
  sht_hash_add(hash, text, (uint64_t)size);
  add_examples(hash, problem->train);
  sht_hash_close(hash, hex);
  return SHT_OK;
}
