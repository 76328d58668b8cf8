// One training example that is another: see replace.h.
#include "data/replace.h"

#include <inttypes.h>
#include <string.h>

uint64_t sht_replacement_index(uint64_t seed, uint64_t example, uint64_t test_count) {
  return sht_rng_below(sht_rng_make(seed, SHT_PURPOSE_REPLACED), 0, example, 0, (uint32_t)test_count);
}

sht_status sht__replace_check(const sht_dataset *data, const sht_randomization *how, sht_error *error) {
  if (how->replace == 0) {
    return SHT_OK;
  }
  if (how->replace > data->train.count) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "replace %" PRIu64 ": %s has %" PRIu64 " training examples; choose one from 1 to %" PRIu64,
                    how->replace, data->name, data->train.count, data->train.count);
  }
  if (data->test.count == 0) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "replace %" PRIu64 ": %s has no test examples to take another one from; leave replace out",
                    how->replace, data->name);
  }
  if (how->labels == SHT_LABELS_FILE) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "replace %" PRIu64
                    ": %s has labels for the training examples alone, none for another in its place; "
                    "use labels that are drawn or true, or leave replace out",
                    how->replace, how->label_path);
  }
  return SHT_OK;
}

void sht__replace_pixels(sht_dataset *data, const sht_randomization *how) {
  const sht_split *from = &data->test;
  if (how->replace == 0) {
    return;
  }
  const uint64_t values = (uint64_t)from->height * from->width * from->channels;
  const uint64_t bytes = values * (from->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t));
  const uint64_t other = sht_replacement_index(how->seed, how->replace, from->count);
  memcpy((char *)data->train.pixels + (how->replace - 1) * bytes, (const char *)from->pixels + other * bytes, bytes);
}
