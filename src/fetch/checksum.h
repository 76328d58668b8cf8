// Whether a file is the one that was expected: its size, then its SHA-256 or MD5.
#ifndef SHT_FETCH_CHECKSUM_H
#define SHT_FETCH_CHECKSUM_H

#include "fetch/fetch.h"

enum { SHT__FETCH_UNKNOWN_MAX = 1 << 20 };  // bytes of a file whose size is not known

// SHT_DATA with the sizes or sums when it is not; SHT_MISSING, SHT_DISK.
sht_status sht__fetch_check(const char *path, const sht_fetch_file *expected, sht_error *error);

#endif
