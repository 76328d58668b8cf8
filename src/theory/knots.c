// From projections to the units' knots and weights: the triangular system of Lemma 1, solved without forming it. See
// express.h.
//
// Between its knots the network is a line, so that one pass from left to right finds the weights: with the units before
// i as they are stored (rounded), c_i = S x_i - T, S = sum w_j, T = sum w_j b_j, and w_i = (y_i - c_i) / (x_i - b_i).
// S and T are kept to 106 bits. What rounding leaves of w_i is thus made good by w_(i+1): errors do not add up, and
// each point is missed by no more than half a unit in the last place of w_i (x_i - b_i).
#include <inttypes.h>
#include <math.h>

#include "base/memory.h"
#include "model/build.h"
#include "theory/express.h"
#include "theory/sample.h"

// ---- points that meet

typedef struct rows_of_two {
  const sht_sample *sample;
  double *first, *other;  // [d] each
  uint64_t dims;
} rows_of_two;

static bool same_point(const rows_of_two *rows, uint64_t other) {
  rows->sample->fill(rows->sample, other, 1, rows->other);
  for (uint64_t j = 0; j < rows->dims; j++) {
    if (rows->first[j] != rows->other[j]) {
      return false;
    }
  }
  return true;
}

static sht_status refuse_targets(const sht_sample *sample, uint64_t a, uint64_t b, sht_error *error) {
  return SHT_FAIL(
      error, SHT_DATA,
      "points %" PRIu64 " and %" PRIu64
      " are equal but have the targets %g and %g (points count from 0): no function has both; remove one of "
      "them or give them one target",
      a, b, sample->targets[a], sample->targets[b]);
}

static sht_status refuse_projections(uint64_t a, uint64_t b, uint32_t tries, sht_error *error) {
  return SHT_FAIL(
      error, SHT_DATA,
      "points %" PRIu64 " and %" PRIu64
      " differ (points count from 0), but their projections are one number in fp64 in each of %" PRIu32
      " directions: they are too near for their size. Centre the data, take another --seed, or more --tries",
      a, b, tries);
}

// Points first .. first+count-1 of the line have one projection.
static sht_status look_at_meeting(const rows_of_two *rows, const sht__place_on_line *line, uint64_t count, bool single,
                                  sht_express_result *result, sht_error *error) {
  const double *targets = rows->sample->targets;
  rows->sample->fill(rows->sample, line[0].point, 1, rows->first);
  for (uint64_t i = 1; i < count; i++) {
    const bool same = same_point(rows, line[i].point);
    if (same && targets[line[i].point] != targets[line[0].point]) {
      return refuse_targets(rows->sample, line[0].point, line[i].point, error);
    }
    if (!same && !single) {
      return refuse_projections(line[0].point, line[i].point, result->tries, error);
    }
    result->merged += same;
    result->indistinct += !same;
  }
  return SHT_OK;
}

static sht_status take_distinct(const rows_of_two *rows, const sht__place_on_line *line, bool single, sht__fit *out,
                                sht_express_result *result, sht_error *error) {
  const uint64_t n = rows->sample->count;
  for (uint64_t i = 0; i < n;) {
    uint64_t end = i + 1;
    while (end < n && line[end].x == line[i].x) {
      end++;
    }
    if (end - i > 1) {
      SHT_TRY(look_at_meeting(rows, line + i, end - i, single, result, error));
    }
    out->x[out->count] = line[i].x;
    out->y[out->count++] = rows->sample->targets[line[i].point];
    i = end;
  }
  return SHT_OK;
}

static sht_status allocate(const sht_sample *sample, sht__fit *out, rows_of_two *rows, sht_error *error) {
  const uint64_t n = sample->count;
  const uint64_t dims = sht__sample_dims(sample);
  SHT_TRY(SHT_ALLOC(&out->x, n, "projections", error));
  SHT_TRY(SHT_ALLOC(&out->y, n, "targets", error));
  SHT_TRY(SHT_ALLOC(&out->b, n, "knots", error));
  SHT_TRY(SHT_ALLOC(&out->w, n, "weights", error));
  SHT_TRY(SHT_ALLOC(&rows->first, dims, "a point", error));
  SHT_TRY(SHT_ALLOC(&rows->other, dims, "a point", error));
  rows->dims = dims;
  return SHT_OK;
}

static void lower_targets(sht__fit *fit) {
  fit->base = fit->y[0];
  for (uint64_t i = 1; i < fit->count; i++) {
    fit->base = fmin(fit->base, fit->y[i]);
  }
  for (uint64_t i = 0; i < fit->count; i++) {
    fit->y[i] -= fit->base;
  }
}

sht_status sht__fit_open(const sht_sample *sample, const sht__projection *projection,
                         const sht_express_options *options, sht__fit *out, sht_express_result *result,
                         sht_error *error) {
  *out = (sht__fit){.deep = options->depth > 2, .blocks = options->depth > 2 ? options->depth - 3 : 1};
  rows_of_two rows = {.sample = sample};
  sht_status status = allocate(sample, out, &rows, error);
  if (status == SHT_OK) {
    status = take_distinct(&rows, projection->line, options->single, out, result, error);
  }
  if (status == SHT_OK && out->blocks > out->count) {
    status = SHT_FAIL(error, SHT_CONFIG,
                      "depth %" PRIu32 " cuts the points into %" PRIu64 " intervals, but there are only %" PRIu64
                      " distinct points; use a depth of at most %" PRIu64,
                      options->depth, out->blocks, out->count, out->count + 3);
  }
  if (status == SHT_OK && out->count / out->blocks >= SHT__WIDTH_MAX) {
    status = SHT_FAIL(error, SHT_CONFIG,
                      "%" PRIu64 " distinct points in %" PRIu64
                      " layer(s): a layer has at most %d units; use a depth of "
                      "%" PRIu64 " or more",
                      out->count, out->blocks, SHT__WIDTH_MAX, out->count / SHT__WIDTH_MAX + 4);
  }
  if (status == SHT_OK && out->deep) {
    lower_targets(out);
  }
  sht_free(rows.first);
  sht_free(rows.other);
  return status;
}

void sht__fit_close(sht__fit *fit) {
  sht_free(fit->x);
  sht_free(fit->y);
  sht_free(fit->b);
  sht_free(fit->w);
  *fit = (sht__fit){0};
}

sht__units sht__fit_block(const sht__fit *fit, uint64_t i) {
  const uint64_t even = fit->count / fit->blocks;
  const uint64_t more = fit->count % fit->blocks;  // the first so many blocks have one unit more
  const uint64_t first = i * even + (i < more ? i : more);
  return (sht__units){
      .count = even + (i < more), .x = fit->x + first, .y = fit->y + first, .b = fit->b + first, .w = fit->w + first};
}

// ---- knots and weights

static double next_after(double value, bool single) {
  return single ? (double)nextafterf((float)value, INFINITY) : nextafter(value, INFINITY);
}

// Where the i-th unit begins: `fraction` of the way from the point before to its own; the very first stands a mean gap
// before its point.
static double place_knot(const sht__fit *fit, uint64_t i, double fraction, bool single) {
  if (i == 0) {
    double gap = fit->count > 1 ? (fit->x[fit->count - 1] - fit->x[0]) / (double)(fit->count - 1) : 1;
    double knot = sht__stored(fit->x[0] - gap, single);
    return knot < fit->x[0] ? knot : sht__stored(fit->x[0] - fabs(fit->x[0]) * 0x1p-20, single);
  }
  const double before = fit->x[i - 1];
  double knot = sht__stored(before + fraction * (fit->x[i] - before), single);
  knot = knot > before ? knot : next_after(before, single);
  return knot < fit->x[i] ? knot : before;
}

static void solve_block(sht__units *units, bool single) {
  sht__dd slope = {0, 0};   // S
  sht__dd moment = {0, 0};  // T
  for (uint64_t i = 0; i < units->count; i++) {
    const double x = units->x[i], b = units->b[i];
    sht__dd reached = sht__dd_scale(slope, x);
    reached = sht__dd_add(reached, (sht__dd){-moment.high, -moment.low});
    sht__dd missing = sht__dd_add((sht__dd){units->y[i], 0}, (sht__dd){-reached.high, -reached.low});
    const double w = sht__stored(sht__dd_value(missing) / (x - b), single);
    units->w[i] = w;
    slope = sht__dd_add(slope, (sht__dd){w, 0});
    moment = sht__dd_add(moment, sht__dd_product(w, b));
  }
}

void sht__fit_solve(sht__fit *fit, double fraction, bool single) {
  for (uint64_t i = 0; i < fit->count; i++) {
    fit->b[i] = place_knot(fit, i, fraction, single);
  }
  for (uint64_t i = 0; i < fit->blocks; i++) {
    sht__units units = sht__fit_block(fit, i);
    solve_block(&units, single);
  }
}

double sht__units_sum(const sht__units *units, double x) {
  double sum = 0;
  for (uint64_t j = 0; j < units->count && units->b[j] < x; j++) {
    sum += units->w[j] * (x - units->b[j]);
  }
  return sum;
}
