// A copy of a run's records: see sht_run_copy_records.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "lab/files.h"
#include "lab/report.h"

enum { RECORD_SIZE_MAX = 1 << 28, COMMAND_BYTES = 2048 };

static sht_status copy_file(const char *from, const char *to, const char *name, sht_error *error) {
  char source[SHT_LAB_PATH], target[SHT_LAB_PATH];
  char *text = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_path_join(source, sizeof source, from, name, error));
  SHT_TRY(sht_path_join(target, sizeof target, to, name, error));
  SHT_TRY(sht_file_read(source, RECORD_SIZE_MAX, &text, &size, error));
  sht_status status = sht_file_write(target, text, size, error);
  sht_free(text);
  return status;
}

// Paths of the machine that trained the run mean nothing elsewhere.
static sht_status forget_paths(const sht_run *run, json_t *env, sht_error *error) {
  static const char *const paths[] = {"store", "data-dir"};
  char command[COMMAND_BYTES];
  json_t *options = json_object_get(env, "options");
  SHT_TRY(sht__command_text(&run->config, command, sizeof command, error));
  int failed = json_object_set_new(env, "command", json_string(command));
  for (size_t i = 0; i < sizeof paths / sizeof paths[0] && json_object_get(options, paths[i]) != NULL; i++) {
    failed |= json_object_set_new(options, paths[i], json_string(""));
  }
  return failed ? SHT_FAIL(error, SHT_MEMORY, "no memory for a copy of %s", run->folder) : SHT_OK;
}

static sht_status write_env(const json_t *env, const char *path, sht_error *error) {
  char *text = json_dumps(env, JSON_REAL_PRECISION(17));
  if (text == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for %s", path);
  }
  sht_status status = sht_file_write(path, text, strlen(text), error);
  free(text);
  return status;
}

static sht_status copy_env(const sht_run *run, const char *to, sht_error *error) {
  char source[SHT_LAB_PATH], target[SHT_LAB_PATH];
  char *text = NULL;
  uint64_t size = 0;
  json_t *env = NULL;
  SHT_TRY(sht_path_join(source, sizeof source, run->folder, SHT_FILE_ENV, error));
  SHT_TRY(sht_path_join(target, sizeof target, to, SHT_FILE_ENV, error));
  SHT_TRY(sht_file_read(source, RECORD_SIZE_MAX, &text, &size, error));
  sht_status status = sht_json_read(text, size, source, &env, error);
  sht_free(text);
  if (status == SHT_OK) {
    status = forget_paths(run, env, error);
  }
  if (status == SHT_OK) {
    status = write_env(env, target, error);
  }
  json_decref(env);
  return status;
}

static sht_status copy_records(const sht_run *run, const char *to, sht_error *error) {
  // The configuration last: a folder without it is no run.
  static const char *const names[] = {SHT_FILE_MODEL, SHT_FILE_METRICS, SHT_FILE_TIMING, SHT_FILE_RESULT,
                                      SHT_FILE_CONFIG};
  SHT_TRY(sht_folder_make(to, error));
  SHT_TRY(copy_env(run, to, error));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    SHT_TRY(copy_file(run->folder, to, names[i], error));
  }
  return SHT_OK;
}

sht_status sht_run_copy_records(const sht_run *run, const char *folder, char *path, size_t size, bool *copied,
                                sht_error *error) {
  char config[SHT_LAB_PATH];
  const char *slash = strrchr(run->folder, '/');
  *copied = false;
  if (!run->complete) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: the run is not finished; its records are copied when it is",
                    run->folder);
  }
  SHT_TRY(sht_path_join(path, size, folder, slash == NULL ? run->folder : slash + 1, error));
  SHT_TRY(sht_path_join(config, sizeof config, path, SHT_FILE_CONFIG, error));
  if (sht_file_exists(config)) {
    return SHT_OK;
  }
  SHT_TRY(copy_records(run, path, error));
  *copied = true;
  return SHT_OK;
}
