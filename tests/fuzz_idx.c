// Any bytes as an IDX file, plain or packed: refused with a sentence, or an array whose every element can be read.
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/idx.h"

// The sum of all elements, so that each is read.
static unsigned read_array(const unsigned char *bytes, uint64_t size) {
  sht_idx array;
  sht_error error;
  if (sht__idx_parse("fuzz", bytes, size, &array, &error) != SHT_OK) {
    return 0;
  }
  unsigned sum = 0;
  for (uint64_t i = 0; i < array.count; i++) {
    sum += array.data[i];
  }
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  sht_error error;
  unsigned char *plain = NULL;
  uint64_t plain_size = 0;
  volatile unsigned sink = read_array(bytes, size);
  if (sht__idx_unpack("fuzz", bytes, size, &plain, &plain_size, &error) == SHT_OK) {
    sink = read_array(plain, plain_size);
  }
  (void)sink;
  sht_free(plain);
  return 0;
}
