// shatter express: Theorem 1's network for a sample, or Corollary 1's deeper one, built and checked.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/given.h"
#include "cli/table.h"
#include "cli/theory.h"
#include "cli/verbs.h"
#include "shatter/theory.h"

enum { WORD_BYTES = 64, DIMS = 64, CLASSES = 10, TRIES = 8, ENGINE_POINTS = 1000 };
static const double tolerance_default = 1e-3;

// ---- the sample

typedef struct source {
  sht_dataset *data;  // NULL: none
  sht_sample sample;
  char name[2 * SHT_TEXT_MAX];  // for people
} source;

static sht_status open_images(const sht_cli *cli, source *out, sht_error *error) {
  SHT_TRY(sht__theory_open_data(cli, &out->data, error));
  (void)snprintf(out->name, sizeof out->name, "images of %s", cli->config.data);
  return sht_sample_of_split(&out->data->train, sht__cli_is_set(cli, "whiten"), &out->sample, error);
}

static sht_status open_random(const sht_cli *cli, source *out, sht_error *error) {
  const uint64_t dims = sht__cli_count(cli, "d", DIMS);
  const uint64_t classes = sht__cli_count(cli, "classes", CLASSES);
  if (dims > INT32_MAX || classes > UINT16_MAX) {
    return SHT_FAIL(error, SHT_USAGE, "--d takes at most %d and --classes at most %d", INT32_MAX, UINT16_MAX);
  }
  (void)snprintf(out->name, sizeof out->name, "random points");
  return sht_sample_random(sht__cli_count(cli, "n", 0), (uint32_t)dims, (uint32_t)classes, cli->config.seed,
                           &out->sample, error);
}

// One sample, and no option that goes with another.
static sht_status check_source(const sht_cli *cli, bool random, sht_error *error) {
  const bool arrays = sht__is_given(cli, "points");
  if (arrays + random + sht__is_given(cli, "data") > 1) {
    return SHT_FAIL(error, SHT_USAGE, "one sample at a time: --data, or --points with --targets, or --n with --d");
  }
  if (arrays != sht__is_given(cli, "targets")) {
    return SHT_FAIL(error, SHT_USAGE, "--points and --targets go together: an NPY file each");
  }
  if (!random) {
    SHT_TRY(sht__refuse_given(cli, "d classes", "is of random points, which --n asks for", error));
  }
  return arrays || random
             ? sht__refuse_given(cli, "labels pixels train-size data-dir whiten",
                                 random ? "is of the images of a data set (--data); random points are as --n, --d, "
                                          "--classes and --seed say"
                                        : "is of the images of a data set (--data); --points and --targets are taken "
                                          "as they are, whole: change or cut the files beforehand",
                                 error)
             : SHT_OK;
}

static sht_status open_source(const sht_cli *cli, source *out, sht_error *error) {
  *out = (source){0};
  const char *points = sht__cli_text(cli, "points"), *targets = sht__cli_text(cli, "targets");
  const bool random = sht__is_given(cli, "n");
  SHT_TRY(check_source(cli, random, error));
  if (points != NULL) {
    (void)snprintf(out->name, sizeof out->name, "points of %s", points);
    return sht_sample_of_arrays(points, targets, &out->sample, error);
  }
  return random ? open_random(cli, out, error) : open_images(cli, out, error);
}

static void close_source(source *from) {
  sht_sample_close(&from->sample);
  sht_dataset_close(from->data);
}

// ---- options

static sht_status read_options(const sht_cli *cli, sht_express_options *out, sht_error *error) {
  const char *precision = cli->config.precision;
  if (strcmp(precision, "fp64") != 0 && strcmp(precision, "fp32") != 0) {
    return SHT_FAIL(error, SHT_CONFIG, "%s has too few digits to tell the points apart; use --precision fp64 or fp32",
                    precision);
  }
  *out = (sht_express_options){
      .depth = sht__cli_count_u32(cli, "depth", 2),
      .single = strcmp(precision, "fp32") == 0,
      .tries = sht__cli_count_u32(cli, "tries", TRIES),
      .engine_points = sht__cli_count(cli, "engine-points", ENGINE_POINTS),
      .seed = cli->config.seed,
      .threads = (int)cli->config.threads,
      .folder = sht__cli_text(cli, "output"),
  };
  SHT_TRY(sht__theory_number(cli, "fraction", NAN, &out->fraction, error));
  return sht__theory_number(cli, "tolerance", tolerance_default, &out->tolerance, error);
}

// ---- the answer

static sht_status add_list(sht_json *json, const char *key, const double *values, uint32_t count, sht_error *error) {
  sht_json_list list;
  char number[WORD_BYTES];
  SHT_TRY(sht__list_open(&list, error));
  for (uint32_t i = 0; i < count; i++) {
    sht__list_add_raw(&list, sht_json_number_text(values[i], number, sizeof number));
  }
  return sht__list_close(&list, json, key, error);
}

static void add_sizes(sht_json *json, const sht_express_result *r) {
  sht_json_add_bool(json, "represented", r->represented);
  sht_json_add_count(json, "points", r->points);
  sht_json_add_count(json, "dims", r->dims);
  sht_json_add_count(json, "merged", r->merged);
  sht_json_add_count(json, "indistinct", r->indistinct);
  sht_json_add_count(json, "units", r->units);
  sht_json_add_count(json, "weights", r->weights);
  sht_json_add_count(json, "depth", r->depth);
  sht_json_add_count(json, "width", r->width);
  sht_json_add_number(json, "c1", r->width_constant);
  sht_json_add_number(json, "c2", r->weights_constant);
}

static void add_errors(sht_json *json, const sht_express_result *r) {
  sht_json_add_number(json, "error_exact", r->error_exact);
  sht_json_add_count(json, "engine_points", r->engine_points);
  sht_json_add_number(json, "error_engine", r->error_engine);
  sht_json_add_number(json, "error_single", r->error_single);
  sht_json_add_number(json, "target_largest", r->target_largest);
  sht_json_add_number(json, "smallest_eigenvalue", r->smallest_eigenvalue);
  sht_json_add_number(json, "smallest_singular", r->smallest_singular);
  sht_json_add_count(json, "iterations", r->iterations);
  sht_json_add_number(json, "norm", r->weight_norm);
  sht_json_add_number(json, "weight_largest", r->weight_largest);
  sht_json_add_number(json, "weight_bound", r->weight_bound);
  sht_json_add_number(json, "cancellation", r->cancellation);
  sht_json_add_number(json, "projection_rounding", r->projection_rounding);
}

static sht_status answer(sht_cli *cli, const sht_express_options *options, const sht_express_result *r,
                         sht_error *error) {
  sht_json json = {0};
  add_sizes(&json, r);
  sht_json_add_text(&json, "precision", options->single ? "fp32" : "fp64");
  sht_json_add_count(&json, "direction", r->chosen);
  SHT_TRY(add_list(&json, "gaps", r->gaps, r->tries, error));
  sht_json_add_number(&json, "fraction", r->fraction);
  SHT_TRY(add_list(&json, "fractions", r->fractions, r->fraction_count, error));
  SHT_TRY(add_list(&json, "fraction_errors", r->fraction_errors, r->fraction_count, error));
  add_errors(&json, r);
  sht_json_add_number(&json, "seconds_build", r->seconds_build);
  sht_json_add_number(&json, "seconds_check", r->seconds_check);
  sht_json_add_text(&json, "output", options->folder);
  return sht__answer_print(cli, &json, error);
}

static void add_row(sht_table *table, const char *name, double value, const char *meaning) {
  sht__table_add(table, "%s", name);
  sht__table_add_number(table, value);
  sht__table_add(table, "%s", meaning);
}

static void print_sentence(const source *from, const sht_express_options *options, const sht_express_result *r) {
  char points[WORD_BYTES], dims[WORD_BYTES], weights[WORD_BYTES], width[WORD_BYTES];
  (void)printf("%s: a network of depth %" PRIu32 " and width %s with %s weights %s the %s %s in %s dimensions (%s).\n",
               r->represented ? "Represented" : "Not represented", r->depth,
               sht_text_count(r->width, width, sizeof width), sht_text_count(r->weights, weights, sizeof weights),
               r->represented ? "takes the given value on each of" : "misses the given values on some of",
               sht_text_count(r->points, points, sizeof points), from->name, sht_text_count(r->dims, dims, sizeof dims),
               options->single ? "fp32" : "fp64");
  if (r->depth > 2) {
    (void)printf("Width %.2f n/k, weights %.3f (n + d).\n", r->width_constant, r->weights_constant);
  }
  if (r->merged > 0) {
    (void)printf("%" PRIu64 " points repeat an earlier one with the same target and share its unit.\n", r->merged);
  }
  if (r->indistinct > 0) {
    (void)printf("%" PRIu64 " points cannot be told from another by their projection in fp32; fp64 can.\n",
                 r->indistinct);
  }
  (void)fputc('\n', stdout);
}

static sht_status print_figures(const sht_express_options *options, const sht_express_result *r, sht_error *error) {
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  SHT_TRY(sht__table_open(&table, "lrl", error));
  sht__table_add(&table, "figure");
  sht__table_add(&table, "value");
  sht__table_add(&table, "%s", "");
  add_row(&table, "largest error, all points", r->error_exact, "of the stored weights, prefix sums of 106 bits");
  if (options->single) {
    add_row(&table, "largest error, float loop", r->error_single, "what arithmetic in fp32 adds");
  } else {
    add_row(&table, "largest error, engine", r->error_engine, "what arithmetic in fp64 adds");
  }
  add_row(&table, "smallest gap", r->gaps[r->chosen], "between projections; the best of the directions tried");
  add_row(&table, "knots' fraction", r->fraction, "of the way from the point before");
  add_row(&table, "smallest eigenvalue of A", r->smallest_eigenvalue, "min (x_i - b_i), Lemma 1");
  add_row(&table, "smallest singular value of A", r->smallest_singular, "what bounds the weights: ||w|| <= ||y|| / it");
  add_row(&table, "norm of w", r->weight_norm, "");
  add_row(&table, "largest |w_j|", r->weight_largest, "");
  add_row(&table, "bound on |w_j|", r->weight_bound, "from targets, gaps and fraction alone");
  add_row(&table, "cancellation", r->cancellation, "sum of |terms| over the largest target");
  add_row(&table, "rounding of projections", r->projection_rounding, "summed forwards against backwards");
  return sht__table_print(&table, stdout, &terminal, error);
}

static sht_status print(const source *from, const sht_express_options *options, const sht_express_result *r,
                        sht_error *error) {
  char build[WORD_BYTES], check[WORD_BYTES];
  print_sentence(from, options, r);
  SHT_TRY(print_figures(options, r, error));
  (void)printf("\nBuilt in %s, checked in %s (%" PRIu64 " points through the %s).\n",
               sht_text_duration(r->seconds_build, build, sizeof build),
               sht_text_duration(r->seconds_check, check, sizeof check), r->engine_points,
               options->single ? "float loop" : "engine");
  if (options->folder != NULL) {
    (void)printf("Model and weights: %s/model.yaml, %s/weights.safetensors\n", options->folder, options->folder);
  }
  return SHT_OK;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht_express_options options;
  sht_express_result result;
  source from;
  SHT_TRY(read_options(cli, &options, error));
  sht__theory_progress progress;
  sht_theory_observer observer = sht__theory_observe(cli, &progress);
  sht_status status = open_source(cli, &from, error);
  if (status == SHT_OK) {
    status = sht_express(&from.sample, &options, &observer, &result, error);
  }
  sht__theory_progress_close(&progress);
  if (status == SHT_OK) {
    status = cli->json ? answer(cli, &options, &result, error) : print(&from, &options, &result, error);
  }
  close_source(&from);
  return status == SHT_OK && !result.represented ? SHT_NO : status;
}

static void prepare(sht_config *config) { (void)snprintf(config->precision, sizeof config->precision, "fp64"); }

static const char *const examples[] = {
    "shatter express --n 1000 --d 64",
    "a thousand random points with random labels: 2n + d weights",
    "shatter express --data cifar10 --labels random -o net",
    "all 50,000 images; the model and its weights as files",
    "shatter express --n 1000 --d 64 --depth 10",
    "Corollary 1: seven intervals and a multiplexer",
    "shatter express --points x.npy --targets y.npy",
    "points and real targets of one's own",
    "shatter express --data cifar10 --labels random --precision fp32",
    "where single precision gives out",
    NULL,
};

static const sht_cli_option options_table[] = {
    {.name = "n", .type = SHT_OPTION_COUNT, .value_name = "N", .help = "random points: how many"},
    {.name = "d",
     .type = SHT_OPTION_COUNT,
     .value_name = "D",
     .default_text = "64",
     .help = "random points: dimensions"},
    {.name = "classes",
     .type = SHT_OPTION_COUNT,
     .value_name = "K",
     .default_text = "10",
     .help = "random points: targets are 0 to K - 1"},
    {.name = "points", .type = SHT_OPTION_TEXT, .value_name = "FILE", .help = "points as NPY, [n][d]"},
    {.name = "targets", .type = SHT_OPTION_TEXT, .value_name = "FILE", .help = "their targets as NPY, [n]"},
    {.name = "whiten", .type = SHT_OPTION_BOOL, .help = "images as networks get them, not levels from 0 to 1"},
    {.name = "depth",
     .type = SHT_OPTION_COUNT,
     .value_name = "K",
     .default_text = "2",
     .help = "2 (Theorem 1), or 4 to 256 (Corollary 1)"},
    {.name = "tries",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "8",
     .help = "directions to choose the projection from, 1 to 16"},
    {.name = "fraction",
     .type = SHT_OPTION_TEXT,
     .value_name = "F",
     .default_text = "by measured error",
     .help = "knots lie this far from the point before to their own"},
    {.name = "tolerance",
     .type = SHT_OPTION_TEXT,
     .value_name = "X",
     .default_text = "1e-3",
     .help = "largest error, as a share of the largest |target|, that counts as represented"},
    {.name = "engine-points",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "1000",
     .help = "points to send through the engine"},
    {.name = "output",
     .letter = 'o',
     .type = SHT_OPTION_TEXT,
     .value_name = "FOLDER",
     .help = "write model.yaml and weights.safetensors, and check what is read back"},
    SHT_CLI_PRINT_CONFIG_OPTION,
    SHT_CLI_PROGRESS_OPTION,
    {.name = NULL},
};

static const sht_config_note notes[] = {
    {.name = "precision", .choices = "fp64 fp32", .help = "Arithmetic of projections and weights."},
    {.name = NULL},
};

const sht_verb sht__verb_express = {
    .name = "express",
    .arguments = "",
    .summary = "a network of 2n + d weights that takes given values on n points (Theorem 1)",
    .description =
        "No training: the weights are computed in O(n log n + nd), in fp64 unless --precision says fp32. Points that "
        "repeat with the same target are "
        "merged; with different targets they are refused. Exit code 1: the sample is not represented to the "
        "tolerance.",
    .examples = examples,
    .config_options = "data labels pixels train-size seed precision threads data-dir",
    .config_notes = notes,
    .options = options_table,
    .prepare = prepare,
    .run = run,
};
