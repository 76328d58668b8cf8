// What `shatter kernel` tells people: one solution in sentences, a path of ridges as a table. See kernel_task.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/kernel_task.h"
#include "cli/table.h"

enum { WORD_BYTES = 48 };
// Below this share of a core times are told to be those of a busy machine.
static const double CORE_SHARE_BUSY = 0.9;

static bool is_regression(const sht_kernel_task *task) { return task->train.labels == NULL; }

// ---- one solution

static void print_error(const sht_kernel_task *task, const char *what, double error) {
  char text[WORD_BYTES];
  if (isnan(error)) {
    return;
  }
  if (is_regression(task)) {
    (void)printf("%s %.6g (root mean square)\n", what, error);
  } else {
    (void)printf("%s %s\n", what, sht__percent(error, text, sizeof text));
  }
}

static void print_norms(const sht_kernel_task *task, const sht_kernel_norms *norms) {
  (void)printf("Norm of the solution: %.6g (largest of an output %.6g, mean %.6g)", norms->solution, norms->largest,
               norms->mean);
  if (!is_regression(task)) {
    (void)printf("; with targets one-hot %.6g, the label's number %.6g", norms->one_hot, norms->label_number);
    if (isnan(norms->centred)) {
      (void)printf(", centred and plus and minus one - (the system with ones for targets was not solved)");
    } else {
      (void)printf(", centred %.6g, plus and minus one %.6g", norms->centred, norms->plus_minus);
    }
  }
  (void)printf("; of the coefficients %.6g\n", norms->coefficients);
}

static void print_numerics(const sht_kernel_solution *s) {
  (void)printf("Residual %.2g after %" PRIu32 " products with K in double", s->residual, s->iterations);
  if (s->jitter > 0) {
    (void)printf("; fp32 could not factor K, so %.2g was added to the diagonal of its preconditioner", s->jitter);
  }
  if (!isnan(s->smallest_eigenvalue)) {
    (void)printf("; eigenvalues about %.3g to %.3g", s->smallest_eigenvalue, s->largest_eigenvalue);
  } else if (!isnan(s->largest_eigenvalue) && s->jitter > 0) {
    (void)printf("; largest eigenvalue about %.3g, the smallest is lost in the jitter (below about %.2g)",
                 s->largest_eigenvalue, s->jitter);
  } else if (!isnan(s->largest_eigenvalue)) {
    (void)printf("; largest eigenvalue about %.3g, the smallest is lost in fp32's rounding (below about %.2g)",
                 s->largest_eigenvalue, s->eigenvalue_bound);
  }
  (void)printf("\n");
  if (s->remark[0] != '\0') {
    (void)printf("%s\n", s->remark);
  }
}

static void print_phases(const sht_kernel_task *task, const sht_kernel_solution *s) {
  char duration[WORD_BYTES];
  (void)printf("Time:");
  for (uint32_t p = 0; p < s->phase_count; p++) {
    (void)printf("%s %s %s", p > 0 ? "," : "", s->phases[p].name,
                 sht_text_duration(s->phases[p].seconds, duration, sizeof duration));
    if (s->phases[p].gflops > 0) {
      (void)printf(" (%.0f GFLOP/s", s->phases[p].gflops);
      if (task->peak_gflops > 0) {
        (void)printf(", %.0f %% of the fp32 peak", 100 * s->phases[p].gflops / task->peak_gflops);
      }
      (void)printf(")");
    }
  }
  (void)printf("\n");
}

// Nothing for the linear kernel, which has no width.
static void print_sigma(const sht_kernel_solution *s) {
  if (!isnan(s->sigma)) {
    (void)printf("sigma %.6g (gamma %.6g)", s->sigma, 0.5 / (s->sigma * s->sigma));
  }
}

static void print_solution(const sht_kernel_task *task, const sht_kernel_solution *s) {
  print_sigma(s);
  (void)printf("%sridge %.6g\n", isnan(s->sigma) ? "" : ", ", s->ridge);
  print_error(task, "Training error", s->train_error);
  print_error(task, "Test error", s->test_error);
  print_error(task, "Test error against labels corrupted the same way", s->other_test_error);
  print_error(task, "Leave-one-out error", s->loo_error);
  print_norms(task, &s->norms);
  print_numerics(s);
  print_phases(task, s);
}

// ---- a path of ridges

// The solution with the smallest value of a member, NaN aside; -1: none has one.
static int find_best(const sht_kernel_result *result, size_t member) {
  int best = -1;
  double least = INFINITY;
  for (uint32_t r = 0; r < result->solution_count; r++) {
    double value;
    memcpy(&value, (const char *)&result->solutions[r] + member, sizeof value);
    if (value < least) {
      least = value;
      best = (int)r;
    }
  }
  return best;
}

static void add_error(sht_table *table, const sht_kernel_task *task, double error, bool best) {
  char text[WORD_BYTES];
  if (is_regression(task)) {
    (void)snprintf(text, sizeof text, isnan(error) ? "-" : "%.6g", error);
  } else {
    (void)sht__percent(error, text, sizeof text);
  }
  sht__table_add(table, "%s%s", text, best ? " *" : "  ");
}

static void add_ridge(sht_table *table, const sht_kernel_task *task, const sht_kernel_solution *s, bool best_test,
                      bool best_left_out) {
  sht__table_add(table, "%.6g", s->ridge);
  add_error(table, task, s->train_error, false);
  if (task->has_test) {
    add_error(table, task, s->test_error, best_test);
  }
  if (task->has_other_labels) {
    add_error(table, task, s->other_test_error, false);
  }
  if (task->options.leave_one_out) {
    add_error(table, task, s->loo_error, best_left_out);
  }
  sht__table_add(table, "%.2g%s", s->residual, s->converged ? "" : " NOT SOLVED");
  sht__table_add_number(table, s->norms.solution);
  sht__table_add_number(table, s->norms.coefficients);
}

static void add_heads(sht_table *table, const sht_kernel_task *task) {
  sht__table_add(table, "ridge");
  sht__table_add(table, "training error  ");
  if (task->has_test) {
    sht__table_add(table, "test error  ");
  }
  if (task->has_other_labels) {
    sht__table_add(table, "test error, corrupted  ");
  }
  if (task->options.leave_one_out) {
    sht__table_add(table, "leave-one-out error  ");
  }
  sht__table_add(table, "residual");
  sht__table_add(table, "norm");
  sht__table_add(table, "of coefficients");
}

static void print_best(const sht_kernel_task *task, const sht_kernel_result *result, int test, int left_out) {
  if (left_out >= 0) {
    (void)printf("* Smallest leave-one-out error: ridge %.6g. It is chosen on training examples alone.\n",
                 result->solutions[left_out].ridge);
  }
  if (test >= 0) {
    (void)printf(
        "* Smallest test error: ridge %.6g. Chosen by the test set, its error is optimistic: too small for new "
        "examples%s.\n",
        result->solutions[test].ridge,
        task->options.leave_one_out ? "" : "; --leave-one-out gives an error to choose by");
  }
}

// What concerns one ridge alone: remarks and times.
static void print_notes(const sht_kernel_task *task, const sht_kernel_result *result) {
  for (uint32_t r = 0; r < result->solution_count; r++) {
    const sht_kernel_solution *s = &result->solutions[r];
    (void)printf("\nRidge %.6g\n", s->ridge);
    print_numerics(s);
    print_phases(task, s);
  }
}

static sht_status print_path(const sht_kernel_task *task, const sht_kernel_result *result, sht_error *error) {
  const int test = task->has_test ? find_best(result, offsetof(sht_kernel_solution, test_error)) : -1;
  const int left_out = task->options.leave_one_out ? find_best(result, offsetof(sht_kernel_solution, loo_error)) : -1;
  const int columns = 5 + task->has_test + task->has_other_labels + task->options.leave_one_out;
  const sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  if (!isnan(result->solutions[0].sigma)) {
    print_sigma(&result->solutions[0]);
    (void)printf("\n\n");
  }
  SHT_TRY(sht__table_open(&table, &"rrrrrrrr"[8 - columns], error));
  add_heads(&table, task);
  for (uint32_t r = 0; r < result->solution_count; r++) {
    add_ridge(&table, task, &result->solutions[r], (int)r == test, (int)r == left_out);
  }
  SHT_TRY(sht__table_print(&table, stdout, &terminal, error));
  (void)printf("\n");
  print_best(task, result, test, left_out);
  print_notes(task, result);
  return SHT_OK;
}

// ---- all of it

bool sht__kernel_is_solved(const sht_kernel_result *result) {
  bool solved = true;
  for (uint32_t r = 0; r < result->solution_count; r++) {
    solved = solved && result->solutions[r].converged;
  }
  return solved;
}

sht_status sht__kernel_print(const sht_cli *cli, const sht_kernel_task *task, const sht_kernel_result *result,
                             sht_error *error) {
  char examples[WORD_BYTES], features[WORD_BYTES], bytes[WORD_BYTES], duration[WORD_BYTES];
  const char *outcome = sht__kernel_is_solved(result) ? "solved to the tolerance" : "NOT SOLVED";
  (void)printf("%s kernel on %s of %s, %s examples of %s features, %s\n", sht_kernel_name(task->options.kind),
               task->options.features != NULL ? task->options.features
               : task->data != NULL           ? "pixels"
                                              : "arrays",
               task->data != NULL ? cli->config.data : sht__cli_text(cli, "inputs"),
               sht_text_count(result->examples, examples, sizeof examples),
               sht_text_count(result->features, features, sizeof features), outcome);
  for (uint32_t t = 0; t < result->trial_count; t++) {
    char percent[WORD_BYTES];
    (void)printf("  sigma %.4g: leave-one-out error %s\n", result->trials[t].sigma,
                 sht__percent(result->trials[t].loo_error, percent, sizeof percent));
  }
  (void)printf("\n");
  if (result->solution_count == 1) {
    print_solution(task, &result->solutions[0]);
  } else {
    SHT_TRY(print_path(task, result, error));
  }
  if (task->core_share < CORE_SHARE_BUSY && !sht__kernel_on_card(task)) {
    (void)printf(
        "\nThe machine was busy: for %.0f %% of the time a thread waited for a core that other work had (or "
        "--threads is above the number of cores). Times are longer, and shares of the peak smaller, than on "
        "an idle machine.\n",
        100 * (1 - task->core_share));
  }
  (void)printf("\n%s in all, %s of memory", sht_text_duration(result->seconds, duration, sizeof duration),
               sht_text_bytes(result->peak_bytes, bytes, sizeof bytes));
  if (result->cluster.ranks > 1) {
    (void)printf(" on the largest of %d ranks (a grid of %d x %d)", result->cluster.ranks, result->cluster.rows,
                 result->cluster.columns);
  }
  (void)printf("\n");
  return SHT_OK;
}
