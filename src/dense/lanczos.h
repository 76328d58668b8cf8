// The ends of the spectrum of L L^T by Lanczos: the largest eigenvalue from products with L L^T, the smallest from
// solves. Estimates from inside: the largest is not above the true one, the smallest not below (but for rounding).
#ifndef SHT_DENSE_LANCZOS_H
#define SHT_DENSE_LANCZOS_H

#include "dense/triangle.h"

typedef struct sht__spectrum {
  double largest, smallest;  // eigenvalues
} sht__spectrum;

// steps: each one product and one solve; the start vector is drawn from `seed`. Errors: SHT_MEMORY, SHT_STOPPED,
// those of a factor elsewhere.
sht_status sht__lanczos_ends(const sht__triangle *triangle, uint32_t steps, uint64_t seed, const sht_work *work,
                             sht__spectrum *out, sht_error *error);

// The largest eigenvalue alone, from below. Errors: SHT_MEMORY, those of a factor elsewhere.
sht_status sht__lanczos_largest(const sht__triangle *triangle, uint32_t steps, double *out, sht_error *error);

#endif
