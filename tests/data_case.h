// What the tests of data sets share: a folder of their own, files in it, and a tiny CIFAR set.
#ifndef SHATTER_TESTS_DATA_CASE_H
#define SHATTER_TESTS_DATA_CASE_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/cifar.h"
#include "shatter/data.h"

// Makes an empty folder; its path is in out [64].
static inline void make_folder(char *out) {
  (void)snprintf(out, 64, "/tmp/shatter-test-XXXXXX");
  if (mkdtemp(out) == NULL) {
    abort();
  }
}

static inline void put_file(const char *folder, const char *name, const void *bytes, uint64_t size) {
  char path[512];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
    abort();
  }
}

// Removes the files of a folder, and it.
static inline void remove_folder(const char *folder) {
  DIR *directory = opendir(folder);
  for (const struct dirent *entry = NULL; directory != NULL && (entry = readdir(directory)) != NULL;) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    (void)unlink(path);
  }
  (void)closedir(directory);
  (void)rmdir(folder);
}

static const char *const cifar_files[6] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

// A CIFAR folder with two records in each file. Record r of file f has label f and in channel c at position i the level
// (7 f + 3 r + 85 c + i) mod 256.
static inline void put_tiny_cifar(const char *folder) {
  static unsigned char bytes[2 * SHT_CIFAR_RECORD];
  for (int f = 0; f < 6; f++) {
    for (int r = 0; r < 2; r++) {
      unsigned char *record = bytes + r * SHT_CIFAR_RECORD;
      record[0] = (unsigned char)f;
      for (int i = 0; i < SHT_CIFAR_VALUES; i++) {
        record[1 + i] = (unsigned char)(7 * f + 3 * r + 85 * (i / SHT_CIFAR_PIXELS) + i % SHT_CIFAR_PIXELS);
      }
    }
    put_file(folder, cifar_files[f], bytes, sizeof bytes);
  }
  static const char names[] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
  put_file(folder, "batches.meta.txt", names, sizeof names - 1);
}

// True when the message names the place and says what to do after a semicolon, as every sentence should.
static inline bool says(const sht_error *error, const char *place) {
  return strstr(error->message, place) != NULL && strpbrk(error->message, ";?,") != NULL;
}

#endif
