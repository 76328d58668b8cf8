// What can be said of memorising without training a network: finite-sample expressivity (section 4 and appendix C of
// Zhang et al. 2017) and linear models (section 5).
//
// Letters: n points, d dimensions, m units, K classes.
// Every result is the same bits at any number of threads.
#ifndef SHATTER_THEORY_H
#define SHATTER_THEORY_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/data.h"
#include "shatter/error.h"
#include "shatter/model.h"

// ---- samples

// n points in d dimensions with a real target each, read row by row: points may be computed as they are asked for.
typedef struct sht_sample {
  uint64_t count;         // n
  sht_shape shape;        // of a point; d = C * H * W, flattened in (H, W, C) order
  const double *targets;  // [n]
  // Writes points first .. first+count-1 as rows: [count][d]. Pure: called from several threads at once.
  void (*fill)(const struct sht_sample *sample, uint64_t first, uint64_t count, double *rows);
  const void *source;  // fill's own
  void *owned;         // what sht_sample_close frees
} sht_sample;

// The images of a split with their given labels as targets; levels in [0,1], or whitened as networks get them. The
// split is borrowed until close. Errors: SHT_MEMORY.
sht_status sht_sample_of_split(const sht_split *split, bool whiten, sht_sample *out, sht_error *error);
// NPY files: points [n][d] (or [n]: one dimension; more: flattened) and targets [n], of any plain numeric type. What is
// not finite is refused with its place. Errors: SHT_DATA, SHT_MISSING, SHT_MEMORY.
sht_status sht_sample_of_arrays(const char *points, const char *targets, sht_sample *out, sht_error *error);
// Points uniform in (0,1)^d, in steps of 2^-24, computed as they are asked for; targets uniform on 0 .. classes-1.
sht_status sht_sample_random(uint64_t count, uint32_t dims, uint32_t classes, uint64_t seed, sht_sample *out,
                             sht_error *error);
void sht_sample_close(sht_sample *sample);

// ---- what long work tells and asks. Calls come from the thread that started the work; any function may be NULL.
typedef struct sht_theory_observer {
  void *context;
  void (*progressed)(void *context, const char *stage, double share);  // share of the stage that is done: 0 to 1
  bool (*stop_requested)(void *context);                               // true: the work ends with SHT_STOPPED
} sht_theory_observer;

// ---- Theorem 1 and Corollary 1

enum { SHT_EXPRESS_TRIES_MAX = 16, SHT_EXPRESS_FRACTIONS = 6, SHT_EXPRESS_DEPTH_MAX = 256 };

typedef struct sht_express_options {
  uint32_t depth;    // 2: Theorem 1; 4 and up: Corollary 1 with depth - 3 intervals. ReLU layers and the output layer
  bool single;       // weights and projections are rounded to fp32
  uint32_t tries;    // directions to choose from, 1 .. SHT_EXPRESS_TRIES_MAX
  double fraction;   // b_j lies this far from x_(j-1) to x_j, in (0,1); NaN: chosen by measured error
  double tolerance;  // largest error, as a share of the largest |target|, that counts as represented
  uint64_t engine_points;  // how many go through the engine, 1 or more
  uint64_t seed;
  int threads;         // 0: all cores
  const char *folder;  // where model.yaml and weights.safetensors are written, and read back for the check; NULL: none
} sht_express_options;

typedef struct sht_express_result {
  uint64_t points, dims;
  uint64_t merged;          // points that repeat an earlier one, with the same target
  uint64_t indistinct;      // fp32 only: points whose projection is another point's, although the points differ
  uint64_t units;           // knots: points less the two above
  uint64_t weights;         // counted in the model
  uint32_t depth, width;    // counted in the model: ReLU layers and the output layer; ReLUs of the widest layer
  double width_constant;    // C1: width * depth / n
  double weights_constant;  // C2: weights / (n + d)
  uint32_t tries;           // directions looked at
  double gaps[SHT_EXPRESS_TRIES_MAX];             // [tries] smallest gap between neighbours, 0: points meet
  uint32_t chosen;                                // which direction
  double fraction;                                // that was used
  double fractions[SHT_EXPRESS_FRACTIONS];        // [fraction_count] looked at
  double fraction_errors[SHT_EXPRESS_FRACTIONS];  // largest error in fp64 of a plain sum over the units, 64 points
  uint32_t fraction_count;                        // 0: it was given
  double smallest_eigenvalue;                     // of A: min (x_i - b_i) (Lemma 1)
  double smallest_singular;                       // of A, by inverse iteration: never below the true one
  uint32_t iterations;                            // that it took
  double weight_largest;                          // |w_j|
  double weight_norm;                             // ||w||, to compare with ||y|| / smallest_singular
  double weight_bound;         // a bound on |w_j| that holds before solving: see docs/theory.md; infinite from 1/2 on
  double cancellation;         // sum_j |w_j| (x_n - b_j) over max |y|: how far terms exceed what they add up to
  double projection_rounding;  // largest difference of <a,x> summed forwards and backwards
  double error_exact;          // largest over all points, stored weights, prefix sums of 106 bits
  uint64_t engine_points;      // how many went through the engine, or with fp32 through a loop in float
  double error_engine;         // largest over these, the engine `ref` in double; NaN with fp32
  double error_single;         // fp32: largest over these, all arithmetic behind the projection in float; otherwise NaN
  double target_largest;       // max |y|
  bool represented;            // the errors are at most tolerance * max |y|
  double seconds_build, seconds_check;  // projecting to weights; checks and files
} sht_express_result;

// Builds the network, checks it, writes it. Work: O(n log n + nd); memory: O(n + d) beside the sample.
// Errors: SHT_DATA (two equal points with different targets, named; points that no direction tells apart in fp64),
// SHT_CONFIG, SHT_MEMORY, SHT_DISK, SHT_STOPPED. That fp32 does not represent the sample is a result.
sht_status sht_express(const sht_sample *sample, const sht_express_options *options,
                       const sht_theory_observer *observer, sht_express_result *result, sht_error *error);

// ---- linear models
//
// min_W of (1/n) sum of losses of W'x_i against one-hot labels y_i, more dimensions than examples. X: [n][d], the
// training images as networks get them (whitened); W: [K][d]. Distances and norms are Frobenius norms.

enum { SHT_LINEAR_CURVE_MAX = 128, SHT_INTERPOLANTS_MAX = 7, SHT_INTERPOLANT_NAME_MAX = 64 };

typedef struct sht_linear_options {
  uint64_t epochs;       // most; gradient descent ends early when `settled`
  double learning_rate;  // of the squared loss half (w'x - y)^2, one example a step; NaN: 1 / max |x_i|^2
  double settled;        // distance to the minimum-norm solution, as a share of its norm, at which descent may end
  double sigma;  // width of the Gaussian kernel exp(-|x - z|^2 / (2 sigma^2)); NaN: the median distance / sqrt 2
  uint64_t seed;
  int threads;
} sht_linear_options;

// Where descent stands after some epochs. W*: minimum-norm solution; P: projection on the span of the data.
typedef struct sht_linear_point {
  uint64_t epoch, steps;
  double distance;         // from zero: |W - W*| / |W*|
  double residual;         // from zero: |X W - Y| / |Y|
  double null_share;       // from zero: |(I - P) W| / |W|, 0 but for rounding
  double random_distance;  // from random W0: |W - W* - (I - P) W0| / |W*|
  double random_drift;     // from random W0: |(I - P)(W - W0)| / |(I - P) W0|, 0 but for rounding
} sht_linear_point;

// A solution that fits the training set.
typedef struct sht_interpolant {
  char name[SHT_INTERPOLANT_NAME_MAX];
  double residual;     // |f(X) - Y| / |Y|
  double train_error;  // share whose largest output is not the label
  double test_error;
  double norm;        // |W|; of kernel functions sqrt(trace(A' K A)), their norm in the kernel's space
  double norm_ratio;  // to the smallest norm of an interpolant of its kind
  bool settled;       // false: of descent that was still on its way
} sht_interpolant;

// The Hessian X' diag(beta) X / n of the loss log cosh(w'x - y), beta = 1 - tanh(w'x - y)^2, for each class.
typedef struct sht_linear_hessian {
  uint64_t rank;             // n, when the examples are independent to rounding
  uint64_t zeros;            // d - rank: the dimension of the set of optima
  double largest, smallest;  // eigenvalues at the minimum-norm solution that are not 0
  double difference;         // largest |H - H'| / |H| of the minimum-norm solution and other interpolants
  uint32_t compared;         // interpolants compared, W* included, at most 5: descents only with a residual below 1e-4
  double control;            // the same between the minimum-norm solution and W = 0, which does not interpolate
  double null_curvature;     // largest |H v| / largest over random unit vectors v that no example sees
} sht_linear_hessian;

typedef struct sht_linear_result {
  uint64_t examples, dims;
  uint64_t test_examples, test_given;  // used of those given: at most half of dims - examples
  uint32_t classes;
  double largest_eigenvalue, smallest_eigenvalue;  // of X X'
  double learning_rate;
  bool settled;  // descent came as near as asked
  uint32_t point_count;
  sht_linear_point points[SHT_LINEAR_CURVE_MAX];
  sht_linear_hessian hessian;
  double sigma;
  uint32_t interpolant_count;
  sht_interpolant interpolants[SHT_INTERPOLANTS_MAX];
  double *minimum;  // [K][d] W*, and
  double *descent;  // [K][d] where descent from zero ended; freed by sht_linear_result_close
} sht_linear_result;

// Work: O(n^2 d) and an epoch O(n d K); memory: O(n d + n^2). The test set is cut to what random labels can be forced
// on: its first (d - n) / 2 examples. Errors: SHT_CONFIG (more examples than dimensions; a learning rate with
// which descent runs away), SHT_DATA (examples that are
// not independent, named), SHT_MEMORY, SHT_STOPPED.
sht_status sht_linear(const sht_dataset *data, const sht_linear_options *options, const sht_theory_observer *observer,
                      sht_linear_result *result, sht_error *error);
void sht_linear_result_close(sht_linear_result *result);

#endif
