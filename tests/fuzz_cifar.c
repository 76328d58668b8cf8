// Any bytes as a CIFAR batch and as its file of class names: refused with a sentence, or labels within range.
#include <stdint.h>
#include <stdlib.h>

#include "data/cifar.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  sht_error error;
  uint64_t count = 0;
  uint32_t classes = 0;
  char names[256][32];
  (void)sht__cifar_parse_names("fuzz", (const char *)bytes, size, names, &classes, &error);
  if (sht__cifar_count("fuzz", size, &count, &error) != SHT_OK) {
    return 0;
  }
  uint8_t *pixels = malloc(count * SHT_CIFAR_VALUES);
  uint16_t *labels = malloc(count * sizeof *labels);
  if (sht__cifar_parse("fuzz", bytes, size, 10, pixels, labels, &error) == SHT_OK) {
    for (uint64_t i = 0; i < count; i++) {
      if (labels[i] >= 10) {
        abort();
      }
    }
  }
  free(labels);
  free(pixels);
  return 0;
}
