// Lanczos with full reorthogonalisation: see lanczos.h.
#include "dense/lanczos.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "dense/conjugate.h"
#include "dense/vector.h"
#include "shatter/random.h"

enum { BISECTIONS = 100, SIDES = 2 };

typedef struct krylov {
  const sht__triangle *triangle;
  uint64_t n;
  double *basis;     // [steps + 1][n]
  double *diagonal;  // [steps]
  double *below;     // [steps]
  double *image;     // [n]
  float *sides;      // [2][N][256][32]
} krylov;

// Eigenvalues of the tridiagonal matrix below x: the negative terms of its Sturm sequence.
static uint32_t count_below(const krylov *k, uint32_t steps, double x) {
  uint32_t count = 0;
  double d = 1;
  for (uint32_t i = 0; i < steps; i++) {
    double off = i > 0 ? k->below[i - 1] : 0;
    d = k->diagonal[i] - x - (i > 0 ? off * off / d : 0);
    d = d == 0 ? -1e-300 : d;
    count += d < 0;
  }
  return count;
}

// The largest eigenvalue of the tridiagonal matrix, by bisection.
static double largest_of(const krylov *k, uint32_t steps) {
  double high = 0;
  for (uint32_t i = 0; i < steps; i++) {
    double sum = fabs(k->diagonal[i]) + fabs(k->below[i]) + (i > 0 ? fabs(k->below[i - 1]) : 0);
    high = sum > high ? sum : high;
  }
  double low = -high;
  for (int i = 0; i < BISECTIONS; i++) {
    double middle = 0.5 * (low + high);
    if (count_below(k, steps, middle) == steps) {
      high = middle;
    } else {
      low = middle;
    }
  }
  return 0.5 * (low + high);
}

static sht_status multiply(const krylov *k, const double *v, double *out, sht_error *error) {
  float *x = k->sides, *y = k->sides + sht__sides_size(k->triangle->factor);
  memset(x, 0, sht__sides_size(k->triangle->factor) * sizeof *x);
  for (uint64_t i = 0; i < k->n; i++) {
    x[i * SHT_LANES] = (float)v[i];
  }
  SHT_TRY(sht__triangle_product(k->triangle, x, y, error));
  for (uint64_t i = 0; i < k->n; i++) {
    out[i] = y[i * SHT_LANES];
  }
  return SHT_OK;
}

// Takes out what lies along the basis, twice, and returns the length of the rest.
static double orthogonalize(krylov *k, uint32_t count) {
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t b = 0; b < count; b++) {
      const double *along = k->basis + b * k->n;
      double part = sht__dot(along, k->image, k->n);
      for (uint64_t i = 0; i < k->n; i++) {
        k->image[i] -= part * along[i];
      }
    }
  }
  return sqrt(sht__dot(k->image, k->image, k->n));
}

static void start(krylov *k, uint64_t seed) {
  sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_SUBSET);
  for (uint64_t i = 0; i < k->n; i++) {
    double pair[2];
    sht_rng_normal2(rng, 1, i, 0, pair);
    k->image[i] = pair[0];
  }
  double length = sqrt(sht__dot(k->image, k->image, k->n));
  for (uint64_t i = 0; i < k->n; i++) {
    k->basis[i] = k->image[i] / length;
  }
}

// The largest eigenvalue of L L^T, or (inverse) of its inverse.
static sht_status run(krylov *k, bool inverse, uint32_t steps, uint64_t seed, const sht_work *work, double *out,
                      sht_error *error) {
  const char *phase = inverse ? "smallest eigenvalue" : "largest eigenvalue";
  start(k, seed);
  for (uint32_t s = 0; s < steps; s++) {
    const double *v = k->basis + s * k->n;
    if (inverse) {
      SHT_TRY(sht__precondition(k->triangle, v, k->image, 1, k->sides, error));
    } else {
      SHT_TRY(multiply(k, v, k->image, error));
    }
    k->diagonal[s] = sht__dot(v, k->image, k->n);
    k->below[s] = orthogonalize(k, s + 1);
    *out = largest_of(k, s + 1);
    if (!(k->below[s] > 1e-10 * fabs(*out))) {
      break;  // the basis holds an invariant space
    }
    for (uint64_t i = 0; i < k->n; i++) {
      k->basis[(s + 1) * k->n + i] = k->image[i] / k->below[s];
    }
    if (sht__work_tell(work, phase, s + 1, steps)) {
      return SHT_FAIL(error, SHT_STOPPED, "stopped while estimating the spectrum");
    }
  }
  return SHT_OK;
}

static sht_status open_krylov(const sht__triangle *triangle, uint32_t steps, krylov *k, sht_error *error) {
  *k = (krylov){.triangle = triangle, .n = triangle->factor->n};
  SHT_TRY(SHT_ALLOC(&k->basis, (steps + 1) * k->n, "vectors of Lanczos", error));
  SHT_TRY(SHT_ALLOC(&k->diagonal, steps, "coefficients of Lanczos", error));
  SHT_TRY(SHT_ALLOC(&k->below, steps, "coefficients of Lanczos", error));
  SHT_TRY(SHT_ALLOC(&k->image, k->n, "vectors of Lanczos", error));
  return SHT_ALLOC(&k->sides, SIDES * sht__sides_size(triangle->factor), "vectors of Lanczos", error);
}

static void close_krylov(krylov *k) {
  void *const blocks[] = {k->basis, k->diagonal, k->below, k->image, k->sides};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    sht_free(blocks[i]);
  }
}

sht_status sht__lanczos_ends(const sht__triangle *triangle, uint32_t steps, uint64_t seed, const sht_work *work,
                             sht__spectrum *out, sht_error *error) {
  krylov k;
  double inverse = 0;
  steps = steps < triangle->factor->n ? steps : (uint32_t)triangle->factor->n;
  sht_status status = open_krylov(triangle, steps, &k, error);
  if (status == SHT_OK) {
    status = run(&k, false, steps, seed, work, &out->largest, error);
  }
  if (status == SHT_OK) {
    status = run(&k, true, steps, seed, work, &inverse, error);
    out->smallest = 1 / inverse;
  }
  close_krylov(&k);
  return status;
}

sht_status sht__lanczos_largest(const sht__triangle *triangle, uint32_t steps, double *out, sht_error *error) {
  static const sht_work silent = {0};
  krylov k;
  steps = steps < triangle->factor->n ? steps : (uint32_t)triangle->factor->n;
  sht_status status = open_krylov(triangle, steps, &k, error);
  if (status == SHT_OK) {
    status = run(&k, false, steps, 0, &silent, out, error);
  }
  close_krylov(&k);
  return status;
}
