// Safetensors, writing: see safetensors.h.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "train/safetensors_format.h"

static const char no_checksum[] = "0000000000000000000000000000000000000000000000000000000000000000";

static sht_status add_metadata(sht_json *header, const sht_metadata *metadata, int count, sht_error *error) {
  sht_json texts = {0};
  char *text = NULL;
  sht_json_add_text(&texts, SHT_CHECKSUM_KEY, no_checksum);
  for (int i = 0; i < count; i++) {
    sht_json_add_text(&texts, metadata[i].key, metadata[i].value);
  }
  SHT_TRY(sht_json_finish(&texts, &text, error));
  sht_json_add_raw(header, "__metadata__", text);
  sht_free(text);
  return SHT_OK;
}

static void add_tensor(sht_json *header, const sht_tensor *tensor, uint64_t begin) {
  char text[SHT_TENSOR_RANK_MAX * 22 + 128];
  size_t at = (size_t)snprintf(text, sizeof text, "{\"dtype\": \"%s\", \"shape\": [", sht_dtype_name(tensor->dtype));
  for (int i = 0; i < tensor->rank; i++) {
    at += (size_t)snprintf(text + at, sizeof text - at, "%s%" PRIu64, i == 0 ? "" : ", ", tensor->dims[i]);
  }
  (void)snprintf(text + at, sizeof text - at, "], \"data_offsets\": [%" PRIu64 ", %" PRIu64 "]}", begin,
                 begin + tensor->size);
  sht_json_add_raw(header, tensor->name, text);
}

// The header's text, filled up with spaces so that the tensors begin at a multiple of 8; payload: their bytes.
static sht_status make_header(const sht_tensor *tensors, int count, const sht_metadata *metadata, int metadata_count,
                              char **out, uint64_t *payload, sht_error *error) {
  sht_json header = {0};
  char *text = NULL;
  sht_status status = add_metadata(&header, metadata, metadata_count, error);
  *payload = 0;
  for (int i = 0; i < count; i++) {
    add_tensor(&header, &tensors[i], *payload);
    *payload += tensors[i].size;
  }
  sht_status finished = sht_json_finish(&header, &text, status == SHT_OK ? error : NULL);
  if (status == SHT_OK) {
    status = finished;
  }
  size_t length = text == NULL ? 0 : strlen(text);
  size_t padded = (length + 7) / 8 * 8;
  if (status == SHT_OK) {
    status = SHT_ALLOC(out, padded + 1, "safetensors header", error);
  }
  if (status == SHT_OK) {
    memset(*out, ' ', padded);
    memcpy(*out, text == NULL ? "" : text, length);
  }
  sht_free(text);
  return status;
}

static void fill_image(char *image, const char *header, uint64_t length, const sht_tensor *tensors, int count) {
  for (int i = 0; i < SHT_SAFETENSORS_PREFIX; i++) {
    image[i] = (char)(length >> (8 * i));
  }
  char *at = image + SHT_SAFETENSORS_PREFIX;
  memcpy(at, header, length);
  at += length;
  for (int i = 0; i < count; i++) {
    memcpy(at, tensors[i].bytes, tensors[i].size);
    at += tensors[i].size;
  }
}

sht_status sht_safetensors_write(const char *path, const sht_tensor *tensors, int count, const sht_metadata *metadata,
                                 int metadata_count, sht_error *error) {
  char *header = NULL;
  char *image = NULL;
  uint64_t payload = 0;
  SHT_TRY(make_header(tensors, count, metadata, metadata_count, &header, &payload, error));
  uint64_t length = strlen(header);
  uint64_t size = SHT_SAFETENSORS_PREFIX + length + payload;
  sht_status status = SHT_ALLOC(&image, size, path, error);
  if (status == SHT_OK) {
    fill_image(image, header, length, tensors, count);
    char sum[65];
    status = sht_hash_bytes(image, size, sum, error);
    char *mark = strstr(header, SHT_CHECKSUM_MARK);
    if (status == SHT_OK && mark != NULL) {
      uint64_t at = SHT_SAFETENSORS_PREFIX + (uint64_t)(mark - header) + sizeof SHT_CHECKSUM_MARK - 1;
      memcpy(image + at, sum, SHT_CHECKSUM_DIGITS);
      status = sht_file_write(path, image, size, error);
    }
  }
  sht_free(image);
  sht_free(header);
  return status;
}
