// shatter linear: what gradient descent finds among the linear models that fit, and what the others are worth.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/figure.h"
#include "cli/table.h"
#include "cli/theory.h"
#include "cli/verbs.h"
#include "data/npy.h"
#include "shatter/theory.h"

enum { WORD_BYTES = 64, PATH_BYTES = 4096, EXAMPLES = 200, TEST_EXAMPLES = 1000, EPOCHS = 5000 };
static const double settled_default = 1e-6;

// ---- options

static sht_status read_options(const sht_cli *cli, sht_linear_options *out, sht_error *error) {
  *out = (sht_linear_options){
      .epochs = cli->config.epochs,
      .learning_rate = cli->config.learning_rate,
      .seed = cli->config.seed,
      .threads = (int)cli->config.threads,
  };
  SHT_TRY(sht__theory_number(cli, "settled", settled_default, &out->settled, error));
  return sht__theory_number(cli, "sigma", NAN, &out->sigma, error);
}

// ---- files

static sht_status write_csv(const char *folder, const char *name, char *text, size_t size, sht_error *error) {
  char path[PATH_BYTES];
  SHT_TRY(sht_path_join(path, sizeof path, folder, name, error));
  return sht_file_write(path, text, size, error);
}

static void format_curve(FILE *out, const sht_linear_result *r) {
  (void)fprintf(out, "epoch,steps,distance,residual,null_share,random_distance,random_drift\n");
  for (uint32_t i = 0; i < r->point_count; i++) {
    const sht_linear_point *p = &r->points[i];
    (void)fprintf(out, "%" PRIu64 ",%" PRIu64 ",%.17g,%.17g,%.17g,%.17g,%.17g\n", p->epoch, p->steps, p->distance,
                  p->residual, p->null_share, p->random_distance, p->random_drift);
  }
}

static void format_interpolants(FILE *out, const sht_linear_result *r) {
  (void)fprintf(out, "interpolant,residual,train_error,test_error,norm,norm_ratio,settled\n");
  for (uint32_t i = 0; i < r->interpolant_count; i++) {
    const sht_interpolant *row = &r->interpolants[i];
    (void)fprintf(out, "\"%s\",%.17g,%.17g,%.17g,%.17g,%.17g,%s\n", row->name, row->residual, row->train_error,
                  row->test_error, row->norm, row->norm_ratio, row->settled ? "true" : "false");
  }
}

static sht_status write_table(const char *folder, const char *name, const sht_linear_result *r,
                              void (*format)(FILE *out, const sht_linear_result *r), sht_error *error) {
  char *text = NULL;
  size_t size = 0;
  FILE *writer = open_memstream(&text, &size);
  if (writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for %s", name);
  }
  format(writer, r);
  bool lost = ferror(writer) != 0;
  lost = fclose(writer) != 0 || lost;
  sht_status status =
      lost ? SHT_FAIL(error, SHT_MEMORY, "no memory for %s", name) : write_csv(folder, name, text, size, error);
  sht_text_free(text);
  return status;
}

static sht_status write_weights(const char *folder, const char *name, const sht_linear_result *r, const double *w,
                                sht_error *error) {
  char path[PATH_BYTES];
  const uint64_t dims[2] = {r->classes, r->dims};
  float *values = NULL;
  SHT_TRY(sht_path_join(path, sizeof path, folder, name, error));
  SHT_TRY(SHT_ALLOC(&values, dims[0] * dims[1], "weights", error));
  for (uint64_t i = 0; i < dims[0] * dims[1]; i++) {
    values[i] = (float)w[i];
  }
  sht_status status = sht_npy_write_f32(path, values, dims, 2, error);
  sht_free(values);
  return status;
}

static sht_status write_files(const char *folder, const sht_linear_result *r, sht_error *error) {
  SHT_TRY(sht_folder_make(folder, error));
  SHT_TRY(write_table(folder, "curve.csv", r, format_curve, error));
  SHT_TRY(write_table(folder, "interpolants.csv", r, format_interpolants, error));
  SHT_TRY(write_weights(folder, "minimum-norm.npy", r, r->minimum, error));
  return write_weights(folder, "descent.npy", r, r->descent, error);
}

// ---- the answer as JSON

static sht_status add_curve(sht_json *json, const sht_linear_result *r, sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (uint32_t i = 0; i < r->point_count && status == SHT_OK; i++) {
    const sht_linear_point *p = &r->points[i];
    sht_json item = {0};
    sht_json_add_count(&item, "epochs", p->epoch);
    sht_json_add_count(&item, "steps", p->steps);
    sht_json_add_number(&item, "distance", p->distance);
    sht_json_add_number(&item, "residual", p->residual);
    sht_json_add_number(&item, "null_share", p->null_share);
    sht_json_add_number(&item, "random_distance", p->random_distance);
    sht_json_add_number(&item, "random_drift", p->random_drift);
    status = sht__list_add(&list, &item, error);
  }
  sht_status closed = sht__list_close(&list, json, "curve", error);
  return status != SHT_OK ? status : closed;
}

static sht_status add_interpolants(sht_json *json, const sht_linear_result *r, sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (uint32_t i = 0; i < r->interpolant_count && status == SHT_OK; i++) {
    const sht_interpolant *row = &r->interpolants[i];
    sht_json item = {0};
    sht_json_add_text(&item, "name", row->name);
    sht_json_add_number(&item, "residual", row->residual);
    sht_json_add_number(&item, "train_error", row->train_error);
    sht_json_add_number(&item, "test_error", row->test_error);
    sht_json_add_number(&item, "norm", row->norm);
    sht_json_add_number(&item, "norm_ratio", row->norm_ratio);
    sht_json_add_bool(&item, "settled", row->settled);
    status = sht__list_add(&list, &item, error);
  }
  sht_status closed = sht__list_close(&list, json, "interpolants", error);
  return status != SHT_OK ? status : closed;
}

static sht_status add_hessian(sht_json *json, const sht_linear_hessian *h, sht_error *error) {
  sht_json item = {0};
  char *text = NULL;
  sht_json_add_count(&item, "rank", h->rank);
  sht_json_add_count(&item, "zeros", h->zeros);
  sht_json_add_number(&item, "largest", h->largest);
  sht_json_add_number(&item, "smallest", h->smallest);
  sht_json_add_number(&item, "difference", h->difference);
  sht_json_add_count(&item, "compared", h->compared);
  sht_json_add_number(&item, "control", h->control);
  sht_json_add_number(&item, "null_curvature", h->null_curvature);
  SHT_TRY(sht_json_finish(&item, &text, error));
  sht_json_add_raw(json, "hessian", text);
  sht_text_free(text);
  return SHT_OK;
}

static sht_status answer(sht_cli *cli, const sht_linear_result *r, sht_error *error) {
  sht_json json = {0};
  sht_json_add_bool(&json, "settled", r->settled);
  sht_json_add_count(&json, "examples", r->examples);
  sht_json_add_count(&json, "dims", r->dims);
  sht_json_add_count(&json, "test_examples", r->test_examples);
  sht_json_add_count(&json, "test_given", r->test_given);
  sht_json_add_count(&json, "classes", r->classes);
  sht_json_add_number(&json, "largest_eigenvalue", r->largest_eigenvalue);
  sht_json_add_number(&json, "smallest_eigenvalue", r->smallest_eigenvalue);
  sht_json_add_number(&json, "learning_rate", r->learning_rate);
  sht_json_add_number(&json, "sigma", r->sigma);
  SHT_TRY(add_hessian(&json, &r->hessian, error));
  SHT_TRY(add_interpolants(&json, r, error));
  SHT_TRY(add_curve(&json, r, error));
  sht_json_add_text(&json, "output", sht__cli_text(cli, "output"));
  return sht__answer_print(cli, &json, error);
}

// ---- the answer as text

static void print_descent(const sht_linear_result *r) {
  const sht_linear_point *last = &r->points[r->point_count - 1];
  char steps[WORD_BYTES];
  (void)printf(
      "%s: descent from zero is %.1e of the minimum norm away from the minimum-norm solution after %s steps "
      "(%" PRIu64 " epochs).\n",
      r->settled ? "Reached" : "On its way", last->distance, sht_text_count(last->steps, steps, sizeof steps),
      last->epoch);
  (void)printf(
      "Its part outside the span of the examples is %.1e of it. From random weights that part stays where it "
      "began (it moved by %.1e of itself).\n",
      last->null_share, last->random_drift);
  if (!r->settled) {
    (void)printf(
        "The slowest direction shrinks by %.1e an epoch (smallest eigenvalue of X X' times the learning rate): "
        "more --epochs, or a smaller --train-size.\n",
        r->smallest_eigenvalue * r->learning_rate);
  }
}

static double digits(double share) { return log10(fmax(share, 1e-17)); }  // 0 has no logarithm

// log10 of distance and residual over the epochs.
static sht_status print_curve(const sht_linear_result *r, sht_error *error) {
  double *values = NULL;
  const uint32_t n = r->point_count;
  SHT_TRY(SHT_ALLOC(&values, 3 * (uint64_t)n, "a curve", error));
  double *x = values, *distance = values + n, *residual = values + 2 * (uint64_t)n;
  double lowest = 0;
  for (uint32_t i = 0; i < n; i++) {
    x[i] = (double)r->points[i].epoch;
    distance[i] = digits(r->points[i].distance);
    residual[i] = digits(r->points[i].residual);
    lowest = fmin(lowest, fmin(distance[i], residual[i]));
  }
  const sht_series series[] = {{.label = "distance", .x = x, .y = distance, .count = n},
                               {.label = "residual", .x = x, .y = residual, .count = n}};
  const sht_figure figure = {.title = "log10 of the distance to the minimum-norm solution, and of the residual",
                             .x_label = "epochs",
                             .y_min = floor(lowest),
                             .y_max = 0,
                             .reference = NAN};
  sht_terminal terminal = sht__terminal_of(stdout);
  (void)fputc('\n', stdout);
  sht__figure_print(stdout, &terminal, &figure, series, 2);
  sht_free(values);
  return SHT_OK;
}

static void print_hessian(const sht_linear_result *r) {
  const sht_linear_hessian *h = &r->hessian;
  (void)printf("\nThe Hessian at %" PRIu32
               " interpolants differs by at most %.1e of itself (at W = 0: %.1e). Its rank is "
               "%" PRIu64 " in %" PRIu64 " dimensions: %" PRIu64
               " directions are flat (largest curvature seen there "
               "%.1e of the largest), the others run from %.3g to %.3g.\n\n",
               h->compared, h->difference, h->control, h->rank, r->dims, h->zeros, h->null_curvature, h->smallest,
               h->largest);
}

static sht_status print_interpolants(const sht_linear_result *r, sht_error *error) {
  static const char *const heads[] = {"interpolant", "residual", "training error", "test error", "norm", "/ smallest"};
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  SHT_TRY(sht__table_open(&table, "lrrrrr", error));
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    sht__table_add(&table, "%s", heads[i]);
  }
  for (uint32_t i = 0; i < r->interpolant_count; i++) {
    const sht_interpolant *row = &r->interpolants[i];
    sht__table_add(&table, "%s%s", row->name, row->settled ? "" : " (on its way)");
    sht__table_add(&table, "%.1e", row->residual);
    sht__table_add_percent(&table, row->train_error);
    sht__table_add_percent(&table, row->test_error);
    sht__table_add_number(&table, row->norm);
    sht__table_add_number(&table, row->norm_ratio);
  }
  return sht__table_print(&table, stdout, &terminal, error);
}

static sht_status print(const sht_cli *cli, const sht_linear_result *r, sht_error *error) {
  print_descent(r);
  SHT_TRY(print_curve(r, error));
  print_hessian(r);
  SHT_TRY(print_interpolants(r, error));
  (void)printf("\n%" PRIu64 " examples, %" PRIu64 " dimensions, %" PRIu64
               " test examples. Norms of kernel functions "
               "(sigma %.4g) are those of the kernel's space.\n",
               r->examples, r->dims, r->test_examples, r->sigma);
  if (r->test_examples < r->test_given) {
    (void)printf("Of %" PRIu64
                 " test examples half as many as the training examples leave dimensions free are used, so that both "
                 "together are independent and any labels can be forced on the test set too; a smaller --train-size "
                 "leaves more.\n",
                 r->test_given);
  }
  const char *folder = sht__cli_text(cli, "output");
  if (folder != NULL) {
    (void)printf("Written: %s/curve.csv, interpolants.csv, minimum-norm.npy, descent.npy\n", folder);
  }
  return SHT_OK;
}

static sht_status work(sht_cli *cli, const sht_dataset *data, sht_error *error) {
  sht_linear_options options;
  sht_linear_result result;
  sht__theory_progress progress;
  SHT_TRY(read_options(cli, &options, error));
  sht_theory_observer observer = sht__theory_observe(cli, &progress);
  sht_status status = sht_linear(data, &options, &observer, &result, error);
  sht__theory_progress_close(&progress);
  const char *folder = sht__cli_text(cli, "output");
  if (status == SHT_OK && folder != NULL) {
    status = write_files(folder, &result, error);
  }
  if (status == SHT_OK) {
    status = cli->json ? answer(cli, &result, error) : print(cli, &result, error);
  }
  sht_linear_result_close(&result);
  return status;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht_dataset *data = NULL;
  sht_status status = sht__theory_open_data(cli, &data, error);
  if (status == SHT_OK) {
    status = work(cli, data, error);
  }
  sht_dataset_close(data);
  return status;
}

static void prepare(sht_config *config) {
  config->train_size = EXAMPLES;
  config->test_size = TEST_EXAMPLES;
  config->epochs = EPOCHS;
}

static const char *const examples[] = {
    "shatter linear --data cifar10",
    "200 images, 2,352 dimensions",
    "shatter linear --data cifar10 --labels random --train-size 500",
    "the same for random labels, which are fitted as well",
    "shatter linear --data mnist --train-size 100 -o linear --json",
    "curve and weights as files",
    NULL,
};

static const sht_cli_option options_table[] = {
    {.name = "settled",
     .type = SHT_OPTION_TEXT,
     .value_name = "X",
     .default_text = "1e-6",
     .help = "descent ends at this distance to the minimum-norm solution, as a share of its norm"},
    {.name = "sigma",
     .type = SHT_OPTION_TEXT,
     .value_name = "X",
     .default_text = "median distance / sqrt 2",
     .help = "width of the Gaussian kernel"},
    {.name = "output",
     .letter = 'o',
     .type = SHT_OPTION_TEXT,
     .value_name = "FOLDER",
     .help = "write curve.csv, interpolants.csv, minimum-norm.npy and descent.npy"},
    SHT_CLI_PRINT_CONFIG_OPTION,
    SHT_CLI_PROGRESS_OPTION,
    {.name = NULL},
};

static const sht_config_note notes[] = {
    {.name = "learning-rate",
     .default_text = "1 / max |x|^2 of the examples",
     .help = "Learning rate of the descent, one example a step."},
    {.name = "epochs", .help = "Passes over the examples, at most: descent ends earlier when it is --settled."},
    {.name = NULL},
};

const sht_verb sht__verb_linear = {
    .name = "linear",
    .arguments = "",
    .summary = "which of the linear models that fit gradient descent finds, and what the others are worth",
    .description =
        "Fits one-hot labels on whitened images with the squared loss, one example a step. Examples have to be fewer "
        "than dimensions; of the test set as many are used as then leave training and test images together "
        "independent, half the dimensions that the training images leave free: with 100 digits of MNIST (784 "
        "dimensions) 342.",
    .examples = examples,
    .config_options = "data labels pixels train-size test-size seed epochs learning-rate threads data-dir",
    .config_notes = notes,
    .options = options_table,
    .prepare = prepare,
    .run = run,
};
