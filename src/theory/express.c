// Theorem 1 and Corollary 1 from a sample to a checked network. See express.h and docs/theory.md.
#include "theory/express.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "base/memory.h"
#include "theory/sample.h"

// From 1/2 (midpoints) downwards. What is nearer to the point before costs digits of x - b.
static const double fractions[SHT_EXPRESS_FRACTIONS] = {0.5, 0.25, 0.1, 0x1p-6, 0x1p-10, 0x1p-16};
enum { PROBES = 64 };

sht_status sht__theory_tell(const sht_theory_observer *observer, const char *stage, double share, sht_error *error) {
  if (observer == NULL) {
    return SHT_OK;
  }
  if (observer->progressed != NULL) {
    observer->progressed(observer->context, stage, share);
  }
  if (observer->stop_requested != NULL && observer->stop_requested(observer->context)) {
    return SHT_FAIL(error, SHT_STOPPED, "stopped on request; nothing was written, run it again");
  }
  return SHT_OK;
}

static double seconds_now(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static sht_status check_options(const sht_sample *sample, const sht_express_options *options, sht_error *error) {
  if (sample->count == 0 || sht__sample_dims(sample) == 0) {
    return SHT_FAIL(error, SHT_DATA, "the sample is empty; give at least one point of one dimension");
  }
  if (options->depth == 3 || options->depth < 2 || options->depth > SHT_EXPRESS_DEPTH_MAX) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "depth %" PRIu32
                    ": 2 is Theorem 1's network, 4 to %d are Corollary 1's with depth - 3 intervals; "
                    "the multiplexer needs three layers, so that 3 is not covered",
                    options->depth, SHT_EXPRESS_DEPTH_MAX);
  }
  if (options->tries < 1 || options->tries > SHT_EXPRESS_TRIES_MAX) {
    return SHT_FAIL(error, SHT_CONFIG, "%" PRIu32 " directions to try: expected 1 to %d", options->tries,
                    SHT_EXPRESS_TRIES_MAX);
  }
  if (options->engine_points == 0) {
    return SHT_FAIL(error, SHT_CONFIG, "0 points through the engine: expected 1 or more, or nothing is checked there");
  }
  if (!isnan(options->fraction) && !(options->fraction > 0 && options->fraction < 1)) {
    return SHT_FAIL(error, SHT_CONFIG, "the knots' fraction %g must lie between 0 and 1", options->fraction);
  }
  return SHT_OK;
}

// Largest error of a plain sum over the units at up to PROBES points of a block, the last among them.
static double probe_block(const sht__units *units) {
  double largest = 0;
  const uint64_t step = units->count / PROBES + 1;
  for (uint64_t back = 0; back < units->count; back += step) {
    const uint64_t i = units->count - 1 - back;
    const double miss = fabs(sht__units_sum(units, units->x[i]) - units->y[i]);
    largest = miss <= largest ? largest : miss;
  }
  return largest;
}

static double probe(const sht__fit *fit) {
  double largest = 0;
  for (uint64_t t = 0; t < fit->blocks; t++) {
    const sht__units units = sht__fit_block(fit, t);
    const double miss = probe_block(&units);
    largest = miss <= largest ? largest : miss;
  }
  return largest;
}

// Tries each fraction and keeps the one with the smallest measured error.
static void solve_best(sht__fit *fit, const sht_express_options *options, sht_express_result *result) {
  result->fraction = options->fraction;
  if (isnan(options->fraction)) {
    uint32_t best = 0;
    for (uint32_t i = 0; i < SHT_EXPRESS_FRACTIONS; i++) {
      sht__fit_solve(fit, fractions[i], options->single);
      result->fractions[i] = fractions[i];
      result->fraction_errors[i] = probe(fit);
      best = result->fraction_errors[i] < result->fraction_errors[best] ? i : best;
    }
    result->fraction_count = SHT_EXPRESS_FRACTIONS;
    result->fraction = fractions[best];
  }
  sht__fit_solve(fit, result->fraction, options->single);
}

// ---- what the weights look like

static void measure_block(const sht__units *units, sht_express_result *result) {
  double terms = 0, squares = 0;
  const double end = units->x[units->count - 1];
  for (uint64_t i = 0; i < units->count; i++) {
    const double size = fabs(units->w[i]);
    result->weight_largest = fmax(result->weight_largest, size);
    result->smallest_eigenvalue = fmin(result->smallest_eigenvalue, units->x[i] - units->b[i]);
    terms += size * (end - units->b[i]);
    squares += size * size;
  }
  result->weight_norm = sqrt(result->weight_norm * result->weight_norm + squares);
  result->cancellation = fmax(result->cancellation, terms);
}

// Slopes follow s_i = (dy_i - s_(i-1) f_i g_i) / ((1 - f_i) g_i) with gap g_i and the knots' true fraction f_i, so that
// |s| <= max|dy|/g / (1 - f) / (1 - f / (1 - f)) = max(|dy|/g) / (1 - 2 f), and |w_i| <= |s_i| + |s_(i-1)|.
static double bound_weights(const sht__units *units) {
  double steepest = fabs(units->y[0]) / (units->x[0] - units->b[0]);
  double fraction = 0;
  for (uint64_t i = 1; i < units->count; i++) {
    const double gap = units->x[i] - units->x[i - 1];
    steepest = fmax(steepest, fabs(units->y[i] - units->y[i - 1]) / gap);
    fraction = fmax(fraction, (units->b[i] - units->x[i - 1]) / gap);
  }
  return fraction < 0.5 ? 2 * steepest / (1 - 2 * fraction) : INFINITY;
}

static sht_status measure(const sht__fit *fit, const sht_express_options *options, sht_express_result *result,
                          sht_error *error) {
  double *scratch = NULL;
  SHT_TRY(SHT_ALLOC(&scratch, fit->count, "a vector", error));
  result->smallest_eigenvalue = INFINITY;
  result->smallest_singular = INFINITY;
  for (uint64_t t = 0; t < fit->blocks; t++) {
    const sht__units units = sht__fit_block(fit, t);
    measure_block(&units, result);
    result->weight_bound = fmax(result->weight_bound, bound_weights(&units));
    result->smallest_singular = fmin(result->smallest_singular,
                                     sht__units_smallest_singular(&units, options->seed, scratch, &result->iterations));
  }
  sht_free(scratch);
  return SHT_OK;
}

static void measure_targets(const sht_sample *sample, sht_express_result *result) {
  for (uint64_t i = 0; i < sample->count; i++) {
    result->target_largest = fmax(result->target_largest, fabs(sample->targets[i]));
  }
  const double scale = result->target_largest > 0 ? result->target_largest : 1;
  result->cancellation /= scale;
}

static sht_status count_network(const sht_graph *graph, sht_express_result *result, sht_error *error) {
  SHT_TRY(sht__network_measure(graph, &result->depth, &result->width, error));
  result->weights = graph->parameter_count;
  result->width_constant = (double)result->width * result->depth / (double)result->points;
  result->weights_constant = (double)result->weights / (double)(result->points + result->dims);
  return SHT_OK;
}

// ---- the whole

typedef struct construction {
  sht_pool *pool;
  sht__projection projection;
  sht__fit fit;
  sht__network network;
} construction;

static sht_status build(construction *made, const sht_sample *sample, const sht_express_options *options,
                        const sht_theory_observer *observer, sht_express_result *result, sht_error *error) {
  const double start = seconds_now();
  SHT_TRY(sht_pool_open(options->threads, &made->pool, error));
  SHT_TRY(sht__project(sample, options, options->depth > 2, made->pool, observer, &made->projection, result, error));
  result->projection_rounding = made->projection.rounding;
  SHT_TRY(sht__theory_tell(observer, "weights", 0, error));
  SHT_TRY(sht__fit_open(sample, &made->projection, options, &made->fit, result, error));
  result->units = made->fit.count;
  solve_best(&made->fit, options, result);
  result->seconds_build = seconds_now() - start;
  return SHT_OK;
}

static sht_status check(construction *made, const sht_sample *sample, const sht_express_options *options,
                        const sht_theory_observer *observer, sht_express_result *result, sht_error *error) {
  const double start = seconds_now();
  SHT_TRY(sht__theory_tell(observer, "spectrum", 0, error));
  SHT_TRY(measure(&made->fit, options, result, error));
  measure_targets(sample, result);
  sht__verify_all(sample, &made->projection, &made->fit, result);
  SHT_TRY(sht__network_open(sample, &made->projection, &made->fit, options, &made->network, error));
  SHT_TRY(count_network(made->network.graph, result, error));
  if (options->single) {
    sht__verify_single(sample, &made->projection, &made->fit, options->engine_points, result);
    result->error_engine = NAN;
  } else {
    SHT_TRY(sht__verify_engine(sample, &made->network, options, observer, result, error));
    result->error_single = NAN;
  }
  const double allowed = options->tolerance * (result->target_largest > 0 ? result->target_largest : 1);
  result->represented =
      result->error_exact <= allowed && (options->single ? result->error_single : result->error_engine) <= allowed;
  result->seconds_check = seconds_now() - start;
  return SHT_OK;
}

sht_status sht_express(const sht_sample *sample, const sht_express_options *options,
                       const sht_theory_observer *observer, sht_express_result *result, sht_error *error) {
  *result = (sht_express_result){0};
  SHT_TRY(check_options(sample, options, error));
  result->points = sample->count;
  result->dims = sht__sample_dims(sample);
  construction made = {0};
  sht_status status = build(&made, sample, options, observer, result, error);
  if (status == SHT_OK) {
    status = check(&made, sample, options, observer, result, error);
  }
  sht__network_close(&made.network);
  sht__fit_close(&made.fit);
  sht__projection_close(&made.projection);
  sht_pool_close(made.pool);
  return status;
}
