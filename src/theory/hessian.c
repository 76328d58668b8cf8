// The Hessian at several interpolants: the same matrix, of rank n in d dimensions. See linear.h.
//
// With residuals r_i = w'x_i - y_i the loss log cosh r has second derivative 1 - tanh(r)^2, which depends on w: the
// matrices are equal at interpolants because r is 0 there, not because the loss is quadratic. Differences are taken
// without forming d x d matrices: with h = beta - beta', |X' diag(h) X|_F^2 = sum_ij h_i h_j (x_i . x_j)^2.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "theory/linear.h"
#include "theory/small.h"

enum { NULL_VECTORS = 2 };
// |X W - Y| / |Y| of what counts as an interpolant here: the curvature 1 - tanh(r)^2 differs from 1 by the square of
// it.
static const double INTERPOLATES = 1e-4;

// NaN counts as the largest.
static double larger(double a, double b) { return isnan(a) || a > b ? a : b; }

// [n][K]: beta of every example for every class at W.
static void fill_curvatures(const sht__linear *problem, const double *w, double *beta) {
  sht__linear_apply(problem, problem->x, problem->n, w, beta);
  for (uint64_t i = 0; i < problem->n * problem->classes; i++) {
    const double slope = tanh(beta[i] - problem->y[i]);
    beta[i] = 1 - slope * slope;
  }
}

// |X' diag(h) X|_F for class k, h = beta - other; other NULL: 0.
static double weighted_norm(const sht__linear *problem, const double *beta, const double *other, uint64_t k) {
  const uint64_t n = problem->n, classes = problem->classes;
  double sum = 0;
  for (uint64_t i = 0; i < n; i++) {
    double row = 0;
    for (uint64_t j = 0; j < n; j++) {
      const double h = beta[j * classes + k] - (other == NULL ? 0 : other[j * classes + k]);
      const double dot = problem->gram[i * n + j];
      row += h * dot * dot;
    }
    sum += row * (beta[i * classes + k] - (other == NULL ? 0 : other[i * classes + k]));
  }
  return sqrt(fmax(sum, 0));
}

// Largest over the classes.
static double difference(const sht__linear *problem, const double *beta, const double *other) {
  double largest = 0;
  for (uint64_t k = 0; k < problem->classes; k++) {
    largest = larger(largest, weighted_norm(problem, beta, other, k) / weighted_norm(problem, beta, NULL, k));
  }
  return largest;
}

// |H v| / largest eigenvalue for each class's row of v, unit vectors of the null space; the largest.
static double null_curvature(const sht__linear *problem, const double *beta, double *v, double *hv, double largest) {
  double worst = 0;
  const uint64_t d = problem->d;
  sht__linear_apply(problem, problem->x, problem->n, v, problem->work);
  for (uint64_t i = 0; i < problem->n * problem->classes; i++) {
    problem->work[i] *= beta[i] / (double)problem->n;
  }
  sht__linear_combine(problem, problem->work, problem->x, problem->n, hv);
  for (uint64_t k = 0; k < problem->classes; k++) {
    const double size = sht__linear_distance(v + k * d, NULL, d);
    worst = larger(worst, sht__linear_distance(hv + k * d, NULL, d) / (size * largest));
  }
  return worst;
}

typedef struct workspace {
  double *here, *there;   // [n][K] curvatures
  double *w, *null_part;  // [K][d]
} workspace;

static sht_status allocate(const sht__linear *problem, workspace *work, sht_error *error) {
  const uint64_t outputs = problem->n * problem->classes;
  const uint64_t weights = problem->classes * problem->d;
  SHT_TRY(SHT_ALLOC(&work->here, outputs, "curvatures", error));
  SHT_TRY(SHT_ALLOC(&work->there, outputs, "curvatures", error));
  SHT_TRY(SHT_ALLOC(&work->w, weights, "weights", error));
  return SHT_ALLOC(&work->null_part, weights, "weights", error);
}

// Counts W in when it interpolates.
static void compare_with(const sht__linear *problem, const double *w, workspace *work, sht_linear_hessian *out) {
  if (!(sht__linear_residual(problem, w) <= INTERPOLATES)) {
    return;
  }
  fill_curvatures(problem, w, work->there);
  out->difference = larger(out->difference, difference(problem, work->here, work->there));
  out->compared++;
}

// W* plus a random part of the same length that no example sees.
static void look_at_null_vector(const sht__linear *problem, uint64_t seed, uint64_t index, workspace *work,
                                sht_linear_hessian *out) {
  const uint64_t count = problem->classes * problem->d;
  sht__linear_fill_normal(seed, index, count, work->w);
  sht__linear_null_part(problem, work->w, work->null_part);
  out->null_curvature =
      larger(out->null_curvature, null_curvature(problem, work->here, work->null_part, work->w, out->largest));
  const double scale = problem->minimum_norm / sht__linear_distance(work->null_part, NULL, count);
  for (uint64_t i = 0; i < count; i++) {
    work->w[i] = problem->minimum[i] + scale * work->null_part[i];
  }
  compare_with(problem, work->w, work, out);
}

static void compare(const sht__linear *problem, const sht__descents *descents, uint64_t seed, workspace *work,
                    sht_linear_hessian *out) {
  fill_curvatures(problem, problem->minimum, work->here);
  const double *const others[] = {descents->zero, descents->random};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    compare_with(problem, others[i], work, out);
  }
  for (uint64_t i = 1; i <= NULL_VECTORS; i++) {
    look_at_null_vector(problem, seed, i, work, out);
  }
  memset(work->w, 0, problem->classes * problem->d * sizeof *work->w);
  fill_curvatures(problem, work->w, work->there);
  out->control = difference(problem, work->here, work->there);
}

sht_status sht__linear_hessian(sht__linear *problem, const sht__descents *descents, uint64_t seed,
                               sht_linear_hessian *out, sht_error *error) {
  workspace work = {0};
  *out = (sht_linear_hessian){
      .compared = 1,       // W* itself
      .rank = problem->n,  // the Gram matrix has been factored, and no beta is 0
      .zeros = problem->d - problem->n,
      .largest = problem->largest / (double)problem->n,
      .smallest = problem->smallest / (double)problem->n,
  };
  sht_status status = allocate(problem, &work, error);
  if (status == SHT_OK) {
    compare(problem, descents, seed, &work, out);
  }
  sht_free(work.here);
  sht_free(work.there);
  sht_free(work.w);
  sht_free(work.null_part);
  return status;
}
