// The median heuristic and the search by leave-one-out error: see sigma.h.
#include "kernel/sigma.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "dense/conjugate.h"
#include "kernel/factorize.h"
#include "kernel/measure.h"
#include "kernel/products.h"

enum { CENTRE_STEP = SHT_KERNEL_SEARCH_STEPS / 2, NEIGHBOURS = 8 };

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The first `count` examples of a seeded order. order: [n].
static sht_status draw_order(uint64_t seed, uint64_t n, uint32_t *order, sht_error *error) {
  uint64_t *scratch = NULL;
  SHT_TRY(SHT_ALLOC(&scratch, 2 * n, "an order of examples", error));
  sht_rng_permutation(sht_rng_make(seed, SHT_PURPOSE_SUBSET), 2, 0, (uint32_t)n, order, scratch);
  sht_free(scratch);
  return SHT_OK;
}

static double squared_distance(const sht__panels *panels, uint64_t a, uint64_t b) {
  double sum = 0;
  for (uint64_t f = 0; f < panels->width; f++) {
    double off = sht__panels_value(panels, a, f) - sht__panels_value(panels, b, f);
    sum += off * off;
  }
  return sum;
}

// Of the first `used` examples of the order and those up to eight places on; squares: [8 used]; *count: how many.
static sht_status list_squares(const sht__problem *problem, const uint32_t *order, uint64_t used, double *squares,
                               uint64_t *count, sht_error *error) {
  const sht__side *side = &problem->gram.train;
  const bool kept = side->products != NULL;
  sht__tiles products = {.n = 0};
  sht_status status = kept ? sht__products_select(&problem->gram, order, used, &products, error) : SHT_OK;
  for (uint64_t step = 1; status == SHT_OK && step <= NEIGHBOURS && step < used; step++) {
    for (uint64_t i = 0; i + step < used; i++) {
      squares[(*count)++] = kept ? sht__products_distance(&products, i, i + step)
                                 : squared_distance(&side->panels, order[i], order[i + step]);
    }
  }
  sht__tiles_close(&products);
  return status;
}

// Median squared distance of consecutive pairs of the order, both ways round: as many pairs as examples.
static sht_status median_square(const sht__problem *problem, double *out, sht_error *error) {
  const uint64_t n = problem->gram.train.n, used = n < SHT__MEDIAN_EXAMPLES ? n : SHT__MEDIAN_EXAMPLES;
  uint32_t *order = NULL;
  double *squares = NULL;
  uint64_t count = 0;
  sht_status status = SHT_ALLOC(&order, n, "an order of examples", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&squares, used * NEIGHBOURS, "distances", error);
  }
  if (status == SHT_OK) {
    status = draw_order(problem->options->seed, n, order, error);
  }
  if (status == SHT_OK) {
    status = list_squares(problem, order, used, squares, &count, error);
  }
  if (status == SHT_OK && count > 0) {
    qsort(squares, count, sizeof *squares, compare);
  }
  *out = count > 0 ? squares[count / 2] : 0;
  sht_free(squares);
  sht_free(order);
  return status;
}

// Features of some of the examples, or their inner products, out of what is there already.
static sht_status open_part_side(const sht__problem *whole, const uint32_t *order, uint64_t count, sht__problem *part,
                                 sht_error *error) {
  const sht__side *from = &whole->gram.train;
  sht__side *side = &part->gram.train;
  *side = (sht__side){.n = count};
  if (from->products == NULL) {
    SHT_TRY(sht__panels_select(&from->panels, order, count, &side->panels, error));
    return sht__side_measure(side, part->gram.pool, error);
  }
  SHT_TRY(sht__products_select(&whole->gram, order, count, &part->products, error));
  side->products = &part->products;
  return sht__side_measure_tiles(side, &part->products, error);
}

// A problem of some of the examples.
static sht_status open_part(const sht__problem *whole, const uint32_t *order, uint64_t count, sht__problem *part,
                            sht_error *error) {
  const uint64_t n = whole->train->count;
  *part = (sht__problem){.train = whole->train, .options = whole->options, .work = whole->work};
  part->outputs = whole->outputs;
  part->columns = whole->columns;
  part->gram = whole->gram;
  part->gram.cluster = NULL;  // small: every rank solves it by itself,
  part->gram.card = NULL;     // and the processor what a card has
  part->gram.map = (sht__feature_map){.width = whole->gram.map.width, .blocks = 1, .levels = whole->gram.map.levels};
  part->gram.work = &part->work;
  SHT_TRY(open_part_side(whole, order, count, part, error));
  SHT_TRY(SHT_ALLOC(&part->y, part->columns * count, "targets", error));
  SHT_TRY(SHT_ALLOC(&part->mean, part->outputs, "means of targets", error));
  for (uint64_t i = 0; i < count; i++) {
    for (uint64_t c = 0; c < part->columns; c++) {
      part->y[c * count + i] = whole->y[c * n + order[i]];
    }
  }
  for (uint64_t k = 0; k < part->outputs; k++) {
    part->mean[k] = whole->mean[k];
  }
  return SHT_OK;
}

typedef struct search {
  sht__problem part;
  sht_kernel_examples examples;  // of the part: labels, or targets
  uint16_t *labels;              // [count]
  double *targets;               // [count][m]
  sht__tiles tiles;
  double *x, *left, *a, *out, *inverse;  // [columns][count], ..., [m][count], [m][count], [count]
} search;

// What the examples of the part are to be.
static void take_wanted(const sht__problem *problem, const uint32_t *order, uint64_t count, search *s) {
  const sht_kernel_examples *train = problem->train;
  const uint64_t m = problem->outputs;
  for (uint64_t i = 0; i < count; i++) {
    s->labels[i] = train->labels != NULL ? train->labels[order[i]] : 0;
    for (uint64_t k = 0; train->labels == NULL && k < m; k++) {
      s->targets[i * m + k] = train->targets[order[i] * m + k];
    }
  }
  s->examples = (sht_kernel_examples){.count = count, .outputs = m, .targets = s->targets};
  s->examples.labels = train->labels != NULL ? s->labels : NULL;
  s->part.train = &s->examples;
}

static sht_status open_search(const sht__problem *problem, const uint32_t *order, uint64_t count, search *s,
                              sht_error *error) {
  const uint64_t m = problem->outputs;
  SHT_TRY(open_part(problem, order, count, &s->part, error));
  SHT_TRY(sht__tiles_open(count, &s->tiles, error));
  SHT_TRY(SHT_ALLOC(&s->labels, count, "labels", error));
  SHT_TRY(SHT_ALLOC(&s->targets, problem->train->labels == NULL ? count * m : 1, "targets", error));
  SHT_TRY(SHT_ALLOC(&s->x, s->part.columns * count, "solutions", error));
  SHT_TRY(SHT_ALLOC(&s->left, s->part.columns * count, "residuals", error));
  SHT_TRY(SHT_ALLOC(&s->a, m * count, "coefficients", error));
  SHT_TRY(SHT_ALLOC(&s->out, m * count, "outputs", error));
  SHT_TRY(SHT_ALLOC(&s->inverse, count, "the inverse's diagonal", error));
  take_wanted(problem, order, count, s);
  return SHT_OK;
}

static void close_search(search *s) {
  void *const blocks[] = {s->labels, s->targets, s->x, s->left, s->a, s->out, s->inverse};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    sht_free(blocks[i]);
  }
  sht__tiles_close(&s->tiles);
  sht__problem_close(&s->part);
}

static sht_status left_out(search *s, const sht__triangle *triangle, sht_kernel_trial *trial, sht_error *error) {
  sht__system system = {.n = s->part.train->count,
                        .columns = s->part.columns,
                        .multiply = sht__gram_multiply,
                        .context = &s->part.gram,
                        .preconditioner = triangle,
                        .tolerance = 1e-6,
                        .iterations_max = s->part.options->iterations_max};
  sht__convergence found;
  SHT_TRY(sht__conjugate_solve(&system, s->part.y, s->x, s->left, &found, error));
  SHT_TRY(sht__triangle_inverse_diagonal(triangle, &s->part.work, s->inverse, error));
  sht__measure_coefficients(&s->part, s->x, s->a);
  sht__measure_left_out(&s->part, s->a, s->inverse, s->out);
  if (found.converged) {
    trial->loo_error = sht__measure_error(&s->examples, NULL, s->out);
    trial->loo_squared = sht__measure_squared(&s->part, s->out);
  }
  return SHT_OK;
}

// One width; a matrix that needs jitter, or nearly so, has no leave-one-out error to be trusted and drops out.
static sht_status try_sigma(search *s, double sigma, sht_kernel_trial *trial, sht_error *error) {
  *trial = (sht_kernel_trial){.sigma = sigma, .loo_error = (double)NAN, .loo_squared = (double)NAN};
  s->part.gram.function.sigma = sigma;
  sht__factor_report report;
  SHT_TRY(sht__factorize(&s->part.gram, NULL, NULL, 0, &s->tiles, &report, error));
  if (report.jitter > 0 || !sht__pivots_are_sound(s->tiles.n, report.smallest_pivot)) {
    return SHT_OK;
  }
  sht__triangle triangle;
  sht_status status = sht__triangle_open(&s->tiles, s->part.gram.pool, &triangle, error);
  if (status == SHT_OK) {
    status = left_out(s, &triangle, trial, error);
  }
  sht__triangle_close(&triangle);
  return status;
}

static bool is_better(const sht_kernel_trial *a, const sht_kernel_trial *b) {
  if (isnan(a->loo_error) || isnan(b->loo_error)) {
    return !isnan(a->loo_error);
  }
  return a->loo_error < b->loo_error || (a->loo_error == b->loo_error && a->loo_squared < b->loo_squared);
}

static sht_status run_search(sht__problem *problem, search *s, double median, sht_kernel_result *result,
                             sht_error *error) {
  uint32_t best = 0;
  for (uint32_t t = 0; t < SHT_KERNEL_SEARCH_STEPS; t++) {
    double factor = pow(2, ((double)t - CENTRE_STEP) / 2);
    SHT_TRY(try_sigma(s, median * factor, &result->trials[t], error));
    result->trial_count = t + 1;
    best = is_better(&result->trials[t], &result->trials[best]) ? t : best;
  }
  if (isnan(result->trials[best].loo_error)) {
    return SHT_FAIL(error, SHT_CONFIG, "no sigma of the search gives a matrix that fp32 can factor; give --sigma");
  }
  problem->gram.function.sigma = result->trials[best].sigma;
  return SHT_OK;
}

static sht_status search_sigma(sht__problem *problem, double median, sht_kernel_result *result, sht_error *error) {
  const uint64_t n = problem->train->count, wanted = problem->options->search_examples;
  const uint64_t count = wanted > 0 && wanted < n ? wanted : n;
  uint32_t *order = NULL;
  search s = {0};
  SHT_TRY(SHT_ALLOC(&order, n, "an order of examples", error));
  sht_status status = draw_order(problem->options->seed, n, order, error);
  if (status == SHT_OK) {
    status = open_search(problem, order, count, &s, error);
  }
  if (status == SHT_OK) {
    s.part.gram.ridge = problem->options->ridges[0];
    status = run_search(problem, &s, median, result, error);
  }
  close_search(&s);
  sht_free(order);
  return status;
}

sht_status sht__sigma_choose(sht__problem *problem, sht_kernel_result *result, sht_error *error) {
  const sht_kernel_options *options = problem->options;
  if (options->kind == SHT_KERNEL_LINEAR) {
    problem->gram.function.sigma = 1;
    return SHT_OK;
  }
  if (options->sigma_rule == SHT_SIGMA_GIVEN) {
    return SHT_OK;
  }
  double square = 0;
  SHT_TRY(median_square(problem, &square, error));
  if (!(square > 0)) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "the median distance between training examples is 0: nothing to set sigma by; "
                    "give --sigma");
  }
  problem->gram.function.sigma = sqrt(square / 2);
  if (options->sigma_rule == SHT_SIGMA_SEARCH) {
    return search_sigma(problem, sqrt(square / 2), result, error);
  }
  return SHT_OK;
}
