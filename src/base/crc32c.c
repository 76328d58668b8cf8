// CRC-32C a bit at a time: it is used on a few kilobytes. See crc32c.h.
#include "base/crc32c.h"

uint32_t sht_crc32c(const void *bytes, uint64_t size) {
  const uint8_t *at = bytes;
  uint32_t crc = 0xffffffff;
  for (uint64_t i = 0; i < size; i++) {
    crc ^= at[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ (0x82f63b78 & (0U - (crc & 1)));
    }
  }
  return ~crc;
}
