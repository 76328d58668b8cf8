// A folder of four IDX files: images and labels for training and test, plain or packed with gzip, MNIST's or one's own.
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/idx.h"

enum { ROLES = 4, NAME_MAX_LENGTH = 256 };

// What a file is for is read off its name: train-images-idx3-ubyte.gz, t10k-labels.idx1-ubyte, emnist-test-images...
typedef enum role { TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS } role;
static const char *const official_names[ROLES] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                                  "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// ROLES when the name does not say.
static int role_of(const char *name) {
  bool test = strstr(name, "t10k") != NULL || strstr(name, "test") != NULL;
  bool train = strstr(name, "train") != NULL;
  bool images = strstr(name, "images") != NULL;
  bool labels = strstr(name, "labels") != NULL;
  size_t length = strlen(name);
  bool ends = (length > 5 && strcmp(name + length - 5, "ubyte") == 0) ||
              (length > 8 && strcmp(name + length - 8, "ubyte.gz") == 0);
  if (!ends || test == train || images == labels) {
    return ROLES;
  }
  return (test ? TEST_IMAGES : TRAIN_IMAGES) + (labels ? 1 : 0);
}

// True when one name is the other with .gz; the plain one is then kept in `name`.
static bool keep_plain(char *name, const char *other) {
  size_t length = strlen(name);
  size_t other_length = strlen(other);
  if (length + 3 == other_length) {
    return strncmp(name, other, length) == 0;
  }
  if (other_length + 3 == length && strncmp(name, other, other_length) == 0) {
    memcpy(name, other, other_length + 1);
    return true;
  }
  return false;
}

static sht_status note_file(const char *folder, const char *name, char names[ROLES][NAME_MAX_LENGTH],
                            sht_error *error) {
  int what = role_of(name);
  if (what == ROLES || strlen(name) >= NAME_MAX_LENGTH) {
    return SHT_OK;
  }
  if (names[what][0] == '\0') {
    (void)snprintf(names[what], NAME_MAX_LENGTH, "%s", name);
    return SHT_OK;
  }
  if (keep_plain(names[what], name)) {
    return SHT_OK;
  }
  return SHT_FAIL(error, SHT_DATA, "%s: both %s and %s could be %s; keep one of them in the folder", folder,
                  names[what], name, official_names[what]);
}

// Finds the file of each role; an empty name where there is none.
static sht_status scan(const char *folder, char names[ROLES][NAME_MAX_LENGTH], sht_error *error) {
  for (int i = 0; i < ROLES; i++) {
    names[i][0] = '\0';
  }
  DIR *directory = opendir(folder);
  if (directory == NULL) {
    return SHT_OK;  // no files: the caller says which is missing
  }
  sht_status status = SHT_OK;
  const struct dirent *entry = NULL;
  while (status == SHT_OK && (entry = readdir(directory)) != NULL) {  // NOLINT(concurrency-mt-unsafe): our own stream
    status = note_file(folder, entry->d_name, names, error);
  }
  (void)closedir(directory);
  return status;
}

bool sht__idx_recognize(const char *folder) {
  char names[ROLES][NAME_MAX_LENGTH];
  sht_status status = scan(folder, names, NULL);
  return status != SHT_OK || names[0][0] != '\0' || names[1][0] != '\0' || names[2][0] != '\0' || names[3][0] != '\0';
}

// An IDX file in memory. Close it also after a failure.
typedef struct idx_file {
  char path[SHT_PATH_MAX];
  unsigned char *bytes;
  sht_idx array;
} idx_file;

static void close_file(idx_file *file) {
  sht_free(file->bytes);
  file->bytes = NULL;
}

static sht_status read_file(idx_file *file, sht_error *error) {
  char *raw = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_file_read(file->path, SHT_DATA_FILE_MAX, &raw, &size, error));
  file->bytes = (unsigned char *)raw;
  if (size >= 2 && file->bytes[0] == 0x1f && file->bytes[1] == 0x8b) {
    unsigned char *plain = NULL;
    SHT_TRY(sht__idx_unpack(file->path, file->bytes, size, &plain, &size, error));
    sht_free(file->bytes);
    file->bytes = plain;
  }
  return sht__idx_parse(file->path, file->bytes, size, &file->array, error);
}

static sht_status open_file(const char *folder, int what, const char *name, const sht_known_data *known, idx_file *file,
                            sht_error *error) {
  char advice[128];
  if (name[0] == '\0') {
    return SHT_FAIL(error, SHT_MISSING,
                    "%s: there is no %s (or .gz); expected images and labels for training and test%s", folder,
                    official_names[what], sht__data_advice(known, advice, sizeof advice));
  }
  SHT_TRY(sht_path_join(file->path, sizeof file->path, folder, name, error));
  return read_file(file, error);
}

static sht_status copy_images(const idx_file *file, const sht_known_data *known, bool test, sht_split *split,
                              sht_error *error) {
  const uint64_t *dims = file->array.dims;
  bool images = file->array.rank >= 3 && dims[1] <= SHT_SIDE_MAX && dims[2] <= SHT_SIDE_MAX &&
                (file->array.rank == 3 || dims[3] <= SHT_CHANNELS_MAX);
  if (!images) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: byte 4: an array of rank %d (%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64
                    "), expected images: count, height and width up to %d, and perhaps channels up to %d",
                    file->path, file->array.rank, dims[0], dims[1], dims[2], dims[3], SHT_SIDE_MAX, SHT_CHANNELS_MAX);
  }
  uint32_t shape[3] = {(uint32_t)dims[1], (uint32_t)dims[2], file->array.rank == 4 ? (uint32_t)dims[3] : 1};
  uint64_t count = known == NULL ? dims[0] : (test ? known->test : known->train);
  if (known != NULL && (dims[0] != count || shape[0] != known->height || shape[1] != known->width || shape[2] != 1)) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: byte 4: %" PRIu64 " images of %ux%ux%u, expected %" PRIu64
                    " of %ux%ux1; fetch the set again: shatter data fetch %s",
                    file->path, dims[0], shape[0], shape[1], shape[2], count, known->height, known->width, known->name);
  }
  SHT_TRY(sht__split_make(file->path, dims[0], shape, split, error));
  memcpy(split->pixels, file->array.data, file->array.count);
  return SHT_OK;
}

static sht_status copy_labels(const idx_file *file, uint32_t classes, sht_split *split, sht_error *error) {
  if (file->array.rank != 1 || file->array.dims[0] != split->count) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: byte 3: rank %d with %" PRIu64 " entries first, expected rank 1 and %" PRIu64
                    " labels, one an image; do the files belong together?",
                    file->path, file->array.rank, file->array.dims[0], split->count);
  }
  for (uint64_t i = 0; i < split->count; i++) {
    split->labels[i] = file->array.data[i];
    if (split->labels[i] >= classes) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s: byte %" PRIu64 ": label %u of example %" PRIu64
                      ", expected 0 to %u; the file is damaged or belongs to another set",
                      file->path, i + 8, split->labels[i], i, classes - 1);
    }
  }
  return SHT_OK;
}

// Images, then labels, of one split. `classes` 0: as many as the labels need.
static sht_status read_split(const char *folder, char names[ROLES][NAME_MAX_LENGTH], bool test,
                             const sht_known_data *known, uint32_t classes, sht_split *split, sht_error *error) {
  int what = test ? TEST_IMAGES : TRAIN_IMAGES;
  idx_file *file = NULL;
  SHT_TRY(SHT_ALLOC(&file, 1, folder, error));
  sht_status status = open_file(folder, what, names[what], known, file, error);
  if (status == SHT_OK) {
    status = copy_images(file, known, test, split, error);
  }
  close_file(file);
  if (status == SHT_OK) {
    status = open_file(folder, what + 1, names[what + 1], known, file, error);
  }
  if (status == SHT_OK) {
    status = copy_labels(file, classes == 0 ? 256 : classes, split, error);
  }
  close_file(file);
  sht_free(file);
  return status;
}

sht_status sht__idx_open(const char *folder, const sht_known_data *known, sht_dataset *data, sht_error *error) {
  char names[ROLES][NAME_MAX_LENGTH];
  SHT_TRY(scan(folder, names, error));
  uint32_t classes = known == NULL ? 0 : known->classes;
  SHT_TRY(read_split(folder, names, false, known, classes, &data->train, error));
  classes = classes == 0 ? sht__split_largest_label(&data->train) + 1 : classes;
  SHT_TRY(read_split(folder, names, true, known, classes, &data->test, error));
  SHT_TRY(sht__split_check_alike(folder, data, error));
  return sht__dataset_number_classes(data, classes, error);
}
