// Linear models with more dimensions than examples. Reading order: problem.c (data, Gram matrix, projection),
// descent.c (stochastic gradient descent against the minimum-norm solution), hessian.c, interpolants.c, linear.c.
//
// Letters: n examples, m test examples, d dimensions, K classes. X: [n][d], Y: [n][K] one-hot, W: [K][d].
#ifndef SHT_THEORY_LINEAR_H
#define SHT_THEORY_LINEAR_H

#include "base/pool.h"
#include "shatter/theory.h"

typedef struct sht__linear {
  uint64_t n, m, d;
  uint32_t classes;  // K
  sht_pool *pool;
  double *x;                    // [n][d]
  double *test;                 // [m][d]
  double *y;                    // [n][K]
  const uint16_t *labels;       // [n] of the split
  const uint16_t *test_labels;  // [m]
  double *gram;                 // [n][n] X X'
  double *factor;               // [n][n] its Cholesky factor, lower triangle
  double *work;                 // [max(n, m)][K]
  double *minimum;              // [K][d] W* = (X' (X X')^-1 Y)'
  double minimum_norm;
  double largest, smallest;  // eigenvalues of the Gram matrix
} sht__linear;

// problem.c
sht_status sht__linear_open(const sht_dataset *data, int threads, const sht_theory_observer *observer, sht__linear *out,
                            sht_error *error);
void sht__linear_close(sht__linear *problem);
// out = rows W': rows [count][d], out [count][K].
void sht__linear_apply(const sht__linear *problem, const double *rows, uint64_t count, const double *w, double *out);
// W = A' rows: a [count][K], rows [count][d].
void sht__linear_combine(const sht__linear *problem, const double *a, const double *rows, uint64_t count, double *w);
// out [K][d] = (I - P) W, the part of W that no example sees. out and w may not overlap.
void sht__linear_null_part(const sht__linear *problem, const double *w, double *out);
// sqrt of the sum of squares of a - b; b NULL: of a.
double sht__linear_distance(const double *a, const double *b, uint64_t count);
// max |x_i|^2
double sht__linear_longest_square(const sht__linear *problem);
// |X W - Y| / |Y|
double sht__linear_residual(const sht__linear *problem, const double *w);
// One-hot rows [count][K] for labels [count].
void sht__linear_one_hot(const uint16_t *labels, uint64_t count, uint32_t classes, double *out);
// Standard normals for W [K][d]: `index` tells several apart.
void sht__linear_fill_normal(uint64_t seed, uint64_t index, uint64_t count, double *w);

// descent.c: two runs from zero and from random weights of W*'s norm; both over the same orders.
typedef struct sht__descents {
  double *zero;    // [K][d]
  double *random;  // [K][d]
} sht__descents;

sht_status sht__linear_descend(sht__linear *problem, const sht_linear_options *options,
                               const sht_theory_observer *observer, sht__descents *out, sht_linear_result *result,
                               sht_error *error);

// hessian.c
sht_status sht__linear_hessian(sht__linear *problem, const sht__descents *descents, uint64_t seed,
                               sht_linear_hessian *out, sht_error *error);

// interpolants.c
sht_status sht__linear_interpolants(sht__linear *problem, const sht__descents *descents,
                                    const sht_linear_options *options, const sht_theory_observer *observer,
                                    sht_linear_result *result, sht_error *error);

// express.c: tells the observer, and asks it: SHT_STOPPED when it wants to stop.
sht_status sht__theory_tell(const sht_theory_observer *observer, const char *stage, double share, sht_error *error);

#endif
