// Small dense systems in double, plainly.
#ifndef SHT_DENSE_SMALL_H
#define SHT_DENSE_SMALL_H

#include <stddef.h>

// a [n][n], symmetric positive definite, becomes its Cholesky factor (lower triangle). Returns n, or the first
// row whose pivot is not above zero, when it is not; the rows before it are factored.
size_t sht__small_factor(double *a, size_t n);
// x <- (L L^T)^-1 x; l: [n][n] from sht__small_factor, x: [n].
void sht__small_solve(const double *l, size_t n, double *x);

#endif
