// A kernel's function of an inner product, on the card: see card_function.
#ifndef SHT_KERNEL_CUDA_FUNCTION_CUH
#define SHT_KERNEL_CUDA_FUNCTION_CUH

#include "engine/cuda/launch.cuh"
#include "kernel/cuda/kernels.h"

__device__ inline double card_square_of(const card_function &f, double product, double a, double b) {
  const double square = a + b - 2 * product;
  return square <= f.rounding * (a + b) ? 0 : square;
}

__device__ inline double card_value_of(const card_function &f, double product, double a, double b) {
  switch (f.form) {
    case CARD_OF_SQUARE:
      return exp(f.factor * card_square_of(f, product, a, b));
    case CARD_OF_DISTANCE:
      return exp(f.factor * sqrt(card_square_of(f, product, a, b)));
    case CARD_POWER: {
      const double base = f.factor * product + f.offset;
      double value = base;
      for (uint32_t d = 1; d < f.degree; d++) {
        value *= base;
      }
      return value;
    }
    default:
      return product;
  }
}

#endif
