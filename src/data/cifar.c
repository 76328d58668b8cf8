// CIFAR's binary formats: see cifar.h. A folder holds training files, one test file and the class names.
#include "data/cifar.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"

enum { FILES_MAX = 6, NAMES_MAX = 256, NAMES_BYTES_MAX = 1 << 16 };

typedef struct layout {
  uint32_t label_bytes;  // before the image's
  int file_count;        // the last one is the test set
  const char *files[FILES_MAX];
  const char *names;     // class names, one a line
  const char *expected;  // the same for a person
} layout;

static const layout layouts[] = {
    {1,
     6,
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
      "test_batch.bin"},
     "batches.meta.txt",
     "data_batch_1.bin to data_batch_5.bin, test_batch.bin and batches.meta.txt"},
    {2, 2, {"train.bin", "test.bin"}, "fine_label_names.txt", "train.bin, test.bin and fine_label_names.txt"},
};

static uint64_t record_bytes(uint32_t label_bytes) { return label_bytes + (uint64_t)SHT_CIFAR_VALUES; }

sht_status sht__cifar_count(const char *path, uint64_t size, uint32_t label_bytes, uint64_t *count, sht_error *error) {
  const uint64_t record = record_bytes(label_bytes);
  uint64_t rest = size % record;
  *count = size / record;
  if (size == 0) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: the file is empty, expected records of %" PRIu64 " bytes; fetch or copy it again", path,
                    record);
  }
  if (rest != 0) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: record %" PRIu64 " (from byte %" PRIu64 ") has %" PRIu64 " bytes, expected %" PRIu64
                    ": %s and 3 x 1024 levels; fetch or copy the file again",
                    path, *count, size - rest, rest, record, label_bytes == 1 ? "a label" : "two labels");
  }
  return SHT_OK;
}

// Planes to channels last.
static void interleave(const unsigned char *planes, uint8_t *pixels) {
  for (int i = 0; i < SHT_CIFAR_PIXELS; i++) {
    for (int c = 0; c < SHT_CIFAR_CHANNELS; c++) {
      pixels[i * SHT_CIFAR_CHANNELS + c] = planes[c * SHT_CIFAR_PIXELS + i];
    }
  }
}

sht_status sht__cifar_parse(const char *path, const unsigned char *bytes, uint64_t size, uint32_t label_bytes,
                            uint32_t classes, uint8_t *pixels, uint16_t *labels, sht_error *error) {
  uint64_t count = 0;
  SHT_TRY(sht__cifar_count(path, size, label_bytes, &count, error));
  for (uint64_t i = 0; i < count; i++) {
    const unsigned char *image = bytes + i * record_bytes(label_bytes) + label_bytes;
    if (image[-1] >= classes) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s: record %" PRIu64 " (byte %" PRIu64
                      ") has label %d, expected 0 to %u; the file is damaged or of another format, fetch it again",
                      path, i, i * record_bytes(label_bytes), image[-1], classes - 1);
    }
    labels[i] = image[-1];
    interleave(image, pixels + i * SHT_CIFAR_VALUES);
  }
  return SHT_OK;
}

static bool printable(const char *text, uint64_t length) {
  for (uint64_t i = 0; i < length; i++) {
    if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
      return false;
    }
  }
  return true;
}

sht_status sht__cifar_parse_names(const char *path, const char *bytes, uint64_t size, char (*names)[32],
                                  uint32_t *classes, sht_error *error) {
  *classes = 0;
  int line = 0;
  for (uint64_t start = 0; start < size; line++) {
    const char *newline = memchr(bytes + start, '\n', size - start);
    uint64_t end = newline == NULL ? size : (uint64_t)(newline - bytes);
    uint64_t length = end - start;
    length -= length > 0 && bytes[end - 1] == '\r' ? 1 : 0;
    if (length > 31 || !printable(bytes + start, length) || (length > 0 && *classes == NAMES_MAX)) {
      return SHT_FAIL(
          error, SHT_DATA,
          "%s:%d: expected a class name of at most 31 printable characters, and at most %d of them; fetch or "
          "write the file again",
          path, line + 1, NAMES_MAX);
    }
    if (length > 0) {
      memcpy(names[*classes], bytes + start, length);
      names[*classes][length] = '\0';
      (*classes)++;
    }
    start = end + 1;
  }
  if (*classes < 2) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: %u class names, expected at least 2, one a line; fetch or write the file again", path,
                    *classes);
  }
  return SHT_OK;
}

// Path of a file of the folder; SHT_MISSING with advice when it is not there.
static sht_status locate(const char *folder, const layout *as, const char *name, const sht_known_data *known,
                         char path[SHT_PATH_MAX], sht_error *error) {
  SHT_TRY(sht_path_join(path, SHT_PATH_MAX, folder, name, error));
  if (sht_file_exists(path)) {
    return SHT_OK;
  }
  char advice[128];
  return SHT_FAIL(error, SHT_MISSING, "%s: no such file; expected %s in that folder%s", path, as->expected,
                  sht__data_advice(known, advice, sizeof advice));
}

static sht_status read_names(const char *folder, const layout *as, const sht_known_data *known, sht_dataset *data,
                             sht_error *error) {
  char path[SHT_PATH_MAX];
  char names[NAMES_MAX][32];
  char *bytes = NULL;
  uint64_t size = 0;
  uint32_t classes = 0;
  SHT_TRY(locate(folder, as, as->names, known, path, error));
  SHT_TRY(sht_file_read(path, NAMES_BYTES_MAX, &bytes, &size, error));
  sht_status status = sht__cifar_parse_names(path, bytes, size, names, &classes, error);
  sht_free(bytes);
  SHT_TRY(status);
  if (known != NULL && classes != known->classes) {
    return SHT_FAIL(error, SHT_DATA, "%s: %u class names, expected %u; fetch the set again: shatter data fetch %s",
                    path, classes, known->classes, known->name);
  }
  SHT_TRY(sht__dataset_set_classes(data, classes, error));
  memcpy(data->class_names, names, (size_t)classes * sizeof names[0]);
  return SHT_OK;
}

// Counts the records of every file from its size alone.
static sht_status count_records(const char *folder, const layout *as, const sht_known_data *known,
                                uint64_t counts[FILES_MAX], sht_error *error) {
  const int last = as->file_count - 1;
  for (int i = 0; i <= last; i++) {
    char path[SHT_PATH_MAX];
    uint64_t size = 0;
    SHT_TRY(locate(folder, as, as->files[i], known, path, error));
    SHT_TRY(sht_file_size(path, &size, error));
    SHT_TRY(sht__cifar_count(path, size, as->label_bytes, &counts[i], error));
    uint64_t expected = known == NULL ? counts[i] : (i == last ? known->test : known->train / (uint64_t)last);
    if (counts[i] != expected) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s: %" PRIu64 " records (%" PRIu64 " bytes), expected %" PRIu64
                      "; fetch the set again: shatter data fetch %s",
                      path, counts[i], size, expected, known == NULL ? "" : known->name);
    }
  }
  return SHT_OK;
}

// Reads one file into examples first .. first+count-1 of the split.
static sht_status read_batch(const char *folder, const layout *as, const char *name, uint64_t first, uint64_t count,
                             uint32_t classes, sht_split *split, sht_error *error) {
  const uint64_t expected = count * record_bytes(as->label_bytes);
  char path[SHT_PATH_MAX];
  char *bytes = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_path_join(path, sizeof path, folder, name, error));
  SHT_TRY(sht_file_read(path, expected, &bytes, &size, error));
  sht_status status = SHT_OK;
  if (size != expected) {
    status = SHT_FAIL(error, SHT_DATA, "%s: the file changed while it was read; try again", path);
  } else {
    status = sht__cifar_parse(path, (const unsigned char *)bytes, size, as->label_bytes, classes,
                              (uint8_t *)split->pixels + first * SHT_CIFAR_VALUES, split->labels + first, error);
  }
  sht_free(bytes);
  return status;
}

static bool holds(const char *folder, const char *name) {
  char path[SHT_PATH_MAX];
  return sht_path_join(path, sizeof path, folder, name, NULL) == SHT_OK && sht_file_exists(path);
}

// The layout that a folder's files belong to, or NULL.
static const layout *layout_of(const char *folder) {
  for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
    const layout *as = &layouts[i];
    if (holds(folder, as->files[0]) || holds(folder, as->files[as->file_count - 1]) || holds(folder, as->names)) {
      return as;
    }
  }
  return NULL;
}

bool sht__cifar_recognize(const char *folder) { return layout_of(folder) != NULL; }

static sht_status read_splits(const char *folder, const layout *as, const uint64_t counts[FILES_MAX], sht_dataset *data,
                              sht_error *error) {
  static const uint32_t shape[3] = {SHT_CIFAR_SIDE, SHT_CIFAR_SIDE, SHT_CIFAR_CHANNELS};
  const int last = as->file_count - 1;
  uint64_t train = 0;
  for (int i = 0; i < last; i++) {
    train += counts[i];
  }
  SHT_TRY(sht__split_make(folder, train, shape, &data->train, error));
  SHT_TRY(sht__split_make(folder, counts[last], shape, &data->test, error));
  uint64_t first = 0;
  for (int i = 0; i < last; i++) {
    SHT_TRY(read_batch(folder, as, as->files[i], first, counts[i], data->classes, &data->train, error));
    first += counts[i];
  }
  return read_batch(folder, as, as->files[last], 0, counts[last], data->classes, &data->test, error);
}

sht_status sht__cifar_open(const char *folder, const sht_known_data *known, sht_dataset *data, sht_error *error) {
  uint64_t counts[FILES_MAX] = {0};
  const layout *as = layout_of(folder);
  if (as == NULL) {
    as = known != NULL && known->classes == 100 ? &layouts[1] : &layouts[0];  // to name what is missing
  }
  SHT_TRY(count_records(folder, as, known, counts, error));
  SHT_TRY(read_names(folder, as, known, data, error));
  return read_splits(folder, as, counts, data, error);
}
