// What a solution is worth: errors, leave-one-out, norms.
#ifndef SHT_KERNEL_MEASURE_H
#define SHT_KERNEL_MEASURE_H

#include "kernel/problem.h"

// Share of examples whose largest output is not that of their label (the first of equals counts); regression: root of
// the mean squared difference. outputs: [m][count], of the examples. labels: NULL: e->labels.
double sht__measure_error(const sht_kernel_examples *e, const uint16_t *labels, const double *outputs);

// The coefficients that predict: of class k, x_k - mean_k x_ones (with centred classes), else x itself.
// x: [columns][n], out: [m][n].
void sht__measure_coefficients(const sht__problem *problem, const double *x, double *out);

// What the training examples get: y - ridge a - residual, in uncentred terms. a: [m][n], left: [columns][n] the
// residuals of all right-hand sides, out: [m][n].
void sht__measure_fit(const sht__problem *problem, const double *a, const double *left, double *out);

// Leave-one-out outputs y_i - a_i / (K^-1)_ii, the centring as it is with all examples. inverse: [n], out: [m][n].
void sht__measure_left_out(const sht__problem *problem, const double *a, const double *inverse, double *out);

// Mean squared difference between outputs [m][n] and what the training examples were to have.
double sht__measure_squared(const sht__problem *problem, const double *outputs);

// Fills norms but for the pointer `outputs`, which has room for m. x, left: [columns][n], solutions and residuals;
// a: [m][n]. ones_solved: false: the codings that need the column of ones are NaN.
sht_status sht__measure_norms(const sht__problem *problem, const double *x, const double *left, const double *a,
                              bool ones_solved, sht_kernel_norms *norms, sht_error *error);

#endif
