// What the tests of training and of the store share: a folder of their own, a tiny model and a configuration that
// trains in a fraction of a second on the reference engine.
#ifndef SHATTER_TESTS_TRAIN_FIXTURE_H
#define SHATTER_TESTS_TRAIN_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// after the four headers that it needs
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "shatter/lab.h"

enum { FIXTURE_PATH = 512, FIXTURE_TRAIN = 100, FIXTURE_BATCH = 32, FIXTURE_STEPS = 4 };  // the last batch has 4

// Batch normalisation, so that running statistics are part of the state; dropout, so that masks depend on the step.
static const char fixture_model[] =
    "name: tiny\n"
    "recipe: {learning-rate: 0.05, learning-rate-decay: 0.9, momentum: 0.9, weight-decay: 1e-3}\n"
    "layers:\n"
    "  - conv: {filters: 6, kernel: 3, stride: 4, bias: false}\n"
    "  - batchnorm: {epsilon: 0.001, decay: 0.9}\n"
    "  - relu\n"
    "  - dropout: {probability: 0.1}\n"
    "  - linear: {units: classes}\n";

// A new folder under $TMPDIR or /tmp.
static inline void fixture_folder(char out[FIXTURE_PATH]) {
  const char *parent = getenv("TMPDIR");
  (void)snprintf(out, FIXTURE_PATH, "%s/shatter-test-XXXXXX", parent != NULL ? parent : "/tmp");
  assert_non_null(mkdtemp(out));
}

// Removes a folder and all that is in it.
static inline void fixture_remove(const char *path) {
  DIR *folder = opendir(path);
  struct dirent *entry = NULL;
  while (folder != NULL && (entry = readdir(folder)) != NULL) {
    char inside[FIXTURE_PATH * 2];
    struct stat info;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
      continue;
    }
    if (snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name) >= (int)sizeof inside) {
      continue;
    }
    if (lstat(inside, &info) == 0 && S_ISDIR(info.st_mode)) {
      fixture_remove(inside);
    } else {
      (void)unlink(inside);
    }
  }
  if (folder != NULL) {
    (void)closedir(folder);
  }
  (void)rmdir(path);
}

// A test's folder of its own: *state is its path.
static inline int fixture_set_up(void **state) {
  static char path[FIXTURE_PATH];
  fixture_folder(path);
  *state = path;
  return 0;
}

static inline int fixture_tear_down(void **state) {
  fixture_remove(*state);
  return 0;
}

static inline void fixture_write(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

// The whole file; free with free().
static inline char *fixture_read(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fail_msg("%s is not there", path);
    return NULL;
  }
  char *bytes = NULL;
  size_t length = 0;
  FILE *memory = open_memstream(&bytes, &length);
  for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
    (void)fputc(c, memory);
  }
  (void)fclose(file);
  (void)fclose(memory);
  *size = length;
  return bytes;
}

static inline void fixture_assert_same_file(const char *folder_a, const char *folder_b, const char *name) {
  char a[FIXTURE_PATH * 4];
  char b[FIXTURE_PATH * 4];
  size_t size_a = 0;
  size_t size_b = 0;
  assert_true(snprintf(a, sizeof a, "%s/%s", folder_a, name) < (int)sizeof a);
  assert_true(snprintf(b, sizeof b, "%s/%s", folder_b, name) < (int)sizeof b);
  char *bytes_a = fixture_read(a, &size_a);
  char *bytes_b = fixture_read(b, &size_b);
  if (size_a != size_b || memcmp(bytes_a, bytes_b, size_a) != 0) {
    fail_msg("%s differs between %s and %s", name, folder_a, folder_b);
  }
  free(bytes_a);
  free(bytes_b);
}

// The tiny model, written into `folder`, on 100 shapes in 4 steps an epoch.
static inline sht_config fixture_config(const char *folder) {
  sht_config config;
  sht_config_default(&config);
  (void)snprintf(config.model, sizeof config.model, "%s/tiny.yaml", folder);
  fixture_write(config.model, fixture_model, sizeof fixture_model - 1);
  (void)snprintf(config.data, sizeof config.data, "shapes:%d,20", FIXTURE_TRAIN);
  (void)snprintf(config.labels, sizeof config.labels, "random");
  (void)snprintf(config.device, sizeof config.device, "ref");
  (void)snprintf(config.precision, sizeof config.precision, "fp32");
  config.batch = FIXTURE_BATCH;
  config.epochs = 3;
  config.threads = 1;
  return config;
}

static inline void fixture_ok(sht_status status, const sht_error *error) {
  if (status != SHT_OK) {
    fail_msg("%s: %s", sht_status_name(status), error->message);
  }
}

// Stops at the stop_at-th question (1-based; 0: never), and keeps what it is told.
typedef struct fixture_watch {
  uint64_t stop_at;
  uint64_t asked;
  uint64_t notes;
  uint32_t resumed;  // epochs
  uint32_t count;
  sht_epoch epochs[64];
} fixture_watch;

static inline bool fixture_stop_requested(void *context) {
  fixture_watch *watch = context;
  watch->asked++;
  return watch->asked == watch->stop_at;
}

static inline sht_status fixture_epoch_done(void *context, const sht_epoch *epoch, double seconds, sht_error *error) {
  fixture_watch *watch = context;
  (void)seconds;
  (void)error;
  watch->epochs[watch->count++] = *epoch;
  return SHT_OK;
}

static inline sht_status fixture_resumed(void *context, const sht_epoch *epochs, uint32_t count, sht_error *error) {
  fixture_watch *watch = context;
  (void)error;
  if (count > 0) {
    memcpy(watch->epochs, epochs, count * sizeof *epochs);
  }
  watch->count = watch->resumed = count;
  return SHT_OK;
}

static inline void fixture_noted(void *context, const char *sentence) {
  assert_true(strlen(sentence) > 20);
  ((fixture_watch *)context)->notes++;
}

static inline sht_observer fixture_observer(fixture_watch *watch) {
  return (sht_observer){.context = watch,
                        .epoch_done = fixture_epoch_done,
                        .stop_requested = fixture_stop_requested,
                        .resumed = fixture_resumed,
                        .noted = fixture_noted};
}

#endif
