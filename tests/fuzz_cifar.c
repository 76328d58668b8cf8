// Any bytes as a CIFAR batch and as its file of class names: refused with a sentence, or labels within range.
#include <stdint.h>
#include <stdlib.h>

#include "data/cifar.h"

static void read_batch(const uint8_t *bytes, size_t size, uint32_t label_bytes, uint32_t classes) {
  sht_error error;
  uint64_t count = 0;
  if (sht__cifar_count("fuzz", size, label_bytes, &count, &error) != SHT_OK) {
    return;
  }
  uint8_t *pixels = malloc(count * SHT_CIFAR_VALUES);
  uint16_t *labels = malloc(count * sizeof *labels);
  if (sht__cifar_parse("fuzz", bytes, size, label_bytes, classes, pixels, labels, &error) == SHT_OK) {
    for (uint64_t i = 0; i < count; i++) {
      if (labels[i] >= classes) {
        abort();
      }
    }
  }
  free(labels);
  free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  sht_error error;
  uint32_t classes = 0;
  char names[256][32];
  (void)sht__cifar_parse_names("fuzz", (const char *)bytes, size, names, &classes, &error);
  read_batch(bytes, size, 1, 10);
  read_batch(bytes, size, 2, 100);
  return 0;
}
