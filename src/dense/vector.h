// Vectors in double, plainly.
#ifndef SHT_DENSE_VECTOR_H
#define SHT_DENSE_VECTOR_H

#include <stdint.h>

// <a, b>, summed in order; a, b: [n].
static inline double sht__dot(const double *a, const double *b, uint64_t n) {
  double sum = 0;
  for (uint64_t i = 0; i < n; i++) {
    sum += a[i] * b[i];
  }
  return sum;
}

#endif
