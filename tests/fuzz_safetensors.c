// Fuzz target: any bytes as a safetensors file are read or refused, never misread.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "train/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// Touches every byte of every tensor, so that a range outside the file is caught.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  sht_safetensors *file = NULL;
  sht_error error;
  if (sht_safetensors_parse(bytes, size, "fuzz", &file, &error) != SHT_OK) {
    return 0;
  }
  int count = 0;
  uint64_t total = 0;
  unsigned sum = 0;
  const sht_tensor *tensors = sht_safetensors_tensors(file, &count);
  for (int i = 0; i < count; i++) {
    for (uint64_t j = 0; j < tensors[i].size; j++) {
      sum += ((const unsigned char *)tensors[i].bytes)[j];
    }
    total += tensors[i].size;
  }
  if (total > size || sum > 255 * size) {
    abort();
  }
  sht_safetensors_close(file);
  return 0;
}
