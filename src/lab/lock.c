// Taking and asking the lock of a run's folder: see lock.h.
#include "lab/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "lab/files.h"

// Whoever asks holds the lock for an instant: that is no other training.
static int take(int lock) {
  static const struct timespec pause = {.tv_nsec = 10000000};  // 10 ms
  int fault = 0;
  for (int attempt = 0; attempt < 5; attempt++) {
    fault = flock(lock, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    if (fault != EWOULDBLOCK) {
      break;
    }
    (void)nanosleep(&pause, NULL);
  }
  return fault;
}

static sht_status fail_held(const char *folder, int lock, sht_error *error) {
  char owner[32] = "";
  ssize_t got = pread(lock, owner, sizeof owner - 1, 0);
  owner[got > 0 ? got : 0] = '\0';
  owner[strcspn(owner, "\n")] = '\0';
  return SHT_FAIL(error, SHT_UNAVAILABLE,
                  "%s is being trained by another process (%s); wait for it to end, or stop it and resume the run",
                  folder, owner[0] != '\0' ? owner : "unknown");
}

sht_status sht__lock_take(const char *folder, int *lock, sht_error *error) {
  char path[SHT_LAB_PATH];
  char owner[32];
  SHT_TRY(sht_path_join(path, sizeof path, folder, SHT_FILE_LOCK, error));
  *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (*lock < 0) {
    return SHT_FAIL(error, SHT_DISK, "%s: the lock cannot be made: %s; choose another store", path, strerror(errno));
  }
  int fault = take(*lock);
  if (fault == EWOULDBLOCK) {
    return fail_held(folder, *lock, error);
  }
  if (fault != 0) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be locked: %s; choose a store on another file system", path,
                    strerror(fault));
  }
  int length = snprintf(owner, sizeof owner, "%d\n", (int)getpid());
  if (ftruncate(*lock, 0) != 0 || pwrite(*lock, owner, (size_t)length, 0) != length) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be written: %s; free some space", path, strerror(errno));
  }
  return SHT_OK;
}

sht_status sht__lock_ask(const char *folder, bool *is_free, sht_error *error) {
  char path[SHT_LAB_PATH];
  SHT_TRY(sht_path_join(path, sizeof path, folder, SHT_FILE_LOCK, error));
  int lock = open(path, O_RDWR | O_CLOEXEC);
  if (lock < 0 && (errno == EACCES || errno == EROFS)) {
    lock = open(path, O_RDONLY | O_CLOEXEC);
  }
  int fault = lock < 0 ? errno : 0;
  if (lock >= 0) {
    // Shared: those who ask do not take each other for trainings.
    fault = flock(lock, LOCK_SH | LOCK_NB) == 0 ? 0 : errno;
    (void)close(lock);
  }
  *is_free = fault == 0 || fault == ENOENT;
  if (*is_free || fault == EWOULDBLOCK || fault == EINTR) {
    return SHT_OK;
  }
  return SHT_FAIL(error, SHT_DISK,
                  "%s: another process trained this run, and whether it still does cannot be told: %s; when it has "
                  "ended, run the same command again",
                  path, strerror(fault));
}
