// Drawing labels: see labels.h. Draw 0 of an example decides whether its label changes, draw 1 to what; draw 2 is its
// sign.
#include "data/labels.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"

#define LABEL_FILE_MAX ((uint64_t)1 << 30)  // bytes
#define TEST_FIRST ((uint64_t)1 << 32)      // index of the first test example
#define REPLACED_FIRST ((uint64_t)1 << 33)  // index of what takes the place of the first training example

enum { DRAW_WHETHER = 0, DRAW_WHICH = 1, DRAW_SIGN = 2, SIGNS = 2 };

// How labels are drawn, made once from a sht_randomization.
typedef struct label_source {
  sht_label_kind kind;
  double probability;
  uint32_t classes;
  double *matrix;  // [K][K] chances, of MATRIX and FILE; owned
  sht_rng rng;
} label_source;

// The class where the running sum of the row first exceeds u; the last possible one should rounding leave u above all.
static uint16_t pick(const double *row, uint32_t classes, double u) {
  uint32_t last = 0;
  double sum = 0;
  for (uint32_t k = 0; k < classes; k++) {
    sum += row[k];
    last = row[k] > 0 ? k : last;
    if (u < sum) {
      return (uint16_t)k;
    }
  }
  return (uint16_t)last;
}

static uint16_t draw_label(const label_source *source, uint64_t index, uint16_t true_label) {
  if (source->matrix != NULL) {
    const double *row = source->matrix + (uint64_t)true_label * source->classes;
    return pick(row, source->classes, sht_rng_unit(source->rng, 0, index, DRAW_WHICH));
  }
  bool kept = source->kind == SHT_LABELS_TRUE || source->kind == SHT_LABELS_SIGNS;
  if (kept || !(sht_rng_unit(source->rng, 0, index, DRAW_WHETHER) < source->probability)) {
    return true_label;
  }
  if (source->kind != SHT_LABELS_WRONG) {
    return (uint16_t)sht_rng_below(source->rng, 0, index, DRAW_WHICH, source->classes);
  }
  uint32_t other = sht_rng_below(source->rng, 0, index, DRAW_WHICH, source->classes - 1);
  return (uint16_t)(other < true_label ? other : other + 1);
}

static sht_status read_matrix(const char *path, label_source *source, sht_error *error) {
  char *bytes = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_file_read(path, LABEL_FILE_MAX, &bytes, &size, error));
  sht_status status = SHT_OK;
  uint64_t entries = (uint64_t)source->classes * source->classes;
  if (size < 2 * entries - 1) {  // a digit and a separator for each
    status = SHT_FAIL(error, SHT_DATA, "%s: %llu bytes, too short for %u rows of %u chances", path,
                      (unsigned long long)size, source->classes, source->classes);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&source->matrix, entries, "label matrix", error);
  }
  if (status == SHT_OK) {
    status = sht__labels_parse_matrix(path, bytes, size, source->classes, source->matrix, error);
  }
  sht_free(bytes);
  return status;
}

// How often each class was given to examples of each true class; a class without examples keeps its label.
static sht_status count_matrix(const sht_dataset *data, label_source *source, sht_error *error) {
  const uint64_t classes = data->classes;
  SHT_TRY(SHT_ALLOC(&source->matrix, classes * classes, "label matrix", error));
  for (uint64_t i = 0; i < data->train.count; i++) {
    source->matrix[data->train.true_labels[i] * classes + data->train.labels[i]] += 1;
  }
  for (uint64_t k = 0; k < classes; k++) {
    double *row = source->matrix + k * classes;
    double sum = 0;
    for (uint64_t j = 0; j < classes; j++) {
      sum += row[j];
    }
    row[k] = sum > 0 ? row[k] : 1;
    for (uint64_t j = 0; j < classes; j++) {
      row[j] /= sum > 0 ? sum : 1;
    }
  }
  return SHT_OK;
}

static sht_status open_source(const sht_dataset *data, const sht_randomization *how, sht_purpose purpose,
                              label_source *out, sht_error *error) {
  *out = (label_source){.kind = how->labels,
                        .probability = how->labels == SHT_LABELS_RANDOM ? 1 : how->label_probability,
                        .classes = data->classes,
                        .rng = sht_rng_make(how->seed, purpose)};
  bool drawn = how->labels == SHT_LABELS_CORRUPT || how->labels == SHT_LABELS_WRONG;
  if (drawn && !(how->label_probability >= 0 && how->label_probability <= 1)) {
    return SHT_FAIL(error, SHT_CONFIG, "label probability %g, expected 0 to 1", how->label_probability);
  }
  if (how->labels == SHT_LABELS_WRONG && data->classes < 2) {
    return SHT_FAIL(error, SHT_CONFIG, "labels wrong:P: %s has one class, so that no label can be wrong", data->name);
  }
  if (how->labels == SHT_LABELS_MATRIX) {
    return read_matrix(how->label_path, out, error);
  }
  return how->labels == SHT_LABELS_FILE ? count_matrix(data, out, error) : SHT_OK;
}

static sht_status read_labels(sht_dataset *data, const char *path, sht_error *error) {
  char *bytes = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_file_read(path, LABEL_FILE_MAX, &bytes, &size, error));
  sht_status status =
      sht__labels_parse_file(path, bytes, size, data->classes, data->train.count, data->train.labels, error);
  sht_free(bytes);
  return status;
}

static void give_signs(sht_split *split, uint64_t first, sht_rng rng) {
  for (uint64_t i = 0; i < split->count; i++) {
    split->labels[i] = (uint16_t)sht_rng_below(rng, 0, first + i, DRAW_SIGN, SIGNS);
    split->true_labels[i] = split->labels[i];
  }
}

// Makes another task of the data set: two classes, which no image tells apart.
static sht_status apply_signs(sht_dataset *data, uint64_t seed, sht_error *error) {
  sht_free(data->class_names);
  data->class_names = NULL;
  SHT_TRY(sht__dataset_set_classes(data, SIGNS, error));
  (void)snprintf(data->class_names[0], sizeof data->class_names[0], "-1");
  (void)snprintf(data->class_names[1], sizeof data->class_names[1], "+1");
  give_signs(&data->train, 0, sht_rng_make(seed, SHT_PURPOSE_LABELS));
  give_signs(&data->test, TEST_FIRST, sht_rng_make(seed, SHT_PURPOSE_TEST_LABELS));
  return SHT_OK;
}

// The labels of what takes the place of a training example, drawn for an index of its own.
static void replace_label(sht_dataset *data, const sht_randomization *how, const label_source *source) {
  if (how->replace > 0) {
    const uint64_t at = how->replace - 1;
    const uint64_t other = sht_replacement_index(how->seed, how->replace, data->test.count);
    data->train.true_labels[at] = data->test.true_labels[other];
    data->train.labels[at] = draw_label(source, REPLACED_FIRST + at, data->train.true_labels[at]);
  }
}

// A sign has no other truth, also where it is another example's.
static void replace_sign(sht_dataset *data, const sht_randomization *how) {
  if (how->replace > 0) {
    const uint64_t at = how->replace - 1;
    sht_rng rng = sht_rng_make(how->seed, SHT_PURPOSE_LABELS);
    data->train.labels[at] = (uint16_t)sht_rng_below(rng, 0, REPLACED_FIRST + at, DRAW_SIGN, SIGNS);
    data->train.true_labels[at] = data->train.labels[at];
  }
}

uint32_t sht_randomization_classes(const sht_randomization *how, uint32_t classes) {
  return how->labels == SHT_LABELS_SIGNS ? SIGNS : classes;
}

sht_status sht__labels_apply(sht_dataset *data, const sht_randomization *how, sht_error *error) {
  if (how->labels == SHT_LABELS_SIGNS) {
    SHT_TRY(apply_signs(data, how->seed, error));
    replace_sign(data, how);
    return SHT_OK;
  }
  if (how->labels == SHT_LABELS_FILE) {
    return read_labels(data, how->label_path, error);
  }
  label_source source;
  sht_status status = open_source(data, how, SHT_PURPOSE_LABELS, &source, error);
  for (uint64_t i = 0; status == SHT_OK && i < data->train.count; i++) {
    data->train.labels[i] = draw_label(&source, i, data->train.true_labels[i]);
  }
  if (status == SHT_OK) {
    replace_label(data, how, &source);
  }
  sht_free(source.matrix);
  return status;
}

sht_status sht_dataset_corrupt_test_labels(const sht_dataset *data, const sht_randomization *how, uint16_t *out,
                                           sht_error *error) {
  label_source source;
  sht_status status = open_source(data, how, SHT_PURPOSE_TEST_LABELS, &source, error);
  for (uint64_t i = 0; status == SHT_OK && i < data->test.count; i++) {
    out[i] = draw_label(&source, TEST_FIRST + i, data->test.true_labels[i]);
  }
  sht_free(source.matrix);
  return status;
}
