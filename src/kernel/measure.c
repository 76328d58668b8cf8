// Errors and leave-one-out: see measure.h.
#include "kernel/measure.h"

#include <math.h>

double sht__measure_error(const sht_kernel_examples *e, const uint16_t *labels, const double *outputs) {
  const uint64_t n = e->count, m = e->outputs;
  labels = labels != NULL ? labels : e->labels;
  double sum = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t best = 0;
    double squares = 0;
    for (uint64_t k = 0; k < m; k++) {
      best = outputs[k * n + i] > outputs[best * n + i] ? k : best;
      double off = labels != NULL ? 0 : outputs[k * n + i] - e->targets[i * m + k];
      squares += off * off;
    }
    sum += labels != NULL ? best != labels[i] : squares / (double)m;
  }
  return labels != NULL ? sum / (double)n : sqrt(sum / (double)n);
}

void sht__measure_coefficients(const sht__problem *problem, const double *x, double *out) {
  const uint64_t n = problem->train->count;
  const double *ones = sht__problem_is_classes(problem) ? x + problem->outputs * n : NULL;
  for (uint64_t k = 0; k < problem->outputs; k++) {
    for (uint64_t i = 0; i < n; i++) {
      out[k * n + i] = x[k * n + i] - (ones != NULL && problem->mean[k] != 0 ? problem->mean[k] * ones[i] : 0);
    }
  }
}

void sht__measure_fit(const sht__problem *problem, const double *a, const double *left, double *out) {
  const uint64_t n = problem->train->count;
  const bool classes = sht__problem_is_classes(problem);
  for (uint64_t k = 0; k < problem->outputs; k++) {
    for (uint64_t i = 0; i < n; i++) {
      double rest = left[k * n + i];
      rest -= classes && problem->mean[k] != 0 ? problem->mean[k] * left[problem->outputs * n + i] : 0;
      double target = problem->y[k * n + i] + (classes ? 0 : problem->mean[k]);
      out[k * n + i] = target - problem->gram.ridge * a[k * n + i] - rest;
    }
  }
}

void sht__measure_left_out(const sht__problem *problem, const double *a, const double *inverse, double *out) {
  const uint64_t n = problem->train->count;
  for (uint64_t k = 0; k < problem->outputs; k++) {
    double mean = sht__problem_is_classes(problem) ? 0 : problem->mean[k];
    for (uint64_t i = 0; i < n; i++) {
      out[k * n + i] = problem->y[k * n + i] + mean - a[k * n + i] / inverse[i];
    }
  }
}

double sht__measure_squared(const sht__problem *problem, const double *outputs) {
  const uint64_t n = problem->train->count;
  double sum = 0;
  for (uint64_t k = 0; k < problem->outputs; k++) {
    double mean = sht__problem_is_classes(problem) ? 0 : problem->mean[k];
    for (uint64_t i = 0; i < n; i++) {
      double off = outputs[k * n + i] - problem->y[k * n + i] - mean;
      sum += off * off;
    }
  }
  return sum / ((double)n * (double)problem->outputs);
}
