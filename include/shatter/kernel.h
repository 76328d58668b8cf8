// Kernel machines solved exactly: (K + ridge I) A = Y for all training examples at once, and what the solution
// predicts. Zhang et al. 2017, section 5 and Table 3 ("kernel systems", no regularisation unless asked).
//
// Letters: n training examples, m outputs (classes, or columns of a regression's targets), d features of an example.
// A: [n][m] the coefficients; f(x) = sum over i of k(x, x_i) A_i (+ the targets' mean, where they are centred).
//
// How it is solved: one triangle of K in fp32 (n = 60,000: 7.3 GB), its Cholesky factor in place, then conjugate
// gradients in double with that factor as preconditioner and K computed anew from the data, block by block, in each
// step; so the solution is that of K in double. Where fp32 cannot factor K (a pivot is lost in rounding errors), K +
// jitter is factored instead, which serves as preconditioner only: what is solved stays K, and the result says so.
// The same bits at any number of threads.
#ifndef SHATTER_KERNEL_H
#define SHATTER_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/cluster.h"
#include "shatter/data.h"
#include "shatter/error.h"
#include "shatter/work.h"

typedef enum sht_kernel_kind {
  SHT_KERNEL_LINEAR,      // <x, z>
  SHT_KERNEL_GAUSSIAN,    // exp(-|x - z|^2 / (2 sigma^2)); elsewhere written exp(-gamma |x - z|^2), gamma = 1 / (2
                          // sigma^2)
  SHT_KERNEL_LAPLACIAN,   // exp(-|x - z| / sigma), Euclidean distance
  SHT_KERNEL_POLYNOMIAL,  // (<x, z> / sigma^2 + offset)^degree
} sht_kernel_kind;

typedef enum sht_sigma_rule {
  SHT_SIGMA_GIVEN,
  SHT_SIGMA_MEDIAN,  // sigma^2 = median of |x - z|^2 / 2 over pairs of 2,000 examples: gamma = 1 / median
  SHT_SIGMA_SEARCH,  // the factor 2^(k/2), k = -4 .. 4, of that with the smallest leave-one-out error on a subsample
} sht_sigma_rule;

enum { SHT_KERNEL_RIDGES_MAX = 32, SHT_KERNEL_SEARCH_STEPS = 9 };

typedef struct sht_kernel_options {
  sht_kernel_kind kind;
  sht_sigma_rule sigma_rule;
  double sigma;          // of GIVEN: above 0
  double offset;         // of POLYNOMIAL
  uint32_t degree;       // of POLYNOMIAL: 1 .. 16
  const char *features;  // "none" (levels in [0,1]), "gabor", "randconv:N", "randconv-mirror:N";
                         // NULL: none. Arrays: none only. randconv
                         // with another kernel than LINEAR: one process, without a card; inner products are rounded to
                         // fp32, which is part of the kernel's definition, and all are kept (another triangle, and one
                         // column of tiles for each 256 test examples)
  double ridges[SHT_KERNEL_RIDGES_MAX];  // lambda of K + lambda I, not multiplied by n: 0 (interpolate) .. 1e38
  uint32_t ridge_count;  // 1 or more: a path, each factored by itself; streamed features' inner products are shared, in
                         // the folder, or where there is none in memory (a second triangle)
  bool centre;           // subtract the training targets' mean first, add it to predictions
  bool leave_one_out;  // by the formula, from the diagonal of the inverse: another factorisation's time for each ridge
  uint32_t spectrum_steps;    // of Lanczos; 0: no estimate
  double tolerance;           // on the residual |y - (K + ridge I) a| / |y| of each output: 1e-10. What rounding in a
                              // product in double leaves, 4 sqrt(n) 2^-53 |K| |a|, is always good enough (up to 1e-6)
  uint32_t iterations_max;    // products with K after which it ends; up to two more measure the residual
  uint64_t search_examples;   // of SEARCH: size of the subsample
  uint64_t memory_max;        // bytes; 0: what the machine has free
  uint64_t seed;              // of subsamples and random filters
  const char *folder;         // where progress is saved, so that the same call goes on after an end at any instant;
                              // NULL: nowhere. Made when absent; holds a whole triangle at times
  double checkpoint_seconds;  // longest time between two savings
  sht_pool *pool;             // NULL: one thread
  sht_cluster *cluster;       // ranks that solve it together, each making the same calls; all get the result, and the
                              // bits are those of one process. Without leave_one_out and folder. NULL: alone
  const char *device;    // "cpu", or "cuda": K, its factor and products with it on an NVIDIA card (docs/cuda.md), the
                         // rest here. Without cluster, leave_one_out and folder. NULL: "cpu"
  const sht_work *work;  // NULL: silent
} sht_kernel_options;

// All defaults: Gaussian, median, no ridge, tolerance 1e-10, 100 iterations, 16 steps of Lanczos.
void sht_kernel_options_default(sht_kernel_options *options);

// Examples with what is wanted of them: images with labels, or arrays. Borrowed.
typedef struct sht_kernel_examples {
  uint64_t count;
  const sht_split *images;       // pixels and labels; NULL: `inputs`
  const float *inputs;           // [count][width]; finite
  uint64_t width;                // d of `inputs`
  const uint16_t *labels;        // [count] one-vs-all on one-hot targets; NULL: regression on `targets`
  const uint16_t *other_labels;  // [count] a second opinion to count errors against (corrupted test labels); NULL: none
  const double *targets;         // [count][outputs]; finite
  uint64_t outputs;              // m: classes or columns; the same for training and test
} sht_kernel_examples;

// Time and memory of a part of the work.
typedef struct sht_kernel_phase {
  char name[32];  // "inner products" (of features in blocks, for other kernels than the linear one), "gram",
                  // "factorisation", "solution", "leave-one-out", "spectrum", "prediction"
  double seconds;
  double gflops;        // of useful arithmetic a second, where it is counted; else 0
  uint64_t peak_bytes;  // resident memory of the process at its highest until the phase ended, earlier phases included
} sht_kernel_phase;

enum { SHT_KERNEL_PHASES_MAX = 12 };

// |f| in the kernel's space is sqrt(trace(A^T K A)); the codings differ in the targets alone (one-hot y; y minus its
// mean; 2 y - 1; the label's number). Without ridge and jitter each is sqrt(trace(Y^T K^-1 Y)).
typedef struct sht_kernel_norms {
  double solution;      // of what was solved: the root of the sum over outputs of the squares
  double *outputs;      // [m] of each output
  double largest;       // of them
  double mean;          // of them
  double one_hot;       // NaN for regression, as are the next three
  double centred;       // NaN also where the system with ones on the right, from which it follows, was not solved
  double plus_minus;    // as centred
  double label_number;  // one output: 0, 1, ... K-1
  double coefficients;  // Frobenius norm of A
} sht_kernel_norms;

typedef struct sht_kernel_solution {
  double ridge;
  double sigma;             // that was used
  bool converged;           // false: `remark` says why and what to do
  char remark[512];         // "" when there is nothing to say
  double jitter;            // added to the preconditioner's diagonal; 0: none was needed
  double smallest_pivot;    // of the factor, relative to the diagonal of K
  uint32_t iterations;      // products with K
  uint32_t solves;          // with the factor, all right-hand sides at once
  double solve_seconds;     // of them, a part of the phase "solution"; the rest is nearly all products with K
  double residual;          // the largest |y - (K + ridge I) a| / |y| over the outputs, in double
  double train_error;       // share of wrong classes; regression: root of the mean squared error over all outputs
  double test_error;        // NaN without test examples
  double other_test_error;  // against other_labels; NaN: none
  double loo_error;         // leave-one-out error, as train_error; NaN: not asked for, or not to be had (remark): what
                     // is divided by, (K^-1)_ii, comes from the fp32 factor and is right to about sqrt(n) 2^-24 /
                     // smallest_pivot, which must be at most 1%
  double largest_eigenvalue, smallest_eigenvalue;  // of K + ridge I, estimated (Lanczos on the factor); NaN: not asked,
                                                   // or (smallest) with jitter or not above the bound
  double eigenvalue_bound;  // sqrt(n) 2^-24 of the largest: rounding in fp32, below which none can be told from 0
  sht_kernel_norms norms;
  sht_kernel_phase phases[SHT_KERNEL_PHASES_MAX];
  uint32_t phase_count;
  double *coefficients;  // [n][m]
  double *predictions;   // [test count][m]
} sht_kernel_solution;

// One step of a search for sigma.
typedef struct sht_kernel_trial {
  double sigma;
  double loo_error;    // NaN: not solvable at this sigma
  double loo_squared;  // mean squared leave-one-out error
} sht_kernel_trial;

typedef struct sht_kernel_result {
  uint64_t examples, test_examples, outputs, features;
  sht_cluster_info cluster;  // that solved it
  uint64_t peak_bytes;       // resident memory of the process at its highest; over ranks, of the largest
  double seconds;
  double feature_seconds;  // of reading, checking and making features; those in blocks count as part of "gram" or
                           // "inner products"
  char arithmetic[32];     // instruction set of the products, "avx512_bf16", or the card's name
  sht_kernel_trial trials[SHT_KERNEL_SEARCH_STEPS];
  uint32_t trial_count;
  sht_kernel_solution *solutions;  // [ridge_count], in the order of the options
  uint32_t solution_count;
} sht_kernel_result;

// What a call will take. The arithmetic leaves the steps of the refinement out: their number is not known beforehand.
typedef struct sht_kernel_estimate {
  uint64_t bytes;         // of memory at once, on each rank
  uint64_t card_bytes;    // of the card's memory; 0: none is used
  uint64_t folder_bytes;  // of files at once: each ridge keeps its own factor
  uint64_t kept_bytes;    // of streamed features in the folder, if there is room for them as well; else they are made
                          // anew for each product with K
  // In operations of the time that one in fp32 takes: one in double counts as two; of streamed features, in bf16, as a
  // half where the processor has instructions for it. The inner products of streamed features are added up once for all
  // ridges.
  double search_flops, feature_flops, gram_flops, factor_flops, loo_flops;
  double product_flops;  // of one product with K in double, features read where there is a folder for them
} sht_kernel_estimate;

// Errors: SHT_CONFIG (options that make no sense).
sht_status sht_kernel_estimate_cost(const sht_kernel_examples *train, const sht_kernel_examples *test,
                                    const sht_kernel_options *options, sht_kernel_estimate *out, sht_error *error);

// Solves and predicts. test: NULL when there is none. Not converging is an outcome, told in the solution. Errors:
// SHT_CONFIG, SHT_DATA (a value that is not finite, or two equal examples with different targets and no ridge: names
// them), SHT_MEMORY (said before anything is begun), SHT_DISK, SHT_STOPPED (saved, when there is a folder: the same
// call goes on). Free with sht_kernel_result_close.
sht_status sht_kernel_solve(const sht_kernel_examples *train, const sht_kernel_examples *test,
                            const sht_kernel_options *options, sht_kernel_result **out, sht_error *error);
void sht_kernel_result_close(sht_kernel_result *result);  // NULL is allowed

// Takes away what was saved in a folder: results are elsewhere by now, and a whole factor is large.
void sht_kernel_forget(const char *folder);

// The card that the device "cuda" solves on.
typedef struct sht_kernel_card {
  char name[64];
  uint64_t bytes, free_bytes;  // of its memory
} sht_kernel_card;

// Errors: SHT_UNAVAILABLE: no plugin, no driver, no card, or a plugin that was not built for it; says which.
sht_status sht_kernel_find_card(sht_kernel_card *out, sht_error *error);

// "linear", "gaussian", "laplacian", "polynomial".
const char *sht_kernel_name(sht_kernel_kind kind);

#endif
