// IDX files (LeCun's format for MNIST) of unsigned bytes, plain or packed with gzip.
//
// 00 00 08 RANK, then RANK sizes of 4 bytes (big-endian), then the bytes, last index fastest.
#ifndef SHT_DATA_IDX_H
#define SHT_DATA_IDX_H

#include <stdint.h>

#include "shatter/error.h"

enum { SHT_IDX_RANK_MAX = 4 };

typedef struct sht_idx {
  int rank;  // 1 .. SHT_IDX_RANK_MAX
  uint64_t dims[SHT_IDX_RANK_MAX];
  uint64_t count;             // product of dims
  const unsigned char *data;  // [count], in the bytes that were parsed
} sht_idx;

// Reads a plain IDX file in bytes [size]: exactly the array that its header promises. Allocates nothing.
// Errors: SHT_DATA. `path` opens the message.
sht_status sht__idx_parse(const char *path, const unsigned char *bytes, uint64_t size, sht_idx *out, sht_error *error);

// Unpacks a gzip file in bytes [size] that holds an IDX file. What is allocated is what the IDX header asks for, once
// that agrees with the packed size (deflate packs at most 1032 to 1) and the length that gzip noted; one byte more ends
// it. out: free with sht_free. Errors: SHT_DATA, SHT_MEMORY.
sht_status sht__idx_unpack(const char *path, const unsigned char *bytes, uint64_t size, unsigned char **out,
                           uint64_t *out_size, sht_error *error);

#endif
