// Kernels as functions of inner products: what turns a panel of <x, z> into a panel of k(x, z), in double.
#ifndef SHT_KERNEL_FUNCTION_H
#define SHT_KERNEL_FUNCTION_H

#include "dense/block.h"
#include "shatter/kernel.h"

typedef struct sht__kernel_function {
  sht_kernel_kind kind;
  double sigma, offset;
  uint32_t degree;
} sht__kernel_function;

// In place, dots: [columns][32 rows]; rows: [32] and columns_squares: [columns], the squared lengths of what stands
// along each side. Distances that rounding makes negative are zero; equal vectors, whose squared lengths come out of
// the same sums, are at distance zero exactly.
void sht__kernel_apply(const sht__kernel_function *function, const sht__block_kernels *kernels, double *dots,
                       const double *row_squares, const double *column_squares, size_t columns);

// k(x, x) from |x|^2.
double sht__kernel_diagonal(const sht__kernel_function *function, double square);

#endif
