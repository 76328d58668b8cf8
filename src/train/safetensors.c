// Safetensors, reading: see safetensors.h. Nothing is believed before it is compared with the size of the file.
#include "train/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "train/safetensors_format.h"

struct sht_safetensors {
  char *image;  // [size] the whole file
  uint64_t size;
  uint64_t header;  // bytes of the header
  json_t *root;
  sht_tensor *tensors;  // [count] in the order of their bytes
  int count;
  char where[256];  // the file's name for messages, its end when long
};

static const char *const dtype_names[] = {
#define DTYPE_NAME(name, bytes) #name,
    SHT_DTYPE_MAP(DTYPE_NAME)
#undef DTYPE_NAME
};

static const uint8_t dtype_sizes[] = {
#define DTYPE_SIZE(name, bytes) bytes,
    SHT_DTYPE_MAP(DTYPE_SIZE)
#undef DTYPE_SIZE
};

const char *sht_dtype_name(sht_dtype dtype) { return dtype_names[dtype]; }

uint64_t sht_dtype_size(sht_dtype dtype) { return dtype_sizes[dtype]; }

static sht_status read_dtype(const sht_safetensors *file, const json_t *entry, sht_tensor *tensor, sht_error *error) {
  const char *name = json_string_value(json_object_get(entry, "dtype"));
  for (int i = 0; name != NULL && i < SHT_DTYPE_COUNT; i++) {
    if (strcmp(name, dtype_names[i]) == 0) {
      tensor->dtype = (sht_dtype)i;
      return SHT_OK;
    }
  }
  return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\" has the type %.40s, expected one like F32 or I64", file->where,
                  tensor->name, name == NULL ? "(none)" : name);
}

// Fills rank, dims and size.
static sht_status read_shape(const sht_safetensors *file, const json_t *entry, sht_tensor *tensor, sht_error *error) {
  const json_t *shape = json_object_get(entry, "shape");
  if (!json_is_array(shape) || json_array_size(shape) > SHT_TENSOR_RANK_MAX) {
    return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\": \"shape\" is not a list of at most %d sizes", file->where,
                    tensor->name, SHT_TENSOR_RANK_MAX);
  }
  tensor->rank = (int)json_array_size(shape);
  tensor->size = sht_dtype_size(tensor->dtype);
  for (int i = 0; i < tensor->rank; i++) {
    const json_t *size = json_array_get(shape, (size_t)i);
    if (!json_is_integer(size) || json_integer_value(size) < 0) {
      return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\": size %d of its shape is not a whole number from 0",
                      file->where, tensor->name, i);
    }
    tensor->dims[i] = (uint64_t)json_integer_value(size);
    if (!sht_size_mul(tensor->size, tensor->dims[i], &tensor->size)) {
      return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\": its shape overflows 64 bits", file->where, tensor->name);
    }
  }
  return SHT_OK;
}

// Fills bytes, having compared the range with the shape and the file.
static sht_status read_range(const sht_safetensors *file, const json_t *entry, sht_tensor *tensor, sht_error *error) {
  const json_t *offsets = json_object_get(entry, "data_offsets");
  const json_t *first = json_array_get(offsets, 0);
  const json_t *last = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last)) {
    return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\": \"data_offsets\" is not a pair of whole numbers", file->where,
                    tensor->name);
  }
  uint64_t begin = (uint64_t)json_integer_value(first);
  uint64_t end = (uint64_t)json_integer_value(last);
  uint64_t payload = file->size - SHT_SAFETENSORS_PREFIX - file->header;
  if (begin > end || end > payload) {
    return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\" lies at bytes %" PRId64 " to %" PRId64 " of %" PRIu64,
                    file->where, tensor->name, (int64_t)begin, (int64_t)end, payload);
  }
  if (end - begin != tensor->size) {
    return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\" has %" PRIu64 " bytes, its shape and type need %" PRIu64,
                    file->where, tensor->name, end - begin, tensor->size);
  }
  tensor->bytes = file->image + SHT_SAFETENSORS_PREFIX + file->header + begin;
  return SHT_OK;
}

static sht_status read_tensor(const sht_safetensors *file, const char *name, const json_t *entry, sht_tensor *tensor,
                              sht_error *error) {
  if (strlen(name) >= sizeof tensor->name) {
    return SHT_FAIL(error, SHT_DATA, "%s: the tensor's name \"%.40s...\" is longer than %d bytes", file->where, name,
                    SHT_TENSOR_NAME_MAX - 1);
  }
  memcpy(tensor->name, name, strlen(name) + 1);
  if (!json_is_object(entry) || json_object_size(entry) != 3) {
    return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\" is not described by dtype, shape and data_offsets alone",
                    file->where, name);
  }
  SHT_TRY(read_dtype(file, entry, tensor, error));
  SHT_TRY(read_shape(file, entry, tensor, error));
  return read_range(file, entry, tensor, error);
}

static int by_place(const void *a, const void *b) {
  const sht_tensor *left = a;
  const sht_tensor *right = b;
  if (left->bytes != right->bytes) {
    return (const char *)left->bytes < (const char *)right->bytes ? -1 : 1;
  }
  return (left->size > right->size) - (left->size < right->size);
}

// Sorts the tensors by place and checks that they tile the rest of the file.
static sht_status check_tiling(sht_safetensors *file, sht_error *error) {
  qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_place);
  const char *next = file->image + SHT_SAFETENSORS_PREFIX + file->header;
  for (int i = 0; i < file->count; i++) {
    if (file->tensors[i].bytes != next) {
      return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\" %s; the file is damaged or made to mislead", file->where,
                      file->tensors[i].name,
                      (const char *)file->tensors[i].bytes > next ? "leaves a gap before it" : "overlaps another");
    }
    next += file->tensors[i].size;
  }
  uint64_t rest = (uint64_t)(file->image + file->size - next);
  if (rest != 0) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " bytes after the last tensor", file->where, rest);
  }
  return SHT_OK;
}

static sht_status check_metadata(const sht_safetensors *file, const json_t *metadata, sht_error *error) {
  const char *key = NULL;
  json_t *value = NULL;
  if (!json_is_object(metadata)) {
    return SHT_FAIL(error, SHT_DATA, "%s: \"__metadata__\" is not an object", file->where);
  }
  json_object_foreach((json_t *)metadata, key, value) {
    if (!json_is_string(value)) {
      return SHT_FAIL(error, SHT_DATA, "%s: the metadata \"%.60s\" is not a text", file->where, key);
    }
  }
  return SHT_OK;
}

static sht_status read_tensors(sht_safetensors *file, sht_error *error) {
  const char *name = NULL;
  json_t *entry = NULL;
  SHT_TRY(SHT_ALLOC(&file->tensors, json_object_size(file->root), "list of tensors", error));
  json_object_foreach(file->root, name, entry) {
    if (strcmp(name, "__metadata__") == 0) {
      SHT_TRY(check_metadata(file, entry, error));
    } else {
      SHT_TRY(read_tensor(file, name, entry, &file->tensors[file->count], error));
      file->count++;
    }
  }
  return check_tiling(file, error);
}

static sht_status check_sum(const sht_safetensors *file, sht_error *error) {
  const char *sum = sht_safetensors_metadata(file, SHT_CHECKSUM_KEY);
  if (sum == NULL) {
    return SHT_OK;
  }
  static const char mark[] = SHT_CHECKSUM_MARK;
  char *header = file->image + SHT_SAFETENSORS_PREFIX;
  char *at = memmem(header, file->header, mark, sizeof mark - 1);
  if (at == NULL || strlen(sum) != SHT_CHECKSUM_DIGITS ||
      (uint64_t)(at - header) + sizeof mark - 1 + SHT_CHECKSUM_DIGITS > file->header) {
    return SHT_FAIL(error, SHT_DATA, "%s: its checksum cannot be read; the file is damaged", file->where);
  }
  at += sizeof mark - 1;
  char saved[SHT_CHECKSUM_DIGITS];
  char found[65];
  memcpy(saved, at, sizeof saved);
  memset(at, '0', sizeof saved);
  sht_status status = sht_hash_bytes(file->image, file->size, found, error);
  memcpy(at, saved, sizeof saved);
  if (status == SHT_OK && memcmp(found, sum, SHT_CHECKSUM_DIGITS) != 0) {
    return SHT_FAIL(error, SHT_DATA, "%s: its SHA-256 is %.12s..., expected %.12s...; the file is damaged", file->where,
                    found, sum);
  }
  return status;
}

static sht_status read_header(sht_safetensors *file, sht_error *error) {
  if (file->size < SHT_SAFETENSORS_PREFIX) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " bytes, expected a safetensors file of 8 at least", file->where,
                    file->size);
  }
  for (int i = SHT_SAFETENSORS_PREFIX - 1; i >= 0; i--) {
    file->header = file->header << 8 | (unsigned char)file->image[i];
  }
  if (file->header > SHT_SAFETENSORS_HEADER_MAX || file->header > file->size - SHT_SAFETENSORS_PREFIX) {
    return SHT_FAIL(error, SHT_DATA,
                    "%s: a header of %" PRIu64 " bytes in a file of %" PRIu64 "; cut short, or not a safetensors file",
                    file->where, file->header, file->size);
  }
  return sht_json_read(file->image + SHT_SAFETENSORS_PREFIX, file->header, file->where, &file->root, error);
}

// Takes `image` over in every case.
static sht_status open_image(char *image, uint64_t size, const char *where, sht_safetensors **out, sht_error *error) {
  *out = NULL;
  sht_safetensors *file = NULL;
  sht_status status = SHT_ALLOC(&file, 1, "safetensors file", error);
  if (status != SHT_OK) {
    sht_free(image);
    return status;
  }
  file->image = image;
  file->size = size;
  size_t length = strlen(where);
  const char *end = length < sizeof file->where ? where : where + length - sizeof file->where + 1;
  memcpy(file->where, end, strlen(end) + 1);
  status = read_header(file, error);
  if (status == SHT_OK) {
    status = read_tensors(file, error);
  }
  if (status == SHT_OK) {
    status = check_sum(file, error);
  }
  if (status != SHT_OK) {
    sht_safetensors_close(file);
    return status;
  }
  *out = file;
  return SHT_OK;
}

sht_status sht_safetensors_open(const char *path, sht_safetensors **out, sht_error *error) {
  char *image = NULL;
  uint64_t size = 0;
  *out = NULL;
  SHT_TRY(sht_file_read(path, UINT64_MAX - 1, &image, &size, error));
  return open_image(image, size, path, out, error);
}

sht_status sht_safetensors_parse(const void *bytes, uint64_t size, const char *where, sht_safetensors **out,
                                 sht_error *error) {
  char *image = NULL;
  *out = NULL;
  SHT_TRY(SHT_ALLOC(&image, size, "safetensors file", error));
  memcpy(image, bytes, size);
  return open_image(image, size, where, out, error);
}

void sht_safetensors_close(sht_safetensors *file) {
  if (file != NULL) {
    json_decref(file->root);
    sht_free(file->tensors);
    sht_free(file->image);
    sht_free(file);
  }
}

sht_status sht_safetensors_find(const sht_safetensors *file, const char *name, sht_dtype dtype, uint64_t elements,
                                const sht_tensor **out, sht_error *error) {
  for (int i = 0; i < file->count; i++) {
    const sht_tensor *tensor = &file->tensors[i];
    if (strcmp(tensor->name, name) != 0) {
      continue;
    }
    uint64_t have = tensor->size / sht_dtype_size(tensor->dtype);
    if (tensor->dtype != dtype || have != elements) {
      return SHT_FAIL(error, SHT_DATA, "%s: tensor \"%s\" has %" PRIu64 " elements of %s, expected %" PRIu64 " of %s",
                      file->where, name, have, sht_dtype_name(tensor->dtype), elements, sht_dtype_name(dtype));
    }
    *out = tensor;
    return SHT_OK;
  }
  return SHT_FAIL(error, SHT_DATA, "%s: no tensor \"%s\"", file->where, name);
}

const sht_tensor *sht_safetensors_tensors(const sht_safetensors *file, int *count) {
  *count = file->count;
  return file->tensors;
}

const char *sht_safetensors_metadata(const sht_safetensors *file, const char *key) {
  return json_string_value(json_object_get(json_object_get(file->root, "__metadata__"), key));
}
