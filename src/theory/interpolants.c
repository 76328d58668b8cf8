// Solutions that fit the training set and what they are worth on the test set. See linear.h.
//
// Linear: the minimum-norm one; where descent ended; the minimum-norm one with a part that no example sees; one that
// also takes random labels on the test set. Kernel functions f(x) = sum_j a_j exp(-|x - c_j|^2 / (2 sigma^2)): centres
// at the examples, which has the smallest norm in the kernel's space, and centres at random points.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "shatter/random.h"
#include "theory/draws.h"
#include "theory/linear.h"
#include "theory/small.h"

enum { MEDIAN_EXAMPLES = 1000, NULL_LENGTHS = 10 };

// Share of rows [count][K] whose first largest value is not the label.
static double error_share(const double *outputs, const uint16_t *labels, uint64_t count, uint32_t classes) {
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < count; i++) {
    const double *row = outputs + i * classes;
    uint32_t best = 0;
    for (uint32_t k = 1; k < classes; k++) {
      best = row[k] > row[best] ? k : best;
    }
    wrong += best != labels[i];
  }
  return count > 0 ? (double)wrong / (double)count : NAN;
}

static sht_interpolant *add_row(sht_linear_result *result, const char *name) {
  sht_interpolant *row = &result->interpolants[result->interpolant_count++];
  (void)snprintf(row->name, sizeof row->name, "%s", name);
  row->settled = true;
  return row;
}

static void add_linear(const sht__linear *p, const char *name, const double *w, sht_linear_result *result) {
  sht_interpolant *row = add_row(result, name);
  row->residual = sht__linear_residual(p, w);
  row->train_error = error_share(p->work, p->labels, p->n, p->classes);
  sht__linear_apply(p, p->test, p->m, w, p->work);
  row->test_error = error_share(p->work, p->test_labels, p->m, p->classes);
  row->norm = sht__linear_distance(w, NULL, p->classes * p->d);
  row->norm_ratio = row->norm / p->minimum_norm;
}

// ---- linear

static void add_null_part(const sht__linear *p, uint64_t seed, double *w, double *part, sht_linear_result *result) {
  const uint64_t count = p->classes * p->d;
  sht__linear_fill_normal(seed, 1, count, w);
  sht__linear_null_part(p, w, part);
  const double scale = NULL_LENGTHS * p->minimum_norm / sht__linear_distance(part, NULL, count);
  for (uint64_t i = 0; i < count; i++) {
    w[i] = p->minimum[i] + scale * part[i];
  }
  add_linear(p, "minimum norm + ten lengths of what no example sees", w, result);
}

// One-hot targets of the training examples, then of random labels for the test examples: [n + m][K].
static void fill_forced_targets(const sht__linear *p, uint64_t seed, double *targets) {
  const sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_THEORY);
  const uint64_t outputs = p->n * p->classes;
  memcpy(targets, p->y, outputs * sizeof *targets);
  memset(targets + outputs, 0, p->m * p->classes * sizeof *targets);
  for (uint64_t i = 0; i < p->m; i++) {
    targets[outputs + i * p->classes + sht_rng_below(rng, SHT__DRAW_LABEL, i, 0, p->classes)] = 1;
  }
}

typedef struct joint {
  double *rows;     // [n + m][d]
  double *gram;     // [n + m][n + m]
  double *targets;  // [n + m][K], then coefficients
  double *w;        // [K][d]
} joint;

static sht_status solve_joint(const sht__linear *p, uint64_t seed, joint *all, sht_linear_result *result,
                              sht_error *error) {
  const uint64_t count = p->n + p->m;
  SHT_TRY(SHT_ALLOC(&all->rows, count * p->d, "examples", error));
  SHT_TRY(SHT_ALLOC(&all->gram, count * count, "Gram matrix", error));
  SHT_TRY(SHT_ALLOC(&all->targets, count * p->classes, "targets", error));
  SHT_TRY(SHT_ALLOC(&all->w, p->classes * p->d, "weights", error));
  memcpy(all->rows, p->x, p->n * p->d * sizeof *all->rows);
  memcpy(all->rows + p->n * p->d, p->test, p->m * p->d * sizeof *all->rows);
  fill_forced_targets(p, seed, all->targets);
  sht__gram(all->rows, count, all->rows, count, p->d, all->gram, p->pool);
  const double least = (double)count * 0x1p-52 * p->largest;
  if (sht__cholesky(all->gram, count, least, p->pool) < count) {
    return SHT_OK;  // training and test examples together are not independent: no such interpolant, no row
  }
  sht__cholesky_solve(all->gram, count, all->targets, p->classes);
  sht__linear_combine(p, all->targets, all->rows, count, all->w);
  add_linear(p, "random labels forced on the test set", all->w, result);
  return SHT_OK;
}

static sht_status add_forced(const sht__linear *p, uint64_t seed, sht_linear_result *result, sht_error *error) {
  if (p->m == 0) {
    return SHT_OK;
  }
  joint all = {0};
  sht_status status = solve_joint(p, seed, &all, result, error);
  sht_free(all.rows);
  sht_free(all.gram);
  sht_free(all.targets);
  sht_free(all.w);
  return status;
}

// ---- kernels

typedef struct kernel {
  const sht__linear *problem;
  double gamma;          // 1 / (2 sigma^2)
  double *centres;       // [n][d]
  double *matrix;        // [n][n]: examples against centres
  double *values;        // [m][n]: test examples against centres
  double *coefficients;  // [n][K]
  double *squares;       // [max(n, m)] of rows, then [n] of centres
} kernel;

// Median distance of two examples (of the first MEDIAN_EXAMPLES), over sqrt 2; of one example, its length.
static sht_status median_sigma(const sht__linear *p, double *sigma, sht_error *error) {
  const uint64_t n = p->n < MEDIAN_EXAMPLES ? p->n : MEDIAN_EXAMPLES;
  double *distances = NULL;
  uint64_t count = 0;
  SHT_TRY(SHT_ALLOC(&distances, n * n / 2 + 1, "distances", error));
  for (uint64_t i = 0; i < n; i++) {
    for (uint64_t j = 0; j < i; j++) {
      distances[count++] = p->gram[i * p->n + i] + p->gram[j * p->n + j] - 2 * p->gram[i * p->n + j];
    }
  }
  qsort(distances, count, sizeof *distances, sht__compare_doubles);
  *sigma = sqrt(count > 0 ? distances[count / 2] / 2 : p->gram[0]);
  sht_free(distances);
  return SHT_OK;
}

// out[i][j] = exp(-gamma |rows_i - centres_j|^2)
static void fill_kernel(const kernel *k, const double *rows, uint64_t count, const double *centres, double *out) {
  const uint64_t n = k->problem->n, d = k->problem->d;
  double *of_rows = k->squares, *of_centres = k->squares + (n > k->problem->m ? n : k->problem->m);
  for (uint64_t i = 0; i < count; i++) {
    of_rows[i] = sht__dot(rows + i * d, rows + i * d, d);
  }
  for (uint64_t j = 0; j < n; j++) {
    of_centres[j] = sht__dot(centres + j * d, centres + j * d, d);
  }
  sht__gram(rows, count, centres, n, d, out, k->problem->pool);
  for (uint64_t i = 0; i < count; i++) {
    for (uint64_t j = 0; j < n; j++) {
      out[i * n + j] = exp(-k->gamma * fmax(of_rows[i] + of_centres[j] - 2 * out[i * n + j], 0));
    }
  }
}

// out [count][K] = values [count][n] coefficients [n][K]
static void combine_values(const kernel *k, const double *values, uint64_t count, double *out) {
  const uint64_t n = k->problem->n, classes = k->problem->classes;
  memset(out, 0, count * classes * sizeof *out);
  for (uint64_t i = 0; i < count; i++) {
    for (uint64_t j = 0; j < n; j++) {
      sht__axpy(out + i * classes, k->coefficients + j * classes, values[i * n + j], classes);
    }
  }
}

// sqrt(trace(A' C A)), C the kernel of the centres among themselves; out: [n][K] for work.
static double kernel_norm(const kernel *k, double *matrix, double *out) {
  const uint64_t n = k->problem->n, classes = k->problem->classes;
  fill_kernel(k, k->centres, n, k->centres, matrix);
  combine_values(k, matrix, n, out);
  double trace = 0;
  for (uint64_t i = 0; i < n * classes; i++) {
    trace += k->coefficients[i] * out[i];
  }
  return sqrt(fmax(trace, 0));
}

// Solves for the coefficients, and adds the row when there was a solution.
static bool solve_kernel(const kernel *k, const char *name, sht_linear_result *result) {
  const sht__linear *p = k->problem;
  fill_kernel(k, p->x, p->n, k->centres, k->matrix);
  memcpy(k->coefficients, p->y, p->n * p->classes * sizeof *k->coefficients);
  if (sht__lu_solve(k->matrix, p->n, k->coefficients, p->classes, p->pool) < p->n) {
    return false;
  }
  sht_interpolant *row = add_row(result, name);
  fill_kernel(k, p->x, p->n, k->centres, k->matrix);
  combine_values(k, k->matrix, p->n, p->work);
  row->residual = sht__linear_distance(p->work, p->y, p->n * p->classes) / sqrt((double)p->n);
  row->train_error = error_share(p->work, p->labels, p->n, p->classes);
  fill_kernel(k, p->test, p->m, k->centres, k->values);
  combine_values(k, k->values, p->m, p->work);
  row->test_error = error_share(p->work, p->test_labels, p->m, p->classes);
  row->norm = kernel_norm(k, k->matrix, p->work);
  return true;
}

static void fill_random_centres(const kernel *k, uint64_t seed) {
  const sht__linear *p = k->problem;
  const sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_THEORY);
  double pair[2];
  for (uint64_t i = 0; i < p->n; i++) {
    for (uint64_t j = 0; j < p->d; j++) {
      if (j % 2 == 0) {
        sht_rng_normal2(rng, SHT__DRAW_CENTRE, i, (uint32_t)(j / 2), pair);
      }
      k->centres[i * p->d + j] = pair[j % 2];
    }
  }
}

static sht_status allocate_kernel(kernel *k, sht_error *error) {
  const sht__linear *p = k->problem;
  const uint64_t larger = p->n > p->m ? p->n : p->m;
  SHT_TRY(SHT_ALLOC(&k->centres, p->n * p->d, "centres", error));
  SHT_TRY(SHT_ALLOC(&k->matrix, p->n * p->n, "kernel matrix", error));
  SHT_TRY(SHT_ALLOC(&k->values, p->m * p->n, "kernel values", error));
  SHT_TRY(SHT_ALLOC(&k->coefficients, p->n * p->classes, "coefficients", error));
  return SHT_ALLOC(&k->squares, larger + p->n, "squares", error);
}

static void add_kernels(kernel *k, uint64_t seed, sht_linear_result *result) {
  const sht__linear *p = k->problem;
  const uint32_t first = result->interpolant_count;
  memcpy(k->centres, p->x, p->n * p->d * sizeof *k->centres);
  const bool smallest = solve_kernel(k, "Gaussian kernel, centres at the examples", result);
  fill_random_centres(k, seed);
  (void)solve_kernel(k, "Gaussian kernel, centres at random points", result);
  for (uint32_t i = first; i < result->interpolant_count; i++) {
    result->interpolants[i].norm_ratio =
        smallest ? result->interpolants[i].norm / result->interpolants[first].norm : NAN;
  }
}

sht_status sht__linear_interpolants(sht__linear *problem, const sht__descents *descents,
                                    const sht_linear_options *options, const sht_theory_observer *observer,
                                    sht_linear_result *result, sht_error *error) {
  double *w = NULL;  // [2][K][d]
  const uint64_t count = problem->classes * problem->d;
  SHT_TRY(sht__theory_tell(observer, "interpolants", 0, error));
  SHT_TRY(SHT_ALLOC(&w, 2 * count, "weights", error));
  add_linear(problem, "minimum norm", problem->minimum, result);
  add_linear(problem, "descent from zero", descents->zero, result);
  result->interpolants[result->interpolant_count - 1].settled = result->settled;
  add_linear(problem, "descent from random weights", descents->random, result);
  result->interpolants[result->interpolant_count - 1].settled =
      result->points[result->point_count - 1].random_distance <= options->settled;
  add_null_part(problem, options->seed, w, w + count, result);
  sht_free(w);
  SHT_TRY(add_forced(problem, options->seed, result, error));
  SHT_TRY(sht__theory_tell(observer, "interpolants", 0.5, error));
  kernel k = {.problem = problem};
  result->sigma = options->sigma;
  sht_status status = isnan(options->sigma) ? median_sigma(problem, &result->sigma, error) : SHT_OK;
  k.gamma = 1 / (2 * result->sigma * result->sigma);
  if (status == SHT_OK) {
    status = allocate_kernel(&k, error);
  }
  if (status == SHT_OK) {
    add_kernels(&k, options->seed, result);
  }
  sht_free(k.centres);
  sht_free(k.matrix);
  sht_free(k.values);
  sht_free(k.coefficients);
  sht_free(k.squares);
  return status;
}
