// NumPy's NPY files (format versions 1.0 to 3.0): reads numeric arrays, writes float32 and float64 ones.
#ifndef SHT_DATA_NPY_H
#define SHT_DATA_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/error.h"

enum { SHT_NPY_RANK_MAX = 8 };

// What an NPY file says of itself. `data` points into the bytes that were parsed.
typedef struct sht_npy {
  char kind;        // 'i' signed, 'u' unsigned, 'f' floating point, 'b' boolean
  uint32_t item;    // bytes an element: 1, 2, 4, 8 ('f': 2, 4, 8)
  bool big_endian;  // elements of more than one byte
  bool fortran;     // the first index runs fastest
  int rank;         // 0 .. SHT_NPY_RANK_MAX
  uint64_t dims[SHT_NPY_RANK_MAX];
  uint64_t count;             // product of dims (1 for rank 0)
  const unsigned char *data;  // [count * item]
} sht_npy;

// Reads the header in `bytes` [size] and checks that exactly the array that it promises follows. Allocates nothing.
// `name` opens the message. Errors: SHT_DATA.
sht_status sht__npy_parse(const char *name, const void *bytes, uint64_t size, sht_npy *out, sht_error *error);

// Element `index` (in memory order) of an array of kind 'i', 'u' or 'b'. Unsigned values above INT64_MAX come out as
// INT64_MAX.
int64_t sht__npy_integer(const sht_npy *array, uint64_t index);

// Element `index` (in memory order) of any array, as a double.
double sht__npy_number(const sht_npy *array, uint64_t index);

// Reads an array of one or more dimensions as a table: rows = dims[0], columns = the product of the rest. *out:
// [rows][columns], free with sht_free. limit: bytes of the file. Errors: SHT_MISSING, SHT_DATA, SHT_MEMORY.
sht_status sht__npy_read_table(const char *path, uint64_t limit, double **out, uint64_t *rows, uint64_t *columns,
                               sht_error *error);

// Writes float32 values [dims[0]]..[dims[rank-1]] (last index fastest) as NPY 1.0, whole or not at all.
// rank: 0 .. SHT_NPY_RANK_MAX. Errors: SHT_DISK, SHT_MEMORY, SHT_INTERNAL for a wrong rank.
sht_status sht_npy_write_f32(const char *path, const float *values, const uint64_t *dims, int rank, sht_error *error);
sht_status sht_npy_write_f64(const char *path, const double *values, const uint64_t *dims, int rank, sht_error *error);

#endif
