// A folder of four NPY arrays: images and labels for training and test, as numpy.save writes them.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/npy.h"

enum { ROLES = 4, SPELLINGS = 3, RANK_GREY = 3, RANK_COLOUR = 4, LABEL_MAX = 65534 };

// What the arrays may be called: Keras' names, and those of IDX files with either joint.
typedef enum role { TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS } role;
static const char *const names[ROLES][SPELLINGS] = {
    {"x_train.npy", "train_images.npy", "train-images.npy"},
    {"y_train.npy", "train_labels.npy", "train-labels.npy"},
    {"x_test.npy", "test_images.npy", "test-images.npy"},
    {"y_test.npy", "test_labels.npy", "test-labels.npy"},
};

static bool is_there(const char *folder, const char *name) {
  char path[SHT_PATH_MAX];
  return sht_path_join(path, sizeof path, folder, name, NULL) == SHT_OK && sht_file_exists(path);
}

bool sht__npy_recognize(const char *folder) {
  for (int i = 0; i < ROLES * SPELLINGS; i++) {
    if (is_there(folder, names[i / SPELLINGS][i % SPELLINGS])) {
      return true;
    }
  }
  return false;
}

// The file of a role. Errors: SHT_MISSING, SHT_DATA (two could be it).
static sht_status find_file(const char *folder, role what, char path[SHT_PATH_MAX], sht_error *error) {
  const char *found = NULL;
  for (int i = 0; i < SPELLINGS; i++) {
    const char *name = names[what][i];
    if (!is_there(folder, name)) {
      continue;
    }
    if (found != NULL) {
      return SHT_FAIL(error, SHT_DATA, "%s: both %s and %s are there; keep one of them in the folder", folder, found,
                      name);
    }
    found = name;
  }
  if (found == NULL) {
    return SHT_FAIL(error, SHT_MISSING,
                    "%s: there is no %s (or %s); expected images and labels for training and test, written with "
                    "numpy.save",
                    folder, names[what][0], names[what][1]);
  }
  return sht_path_join(path, SHT_PATH_MAX, folder, found, error);
}

// "(50000, 3, 32, 32)"
static const char *shape_text(const sht_npy *array, char out[128]) {
  size_t at = (size_t)snprintf(out, 128, "(");
  for (int i = 0; i < array->rank && at < 100; i++) {
    at += (size_t)snprintf(out + at, 128 - at, "%s%" PRIu64, i == 0 ? "" : ", ", array->dims[i]);
  }
  (void)snprintf(out + at, 128 - at, ")");
  return out;
}

static sht_status check_images(const char *path, const sht_npy *array, sht_error *error) {
  char shape[128];
  const uint64_t *dims = array->dims;
  const bool is_images = (array->rank == RANK_GREY || array->rank == RANK_COLOUR) && !array->fortran;
  const uint64_t channels = array->rank == RANK_COLOUR ? dims[3] : 1;
  if (array->kind != 'u' || array->item != 1) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: its numbers are of kind %c and %" PRIu32
                    " bytes, expected grey levels 0 to 255 as numpy.uint8; of numbers from 0 to 1: "
                    "(x * 255).round().astype(numpy.uint8)",
                    path, array->kind, array->item);
  }
  if (is_images && array->rank == RANK_COLOUR && channels > SHT_CHANNELS_MAX && dims[1] <= SHT_CHANNELS_MAX) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: its shape is %s, with the channels second, expected last; numpy.ascontiguousarray("
                    "x.transpose(0, 2, 3, 1))",
                    path, shape_text(array, shape));
  }
  const bool fits = is_images && dims[1] <= SHT_SIDE_MAX && dims[2] <= SHT_SIDE_MAX && channels <= SHT_CHANNELS_MAX;
  if (!fits || array->count == 0) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: an array of shape %s%s, expected images: count, height and width up to %d, and perhaps "
                    "channels up to %d, in C order (numpy.ascontiguousarray)",
                    path, shape_text(array, shape), array->fortran ? " in Fortran order" : "", SHT_SIDE_MAX,
                    SHT_CHANNELS_MAX);
  }
  return SHT_OK;
}

static sht_status copy_images(const char *path, const sht_npy *array, sht_split *split, sht_error *error) {
  SHT_TRY(check_images(path, array, error));
  const uint32_t shape[3] = {(uint32_t)array->dims[1], (uint32_t)array->dims[2],
                             array->rank == RANK_COLOUR ? (uint32_t)array->dims[3] : 1};
  SHT_TRY(sht__split_make(path, array->dims[0], shape, split, error));
  memcpy(split->pixels, array->data, array->count);
  return SHT_OK;
}

// classes 0: as many as the labels need.
static sht_status copy_labels(const char *path, const sht_npy *array, uint32_t classes, sht_split *split,
                              sht_error *error) {
  char shape[128];
  const bool is_column = array->rank == 2 && array->dims[1] == 1;  // as Keras has them
  const int64_t largest = classes == 0 ? LABEL_MAX : (int64_t)classes - 1;
  if (array->kind == 'f' || (array->rank != 1 && !is_column) || array->count != split->count) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: an array of kind %c and shape %s, expected %" PRIu64
                    " whole numbers, one an image; do the files belong together?",
                    path, array->kind, shape_text(array, shape), split->count);
  }
  for (uint64_t i = 0; i < split->count; i++) {
    const int64_t label = sht__npy_integer(array, i);
    if (label < 0 || label > largest) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s: label %" PRId64 " of example %" PRIu64 ", expected 0 to %" PRId64
                      "; number the classes from 0 on, all of them in the training set",
                      path, label, i, largest);
    }
    split->labels[i] = (uint16_t)label;
  }
  return SHT_OK;
}

// The images or the labels of a split; classes: of labels.
static sht_status read_array(const char *folder, role what, uint32_t classes, sht_split *split, sht_error *error) {
  char path[SHT_PATH_MAX];
  char *bytes = NULL;
  uint64_t size = 0;
  sht_npy array;
  SHT_TRY(find_file(folder, what, path, error));
  SHT_TRY(sht_file_read(path, SHT_DATA_FILE_MAX, &bytes, &size, error));
  sht_status status = sht__npy_parse(path, bytes, size, &array, error);
  if (status == SHT_OK) {
    const bool images = what == TRAIN_IMAGES || what == TEST_IMAGES;
    status = images ? copy_images(path, &array, split, error) : copy_labels(path, &array, classes, split, error);
  }
  sht_free(bytes);
  return status;
}

sht_status sht__npy_open(const char *folder, sht_dataset *data, sht_error *error) {
  SHT_TRY(read_array(folder, TRAIN_IMAGES, 0, &data->train, error));
  SHT_TRY(read_array(folder, TRAIN_LABELS, 0, &data->train, error));
  const uint32_t classes = sht__split_largest_label(&data->train) + 1;
  SHT_TRY(read_array(folder, TEST_IMAGES, 0, &data->test, error));
  SHT_TRY(read_array(folder, TEST_LABELS, classes, &data->test, error));
  SHT_TRY(sht__split_check_alike(folder, data, error));
  return sht__dataset_number_classes(data, classes, error);
}
