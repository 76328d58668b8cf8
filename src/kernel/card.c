// Finding the plugin, and what is the same for every card: see card.h.
#include "kernel/card.h"

#include <dlfcn.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/plugin.h"

// What CUDA and cuBLAS keep for themselves.
static const uint64_t RUNTIME_BYTES = (uint64_t)768 << 20;

sht_status sht__card_check_options(const sht_kernel_options *options, const sht__feature_map *map, sht_error *error) {
  if (options->device != NULL && strcmp(options->device, "cpu") != 0 && !sht__card_is_asked(options)) {
    return SHT_FAIL(error, SHT_CONFIG, "device '%.32s'; kernel machines run on cpu and cuda", options->device);
  }
  if (!sht__card_is_asked(options)) {
    return SHT_OK;
  }
  if (options->cluster != NULL) {
    return SHT_FAIL(error, SHT_CONFIG, "--device cuda is for one process with one card, not for several ranks");
  }
  if (options->leave_one_out) {
    return SHT_FAIL(error, SHT_CONFIG, "--leave-one-out is not made on a card; use --device cpu, or leave it out");
  }
  if (options->folder != NULL) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "on a card no progress is saved: leave the folder out (the program still writes its result to -o "
                    "FOLDER)");
  }
  if (map->blocks > 1) {
    return SHT_FAIL(error, SHT_CONFIG, "features %s are streamed, which is not done on a card; use --device cpu",
                    options->features);
  }
  return SHT_OK;
}

static void add(uint64_t *sum, uint64_t count, uint64_t size) {
  uint64_t bytes = 0;
  if (!sht_size_mul(count, size, &bytes) || !sht_size_add(*sum, bytes, sum)) {
    *sum = UINT64_MAX;
  }
}

uint64_t sht__card_bytes(uint64_t n, uint64_t tests, uint64_t width, uint64_t columns) {
  const uint64_t longest = n > tests ? n : tests;
  uint64_t sum = RUNTIME_BYTES;
  add(&sum, n, n * sizeof(float));
  add(&sum, n + tests, (width + 1) * sizeof(double));        // features, squared lengths
  add(&sum, n + longest, SHT__CARD_BLOCK * sizeof(double));  // leading columns, those at hand
  add(&sum, n + longest, columns * sizeof(double));          // vectors of a product
  add(&sum, n, (2 * SHT_LANES + 1) * sizeof(float));         // right-hand sides, diagonal
  add(&sum, SHT_LANES, width * sizeof(float));               // features on their way
  return sum;
}

static sht_status load(sht__card *out, sht_error *error) {
  static const sht__plugin_request request = {
      .what = "--device cuda",
      .kind = "kernel card",
      .instead =
          "use --device cpu; the plugin is built where CUDA's compiler (nvcc) and cuDNN 9 are found (docs/cuda.md)",
      .file = "shatter-kernel-cuda.so",
      .symbol = "sht_kernel_card_cuda",
      .version = SHT__CARD_VERSION,
      .flags = RTLD_LOCAL};
  const void *table = NULL;
  SHT_TRY(sht__plugin_load(&request, &table, &out->handle, error));
  out->functions = table;
  return SHT_OK;
}

sht_status sht_kernel_find_card(sht_kernel_card *out, sht_error *error) {
  sht__card card = {0};
  *out = (sht_kernel_card){0};
  sht_status status = load(&card, error);
  if (status == SHT_OK) {
    status = card.functions->find(out, error);
  }
  sht__card_close(&card);
  return status;
}

sht_status sht__card_open(const sht__problem *problem, sht__card *out, sht_error *error) {
  *out = (sht__card){0};
  SHT_TRY(load(out, error));
  const sht__side *test = problem->test != NULL ? &problem->test_side : NULL;
  return out->functions->open(&problem->gram, test, problem->columns, &out->state, error);
}

void sht__card_close(sht__card *card) {
  if (card->state != NULL) {
    card->functions->close(card->state);
  }
  if (card->handle != NULL) {
    (void)dlclose(card->handle);
  }
  *card = (sht__card){0};
}

sht_status sht__card_multiply(const sht__gram *gram, const double *v, double *out, uint64_t columns, sht_error *error) {
  SHT_TRY(gram->card->functions->multiply(gram->card->state, false, v, out, columns, error));
  for (uint64_t i = 0; i < columns * gram->train.n; i++) {
    out[i] += gram->ridge * v[i];
  }
  return SHT_OK;
}

sht_status sht__card_predict(const sht__gram *gram, const double *v, double *out, uint64_t columns, sht_error *error) {
  return gram->card->functions->multiply(gram->card->state, true, v, out, columns, error);
}

sht__far_factor sht__card_factor(const sht__card *card) {
  if (card == NULL) {
    return (sht__far_factor){0};
  }
  return (sht__far_factor){
      .context = card->state, .solve = card->functions->solve, .product = card->functions->product};
}
