// Samples: images of a split, NPY arrays, random points. See shatter/theory.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "shatter/theory.h"
#include "theory/draws.h"
#include "theory/sample.h"

static const uint64_t array_bytes_max = (uint64_t)1 << 36;

uint64_t sht__sample_dims(const sht_sample *sample) {
  return (uint64_t)sample->shape.channels * sample->shape.height * sample->shape.width;
}

// ---- images

typedef struct split_source {
  sht_pipeline pipeline;
  double *targets;  // [n]
} split_source;

// The pipeline writes floats into the second half of a row, which then become doubles from the front: a value is read
// before its place is written over.
static void fill_images(const sht_sample *sample, uint64_t first, uint64_t count, double *rows) {
  const split_source *source = sample->source;
  const uint64_t dims = sht__sample_dims(sample);
  for (uint64_t i = 0; i < count; i++) {
    double *row = rows + i * dims;
    char *floats = (char *)row + dims * sizeof(float);
    const uint32_t example = (uint32_t)(first + i);
    uint16_t label = 0;
    sht_pipeline_fill(&source->pipeline, 0, &example, 1, (float *)floats, &label);
    for (uint64_t j = 0; j < dims; j++) {
      float value = 0;
      memcpy(&value, floats + j * sizeof value, sizeof value);
      row[j] = (double)value;
    }
  }
}

sht_status sht_sample_of_split(const sht_split *split, bool whiten, sht_sample *out, sht_error *error) {
  *out = (sht_sample){0};
  split_source *source = NULL;
  // The source and the targets in one block: one owner.
  uint64_t bytes = sizeof *source + split->count * sizeof *source->targets;
  SHT_TRY(sht_alloc((void **)&source, bytes, 1, "targets", error));
  source->pipeline = (sht_pipeline){.split = split, .height = split->height, .width = split->width, .whiten = whiten};
  source->targets = (double *)(source + 1);
  for (uint64_t i = 0; i < split->count; i++) {
    source->targets[i] = split->labels[i];
  }
  *out = (sht_sample){
      .count = split->count,
      .shape = {split->channels, split->height, split->width},
      .targets = source->targets,
      .fill = fill_images,
      .source = source,
      .owned = source,
  };
  return SHT_OK;
}

// ---- arrays

typedef struct array_source {
  double *targets;  // [n], behind the struct
  double *points;   // [n][d], behind the targets
} array_source;

static void fill_stored(const sht_sample *sample, uint64_t first, uint64_t count, double *rows) {
  const array_source *source = sample->source;
  const uint64_t dims = sht__sample_dims(sample);
  memcpy(rows, source->points + first * dims, count * dims * sizeof *rows);
}

static sht_status read_array(const char *path, char **bytes, sht_npy *array, sht_error *error) {
  uint64_t size = 0;
  SHT_TRY(sht_file_read(path, array_bytes_max, bytes, &size, error));
  return sht__npy_parse(path, *bytes, size, array, error);
}

// Values in C order (last index fastest), all finite. out: [rows][columns].
static sht_status take_values(const char *path, const sht_npy *array, uint64_t rows, uint64_t columns, double *out,
                              sht_error *error) {
  for (uint64_t i = 0; i < rows; i++) {
    for (uint64_t j = 0; j < columns; j++) {
      double value = sht__npy_number(array, array->fortran ? j * rows + i : i * columns + j);
      if (!isfinite(value)) {
        return SHT_FAIL(error, SHT_DATA,
                        "%s: row %" PRIu64 ", value %" PRIu64
                        " is %s; a point and a target must be finite: remove the "
                        "row or replace the value (rows and values count from 0)",
                        path, i, j, isnan(value) ? "NaN" : "infinite");
      }
      out[i * columns + j] = value;
    }
  }
  return SHT_OK;
}

static sht_status check_shapes(const char *points_path, const sht_npy *points, const char *targets_path,
                               const sht_npy *targets, uint64_t *dims, sht_error *error) {
  if (points->rank < 1 || points->dims[0] == 0 || points->count == 0 || (points->fortran && points->rank > 2)) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: expected an array of points, [n][d] with n and d at least 1%s; save it with numpy.save",
                    points_path, points->fortran ? ", in C order" : "");
  }
  if (targets->count != points->dims[0]) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " targets for the %" PRIu64 " points of %s; give one for each",
                    targets_path, targets->count, points->dims[0], points_path);
  }
  *dims = points->count / points->dims[0];
  if (*dims > INT32_MAX) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " dimensions, at most %d", points_path, *dims, INT32_MAX);
  }
  return SHT_OK;
}

static sht_status store_arrays(const char *points_path, const sht_npy *points, const char *targets_path,
                               const sht_npy *targets, sht_sample *out, sht_error *error) {
  uint64_t dims = 0;
  uint64_t values = 0;
  SHT_TRY(check_shapes(points_path, points, targets_path, targets, &dims, error));
  const uint64_t count = points->dims[0];
  // count * (dims + 1) doubles, which the size of the file has already shown to be possible
  if (!sht_size_mul(count, dims + 1, &values) || !sht_size_add(values, 2, &values)) {
    return SHT_FAIL(error, SHT_MEMORY, "%s: more values than a machine can address", points_path);
  }
  array_source *source = NULL;
  SHT_TRY(sht_alloc((void **)&source, values, sizeof(double), "points", error));
  source->targets = (double *)(source + 1);
  source->points = source->targets + count;
  *out = (sht_sample){.count = count,
                      .shape = {(uint32_t)dims, 1, 1},
                      .targets = source->targets,
                      .fill = fill_stored,
                      .source = source,
                      .owned = source};
  SHT_TRY(take_values(targets_path, targets, count, 1, source->targets, error));
  return take_values(points_path, points, count, dims, source->points, error);
}

sht_status sht_sample_of_arrays(const char *points, const char *targets, sht_sample *out, sht_error *error) {
  *out = (sht_sample){0};
  char *bytes[2] = {NULL, NULL};
  sht_npy arrays[2];
  sht_status status = read_array(points, &bytes[0], &arrays[0], error);
  if (status == SHT_OK) {
    status = read_array(targets, &bytes[1], &arrays[1], error);
  }
  if (status == SHT_OK) {
    status = store_arrays(points, &arrays[0], targets, &arrays[1], out, error);
  }
  sht_free(bytes[0]);
  sht_free(bytes[1]);
  if (status != SHT_OK) {
    sht_sample_close(out);
  }
  return status;
}

// ---- random points

typedef struct random_source {
  sht_rng rng;
  double *targets;  // [n], behind the struct
} random_source;

static void fill_random(const sht_sample *sample, uint64_t first, uint64_t count, double *rows) {
  const random_source *source = sample->source;
  const uint64_t dims = sht__sample_dims(sample);
  uint32_t words[4];
  for (uint64_t i = 0; i < count; i++) {
    for (uint64_t j = 0; j < dims; j++) {
      if (j % 4 == 0) {
        sht_rng_block(source->rng, SHT__DRAW_POINT, first + i, (uint32_t)(j / 4), words);
      }
      rows[i * dims + j] = ((double)(words[j % 4] >> 9) + 0.5) * 0x1p-23;
    }
  }
}

sht_status sht_sample_random(uint64_t count, uint32_t dims, uint32_t classes, uint64_t seed, sht_sample *out,
                             sht_error *error) {
  *out = (sht_sample){0};
  if (count == 0 || dims == 0 || classes == 0) {
    return SHT_FAIL(error, SHT_CONFIG, "random points need n, d and the number of classes to be at least 1");
  }
  uint64_t values = 0;
  random_source *source = NULL;
  if (!sht_size_add(count, (sizeof *source + sizeof(double) - 1) / sizeof(double), &values)) {
    return SHT_FAIL(error, SHT_MEMORY, "%" PRIu64 " points are more than a machine can address", count);
  }
  SHT_TRY(sht_alloc((void **)&source, values, sizeof(double), "targets", error));
  source->rng = sht_rng_make(seed, SHT_PURPOSE_THEORY);
  source->targets = (double *)(source + 1);
  for (uint64_t i = 0; i < count; i++) {
    source->targets[i] = sht_rng_below(source->rng, SHT__DRAW_TARGET, i, 0, classes);
  }
  *out = (sht_sample){.count = count,
                      .shape = {dims, 1, 1},
                      .targets = source->targets,
                      .fill = fill_random,
                      .source = source,
                      .owned = source};
  return SHT_OK;
}

void sht_sample_close(sht_sample *sample) {
  sht_free(sample->owned);
  *sample = (sht_sample){0};
}
