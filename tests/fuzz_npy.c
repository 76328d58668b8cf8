// Any bytes as an NPY file: refused with a sentence, or an array whose every element can be read.
#include <stdint.h>
#include <stdlib.h>

#include "data/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  sht_npy array;
  sht_error error;
  if (sht__npy_parse("fuzz", bytes, size, &array, &error) != SHT_OK || array.kind == 'f') {
    return 0;
  }
  int64_t sum = 0;
  for (uint64_t i = 0; i < array.count; i++) {
    sum ^= sht__npy_integer(&array, i);
  }
  volatile int64_t sink = sum;  // so that each element is read
  (void)sink;
  return 0;
}
