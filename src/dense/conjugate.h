// Solves K X = Y in double with a factor of (nearly) K in fp32: conjugate gradients with the factor as preconditioner.
//
// With an exact factor the first step is the classical iterative refinement and a few steps reach the rounding errors
// of double; with a factor of K + jitter the same loop still converges to a solution of K itself, where there
// is one (of a singular K there are many; they all give the same function). Where that takes more steps than are
// allowed, or there is no solution, the result is the iterate of the smallest residual, and says so. The direction is
// made conjugate by the Polak-Ribiere formula, which allows a preconditioner that rounds. Every column has its own step
// lengths; products with K are shared.
#ifndef SHT_DENSE_CONJUGATE_H
#define SHT_DENSE_CONJUGATE_H

#include <stdint.h>

#include "dense/triangle.h"

typedef struct sht__system {
  uint64_t n;        // equations
  uint64_t columns;  // right-hand sides
  // out = K v in double; v, out: [columns][n]. May fail (SHT_STOPPED, SHT_MEMORY).
  sht_status (*multiply)(void *context, const double *v, double *out, uint64_t columns, sht_error *error);
  // After a step: products with K so far, and the largest |y - K x| / |y| of the columns that are not done, as
  // recurred. NULL: none.
  void (*told)(void *context, uint32_t products, double residual);
  void *context;
  const sht__triangle *preconditioner;
  double tolerance;         // on |y - K x| / |y|, each column; when steps gain nothing any more: sht__residual_target
  uint32_t iterations_max;  // products with K
} sht__system;

typedef struct sht__convergence {
  bool converged;       // every column: |y - K x| <= sht__residual_target
  bool exhausted;       // not converged, and iterations_max is why; otherwise steps gained nothing any more
  uint32_t iterations;  // products with K; one or two more than iterations_max, for the residual itself
  double residual;      // the largest |y - K x| / |y|, from a product with the final x
  double norm;          // of K, from below: the largest of what Lanczos finds of the factor and |K p| / |p| met
} sht__convergence;

// The residual |y - K x| that counts as none: tolerance |y|, or what rounding leaves and a smaller one cannot be asked
// for, 4 sqrt(n) 2^-53 |K| |x|. Each element of K x is a sum of n products; K's elements and every partial sum are
// rounded by up to 2^-53 of themselves, errors of independent signs, whose sum has a deviation of about sqrt(n) 2^-53
// of the terms' size (Higham and Mary 2019); all elements together, of about that times |K| |x|. Four deviations are
// allowed for, but never more than 1e-6 |y|: an x that grows without bound solves nothing.
double sht__residual_target(double tolerance, double y_length, uint64_t n, double norm, double x_length);

// y, x: [columns][n]; x is written. left: [columns][n], y - K x at the end. Not reaching the tolerance is an outcome:
// each column of x is then the iterate with the smallest residual, which is never above |y|.
// Errors: SHT_MEMORY, those of `multiply`.
sht_status sht__conjugate_solve(const sht__system *system, const double *y, double *x, double *left,
                                sht__convergence *out, sht_error *error);

// z = (L L^T)^-1 r, rounded to fp32 on the way, each column scaled to its largest element; r, z: [columns][n].
// sides: [N][256][32] of scratch. Errors: those of a factor elsewhere.
sht_status sht__precondition(const sht__triangle *triangle, const double *r, double *z, uint64_t columns, float *sides,
                             sht_error *error);

#endif
