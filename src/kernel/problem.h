// A kernel problem ready to be solved: inputs checked, features of both sides, targets as right-hand sides.
#ifndef SHT_KERNEL_PROBLEM_H
#define SHT_KERNEL_PROBLEM_H

#include "kernel/gram.h"
#include "shatter/kernel.h"

typedef struct sht__problem {
  const sht_kernel_examples *train, *test;  // test: NULL: none
  const sht_kernel_options *options;
  sht_work work;
  uint64_t outputs;  // m
  uint64_t columns;  // right-hand sides: one for each output, and for classes one of ones, from which other codings of
                     // the targets follow
  double *y;         // [columns][n]
  double *mean;      // [m] of the targets, when centred; else zeros
  sht__gram gram;
  sht__side test_side;
  sht__tiles products;      // of features in blocks, where another kernel than the linear one needs them: products.h;
                            // without data when they are on a card
  double products_seconds;  // that adding them up took
  double products_flops;    // that were done in them
} sht__problem;

// Checks everything, makes the features that are stored, copies the targets. Borrows train, test, options. Close in
// every case. Errors: SHT_CONFIG, SHT_DATA, SHT_MEMORY, SHT_STOPPED.
sht_status sht__problem_open(const sht_kernel_examples *train, const sht_kernel_examples *test,
                             const sht_kernel_options *options, sht__problem *out, sht_error *error);
void sht__problem_close(sht__problem *problem);

// What stands in options and examples alone: SHT_CONFIG, SHT_DATA.
sht_status sht__problem_check(const sht_kernel_examples *train, const sht_kernel_examples *test,
                              const sht_kernel_options *options, sht_error *error);
// Features of an example, without making them: for estimates. test: NULL: none.
sht_status sht__problem_describe(const sht_kernel_examples *train, const sht_kernel_examples *test,
                                 const sht_kernel_options *options, sht__feature_map *out, sht_error *error);

// Two training examples that are equal but are to have different targets cannot be interpolated: SHT_DATA, naming them.
sht_status sht__problem_check_duplicates(const sht_kernel_examples *train, sht_error *error);
// first [n] <- of each training example the first that is equal to it, most often itself. Errors: SHT_MEMORY.
sht_status sht__problem_find_equal(const sht_kernel_examples *train, uint32_t *first, sht_error *error);

// Whether a kernel is made of kept inner products.
static inline bool sht__problem_keeps_products(const sht_kernel_options *options, const sht__feature_map *map) {
  return map->blocks > 1 && options->kind != SHT_KERNEL_LINEAR;
}

// Whether targets are classes.
static inline bool sht__problem_is_classes(const sht__problem *problem) { return problem->train->labels != NULL; }

#endif
