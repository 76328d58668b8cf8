// Checkpoints, loading: see checkpoint.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "train/checkpoint_format.h"

// Of the many NaNs, one.
static void plain_numbers(double *fields, int count) {
  for (int i = 0; i < count; i++) {
    fields[i] = isnan(fields[i]) ? (double)NAN : fields[i];
  }
}

void sht__record_pack(const sht_epoch *record, double *out) {
  const double fields[SHT_RECORD_FIELDS] = {
      record->epoch,          (double)record->steps,   record->learning_rate,       record->train_loss,
      record->train_accuracy, record->train_loss_eval, record->train_accuracy_eval, record->test_loss,
      record->test_accuracy,
  };
  memcpy(out, fields, sizeof fields);
  plain_numbers(out, SHT_RECORD_FIELDS);
}

void sht__record_unpack(const double *fields, sht_epoch *out) {
  *out = sht_epoch_blank();
  out->epoch = (uint32_t)fields[0];
  out->steps = (uint64_t)fields[1];
  out->learning_rate = fields[2];
  out->train_loss = fields[3];
  out->train_accuracy = fields[4];
  out->train_loss_eval = fields[5];
  out->train_accuracy_eval = fields[6];
  out->test_loss = fields[7];
  out->test_accuracy = fields[8];
}

void sht__details_pack(const sht_epoch *record, double *out) {
  const double fields[SHT_DETAIL_FIELDS - 2 * SHT_CURVE_PARTS] = {
      record->corrupted_test_accuracy,
      record->memorised,
      record->resisted,
      record->other,
      record->clean_fitted,
      (double)record->dynamics_corrupted,
      (double)record->dynamics_clean,
  };
  memcpy(out, fields, sizeof fields);
  memcpy(out + 7, record->curve_loss, sizeof record->curve_loss);
  memcpy(out + 7 + SHT_CURVE_PARTS, record->curve_accuracy, sizeof record->curve_accuracy);
  plain_numbers(out, SHT_DETAIL_FIELDS);
}

void sht__details_unpack(const double *fields, sht_epoch *out) {
  out->corrupted_test_accuracy = fields[0];
  out->memorised = fields[1];
  out->resisted = fields[2];
  out->other = fields[3];
  out->clean_fitted = fields[4];
  out->dynamics_corrupted = (uint64_t)fields[5];
  out->dynamics_clean = (uint64_t)fields[6];
  memcpy(out->curve_loss, fields + 7, sizeof out->curve_loss);
  memcpy(out->curve_accuracy, fields + 7 + SHT_CURVE_PARTS, sizeof out->curve_accuracy);
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

// Like sht_safetensors_find, but *out is NULL when the file has no tensor of that name.
static sht_status find_newer(const sht_safetensors *file, const char *name, sht_dtype dtype, uint64_t elements,
                             const sht_tensor **out, sht_error *error) {
  int count = 0;
  const sht_tensor *tensors = sht_safetensors_tensors(file, &count);
  *out = NULL;
  for (int i = 0; i < count; i++) {
    if (strcmp(tensors[i].name, name) == 0) {
      return sht_safetensors_find(file, name, dtype, elements, out, error);
    }
  }
  return SHT_OK;
}

static sht_status take_curve(const sht_safetensors *file, sht_curve_sums *out, sht_error *error) {
  const sht_tensor *loss = NULL;
  const sht_tensor *counts = NULL;
  *out = (sht_curve_sums){0};
  SHT_TRY(find_newer(file, "curve_loss", SHT_DTYPE_F64, SHT_CURVE_PARTS, &loss, error));
  SHT_TRY(find_newer(file, "curve_counts", SHT_DTYPE_U64, SHT_CURVE_COUNTS, &counts, error));
  if (loss != NULL && counts != NULL) {
    memcpy(out->loss, loss->bytes, sizeof out->loss);
    memcpy(out->correct, counts->bytes, sizeof out->correct);
    memcpy(out->seen, (const char *)counts->bytes + sizeof out->correct, sizeof out->seen);
  }
  return SHT_OK;
}

// records: [count], the first of them. count is at most the room: no overflow.
static sht_status take_records(const sht_safetensors *file, sht_epoch *records, uint64_t count, sht_error *error) {
  const sht_tensor *rows = NULL;
  const sht_tensor *details = NULL;
  SHT_TRY(sht_safetensors_find(file, "records", SHT_DTYPE_F64, count * SHT_RECORD_FIELDS, &rows, error));
  SHT_TRY(find_newer(file, "details", SHT_DTYPE_F64, count * SHT_DETAIL_FIELDS, &details, error));
  for (uint64_t i = 0; i < count; i++) {
    double row[SHT_RECORD_FIELDS];
    double detail[SHT_DETAIL_FIELDS];
    memcpy(row, (const char *)rows->bytes + i * sizeof row, sizeof row);
    sht__record_unpack(row, &records[i]);
    if (details != NULL) {
      memcpy(detail, (const char *)details->bytes + i * sizeof detail, sizeof detail);
      sht__details_unpack(detail, &records[i]);
    }
  }
  return SHT_OK;
}

static sht_status take_position(const sht_candidate *candidate, sht_position *position, sht_error *error) {
  const sht_tensor *loss_sum = NULL;
  SHT_TRY(sht_safetensors_find(candidate->file, "loss_sum", SHT_DTYPE_F64, 1, &loss_sum, error));
  SHT_TRY(take_curve(candidate->file, &position->curve, error));
  SHT_TRY(take_records(candidate->file, position->records, candidate->place[SHT_PLACE_EPOCH], error));
  position->epoch = (uint32_t)candidate->place[SHT_PLACE_EPOCH];
  position->step = candidate->place[SHT_PLACE_STEP];
  position->correct = candidate->place[SHT_PLACE_CORRECT];
  position->seen = candidate->place[SHT_PLACE_SEEN];
  memcpy(&position->loss_sum, loss_sum->bytes, sizeof position->loss_sum);
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
