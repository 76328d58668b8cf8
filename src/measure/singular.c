// The largest singular value of a linear map: see linear_map.h.
//
// A V = U B and A' U = V B' + (a rest) with B upper bidiagonal: diagonal a_1 .. a_k, above it b_1 .. b_(k-1). B's
// largest singular value grows towards A's with every step. Vectors are not made orthogonal again: what rounding does
// to that repeats values that were found, and moves none.
#include <math.h>

#include "base/memory.h"
#include "measure/draws.h"
#include "measure/linear_map.h"
#include "shatter/random.h"

// Where two singular values lie close together at the top, the estimate stands still between them for a while, before
// the vectors tell them apart. Convolutions have such pairs (a filter and its mirror image). So it has to stand still
// to the last digits, for some steps: with 1e-10 in 3 steps, usual layers were 2e-7 off, and unlucky ones 1e-5.
enum { STEPS_MAX = 300, QUIET_STEPS = 8, BISECTIONS = 100 };
static const double quiet_change = 1e-14;  // of the estimate, in as many steps one after another
static const double slack = 1e-10;         // that rounding cannot take off the estimate

// Norm of v, which becomes a unit vector (unless it is 0).
static double normalize(double *v, uint64_t count) {
  double squares = 0;
  for (uint64_t i = 0; i < count; i++) {
    squares += v[i] * v[i];
  }
  const double norm = sqrt(squares);
  for (uint64_t i = 0; i < count && norm > 0; i++) {
    v[i] /= norm;
  }
  return norm;
}

// to -= factor * from
static void subtract(double *to, double factor, const double *from, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    to[i] -= factor * from[i];
  }
}

// Whether B' B, tridiagonal with the diagonal a_i^2 + b_(i-1)^2 and a_i b_i beside it, has an eigenvalue above `x`:
// then a pivot of x - B' B is not positive (Sylvester).
static bool is_exceeded(const double *a, const double *b, int steps, double x) {
  double pivot = x - a[0] * a[0];
  for (int i = 1; i < steps && pivot > 0; i++) {
    const double beside = a[i - 1] * b[i - 1];
    pivot = x - (a[i] * a[i] + b[i - 1] * b[i - 1]) - beside * beside / pivot;
  }
  return !(pivot > 0);
}

// The largest singular value of B, between the largest known before (`low`) and the bound of Gershgorin.
static double largest_of(const double *a, const double *b, int steps, double low) {
  double high = 0;
  for (int i = 0; i < steps; i++) {
    high = fmax(high, a[i] + (i + 1 < steps ? b[i] : 0) + (i > 0 ? b[i - 1] : 0));
  }
  for (int i = 0; i < BISECTIONS && low < high; i++) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) {
      break;
    }
    if (is_exceeded(a, b, steps, middle * middle)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return high;
}

// u: [outputs], v: [inputs], last: [outputs] or [inputs], whichever is more. a, b: [STEPS_MAX].
static double bidiagonalize(const sht__linear_map *map, sht_pool *pool, double *u, double *v, double *last, double *a,
                            double *b) {
  double value = 0;
  int quiet = 0;
  for (int k = 0; k < STEPS_MAX && quiet < QUIET_STEPS; k++) {
    // u_k = A v_k - b_(k-1) u_(k-1), v_(k+1) = A' u_k - a_k v_k
    sht__linear_map_apply(map, v, last, pool);
    subtract(last, k > 0 ? b[k - 1] : 0, u, map->outputs);
    a[k] = normalize(last, map->outputs);
    for (uint64_t i = 0; i < map->outputs; i++) {
      u[i] = last[i];
    }
    sht__linear_map_adjoin(map, u, last, pool);
    subtract(last, a[k], v, map->inputs);
    b[k] = normalize(last, map->inputs);
    for (uint64_t i = 0; i < map->inputs; i++) {
      v[i] = last[i];
    }
    const double now = largest_of(a, b, k + 1, value * (1 - slack));
    quiet = now - value <= quiet_change * now ? quiet + 1 : 0;
    value = now;
    if (a[k] == 0 || b[k] == 0) {
      break;  // the space is exhausted: exact
    }
  }
  return value;
}

sht_status sht__linear_map_norm(const sht__linear_map *map, uint64_t seed, sht_pool *pool, double *out,
                                sht_error *error) {
  const uint64_t longer = map->inputs > map->outputs ? map->inputs : map->outputs;
  const sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_MEASURE);
  double *room = NULL;
  SHT_TRY(SHT_ALLOC(&room, map->inputs + map->outputs + longer + 2 * (uint64_t)STEPS_MAX, "singular vectors", error));
  double *u = room, *v = u + map->outputs, *last = v + map->inputs, *a = last + longer, *b = a + STEPS_MAX;
  for (uint64_t i = 0; i < map->inputs; i++) {
    v[i] = sht_rng_unit(rng, SHT__DRAW_START, i, 0) - 0.5;
  }
  (void)normalize(v, map->inputs);
  *out = bidiagonalize(map, pool, u, v, last, a, b);
  sht_free(room);
  return SHT_OK;
}
