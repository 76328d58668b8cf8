// shatter data list, check, show: which data sets there are, whether one is sound, what it looks like.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/table.h"
#include "cli/training.h"
#include "cli/verbs.h"
#include "shatter/data.h"

enum { PATH_BYTES = 4096, WORD_BYTES = 64, PICTURES = 100, PICTURE_COLUMNS = 10 };

static const char *data_dir_of(const sht_cli *cli) {
  return cli->config.data_dir[0] != '\0' ? cli->config.data_dir : NULL;
}

// "built in", "here" or "not here".
static const char *state_of(const sht_known_data *set, const char *folder) {
  if (set->folder == NULL) {
    return "built in";
  }
  char path[PATH_BYTES];
  bool fits = sht_path_join(path, sizeof path, folder, set->folder, NULL) == SHT_OK;
  return fits && sht_folder_exists(path) ? "here" : "not here";
}

static void add_set_row(sht_table *table, const sht_known_data *set, const char *folder) {
  sht__table_add(table, "%s", set->name);
  sht__table_add(table, "%s", state_of(set, folder));
  sht__table_add_count(table, set->train);
  sht__table_add_count(table, set->test);
  sht__table_add(table, "%" PRIu32, set->classes);
  sht__table_add(table, "%" PRIu32 "x%" PRIu32 "x%" PRIu32, set->height, set->width, set->channels);
  sht__table_add(table, "%s", set->description);
}

static sht_status print_sets(const char *folder, sht_error *error) {
  static const char *const heads[] = {"data", "", "training", "test", "classes", "images", ""};
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  SHT_TRY(sht__table_open(&table, "llrrrll", error));
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    sht__table_add(&table, "%s", heads[i]);
  }
  for (size_t i = 0; i < sht_known_set_count; i++) {
    add_set_row(&table, &sht_known_sets[i], folder);
  }
  SHT_TRY(sht__table_print(&table, stdout, &terminal, error));
  (void)printf("\nData folder: %s\nWhat is not here: `shatter data fetch NAME`. Your own: --data FOLDER.\n", folder);
  return SHT_OK;
}

static sht_status answer_sets(sht_cli *cli, const char *folder, sht_error *error) {
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (size_t i = 0; i < sht_known_set_count && status == SHT_OK; i++) {
    const sht_known_data *set = &sht_known_sets[i];
    sht_json item = {0};
    sht_json_add_text(&item, "data", set->name);
    sht_json_add_bool(&item, "present", strcmp(state_of(set, folder), "not here") != 0);
    sht_json_add_count(&item, "train_examples", set->train);
    sht_json_add_count(&item, "test_examples", set->test);
    sht_json_add_count(&item, "classes", set->classes);
    sht_json_add_count(&item, "height", set->height);
    sht_json_add_count(&item, "width", set->width);
    sht_json_add_count(&item, "channels", set->channels);
    status = sht__list_add(&list, &item, error);
  }
  sht_json json = {0};
  sht_json_add_text(&json, "data_dir", folder);
  sht_status closed = sht__list_close(&list, &json, "sets", error);
  SHT_TRY(status);
  SHT_TRY(closed);
  return sht__answer_print(cli, &json, error);
}

static sht_status run_list(sht_cli *cli, sht_error *error) {
  char folder[PATH_BYTES];
  SHT_TRY(sht_data_folder(data_dir_of(cli), folder, sizeof folder, error));
  return cli->json ? answer_sets(cli, folder, error) : print_sets(folder, error);
}

static sht_status add_split(sht_json *json, const char *key, const sht_split *split, const sht_split_report *report,
                            uint32_t classes, sht_error *error) {
  sht_json item = {0};
  sht_json_list counts, means, deviations;
  char number[WORD_BYTES];
  sht_json_add_count(&item, "examples", report->count);
  sht_json_add_count(&item, "duplicates", report->duplicates);
  SHT_TRY(sht__list_open(&counts, error));
  for (uint32_t k = 0; k < classes; k++) {
    (void)snprintf(number, sizeof number, "%" PRIu64, report->class_counts[k]);
    sht__list_add_raw(&counts, number);
  }
  SHT_TRY(sht__list_close(&counts, &item, "class_counts", error));
  SHT_TRY(sht__list_open(&means, error));
  SHT_TRY(sht__list_open(&deviations, error));
  for (uint32_t c = 0; c < split->channels && report->count > 0; c++) {
    sht__list_add_raw(&means, sht_json_number_text(report->mean[c], number, sizeof number));
    sht__list_add_raw(&deviations, sht_json_number_text(report->deviation[c], number, sizeof number));
  }
  SHT_TRY(sht__list_close(&means, &item, "mean", error));
  SHT_TRY(sht__list_close(&deviations, &item, "deviation", error));
  char *text = NULL;
  SHT_TRY(sht_json_finish(&item, &text, error));
  sht_json_add_raw(json, key, text);
  sht_text_free(text);
  return SHT_OK;
}

static sht_status answer_check(sht_cli *cli, const sht_data_report *report, sht_error *error) {
  const sht_dataset *data = report->data;
  sht_json json = {0};
  sht_json_add_bool(&json, "ok", true);
  sht_json_add_text(&json, "data", data->name);
  sht_json_add_count(&json, "classes", data->classes);
  sht_json_add_count(&json, "height", data->train.height);
  sht_json_add_count(&json, "width", data->train.width);
  sht_json_add_count(&json, "channels", data->train.channels);
  SHT_TRY(add_split(&json, "train", &data->train, &report->train, data->classes, error));
  SHT_TRY(add_split(&json, "test", &data->test, &report->test, data->classes, error));
  sht_json_add_count(&json, "shared", report->shared);
  sht_json_add_text(&json, "fingerprint", data->fingerprint);
  return sht__answer_print(cli, &json, error);
}

static sht_status print_classes(const sht_data_report *report, sht_error *error) {
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_table table;
  SHT_TRY(sht__table_open(&table, "rlrr", error));
  static const char *const heads[] = {"", "class", "training", "test"};
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    sht__table_add(&table, "%s", heads[i]);
  }
  uint32_t shown = report->data->classes < PICTURES ? report->data->classes : PICTURES;
  for (uint32_t k = 0; k < shown; k++) {
    sht__table_add(&table, "%" PRIu32, k);
    sht__table_add(&table, "%s", report->data->class_names[k]);
    sht__table_add_count(&table, report->train.class_counts[k]);
    sht__table_add_count(&table, report->test.class_counts[k]);
  }
  return sht__table_print(&table, stdout, &terminal, error);
}

static void print_channels(const char *name, const double *values, uint32_t channels) {
  (void)printf("%s", name);
  for (uint32_t c = 0; c < channels; c++) {
    (void)printf(" %.4f", values[c]);
  }
}

static sht_status print_check(const sht_data_report *report, sht_error *error) {
  const sht_dataset *data = report->data;
  char train[WORD_BYTES], test[WORD_BYTES], duplicates[WORD_BYTES], shared[WORD_BYTES];
  (void)printf("%s is sound: %s training and %s test images of %" PRIu32 "x%" PRIu32 "x%" PRIu32 ", %" PRIu32
               " classes.\n\n",
               data->name, sht_text_count(report->train.count, train, sizeof train),
               sht_text_count(report->test.count, test, sizeof test), data->train.height, data->train.width,
               data->train.channels, data->classes);
  SHT_TRY(print_classes(report, error));
  print_channels("\nmean", report->train.mean, data->train.channels);
  print_channels(", deviation", report->train.deviation, data->train.channels);
  (void)printf(" (training set, levels from 0 to 1)\n");
  (void)printf("%s training images repeat an earlier one; %s test images are in the training set too\n",
               sht_text_count(report->train.duplicates, duplicates, sizeof duplicates),
               sht_text_count(report->shared, shared, sizeof shared));
  (void)printf("fingerprint %s\n", data->fingerprint);
  return SHT_OK;
}

static sht_status answer_unsound(sht_cli *cli, const sht_error *found) {
  if (!cli->json) {
    (void)printf("Not sound: %s\n", found->message);
    return SHT_NO;
  }
  sht_json json = {0};
  sht_json_add_bool(&json, "ok", false);
  sht_json_add_text(&json, "failure", found->message);
  SHT_TRY(sht__answer_print(cli, &json, NULL));
  return SHT_NO;
}

static sht_status run_check(sht_cli *cli, sht_error *error) {
  sht_dataset_options options = {.data_dir = data_dir_of(cli), .seed = cli->config.seed};
  sht_data_report *report = NULL;
  sht_error found = {.status = SHT_OK};
  sht_status status = sht_dataset_check(cli->arguments[0], &options, &report, &found);
  if (status == SHT_DATA) {
    return answer_unsound(cli, &found);
  }
  if (status != SHT_OK) {
    *error = found;
    return status;
  }
  status = cli->json ? answer_check(cli, report, error) : print_check(report, error);
  sht_data_report_close(report);
  return status;
}

// Cut and randomised as for training. *variants: what augmentation does to it; how.augment all zero: nothing.
static sht_status prepare(const sht_cli *cli, sht_dataset *data, sht_pipeline *variants, sht_error *error) {
  sht_randomization how;
  const sht_config *config = &cli->config;
  *variants = (sht_pipeline){.split = &data->train, .seed = config->seed};
  SHT_TRY(sht_randomization_parse(config->labels, config->pixels, config->seed, &how, error));
  SHT_TRY(sht_augmentation_parse(config->augment, &variants->augment, error));
  sht_split_window(&data->train, &variants->height, &variants->width);
  SHT_TRY(sht_augmentation_check(&variants->augment, &how, &data->train, variants->height, variants->width, error));
  if (!sht_augmentation_reads_around(&variants->augment)) {
    SHT_TRY(sht_dataset_crop(data, variants->height, variants->width, error));
  }
  return sht_dataset_randomize(data, &how, NULL, error);
}

static sht_status tell_picture(sht_cli *cli, const sht_dataset *data, const char *path, uint64_t count, bool varied,
                               sht_error *error) {
  if (cli->json) {
    sht_json json = {0};
    sht_json_add_text(&json, "output", path);
    sht_json_add_text(&json, "data", data->name);
    sht_json_add_count(&json, "count", count);
    return sht__answer_print(cli, &json, error);
  }
  char copy[WORD_BYTES * 4];
  (void)printf("%s: %" PRIu64 " %s of %s with %s\n", path, count,
               varied ? "variants of training images" : "training images", data->name,
               sht__describe_copy(&cli->config, copy, sizeof copy));
  if (varied) {
    (void)printf("Each row is one image: as it is evaluated, then as it is trained on in epochs 1, 2 and so on.\n");
  }
  return SHT_OK;
}

static sht_status draw(sht_cli *cli, sht_dataset *data, const char *path, sht_error *error) {
  sht_pipeline variants;
  SHT_TRY(prepare(cli, data, &variants, error));
  bool varied = sht_augmentation_is_on(&variants.augment);
  uint64_t count = sht__cli_count(cli, "count", PICTURES);
  uint64_t columns = sht__cli_count(cli, "columns", PICTURE_COLUMNS);
  if (count > UINT32_MAX || columns > UINT32_MAX) {
    return SHT_FAIL(error, SHT_USAGE, "--count and --columns are far too large");
  }
  uint64_t most = data->train.count * (varied ? columns : 1);
  count = count < most ? count : most;
  SHT_TRY(sht_dataset_write_grid(data, varied ? &variants : NULL, (uint32_t)count, (uint32_t)columns, path, error));
  return tell_picture(cli, data, path, count, varied, error);
}

static sht_status run_show(sht_cli *cli, sht_error *error) {
  const char *path = sht__cli_text(cli, "output");
  sht_dataset_options options = {
      .data_dir = data_dir_of(cli), .train_limit = cli->config.train_size, .seed = cli->config.seed};
  sht_dataset *data = NULL;
  SHT_TRY(sht_dataset_open(cli->arguments[0], &options, &data, error));
  sht_status status = draw(cli, data, path != NULL ? path : "grid.png", error);
  sht_dataset_close(data);
  return status;
}

static const char *const list_examples[] = {"shatter data", "what there is, and what is on this machine", NULL};

const sht_verb sht__verb_data_list = {
    .name = "data list",
    .arguments = "",
    .summary = "the known data sets, and which are on this machine",
    .description = "",
    .examples = list_examples,
    .config_options = "data-dir",
    .run = run_list,
};

static const char *const check_examples[] = {
    "shatter data check cifar10",
    "sizes, classes, mean, duplicates, fingerprint",
    "shatter data check ./my-images",
    "a folder of one's own",
    "shatter data check ./my-photos:32",
    "its pictures scaled and cut to 32x32",
    NULL,
};

const sht_verb sht__verb_data_check = {
    .name = "data check",
    .arguments = "NAME|PATH",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "read a whole data set, and say whether it is sound",
    .description = "Exit code 0: sound; 1: a file does not hold what it should.",
    .examples = check_examples,
    .config_options = "data-dir seed",
    .run = run_check,
};

static const char *const show_examples[] = {
    "shatter data show shapes -o grid.png",
    "a hundred pictures with their labels",
    "shatter data show cifar10 --labels corrupt:0.5 -o noisy.png",
    "half of the labels drawn anew; those are marked",
    "shatter data show cifar10 --pixels shuffled --count 20 --columns 5 -o shuffled.png",
    "the same permutation of the pixels in every image",
    "shatter data show cifar10 --augment flip,rotate:25 -o variants.png",
    "a row for each image: as it is, then as augmented in the first epochs",
    NULL,
};

static const sht_cli_option show_options[] = {
    {.name = "output",
     .letter = 'o',
     .type = SHT_OPTION_TEXT,
     .value_name = "FILE",
     .default_text = "grid.png",
     .help = "the picture to write"},
    {.name = "count",
     .letter = 'n',
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "100",
     .help = "how many pictures"},
    {.name = "columns", .type = SHT_OPTION_COUNT, .value_name = "N", .default_text = "10", .help = "pictures in a row"},
    {.name = NULL},
};

const sht_verb sht__verb_data_show = {
    .name = "data show",
    .arguments = "NAME|PATH",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "write a grid of training images with the labels that the machine is given, as PNG",
    .description = "Images are shown as the network sees them: 28x28 out of CIFAR's 32x32, before whitening.",
    .examples = show_examples,
    .config_options = "labels pixels augment seed train-size data-dir",
    .options = show_options,
    .run = run_show,
};
