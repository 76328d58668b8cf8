// Measures everything in a data set, so that a person can compare it with what is published.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "shatter/data.h"

// An image's hash, and where it is. Equal images have equal hashes; equal hashes are then compared byte for byte.
typedef struct image_mark {
  uint64_t hash;
  uint64_t index;  // in training, then test
  const uint8_t *pixels;
  uint64_t size;
} image_mark;

static uint64_t image_size(const sht_split *split) { return (uint64_t)split->height * split->width * split->channels; }

// Eight bytes at a time; the multiplier is the golden ratio in 64 bits.
static uint64_t hash_image(const uint8_t *pixels, uint64_t size) {
  uint64_t hash = size;
  for (uint64_t i = 0; i < size; i += 8) {
    uint64_t word = 0;
    memcpy(&word, pixels + i, size - i < 8 ? size - i : 8);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 29;
  }
  return hash;
}

static void mark_split(const sht_split *split, uint64_t first, image_mark *marks) {
  uint64_t size = image_size(split);
  for (uint64_t i = 0; i < split->count; i++) {
    const uint8_t *pixels = (const uint8_t *)split->pixels + i * size;
    marks[i] = (image_mark){.hash = hash_image(pixels, size), .index = first + i, .pixels = pixels, .size = size};
  }
}

// Order by content, then place.
static int compare(const void *left, const void *right) {
  const image_mark *a = left;
  const image_mark *b = right;
  if (a->hash != b->hash) {
    return a->hash < b->hash ? -1 : 1;
  }
  int order = memcmp(a->pixels, b->pixels, a->size);
  return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static bool same_image(const image_mark *a, const image_mark *b) {
  return a->hash == b->hash && memcmp(a->pixels, b->pixels, a->size) == 0;
}

// Equal images stand together, training before test.
static void count_duplicates(const image_mark *marks, uint64_t count, sht_data_report *report) {
  const uint64_t train = report->train.count;
  for (uint64_t start = 0, end = 0; start < count; start = end) {
    uint64_t in_train = 0;
    for (end = start; end < count && same_image(&marks[start], &marks[end]); end++) {
      in_train += marks[end].index < train ? 1 : 0;
    }
    uint64_t in_test = end - start - in_train;
    report->train.duplicates += in_train > 0 ? in_train - 1 : 0;
    report->test.duplicates += in_test > 0 ? in_test - 1 : 0;
    report->shared += in_train > 0 ? in_test : 0;
  }
}

static sht_status find_duplicates(sht_data_report *report, sht_error *error) {
  const sht_dataset *data = report->data;
  uint64_t count = data->train.count + data->test.count;
  image_mark *marks = NULL;
  SHT_TRY(SHT_ALLOC(&marks, count, "marks of the images", error));
  mark_split(&data->train, 0, marks);
  mark_split(&data->test, data->train.count, marks + data->train.count);
  qsort(marks, count, sizeof *marks, compare);
  count_duplicates(marks, count, report);
  sht_free(marks);
  return SHT_OK;
}

static void measure_channel(const sht_split *split, uint32_t channel, double *mean, double *deviation) {
  const uint8_t *pixels = split->pixels;
  uint64_t values = split->count * split->height * split->width;
  uint64_t sum = 0;
  uint64_t squares = 0;
  for (uint64_t i = 0; i < values; i++) {
    uint32_t level = pixels[i * split->channels + channel];
    sum += level;
    squares += (uint64_t)level * level;
  }
  unsigned __int128 spread = (unsigned __int128)values * squares - (unsigned __int128)sum * sum;
  *mean = (double)sum / (double)values / 255;
  *deviation = sqrt((double)spread) / (double)values / 255;
}

static sht_status measure_split(const sht_split *split, uint32_t classes, sht_split_report *out, sht_error *error) {
  out->count = split->count;
  SHT_TRY(SHT_ALLOC(&out->class_counts, classes, "report", error));
  SHT_TRY(SHT_ALLOC(&out->mean, split->channels, "report", error));
  SHT_TRY(SHT_ALLOC(&out->deviation, split->channels, "report", error));
  for (uint64_t i = 0; i < split->count; i++) {
    out->class_counts[split->true_labels[i]]++;
  }
  for (uint32_t c = 0; c < split->channels; c++) {
    measure_channel(split, c, &out->mean[c], &out->deviation[c]);
  }
  return SHT_OK;
}

static sht_status fill_report(const char *spec, const sht_dataset_options *options, sht_data_report *report,
                              sht_error *error) {
  SHT_TRY(sht_dataset_open(spec, options, &report->data, error));
  SHT_TRY(measure_split(&report->data->train, report->data->classes, &report->train, error));
  SHT_TRY(measure_split(&report->data->test, report->data->classes, &report->test, error));
  return find_duplicates(report, error);
}

sht_status sht_dataset_check(const char *spec, const sht_dataset_options *options, sht_data_report **out,
                             sht_error *error) {
  *out = NULL;
  sht_data_report *report = NULL;
  SHT_TRY(SHT_ALLOC(&report, 1, "report", error));
  sht_status status = fill_report(spec, options, report, error);
  if (status != SHT_OK) {
    sht_data_report_close(report);
    return status;
  }
  *out = report;
  return SHT_OK;
}

static void free_split_report(sht_split_report *report) {
  sht_free(report->class_counts);
  sht_free(report->mean);
  sht_free(report->deviation);
}

void sht_data_report_close(sht_data_report *report) {
  if (report == NULL) {
    return;
  }
  free_split_report(&report->train);
  free_split_report(&report->test);
  sht_dataset_close(report->data);
  sht_free(report);
}
