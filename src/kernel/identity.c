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

static const char *features_of(const sht_kernel_options *options) {
  return options->features != NULL ? options->features : "none";
}

// others: NULL: none.
static sht_status finish(const char *text, const sht_kernel_examples *examples, const sht_kernel_examples *others,
                         char hex[65], sht_error *error) {
  sht_hash *hash = NULL;
  SHT_TRY(sht_hash_open(&hash, error));
  sht_hash_add(hash, text, strlen(text));
  add_examples(hash, examples);
  if (others != NULL) {
    add_examples(hash, others);
  }
  sht_hash_close(hash, hex);
  return SHT_OK;
}

sht_status sht__products_identity(const sht__problem *problem, char hex[65], sht_error *error) {
  char text[512];
  (void)snprintf(text, sizeof text, "%d products %s %llu %llu %s %llu", NUMERICS_VERSION, problem->gram.kernels->name,
                 (unsigned long long)problem->train->count, (unsigned long long)problem->gram.map.width,
                 features_of(problem->options), (unsigned long long)problem->options->seed);
  return finish(text, problem->train, problem->test, hex, error);
}

sht_status sht__problem_identity(const sht__problem *problem, char hex[65], sht_error *error) {
  char text[512];
  const sht_kernel_options *options = problem->options;
  const sht__kernel_function *function = &problem->gram.function;
  (void)snprintf(text, sizeof text, "%d %s %s %.17g %.17g %u %.17g %llu %llu %s %llu", NUMERICS_VERSION,
                 problem->gram.kernels->name, sht_kernel_name(function->kind), function->sigma, function->offset,
                 function->degree, problem->gram.ridge, (unsigned long long)problem->train->count,
                 (unsigned long long)problem->gram.map.width, features_of(options), (unsigned long long)options->seed);
  return finish(text, problem->train, NULL, hex, error);
}
