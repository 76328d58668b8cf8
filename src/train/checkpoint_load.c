// Checkpoints, loading: see checkpoint.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "train/checkpoint_format.h"

void sht__record_pack(const sht_epoch *record, double *out) {
  const double fields[SHT_RECORD_FIELDS] = {
      record->epoch,          (double)record->steps,   record->learning_rate,       record->train_loss,
      record->train_accuracy, record->train_loss_eval, record->train_accuracy_eval, record->test_loss,
      record->test_accuracy,
  };
  for (int i = 0; i < SHT_RECORD_FIELDS; i++) {
    out[i] = isnan(fields[i]) ? (double)NAN : fields[i];
  }
}

void sht__record_unpack(const double *fields, sht_epoch *out) {
  *out = (sht_epoch){
      .epoch = (uint32_t)fields[0],
      .steps = (uint64_t)fields[1],
      .learning_rate = fields[2],
      .train_loss = fields[3],
      .train_accuracy = fields[4],
      .train_loss_eval = fields[5],
      .train_accuracy_eval = fields[6],
      .test_loss = fields[7],
      .test_accuracy = fields[8],
  };
}

// One of the two files, read.
typedef struct sht_candidate {
  sht_status status;  // SHT_OK: whole; SHT_MISSING: not there
  sht_error error;
  sht_safetensors *file;
  uint64_t place[SHT_PLACE_FIELDS];
} sht_candidate;

static sht_status open_candidate(const char *path, sht_candidate *candidate, sht_error *error) {
  const sht_tensor *place = NULL;
  if (!sht_file_exists(path)) {
    return SHT_MISSING;
  }
  SHT_TRY(sht_safetensors_open(path, &candidate->file, error));
  if (sht_safetensors_metadata(candidate->file, SHT_CHECKSUM_KEY) == NULL ||
      sht_safetensors_metadata(candidate->file, SHT_FAMILY_KEY) == NULL) {
    return SHT_FAIL(error, SHT_DATA, "%s: carries no checksum; it is damaged, or not a checkpoint", path);
  }
  SHT_TRY(sht_safetensors_find(candidate->file, "place", SHT_DTYPE_U64, SHT_PLACE_FIELDS, &place, error));
  memcpy(candidate->place, place->bytes, sizeof candidate->place);
  return SHT_OK;
}

static bool is_newer(const sht_candidate *a, const sht_candidate *b) {
  uint64_t left = a->place[SHT_PLACE_EPOCH];
  uint64_t right = b->place[SHT_PLACE_EPOCH];
  return left != right ? left > right : a->place[SHT_PLACE_STEP] > b->place[SHT_PLACE_STEP];
}

static void close_candidates(sht_candidate candidates[SHT_CHECKPOINT_SLOTS]) {
  for (int slot = 0; slot < SHT_CHECKPOINT_SLOTS; slot++) {
    sht_safetensors_close(candidates[slot].file);
  }
}

// Opens both. *best: the slot of the newest whole one, or -1. Errors: a damaged one without a whole one beside it.
static sht_status choose(const char *folder, sht_candidate candidates[SHT_CHECKPOINT_SLOTS], int *best,
                         sht_error *error) {
  *best = -1;
  int damaged = -1;
  for (int slot = 0; slot < SHT_CHECKPOINT_SLOTS; slot++) {
    char path[SHT_CHECKPOINT_PATH];
    SHT_TRY(sht__checkpoint_path(folder, slot, path, sizeof path, error));
    sht_candidate *candidate = &candidates[slot];
    candidate->status = open_candidate(path, candidate, &candidate->error);
    if (candidate->status == SHT_OK && (*best < 0 || is_newer(candidate, &candidates[*best]))) {
      *best = slot;
    }
    if (candidate->status != SHT_OK && candidate->status != SHT_MISSING) {
      damaged = slot;
    }
  }
  if (*best < 0 && damaged >= 0) {
    return SHT_FAIL(error, candidates[damaged].status,
                    "%.1500s; no whole checkpoint is left: remove it and train from the start",
                    candidates[damaged].error.message);
  }
  return SHT_OK;
}

static void note_damaged(const sht_candidate *candidate, const sht_observer *observer) {
  char sentence[SHT_ERROR_MESSAGE_MAX + 80];
  if (candidate->status == SHT_OK || candidate->status == SHT_MISSING || observer == NULL || observer->noted == NULL) {
    return;
  }
  (void)snprintf(sentence, sizeof sentence, "%s; going on from the checkpoint before it", candidate->error.message);
  observer->noted(observer->context, sentence);
}

static sht_status check_place(const sht_session *session, const char *folder, const sht_candidate *candidate,
                              const sht_position *position, sht_error *error) {
  const uint64_t *place = candidate->place;
  const char *family = sht_safetensors_metadata(candidate->file, SHT_FAMILY_KEY);
  if (strcmp(family, session->family) != 0) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "%s: its checkpoint belongs to a run with another configuration, data set, model or processor; "
                    "choose another folder",
                    folder);
  }
  if (place[SHT_PLACE_EPOCH] > position->room) {
    return SHT_FAIL(error, SHT_CONFIG, "%s: its checkpoint has %" PRIu64 " epochs, more than the %" PRIu32 " asked for",
                    folder, place[SHT_PLACE_EPOCH], position->room);
  }
  if (place[SHT_PLACE_STEP] > session->steps_per_epoch || place[SHT_PLACE_SEEN] > session->data->train.count ||
      place[SHT_PLACE_CORRECT] > place[SHT_PLACE_SEEN]) {
    return SHT_FAIL(error, SHT_DATA, "%s: its checkpoint stands beyond the end of an epoch; remove it", folder);
  }
  return SHT_OK;
}

// Copies a vector of floats out of the file, where it may be unaligned, into the engine.
static sht_status put_state(sht_session *session, const sht_safetensors *file, const char *name, sht_state state,
                            uint64_t count, sht_error *error) {
  const sht_tensor *tensor = NULL;
  float *values = NULL;
  SHT_TRY(sht_safetensors_find(file, name, SHT_DTYPE_F32, count, &tensor, error));
  if (count == 0) {
    return SHT_OK;
  }
  SHT_TRY(SHT_ALLOC(&values, count, name, error));
  memcpy(values, tensor->bytes, tensor->size);
  sht_status status = sht_engine_put(session->engine, state, values, count, error);
  sht_free(values);
  return status;
}

static sht_status take_position(const sht_candidate *candidate, sht_position *position, sht_error *error) {
  const sht_tensor *loss_sum = NULL;
  const sht_tensor *records = NULL;
  uint64_t fields = candidate->place[SHT_PLACE_EPOCH] * SHT_RECORD_FIELDS;  // epoch is at most room: no overflow
  SHT_TRY(sht_safetensors_find(candidate->file, "loss_sum", SHT_DTYPE_F64, 1, &loss_sum, error));
  SHT_TRY(sht_safetensors_find(candidate->file, "records", SHT_DTYPE_F64, fields, &records, error));
  position->epoch = (uint32_t)candidate->place[SHT_PLACE_EPOCH];
  position->step = candidate->place[SHT_PLACE_STEP];
  position->correct = candidate->place[SHT_PLACE_CORRECT];
  position->seen = candidate->place[SHT_PLACE_SEEN];
  memcpy(&position->loss_sum, loss_sum->bytes, sizeof position->loss_sum);
  for (uint32_t i = 0; i < position->epoch; i++) {
    double row[SHT_RECORD_FIELDS];
    memcpy(row, (const char *)records->bytes + (size_t)i * sizeof row, sizeof row);
    sht__record_unpack(row, &position->records[i]);
  }
  return SHT_OK;
}

static sht_status take(sht_session *session, const sht_candidate *candidate, sht_position *position, sht_error *error) {
  uint64_t p = session->graph->parameter_count;
  uint64_t s = session->graph->statistic_count;
  SHT_TRY(put_state(session, candidate->file, "parameters", SHT_STATE_PARAMETERS, p, error));
  SHT_TRY(put_state(session, candidate->file, "momentum", SHT_STATE_MOMENTUM, p, error));
  SHT_TRY(put_state(session, candidate->file, "statistics", SHT_STATE_STATISTICS, s, error));
  return take_position(candidate, position, error);
}

sht_status sht__checkpoint_load(sht_session *session, const char *folder, const sht_observer *observer,
                                sht_position *position, bool *found, sht_error *error) {
  sht_candidate candidates[SHT_CHECKPOINT_SLOTS] = {0};
  int best = -1;
  *found = false;
  sht_status status = choose(folder, candidates, &best, error);
  if (status == SHT_OK && best >= 0) {
    note_damaged(&candidates[1 - best], observer);
    status = check_place(session, folder, &candidates[best], position, error);
    if (status == SHT_OK) {
      status = take(session, &candidates[best], position, error);
    }
    position->slot = 1 - best;
    *found = status == SHT_OK;
  }
  close_candidates(candidates);
  return status;
}

sht_status sht__checkpoint_copy(const char *from, const char *to, sht_error *error) {
  sht_candidate candidates[SHT_CHECKPOINT_SLOTS] = {0};
  char source[SHT_CHECKPOINT_PATH];
  char target[SHT_CHECKPOINT_PATH];
  char *bytes = NULL;
  uint64_t size = 0;
  int best = -1;
  sht_status status = choose(from, candidates, &best, error);
  close_candidates(candidates);
  SHT_TRY(status);
  if (best < 0) {
    return SHT_FAIL(error, SHT_MISSING, "%s: holds no checkpoint", from);
  }
  SHT_TRY(sht__checkpoint_path(from, best, source, sizeof source, error));
  SHT_TRY(sht__checkpoint_path(to, 0, target, sizeof target, error));
  SHT_TRY(sht_file_read(source, UINT64_MAX - 1, &bytes, &size, error));
  status = sht_file_write(target, bytes, size, error);
  sht_free(bytes);
  return status;
}
