// A linear model's data, Gram matrix, minimum-norm solution and projections. See linear.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "shatter/random.h"
#include "theory/draws.h"
#include "theory/linear.h"
#include "theory/small.h"

enum { ITERATIONS_MAX = 500 };
static const double settled = 1e-12;

// ---- products

typedef struct product {
  const sht__linear *problem;
  const double *a;     // apply: unused; combine: [count][K]
  const double *rows;  // [count][d]
  uint64_t count;
  double *w;    // [K][d]
  double *out;  // [count][K]
} product;

static void apply_row(void *context, size_t row, int worker) {
  (void)worker;
  const product *p = context;
  const uint64_t d = p->problem->d;
  const uint32_t classes = p->problem->classes;
  for (uint32_t k = 0; k < classes; k++) {
    p->out[row * classes + k] = sht__dot(p->rows + row * d, p->w + k * d, d);
  }
}

void sht__linear_apply(const sht__linear *problem, const double *rows, uint64_t count, const double *w, double *out) {
  product p = {.problem = problem, .rows = rows, .w = (double *)w, .out = out};
  sht_pool_run(problem->pool, count, apply_row, &p);
}

static void combine_class(void *context, size_t k, int worker) {
  (void)worker;
  const product *p = context;
  const uint64_t d = p->problem->d;
  memset(p->w + k * d, 0, d * sizeof *p->w);
  for (uint64_t i = 0; i < p->count; i++) {
    sht__axpy(p->w + k * d, p->rows + i * d, p->a[i * p->problem->classes + k], d);
  }
}

void sht__linear_combine(const sht__linear *problem, const double *a, const double *rows, uint64_t count, double *w) {
  product p = {.problem = problem, .a = a, .rows = rows, .count = count, .w = w};
  sht_pool_run(problem->pool, problem->classes, combine_class, &p);
}

void sht__linear_null_part(const sht__linear *problem, const double *w, double *out) {
  sht__linear_apply(problem, problem->x, problem->n, w, problem->work);
  sht__cholesky_solve(problem->factor, problem->n, problem->work, problem->classes);
  sht__linear_combine(problem, problem->work, problem->x, problem->n, out);
  for (uint64_t i = 0; i < problem->classes * problem->d; i++) {
    out[i] = w[i] - out[i];
  }
}

double sht__linear_distance(const double *a, const double *b, uint64_t count) {
  double squares = 0;
  for (uint64_t i = 0; i < count; i++) {
    const double difference = b == NULL ? a[i] : a[i] - b[i];
    squares += difference * difference;
  }
  return sqrt(squares);
}

double sht__linear_residual(const sht__linear *problem, const double *w) {
  sht__linear_apply(problem, problem->x, problem->n, w, problem->work);
  return sht__linear_distance(problem->work, problem->y, problem->n * problem->classes) / sqrt((double)problem->n);
}

void sht__linear_one_hot(const uint16_t *labels, uint64_t count, uint32_t classes, double *out) {
  memset(out, 0, count * classes * sizeof *out);
  for (uint64_t i = 0; i < count; i++) {
    out[i * classes + labels[i]] = 1;
  }
}

void sht__linear_fill_normal(uint64_t seed, uint64_t index, uint64_t count, double *w) {
  const sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_THEORY);
  double pair[2];
  for (uint64_t i = 0; i < count; i++) {
    if (i % 2 == 0) {
      sht_rng_normal2(rng, SHT__DRAW_WEIGHT, index << 40 | i / 2, 0, pair);
    }
    w[i] = pair[i % 2];
  }
}

// ---- opening

static sht_status check_sizes(const sht_dataset *data, sht__linear *out, sht_error *error) {
  const sht_split *train = &data->train;
  out->n = train->count;
  out->d = (uint64_t)train->height * train->width * train->channels;
  out->classes = data->classes;
  out->labels = train->labels;
  out->test_labels = data->test.labels;
  if (out->n == 0 || out->classes == 0) {
    return SHT_FAIL(error, SHT_DATA, "%s: no training examples", data->name);
  }
  if (out->n >= out->d) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "%" PRIu64 " examples in %" PRIu64
                    " dimensions: a linear model takes any values on fewer examples than dimensions only; use "
                    "--train-size %" PRIu64 " or less",
                    out->n, out->d, out->d / 2);
  }
  const uint64_t room = (out->d - out->n) / 2;
  out->m = data->test.count < room ? data->test.count : room;
  return SHT_OK;
}

// Whitened images as doubles.
static sht_status fill_rows(const sht_split *split, uint64_t count, double *rows, sht_error *error) {
  sht_sample sample;
  SHT_TRY(sht_sample_of_split(split, true, &sample, error));
  sample.fill(&sample, 0, count, rows);
  sht_sample_close(&sample);
  return SHT_OK;
}

static sht_status allocate(sht__linear *out, sht_error *error) {
  const uint64_t larger = out->n > out->m ? out->n : out->m;
  SHT_TRY(SHT_ALLOC(&out->x, out->n * out->d, "examples", error));
  SHT_TRY(SHT_ALLOC(&out->test, out->m * out->d, "test examples", error));
  SHT_TRY(SHT_ALLOC(&out->y, out->n * out->classes, "targets", error));
  SHT_TRY(SHT_ALLOC(&out->gram, out->n * out->n, "Gram matrix", error));
  SHT_TRY(SHT_ALLOC(&out->factor, out->n * out->n, "factor of the Gram matrix", error));
  SHT_TRY(SHT_ALLOC(&out->work, larger * out->classes, "outputs", error));
  return SHT_ALLOC(&out->minimum, out->classes * out->d, "weights", error);
}

double sht__linear_longest_square(const sht__linear *problem) {
  double largest = 0;
  for (uint64_t i = 0; i < problem->n; i++) {
    largest = fmax(largest, problem->gram[i * problem->n + i]);
  }
  return largest;
}

static sht_status factor(sht__linear *problem, sht_error *error) {
  memcpy(problem->factor, problem->gram, problem->n * problem->n * sizeof *problem->gram);
  // What rounding alone leaves of a pivot that should be 0.
  const double least = (double)problem->n * 0x1p-52 * sht__linear_longest_square(problem);
  const uint64_t done = sht__cholesky(problem->factor, problem->n, least, problem->pool);
  if (done < problem->n) {
    return SHT_FAIL(error, SHT_DATA,
                    "training example %" PRIu64
                    " (of those drawn, counted from 0) is, to rounding, a combination of the ones before it, so that "
                    "not every choice of labels can be fitted; use a smaller --train-size",
                    done);
  }
  return SHT_OK;
}

// ---- extreme eigenvalues of the Gram matrix, by power and inverse iteration; v, next: [n]

static double scale_to_unit(double *v, uint64_t n) {
  const double norm = sht__linear_distance(v, NULL, n);
  for (uint64_t i = 0; i < n; i++) {
    v[i] /= norm;
  }
  return norm;
}

static double iterate(const sht__linear *problem, bool inverse, double *v, double *next) {
  double estimate = 0;
  sht__linear_fill_normal(0, inverse, problem->n, v);
  (void)scale_to_unit(v, problem->n);
  for (int i = 0; i < ITERATIONS_MAX; i++) {
    if (inverse) {
      sht__cholesky_solve(problem->factor, problem->n, v, 1);
    } else {
      for (uint64_t row = 0; row < problem->n; row++) {
        next[row] = sht__dot(problem->gram + row * problem->n, v, problem->n);
      }
      memcpy(v, next, problem->n * sizeof *v);
    }
    const double now = scale_to_unit(v, problem->n);
    const bool done = fabs(now - estimate) <= settled * now;
    estimate = now;
    if (done) {
      break;
    }
  }
  return estimate;
}

static sht_status find_eigenvalues(sht__linear *problem, sht_error *error) {
  double *vectors = NULL;
  SHT_TRY(SHT_ALLOC(&vectors, 2 * problem->n, "vectors", error));
  problem->largest = iterate(problem, false, vectors, vectors + problem->n);
  problem->smallest = 1 / iterate(problem, true, vectors, vectors + problem->n);
  sht_free(vectors);
  return SHT_OK;
}

static void solve_minimum(sht__linear *problem) {
  memcpy(problem->work, problem->y, problem->n * problem->classes * sizeof *problem->y);
  sht__cholesky_solve(problem->factor, problem->n, problem->work, problem->classes);
  sht__linear_combine(problem, problem->work, problem->x, problem->n, problem->minimum);
  problem->minimum_norm = sht__linear_distance(problem->minimum, NULL, problem->classes * problem->d);
}

sht_status sht__linear_open(const sht_dataset *data, int threads, const sht_theory_observer *observer, sht__linear *out,
                            sht_error *error) {
  *out = (sht__linear){0};
  SHT_TRY(check_sizes(data, out, error));
  SHT_TRY(sht_pool_open(threads, &out->pool, error));
  SHT_TRY(allocate(out, error));
  SHT_TRY(fill_rows(&data->train, out->n, out->x, error));
  SHT_TRY(fill_rows(&data->test, out->m, out->test, error));
  sht__linear_one_hot(out->labels, out->n, out->classes, out->y);
  SHT_TRY(sht__theory_tell(observer, "closed form", 0, error));
  sht__gram(out->x, out->n, out->x, out->n, out->d, out->gram, out->pool);
  SHT_TRY(factor(out, error));
  SHT_TRY(find_eigenvalues(out, error));
  solve_minimum(out);
  return SHT_OK;
}

void sht__linear_close(sht__linear *problem) {
  sht_free(problem->x);
  sht_free(problem->test);
  sht_free(problem->y);
  sht_free(problem->gram);
  sht_free(problem->factor);
  sht_free(problem->work);
  sht_free(problem->minimum);
  sht_pool_close(problem->pool);
  *problem = (sht__linear){0};
}
