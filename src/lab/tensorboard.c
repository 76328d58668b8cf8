// TensorBoard event files: see sht_run_tensorboard.
//
// A file is a sequence of records: length (8 bytes), masked CRC-32C of those (4), data, masked CRC-32C of the data (4),
// all little-endian. The data is a protocol-buffer message Event {double wall_time = 1; int64 step = 2; string
// file_version = 3; Summary summary = 5}; Summary {repeated Value value = 1}; Value {string tag = 1; float simple_value
// = 2}. A field is a varint key (number << 3 | wire type) and its value.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/memory.h"
#include "lab/files.h"

enum { MESSAGE_BYTES = 2048 };

// Wire types.
enum { VARINT = 0, FIXED64 = 1, TEXT = 2, FIXED32 = 5 };

static const uint32_t crc_mask = 0xa282ead8;

typedef struct message {
  uint8_t bytes[MESSAGE_BYTES];
  size_t size;
} message;

// What is written of one run.
typedef struct writer {
  FILE *stream;
  const sht_run *run;
} writer;

static void put_bytes(message *out, const void *bytes, size_t size) {
  memcpy(out->bytes + out->size, bytes, size);
  out->size += size;
}

static void put_little(message *out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) {
    out->bytes[out->size++] = (uint8_t)(value >> (8 * i));
  }
}

static void put_varint(message *out, uint64_t value) {
  for (; value >= 128; value >>= 7) {
    out->bytes[out->size++] = (uint8_t)(value | 128);
  }
  out->bytes[out->size++] = (uint8_t)value;
}

static void put_key(message *out, int number, int wire) { put_varint(out, (uint64_t)(number << 3 | wire)); }

static void put_text(message *out, int number, const void *bytes, size_t size) {
  put_key(out, number, TEXT);
  put_varint(out, size);
  put_bytes(out, bytes, size);
}

static void put_double(message *out, int number, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_key(out, number, FIXED64);
  put_little(out, bits, 8);
}

static void put_float(message *out, int number, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_key(out, number, FIXED32);
  put_little(out, bits, 4);
}

static uint32_t masked_crc(const void *bytes, size_t size) {
  uint32_t crc = sht_crc32c(bytes, size);
  return ((crc >> 15) | (crc << 17)) + crc_mask;
}

static void write_record(FILE *stream, const message *data) {
  message head = {.size = 0};
  message tail = {.size = 0};
  put_little(&head, data->size, 8);
  put_little(&head, masked_crc(head.bytes, 8), 4);
  put_little(&tail, masked_crc(data->bytes, data->size), 4);
  (void)fwrite(head.bytes, 1, head.size, stream);
  (void)fwrite(data->bytes, 1, data->size, stream);
  (void)fwrite(tail.bytes, 1, tail.size, stream);
}

static void add_value(message *summary, const char *tag, double value) {
  message item = {.size = 0};
  if (!isnan(value)) {
    put_text(&item, 1, tag, strlen(tag));
    put_float(&item, 2, (float)value);
    put_text(summary, 1, item.bytes, item.size);
  }
}

static void write_summary(const writer *to, uint64_t step, const message *summary) {
  const sht_train_result *result = &to->run->result;
  double share = result->steps > 0 ? (double)step / (double)result->steps : 0;
  message event = {.size = 0};
  if (summary->size == 0) {
    return;
  }
  put_double(&event, 1, to->run->created + share * result->seconds);
  put_key(&event, 2, VARINT);
  put_varint(&event, step);
  put_text(&event, 5, summary->bytes, summary->size);
  write_record(to->stream, &event);
}

static void write_version(const writer *to) {
  static const char version[] = "brain.Event:2";
  message event = {.size = 0};
  put_double(&event, 1, to->run->created);
  put_text(&event, 3, version, sizeof version - 1);
  write_record(to->stream, &event);
}

static void write_epoch(const writer *to, const sht_epoch *epoch) {
  sht_curve_point points[SHT_CURVE_PARTS];
  uint32_t count = sht_epoch_curve(epoch, points);
  for (uint32_t i = 0; i < count; i++) {
    message summary = {.size = 0};
    add_value(&summary, "loss/train", points[i].loss);
    add_value(&summary, "accuracy/train", points[i].accuracy);
    write_summary(to, points[i].last, &summary);
  }
  message summary = {.size = 0};
  for (int i = 0; i < SHT_FIGURES; i++) {
    add_value(&summary, sht__figures[i].tag, sht__figure_of(epoch, i));
  }
  write_summary(to, epoch->steps, &summary);
}

// The file's bytes; free with free().
static sht_status write_events(const sht_run *run, char **out, size_t *size, sht_error *error) {
  sht_epoch *epochs = NULL;
  uint64_t count = 0;
  SHT_TRY(sht_run_epochs(run, &epochs, &count, error));
  writer to = {.stream = open_memstream(out, size), .run = run};
  bool written = to.stream != NULL;
  if (written) {
    write_version(&to);
    for (uint64_t i = 0; i < count; i++) {
      write_epoch(&to, &epochs[i]);
    }
    written = fclose(to.stream) == 0;
  }
  sht_free(epochs);
  return written ? SHT_OK : SHT_FAIL(error, SHT_MEMORY, "no memory for the events of %" PRIu64 " epochs", count);
}

sht_status sht_run_tensorboard(const sht_run *run, const char *folder, char *path, size_t size, sht_error *error) {
  const char *slash = strrchr(run->folder, '/');
  char inside[SHT_LAB_PATH];
  char name[64];
  char *bytes = NULL;
  size_t length = 0;
  SHT_TRY(sht_path_join(inside, sizeof inside, folder, slash == NULL ? run->folder : slash + 1, error));
  (void)snprintf(name, sizeof name, "events.out.tfevents.%010.0f.shatter", floor(run->created));
  SHT_TRY(sht_path_join(path, size, inside, name, error));
  sht_status status = write_events(run, &bytes, &length, error);
  if (status == SHT_OK) {
    status = sht_folder_make(inside, error);
  }
  if (status == SHT_OK) {
    status = sht_file_write(path, bytes, length, error);
  }
  free(bytes);
  return status;
}
