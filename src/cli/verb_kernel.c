// shatter kernel: a kernel machine solved exactly for all training examples.
#include <math.h>
#include <stdio.h>

#include "base/core_share.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/kernel_task.h"
#include "cli/peak.h"
#include "cli/ranks.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "cli/work.h"

enum { TEXT_BYTES = 64 };
// Work below this many operations is over before its estimate has been read.
static const double WORTH_TELLING = 2e12;
// What the estimate of time supposes: a share of the fp32 peak, and so many products in double for each ridge.
static const double SHARE_OF_PEAK = 0.8, PRODUCTS = 6;

static void tell_ranks(const sht_cli *cli) {
  const sht_cluster_info cluster = sht_cluster_describe(cli->cluster);
  if (!cli->quiet && cluster.ranks > 1) {
    (void)fprintf(stderr, "%d ranks in a grid of %d x %d; %d of them on this machine, threads of each: %d.\n",
                  cluster.ranks, cluster.rows, cluster.columns, cluster.local_ranks, (int)cli->config.threads);
  }
}

// What it takes, beforehand.
static sht_status tell_cost(const sht_cli *cli, const sht_kernel_task *task, sht_error *error) {
  sht_kernel_estimate cost;
  const sht_kernel_examples *test = task->has_test ? &task->test : NULL;
  SHT_TRY(sht_kernel_estimate_cost(&task->train, test, &task->options, &cost, error));
  double operations = cost.search_flops + cost.feature_flops + cost.gram_flops + cost.factor_flops + cost.loo_flops +
                      task->options.ridge_count * PRODUCTS * cost.product_flops;
  double peak = 0;
  char bytes[TEXT_BYTES];
  if (cli->quiet || operations < WORTH_TELLING) {
    return SHT_OK;
  }
  if (sht__kernel_on_card(task)) {
    char card[TEXT_BYTES];
    (void)fprintf(stderr, "This takes %s of the card's memory and %s of this machine's.\n",
                  sht_text_bytes(cost.card_bytes, card, sizeof card), sht_text_bytes(cost.bytes, bytes, sizeof bytes));
    return SHT_OK;
  }
  char time[TEXT_BYTES], folder[TEXT_BYTES], search[TEXT_BYTES], kept[TEXT_BYTES];
  SHT_TRY(sht__peak_measure(SHT_FP32, (int)cli->config.threads, &peak, error));
  const int ranks = sht_cluster_describe(cli->cluster).ranks;
  double rate = SHARE_OF_PEAK * peak * 1e9 * ranks;
  (void)fprintf(stderr, "This takes about %s and %s of memory%s",
                sht_text_duration(operations / rate, time, sizeof time),
                sht_text_bytes(cost.bytes, bytes, sizeof bytes), ranks > 1 ? " on each rank" : "");
  if (cost.search_flops > 0) {
    (void)fprintf(stderr, ", %s of it for the search",
                  sht_text_duration(cost.search_flops / rate, search, sizeof search));
  }
  if (task->options.folder != NULL) {
    (void)fprintf(stderr, "; progress is saved in %s (up to %s", task->options.folder,
                  sht_text_bytes(cost.folder_bytes, folder, sizeof folder));
    if (cost.kept_bytes > 0) {
      (void)fprintf(stderr, ", and %s of features if there is room",
                    sht_text_bytes(cost.kept_bytes, kept, sizeof kept));
    }
    (void)fprintf(stderr, ")");
  } else {
    (void)fprintf(stderr, ranks > 1 ? "; over several ranks it cannot be interrupted and go on"
                                    : "; with -o FOLDER it could be interrupted");
  }
  (void)fprintf(stderr, ".\n");
  return SHT_OK;
}

static sht_status fail_stopped(const sht_kernel_task *task, sht_error *error) {
  if (task->options.cluster != NULL) {
    return SHT_FAIL(error, SHT_STOPPED, "stopped; over several ranks nothing is saved on the way");
  }
  if (sht__kernel_on_card(task)) {
    return SHT_FAIL(error, SHT_STOPPED, "stopped; on a card nothing is saved on the way");
  }
  return task->options.folder != NULL
             ? SHT_FAIL(error, SHT_STOPPED, "stopped; what was done is saved. The same command goes on from there")
             : SHT_FAIL(error, SHT_STOPPED, "stopped; nothing was saved (with -o FOLDER it is)");
}

static sht_status solve(sht_cli *cli, sht_kernel_task *task, sht_error *error) {
  sht_work_progress progress;
  sht__work_open(&progress, cli);
  sht_work observer = sht__work_observer(&progress);
  task->options.work = &observer;
  sht_kernel_result *result = NULL;
  const sht__core_account before = sht__core_account_read();
  sht_status status =
      sht_kernel_solve(&task->train, task->has_test ? &task->test : NULL, &task->options, &result, error);
  const sht__core_account after = sht__core_account_read();
  task->core_share = sht__core_share(&before, &after);
  sht__work_close(&progress);
  task->options.work = NULL;  // it ends with this function
  status = sht_cluster_agree(cli->cluster, status == SHT_STOPPED ? fail_stopped(task, error) : status, error);
  task->peak_gflops = (double)NAN;  // of a card not known
  if (status == SHT_OK && !sht__kernel_on_card(task)) {
    status = sht__peak_measure(SHT_FP32, (int)cli->config.threads, &task->peak_gflops, error);
    task->peak_gflops *= sht_cluster_describe(cli->cluster).ranks;  // all ranks measure at the same time
  }
  if (status == SHT_OK) {
    status = sht__kernel_answer(cli, task, result, error);
  }
  sht_kernel_result_close(result);
  return status;
}

// Reads what is asked for and says what it takes. A folder for the result is made beforehand where no progress is saved
// in it.
static sht_status prepare(const sht_cli *cli, sht_kernel_task *task, sht_error *error) {
  const char *folder = sht__cli_text(cli, "output");
  if (sht__cli_is_set(cli, "arrays") && folder == NULL) {
    return SHT_FAIL(error, SHT_USAGE, "--arrays needs a folder to write them to: -o FOLDER");
  }
  SHT_TRY(sht__kernel_task_open(cli, task, error));
  tell_ranks(cli);
  SHT_TRY(tell_cost(cli, task, error));
  const bool make = folder != NULL && task->options.folder == NULL && sht__ranks_is_first(cli);
  return make ? sht_folder_make(folder, error) : SHT_OK;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht_kernel_task task = {0};
  sht__signals_install();
  SHT_TRY(sht__ranks_join(cli, error));
  sht_status status = sht_cluster_agree(cli->cluster, prepare(cli, &task, error), error);
  if (status == SHT_OK) {
    status = solve(cli, &task, error);
  }
  sht__kernel_task_close(&task);
  return status;
}

static const char *const examples[] = {
    "shatter kernel --data mnist --sigma 5 --train-size 10000",
    "a Gaussian kernel that interpolates 10,000 digits",
    "shatter kernel --data mnist --features gabor -o gabor-mnist",
    "Gabor wavelets, all 60,000 digits; can be interrupted and goes on when called again",
    "shatter kernel --data cifar10 --features randconv:8000 --ridge 0,1 -o randconv",
    "a linear kernel on 8,000 random convolutional filters, without and with a ridge",
    "shatter kernel --data cifar10 --features randconv:8000 --kernel gaussian -o randconv-gaussian",
    "a Gaussian kernel on the same features: twice the memory, smaller errors",
    "shatter kernel --data shapes --sigma search --leave-one-out --json",
    "the width with the smallest leave-one-out error; one object for a script",
    "shatter kernel --inputs x.npy --targets y.npy --kernel laplacian --sigma 2",
    "regression on arrays of one's own",
    "mpirun -n 4 shatter kernel --data cifar10 --sigma 5",
    "four processes share the matrix: systems larger than one machine's memory (docs/kernels.md)",
    "shatter kernel --data mnist --device cuda",
    "on an NVIDIA card: matrix, factorisation and products there (docs/cuda.md)",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "kernel",
     .type = SHT_OPTION_CHOICE,
     .value_name = "NAME",
     .choices = "linear gaussian laplacian polynomial",
     .default_text = "gaussian",
     .help = "which kernel; with features randconv linear, unless another is named"},
    {.name = "sigma",
     .type = SHT_OPTION_TEXT,
     .value_name = "S",
     .default_text = "median",
     .help = "width of the kernel: a number, median, or search (smallest leave-one-out error on a subsample)"},
    {.name = "gamma",
     .type = SHT_OPTION_NUMBER,
     .value_name = "G",
     .help = "the same as 1 / (2 sigma^2): exp(-G |x - z|^2)"},
    {.name = "degree",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "3",
     .help = "of the polynomial kernel (<x,z> / sigma^2 + offset)^degree"},
    {.name = "offset", .type = SHT_OPTION_NUMBER, .value_name = "C", .default_text = "1", .help = "of the same"},
    {.name = "features",
     .type = SHT_OPTION_TEXT,
     .value_name = "MAP",
     .default_text = "none",
     .help = "what the kernel sees: none (pixels), gabor, randconv:N (N random convolutional filters), or "
             "randconv-mirror:N (the same, averaged over an image and its mirror image)"},
    {.name = "ridge",
     .type = SHT_OPTION_TEXT,
     .value_name = "L",
     .default_text = "0",
     .help = "lambda of K + lambda I; several with commas are solved one after another"},
    {.name = "centre", .type = SHT_OPTION_BOOL, .help = "take the mean out of the targets, add it to predictions"},
    {.name = "leave-one-out",
     .type = SHT_OPTION_BOOL,
     .help = "the leave-one-out error by its formula (none where fp32 is too coarse for it), which takes as long as "
             "the factorisation"},
    {.name = "spectrum",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "16",
     .help = "steps of Lanczos to estimate the ends of the spectrum; 0: none"},
    {.name = "tolerance",
     .type = SHT_OPTION_NUMBER,
     .value_name = "T",
     .default_text = "1e-10",
     .help = "largest relative residual of a solution"},
    {.name = "iterations",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "100",
     .help = "products with K in double after which the iteration ends; up to two more measure the residual it tells"},
    {.name = "search-size",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "4000",
     .help = "examples that a search for sigma uses"},
    {.name = "memory",
     .type = SHT_OPTION_TEXT,
     .value_name = "SIZE",
     .help = "memory that may be used, such as 12G; otherwise what is free"},
    {.name = "inputs",
     .type = SHT_OPTION_TEXT,
     .value_name = "FILE",
     .help = "NPY array [n][d] instead of --data; rounded to fp32, which is told when it changes values"},
    {.name = "targets", .type = SHT_OPTION_TEXT, .value_name = "FILE", .help = "NPY array [n] or [n][m] to regress on"},
    {.name = "test-inputs", .type = SHT_OPTION_TEXT, .value_name = "FILE", .help = "the same for the test"},
    {.name = "test-targets", .type = SHT_OPTION_TEXT, .value_name = "FILE", .help = "the same for the test"},
    {.name = "output",
     .letter = 'o',
     .type = SHT_OPTION_TEXT,
     .value_name = "FOLDER",
     .help = "write result.json there, and progress on the way"},
    {.name = "arrays",
     .type = SHT_OPTION_BOOL,
     .help = "also write coefficients.npy [n][m] and predictions.npy [test n][m]"},
    SHT_CLI_PRINT_CONFIG_OPTION,
    SHT_CLI_PROGRESS_OPTION,
    {.name = NULL},
};

static const sht_config_note notes[] = {
    {.name = "device", .choices = "cpu cuda", .help = "Where the matrix is made, factored and multiplied."},
    {.name = "seed",
     .help = "Everything random follows from it: labels, pixels, examples, filters, a search's subsample."},
    {.name = "checkpoint-seconds", .help = "Longest time between two states saved in the folder of -o."},
    {.name = NULL},
};

const sht_verb sht__verb_kernel = {
    .name = "kernel",
    .arguments = "",
    .summary = "solve a kernel machine exactly: interpolate all training examples, or with a ridge",
    .description =
        "One factorisation of K in fp32, then conjugate gradients in double against K computed anew from the data. "
        "Errors, norms under every coding of the targets, leave-one-out, spectrum. With --json: error, train_error, "
        "norm, norms, residual, converged, jitter, phases (with share_of_peak), seconds, peak_bytes; a path of ridges "
        "has a list, "
        "solutions. Exit code 1: not solved (best iterate and the reason are told). Ctrl-C with -o: exit code 130, and "
        "the "
        "same command goes on. Started by mpirun or srun, all processes solve one system together (ranks, grid). On a "
        "card "
        "(--device cuda) without leave-one-out and saved progress.",
    .examples = examples,
    .config_options = "data labels pixels train-size test-size seed threads device checkpoint-seconds data-dir",
    .config_notes = notes,
    .options = options,
    .run = run,
};
