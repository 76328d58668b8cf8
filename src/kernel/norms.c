// Norms of a solution under several codings of the targets: see measure.h.
//
// Every coding is a combination t = sum_c w_c y_c of the right-hand sides (one-hot columns and ones), and its solution
// the same combination of theirs. |f|^2 = a^T K a = a^T (t - rest - ridge a) = w^T P w - ridge w^T Q w with P = (Y -
// rest)^T X, Q = X^T X, and rest the residuals: of a solution that is none the norm is still that of its function.
#include <math.h>

#include "base/memory.h"
#include "dense/vector.h"
#include "kernel/measure.h"

typedef struct product_table {
  uint64_t columns;  // c
  double *p, *q;     // [c][c]
  double *w;         // [c]
  double ridge;
} product_table;

static sht_status open_products(const sht__problem *problem, const double *x, const double *left, product_table *out,
                                sht_error *error) {
  const uint64_t c = problem->columns, n = problem->train->count;
  *out = (product_table){.columns = c, .ridge = problem->gram.ridge};
  SHT_TRY(SHT_ALLOC(&out->p, c * c, "products of solutions", error));
  SHT_TRY(SHT_ALLOC(&out->q, c * c, "products of solutions", error));
  SHT_TRY(SHT_ALLOC(&out->w, c, "a coding", error));
  for (uint64_t a = 0; a < c; a++) {
    for (uint64_t b = 0; b < c; b++) {
      out->p[a * c + b] = sht__dot(problem->y + a * n, x + b * n, n) - sht__dot(left + a * n, x + b * n, n);
      out->q[a * c + b] = sht__dot(x + a * n, x + b * n, n);
    }
  }
  return SHT_OK;
}

static void close_products(product_table *products) {
  sht_free(products->p);
  sht_free(products->q);
  sht_free(products->w);
}

// |f|^2 of the coding products->w.
static double squared_norm(const product_table *products) {
  double sum = 0;
  for (uint64_t a = 0; a < products->columns; a++) {
    for (uint64_t b = 0; b < products->columns; b++) {
      uint64_t place = a * products->columns + b;
      sum += products->w[a] * products->w[b] * (products->p[place] - products->ridge * products->q[place]);
    }
  }
  return sum > 0 ? sum : 0;
}

// The coding whose class k is scale y_k + ones_factor ones.
static double coded_squared(product_table *products, uint64_t k, double scale, double ones_factor) {
  for (uint64_t c = 0; c < products->columns; c++) {
    products->w[c] = c == k ? scale : 0;
  }
  if (ones_factor != 0) {
    products->w[products->columns - 1] += ones_factor;
  }
  return squared_norm(products);
}

static double share_of_class(const sht__problem *problem, uint64_t k) {
  const uint64_t n = problem->train->count;
  double sum = 0;
  for (uint64_t i = 0; i < n; i++) {
    sum += problem->y[k * n + i];
  }
  return sum / (double)n;
}

static void measure_codings(const sht__problem *problem, product_table *products, bool ones_solved,
                            sht_kernel_norms *norms) {
  double one_hot = 0, centred = 0, plus_minus = 0;
  for (uint64_t k = 0; k < problem->outputs; k++) {
    one_hot += coded_squared(products, k, 1, 0);
    centred += coded_squared(products, k, 1, -share_of_class(problem, k));
    plus_minus += coded_squared(products, k, 2, -1);
  }
  for (uint64_t c = 0; c < products->columns; c++) {
    products->w[c] = c < problem->outputs ? (double)c : 0;
  }
  norms->one_hot = sqrt(one_hot);
  norms->centred = ones_solved ? sqrt(centred) : (double)NAN;
  norms->plus_minus = ones_solved ? sqrt(plus_minus) : (double)NAN;
  norms->label_number = sqrt(squared_norm(products));
}

sht_status sht__measure_norms(const sht__problem *problem, const double *x, const double *left, const double *a,
                              bool ones_solved, sht_kernel_norms *norms, sht_error *error) {
  const uint64_t m = problem->outputs, n = problem->train->count;
  const bool classes = sht__problem_is_classes(problem);
  product_table products;
  sht_status status = open_products(problem, x, left, &products, error);
  double sum = 0;
  norms->largest = norms->mean = 0;
  norms->one_hot = norms->centred = norms->plus_minus = norms->label_number = (double)NAN;
  for (uint64_t k = 0; status == SHT_OK && k < m; k++) {
    double square = coded_squared(&products, k, 1, classes ? -problem->mean[k] : 0);
    norms->outputs[k] = sqrt(square);
    norms->largest = fmax(norms->largest, norms->outputs[k]);
    norms->mean += norms->outputs[k] / (double)m;
    sum += square;
  }
  if (status == SHT_OK && classes) {
    measure_codings(problem, &products, ones_solved, norms);
  }
  norms->solution = sqrt(sum);
  norms->coefficients = sqrt(sht__dot(a, a, m * n));
  close_products(&products);
  return status;
}
