// Kernels: see function.h.
#include "kernel/function.h"

#include <math.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

#define REAL float
#define APPLY sht__kernel_apply
#define ROOT sqrtf
#define EXP exp_f32
#include "kernel/function_body.h"
#undef REAL
#undef APPLY
#undef ROOT
#undef EXP

#define REAL double
#define APPLY sht__kernel_apply_f64
#define ROOT sqrt
#define EXP exp_f64
#include "kernel/function_body.h"

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
