// Making and freeing the parts of a data set: see dataset.h.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "data/dataset.h"

sht_status sht__split_make(const char *where, uint64_t count, const uint32_t shape[3], sht_split *out,
                           sht_error *error) {
  if (count == 0 || count > SHT_EXAMPLES_MAX) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " examples, expected 1 to %d", where, count, SHT_EXAMPLES_MAX);
  }
  *out = (sht_split){.count = count, .height = shape[0], .width = shape[1], .channels = shape[2], .type = SHT_PIXEL_U8};
  uint64_t values = (uint64_t)shape[0] * shape[1] * shape[2];  // at most 2^28
  sht_status status = sht_alloc(&out->pixels, count, values, "images", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&out->labels, count, "labels", error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&out->true_labels, count, "labels", error);
  }
  if (status != SHT_OK) {
    sht__split_free(out);
  }
  return status;
}

void sht__split_free(sht_split *split) {
  sht_free(split->pixels);
  sht_free(split->labels);
  sht_free(split->true_labels);
  *split = (sht_split){0};
}

sht_status sht__dataset_set_classes(sht_dataset *data, uint32_t classes, sht_error *error) {
  data->classes = classes;
  return SHT_ALLOC(&data->class_names, classes, "class names", error);
}

// `to` has room for them.
static void copy_chosen(const sht_split *from, const bool *chosen, uint64_t image_bytes, sht_split *to) {
  uint64_t at = 0;
  for (uint64_t i = 0; i < from->count; i++) {
    if (chosen[i]) {
      memcpy((char *)to->pixels + at * image_bytes, (const char *)from->pixels + i * image_bytes, image_bytes);
      to->labels[at] = from->labels[i];
      to->true_labels[at] = from->true_labels[i];
      at++;
    }
  }
}

sht_status sht__split_choose(const sht_split *from, const bool *chosen, uint64_t count, sht_split *out,
                             sht_error *error) {
  const uint64_t values = (uint64_t)from->height * from->width * from->channels;
  const uint64_t image_bytes = values * (from->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t));
  *out = *from;
  out->count = count;
  out->pixels = NULL;
  out->labels = out->true_labels = NULL;
  sht_status status = sht_alloc(&out->pixels, count, image_bytes, "chosen examples", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&out->labels, count, "chosen examples", error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&out->true_labels, count, "chosen examples", error);
  }
  if (status == SHT_OK) {
    copy_chosen(from, chosen, image_bytes, out);
  } else {
    sht__split_free(out);
  }
  return status;
}

uint32_t sht__split_largest_label(const sht_split *split) {
  uint32_t largest = 0;
  for (uint64_t i = 0; i < split->count; i++) {
    largest = split->labels[i] > largest ? split->labels[i] : largest;
  }
  return largest;
}

sht_status sht__split_check_alike(const char *folder, const sht_dataset *data, sht_error *error) {
  const sht_split *a = &data->train, *b = &data->test;
  if (a->height == b->height && a->width == b->width && a->channels == b->channels) {
    return SHT_OK;
  }
  return SHT_FAIL(error, SHT_DATA,
                  "%s: training images are %ux%ux%u, test images %ux%ux%u; do the files belong together?", folder,
                  a->height, a->width, a->channels, b->height, b->width, b->channels);
}

sht_status sht__dataset_number_classes(sht_dataset *data, uint32_t classes, sht_error *error) {
  SHT_TRY(sht__dataset_set_classes(data, classes, error));
  for (uint32_t i = 0; i < classes; i++) {
    (void)snprintf(data->class_names[i], sizeof data->class_names[i], "%u", i);
  }
  return SHT_OK;
}
