// Checkpoints, saving: see checkpoint.h.
#include "train/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "train/checkpoint_format.h"

static const char *const slot_names[SHT_CHECKPOINT_SLOTS] = {"checkpoint-a.safetensors", "checkpoint-b.safetensors"};

sht_status sht__checkpoint_path(const char *folder, int slot, char *out, size_t size, sht_error *error) {
  return sht_path_join(out, size, folder, slot_names[slot], error);
}

// What a checkpoint is made of while it is written.
typedef struct sht_parts {
  float *parameters;  // [P]
  float *momentum;    // [P]
  float *statistics;  // [S]
  double *records;    // [epoch][SHT_RECORD_FIELDS]
  double *details;    // [epoch][SHT_DETAIL_FIELDS]
  uint64_t curve_counts[SHT_CURVE_COUNTS];
  uint64_t place[SHT_PLACE_FIELDS];
} sht_parts;

static void close_parts(sht_parts *parts) {
  sht_free(parts->parameters);
  sht_free(parts->momentum);
  sht_free(parts->statistics);
  sht_free(parts->records);
  sht_free(parts->details);
}

static void pack_position(const sht_position *position, sht_parts *parts) {
  for (uint32_t i = 0; i < position->epoch; i++) {
    sht__record_pack(&position->records[i], parts->records + (size_t)i * SHT_RECORD_FIELDS);
    sht__details_pack(&position->records[i], parts->details + (size_t)i * SHT_DETAIL_FIELDS);
  }
  parts->place[SHT_PLACE_EPOCH] = position->epoch;
  parts->place[SHT_PLACE_STEP] = position->step;
  parts->place[SHT_PLACE_CORRECT] = position->correct;
  parts->place[SHT_PLACE_SEEN] = position->seen;
  memcpy(parts->curve_counts, position->curve.correct, sizeof position->curve.correct);
  memcpy(parts->curve_counts + SHT_CURVE_PARTS, position->curve.seen, sizeof position->curve.seen);
}

static sht_status get_parts(sht_session *session, const sht_position *position, sht_parts *parts, sht_error *error) {
  uint64_t p = session->graph->parameter_count;
  uint64_t s = session->graph->statistic_count;
  SHT_TRY(SHT_ALLOC(&parts->parameters, p, "checkpoint", error));
  SHT_TRY(SHT_ALLOC(&parts->momentum, p, "checkpoint", error));
  SHT_TRY(SHT_ALLOC(&parts->statistics, s, "checkpoint", error));
  SHT_TRY(SHT_ALLOC(&parts->records, (uint64_t)position->epoch * SHT_RECORD_FIELDS, "checkpoint", error));
  SHT_TRY(SHT_ALLOC(&parts->details, (uint64_t)position->epoch * SHT_DETAIL_FIELDS, "checkpoint", error));
  SHT_TRY(sht_engine_get(session->engine, SHT_STATE_PARAMETERS, parts->parameters, p, error));
  SHT_TRY(sht_engine_get(session->engine, SHT_STATE_MOMENTUM, parts->momentum, p, error));
  if (s > 0) {
    SHT_TRY(sht_engine_get(session->engine, SHT_STATE_STATISTICS, parts->statistics, s, error));
  }
  pack_position(position, parts);
  return SHT_OK;
}

static sht_tensor vector(const char *name, sht_dtype dtype, const void *bytes, uint64_t count) {
  sht_tensor tensor = {
      .dtype = dtype, .rank = 1, .dims = {count}, .bytes = bytes, .size = count * sht_dtype_size(dtype)};
  (void)snprintf(tensor.name, sizeof tensor.name, "%s", name);
  return tensor;
}

static sht_status write_parts(const sht_session *session, const sht_position *position, const sht_parts *parts,
                              const char *path, sht_error *error) {
  const sht_graph *graph = session->graph;
  uint64_t epochs = position->epoch;
  const sht_tensor tensors[] = {
      vector("place", SHT_DTYPE_U64, parts->place, SHT_PLACE_FIELDS),
      vector("loss_sum", SHT_DTYPE_F64, &position->loss_sum, 1),
      vector("curve_loss", SHT_DTYPE_F64, position->curve.loss, SHT_CURVE_PARTS),
      vector("curve_counts", SHT_DTYPE_U64, parts->curve_counts, SHT_CURVE_COUNTS),
      vector("records", SHT_DTYPE_F64, parts->records, epochs * SHT_RECORD_FIELDS),
      vector("details", SHT_DTYPE_F64, parts->details, epochs * SHT_DETAIL_FIELDS),
      vector("parameters", SHT_DTYPE_F32, parts->parameters, graph->parameter_count),
      vector("momentum", SHT_DTYPE_F32, parts->momentum, graph->parameter_count),
      vector("statistics", SHT_DTYPE_F32, parts->statistics, graph->statistic_count),
  };
  const sht_metadata metadata[] = {{"producer", "shatter"}, {SHT_FAMILY_KEY, session->family}};
  return sht_safetensors_write(path, tensors, (int)(sizeof tensors / sizeof tensors[0]), metadata, 2, error);
}

sht_status sht__checkpoint_save(sht_session *session, const char *folder, sht_position *position, sht_error *error) {
  char path[SHT_CHECKPOINT_PATH];
  sht_parts parts = {0};
  SHT_TRY(sht__checkpoint_path(folder, position->slot, path, sizeof path, error));
  sht_status status = get_parts(session, position, &parts, error);
  if (status == SHT_OK) {
    status = write_parts(session, position, &parts, path, error);
  }
  close_parts(&parts);
  if (status == SHT_OK) {
    position->slot = 1 - position->slot;
  }
  return status;
}

sht_status sht__checkpoint_keep_last(const char *folder, sht_position *position, sht_error *error) {
  char first[SHT_CHECKPOINT_PATH];
  char second[SHT_CHECKPOINT_PATH];
  SHT_TRY(sht__checkpoint_path(folder, 0, first, sizeof first, error));
  SHT_TRY(sht__checkpoint_path(folder, 1, second, sizeof second, error));
  bool last_is_second = position->slot == 0;
  int failed = last_is_second ? rename(second, first) : unlink(second);
  if (failed != 0 && errno != ENOENT) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be moved or removed: %s; check the folder's permissions", second,
                    strerror(errno));
  }
  position->slot = 1;
  return SHT_OK;
}

bool sht__checkpoint_exists(const char *folder) {
  char path[SHT_CHECKPOINT_PATH];
  for (int slot = 0; slot < SHT_CHECKPOINT_SLOTS; slot++) {
    if (sht__checkpoint_path(folder, slot, path, sizeof path, NULL) == SHT_OK && sht_file_exists(path)) {
      return true;
    }
  }
  return false;
}

void sht__checkpoint_remove(const char *folder) {
  char path[SHT_CHECKPOINT_PATH];
  for (int slot = 0; slot < SHT_CHECKPOINT_SLOTS; slot++) {
    if (sht__checkpoint_path(folder, slot, path, sizeof path, NULL) == SHT_OK) {
      (void)unlink(path);
    }
  }
}
