// The construction of Theorem 1, step by step. Reading order: project.c (one number for each point), knots.c (sorting,
// knots, weights), spectrum.c (Lemma 1's matrix), network.c (the model, its numbers, files), verify.c (all points;
// some through the engine), express.c (the whole).
//
// Letters: n points, d dimensions, m units.
#ifndef SHT_THEORY_EXPRESS_H
#define SHT_THEORY_EXPRESS_H

#include "base/pool.h"
#include "shatter/theory.h"
#include "theory/double_double.h"

// A point's projection and which point it is.
typedef struct sht__place_on_line {
  double x;
  uint64_t point;
} sht__place_on_line;

// A number as the network's precision holds it.
static inline double sht__stored(double value, bool single) { return single ? (double)(float)value : value; }

// ---- project.c

typedef struct sht__projection {
  double *direction;         // [d] multiples of a power of two, so that products with levels of images have no rounding
  double offset;             // added first: 0, or a whole number that makes every x positive
  sht__place_on_line *line;  // [n] ascending x, then point
  double rounding;           // largest difference of the sum taken forwards and backwards
} sht__projection;

// Looks at options->tries directions, keeps the one whose projections meet least and, among those, have the largest
// smallest gap. positive: with an offset. Fills result->tries, gaps, chosen. Free with sht__projection_close.
sht_status sht__project(const sht_sample *sample, const sht_express_options *options, bool positive, sht_pool *pool,
                        const sht_theory_observer *observer, sht__projection *out, sht_express_result *result,
                        sht_error *error);
void sht__projection_close(sht__projection *projection);

// ---- knots.c

// Units of one layer: sum over j of w_j max(x - b_j, 0) passes through (x_i, y_i), i < count. All [count], ascending.
typedef struct sht__units {
  uint64_t count;
  const double *x;
  const double *y;
  double *b;  // b_0 < x_0 <= b_1 < x_1 ...; equal only where no number lies between
  double *w;
} sht__units;

typedef struct sht__fit {
  uint64_t count;   // m
  double *x;        // [m] distinct, ascending
  double *y;        // [m] targets, less `base`
  double *b;        // [m]
  double *w;        // [m]
  double base;      // depth 2: 0; otherwise the smallest target, which the output layer adds
  bool deep;        // Corollary 1's network, otherwise Theorem 1's
  uint64_t blocks;  // the units are cut into so many layers
} sht__fit;

// Distinct projections with their targets. Points that are equal are merged or refused; distinct points that meet are
// refused, or with options->single counted and left out but for the first.
sht_status sht__fit_open(const sht_sample *sample, const sht__projection *projection,
                         const sht_express_options *options, sht__fit *out, sht_express_result *result,
                         sht_error *error);
void sht__fit_close(sht__fit *fit);
// Block i of the fit's blocks, cut as evenly as can be.
sht__units sht__fit_block(const sht__fit *fit, uint64_t i);
// Knots and weights of every block; numbers are rounded to fp32 with `single`.
void sht__fit_solve(sht__fit *fit, double fraction, bool single);
// A plain sum over the units in fp64, in the engine's order.
double sht__units_sum(const sht__units *units, double x);

// ---- spectrum.c

// Smallest singular value of A = [max(x_i - b_j, 0)] by inverse iteration: an estimate that is never below it.
// v: [count] for work. *iterations is added to.
double sht__units_smallest_singular(const sht__units *units, uint64_t seed, double *v, uint32_t *iterations);

// ---- network.c

typedef struct sht__network {
  sht_graph *graph;
  double *parameters;  // [P] in the graph's order
} sht__network;

// The model of a fit: depth 2, or Corollary 1's. Written to and read back from options->folder when that is not NULL.
sht_status sht__network_open(const sht_sample *sample, const sht__projection *projection, const sht__fit *fit,
                             const sht_express_options *options, sht__network *out, sht_error *error);
void sht__network_close(sht__network *network);
// ReLU layers on the longest way plus the output layer; ReLUs of the widest of these layers.
sht_status sht__network_measure(const sht_graph *graph, uint32_t *depth, uint32_t *width, sht_error *error);

// ---- verify.c

// Fills error_exact, over all points.
void sht__verify_all(const sht_sample *sample, const sht__projection *projection, const sht__fit *fit,
                     sht_express_result *result);
// Fills engine_points and error_single: the units' sum in float arithmetic, at points evenly apart on the line.
void sht__verify_single(const sht_sample *sample, const sht__projection *projection, const sht__fit *fit,
                        uint64_t points, sht_express_result *result);
// Fills engine_points and error_engine.
sht_status sht__verify_engine(const sht_sample *sample, const sht__network *network, const sht_express_options *options,
                              const sht_theory_observer *observer, sht_express_result *result, sht_error *error);

// Tells the observer, and asks it: SHT_STOPPED when it wants to stop.
sht_status sht__theory_tell(const sht_theory_observer *observer, const char *stage, double share, sht_error *error);

#endif
