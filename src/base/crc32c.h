// CRC-32C (Castagnoli; RFC 3720, section 12.1): reflected polynomial 0x82f63b78, start and final complement of all
// bits.
#ifndef SHT_BASE_CRC32C_H
#define SHT_BASE_CRC32C_H

#include <stdint.h>

uint32_t sht_crc32c(const void *bytes, uint64_t size);

#endif
