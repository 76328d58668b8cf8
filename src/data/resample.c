// Antialiased scaling and a centre cut: see resample.h.
#include "data/resample.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

// Where the pixels of one axis of the result come from.
typedef struct axis {
  uint32_t taps;    // at most, of a pixel
  uint32_t *first;  // [side] pixel of the picture
  uint32_t *count;  // [side]
  double *weights;  // [side][taps], which sum to 1
} axis;

static void close_axis(axis *a) {
  sht_free(a->first);
  sht_free(a->count);
  sht_free(a->weights);
}

// The weights of the picture's pixels for one pixel of the result, whose middle lies at `centre`.
static void weigh(axis *a, uint32_t at, uint32_t in, double centre, double reach) {
  double *weights = a->weights + (uint64_t)at * a->taps;
  double sum = 0;
  uint32_t count = 0;
  const double low = floor(centre - reach - 0.5);
  const uint32_t begin = low < 0 ? 0 : (uint32_t)low;
  a->first[at] = begin;
  for (uint32_t j = begin; j < in && count < a->taps; j++, count++) {
    const double distance = fabs(j + 0.5 - centre) / reach;
    weights[count] = distance < 1 ? 1 - distance : 0;
    sum += weights[count];
  }
  a->count[at] = count;
  for (uint32_t k = 0; k < count; k++) {
    weights[k] /= sum;
  }
}

// Of an axis of `in` pixels that becomes `out` long, the centre `side` pixels.
static sht_status plan_axis(uint32_t in, uint32_t out, uint32_t side, axis *a, sht_error *error) {
  const double scale = (double)in / out;
  const double reach = scale > 1 ? scale : 1;
  a->taps = 2 * (uint32_t)ceil(reach) + 2;
  SHT_TRY(SHT_ALLOC(&a->first, side, "resampling", error));
  SHT_TRY(SHT_ALLOC(&a->count, side, "resampling", error));
  SHT_TRY(SHT_ALLOC(&a->weights, (uint64_t)side * a->taps, "resampling", error));
  const uint32_t cut_off = (out - side) / 2;
  for (uint32_t i = 0; i < side; i++) {
    weigh(a, i, in, (cut_off + i + 0.5) * scale, reach);
  }
  return SHT_OK;
}

// Row y of the result, as wide as the picture. row: [width * channels].
static void mix_rows(const sht__picture *picture, const axis *rows, uint32_t y, double *row) {
  const uint64_t values = (uint64_t)picture->width * picture->channels;
  memset(row, 0, values * sizeof *row);
  for (uint32_t k = 0; k < rows->count[y]; k++) {
    const double weight = rows->weights[(uint64_t)y * rows->taps + k];
    const uint8_t *from = picture->pixels + (rows->first[y] + (uint64_t)k) * values;
    for (uint64_t i = 0; i < values; i++) {
      row[i] += weight * from[i];
    }
  }
}

static void mix_columns(const double *row, const axis *columns, uint32_t side, uint32_t channels, uint8_t *out) {
  for (uint32_t x = 0; x < side; x++) {
    const double *weights = columns->weights + (uint64_t)x * columns->taps;
    const double *from = row + (uint64_t)columns->first[x] * channels;
    for (uint32_t c = 0; c < channels; c++) {
      double sum = 0;
      for (uint32_t k = 0; k < columns->count[x]; k++) {
        sum += weights[k] * from[(uint64_t)k * channels + c];
      }
      out[(uint64_t)x * channels + c] = (uint8_t)(sum + 0.5);  // a mean of levels: from 0 to 255, but for roundings
    }
  }
}

static sht_status scale(const sht__picture *picture, uint32_t side, uint8_t *out, sht_error *error) {
  const uint32_t shorter = picture->height < picture->width ? picture->height : picture->width;
  const uint32_t height = (uint32_t)((uint64_t)side * picture->height / shorter);
  const uint32_t width = (uint32_t)((uint64_t)side * picture->width / shorter);
  axis rows = {0};
  axis columns = {0};
  double *row = NULL;
  sht_status status = plan_axis(picture->height, height, side, &rows, error);
  if (status == SHT_OK) {
    status = plan_axis(picture->width, width, side, &columns, error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&row, (uint64_t)picture->width * picture->channels, "resampling", error);
  }
  for (uint32_t y = 0; status == SHT_OK && y < side; y++) {
    mix_rows(picture, &rows, y, row);
    mix_columns(row, &columns, side, picture->channels, out + (uint64_t)y * side * picture->channels);
  }
  sht_free(row);
  close_axis(&columns);
  close_axis(&rows);
  return status;
}

static void cut(const sht__picture *picture, uint32_t side, uint8_t *out) {
  const uint64_t top = (picture->height - side) / 2;
  const uint64_t left = (picture->width - side) / 2;
  const uint64_t bytes = (uint64_t)side * picture->channels;
  for (uint64_t y = 0; y < side; y++) {
    memcpy(out + y * bytes, picture->pixels + ((top + y) * picture->width + left) * picture->channels, bytes);
  }
}

sht_status sht__resample(const sht__picture *picture, uint32_t side, uint8_t *out, sht_error *error) {
  if ((picture->height < picture->width ? picture->height : picture->width) != side) {
    return scale(picture, side, out, error);
  }
  cut(picture, side, out);
  return SHT_OK;
}
