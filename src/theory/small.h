// Small dense systems in double, row-major, plain: for a few thousand unknowns.
//
// Same bits at any number of threads: rows are computed whole by one thread each, sums in a fixed order.
#ifndef SHT_THEORY_SMALL_H
#define SHT_THEORY_SMALL_H

#include <stdint.h>

#include "base/pool.h"

// sum of a[i] b[i], in eight partial sums.
double sht__dot(const double *a, const double *b, uint64_t count);
// y += s x
void sht__axpy(double *y, const double *x, double s, uint64_t count);

// For qsort of doubles, ascending.
int sht__compare_doubles(const void *a, const void *b);

// out[i][j] = rows_i . others_j. a: [n][d], b: [m][d], out: [n][m]. With a == b only j <= i is computed, and mirrored.
void sht__gram(const double *a, uint64_t n, const double *b, uint64_t m, uint64_t d, double *out, sht_pool *pool);

// A = L L' in place of the lower triangle; a: [n][n]. Returns n, or the first row whose pivot is not above `least`.
uint64_t sht__cholesky(double *a, uint64_t n, double least, sht_pool *pool);
// L L' X = B in place; l: [n][n], x: [n][k].
void sht__cholesky_solve(const double *l, uint64_t n, double *x, uint64_t k);

// A X = B by elimination with row pivots, both overwritten; a: [n][n], x: [n][k]. Returns n, or the first column
// without a pivot.
uint64_t sht__lu_solve(double *a, uint64_t n, double *x, uint64_t k, sht_pool *pool);

#endif
