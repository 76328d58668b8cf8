// Solving a kernel problem from end to end: see shatter/kernel.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "cluster/cluster.h"
#include "dense/conjugate.h"
#include "dense/lanczos.h"
#include "dense/vector.h"
#include "kernel/card.h"
#include "kernel/estimate.h"
#include "kernel/factorize.h"
#include "kernel/identity.h"
#include "kernel/measure.h"
#include "kernel/problem.h"
#include "kernel/products.h"
#include "kernel/sigma.h"

// Seconds between two remarks on the residual.
static const double NOTE_SECONDS = 20;
enum { NOTE_BYTES = 128 };

// What one ridge's solution is made with.
typedef struct solver {
  sht__problem *problem;
  sht__tiles *tiles;
  sht__triangle triangle;
  sht__saved *saved;  // NULL: nothing is saved
  sht__kept_products *kept;
  sht_kernel_solution *out;
  double *x, *left;  // [columns][n]
  double *a;         // [m][n]
  double *outputs;   // [m][n]
  bool ones_solved;  // the column of ones, from which other codings follow, converged
  double told_at;    // when the residual was last told
} solver;

void sht_kernel_options_default(sht_kernel_options *options) {
  *options = (sht_kernel_options){
      .kind = SHT_KERNEL_GAUSSIAN,
      .sigma_rule = SHT_SIGMA_MEDIAN,
      .offset = 1,
      .degree = 3,
      .ridge_count = 1,
      .spectrum_steps = 16,
      .tolerance = 1e-10,
      .iterations_max = 100,
      .search_examples = 4000,
      .seed = 1,
      .checkpoint_seconds = 60,
  };
}

static void add_phase(sht_kernel_solution *solution, const char *name, double seconds, double flops) {
  sht_kernel_phase *phase = &solution->phases[solution->phase_count++];
  (void)snprintf(phase->name, sizeof phase->name, "%s", name);
  phase->seconds = seconds;
  phase->gflops = seconds > 0 ? flops / seconds * 1e-9 : 0;
  phase->peak_bytes = sht__peak_memory();
}

static sht_status open_solver(sht__problem *problem, sht__tiles *tiles, sht_kernel_solution *out, solver *s,
                              sht_error *error) {
  const uint64_t n = problem->train->count, m = problem->outputs;
  *s = (solver){.problem = problem, .tiles = tiles, .out = out};
  SHT_TRY(SHT_ALLOC(&s->x, problem->columns * n, "solutions", error));
  SHT_TRY(SHT_ALLOC(&s->left, problem->columns * n, "residuals", error));
  SHT_TRY(SHT_ALLOC(&s->a, m * n, "coefficients", error));
  SHT_TRY(SHT_ALLOC(&s->outputs, m * n, "outputs", error));
  SHT_TRY(SHT_ALLOC(&out->coefficients, m * n, "coefficients", error));
  SHT_TRY(SHT_ALLOC(&out->norms.outputs, m, "norms", error));
  uint64_t test = problem->test != NULL ? problem->test->count : 0;
  SHT_TRY(SHT_ALLOC(&out->predictions, m * test, "predictions", error));
  SHT_TRY(sht__triangle_open(tiles, problem->gram.pool, &s->triangle, error));
  s->triangle.far = sht__card_factor(problem->gram.card);
  return SHT_OK;
}

static void close_solver(solver *s) {
  void *const blocks[] = {s->x, s->left, s->a, s->outputs};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    sht_free(blocks[i]);
  }
  sht__triangle_close(&s->triangle);
}

static sht_status factorize(solver *s, sht_error *error) {
  sht__problem *problem = s->problem;
  sht__factor_report report;
  SHT_TRY(sht__factorize(&problem->gram, s->saved, s->kept, problem->options->checkpoint_seconds, s->tiles, &report,
                         error));
  s->out->jitter = report.jitter;
  s->out->smallest_pivot = report.smallest_pivot;
  add_phase(s->out, "gram", report.gram_seconds, report.gram_flops);
  add_phase(s->out, "factorisation", report.factor_seconds, report.factored_flops);
  return SHT_OK;
}

// [m][n] into [n][m].
static void turn(const double *from, uint64_t m, uint64_t n, double *to) {
  for (uint64_t k = 0; k < m; k++) {
    for (uint64_t i = 0; i < n; i++) {
      to[i * m + k] = from[k * n + i];
    }
  }
}

// |residual| / |y| of a right-hand side, and whether it is small.
static double judge_column(const solver *s, uint64_t c, double norm, bool *small) {
  const uint64_t n = s->problem->train->count;
  const double *rest = s->left + c * n, *y = s->problem->y + c * n, *x = s->x + c * n;
  double left = sqrt(sht__dot(rest, rest, n)), size = sqrt(sht__dot(y, y, n)), length = sqrt(sht__dot(x, x, n));
  *small = left <= sht__residual_target(s->problem->options->tolerance, size, n, norm, length);
  return size > 0 ? left / size : 0;
}

// The largest |residual| / |y| of the outputs that were asked for, and whether each is small: not that of the column of
// ones, when nothing needs it.
static void judge(solver *s, double norm) {
  const uint64_t needed = s->problem->options->centre ? s->problem->columns : s->problem->outputs;
  bool small = false;
  s->out->converged = true;
  for (uint64_t c = 0; c < needed; c++) {
    double share = judge_column(s, c, norm, &small);
    s->out->converged = s->out->converged && small;
    s->out->residual = share > s->out->residual || isnan(share) ? share : s->out->residual;
  }
  (void)judge_column(s, s->problem->columns - 1, norm, &s->ones_solved);
}

// Whether K itself has fewer dimensions than there are examples: then only targets that are a linear function of the
// features have a solution, whatever is done.
static bool is_narrow(const sht__problem *problem) {
  return problem->gram.function.kind == SHT_KERNEL_LINEAR && problem->gram.ridge == 0 &&
         problem->gram.map.width < problem->train->count;
}

// Why a system was not solved, and what helps.
static const char *reason_of(const sht__problem *problem, bool exhausted) {
  if (is_narrow(problem)) {
    return "there are more examples than features, on which a linear kernel fits no targets but linear functions of "
           "the features, and more products (--iterations) help with those alone. A ridge above 0 makes the system "
           "solvable; so do more features or another kernel";
  }
  if (exhausted) {
    return problem->gram.ridge > 0 ? "the products allowed ran out: more of them (--iterations) or a larger ridge help"
                                   : "the matrix is singular or ill-conditioned, and the products allowed ran out: "
                                     "more of them (--iterations) may do, a ridge above 0 does";
  }
  return problem->gram.ridge > 0
             ? "the matrix is singular to the precision of double, and steps gain nothing any more. A larger ridge "
               "makes the system solvable"
             : "the matrix is singular to the precision of double, and steps gain nothing any more. A ridge above 0 "
               "makes the system solvable";
}

static void remark_on_convergence(const solver *s, bool exhausted) {
  sht_kernel_solution *out = s->out;
  if (!out->converged) {
    (void)snprintf(out->remark, sizeof out->remark,
                   "Not solved: a residual of %.2g is left after %" PRIu32
                   " products with K, the smallest that was met (%" PRIu64 " examples of %" PRIu64 " features): %s.",
                   out->residual, out->iterations, s->problem->train->count, s->problem->gram.map.width,
                   reason_of(s->problem, exhausted));
  }
}

static sht_status multiply(void *context, const double *v, double *out, uint64_t columns, sht_error *error) {
  solver *s = context;
  return sht__gram_multiply(&s->problem->gram, v, out, columns, error);
}

// Long refinements tell how far they are: how many products there will be cannot be known.
static void tell_residual(void *context, uint32_t products, double residual) {
  solver *s = context;
  const sht_work *work = &s->problem->work;
  const double now = sht__work_clock();
  char sentence[NOTE_BYTES];
  if (work->noted == NULL || now - s->told_at < NOTE_SECONDS) {
    return;
  }
  s->told_at = now;
  (void)snprintf(sentence, sizeof sentence, "after %u products with K a residual of %.1e is left, of %.1e asked for",
                 products, residual, s->problem->options->tolerance);
  work->noted(work->context, sentence);
}

static sht_status refine(solver *s, sht_error *error) {
  sht__problem *problem = s->problem;
  const double start = sht__work_clock();
  sht__system system = {.n = problem->train->count,
                        .columns = problem->columns,
                        .multiply = multiply,
                        .told = tell_residual,
                        .context = s,
                        .preconditioner = &s->triangle,
                        .tolerance = problem->options->tolerance,
                        .iterations_max = problem->options->iterations_max};
  s->told_at = start;
  sht__convergence found;
  SHT_TRY(sht__conjugate_solve(&system, problem->y, s->x, s->left, &found, error));
  s->out->iterations = found.iterations;
  s->out->solves = found.solves;
  s->out->solve_seconds = found.solve_seconds;
  judge(s, found.norm);
  remark_on_convergence(s, found.exhausted);
  sht__measure_coefficients(problem, s->x, s->a);
  turn(s->a, problem->outputs, problem->train->count, s->out->coefficients);
  sht__measure_fit(problem, s->a, s->left, s->outputs);
  s->out->train_error = sht__measure_error(problem->train, NULL, s->outputs);
  add_phase(s->out, "solution", sht__work_clock() - start, 0);
  return sht__measure_norms(problem, s->x, s->left, s->a, s->ones_solved, &s->out->norms, error);
}

static sht_status predict(solver *s, sht_error *error) {
  sht__problem *problem = s->problem;
  const sht_kernel_examples *test = problem->test;
  s->out->test_error = s->out->other_test_error = (double)NAN;
  if (test == NULL) {
    return SHT_OK;
  }
  const double start = sht__work_clock();
  const uint64_t m = problem->outputs;
  double *outputs = NULL;
  SHT_TRY(SHT_ALLOC(&outputs, m * test->count, "predictions", error));
  sht_status status = sht__gram_predict(&problem->gram, &problem->test_side, s->a, outputs, m, error);
  for (uint64_t k = 0; k < m; k++) {
    for (uint64_t i = 0; i < test->count; i++) {
      outputs[k * test->count + i] += problem->mean[k];
    }
  }
  if (status == SHT_OK) {
    s->out->test_error = sht__measure_error(test, NULL, outputs);
    if (test->other_labels != NULL) {
      s->out->other_test_error = sht__measure_error(test, test->other_labels, outputs);
    }
    turn(outputs, m, test->count, s->out->predictions);
  }
  sht_free(outputs);
  add_phase(s->out, "prediction", sht__work_clock() - start, 0);
  return status;
}

static void add_remark(sht_kernel_solution *out, const char *sentence) {
  size_t used = strlen(out->remark);
  (void)snprintf(out->remark + used, sizeof out->remark - used, "%s%s", used > 0 ? " " : "", sentence);
}

static sht_status leave_one_out(solver *s, sht_error *error) {
  sht__problem *problem = s->problem;
  s->out->loo_error = (double)NAN;
  if (!problem->options->leave_one_out) {
    return SHT_OK;
  }
  if (!s->out->converged) {
    add_remark(s->out, "No leave-one-out error: it needs a solution.");
    return SHT_OK;
  }
  if (s->out->jitter > 0) {
    add_remark(s->out, "No leave-one-out error: it needs a factor of the matrix itself, and this one has jitter.");
    return SHT_OK;
  }
  if (!sht__pivots_are_sound(s->problem->train->count, s->out->smallest_pivot)) {
    add_remark(
        s->out,
        "No leave-one-out error: the factor's smallest pivot is too near to the rounding of fp32 for the inverse's "
        "diagonal to be trusted.");
    return SHT_OK;
  }
  const double start = sht__work_clock();
  double *inverse = NULL;
  SHT_TRY(SHT_ALLOC(&inverse, problem->train->count, "the inverse's diagonal", error));
  sht_status status = sht__triangle_inverse_diagonal(&s->triangle, &problem->work, inverse, error);
  if (status == SHT_OK) {
    sht__measure_left_out(problem, s->a, inverse, s->outputs);
    s->out->loo_error = sht__measure_error(problem->train, NULL, s->outputs);
    add_phase(s->out, "leave-one-out", sht__work_clock() - start, sht__cholesky_flops(problem->train->count));
  }
  sht_free(inverse);
  return status;
}

static sht_status estimate_spectrum(solver *s, sht_error *error) {
  const sht_kernel_options *options = s->problem->options;
  s->out->largest_eigenvalue = s->out->smallest_eigenvalue = s->out->eigenvalue_bound = (double)NAN;
  if (options->spectrum_steps == 0) {
    return SHT_OK;
  }
  const double start = sht__work_clock();
  sht__spectrum ends;
  SHT_TRY(sht__lanczos_ends(&s->triangle, options->spectrum_steps, options->seed, &s->problem->work, &ends, error));
  s->out->largest_eigenvalue = ends.largest - s->out->jitter;
  s->out->eigenvalue_bound = sqrt((double)s->problem->train->count) * ldexp(s->out->largest_eigenvalue, -24);
  if (s->out->jitter == 0 && ends.smallest > s->out->eigenvalue_bound) {
    s->out->smallest_eigenvalue = ends.smallest;
  }
  add_phase(s->out, "spectrum", sht__work_clock() - start, 0);
  return SHT_OK;
}

static sht_status run_steps(solver *s, sht_error *error) {
  SHT_TRY(factorize(s, error));
  SHT_TRY(refine(s, error));
  SHT_TRY(predict(s, error));
  SHT_TRY(leave_one_out(s, error));
  return estimate_spectrum(s, error);
}

static sht_status open_saved(const sht__problem *problem, uint64_t tile_rows, uint32_t ridge, sht__saved *saved,
                             sht_error *error) {
  char identity[65], folder[4096];
  const sht_kernel_options *options = problem->options;
  SHT_TRY(sht__problem_identity(problem, identity, error));
  (void)snprintf(folder, sizeof folder, "%s", options->folder);
  if (options->ridge_count > 1) {  // a folder for each, so that a path does not overwrite its own progress
    (void)snprintf(folder, sizeof folder, "%s/ridge-%" PRIu32, options->folder, ridge + 1);
  }
  bool products = problem->gram.streamed && options->ridge_count == 1;  // those of a path lie in its own folder
  uint64_t need = sht__estimate_folder(problem->train->count, products, options->ridge_count - ridge);
  return sht__saved_open(folder, identity, tile_rows, need, saved, error);
}

static sht_status solve_ridge(sht__problem *problem, sht__tiles *tiles, sht__kept_products *kept, uint32_t ridge,
                              sht_kernel_solution *out, sht_error *error) {
  solver s;
  sht__saved saved = {0};
  problem->gram.ridge = out->ridge = problem->options->ridges[ridge];
  out->sigma = problem->gram.function.kind == SHT_KERNEL_LINEAR ? (double)NAN : problem->gram.function.sigma;
  sht_status status = open_solver(problem, tiles, out, &s, error);
  if (status == SHT_OK && problem->options->folder != NULL) {
    status = open_saved(problem, tiles->count, ridge, &saved, error);
    s.saved = &saved;
    kept->saved = problem->options->ridge_count == 1 ? s.saved : kept->saved;
  }
  s.kept = kept;
  if (status == SHT_OK && ridge == 0 && problem->products_seconds > 0) {
    add_phase(out, "inner products", problem->products_seconds, problem->products_flops);
  }
  if (status == SHT_OK) {
    status = run_steps(&s, error);
  }
  sht__saved_close(&saved);
  close_solver(&s);
  return status;
}

// The matrix's place: the memory of this process and its ranks, or a card.
static sht_status open_matrix(const sht__problem *problem, sht__tiles *tiles, sht_error *error) {
  *tiles = sht__tiles_elsewhere(problem->train->count);
  return problem->gram.card != NULL
             ? SHT_OK
             : sht__tiles_open_spread(problem->train->count, problem->gram.cluster, tiles, error);
}

static sht_status solve_all(sht__problem *problem, sht_kernel_result *result, sht_error *error) {
  sht__tiles tiles;
  sht__kept_products kept = {0};
  sht_status status = open_matrix(problem, &tiles, error);
  if (status == SHT_OK) {
    status = sht__kept_open(problem, &tiles, &kept, error);
  }
  for (uint32_t r = 0; status == SHT_OK && r < problem->options->ridge_count; r++) {
    result->solution_count = r + 1;
    if (problem->options->ridges[r] == 0) {
      status = sht__problem_check_duplicates(problem->train, error);
    }
    if (status == SHT_OK) {
      status = solve_ridge(problem, &tiles, &kept, r, &result->solutions[r], error);
    }
  }
  sht__kept_close(&kept);
  sht__tiles_close(&tiles);
  return status;
}

// The card that is asked for, the inner products that are kept, the kernel's width.
static sht_status prepare(sht__problem *problem, sht__card *card, sht_kernel_result *result, sht_error *error) {
  if (sht__card_is_asked(problem->options)) {
    SHT_TRY(sht__card_open(problem, card, error));
    problem->gram.card = card;
  }
  if (sht__problem_keeps_products(problem->options, &problem->gram.map)) {
    SHT_TRY(sht__products_open(problem, error));
  }
  return sht__sigma_choose(problem, result, error);
}

static sht_status run(const sht_kernel_examples *train, const sht_kernel_examples *test,
                      const sht_kernel_options *options, sht_kernel_result *result, sht_error *error) {
  const double start = sht__work_clock();
  sht_kernel_card device = {.name = ""};
  sht__card card = {0};
  sht__problem problem;
  SHT_TRY(sht__problem_check(train, test, options, error));
  if (sht__card_is_asked(options)) {
    SHT_TRY(sht_kernel_find_card(&device, error));
  }
  SHT_TRY(sht__estimate_check_memory(train, test, options, &device, error));
  SHT_TRY(SHT_ALLOC(&result->solutions, options->ridge_count, "solutions", error));
  sht_status status = sht__problem_open(train, test, options, &problem, error);
  result->feature_seconds = sht__work_clock() - start;
  if (status == SHT_OK) {
    status = prepare(&problem, &card, result, error);
  }
  if (status == SHT_OK) {
    status = solve_all(&problem, result, error);
  }
  result->examples = train->count;
  result->test_examples = test != NULL ? test->count : 0;
  result->outputs = train->outputs;
  result->features = problem.gram.map.width;
  (void)snprintf(result->arithmetic, sizeof result->arithmetic, "%.31s",
                 device.name[0] != '\0' ? device.name : sht__block_choose()->name);
  sht__card_close(&card);
  sht__problem_close(&problem);
  result->seconds = sht__work_clock() - start;
  result->cluster = sht_cluster_describe(options->cluster);
  result->peak_bytes = status == SHT_OK ? sht__cluster_largest(options->cluster, sht__peak_memory()) : 0;
  return status;
}

sht_status sht_kernel_solve(const sht_kernel_examples *train, const sht_kernel_examples *test,
                            const sht_kernel_options *options, sht_kernel_result **out, sht_error *error) {
  *out = NULL;
  sht_kernel_result *result = NULL;
  SHT_TRY(SHT_ALLOC(&result, 1, "a result", error));
  sht_status status = run(train, test, options, result, error);
  if (status != SHT_OK) {
    sht_kernel_result_close(result);
    return status;
  }
  *out = result;
  return SHT_OK;
}

void sht_kernel_result_close(sht_kernel_result *result) {
  if (result == NULL) {
    return;
  }
  for (uint32_t r = 0; r < result->solution_count; r++) {
    sht_free(result->solutions[r].norms.outputs);
    sht_free(result->solutions[r].coefficients);
    sht_free(result->solutions[r].predictions);
  }
  sht_free(result->solutions);
  sht_free(result);
}

void sht_kernel_forget(const char *folder) {
  sht__saved saved = {0};
  for (uint32_t r = 0; r < SHT_KERNEL_RIDGES_MAX; r++) {
    (void)snprintf(saved.folder, sizeof saved.folder, "%s/ridge-%" PRIu32, folder, r + 1);
    sht__saved_remove(&saved);
  }
  sht__products_folder(folder, saved.folder, sizeof saved.folder);
  sht__saved_remove(&saved);
  (void)snprintf(saved.folder, sizeof saved.folder, "%s", folder);
  sht__saved_remove(&saved);
}
