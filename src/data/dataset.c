// Opening a data set by name or folder, cutting it to size, fingerprint, crop: see shatter/data.h.
#include "data/dataset.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "data/forms.h"
#include "data/shapes.h"
#include "data/spec.h"

static const char shapes_prefix[] = "shapes:";

const char *sht__data_advice(const sht_known_data *known, char *out, size_t size) {
  if (known == NULL) {
    (void)snprintf(out, size, "; copy the missing file there, or name another folder");
  } else {
    (void)snprintf(out, size, "; fetch the set with: shatter data fetch %s", known->name);
  }
  return out;
}

// Reads a count that ends at `end` ('\0' or ','). False when it is not 1 .. SHT_EXAMPLES_MAX.
static bool read_count(const char **text, char end, uint64_t *out) {
  char *stop = NULL;
  if (isdigit((unsigned char)**text) == 0) {
    return false;
  }
  *out = strtoull(*text, &stop, 10);
  if (*stop != end || *out < 1 || *out > SHT_EXAMPLES_MAX) {
    return false;
  }
  *text = stop + 1;
  return true;
}

static sht_status draw_split(uint64_t seed, uint64_t first, uint64_t count, sht_split *split, sht_error *error) {
  static const uint32_t shape[3] = {SHT_SHAPES_SIDE, SHT_SHAPES_SIDE, SHT_SHAPES_CHANNELS};
  const uint64_t values = (uint64_t)SHT_SHAPES_SIDE * SHT_SHAPES_SIDE * SHT_SHAPES_CHANNELS;
  SHT_TRY(sht__split_make("shapes", count, shape, split, error));
  for (uint64_t i = 0; i < count; i++) {
    split->labels[i] = sht__shapes_label(seed, first + i);
    sht__shapes_draw(seed, first + i, split->labels[i], (uint8_t *)split->pixels + i * values);
  }
  return SHT_OK;
}

static sht_status fail_limit(const char *what, uint64_t limit, uint64_t count, sht_error *error) {
  return SHT_FAIL(error, SHT_CONFIG,
                  "%s size %" PRIu64 ": the set has %" PRIu64 " such examples; ask for at most that many", what, limit,
                  count);
}

// Draws no more than asked for: a smaller set is the beginning of a larger one.
static sht_status open_shapes(const char *spec, const sht_dataset_options *options, sht_dataset *data,
                              sht_error *error) {
  uint64_t train = SHT_SHAPES_TRAIN;
  uint64_t test = SHT_SHAPES_TEST;
  const char *sizes = spec + sizeof shapes_prefix - 1;
  if (strcmp(spec, "shapes") != 0 && !(read_count(&sizes, ',', &train) && read_count(&sizes, '\0', &test))) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "\"%s\": expected shapes or shapes:TRAIN,TEST with counts from 1 to %d, such as shapes:%d,%d", spec,
                    SHT_EXAMPLES_MAX, SHT_SHAPES_TRAIN, SHT_SHAPES_TEST);
  }
  if (options->train_limit > train) {
    return fail_limit("training", options->train_limit, train, error);
  }
  if (options->test_limit > test) {
    return fail_limit("test", options->test_limit, test, error);
  }
  train = options->train_limit == 0 ? train : options->train_limit;
  test = options->test_limit == 0 ? test : options->test_limit;
  SHT_TRY(draw_split(options->seed, 0, train, &data->train, error));
  SHT_TRY(draw_split(options->seed, (uint64_t)1 << 32, test, &data->test, error));
  SHT_TRY(sht__dataset_set_classes(data, SHT_FORMS, error));
  for (int i = 0; i < SHT_FORMS; i++) {
    (void)snprintf(data->class_names[i], sizeof data->class_names[i], "%s", sht__form_names[i]);
  }
  return SHT_OK;
}

// Keeps `limit` examples: at random places when `order` is given (scratch: [2 * count]), else the first ones.
static sht_status keep(sht_split *split, uint64_t limit, const uint32_t *order, sht_error *error) {
  const uint32_t shape[3] = {split->height, split->width, split->channels};
  const uint64_t values = (uint64_t)shape[0] * shape[1] * shape[2];
  sht_split kept = {0};
  SHT_TRY(sht__split_make("subset", limit, shape, &kept, error));
  for (uint64_t i = 0; i < limit; i++) {
    uint64_t from = order == NULL ? i : order[i];
    memcpy((uint8_t *)kept.pixels + i * values, (const uint8_t *)split->pixels + from * values, values);
    kept.labels[i] = split->labels[from];
  }
  sht__split_free(split);
  *split = kept;
  return SHT_OK;
}

static sht_status keep_random(sht_split *split, uint64_t limit, uint64_t seed, sht_error *error) {
  uint32_t *order = NULL;
  uint64_t *scratch = NULL;
  sht_status status = SHT_ALLOC(&order, split->count, "subset", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&scratch, 2 * split->count, "subset", error);
  }
  if (status == SHT_OK) {
    sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_SUBSET);
    sht_rng_permutation(rng, 0, 0, (uint32_t)split->count, order, scratch);
    status = keep(split, limit, order, error);
  }
  sht_free(scratch);
  sht_free(order);
  return status;
}

static sht_status limit_splits(sht_dataset *data, const sht_dataset_options *options, sht_error *error) {
  if (options->train_limit > data->train.count) {
    return fail_limit("training", options->train_limit, data->train.count, error);
  }
  if (options->test_limit > data->test.count) {
    return fail_limit("test", options->test_limit, data->test.count, error);
  }
  if (options->train_limit > 0) {
    SHT_TRY(keep_random(&data->train, options->train_limit, options->seed, error));
  }
  return options->test_limit > 0 ? keep(&data->test, options->test_limit, NULL, error) : SHT_OK;
}

static void hash_split(sht_hash *hash, const sht_split *split) {
  uint64_t shape[4] = {split->count, split->height, split->width, split->channels};
  sht_hash_add(hash, shape, sizeof shape);
  sht_hash_add(hash, split->pixels, shape[0] * shape[1] * shape[2] * shape[3]);
  sht_hash_add(hash, split->true_labels, shape[0] * sizeof *split->true_labels);
}

static sht_status finish(sht_dataset *data, sht_error *error) {
  memcpy(data->train.true_labels, data->train.labels, data->train.count * sizeof *data->train.labels);
  memcpy(data->test.true_labels, data->test.labels, data->test.count * sizeof *data->test.labels);
  sht_hash *hash = NULL;
  SHT_TRY(sht_hash_open(&hash, error));
  uint64_t classes = data->classes;
  sht_hash_add(hash, &classes, sizeof classes);
  hash_split(hash, &data->train);
  hash_split(hash, &data->test);
  sht_hash_close(hash, data->fingerprint);
  return SHT_OK;
}

static sht_status open_known(const sht_known_data *known, const sht_dataset_options *options, sht_dataset *data,
                             sht_error *error) {
  char home[SHT_PATH_MAX];
  char path[SHT_PATH_MAX];
  SHT_TRY(sht_data_folder(options->data_dir, home, sizeof home, error));
  SHT_TRY(sht_path_join(path, sizeof path, home, known->folder, error));
  if (!sht_folder_exists(path)) {
    return SHT_FAIL(error, SHT_MISSING,
                    "%s is not there: no folder %s; fetch it with: shatter data fetch %s (or set SHATTER_DATA to the "
                    "folder that holds %s)",
                    known->name, path, known->name, known->folder);
  }
  return known->archive ? sht__cifar_open(path, known, data, error) : sht__idx_open(path, known, data, error);
}

static sht_status open_folder(const sht__folder_spec *spec, sht_dataset *data, sht_error *error) {
  const char *folder = spec->folder;
  if (spec->side != 0) {  // which pictures alone have
    return sht__pictures_open(folder, spec->side, data, error);
  }
  if (sht__cifar_recognize(folder)) {
    return sht__cifar_open(folder, NULL, data, error);
  }
  if (sht__idx_recognize(folder)) {
    return sht__idx_open(folder, NULL, data, error);
  }
  if (sht__npy_recognize(folder)) {
    return sht__npy_open(folder, data, error);
  }
  if (sht__pictures_recognize(folder)) {
    return sht__pictures_open(folder, 0, data, error);
  }
  return SHT_FAIL(
      error, SHT_DATA,
      "%s: no data set of a known format in this folder; expected CIFAR-10's data_batch_1.bin and so on, CIFAR-100's "
      "train.bin and so on, four IDX files such as train-images-idx3-ubyte.gz, four arrays x_train.npy, y_train.npy, "
      "x_test.npy, y_test.npy, or pictures as train/CLASS/*.png and test/CLASS/*.png",
      folder);
}

static sht_status open_source(const char *spec, const sht_dataset_options *options, sht_dataset *data,
                              sht_error *error) {
  if (strcmp(spec, "shapes") == 0 || strncmp(spec, shapes_prefix, sizeof shapes_prefix - 1) == 0) {
    (void)snprintf(data->name, sizeof data->name, "%s", spec);
    return open_shapes(spec, options, data, error);
  }
  const sht_known_data *known = sht_known_data_find(spec);
  if (known != NULL) {
    (void)snprintf(data->name, sizeof data->name, "%s", known->name);
    SHT_TRY(open_known(known, options, data, error));
  } else {
    sht__folder_spec folder;
    SHT_TRY(sht__folder_spec_read(spec, &folder, error));
    sht__folder_spec_name(&folder, data->name, sizeof data->name);
    SHT_TRY(open_folder(&folder, data, error));
  }
  return limit_splits(data, options, error);
}

sht_status sht_dataset_open(const char *spec, const sht_dataset_options *options, sht_dataset **out, sht_error *error) {
  static const sht_dataset_options none = {0};
  *out = NULL;
  sht_dataset *data = NULL;
  SHT_TRY(SHT_ALLOC(&data, 1, "data set", error));
  sht_status status = open_source(spec, options == NULL ? &none : options, data, error);
  if (status == SHT_OK) {
    status = finish(data, error);
  }
  if (status != SHT_OK) {
    sht_dataset_close(data);
    return status;
  }
  *out = data;
  return SHT_OK;
}

void sht_dataset_close(sht_dataset *data) {
  if (data == NULL) {
    return;
  }
  sht__split_free(&data->train);
  sht__split_free(&data->test);
  sht_free(data->class_names);
  sht_free(data);
}

// Rows move towards the beginning only, so that the move is safe in place.
static void crop_split(sht_split *split, uint32_t height, uint32_t width) {
  uint64_t pixel = split->channels * (split->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t));
  uint64_t row = split->width * pixel;
  uint64_t top = (split->height - height) / 2;
  uint64_t left = (split->width - width) / 2;
  uint8_t *to = split->pixels;
  for (uint64_t i = 0; i < split->count; i++) {
    const uint8_t *image = (const uint8_t *)split->pixels + i * split->height * row;
    for (uint64_t y = 0; y < height; y++) {
      memmove(to, image + (top + y) * row + left * pixel, width * pixel);
      to += width * pixel;
    }
  }
  split->height = height;
  split->width = width;
}

sht_status sht_dataset_crop(sht_dataset *data, uint32_t height, uint32_t width, sht_error *error) {
  if (height < 1 || width < 1 || height > data->train.height || width > data->train.width) {
    return SHT_FAIL(error, SHT_CONFIG, "crop to %ux%u: the images of %s are %ux%u; choose a smaller window", height,
                    width, data->name, data->train.height, data->train.width);
  }
  crop_split(&data->train, height, width);
  crop_split(&data->test, height, width);
  return SHT_OK;
}

void sht_split_window(const sht_split *split, uint32_t *height, uint32_t *width) {
  enum { CIFAR_SIDE = 32, CIFAR_WINDOW = 28 };
  bool cut = split->height == CIFAR_SIDE && split->width == CIFAR_SIDE;
  *height = cut ? CIFAR_WINDOW : split->height;
  *width = cut ? CIFAR_WINDOW : split->width;
}
