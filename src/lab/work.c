// The logs of a run while it trains: see work.h.
#include "lab/work.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"

static void work_started(void *context, const sht_graph *graph, const sht_dataset *data, uint64_t steps_per_epoch,
                         const sht_engine_info *engine, uint32_t resumed_epochs) {
  const sht_observer *other = ((sht_work *)context)->other;
  if (other->started != NULL) {
    other->started(other->context, graph, data, steps_per_epoch, engine, resumed_epochs);
  }
}

static void work_progressed(void *context, uint32_t epoch, uint64_t step, double loss, double accuracy, double rate) {
  const sht_observer *other = ((sht_work *)context)->other;
  if (other->progressed != NULL) {
    other->progressed(other->context, epoch, step, loss, accuracy, rate);
  }
}

static bool work_stop_requested(void *context) {
  const sht_observer *other = ((sht_work *)context)->other;
  return other->stop_requested != NULL && other->stop_requested(other->context);
}

static void work_noted(void *context, const char *sentence) {
  const sht_observer *other = ((sht_work *)context)->other;
  if (other->noted != NULL) {
    other->noted(other->context, sentence);
  }
}

// Times are worth no failure: a line that cannot be written is left out.
static void file_time(sht_work *work, uint32_t epoch, double seconds, double rate) {
  char path[SHT_LAB_PATH];
  char line[256];
  sht_json json = {0};
  char *text = NULL;
  sht_json_add_count(&json, "epoch", epoch);
  sht_json_add_number(&json, "seconds", seconds);
  if (!isnan(rate)) {
    sht_json_add_number(&json, "images_per_second", rate);
  }
  if (sht_path_join(path, sizeof path, work->folder, SHT_FILE_TIMING, NULL) == SHT_OK &&
      sht_json_finish(&json, &text, NULL) == SHT_OK) {
    int length = snprintf(line, sizeof line, "%s\n", text);
    (void)sht_file_append(path, line, (uint64_t)length, NULL);
  }
  sht_free(text);
  work->timed += seconds;
}

static sht_status work_epoch_done(void *context, const sht_epoch *epoch, double seconds, sht_error *error) {
  sht_work *work = context;
  char path[SHT_LAB_PATH];
  char *line = NULL;
  SHT_TRY(sht_path_join(path, sizeof path, work->folder, SHT_FILE_METRICS, error));
  SHT_TRY(sht__epoch_line(epoch, &line, error));
  sht_status status = sht_file_append(path, line, strlen(line), error);
  sht_free(line);
  SHT_TRY(status);
  file_time(work, epoch->epoch, seconds, NAN);
  const sht_observer *other = work->other;
  return other->epoch_done == NULL ? SHT_OK : other->epoch_done(other->context, epoch, seconds, error);
}

static sht_status join_lines(const sht_epoch *epochs, uint32_t count, char **out, size_t *size, sht_error *error) {
  FILE *stream = open_memstream(out, size);
  sht_status status = SHT_OK;
  if (stream == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the log of %u epochs", count);
  }
  for (uint32_t i = 0; i < count && status == SHT_OK; i++) {
    char *line = NULL;
    status = sht__epoch_line(&epochs[i], &line, error);
    if (status == SHT_OK) {
      (void)fputs(line, stream);
      sht_free(line);
    }
  }
  if (fclose(stream) != 0 && status == SHT_OK) {
    status = SHT_FAIL(error, SHT_MEMORY, "no memory for the log of %u epochs", count);
  }
  return status;
}

// Makes metrics.jsonl that of the epochs that training goes on from: what came after the checkpoint is done again.
static sht_status work_resumed(void *context, const sht_epoch *epochs, uint32_t count, sht_error *error) {
  sht_work *work = context;
  char path[SHT_LAB_PATH];
  char *text = NULL;
  size_t size = 0;
  SHT_TRY(sht_path_join(path, sizeof path, work->folder, SHT_FILE_METRICS, error));
  sht_status status = join_lines(epochs, count, &text, &size, error);
  if (status == SHT_OK) {
    status = sht_file_write(path, text, size, error);
  }
  free(text);
  SHT_TRY(status);
  const sht_observer *other = work->other;
  return other->resumed == NULL ? SHT_OK : other->resumed(other->context, epochs, count, error);
}

static sht_status write_array(const sht_work *work, const char *what, const char *split, const float *values,
                              uint64_t rows, uint64_t columns, sht_error *error) {
  char name[64];
  char path[SHT_LAB_PATH];
  const uint64_t dims[2] = {rows, columns};
  (void)snprintf(name, sizeof name, "%s-%s.npy", what, split);
  SHT_TRY(sht_path_join(path, sizeof path, work->folder, name, error));
  return sht_npy_write_f32(path, values, dims, columns > 0 ? 2 : 1, error);
}

static sht_status write_indices(const sht_work *work, const char *split, const uint32_t *indices, uint64_t count,
                                sht_error *error) {
  char name[64];
  char path[SHT_LAB_PATH];
  char *text = NULL;
  size_t size = 0;
  (void)snprintf(name, sizeof name, "indices-%s.txt", split);
  SHT_TRY(sht_path_join(path, sizeof path, work->folder, name, error));
  FILE *stream = open_memstream(&text, &size);
  if (stream == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the list of examples");
  }
  for (uint64_t i = 0; i < count; i++) {
    (void)fprintf(stream, "%u\n", indices[i]);
  }
  sht_status status = fclose(stream) == 0 ? sht_file_write(path, text, size, error)
                                          : SHT_FAIL(error, SHT_MEMORY, "no memory for the list of examples");
  free(text);
  return status;
}

static sht_status work_examples_done(void *context, const char *split, const float *logits, const float *losses,
                                     uint64_t count, uint32_t classes, const uint32_t *indices, sht_error *error) {
  const sht_work *work = context;
  if (logits != NULL) {
    SHT_TRY(write_array(work, "logits", split, logits, count, classes, error));
  }
  if (losses != NULL) {
    SHT_TRY(write_array(work, "losses", split, losses, count, 0, error));
  }
  if (indices != NULL) {
    SHT_TRY(write_indices(work, split, indices, count, error));
  }
  const sht_observer *other = work->other;
  return other->examples_done == NULL
             ? SHT_OK
             : other->examples_done(other->context, split, logits, losses, count, classes, indices, error);
}

sht_observer sht__work_observer(sht_work *work, const sht_observer *other) {
  static const sht_observer nobody = {0};
  work->other = other == NULL ? &nobody : other;
  return (sht_observer){
      .context = work,
      .started = work_started,
      .progressed = work_progressed,
      .epoch_done = work_epoch_done,
      .stop_requested = work_stop_requested,
      .resumed = work_resumed,
      .noted = work_noted,
      .examples_done = work_examples_done,
  };
}

static sht_status sync_file(const char *path, sht_error *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  bool good = file >= 0 && fsync(file) == 0;
  int cause = errno;
  if (file >= 0) {
    (void)close(file);
  }
  return good ? SHT_OK : SHT_FAIL(error, SHT_DISK, "%s: cannot be made durable: %s", path, strerror(cause));
}

sht_status sht__work_close_log(sht_work *work, const sht_train_result *result, sht_error *error) {
  char path[SHT_LAB_PATH];
  SHT_TRY(sht_path_join(path, sizeof path, work->folder, SHT_FILE_METRICS, error));
  SHT_TRY(sync_file(path, error));
  double rest = result->seconds - work->timed;
  file_time(work, result->epochs, rest > 0 ? rest : 0, result->images_per_second);
  return SHT_OK;
}
