// The smallest singular value of Lemma 1's matrix A = [max(x_i - b_j, 0)], in O(n) an iteration. See express.h.
//
// With L the lower triangle of ones, A = L B L: w -> slopes s = L w; the rise from point i-1 to point i is
// s_(i-1) (b_i - x_(i-1)) + s_i (x_i - b_i), a matrix B with two diagonals; values = L rises. So A^-1 = D B^-1 D and
// A^-T = D' B^-T D', D = L^-1 being differences. Lemma 1's smallest eigenvalue, min (x_i - b_i), is B's; A is far from
// normal, and what bounds ||w|| is its smallest singular value: ||w|| <= ||y|| / sigma.
#include <math.h>
#include <string.h>

#include "shatter/random.h"
#include "theory/draws.h"
#include "theory/express.h"

enum { ITERATIONS_MAX = 300 };
static const double settled = 1e-10;  // relative change of the estimate

// v <- D v
static void differences(double *v, uint64_t n) {
  for (uint64_t i = n; i-- > 1;) {
    v[i] -= v[i - 1];
  }
}

// v <- D' v
static void differences_transposed(double *v, uint64_t n) {
  for (uint64_t i = 0; i + 1 < n; i++) {
    v[i] -= v[i + 1];
  }
}

static void solve(const sht__units *u, double *v) {
  differences(v, u->count);
  for (uint64_t i = 0; i < u->count; i++) {
    double before = i == 0 ? 0 : v[i - 1] * (u->b[i] - u->x[i - 1]);
    v[i] = (v[i] - before) / (u->x[i] - u->b[i]);
  }
  differences(v, u->count);
}

static void solve_transposed(const sht__units *u, double *v) {
  differences_transposed(v, u->count);
  for (uint64_t i = u->count; i-- > 0;) {
    double after = i + 1 == u->count ? 0 : v[i + 1] * (u->b[i + 1] - u->x[i]);
    v[i] = (v[i] - after) / (u->x[i] - u->b[i]);
  }
  differences_transposed(v, u->count);
}

// Norm of v, which becomes a unit vector. Scaled, so that squares do not overflow.
static double normalize(double *v, uint64_t n) {
  double largest = 0;
  for (uint64_t i = 0; i < n; i++) {
    largest = fmax(largest, fabs(v[i]));
  }
  double squares = 0;
  for (uint64_t i = 0; i < n; i++) {
    v[i] /= largest;
    squares += v[i] * v[i];
  }
  const double root = sqrt(squares);
  for (uint64_t i = 0; i < n; i++) {
    v[i] /= root;
  }
  return largest * root;
}

// ||A^-T v|| for a unit vector v grows towards 1 / sigma from below.
double sht__units_smallest_singular(const sht__units *units, uint64_t seed, double *v, uint32_t *iterations) {
  const sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_THEORY);
  for (uint64_t i = 0; i < units->count; i++) {
    v[i] = sht_rng_unit(rng, SHT__DRAW_VECTOR, i, 0) - 0.5;
  }
  (void)normalize(v, units->count);
  double inverse = 0;
  for (int i = 0; i < ITERATIONS_MAX; i++) {
    solve_transposed(units, v);
    const double now = normalize(v, units->count);
    solve(units, v);
    (void)normalize(v, units->count);
    (*iterations)++;
    const bool done = fabs(now - inverse) <= settled * now;
    inverse = fmax(inverse, now);
    if (done) {
      break;
    }
  }
  return 1 / inverse;
}
