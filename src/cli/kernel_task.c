// From a command line to a kernel problem: see kernel_task.h.
#include "cli/kernel_task.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/pool.h"
#include "cli/given.h"
#include "config/scalar.h"
#include "data/npy.h"

enum { NUMBER_BYTES = 64 };
#define ARRAY_BYTES_MAX ((uint64_t)64 << 30)

static double number_of(const sht_cli *cli, const char *name, double fallback) {
  const char *text = sht__cli_text(cli, name);
  double value = fallback;
  if (text != NULL) {
    (void)sht__scalar_number(text, &value);
  }
  return value;
}

static sht_kernel_kind kind_of(const char *name) {
  int kind = SHT_KERNEL_LINEAR;
  while (strcmp(sht_kernel_name((sht_kernel_kind)kind), name) != 0) {
    kind++;  // the option's choices are these names
  }
  return (sht_kernel_kind)kind;
}

static sht_status take_sigma(const sht_cli *cli, sht_kernel_options *options, sht_error *error) {
  const char *sigma = sht__cli_text(cli, "sigma"), *gamma = sht__cli_text(cli, "gamma");
  if (sigma != NULL && gamma != NULL) {
    return SHT_FAIL(error, SHT_USAGE, "--sigma and --gamma say the same (gamma = 1 / (2 sigma^2)); give one of them");
  }
  if (gamma != NULL) {
    double value = number_of(cli, "gamma", 0);
    if (!(value > 0)) {
      return SHT_FAIL(error, SHT_USAGE, "--gamma takes a number above 0, not \"%s\"", gamma);
    }
    options->sigma_rule = SHT_SIGMA_GIVEN;
    options->sigma = sqrt(0.5 / value);
    return SHT_OK;
  }
  if (sigma == NULL || strcmp(sigma, "median") == 0) {
    options->sigma_rule = SHT_SIGMA_MEDIAN;
    return SHT_OK;
  }
  if (strcmp(sigma, "search") == 0) {
    options->sigma_rule = SHT_SIGMA_SEARCH;
    return SHT_OK;
  }
  options->sigma_rule = SHT_SIGMA_GIVEN;
  if (!sht__scalar_number(sigma, &options->sigma) || !(options->sigma > 0)) {
    return SHT_FAIL(error, SHT_USAGE, "--sigma takes a number above 0, median or search, not \"%s\"", sigma);
  }
  return SHT_OK;
}

// "0" or "0,1e-3,1e-1".
static sht_status take_ridges(const sht_cli *cli, sht_kernel_options *options, sht_error *error) {
  const char *text = sht__cli_text(cli, "ridge");
  options->ridge_count = text == NULL ? 1 : 0;
  while (text != NULL && *text != '\0') {
    char number[NUMBER_BYTES];
    size_t length = strcspn(text, ",");
    (void)snprintf(number, sizeof number, "%.*s", (int)(length < NUMBER_BYTES ? length : NUMBER_BYTES - 1), text);
    double value = -1;
    if (options->ridge_count == SHT_KERNEL_RIDGES_MAX || !sht__scalar_number(number, &value) || value < 0) {
      return SHT_FAIL(error, SHT_USAGE,
                      "--ridge takes a number of at least 0, or up to %d of them with commas; not \"%s\"",
                      SHT_KERNEL_RIDGES_MAX, number);
    }
    options->ridges[options->ridge_count++] = value;
    text += length + (text[length] == ',');
  }
  return options->ridge_count > 0 ? SHT_OK : SHT_FAIL(error, SHT_USAGE, "--ridge needs a number, for example 1e-3");
}

// "8G", "500M", bytes.
static sht_status take_memory(const sht_cli *cli, sht_kernel_options *options, sht_error *error) {
  const char *text = sht__cli_text(cli, "memory");
  if (text == NULL) {
    return SHT_OK;
  }
  static const char units[] = "KMGT";
  char *end = NULL;
  double value = strtod(text, &end);
  const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
  double factor = unit != NULL ? pow(1024, (double)(unit - units + 1)) : 1;
  if (!(value > 0) || (*end != '\0' && (unit == NULL || end[1] != '\0')) || value * factor > 1e18) {
    return SHT_FAIL(error, SHT_USAGE, "--memory takes a size such as 12G or 500M, not \"%s\"", text);
  }
  options->memory_max = (uint64_t)(value * factor);
  return SHT_OK;
}

// Options that would change nothing beside the kernel that was chosen.
static sht_status check_kernel_options(const sht_cli *cli, const sht_kernel_options *options, sht_error *error) {
  if (options->kind == SHT_KERNEL_LINEAR) {
    SHT_TRY(sht__refuse_given(cli, "sigma gamma", "is the width of a kernel, and the linear kernel <x, z> has none",
                              error));
  }
  if (options->kind != SHT_KERNEL_POLYNOMIAL) {
    SHT_TRY(sht__refuse_given(cli, "degree offset", "is of the polynomial kernel (--kernel polynomial)", error));
  }
  return options->sigma_rule == SHT_SIGMA_SEARCH
             ? SHT_OK
             : sht__refuse_given(cli, "search-size", "is of a search for the width (--sigma search)", error);
}

// Where progress is saved: not over ranks, nor on a card.
static sht_status take_folder(const sht_cli *cli, sht_kernel_task *task, sht_error *error) {
  const bool saves = cli->cluster == NULL && !sht__kernel_on_card(task);
  task->options.folder = saves ? sht__cli_text(cli, "output") : NULL;
  if (task->options.folder != NULL) {
    return SHT_OK;
  }
  return sht__refuse_given(cli, "checkpoint-seconds",
                           saves ? "is of the states saved in the folder of -o; give -o FOLDER too"
                                 : "is of saved states, and over several processes or on a card none are saved",
                           error);
}

static sht_status take_options(const sht_cli *cli, sht_kernel_task *task, sht_error *error) {
  sht_kernel_options *options = &task->options;
  const char *kind = sht__cli_text(cli, "kernel");
  sht_kernel_options_default(options);
  SHT_TRY(take_sigma(cli, options, error));
  SHT_TRY(take_ridges(cli, options, error));
  SHT_TRY(take_memory(cli, options, error));
  options->features = sht__cli_text(cli, "features");
  bool wide = options->features != NULL && strncmp(options->features, "randconv", 8) == 0;
  options->kind = kind != NULL ? kind_of(kind) : wide ? SHT_KERNEL_LINEAR : options->kind;
  SHT_TRY(check_kernel_options(cli, options, error));
  options->offset = number_of(cli, "offset", options->offset);
  options->degree = sht__cli_count_u32(cli, "degree", options->degree);
  options->centre = sht__cli_is_set(cli, "centre");
  options->leave_one_out = sht__cli_is_set(cli, "leave-one-out");
  options->spectrum_steps = sht__cli_count_u32(cli, "spectrum", options->spectrum_steps);
  options->tolerance = number_of(cli, "tolerance", options->tolerance);
  options->iterations_max = sht__cli_count_u32(cli, "iterations", options->iterations_max);
  options->search_examples = sht__cli_count(cli, "search-size", options->search_examples);
  options->seed = cli->config.seed;
  options->device = cli->config.device;
  SHT_TRY(take_folder(cli, task, error));
  options->cluster = cli->cluster;
  options->checkpoint_seconds = cli->config.checkpoint_seconds;
  SHT_TRY(sht_pool_open((int)cli->config.threads, &task->pool, error));
  options->pool = task->pool;
  return SHT_OK;
}

static void take_split(const sht_dataset *data, const sht_split *split, sht_kernel_examples *out) {
  *out =
      (sht_kernel_examples){.count = split->count, .images = split, .labels = split->labels, .outputs = data->classes};
}

static sht_status corrupt_test_labels(sht_kernel_task *task, const sht_randomization *how, sht_error *error) {
  bool corrupted = how->labels != SHT_LABELS_TRUE && how->labels != SHT_LABELS_SIGNS;
  if (!corrupted || task->data->test.count == 0) {
    return SHT_OK;
  }
  SHT_TRY(SHT_ALLOC(&task->other_labels, task->data->test.count, "test labels", error));
  SHT_TRY(sht_dataset_corrupt_test_labels(task->data, how, task->other_labels, error));
  task->test.other_labels = task->other_labels;
  task->has_other_labels = true;
  return SHT_OK;
}

static sht_status take_data(const sht_cli *cli, sht_kernel_task *task, sht_error *error) {
  const sht_config *config = &cli->config;
  sht_randomization how;
  SHT_TRY(sht_randomization_parse(config->labels, config->pixels, config->seed, &how, error));
  sht_dataset_options options = {.data_dir = config->data_dir[0] != '\0' ? config->data_dir : NULL,
                                 .train_limit = config->train_size,
                                 .test_limit = config->test_size,
                                 .seed = config->seed};
  SHT_TRY(sht_dataset_open(config->data, &options, &task->data, error));
  SHT_TRY(sht_dataset_randomize(task->data, &how, task->pool, error));
  take_split(task->data, &task->data->train, &task->train);
  take_split(task->data, &task->data->test, &task->test);
  task->has_test = task->data->test.count > 0;
  return corrupt_test_labels(task, &how, error);
}

typedef struct pair {
  const double *wide;
  uint64_t row, width;
} pair;

static int compare_rows(const void *a, const void *b) {
  const pair *x = a, *y = b;
  for (uint64_t f = 0; f < x->width; f++) {
    float one = (float)x->wide[x->row * x->width + f], other = (float)y->wide[y->row * y->width + f];
    if (one != other) {
      return one < other ? -1 : 1;
    }
  }
  return 0;
}

static bool rows_differ(const double *a, const double *b, uint64_t width) {
  bool differ = false;
  for (uint64_t f = 0; f < width && !differ; f++) {
    differ = a[f] != b[f];
  }
  return differ;
}

// Two rows that differ in double and are equal in fp32; false: none.
static sht_status find_merged(const double *wide, uint64_t rows, uint64_t width, bool *found, uint64_t *first,
                              uint64_t *second, sht_error *error) {
  pair *order = NULL;
  *found = false;
  SHT_TRY(SHT_ALLOC(&order, rows, "an order of examples", error));
  for (uint64_t i = 0; i < rows; i++) {
    order[i] = (pair){.wide = wide, .row = i, .width = width};
  }
  qsort(order, rows, sizeof *order, compare_rows);
  for (uint64_t i = 1; i < rows && !*found; i++) {
    uint64_t a = order[i - 1].row, b = order[i].row;
    *found = compare_rows(&order[i - 1], &order[i]) == 0 && rows_differ(wide + a * width, wide + b * width, width);
    *first = a < b ? a : b;
    *second = a < b ? b : a;
  }
  sht_free(order);
  return SHT_OK;
}

// Says on stderr what rounding to fp32 did; what is as it was needs no word.
static sht_status tell_rounding(const char *file, const double *wide, uint64_t rows, uint64_t width, uint64_t changed,
                                sht_error *error) {
  uint64_t first = 0, second = 0;
  bool merged = false;
  if (changed == 0) {
    return SHT_OK;
  }
  SHT_TRY(find_merged(wide, rows, width, &merged, &first, &second, error));
  (void)fprintf(stderr, "%s: %" PRIu64 " of %" PRIu64 " values are rounded to fp32", file, changed, rows * width);
  if (merged) {
    (void)fprintf(stderr, ", which makes examples %" PRIu64 " and %" PRIu64 " equal: subtract what they have in common",
                  first, second);
  }
  (void)fprintf(stderr, "\n");
  return SHT_OK;
}

// A table [rows][width] of doubles as floats: what is too large is refused, what is rounded is told.
static sht_status narrow(const sht_cli *cli, const char *file, const double *values, uint64_t rows, uint64_t width,
                         float *out, sht_error *error) {
  uint64_t changed = 0;
  for (uint64_t i = 0; i < rows * width; i++) {
    out[i] = (float)values[i];
    if (isinf(out[i]) && isfinite(values[i])) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s: value %" PRIu64 " of example %" PRIu64
                      " is %g, more than fp32 holds (3.4e38); scale the "
                      "inputs",
                      file, i % width, i / width, values[i]);
    }
    changed += isfinite(values[i]) && (double)out[i] != values[i];
  }
  return cli->quiet ? SHT_OK : tell_rounding(file, values, rows, width, changed, error);
}

static sht_status take_inputs(const sht_cli *cli, const char *file, sht_kernel_examples *out, float **inputs,
                              sht_error *error) {
  double *values = NULL;
  SHT_TRY(sht__npy_read_table(file, ARRAY_BYTES_MAX, &values, &out->count, &out->width, error));
  sht_status status = SHT_ALLOC(inputs, out->count * out->width, "inputs", error);
  if (status == SHT_OK) {
    status = narrow(cli, file, values, out->count, out->width, *inputs, error);
  }
  sht_free(values);
  return status;
}

// One pair of files: inputs [n][d] and targets [n] or [n][m].
static sht_status take_arrays(const sht_cli *cli, const char *inputs, const char *targets, int which,
                              sht_kernel_task *task, sht_kernel_examples *out, sht_error *error) {
  uint64_t rows = 0;
  *out = (sht_kernel_examples){0};
  SHT_TRY(take_inputs(cli, inputs, out, &task->inputs[which], error));
  SHT_TRY(sht__npy_read_table(targets, ARRAY_BYTES_MAX, &task->targets[which], &rows, &out->outputs, error));
  if (rows != out->count) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s has %" PRIu64 " examples and %s has %" PRIu64 "; expected as many targets as inputs", inputs,
                    out->count, targets, rows);
  }
  out->inputs = task->inputs[which];
  out->targets = task->targets[which];
  return SHT_OK;
}

static sht_status take_all_arrays(const sht_cli *cli, sht_kernel_task *task, sht_error *error) {
  const char *inputs = sht__cli_text(cli, "inputs"), *targets = sht__cli_text(cli, "targets");
  const char *test_inputs = sht__cli_text(cli, "test-inputs"), *test_targets = sht__cli_text(cli, "test-targets");
  if (inputs == NULL || targets == NULL || (test_inputs == NULL) != (test_targets == NULL)) {
    return SHT_FAIL(error, SHT_USAGE,
                    "arrays come in pairs: --inputs with --targets, --test-inputs with --test-targets");
  }
  SHT_TRY(
      sht__refuse_given(cli, "data labels pixels train-size test-size data-dir",
                        "is of the images of a data set; arrays (--inputs, --targets) are taken as they are, whole: "
                        "change or cut the files beforehand, or leave them out",
                        error));
  SHT_TRY(take_arrays(cli, inputs, targets, 0, task, &task->train, error));
  task->has_test = test_inputs != NULL;
  return task->has_test ? take_arrays(cli, test_inputs, test_targets, 1, task, &task->test, error) : SHT_OK;
}

sht_status sht__kernel_task_open(const sht_cli *cli, sht_kernel_task *task, sht_error *error) {
  static const char *const names[] = {"inputs", "targets", "test-inputs", "test-targets"};
  bool arrays = false;
  *task = (sht_kernel_task){0};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    arrays = arrays || sht__cli_text(cli, names[i]) != NULL;
  }
  SHT_TRY(take_options(cli, task, error));
  return arrays ? take_all_arrays(cli, task, error) : take_data(cli, task, error);
}

void sht__kernel_task_close(sht_kernel_task *task) {
  sht_dataset_close(task->data);
  sht_free(task->other_labels);
  for (int which = 0; which < 2; which++) {
    sht_free(task->inputs[which]);
    sht_free(task->targets[which]);
  }
  sht_pool_close(task->pool);
}
