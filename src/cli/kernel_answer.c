// Telling how a kernel problem came out: see kernel_task.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/answer.h"
#include "cli/kernel_task.h"
#include "cli/ranks.h"
#include "data/npy.h"

enum { PATH_BYTES = 4096, WORD_BYTES = 48 };

static sht_status add_norms(sht_json *json, const sht_kernel_solution *s, uint64_t outputs, sht_error *error) {
  const sht_kernel_norms *norms = &s->norms;
  sht_json item = {0};
  sht_json_list list;
  char number[WORD_BYTES], *text = NULL;
  sht_json_add_number(&item, "solution", norms->solution);
  sht_json_add_number(&item, "one_hot", norms->one_hot);
  sht_json_add_number(&item, "centred", norms->centred);
  sht_json_add_number(&item, "plus_minus_one", norms->plus_minus);
  sht_json_add_number(&item, "label_number", norms->label_number);
  sht_json_add_number(&item, "largest_output", norms->largest);
  sht_json_add_number(&item, "mean_output", norms->mean);
  sht_json_add_number(&item, "coefficients", norms->coefficients);
  SHT_TRY(sht__list_open(&list, error));
  for (uint64_t k = 0; k < outputs; k++) {
    sht__list_add_raw(&list, sht_json_number_text(norms->outputs[k], number, sizeof number));
  }
  SHT_TRY(sht__list_close(&list, &item, "outputs", error));
  SHT_TRY(sht_json_finish(&item, &text, error));
  sht_json_add_raw(json, "norms", text);
  sht_free(text);
  return SHT_OK;
}

static sht_status add_phases(sht_json *json, const sht_kernel_task *task, const sht_kernel_solution *s,
                             sht_error *error) {
  sht_json_list list;
  sht_status status = sht__list_open(&list, error);
  for (uint32_t p = 0; status == SHT_OK && p < s->phase_count; p++) {
    sht_json item = {0};
    sht_json_add_text(&item, "phase", s->phases[p].name);
    sht_json_add_number(&item, "seconds", s->phases[p].seconds);
    double gflops = s->phases[p].gflops > 0 ? s->phases[p].gflops : (double)NAN;
    sht_json_add_number(&item, "gflops", gflops);
    sht_json_add_number(&item, "share_of_peak", gflops / task->peak_gflops);
    sht_json_add_count(&item, "peak_bytes_so_far", s->phases[p].peak_bytes);
    status = sht__list_add(&list, &item, error);
  }
  sht_status closed = sht__list_close(&list, json, "phases", error);
  return status != SHT_OK ? status : closed;
}

// One solution's members.
static sht_status add_solution(sht_json *json, const sht_kernel_task *task, const sht_kernel_solution *s,
                               sht_error *error) {
  sht_json_add_number(json, "ridge", s->ridge);
  sht_json_add_number(json, "sigma", s->sigma);
  sht_json_add_bool(json, "converged", s->converged);
  sht_json_add_text(json, "remark", s->remark[0] != '\0' ? s->remark : NULL);
  sht_json_add_number(json, "error", s->test_error);
  sht_json_add_number(json, "train_error", s->train_error);
  sht_json_add_number(json, "test_error", s->test_error);
  sht_json_add_number(json, "corrupted_test_error", s->other_test_error);
  sht_json_add_number(json, "loo_error", s->loo_error);
  sht_json_add_number(json, "norm", s->norms.solution);
  sht_json_add_number(json, "residual", s->residual);
  sht_json_add_count(json, "iterations", s->iterations);
  sht_json_add_count(json, "solves", s->solves);
  sht_json_add_number(json, "solve_seconds", s->solve_seconds);
  sht_json_add_number(json, "jitter", s->jitter);
  sht_json_add_number(json, "smallest_pivot", s->smallest_pivot);
  sht_json_add_number(json, "largest_eigenvalue", s->largest_eigenvalue);
  sht_json_add_number(json, "smallest_eigenvalue", s->smallest_eigenvalue);
  sht_json_add_number(json, "eigenvalue_bound", s->eigenvalue_bound);
  sht_json_add_number(json, "condition", s->largest_eigenvalue / s->smallest_eigenvalue);
  SHT_TRY(add_norms(json, s, task->train.outputs, error));
  return add_phases(json, task, s, error);
}

static sht_status add_solutions(sht_json *json, const sht_kernel_task *task, const sht_kernel_result *result,
                                sht_error *error) {
  if (result->solution_count == 1) {
    return add_solution(json, task, &result->solutions[0], error);
  }
  sht_json_list list;
  sht_status status = sht__list_open(&list, error);
  for (uint32_t r = 0; status == SHT_OK && r < result->solution_count; r++) {
    sht_json item = {0};
    status = add_solution(&item, task, &result->solutions[r], error);
    if (status == SHT_OK) {
      status = sht__list_add(&list, &item, error);
    }
  }
  sht_status closed = sht__list_close(&list, json, "solutions", error);
  return status != SHT_OK ? status : closed;
}

static sht_status add_trials(sht_json *json, const sht_kernel_result *result, sht_error *error) {
  sht_json_list list;
  sht_status status = sht__list_open(&list, error);
  for (uint32_t t = 0; status == SHT_OK && t < result->trial_count; t++) {
    sht_json item = {0};
    sht_json_add_number(&item, "sigma", result->trials[t].sigma);
    sht_json_add_number(&item, "loo_error", result->trials[t].loo_error);
    sht_json_add_number(&item, "loo_squared", result->trials[t].loo_squared);
    status = sht__list_add(&list, &item, error);
  }
  sht_status closed = sht__list_close(&list, json, "search", error);
  return status != SHT_OK ? status : closed;
}

static sht_status add_ranks(sht_json *json, const sht_cluster_info *cluster, sht_error *error) {
  sht_json_list list;
  char number[WORD_BYTES];
  sht_json_add_count(json, "ranks", (uint64_t)cluster->ranks);
  SHT_TRY(sht__list_open(&list, error));
  sht__list_add_raw(&list, sht_json_number_text(cluster->rows, number, sizeof number));
  sht__list_add_raw(&list, sht_json_number_text(cluster->columns, number, sizeof number));
  return sht__list_close(&list, json, "grid", error);
}

static sht_status make_json(const sht_cli *cli, const sht_kernel_task *task, const sht_kernel_result *result,
                            sht_json *json, sht_error *error) {
  const sht_config *config = &cli->config;
  sht_json_add_text(json, "data", task->data != NULL ? config->data : sht__cli_text(cli, "inputs"));
  sht_json_add_text(json, "labels", task->data != NULL ? config->labels : NULL);
  sht_json_add_text(json, "pixels", task->data != NULL ? config->pixels : NULL);
  sht_json_add_text(json, "kernel", sht_kernel_name(task->options.kind));
  sht_json_add_text(json, "features", task->options.features != NULL ? task->options.features : "none");
  sht_json_add_bool(json, "centred", task->options.centre);
  sht_json_add_count(json, "seed", config->seed);
  sht_json_add_count(json, "train_examples", result->examples);
  sht_json_add_count(json, "test_examples", result->test_examples);
  sht_json_add_count(json, "outputs", result->outputs);
  sht_json_add_count(json, "feature_count", result->features);
  sht_json_add_text(json, "arithmetic", result->arithmetic);
  SHT_TRY(add_ranks(json, &result->cluster, error));
  SHT_TRY(add_trials(json, result, error));
  SHT_TRY(add_solutions(json, task, result, error));
  sht_json_add_number(json, "feature_seconds", result->feature_seconds);
  sht_json_add_number(json, "peak_gflops", task->peak_gflops);
  sht_json_add_number(json, "core_share", task->core_share);
  sht_json_add_number(json, "seconds", result->seconds);
  sht_json_add_count(json, "peak_bytes", result->peak_bytes);
  return SHT_OK;
}

// NAME.npy, or NAME-2.npy for the second ridge of a path.
static sht_status write_array(const char *folder, const char *name, uint32_t ridge, uint32_t ridges,
                              const double *values, uint64_t rows, uint64_t columns, sht_error *error) {
  char file[WORD_BYTES], path[PATH_BYTES];
  const uint64_t dims[] = {rows, columns};
  if (ridges == 1) {
    (void)snprintf(file, sizeof file, "%s.npy", name);
  } else {
    (void)snprintf(file, sizeof file, "%s-%" PRIu32 ".npy", name, ridge + 1);
  }
  SHT_TRY(sht_path_join(path, sizeof path, folder, file, error));
  return sht_npy_write_f64(path, values, dims, 2, error);
}

static sht_status write_arrays(const char *folder, const sht_kernel_result *result, sht_error *error) {
  for (uint32_t r = 0; r < result->solution_count; r++) {
    const sht_kernel_solution *s = &result->solutions[r];
    SHT_TRY(write_array(folder, "coefficients", r, result->solution_count, s->coefficients, result->examples,
                        result->outputs, error));
    if (result->test_examples > 0) {
      SHT_TRY(write_array(folder, "predictions", r, result->solution_count, s->predictions, result->test_examples,
                          result->outputs, error));
    }
  }
  return SHT_OK;
}

// result.json, the arrays that were asked for; then the saved progress is no longer needed.
static sht_status write_folder(const sht_cli *cli, const sht_kernel_task *task, const char *text,
                               const sht_kernel_result *result, sht_error *error) {
  const char *folder = sht__cli_text(cli, "output");
  char path[PATH_BYTES];
  if (folder == NULL) {
    return SHT_OK;
  }
  SHT_TRY(sht_path_join(path, sizeof path, folder, "result.json", error));
  SHT_TRY(sht_file_write(path, text, strlen(text), error));
  if (sht__cli_is_set(cli, "arrays")) {
    SHT_TRY(write_arrays(folder, result, error));
  }
  if (task->options.folder != NULL) {
    sht_kernel_forget(folder);
  }
  return SHT_OK;
}

sht_status sht__kernel_answer(sht_cli *cli, const sht_kernel_task *task, const sht_kernel_result *result,
                              sht_error *error) {
  sht_json json = {0};
  char *text = NULL;
  if (!sht__ranks_is_first(cli)) {
    return sht__kernel_is_solved(result) ? SHT_OK : SHT_NO;
  }
  SHT_TRY(make_json(cli, task, result, &json, error));
  SHT_TRY(sht_json_finish(&json, &text, error));
  sht_status status = write_folder(cli, task, text, result, error);
  if (status == SHT_OK && cli->json) {
    (void)printf("%s\n", text);
    cli->answered = true;
  } else if (status == SHT_OK) {
    status = sht__kernel_print(cli, task, result, error);
  }
  sht_free(text);
  return status == SHT_OK && !sht__kernel_is_solved(result) ? SHT_NO : status;
}
