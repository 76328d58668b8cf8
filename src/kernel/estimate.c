// Costs beforehand: see estimate.h.
#include "kernel/estimate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "base/text.h"
#include "dense/cholesky.h"
#include "kernel/card.h"
#include "kernel/feature_file.h"
#include "kernel/lead.h"
#include "kernel/products.h"
#include "kernel/spread.h"

// Doubles an example: of the refinement for each right-hand side (target, solution, residual twice, preconditioned,
// direction, K direction, last residual, best); for each output (coefficients, outputs, what is turned); of 32 fp32
// right-hand sides.
enum { OF_COLUMN = 9, OF_OUTPUT = 3, OF_SIDES = 16, TEXT_BYTES = 32, KIB = 1024 };
// Operations in fp32 that take the time of one in double; and features whose products take the time of what else there
// is to do with an element of K: its exponential, and its use for the right-hand sides.
enum { F64 = 2, OF_ELEMENT = 96 };

// Sum of products that stays at its largest value instead of overflowing.
static void add(uint64_t *sum, uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (!sht_size_mul(a, b, &product) || !sht_size_add(*sum, product, sum)) {
    *sum = UINT64_MAX;
  }
}

static uint64_t threads_of(const sht_kernel_options *options) { return (uint64_t)sht_pool_threads(options->pool); }

// Whether the inner products that ridges share are kept in memory: see kept.h.
static bool keeps_copy(const sht_kernel_options *options, const sht__feature_map *map) {
  return map->blocks > 1 && options->kind == SHT_KERNEL_LINEAR && options->ridge_count > 1 && options->folder == NULL &&
         !sht__card_is_asked(options);
}

static uint64_t bytes_of_feature(const sht__feature_map *map) {
  return map->levels ? sizeof(uint8_t) : map->blocks > 1 ? sizeof(uint16_t) : sizeof(float);
}

static uint64_t columns_of(const sht_kernel_examples *train) {
  return train->outputs + (train->labels != NULL ? 1 : 0);
}

static uint64_t padded_columns(const sht_kernel_examples *train) {
  return (columns_of(train) + SHT_LANES - 1) / SHT_LANES * SHT_LANES;
}

// Of the features of n training examples, or their inner products.
static uint64_t feature_bytes(uint64_t n, const sht_kernel_examples *test, const sht_kernel_options *options,
                              const sht__feature_map *map) {
  const uint64_t rows = sht__tile_rows(n) * SHT_TILE;
  const uint64_t test_rows = test != NULL ? sht__tile_rows(test->count) * SHT_TILE : 0;
  const bool blocks = map->blocks > 1;  // in bf16, and made of a panel in fp32 on each thread
  const bool here = !blocks || !sht__card_is_asked(options);
  uint64_t sum = 0;
  if (here && sht__problem_keeps_products(options, map)) {
    add(&sum, 1, sht__products_bytes(n, test != NULL ? test->count : 0));
  }
  if (here) {
    add(&sum, rows + test_rows, map->block * bytes_of_feature(map));
    add(&sum, blocks && sht__block_choose()->turn != NULL ? rows + test_rows : 0, map->block * bytes_of_feature(map));
    add(&sum, blocks ? threads_of(options) : 0, map->block * SHT_LANES * sizeof(float));
  }
  return sum;
}

// Of what is done with n examples beside their matrix: refinement, products, leave-one-out.
static uint64_t work_bytes(uint64_t n, const sht_kernel_examples *train, bool leave_one_out,
                           const sht_kernel_options *options, const sht__feature_map *map) {
  const uint64_t rows = sht__tile_rows(n) * SHT_TILE;
  uint64_t sum = 0;
  add(&sum, rows, (OF_COLUMN * columns_of(train) + OF_OUTPUT * train->outputs + OF_SIDES) * sizeof(double));
  add(&sum, 3 * rows, padded_columns(train) * sizeof(double));
  add(&sum, threads_of(options), (2 * (uint64_t)SHT_TILE_SIZE + map->scratch) * sizeof(double));
  add(&sum, leave_one_out ? threads_of(options) * rows : 0, SHT_TILE * sizeof(float));
  add(&sum, 1, sht__cholesky_bytes(sht_pool_threads(options->pool)));
  return sum;
}

// Of the solution for n training examples beside features and results.
static uint64_t solve_bytes(uint64_t n, const sht_kernel_examples *train, const sht_kernel_examples *test,
                            const sht_kernel_options *options, const sht__feature_map *map) {
  const uint64_t rows = sht__tile_rows(n) * SHT_TILE;
  uint64_t sum = work_bytes(n, train, options->leave_one_out, options, map);
  if (!sht__card_is_asked(options)) {
    add(&sum, 1, sht__spread_bytes(options->cluster, n, keeps_copy(options, map) ? 2 : 1));
    add(&sum, 1, sht__lead_bytes(n, sht__cluster_ranks(options->cluster)));
  }
  add(&sum, test != NULL ? sht__tile_rows(test->count) * SHT_TILE : 0, padded_columns(train) * sizeof(double));
  if (options->spectrum_steps > 0) {
    add(&sum, rows, ((n < options->spectrum_steps ? n : options->spectrum_steps) + 1) * sizeof(double));
  }
  return sum;
}

static bool is_searched(const sht_kernel_options *options) {
  return options->sigma_rule == SHT_SIGMA_SEARCH && options->kind != SHT_KERNEL_LINEAR;
}

// How many of n training examples a search for sigma looks at.
static uint64_t searched(uint64_t n, const sht_kernel_options *options) {
  return options->search_examples > 0 && options->search_examples < n ? options->search_examples : n;
}

// Of the search for sigma among n training examples: a matrix and features of its own, before those of the solution.
static uint64_t search_bytes(uint64_t n, const sht_kernel_examples *train, const sht_kernel_options *options,
                             const sht__feature_map *map) {
  const uint64_t part = searched(n, options);
  uint64_t sum = work_bytes(part, train, true, options, map);
  add(&sum, 1, sht__tiles_bytes(part));
  if (sht__problem_keeps_products(options, map)) {
    add(&sum, 1, sht__products_bytes(part, 0));
    add(&sum, part, SHT__CARD_BLOCK * sizeof(float));  // on their way from where all are
  } else {
    add(&sum, sht__tile_rows(part) * SHT_TILE, map->width * bytes_of_feature(map));
  }
  return sum;
}

// Bytes for n training examples; what does not grow with n is small beside it.
static uint64_t bytes_for(uint64_t n, const sht_kernel_examples *train, const sht_kernel_examples *test,
                          const sht_kernel_options *options, const sht__feature_map *map) {
  const uint64_t solving = solve_bytes(n, train, test, options, map);
  const uint64_t searching = is_searched(options) ? search_bytes(n, train, options, map) : 0;
  uint64_t sum = feature_bytes(n, test, options, map);
  add(&sum, 1, solving > searching ? solving : searching);
  add(&sum, n + (test != NULL ? test->count : 0), options->ridge_count * train->outputs * sizeof(double));  // results
  return sum;
}

// Bytes on the card for n training examples.
static uint64_t card_bytes_for(uint64_t n, const sht_kernel_examples *train, const sht_kernel_examples *test,
                               const sht_kernel_options *options, const sht__feature_map *map) {
  const uint64_t tests = test != NULL ? test->count : 0;
  const bool keeps = sht__problem_keeps_products(options, map);
  return sht__card_is_asked(options) ? sht__card_bytes(n, tests, map, train->images, keeps, columns_of(train)) : 0;
}

uint64_t sht__estimate_folder(uint64_t n, bool streamed, uint32_t ridges) {
  return ((uint64_t)ridges + (streamed ? 2 : 0)) * sht__tiles_bytes(n);
}

// Operations in fp32 that take the time of the triangle's inner products and of `others` in double.
static double stored_flops(uint64_t n, const sht__feature_map *map, double others) {
  const double products = sht__gram_flops(n, map->width);
  return F64 * others + (map->levels ? products / sht__block_choose()->byte_rate : F64 * products);
}

// The same for elements of K that are made of kept products.
static double kept_flops(uint64_t n, double others) { return F64 * (others + (double)n * (double)n * OF_ELEMENT); }

// Bytes of files at once.
static uint64_t folder_bytes(const sht_kernel_examples *train, const sht_kernel_examples *test,
                             const sht_kernel_options *options, const sht__feature_map *map) {
  if (!sht__problem_keeps_products(options, map)) {
    return sht__estimate_folder(train->count, map->blocks > 1, options->ridge_count);
  }
  uint64_t sum = sht__estimate_folder(train->count, false, options->ridge_count);
  add(&sum, 2, sht__products_bytes(train->count, test != NULL ? test->count : 0));
  return sum;
}

static uint64_t kept_bytes(const sht_kernel_examples *train, const sht_kernel_examples *test,
                           const sht__feature_map *map) {
  return sht__feature_file_bytes(train->count, map) + (test != NULL ? sht__feature_file_bytes(test->count, map) : 0);
}

// Of the matrix and of a product with it.
static void estimate_matrix(const sht_kernel_examples *train, double tests, const sht_kernel_options *options,
                            const sht__feature_map *map, sht_kernel_estimate *out) {
  const double n = (double)train->count, width = (double)map->width, ridges = options->ridge_count;
  const double rate = map->blocks > 1 ? sht__block_choose()->bf16_rate : 1, lead = sht__lead_flops(train->count, 0);
  out->feature_flops = (n + tests) * map->flops / rate;
  if (sht__problem_keeps_products(options, map)) {
    out->gram_flops = (n + 2 * tests) * n * width / rate + ridges * kept_flops(train->count, lead);
    out->product_flops = kept_flops(train->count, 0);
  } else if (map->blocks > 1) {
    const double made_anew = out->kept_bytes > 0 ? 0 : n * map->flops / rate;
    out->gram_flops = n * n * width / rate;
    out->product_flops = made_anew + F64 * 4 * n * width * (double)train->outputs;
  } else {
    out->gram_flops = ridges * stored_flops(train->count, map, lead);
    out->product_flops = stored_flops(train->count, map, n * n * OF_ELEMENT);
  }
}

// Of a search for sigma on `part` examples.
static double search_flops(uint64_t part, const sht_kernel_options *options, const sht__feature_map *map) {
  const double p = (double)part;
  const double features = sht__problem_keeps_products(options, map) ? OF_ELEMENT : (double)map->width;
  return SHT_KERNEL_SEARCH_STEPS * (2 * sht__cholesky_flops(part) + 6 * p * p * features);
}

sht_status sht_kernel_estimate_cost(const sht_kernel_examples *train, const sht_kernel_examples *test,
                                    const sht_kernel_options *options, sht_kernel_estimate *out, sht_error *error) {
  sht__feature_map map;
  SHT_TRY(sht__problem_describe(train, test, options, &map, error));
  *out = (sht_kernel_estimate){.bytes = bytes_for(train->count, train, test, options, &map),
                               .card_bytes = card_bytes_for(train->count, train, test, options, &map),
                               .folder_bytes = folder_bytes(train, test, options, &map)};
  const bool streamed = map.blocks > 1 && !sht__problem_keeps_products(options, &map);
  out->kept_bytes = streamed && options->folder != NULL ? kept_bytes(train, test, &map) : 0;
  estimate_matrix(train, test != NULL ? (double)test->count : 0, options, &map, out);
  out->factor_flops = (double)options->ridge_count * sht__cholesky_flops(train->count);
  out->loo_flops = options->leave_one_out ? out->factor_flops : 0;
  out->search_flops = is_searched(options) ? search_flops(searched(train->count, options), options, &map) : 0;
  return SHT_OK;
}

// Bytes that may still be taken without swapping; UINT64_MAX when not known.
static uint64_t free_memory(void) {
  static const char label[] = "MemAvailable:";
  char line[256];
  uint64_t found = UINT64_MAX;
  FILE *file = fopen("/proc/meminfo", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, label, sizeof label - 1) == 0) {
      found = strtoull(line + sizeof label - 1, NULL, 10) * KIB;
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  return found;
}

// Bytes in one place for n examples: bytes_for, or card_bytes_for.
typedef uint64_t (*counter)(uint64_t n, const sht_kernel_examples *train, const sht_kernel_examples *test,
                            const sht_kernel_options *options, const sht__feature_map *map);

// The largest number of examples that fits, below that of `train`.
static uint64_t most_that_fit(counter bytes, uint64_t have, const sht_kernel_examples *train,
                              const sht_kernel_examples *test, const sht_kernel_options *options,
                              const sht__feature_map *map) {
  uint64_t low = 0, high = train->count;  // it lies in low .. high - 1
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    *(bytes(middle, train, test, options, map) <= have ? &low : &high) = middle;
  }
  return low;
}

static sht_status check_card(const sht_kernel_examples *train, const sht_kernel_examples *test,
                             const sht_kernel_options *options, const sht__feature_map *map,
                             const sht_kernel_card *card, sht_error *error) {
  const uint64_t need = card_bytes_for(train->count, train, test, options, map);
  char a[TEXT_BYTES], b[TEXT_BYTES], c[TEXT_BYTES], d[TEXT_BYTES];
  if (need == 0 || need <= card->free_bytes) {
    return SHT_OK;
  }
  const uint64_t most = most_that_fit(card_bytes_for, card->free_bytes, train, test, options, map);
  return SHT_FAIL(error, SHT_MEMORY,
                  "%s training examples take %s of the card's memory and %s of it are free; %s examples would fit: use "
                  "fewer, or --device cpu",
                  sht_text_count(train->count, a, sizeof a), sht_text_bytes(need, b, sizeof b),
                  sht_text_bytes(card->free_bytes, c, sizeof c), sht_text_count(most, d, sizeof d));
}

sht_status sht__estimate_check_memory(const sht_kernel_examples *train, const sht_kernel_examples *test,
                                      const sht_kernel_options *options, const sht_kernel_card *card,
                                      sht_error *error) {
  sht__feature_map map;
  SHT_TRY(sht__problem_describe(train, test, options, &map, error));
  SHT_TRY(check_card(train, test, options, &map, card, error));
  const sht_cluster_info cluster = sht_cluster_describe(options->cluster);
  uint64_t have = options->memory_max > 0 ? options->memory_max : free_memory() / (uint64_t)cluster.local_ranks;
  // The rank that has least decides for all; and none takes memory before all have seen what is free.
  have = UINT64_MAX - sht__cluster_largest(options->cluster, UINT64_MAX - have);
  uint64_t need = bytes_for(train->count, train, test, options, &map);
  if (need <= have) {
    return SHT_OK;
  }
  const uint64_t low = most_that_fit(bytes_for, have, train, test, options, &map);
  char a[TEXT_BYTES], b[TEXT_BYTES], c[TEXT_BYTES], d[TEXT_BYTES], ranks[TEXT_BYTES] = "";
  if (cluster.ranks > 1) {
    (void)snprintf(ranks, sizeof ranks, " on each of %d ranks", cluster.ranks);
  }
  const bool folder_helps = cluster.ranks == 1 && keeps_copy(options, &map);
  return SHT_FAIL(error, SHT_MEMORY,
                  "%s training examples take %s of memory%s and %s are %s; %s examples would fit: use fewer, or %s%s",
                  sht_text_count(train->count, a, sizeof a), sht_text_bytes(need, b, sizeof b), ranks,
                  sht_text_bytes(have, c, sizeof c), options->memory_max > 0 ? "allowed" : "free",
                  sht_text_count(low, d, sizeof d),
                  cluster.ranks > 1 ? "more ranks on more machines" : "a larger machine, or several (docs/kernels.md)",
                  folder_helps ? "; with a folder for progress, what the ridges share is kept there" : "");
}

uint64_t sht__peak_memory(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * KIB : 0;
}
