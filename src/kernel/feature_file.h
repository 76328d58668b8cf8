// Streamed features in a file, so that later passes over them read what the first has made.
//
// The refinement needs all features for every product with K, and to make those of random convolutions takes a hundred
// times as many operations as the product itself. The file has no name: it is gone with the process, and nothing in it
// is relied on by another. It is given up, and features are made again, where it does not fit, cannot be written or
// read, or takes longer than making them.
#ifndef SHT_KERNEL_FEATURE_FILE_H
#define SHT_KERNEL_FEATURE_FILE_H

#include "kernel/panels.h"

typedef struct sht__feature_file {
  int file;        // -1: none
  uint64_t bytes;  // of a whole block, and from the beginning of one to that of the next
  uint64_t blocks;
  bool *held;  // [blocks] that are in the file
  double made_seconds, wrote_seconds, read_seconds;
  uint64_t made, read;  // blocks
} sht__feature_file;

// Bytes of the features of n examples, all blocks.
uint64_t sht__feature_file_bytes(uint64_t n, const sht__feature_map *map);

// For the features of n examples, in `folder` (made when absent). Without room for them and for `reserve` bytes more
// all are made anew. Errors: SHT_DISK (the folder), SHT_MEMORY. Close in every case.
sht_status sht__feature_file_open(const char *folder, uint64_t n, const sht__feature_map *map, uint64_t reserve,
                                  sht__feature_file **out, sht_error *error);
void sht__feature_file_close(sht__feature_file *file);  // NULL is allowed

// Panels of a block, as they were added; false when they are not to be had. NULL: no file.
bool sht__feature_file_read(sht__feature_file *file, uint64_t block, sht__panels *panels);
// Adds a block that took `seconds` to make. NULL: no file.
void sht__feature_file_add(sht__feature_file *file, uint64_t block, const sht__panels *panels, double seconds);

#endif
