// shatter bench: the time of a whole training step (data, forward, backward, update) of each network, and its share of
// the processor's multiply-add peak, measured by the same command.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/answer.h"
#include "cli/peak.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "engine/group_time.h"
#include "shatter/engine.h"

enum {
  SIDE = 28,
  WHOLE_SIDE = 32,
  CHANNELS = 3,
  CLASSES = 10,
  EXAMPLES = 4096,
  WINDOWS_MAX = 400,
  WINDOWS_MIN = 5,
  STEPS_MAX = EXAMPLES / 128
};

typedef struct sample {  // synthetic pictures: speed does not depend on what they show
  sht_split split;
  sht_pipeline pipeline;
  double fill_ms;  // of a batch on one thread, median; a part of each step
} sample;

typedef struct measurement {
  double step_ms;  // median over the windows
  double gflops;
  uint64_t bytes;  // allocated by the engine
} measurement;

static double now(void) {
  struct timespec time;
  (void)clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Share of all cores' time that somebody used during a quarter of a second in which we sleep; NaN when not known.
static void read_ticks(double *idle, double *total) {
  *idle = *total = NAN;
  FILE *file = fopen("/proc/stat", "re");
  if (file == NULL) {
    return;
  }
  double ticks[8] = {0};
  // NOLINTNEXTLINE(cert-err34-c): the kernel writes these
  if (fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4],
             &ticks[5], &ticks[6], &ticks[7]) == 8) {
    *idle = ticks[3] + ticks[4];
    *total = 0;
    for (int i = 0; i < 8; i++) {
      *total += ticks[i];
    }
  }
  (void)fclose(file);
}

static double busy_share(void) {
  double idle[2], total[2];
  read_ticks(&idle[0], &total[0]);
  const struct timespec pause = {.tv_sec = 1};
  (void)nanosleep(&pause, NULL);
  read_ticks(&idle[1], &total[1]);
  return 1 - (idle[1] - idle[0]) / (total[1] - total[0]);
}

static void close_sample(sample *data) {
  sht_free(data->split.pixels);
  sht_free(data->split.labels);
}

// Stored whole where augmentation reads around the window, as in training.
static sht_status open_sample(const sht_cli *cli, sample *data, sht_error *error) {
  sht_augmentation how;
  SHT_TRY(sht_augmentation_parse(cli->config.augment, &how, error));
  const uint32_t side = sht_augmentation_reads_around(&how) ? WHOLE_SIDE : SIDE;
  *data = (sample){.split = {.count = EXAMPLES, .height = side, .width = side, .channels = CHANNELS}};
  uint8_t *pixels = NULL;
  const uint64_t values = (uint64_t)EXAMPLES * side * side * CHANNELS;
  SHT_TRY(SHT_ALLOC(&pixels, values, "pictures", error));
  data->split.pixels = pixels;
  SHT_TRY(SHT_ALLOC(&data->split.labels, EXAMPLES, "labels", error));
  data->split.true_labels = data->split.labels;
  sht_rng rng = sht_rng_make(1, SHT_PURPOSE_SHAPES);
  for (uint64_t i = 0; i < values; i += 4) {
    uint32_t word = sht_rng_u32(rng, 0, i, 0);
    memcpy(pixels + i, &word, sizeof word);
  }
  for (uint32_t i = 0; i < EXAMPLES; i++) {
    data->split.labels[i] = (uint16_t)sht_rng_below(rng, 1, i, 0, CLASSES);
  }
  data->pipeline =
      (sht_pipeline){.split = &data->split, .height = SIDE, .width = SIDE, .whiten = true, .seed = 1, .augment = how};
  return SHT_OK;
}

static int compare_numbers(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

// Times windows of `steps` steps until `seconds` are over; the median of a step in milliseconds.
static sht_status time_windows(sht_engine *engine, const sample *data, uint64_t steps, double seconds, double *step_ms,
                               sht_error *error) {
  const sht_step_rates rates = {1e-4F, 0.9F, 0};
  sht_step_metrics metrics[STEPS_MAX];
  double times[WINDOWS_MAX];
  int count = 0;
  double end = now() + seconds;
  while (count < WINDOWS_MIN || (count < WINDOWS_MAX && now() < end)) {
    uint64_t done = 0;
    double start = now();
    SHT_TRY(sht_engine_train(engine, &data->pipeline, 0, 0, steps, &rates, metrics, &done, error));
    if (done < steps) {
      return SHT_FAIL(error, SHT_INTERNAL, "the benchmark's network diverged");
    }
    times[count++] = (now() - start) * 1000 / (double)steps;
  }
  qsort(times, (size_t)count, sizeof times[0], compare_numbers);
  *step_ms = times[count / 2];
  return SHT_OK;
}

// Fills every batch of the sample once on this thread.
static sht_status time_fill(sample *data, uint64_t batch, sht_error *error) {
  double times[EXAMPLES];
  uint32_t examples[EXAMPLES];
  uint16_t labels[EXAMPLES];
  float *x = NULL;
  batch = batch > EXAMPLES ? EXAMPLES : batch;
  SHT_TRY(SHT_ALLOC(&x, batch * SIDE * SIDE * CHANNELS, "batch", error));
  for (uint32_t i = 0; i < EXAMPLES; i++) {
    examples[i] = i;
  }
  uint64_t count = EXAMPLES / batch;
  for (uint64_t b = 0; b < count; b++) {
    double start = now();
    sht_pipeline_fill(&data->pipeline, 0, examples + b * batch, batch, x, labels);
    times[b] = (now() - start) * 1000;
  }
  qsort(times, count, sizeof times[0], compare_numbers);
  data->fill_ms = times[count / 2];
  sht_free(x);
  return SHT_OK;
}

// most: steps in an epoch.
static sht_status time_engine(const sht_graph *graph, sht_engine *engine, const sample *data, uint64_t most,
                              double seconds, double *step_ms, sht_error *error) {
  float *parameters = NULL;
  SHT_TRY(SHT_ALLOC(&parameters, graph->parameter_count, "weights", error));
  sht_graph_initialize(graph, 1, parameters);
  sht_status status = sht_engine_put(engine, SHT_STATE_PARAMETERS, parameters, graph->parameter_count, error);
  sht_free(parameters);
  SHT_TRY(status);
  double warm_ms = 0;
  SHT_TRY(time_windows(engine, data, 1, 0.2, &warm_ms, error));
  uint64_t steps = (uint64_t)(20 / warm_ms);  // windows of about 20 ms
  most = most < STEPS_MAX ? most : STEPS_MAX;
  steps = steps < 1 ? 1 : steps > most ? most : steps;
  return time_windows(engine, data, steps, seconds, step_ms, error);
}

static uint32_t together(const sht_cli *cli) {
  const uint64_t asked = sht__cli_count(cli, "together", 1);
  return asked < 1 ? 1 : asked < UINT32_MAX ? (uint32_t)asked : UINT32_MAX;
}

static sht_status check_together(const sht_cli *cli, const char *model, const sht_engine_info *info, sht_error *error) {
  const uint32_t can = info->together > 1 ? info->together : 1;
  if (together(cli) > can) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%u runs of %s cannot be trained together by --device %s; at most %u can",
                    together(cli), model, info->backend, can);
  }
  return SHT_OK;
}

// A step of several runs at once, all on the same pictures.
static sht_status time_together(const sht_cli *cli, const sht_graph *graph, const sht_engine_options *options,
                                const sample *data, double seconds, double *step_ms, sht_error *error) {
  const sht__group_trial trial = {
      .graph = graph, .train = &data->pipeline, .options = *options, .members = together(cli), .seconds = seconds};
  double step = 0;
  SHT_TRY(sht__group_time(&trial, &step, error));
  *step_ms = 1000 * step;
  return SHT_OK;
}

static sht_status measure_graph(const sht_cli *cli, const sht_graph *graph, const sht_engine_options *options,
                                double seconds, const sample *data, measurement *out, sht_error *error) {
  sht_engine *engine = NULL;
  SHT_TRY(sht_engine_open(graph, options, &engine, error));
  sht_engine_info info = {0};
  sht_engine_describe(engine, &info);
  sht_status status = check_together(cli, graph->name, &info, error);
  if (status == SHT_OK) {
    status = together(cli) > 1
                 ? time_together(cli, graph, options, data, seconds, &out->step_ms, error)
                 : time_engine(graph, engine, data, (EXAMPLES - 1) / options->batch + 1, seconds, &out->step_ms, error);
  }
  sht_engine_close(engine);
  SHT_TRY(status);
  out->bytes = info.bytes * together(cli);
  out->gflops = 2e-6 * (double)graph->training_macs * (double)options->batch * together(cli) / out->step_ms;
  return SHT_OK;
}

static sht_status measure(const sht_cli *cli, const char *model, sht_precision precision, double seconds,
                          const sample *data, measurement *out, sht_error *error) {
  sht_graph_options shape = {.input = {CHANNELS, SIDE, SIDE}, .classes = CLASSES};
  sht_graph *graph = NULL;
  SHT_TRY(sht_graph_open(model, &shape, &graph, error));
  const sht_engine_options options = {.backend = cli->config.device,
                                      .precision = precision,
                                      .threads = (int)cli->config.threads,
                                      .batch = (uint32_t)cli->config.batch,
                                      .seed = 1,
                                      .train_examples = EXAMPLES};
  sht_status status = measure_graph(cli, graph, &options, seconds, data, out, error);
  sht_graph_close(graph);
  return status;
}

static const char *precision_name(sht_precision precision) {
  return precision == SHT_BF16 ? "bf16" : precision == SHT_TF32 ? "tf32" : "fp32";
}

typedef struct output {
  sht_table table;
  sht_json_list list;
} output;

static sht_status add_row(const sht_cli *cli, output *out, const char *model, sht_precision precision, double peak,
                          const measurement *row, sht_error *error) {
  double images = 1000 * (double)cli->config.batch * together(cli) / row->step_ms;
  if (!cli->json) {
    sht__table_add(&out->table, "%s", model);
    sht__table_add(&out->table, "%s", precision_name(precision));
    sht__table_add(&out->table, "%.2f", row->step_ms);
    sht__table_add_count(&out->table, (unsigned long long)images);
    sht__table_add(&out->table, "%.0f", row->gflops);
    if (isnan(peak)) {
      sht__table_add(&out->table, "-");
    } else {
      sht__table_add(&out->table, "%.0f %%", 100 * row->gflops / peak);
    }
    return SHT_OK;
  }
  sht_json item = {0};
  sht_json_add_text(&item, "model", model);
  sht_json_add_text(&item, "precision", precision_name(precision));
  sht_json_add_count(&item, "together", together(cli));
  sht_json_add_number(&item, "step_ms", row->step_ms);
  sht_json_add_number(&item, "images_per_second", images);
  sht_json_add_number(&item, "gflops", row->gflops);
  sht_json_add_number(&item, "peak_gflops", peak);
  sht_json_add_number(&item, "share_of_peak", row->gflops / peak);
  sht_json_add_count(&item, "peak_bytes", row->bytes);
  return sht__list_add(&out->list, &item, error);
}

// The networks in one precision, against the processor's peak in it.
static sht_status bench_precision(const sht_cli *cli, output *out, const sample *data, sht_precision precision,
                                  sht_error *error) {
  static const char *const networks[] = {"inception", "inception-nobn", "alexnet", "mlp-3x512", "mlp-1x512", NULL};
  const char *one[] = {sht__cli_text(cli, "model"), NULL};
  double seconds = (double)sht__cli_count(cli, "seconds", 5);
  double peak = NAN;  // of a card: not measured
  if (strcmp(cli->config.device, "cuda") != 0) {
    SHT_TRY(sht__peak_measure(precision, (int)cli->config.threads, &peak, error));
  }
  for (const char *const *model = one[0] != NULL ? one : networks; *model != NULL; model++) {
    measurement row = {0};
    SHT_TRY(measure(cli, *model, precision, seconds, data, &row, error));
    SHT_TRY(add_row(cli, out, *model, precision, peak, &row, error));
  }
  return SHT_OK;
}

// The precision that was asked for; without one those that the device is fast in.
static bool is_wanted(const sht_cli *cli, sht_precision precision) {
  const char *only = sht__cli_text(cli, "precision");
  if (only != NULL) {
    return strcmp(only, precision_name(precision)) == 0;
  }
  return precision != SHT_TF32 || strcmp(cli->config.device, "cuda") == 0;
}

static sht_status bench_all(const sht_cli *cli, output *out, const sample *data, sht_error *error) {
  static const sht_precision precisions[] = {SHT_FP32, SHT_TF32, SHT_BF16};
  for (size_t i = 0; i < sizeof precisions / sizeof precisions[0]; i++) {
    if (is_wanted(cli, precisions[i])) {
      SHT_TRY(bench_precision(cli, out, data, precisions[i], error));
    }
  }
  return SHT_OK;
}

static sht_status print_text(const sht_cli *cli, const sample *data, sht_error *error) {
  static const char *const heads[] = {"network", "precision", "step ms", "images/s", "GFLOP/s", "of peak"};
  output out = {0};
  SHT_TRY(sht__table_open(&out.table, "llrrrr", error));
  for (int i = 0; i < 6; i++) {
    sht__table_add(&out.table, "%s", heads[i]);
  }
  sht_status status = bench_all(cli, &out, data, error);
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_status printed = sht__table_print(&out.table, stdout, &terminal, status == SHT_OK ? error : NULL);
  if (status == SHT_OK && printed == SHT_OK && together(cli) > 1) {
    (void)printf("\nA step is one of %u runs at once.\n", together(cli));
  }
  if (status == SHT_OK && printed == SHT_OK) {
    (void)printf("\nOf each step, filling the batch takes %.2f ms of one thread.\n", data->fill_ms);
  }
  return status != SHT_OK ? status : printed;
}

static sht_status print_json(sht_cli *cli, const sample *data, double busy, sht_error *error) {
  output out = {0};
  SHT_TRY(sht__list_open(&out.list, error));
  sht_status status = bench_all(cli, &out, data, error);
  if (status != SHT_OK) {
    (void)sht__list_close(&out.list, NULL, NULL, NULL);
    return status;
  }
  sht_json json = {0};
  sht_json_add_count(&json, "batch", cli->config.batch);
  sht_json_add_number(&json, "busy", busy);
  sht_json_add_number(&json, "fill_ms", data->fill_ms);
  SHT_TRY(sht__list_close(&out.list, &json, "results", error));
  return sht__answer_print(cli, &json, error);
}

// A misspelled network is told before the machine is looked at.
static sht_status check_model(const sht_cli *cli, sht_error *error) {
  const char *name = sht__cli_text(cli, "model");
  sht_graph *graph = NULL;
  if (name == NULL) {
    return SHT_OK;
  }
  sht_graph_options shape = {.input = {CHANNELS, SIDE, SIDE}, .classes = CLASSES};
  SHT_TRY(sht_graph_open(name, &shape, &graph, error));
  sht_graph_close(graph);
  return SHT_OK;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  SHT_TRY(check_model(cli, error));
  double busy = busy_share();
  if (busy > 0.1 && !sht__cli_is_set(cli, "force")) {
    return SHT_FAIL(error, SHT_NO,
                    "the machine is busy (%.0f %% of its cores): figures would not count; wait, or --force",
                    100 * busy);
  }
  sample data = {.fill_ms = NAN};
  sht_status status = open_sample(cli, &data, error);
  if (status == SHT_OK) {
    status = time_fill(&data, cli->config.batch, error);
  }
  if (status == SHT_OK) {
    status = cli->json ? print_json(cli, &data, busy, error) : print_text(cli, &data, error);
  }
  close_sample(&data);
  return status;
}

static const char *const examples[] = {
    "shatter bench",
    "the five networks in fp32 and bf16",
    "shatter bench --model inception --precision fp32 --json",
    "one of them, for a script",
    "shatter bench --model inception --augment flip,rotate:25",
    "with the images augmented",
    "shatter bench --device cuda --precision bf16",
    "on the card",
    "shatter bench --device cuda --model mlp-1x512 --together 32",
    "what a sweep of 32 runs costs there",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "model", .type = SHT_OPTION_TEXT, .value_name = "NAME|FILE", .help = "only this network"},
    {.name = "precision",
     .type = SHT_OPTION_CHOICE,
     .value_name = "P",
     .choices = "fp32 tf32 bf16",
     .help = "only this one"},
    {.name = "together",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "1",
     .help = "steps of N runs at once, where a card can train so many of a network together"},
    {.name = "seconds",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "5",
     .help = "time for each figure"},
    {.name = "force", .type = SHT_OPTION_BOOL, .help = "measure on a busy machine all the same"},
    {.name = NULL},
};

const sht_verb sht__verb_bench = {
    .name = "bench",
    .arguments = "",
    .summary = "time of a training step, and its share of the processor's peak",
    .description =
        "A step is all of it: filling the batch, forward, backward, update. Operations are multiply-adds "
        "times two, padding included, without the input gradient of the first layer. The peak is measured "
        "by the same command (of the processor; a card's is not).",
    .examples = examples,
    .config_options = "batch threads device augment",
    .options = options,
    .run = run,
};
