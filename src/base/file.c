// Files: see file.h.
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { PATH_SIZE = 4096 };

static sht_status fail_open(const char *path, sht_error *error) {
  if (errno == ENOENT || errno == ENOTDIR) {
    return SHT_FAIL(error, SHT_MISSING, "%s: no such file; check the path", path);
  }
  return SHT_FAIL(error, SHT_DISK, "%s: cannot be opened: %s", path, strerror(errno));
}

sht_status sht_file_size(const char *path, uint64_t *size, sht_error *error) {
  struct stat info;
  if (stat(path, &info) != 0) {
    return fail_open(path, error);
  }
  if (!S_ISREG(info.st_mode)) {
    return SHT_FAIL(error, SHT_DATA, "%s: %s, expected a file", path,
                    S_ISDIR(info.st_mode) ? "is a folder" : "is not a regular file");
  }
  *size = (uint64_t)info.st_size;
  return SHT_OK;
}

bool sht_file_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool sht_folder_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// Reads up to `size` bytes; returns how many, or -1.
static int64_t read_all(int file, char *bytes, uint64_t size) {
  uint64_t done = 0;
  while (done < size) {
    ssize_t got = read(file, bytes + done, size - done);
    if (got == 0) {
      break;
    }
    if (got < 0 && errno != EINTR) {
      return -1;
    }
    done += got > 0 ? (uint64_t)got : 0;
  }
  return (int64_t)done;
}

sht_status sht_file_read(const char *path, uint64_t limit, char **out, uint64_t *size, sht_error *error) {
  *out = NULL;
  SHT_TRY(sht_file_size(path, size, error));
  if (*size > limit) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " bytes, expected at most %" PRIu64 "; is it the right file?", path,
                    *size, limit);
  }
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return fail_open(path, error);
  }
  sht_status status = SHT_ALLOC(out, *size + 1, path, error);
  if (status == SHT_OK) {
    int64_t got = read_all(file, *out, *size);
    if (got < 0) {
      status = SHT_FAIL(error, SHT_DISK, "%s: cannot be read: %s", path, strerror(errno));
      sht_free(*out);
      *out = NULL;
    } else {
      *size = (uint64_t)got;
      (*out)[got] = '\0';
    }
  }
  (void)close(file);
  return status;
}

static bool write_all(int file, const char *bytes, uint64_t size) {
  while (size > 0) {
    ssize_t put = write(file, bytes, size);
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put <= 0) {
      return false;
    }
    bytes += put;
    size -= (uint64_t)put;
  }
  return true;
}

static sht_status fail_write(const char *path, uint64_t size, sht_error *error) {
  int cause = errno;
  const char *advice = cause == ENOSPC || cause == EDQUOT ? "free some space or choose another folder"
                       : cause == EFBIG  ? "raise the limit on a file's size (ulimit -f), or choose another file system"
                       : cause == ENOENT ? "make its folder first, or choose another"
                                         : "choose a folder that can be written";
  return SHT_FAIL(error, SHT_DISK, "%s: cannot write %" PRIu64 " bytes: %s; %s", path, size, strerror(cause), advice);
}

// Makes the rename itself durable.
static void sync_folder_of(const char *path) {
  char folder[PATH_SIZE];
  (void)snprintf(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  if (slash == NULL) {
    (void)snprintf(folder, sizeof folder, ".");
  } else {
    slash[slash == folder] = '\0';
  }
  int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file >= 0) {
    (void)fsync(file);
    (void)close(file);
  }
}

// Writes into what stands at the path: nothing can be put in the place of a device or a pipe.
static sht_status write_through(const char *path, const void *bytes, uint64_t size, sht_error *error) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  bool good = file >= 0 && write_all(file, bytes, size);
  int cause = errno;
  good = (file < 0 || close(file) == 0) && good;
  errno = cause;
  return good ? SHT_OK : fail_write(path, size, error);
}

static sht_status replace(const char *path, const void *bytes, uint64_t size, sht_error *error) {
  char temporary[PATH_SIZE];
  if (snprintf(temporary, sizeof temporary, "%s.tmp.%d", path, (int)getpid()) >= (int)sizeof temporary) {
    return SHT_FAIL(error, SHT_CONFIG, "%s: the path is too long", path);
  }
  int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) {
    return fail_write(path, size, error);
  }
  bool good = write_all(file, bytes, size) && fsync(file) == 0;
  int cause = errno;
  good = close(file) == 0 && good;
  if (good && rename(temporary, path) == 0) {
    sync_folder_of(path);
    return SHT_OK;
  }
  errno = good ? errno : cause;
  sht_status status = fail_write(path, size, error);
  (void)unlink(temporary);
  return status;
}

sht_status sht_file_write(const char *path, const void *bytes, uint64_t size, sht_error *error) {
  struct stat info;
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
    return write_through(path, bytes, size, error);
  }
  // Of a link, the file that it leads to is replaced, and not the link.
  bool is_link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
  char *real = is_link ? realpath(path, NULL) : NULL;
  sht_status status = replace(real != NULL ? real : path, bytes, size, error);
  free(real);
  return status;
}

sht_status sht_file_append(const char *path, const void *bytes, uint64_t size, sht_error *error) {
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) {
    return fail_write(path, size, error);
  }
  bool good = write_all(file, bytes, size);
  int cause = errno;
  good = close(file) == 0 && good;
  errno = cause;
  return good ? SHT_OK : fail_write(path, size, error);
}

sht_status sht_folder_make(const char *path, sht_error *error) {
  char part[PATH_SIZE];
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof part) {
    return SHT_FAIL(error, SHT_CONFIG, "\"%s\": not a usable folder name", path);
  }
  memcpy(part, path, length + 1);
  for (size_t i = 1; i <= length; i++) {
    if (part[i] != '/' && part[i] != '\0') {
      continue;
    }
    char saved = part[i];
    part[i] = '\0';
    if (mkdir(part, 0777) != 0 && !(errno == EEXIST && sht_folder_exists(part))) {
      return SHT_FAIL(error, SHT_DISK, "%s: the folder cannot be made: %s; choose another with write permission", path,
                      strerror(errno));
    }
    part[i] = saved;
  }
  return SHT_OK;
}

sht_status sht_path_join(char *out, size_t size, const char *folder, const char *name, sht_error *error) {
  size_t length = strlen(folder);
  const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
  int written = snprintf(out, size, "%s%s%s", folder, slash, name);
  if (written < 0 || (size_t)written >= size) {
    return SHT_FAIL(error, SHT_CONFIG, "%s/%s: the path is too long", folder, name);
  }
  return SHT_OK;
}
