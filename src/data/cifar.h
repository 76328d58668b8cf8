// CIFAR's binary formats. A record is one label byte (CIFAR-10) or two (CIFAR-100: of 20 coarse classes, then of 100
// fine ones), then 1024 red, 1024 green and 1024 blue bytes, row by row. The last label byte is the label; the coarse
// one is not read.
#ifndef SHT_DATA_CIFAR_H
#define SHT_DATA_CIFAR_H

#include <stdint.h>

#include "shatter/error.h"

enum {
  SHT_CIFAR_SIDE = 32,
  SHT_CIFAR_CHANNELS = 3,
  SHT_CIFAR_PIXELS = 32 * 32,
  SHT_CIFAR_VALUES = 3 * 32 * 32,
  SHT_CIFAR_RECORD = 1 + SHT_CIFAR_VALUES,  // of CIFAR-10
};

// Number of records of `label_bytes` labels in a file of `size` bytes. Errors: SHT_DATA (empty, or not whole records).
// `path` opens the message.
sht_status sht__cifar_count(const char *path, uint64_t size, uint32_t label_bytes, uint64_t *count, sht_error *error);

// Reads the records in bytes [size] into pixels [count][32][32][3] and labels [count]. Labels must be below `classes`.
// Errors: SHT_DATA.
sht_status sht__cifar_parse(const char *path, const unsigned char *bytes, uint64_t size, uint32_t label_bytes,
                            uint32_t classes, uint8_t *pixels, uint16_t *labels, sht_error *error);

// Reads class names, one a line (blank lines are skipped), from bytes [size]: 2 to 256 of at most 31 characters.
// names: [256]. Errors: SHT_DATA.
sht_status sht__cifar_parse_names(const char *path, const char *bytes, uint64_t size, char (*names)[32],
                                  uint32_t *classes, sht_error *error);

#endif
