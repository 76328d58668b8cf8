// Kernels: see function.h.
#include "kernel/function.h"

#include <math.h>

static void power(double *values, size_t n, double scale, double offset, uint32_t degree) {
  for (size_t i = 0; i < n; i++) {
    double base = values[i] * scale + offset, product = base;
    for (uint32_t d = 1; d < degree; d++) {
      product *= base;
    }
    values[i] = product;
  }
}

// Squared distances out of inner products.
static void distances(double *dots, const double *rows, const double *columns, size_t count) {
  for (size_t c = 0; c < count; c++) {
    for (size_t r = 0; r < SHT_LANES; r++) {
      double square = rows[r] + columns[c] - 2 * dots[c * SHT_LANES + r];
      dots[c * SHT_LANES + r] = square < 0 ? 0 : square;
    }
  }
}

static void scale(double *values, size_t n, double factor) {
  for (size_t i = 0; i < n; i++) {
    values[i] *= factor;
  }
}

static void roots(double *values, size_t n) {
  for (size_t i = 0; i < n; i++) {
    values[i] = sqrt(values[i]);
  }
}

void sht__kernel_apply(const sht__kernel_function *f, const sht__block_kernels *kernels, double *dots,
                       const double *row_squares, const double *column_squares, size_t columns) {
  const size_t n = columns * SHT_LANES;
  const double width = f->sigma;
  switch (f->kind) {
    case SHT_KERNEL_LINEAR:
      return;
    case SHT_KERNEL_POLYNOMIAL:
      power(dots, n, (1 / (width * width)), f->offset, f->degree);
      return;
    case SHT_KERNEL_GAUSSIAN:
      distances(dots, row_squares, column_squares, columns);
      scale(dots, n, (-0.5 / (width * width)));
      break;
    case SHT_KERNEL_LAPLACIAN:
      distances(dots, row_squares, column_squares, columns);
      roots(dots, n);
      scale(dots, n, (-1 / width));
      break;
  }
  kernels->exp_f64(dots, n);
}

double sht__kernel_diagonal(const sht__kernel_function *f, double square) {
  switch (f->kind) {
    case SHT_KERNEL_LINEAR:
      return square;
    case SHT_KERNEL_POLYNOMIAL:
      return pow(square / (f->sigma * f->sigma) + f->offset, f->degree);
    default:
      return 1;
  }
}

const char *sht_kernel_name(sht_kernel_kind kind) {
  static const char *const names[] = {"linear", "gaussian", "laplacian", "polynomial"};
  return names[kind];
}
