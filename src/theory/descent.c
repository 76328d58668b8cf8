// Stochastic gradient descent, one example a step, against the minimum-norm solution. See linear.h.
//
// A step w <- w - rate (w'x_i - y_i) x_i moves w within the span of the examples: from zero it stays there, and the
// only interpolant in the span is the minimum-norm one. From random weights the part outside the span never changes.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "shatter/random.h"
#include "theory/draws.h"
#include "theory/linear.h"
#include "theory/small.h"

enum { EPOCHS_AT_ONCE = 64 };
// Distances to the minimum-norm solution, in lengths of it, that descent only comes to when it runs away: it begins
// at 1.
static const double FAR = 1e6;

typedef struct descent {
  const sht__linear *problem;
  double *w[2];        // [K][d] from zero, from random
  double *limit;       // [K][d] where the second ends: W* + (I - P) W0
  double *null_start;  // [K][d] (I - P) W0
  double *null_now;    // [K][d] for work
  double rate;
  uint64_t seed;
  uint64_t epoch;     // done
  uint64_t chunk;     // epochs in hand
  uint32_t *orders;   // [EPOCHS_AT_ONCE][n]
  uint64_t *scratch;  // [2 * n]
  uint64_t epochs;    // most
  double settled;
} descent;

// Classes share the orders and nothing else: a task runs one class of one descent through the epochs in hand.
static void descend_class(void *context, size_t task, int worker) {
  (void)worker;
  const descent *run = context;
  const sht__linear *p = run->problem;
  const uint64_t k = task % p->classes;
  double *w = run->w[task / p->classes] + k * p->d;
  for (uint64_t step = 0; step < run->chunk * p->n; step++) {
    const uint64_t i = run->orders[step];
    const double *x = p->x + i * p->d;
    const double miss = p->y[i * p->classes + k] - sht__dot(w, x, p->d);
    sht__axpy(w, x, run->rate * miss, p->d);
  }
}

static void run_epochs(descent *run, uint64_t count) {
  const uint32_t n = (uint32_t)run->problem->n;
  const sht_rng rng = sht_rng_make(run->seed, SHT_PURPOSE_THEORY);
  for (uint64_t e = 0; e < count; e++) {
    sht_rng_permutation(rng, SHT__DRAW_ORDER, run->epoch + e, n, run->orders + e * n, run->scratch);
  }
  run->chunk = count;
  sht_pool_run(run->problem->pool, 2 * (size_t)run->problem->classes, descend_class, run);
  run->epoch += count;
}

static sht_linear_point measure(const descent *run) {
  const sht__linear *p = run->problem;
  const uint64_t count = p->classes * p->d;
  sht_linear_point point = {.epoch = run->epoch, .steps = run->epoch * p->n};
  point.distance = sht__linear_distance(run->w[0], p->minimum, count) / p->minimum_norm;
  point.residual = sht__linear_residual(p, run->w[0]);
  sht__linear_null_part(p, run->w[0], run->null_now);
  const double norm = sht__linear_distance(run->w[0], NULL, count);
  point.null_share = norm > 0 ? sht__linear_distance(run->null_now, NULL, count) / norm : 0;
  point.random_distance = sht__linear_distance(run->w[1], run->limit, count) / p->minimum_norm;
  sht__linear_null_part(p, run->w[1], run->null_now);
  point.random_drift =
      sht__linear_distance(run->null_now, run->null_start, count) / sht__linear_distance(run->null_start, NULL, count);
  return point;
}

// The epochs between two points of the curve grow by a quarter.
static uint64_t next_epoch(uint64_t epoch) { return epoch < 4 ? epoch + 1 : epoch + epoch / 4; }

static sht_status follow(descent *run, const sht_theory_observer *observer, sht_linear_result *result,
                         sht_error *error) {
  result->points[result->point_count++] = measure(run);
  while (run->epoch < run->epochs && !result->settled && result->point_count < SHT_LINEAR_CURVE_MAX) {
    uint64_t target = next_epoch(run->epoch);
    target = target < run->epochs ? target : run->epochs;
    while (run->epoch < target) {
      SHT_TRY(sht__theory_tell(observer, "descent", (double)run->epoch / (double)run->epochs, error));
      const uint64_t left = target - run->epoch;
      run_epochs(run, left < EPOCHS_AT_ONCE ? left : EPOCHS_AT_ONCE);
    }
    const sht_linear_point point = measure(run);
    result->points[result->point_count++] = point;
    result->settled = point.distance <= run->settled;
    if (!(point.distance < FAR && point.random_distance < FAR)) {
      return SHT_FAIL(error, SHT_CONFIG,
                      "descent runs away (%.1e times the minimum norm after %llu epochs): the learning rate %g is too "
                      "large; below 2 / max |x|^2 = %g it cannot",
                      point.distance, (unsigned long long)point.epoch, run->rate,
                      2 / sht__linear_longest_square(run->problem));
    }
  }
  return SHT_OK;
}

// Random weights as long as W*, and where they will end.
static void start_random(descent *run) {
  const sht__linear *p = run->problem;
  const uint64_t count = p->classes * p->d;
  sht__linear_fill_normal(run->seed, 0, count, run->w[1]);
  const double scale = p->minimum_norm / sht__linear_distance(run->w[1], NULL, count);
  for (uint64_t i = 0; i < count; i++) {
    run->w[1][i] *= scale;
  }
  sht__linear_null_part(p, run->w[1], run->null_start);
  for (uint64_t i = 0; i < count; i++) {
    run->limit[i] = p->minimum[i] + run->null_start[i];
  }
}

static sht_status allocate(descent *run, sht__descents *out, sht_error *error) {
  const sht__linear *p = run->problem;
  const uint64_t count = p->classes * p->d;
  SHT_TRY(SHT_ALLOC(&out->zero, count, "weights", error));
  SHT_TRY(SHT_ALLOC(&out->random, count, "weights", error));
  SHT_TRY(SHT_ALLOC(&run->limit, count, "weights", error));
  SHT_TRY(SHT_ALLOC(&run->null_start, count, "weights", error));
  SHT_TRY(SHT_ALLOC(&run->null_now, count, "weights", error));
  SHT_TRY(SHT_ALLOC(&run->orders, p->n * EPOCHS_AT_ONCE, "orders", error));
  return SHT_ALLOC(&run->scratch, 2 * p->n, "orders", error);
}

sht_status sht__linear_descend(sht__linear *problem, const sht_linear_options *options,
                               const sht_theory_observer *observer, sht__descents *out, sht_linear_result *result,
                               sht_error *error) {
  descent run = {.problem = problem, .seed = options->seed, .epochs = options->epochs, .settled = options->settled};
  run.rate = isnan(options->learning_rate) ? 1 / sht__linear_longest_square(problem) : options->learning_rate;
  result->learning_rate = run.rate;
  sht_status status = allocate(&run, out, error);
  if (status == SHT_OK) {
    run.w[0] = out->zero;
    run.w[1] = out->random;
    start_random(&run);
    status = follow(&run, observer, result, error);
  }
  sht_free(run.limit);
  sht_free(run.null_start);
  sht_free(run.null_now);
  sht_free(run.orders);
  sht_free(run.scratch);
  return status;
}
