// Solves K X = Y in double with a factor of (nearly) K in fp32: conjugate gradients with the factor as preconditioner.
//
// With an exact factor the first step is the classical iterative refinement and a few steps reach the rounding errors
// of double; with a factor of K + jitter the same loop still converges to a solution of K itself, where there
// is one (of a singular K there are many; they all give the same function). The direction is made conjugate by the
// Polak-Ribiere formula, which allows a preconditioner that rounds. Every column has its own step lengths; products
// with K are shared.
#ifndef SHT_DENSE_CONJUGATE_H
#define SHT_DENSE_CONJUGATE_H

#include <stdint.h>

#include "dense/triangle.h"

typedef struct sht__system {
  uint64_t n;        // equations
  uint64_t columns;  // right-hand sides
  // out = K v in double; v, out: [columns][n]. May fail (SHT_STOPPED, SHT_MEMORY).
  sht_status (*multiply)(void *context, const double *v, double *out, uint64_t columns, sht_error *error);
  void *context;
  const sht__triangle *preconditioner;
  double tolerance;         // on |y - K x| / |y|, each column; or what rounding leaves: see sht__convergence.norm
  uint32_t iterations_max;  // products with K
} sht__system;

typedef struct sht__convergence {
  bool converged;       // every column: |y - K x| <= max(tolerance |y|, 2^-50 norm |x|)
  uint32_t iterations;  // products with K
  double residual;      // the largest |y - K x| / |y|, from a product with the final x
  double norm;          // of K, from below: the largest |K p| / |p| met. Rounding in a product with x may change it by
                        // 2^-50 norm |x|: a smaller residual cannot be asked for
} sht__convergence;

// y, x: [columns][n]; x is written. left: [columns][n], y - K x at the end. Not reaching the tolerance is an outcome.
// Errors: SHT_MEMORY, those of `multiply`.
sht_status sht__conjugate_solve(const sht__system *system, const double *y, double *x, double *left,
                                sht__convergence *out, sht_error *error);

// z = (L L^T)^-1 r, rounded to fp32 on the way, each column scaled to its largest element; r, z: [columns][n].
// sides: [N][256][32] of scratch.
void sht__precondition(const sht__triangle *triangle, const double *r, double *z, uint64_t columns, float *sides);

#endif
