// Keeping inner products: see kept.h.
#include "kernel/kept.h"

#include "base/memory.h"
#include "kernel/estimate.h"
#include "kernel/identity.h"

// The folder of the whole path; its identity is that of the problem without a ridge.
static sht_status open_shared(sht__problem *problem, const sht__tiles *tiles, sht__kept_products *out,
                              sht_error *error) {
  char identity[65];
  const sht_kernel_options *options = problem->options;
  problem->gram.ridge = 0;
  SHT_TRY(sht__problem_identity(problem, identity, error));
  out->saved = &out->shared;
  return sht__saved_open(options->folder, identity, tiles->count,
                         sht__estimate_folder(tiles->n, true, options->ridge_count), &out->shared, error);
}

sht_status sht__kept_open(sht__problem *problem, const sht__tiles *tiles, sht__kept_products *out, sht_error *error) {
  *out = (sht__kept_products){0};
  if (!problem->gram.streamed || problem->options->ridge_count == 1 || problem->gram.card != NULL) {
    return SHT_OK;
  }
  if (problem->options->folder != NULL) {
    return open_shared(problem, tiles, out, error);
  }
  return SHT_ALLOC(&out->copy, sht__tiles_held(tiles) / sizeof *out->copy, "inner products", error);
}

void sht__kept_close(sht__kept_products *kept) {
  sht__saved_close(&kept->shared);
  sht_free(kept->copy);
}
