// One number for each point: x = offset + <a, z>, with a chosen so that the numbers keep apart. See express.h.
//
// The entries of a are odd multiples of 2^-q with few bits. With levels of images, v/255 rounded to float (multiples of
// 2^-31), a sum over d products then has at most 31 + q + log2(d) <= 53 bits: it is exact in double, whatever the order
// of its terms, and so the same in every library. Where the data have more bits (whitened images, other people's
// arrays) the sum is taken in the engine's order, and the difference to the opposite order is reported.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "shatter/random.h"
#include "theory/draws.h"
#include "theory/express.h"
#include "theory/sample.h"
#include "theory/small.h"

enum { ROWS = 64, TASKS_AT_ONCE = 64, LEVEL_BITS = 31, DOUBLE_BITS = 53, BITS_MIN = 8, BITS_MAX = 20 };

// A pass over the points.
typedef struct pass {
  const sht_sample *sample;
  uint64_t dims;             // d
  uint32_t tries;            // T
  const double *candidates;  // [d][T]; one pass looks at all of them
  double offset;
  double *rows;        // [threads][ROWS][d]
  double *x;           // [T][n]
  double *backwards;   // [n] the sum of direction 0 in the opposite order; NULL: not asked for
  uint64_t first_row;  // of task 0
} pass;

static int direction_bits(uint64_t dims) {
  int bits = DOUBLE_BITS - LEVEL_BITS;
  for (uint64_t reach = 1; reach < dims; reach *= 2) {
    bits--;
  }
  return bits < BITS_MIN ? BITS_MIN : bits > BITS_MAX ? BITS_MAX : bits;
}

static void fill_direction(uint64_t seed, uint32_t attempt, uint64_t dims, uint32_t stride, double *out) {
  const sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_THEORY);
  const int bits = direction_bits(dims);
  for (uint64_t j = 0; j < dims; j++) {
    uint32_t word = sht_rng_u32(rng, SHT__DRAW_DIRECTION, (uint64_t)attempt << 32 | j, 0) >> (32 - bits);
    out[j * stride] = ldexp((double)(2 * (int64_t)word + 1) - ldexp(1, bits), -bits);
  }
}

// Sums for all directions at once, each in the order of the coordinates as the engine's dense layer takes them.
static void project_row(const pass *p, const double *row, uint64_t point) {
  double sum[SHT_EXPRESS_TRIES_MAX];
  for (uint32_t t = 0; t < p->tries; t++) {
    sum[t] = p->offset;
  }
  for (uint64_t j = 0; j < p->dims; j++) {
    const double *a = p->candidates + j * p->tries;
    for (uint32_t t = 0; t < p->tries; t++) {
      sum[t] += a[t] * row[j];
    }
  }
  for (uint32_t t = 0; t < p->tries; t++) {
    p->x[t * p->sample->count + point] = sum[t];
  }
}

static double project_backwards(const pass *p, const double *row) {
  double sum = 0;
  for (uint64_t j = p->dims; j > 0; j--) {
    sum += p->candidates[(j - 1) * p->tries] * row[j - 1];
  }
  return sum + p->offset;
}

static void project_rows(void *context, size_t task, int worker) {
  const pass *p = context;
  const uint64_t first = p->first_row + task * ROWS;
  const uint64_t left = p->sample->count - first;
  const uint64_t count = left < ROWS ? left : ROWS;
  double *rows = p->rows + (uint64_t)worker * ROWS * p->dims;
  p->sample->fill(p->sample, first, count, rows);
  for (uint64_t i = 0; i < count; i++) {
    project_row(p, rows + i * p->dims, first + i);
    if (p->backwards != NULL) {
      p->backwards[first + i] = project_backwards(p, rows + i * p->dims);
    }
  }
}

static sht_status run_pass(pass *p, sht_pool *pool, const char *stage, const sht_theory_observer *observer,
                           sht_error *error) {
  const uint64_t chunk = (uint64_t)ROWS * TASKS_AT_ONCE;
  for (p->first_row = 0; p->first_row < p->sample->count; p->first_row += chunk) {
    const uint64_t left = p->sample->count - p->first_row;
    const uint64_t rows = left < chunk ? left : chunk;
    SHT_TRY(sht__theory_tell(observer, stage, (double)p->first_row / (double)p->sample->count, error));
    sht_pool_run(pool, (rows + ROWS - 1) / ROWS, project_rows, p);
  }
  return SHT_OK;
}

// ---- choosing

typedef struct ranking {
  uint64_t n;
  double *x;           // [T][n]
  uint64_t *meetings;  // [T] neighbours that are equal
  double *gaps;        // [T] smallest gap of those that are not
  double *lowest;      // [T] smallest x
} ranking;

static void rank_direction(void *context, size_t t, int worker) {
  (void)worker;
  const ranking *r = context;
  double *x = r->x + t * r->n;
  qsort(x, r->n, sizeof *x, sht__compare_doubles);
  r->meetings[t] = 0;
  r->gaps[t] = INFINITY;
  r->lowest[t] = x[0];
  for (uint64_t i = 1; i < r->n; i++) {
    double gap = x[i] - x[i - 1];
    r->meetings[t] += gap == 0;
    r->gaps[t] = gap > 0 && gap < r->gaps[t] ? gap : r->gaps[t];
  }
}

static uint32_t choose(const ranking *r, uint32_t tries) {
  uint32_t best = 0;
  for (uint32_t t = 1; t < tries; t++) {
    bool fewer = r->meetings[t] < r->meetings[best];
    bool wider = r->meetings[t] == r->meetings[best] && r->gaps[t] > r->gaps[best];
    best = fewer || wider ? t : best;
  }
  return best;
}

static void rank_all(const sht_express_options *options, sht_pool *pool, uint64_t n, double *x,
                     sht_express_result *result, double *lowest) {
  uint64_t meetings[SHT_EXPRESS_TRIES_MAX];
  double lows[SHT_EXPRESS_TRIES_MAX];
  ranking r = {.n = n, .x = x, .meetings = meetings, .gaps = result->gaps, .lowest = lows};
  sht_pool_run(pool, options->tries, rank_direction, &r);
  result->tries = options->tries;
  result->chosen = choose(&r, options->tries);
  *lowest = lows[result->chosen];
  for (uint32_t t = 0; t < options->tries; t++) {
    result->gaps[t] = isfinite(result->gaps[t]) ? result->gaps[t] : 0;  // one point, or all of them equal
  }
}

static sht_status look(pass *p, const sht_express_options *options, sht_pool *pool, const sht_theory_observer *observer,
                       sht_express_result *result, double *lowest, sht_error *error) {
  double *candidates = NULL;
  sht_status status = SHT_ALLOC(&candidates, p->dims * options->tries, "directions", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&p->x, p->sample->count * options->tries, "projections", error);
  }
  if (status == SHT_OK) {
    for (uint32_t t = 0; t < options->tries; t++) {
      fill_direction(options->seed, t, p->dims, options->tries, candidates + t);
    }
    p->candidates = candidates;
    p->tries = options->tries;
    status = run_pass(p, pool, "directions", observer, error);
  }
  if (status == SHT_OK) {
    rank_all(options, pool, p->sample->count, p->x, result, lowest);
  }
  sht_free(p->x);
  sht_free(candidates);
  p->x = NULL;
  return status;
}

// ---- the chosen direction

static int compare_places(const void *a, const void *b) {
  const sht__place_on_line *p = a, *q = b;
  return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->point > q->point) - (p->point < q->point);
}

// With fp32 the projection is the exact one, rounded once: the best that fp32 can hold of it.
static sht_status keep(const pass *p, bool single, sht__projection *out, sht_error *error) {
  for (uint64_t i = 0; i < p->sample->count; i++) {
    if (!isfinite(sht__stored(p->x[i], single))) {
      return SHT_FAIL(error, SHT_DATA,
                      "the projection of point %" PRIu64 " (points count from 0) is too large for %s; scale the data",
                      i, single ? "fp32" : "fp64");
    }
    out->line[i] = (sht__place_on_line){sht__stored(p->x[i], single), i};
    out->rounding = fmax(out->rounding, fabs(p->x[i] - p->backwards[i]));
  }
  qsort(out->line, p->sample->count, sizeof *out->line, compare_places);
  return SHT_OK;
}

static sht_status project_chosen(pass *p, const sht_express_options *options, sht_pool *pool,
                                 const sht_theory_observer *observer, sht__projection *out, uint32_t chosen,
                                 sht_error *error) {
  const uint64_t n = p->sample->count;
  fill_direction(options->seed, chosen, p->dims, 1, out->direction);
  p->candidates = out->direction;
  p->tries = 1;
  p->offset = out->offset;
  sht_status status = SHT_ALLOC(&p->x, n, "projections", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&p->backwards, n, "projections", error);
  }
  if (status == SHT_OK) {
    status = run_pass(p, pool, "projections", observer, error);
  }
  if (status == SHT_OK) {
    status = keep(p, options->single, out, error);
  }
  sht_free(p->x);
  sht_free(p->backwards);
  return status;
}

sht_status sht__project(const sht_sample *sample, const sht_express_options *options, bool positive, sht_pool *pool,
                        const sht_theory_observer *observer, sht__projection *out, sht_express_result *result,
                        sht_error *error) {
  *out = (sht__projection){0};
  pass p = {.sample = sample, .dims = sht__sample_dims(sample)};
  double lowest = 0;
  sht_status status = SHT_ALLOC(&p.rows, (uint64_t)sht_pool_threads(pool) * ROWS * p.dims, "points", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&out->direction, p.dims, "direction", error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&out->line, sample->count, "projections", error);
  }
  if (status == SHT_OK) {
    status = look(&p, options, pool, observer, result, &lowest, error);
  }
  if (status == SHT_OK) {
    out->offset = positive ? floor(1 - lowest) : 0;
    status = project_chosen(&p, options, pool, observer, out, result->chosen, error);
  }
  sht_free(p.rows);
  return status;
}

void sht__projection_close(sht__projection *projection) {
  sht_free(projection->direction);
  sht_free(projection->line);
  *projection = (sht__projection){0};
}
