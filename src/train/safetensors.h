// Safetensors: named arrays in one file that PyTorch, NumPy and others read without running code.
//
// Layout: 8 bytes little-endian header length, header (JSON: name -> dtype, shape, data_offsets; "__metadata__":
// texts), then the bytes of the tensors, row-major, little-endian. The ranges tile the rest of the file without gap or
// overlap.
#ifndef SHT_TRAIN_SAFETENSORS_H
#define SHT_TRAIN_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/error.h"

// X(name as in the file, bytes of one element)
#define SHT_DTYPE_MAP(X) \
  X(BOOL, 1)             \
  X(U8, 1)               \
  X(I8, 1)               \
  X(I16, 2)              \
  X(U16, 2)              \
  X(F16, 2)              \
  X(BF16, 2)             \
  X(I32, 4)              \
  X(U32, 4)              \
  X(F32, 4)              \
  X(I64, 8)              \
  X(U64, 8)              \
  X(F64, 8)

typedef enum sht_dtype {
#define SHT_DTYPE_ENUM(name, bytes) SHT_DTYPE_##name,
  SHT_DTYPE_MAP(SHT_DTYPE_ENUM)
#undef SHT_DTYPE_ENUM
      SHT_DTYPE_COUNT
} sht_dtype;

enum { SHT_TENSOR_RANK_MAX = 8, SHT_TENSOR_NAME_MAX = 128 };

// One array. Reading: `bytes` points into the file's image and may be unaligned (copy it out). Writing: the caller's.
typedef struct sht_tensor {
  char name[SHT_TENSOR_NAME_MAX];
  sht_dtype dtype;
  int rank;
  uint64_t dims[SHT_TENSOR_RANK_MAX];
  const void *bytes;
  uint64_t size;  // bytes; product of dims times the element's size
} sht_tensor;

typedef struct sht_metadata {
  const char *key;
  const char *value;
} sht_metadata;

// The metadata key of our checksum: SHA-256 of the whole file with these 64 digits as zeros.
#define SHT_CHECKSUM_KEY "shatter.sha256"

// Writes path so that a reader sees the old or the new file and never half of one (see sht_file_write). The
// file carries a checksum. Errors: SHT_DISK, SHT_MEMORY.
sht_status sht_safetensors_write(const char *path, const sht_tensor *tensors, int count, const sht_metadata *metadata,
                                 int metadata_count, sht_error *error);

typedef struct sht_safetensors sht_safetensors;

// Reads a file. Errors: SHT_MISSING, SHT_DATA (with what is wrong and where), SHT_MEMORY, SHT_DISK. When the file
// carries our checksum it is verified; other people's files have none.
sht_status sht_safetensors_open(const char *path, sht_safetensors **out, sht_error *error);
// The same of a file's image in memory, which is copied. `where` opens the messages.
sht_status sht_safetensors_parse(const void *bytes, uint64_t size, const char *where, sht_safetensors **out,
                                 sht_error *error);
void sht_safetensors_close(sht_safetensors *file);  // NULL is allowed

// The tensor of this name, type and number of elements; SHT_DATA says what is there instead.
sht_status sht_safetensors_find(const sht_safetensors *file, const char *name, sht_dtype dtype, uint64_t elements,
                                const sht_tensor **out, sht_error *error);
// All of them, in the order of their bytes.
const sht_tensor *sht_safetensors_tensors(const sht_safetensors *file, int *count);
// NULL when there is none; owned by the file.
const char *sht_safetensors_metadata(const sht_safetensors *file, const char *key);

const char *sht_dtype_name(sht_dtype dtype);
uint64_t sht_dtype_size(sht_dtype dtype);

#endif
