// Reading a run folder: see files.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "config/yaml.h"
#include "data/spec.h"
#include "lab/env.h"
#include "lab/files.h"
#include "shatter/model.h"

static const uint64_t result_size_max = 1 << 20;
static const uint64_t timing_size_max = (uint64_t)1 << 30;

static sht_status read_config(const char *folder, sht_run *run, sht_error *error) {
  char path[SHT_LAB_PATH];
  struct stat info;
  SHT_TRY(sht_path_join(path, sizeof path, folder, SHT_FILE_CONFIG, error));
  if (stat(path, &info) == 0) {
    run->created = (double)info.st_mtim.tv_sec + 1e-9 * (double)info.st_mtim.tv_nsec;
  }
  return sht_config_read(&run->config, path, error);
}

static sht_status read_result(const char *path, sht_run *run, sht_error *error) {
  char *text = NULL;
  uint64_t size = 0;
  json_t *object = NULL;
  SHT_TRY(sht_file_read(path, result_size_max, &text, &size, error));
  sht_status status = sht_json_read(text, size, path, &object, error);
  sht_free(text);
  SHT_TRY(status);
  status = sht__result_take(object, path, run, error);
  json_decref(object);
  return status;
}

// What is known of a run that goes on: its records so far.
static void take_records(const sht_epoch *records, uint64_t count, sht_train_result *result) {
  for (uint64_t i = 0; i < count; i++) {
    if (records[i].test_accuracy > result->best_test_accuracy || isnan(result->best_test_accuracy)) {
      result->best_test_accuracy = records[i].test_accuracy;
      result->best_test_epoch = records[i].epoch;
    }
  }
  if (count > 0) {
    result->last = records[count - 1];
    result->corrupted_test_accuracy = result->last.corrupted_test_accuracy;
    result->epochs = records[count - 1].epoch;
    result->steps = records[count - 1].steps;
    result->steps_per_epoch = records[0].steps;
  }
}

static sht_status read_progress(const char *folder, sht_run *run, sht_error *error) {
  char path[SHT_LAB_PATH];
  sht_epoch *records = NULL;
  uint64_t count = 0;
  run->result.last = sht_epoch_blank();
  run->result.best_test_accuracy = run->result.corrupted_test_accuracy = run->result.plain_train_accuracy = NAN;
  SHT_TRY(sht_path_join(path, sizeof path, folder, SHT_FILE_METRICS, error));
  if (!sht_file_exists(path)) {
    return SHT_OK;
  }
  SHT_TRY(sht__epochs_read(path, &records, &count, error));
  take_records(records, count, &run->result);
  sht_free(records);
  return SHT_OK;
}

// Sums of timing.jsonl; what cannot be read there is left out: times decide nothing.
static void read_timing(const char *folder, sht_run *run) {
  char path[SHT_LAB_PATH];
  char *text = NULL;
  uint64_t size = 0;
  run->result.images_per_second = NAN;
  if (sht_path_join(path, sizeof path, folder, SHT_FILE_TIMING, NULL) != SHT_OK ||
      sht_file_read(path, timing_size_max, &text, &size, NULL) != SHT_OK) {
    return;
  }
  char *rest = NULL;
  for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    json_t *object = NULL;
    double seconds = 0;
    if (sht_json_read(line, strlen(line), path, &object, NULL) == SHT_OK) {
      run->result.seconds += sht_json_get_number(object, "seconds", &seconds) && seconds > 0 ? seconds : 0;
      (void)sht_json_get_number(object, "images_per_second", &run->result.images_per_second);
      json_decref(object);
    }
  }
  sht_free(text);
}

// What the model is called, and which it is: from the text that the folder keeps.
static void read_model(const char *folder, sht_run *run) {
  char path[SHT_LAB_PATH];
  char *text = NULL;
  uint64_t size = 0;
  if (sht_path_join(path, sizeof path, folder, SHT_FILE_MODEL, NULL) == SHT_OK) {
    (void)sht_file_read(path, SHT__YAML_SIZE_MAX, &text, &size, NULL);
  }
  char name[SHT_NAME_MAX];
  bool is_shipped = sht_model_name(run->config.model, text, name);
  (void)snprintf(run->model, sizeof run->model, "%s", name);
  if (!is_shipped && text != NULL) {
    (void)sht_hash_bytes(text, size, run->model_id, NULL);
  }
  sht_free(text);
}

static sht_status read_all(const char *folder, sht_run *run, sht_error *error) {
  char path[SHT_LAB_PATH];
  SHT_TRY(read_config(folder, run, error));
  sht__env_take(folder, run);
  read_model(folder, run);
  read_timing(folder, run);
  SHT_TRY(sht_path_join(path, sizeof path, folder, SHT_FILE_RESULT, error));
  if (!sht_file_exists(path)) {
    return read_progress(folder, run, error);
  }
  SHT_TRY(read_result(path, run, error));
  run->complete = true;
  return SHT_OK;
}

void sht__run_read(const char *folder, sht_run *out) {
  sht_error error;
  *out = (sht_run){0};
  (void)snprintf(out->folder, sizeof out->folder, "%s", folder);
  sht_config_default(&out->config);
  if (read_all(folder, out, &error) != SHT_OK) {
    out->damaged = true;
    (void)snprintf(out->problem, sizeof out->problem, "%.511s", error.message);
  }
}

const char *sht_run_model(const sht_run *run) { return run->model[0] != '\0' ? run->model : run->config.model; }

const char *sht_run_outcome(const sht_run *run) {
  return run->damaged ? "damaged" : run->interrupted ? "interrupted" : sht_outcome_name(run->result.outcome);
}

sht_status sht_run_epochs(const sht_run *run, sht_epoch **epochs, uint64_t *count, sht_error *error) {
  char path[SHT_LAB_PATH];
  *epochs = NULL;
  *count = 0;
  SHT_TRY(sht_path_join(path, sizeof path, run->folder, SHT_FILE_METRICS, error));
  if (!sht_file_exists(path)) {
    return SHT_ALLOC(epochs, 0, "records of the epochs", error);
  }
  return sht__epochs_read(path, epochs, count, error);
}

static void add_run(sht_json *out, const sht_run *run) {
  double rate = run->result.images_per_second;
  sht_json_add_text(out, "run", run->folder);
  sht_json_add_text(out, "model", run->config.model);
  sht_json_add_text(out, "model_name", sht_run_model(run));
  sht_json_add_text(out, "data", run->config.data);
  sht_json_add_text(out, "labels", run->config.labels);
  sht_json_add_text(out, "pixels", run->config.pixels);
  sht_json_add_count(out, "seed", run->config.seed);
  sht_json_add_bool(out, "complete", run->complete);
  sht__result_add(out, run);
  sht_json_add_number(out, "seconds", run->result.seconds);
  sht_json_add_number(out, "images_per_second", rate);
  sht_json_add_number(out, "step_ms", 1000.0 * (double)run->config.batch / rate);
}

sht_status sht_run_json(const sht_run *run, char **out, sht_error *error) {
  sht_json json = {0};
  add_run(&json, run);
  return sht_json_finish(&json, out, error);
}

// "[record, record ...]"; free with free().
static sht_status list_records(const sht_run *run, char **out, sht_error *error) {
  sht_epoch *epochs = NULL;
  uint64_t count = 0;
  size_t size = 0;
  SHT_TRY(sht_run_epochs(run, &epochs, &count, error));
  FILE *stream = open_memstream(out, &size);
  sht_status status = stream == NULL ? SHT_FAIL(error, SHT_MEMORY, "no memory for the records of the epochs") : SHT_OK;
  for (uint64_t i = 0; i < count && status == SHT_OK; i++) {
    char *line = NULL;
    status = sht__epoch_line(&epochs[i], &line, error);
    if (status == SHT_OK) {
      (void)fprintf(stream, "%s%.*s", i == 0 ? "[" : ", ", (int)strcspn(line, "\n"), line);
      sht_free(line);
    }
  }
  if (stream != NULL) {
    (void)fputs(count == 0 ? "[]" : "]", stream);
    bool written = fclose(stream) == 0;
    status = status == SHT_OK && !written ? SHT_FAIL(error, SHT_MEMORY, "no memory for the records") : status;
  }
  sht_free(epochs);
  return status;
}

sht_status sht_run_json_curves(const sht_run *run, char **out, sht_error *error) {
  sht_json json = {0};
  char *records = NULL;
  sht_status status = list_records(run, &records, error);
  if (status == SHT_OK) {
    add_run(&json, run);
    sht_json_add_raw(&json, "metrics", records);
    status = sht_json_finish(&json, out, error);
  }
  free(records);
  return status;
}

void sht__path_absolute(char path[SHT_TEXT_MAX]) {
  size_t length = strlen(path);
  bool is_path = strchr(path, '/') != NULL || (length > 5 && strcmp(path + length - 5, ".yaml") == 0);
  char *absolute = is_path ? realpath(path, NULL) : NULL;
  if (absolute != NULL && strlen(absolute) < SHT_TEXT_MAX) {
    memcpy(path, absolute, strlen(absolute) + 1);
  }
  free(absolute);
}

void sht__data_absolute(char data[SHT_TEXT_MAX]) {
  char whole[SHT_PATH_MAX + 16] = "";
  sht__folder_spec spec;
  if (sht__spec_is_known(data) || sht__folder_spec_read(data, &spec, NULL) != SHT_OK) {
    return;
  }
  char *absolute = realpath(spec.folder, NULL);
  if (absolute != NULL && spec.side != 0) {
    (void)snprintf(whole, sizeof whole, "%s:%u", absolute, spec.side);
  } else if (absolute != NULL) {
    (void)snprintf(whole, sizeof whole, "%s", absolute);
  }
  if (whole[0] != '\0' && strlen(whole) < SHT_TEXT_MAX) {
    memcpy(data, whole, strlen(whole) + 1);
  }
  free(absolute);
}

static void add_part(const char *text, char *out, size_t size) {
  size_t at = strlen(out);
  if (at > 0 && at + 1 < size) {
    out[at++] = '-';
  }
  for (; *text != '\0' && at + 1 < size; text++) {
    bool plain = (*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') || *text == '.';
    bool capital = *text >= 'A' && *text <= 'Z';
    out[at++] = (char)(plain ? *text : capital ? *text - 'A' + 'a' : '-');
  }
  out[at < size ? at : size - 1] = '\0';
}

void sht__run_name(const sht_config *config, const char *model, const char *data, const char *identity, int digits,
                   char *out, size_t size) {
  enum { PART = 40 };
  char part[PART + 1];
  const char *const parts[] = {model, data, config->labels,
                               strcmp(config->pixels, "true") == 0 ? NULL : config->pixels};
  out[0] = '\0';
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (parts[i] == NULL) {
      continue;
    }
    (void)snprintf(part, sizeof part, "%s", parts[i]);
    if (strncmp(part, "file:", 5) == 0 || strncmp(part, "matrix:", 7) == 0) {
      part[strcspn(part, ":")] = '\0';
    }
    add_part(part, out, size);
  }
  (void)snprintf(part, sizeof part, "%.*s", digits, identity);
  add_part(part, out, size);
}
