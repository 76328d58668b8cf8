// Getting a problem ready: see problem.h.
#include "kernel/problem.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "kernel/card.h"
#include "kernel/estimate.h"
#include "kernel/spread.h"

enum { DEGREE_MAX = 16, EXAMPLES_MAX = 1 << 24, OUTPUTS_MAX = 65536 };
static const double RIDGE_MAX = 1e38;  // fp32 holds it, and its sum with what K has on its diagonal

static sht_status check_examples(const sht_kernel_examples *e, const char *which, sht_error *error) {
  if (e->count == 0 || e->count > EXAMPLES_MAX) {
    return SHT_FAIL(error, SHT_CONFIG, "%" PRIu64 " %s examples; expected 1 to %d", e->count, which, EXAMPLES_MAX);
  }
  for (uint64_t i = 0; e->images == NULL && i < e->count * e->width; i++) {
    if (!isfinite(e->inputs[i])) {
      return SHT_FAIL(error, SHT_DATA, "%s inputs: value %" PRIu64 " of example %" PRIu64 " is not a finite number",
                      which, i % e->width, i / e->width);
    }
  }
  for (uint64_t i = 0; e->labels == NULL && i < e->count * e->outputs; i++) {
    if (!isfinite(e->targets[i])) {
      return SHT_FAIL(error, SHT_DATA, "%s targets: value %" PRIu64 " of example %" PRIu64 " is not a finite number",
                      which, i % e->outputs, i / e->outputs);
    }
  }
  for (uint64_t i = 0; e->labels != NULL && i < e->count; i++) {
    if (e->labels[i] >= e->outputs) {
      return SHT_FAIL(error, SHT_DATA, "%s example %" PRIu64 " has label %u; expected below %" PRIu64, which, i,
                      (unsigned)e->labels[i], e->outputs);
    }
  }
  return SHT_OK;
}

static sht_status check_pair(const sht_kernel_examples *train, const sht_kernel_examples *test, sht_error *error) {
  bool same = (train->images == NULL) == (test->images == NULL) && (train->labels == NULL) == (test->labels == NULL) &&
              train->outputs == test->outputs;
  if (same && train->images != NULL) {
    const sht_split *a = train->images, *b = test->images;
    same = a->height == b->height && a->width == b->width && a->channels == b->channels;
  } else if (same) {
    same = train->width == test->width;
  }
  return same ? SHT_OK
              : SHT_FAIL(error, SHT_CONFIG,
                         "training and test examples differ in kind, features or outputs; expected "
                         "the same of both");
}

static sht_status check_numbers(const sht_kernel_options *o, sht_error *error) {
  // What kernels divide by is its square.
  if (o->sigma_rule == SHT_SIGMA_GIVEN &&
      !(isfinite(1 / (o->sigma * o->sigma)) && o->sigma > 0 && isfinite(o->sigma))) {
    return SHT_FAIL(error, SHT_CONFIG, "sigma %g; expected a number above 0 whose square is not lost in rounding",
                    o->sigma);
  }
  if (o->kind == SHT_KERNEL_POLYNOMIAL && (o->degree < 1 || o->degree > DEGREE_MAX || !(o->offset >= 0))) {
    return SHT_FAIL(error, SHT_CONFIG, "degree %" PRIu32 ", offset %g; expected 1 to %d, and at least 0", o->degree,
                    o->offset, DEGREE_MAX);
  }
  if (o->ridge_count < 1 || o->ridge_count > SHT_KERNEL_RIDGES_MAX) {
    return SHT_FAIL(error, SHT_CONFIG, "%" PRIu32 " ridges; expected 1 to %d", o->ridge_count, SHT_KERNEL_RIDGES_MAX);
  }
  for (uint32_t r = 0; r < o->ridge_count; r++) {
    if (!(o->ridges[r] >= 0 && o->ridges[r] <= RIDGE_MAX)) {
      return SHT_FAIL(error, SHT_CONFIG, "ridge %g; expected a number from 0 to %g", o->ridges[r], RIDGE_MAX);
    }
  }
  if (!(o->tolerance > 0 && o->tolerance < 1) || o->iterations_max < 1) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "tolerance %g in %" PRIu32
                    " iterations; expected above 0 and below 1, in 1 or "
                    "more",
                    o->tolerance, o->iterations_max);
  }
  return SHT_OK;
}

// What cannot be had on a card or over ranks.
static sht_status check_device(const sht_kernel_examples *train, const sht_kernel_examples *test,
                               const sht_kernel_options *options, sht_error *error) {
  sht__feature_map map;
  SHT_TRY(sht__problem_describe(train, test, options, &map, error));
  SHT_TRY(sht__card_check_options(options, error));
  if (sht__problem_keeps_products(options, &map) && options->cluster != NULL) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "the %s kernel of features %s is made by one process; start one alone, or use --kernel linear",
                    sht_kernel_name(options->kind), options->features);
  }
  return SHT_OK;
}

sht_status sht__problem_check(const sht_kernel_examples *train, const sht_kernel_examples *test,
                              const sht_kernel_options *options, sht_error *error) {
  SHT_TRY(check_numbers(options, error));
  SHT_TRY(sht__spread_check_options(options, error));
  if (train->outputs < 1 || train->outputs > OUTPUTS_MAX) {
    return SHT_FAIL(error, SHT_CONFIG, "%" PRIu64 " outputs; expected 1 to %d", train->outputs, OUTPUTS_MAX);
  }
  SHT_TRY(check_examples(train, "training", error));
  if (test != NULL) {
    SHT_TRY(check_pair(train, test, error));
    SHT_TRY(check_examples(test, "test", error));
  }
  return check_device(train, test, options, error);
}

static bool are_made(const sht_kernel_options *options) {
  return options->features != NULL && strcmp(options->features, "none") != 0;
}

// Features that products of bytes can take. A card has its own way.
static bool are_levels(const sht_kernel_examples *train, const sht_kernel_examples *test,
                       const sht_kernel_options *options) {
  return !are_made(options) && !sht__card_is_asked(options) && sht__levels_are(train) &&
         (test == NULL || sht__levels_are(test));
}

sht_status sht__problem_describe(const sht_kernel_examples *train, const sht_kernel_examples *test,
                                 const sht_kernel_options *options, sht__feature_map *out, sht_error *error) {
  sht__feature_map shape = {.width = train->width, .block = train->width, .blocks = 1};
  *out = shape;
  if (train->images != NULL) {
    sht_status status = sht__features_describe(options->features, train->images, out, error);
    shape = *out;
    sht__features_close(out);
    SHT_TRY(status);
  } else if (are_made(options)) {
    return SHT_FAIL(error, SHT_CONFIG, "features %s are made from images; arrays are taken as they are",
                    options->features);
  }
  *out = (sht__feature_map){.width = shape.width,
                            .block = shape.block,
                            .blocks = shape.blocks,
                            .flops = shape.flops,
                            .mirror = shape.mirror,
                            .levels = are_levels(train, test, options),
                            .scratch = shape.scratch};
  return SHT_OK;
}

// For streamed features, in the folder for progress. What progress takes, and for the test examples what those of
// training take, stays free.
static sht_status open_file(const sht__problem *problem, sht__side *side, sht_error *error) {
  const sht__feature_map *map = &problem->gram.map;
  const uint64_t n = problem->train->count;
  uint64_t reserve = sht__estimate_folder(n, true, problem->options->ridge_count);
  reserve += side == &problem->test_side ? sht__feature_file_bytes(n, map) : 0;
  return sht__feature_file_open(problem->options->folder, side->n, map, reserve, &side->made, error);
}

static sht_status open_features_in_f32(const sht__gram *gram, const sht_kernel_examples *examples, sht__side *side,
                                       sht_error *error) {
  SHT_TRY(sht__panels_open(side->n, gram->map.width, &side->panels, error));
  if (examples->images != NULL) {
    return sht__spread_fill(gram, side, 0, &side->panels, error);
  }
  sht__panels_copy(&side->panels, examples->inputs);
  return SHT_OK;
}

static sht_status open_side(sht__problem *problem, const sht_kernel_examples *examples, sht__side *side,
                            sht_error *error) {
  const sht__gram *gram = &problem->gram;
  side->n = examples->count;
  side->split = examples->images;
  if (gram->streamed) {
    return problem->options->folder != NULL ? open_file(problem, side, error) : SHT_OK;
  }
  if (sht__problem_keeps_products(problem->options, &gram->map)) {
    return SHT_OK;
  }
  SHT_TRY(gram->map.levels ? sht__levels_open(examples, &side->panels, error)
                           : open_features_in_f32(gram, examples, side, error));
  return sht__side_measure(side, gram->pool, error);
}

// One-hot columns and one of ones; or the targets, their mean taken out when they are centred.
static void set_targets(sht__problem *problem) {
  const sht_kernel_examples *train = problem->train;
  const uint64_t n = train->count, m = problem->outputs;
  for (uint64_t i = 0; i < n; i++) {
    for (uint64_t k = 0; k < m; k++) {
      bool classes = train->labels != NULL;
      double value = classes ? train->labels[i] == k : train->targets[i * m + k];
      problem->y[k * n + i] = value;
      problem->mean[k] += problem->options->centre ? value / (double)n : 0;
    }
    if (train->labels != NULL) {
      problem->y[m * n + i] = 1;
    }
  }
  for (uint64_t k = 0; k < m && train->labels == NULL; k++) {
    for (uint64_t i = 0; i < n; i++) {
      problem->y[k * n + i] -= problem->mean[k];
    }
  }
}

// The map, and the features of both sides where they are stored.
static sht_status open_features(sht__problem *problem, sht_error *error) {
  const sht_kernel_examples *train = problem->train, *test = problem->test;
  const sht_kernel_options *options = problem->options;
  sht__gram *gram = &problem->gram;
  SHT_TRY(train->images != NULL ? sht__features_open(options->features, train->images, options->seed, &gram->map, error)
                                : sht__problem_describe(train, test, options, &gram->map, error));
  gram->map.levels = train->images != NULL ? are_levels(train, test, options) : gram->map.levels;
  gram->streamed = gram->map.blocks > 1 && options->kind == SHT_KERNEL_LINEAR;
  SHT_TRY(sht__spread_check_problem(problem, error));
  SHT_TRY(open_side(problem, train, &gram->train, error));
  return test != NULL ? open_side(problem, test, &problem->test_side, error) : SHT_OK;
}

sht_status sht__problem_open(const sht_kernel_examples *train, const sht_kernel_examples *test,
                             const sht_kernel_options *options, sht__problem *out, sht_error *error) {
  *out = (sht__problem){.train = train, .test = test, .options = options, .outputs = train->outputs};
  SHT_TRY(sht__problem_check(train, test, options, error));
  out->work = options->work != NULL ? *options->work : (sht_work){0};
  out->columns = out->outputs + (train->labels != NULL ? 1 : 0);
  sht__gram *gram = &out->gram;
  *gram = (sht__gram){
      .pool = options->pool, .cluster = options->cluster, .work = &out->work, .kernels = sht__block_choose()};
  gram->function = (sht__kernel_function){
      .kind = options->kind, .sigma = options->sigma, .offset = options->offset, .degree = options->degree};
  SHT_TRY(open_features(out, error));
  SHT_TRY(SHT_ALLOC(&out->y, out->columns * train->count, "targets", error));
  SHT_TRY(SHT_ALLOC(&out->mean, out->outputs, "means of targets", error));
  set_targets(out);
  return SHT_OK;
}

void sht__problem_close(sht__problem *problem) {
  sht__features_close(&problem->gram.map);
  sht__side_close(&problem->gram.train);
  sht__side_close(&problem->test_side);
  sht__tiles_close(&problem->products);
  sht_free(problem->y);
  sht_free(problem->mean);
}
