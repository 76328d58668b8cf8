// Listing a folder: see entries.h.
#include "data/entries.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

static sht_status fail_folder(const char *folder, int reason, sht_error *error) {
  return SHT_FAIL(error, reason == ENOENT || reason == ENOTDIR ? SHT_MISSING : SHT_DISK,
                  "%s: the folder cannot be read: %s; check its path and permissions", folder, strerror(reason));
}

static sht_status kind_of(const char *folder, DIR *directory, const struct dirent *entry, sht__entry_kind *out,
                          sht_error *error) {
  struct stat info;
  if (entry->d_type == DT_REG || entry->d_type == DT_DIR) {  // without asking again: a folder may hold millions
    *out = entry->d_type == DT_REG ? SHT__ENTRY_FILE : SHT__ENTRY_FOLDER;
    return SHT_OK;
  }
  if (fstatat(dirfd(directory), entry->d_name, &info, 0) == 0) {
    *out = S_ISREG(info.st_mode) ? SHT__ENTRY_FILE : S_ISDIR(info.st_mode) ? SHT__ENTRY_FOLDER : SHT__ENTRY_OTHER;
    return SHT_OK;
  }
  if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
    *out = SHT__ENTRY_BROKEN;
    return SHT_OK;
  }
  return SHT_FAIL(error, SHT_DISK, "%s/%s: cannot be read: %s; check its permissions", folder, entry->d_name,
                  strerror(errno));
}

static sht_status grow(sht__entries *entries, sht_error *error) {
  enum { FIRST_ROOM = 64 };
  const uint64_t room = entries->room == 0 ? FIRST_ROOM : 2 * entries->room;
  sht__entry *items = NULL;
  SHT_TRY(SHT_ALLOC(&items, room, "names of files", error));
  if (entries->count > 0) {
    memcpy(items, entries->items, entries->count * sizeof *items);
  }
  sht_free(entries->items);
  entries->items = items;
  entries->room = room;
  return SHT_OK;
}

static sht_status add(sht__entries *entries, const char *name, sht__entry_kind kind, sht_error *error) {
  if (entries->count == entries->room) {
    SHT_TRY(grow(entries, error));
  }
  char *copy = strdup(name);
  if (copy == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the names of files; use a larger machine");
  }
  entries->items[entries->count++] = (sht__entry){copy, kind};
  return SHT_OK;
}

static sht_status read_all(const char *folder, DIR *directory, sht__entries *out, sht_error *error) {
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(directory);  // NOLINT(concurrency-mt-unsafe): our own stream
    if (entry == NULL) {
      return errno == 0 ? SHT_OK : fail_folder(folder, errno, error);
    }
    if (entry->d_name[0] != '.') {
      sht__entry_kind kind = SHT__ENTRY_OTHER;
      SHT_TRY(kind_of(folder, directory, entry, &kind, error));
      SHT_TRY(add(out, entry->d_name, kind, error));
    }
  }
}

// strcmp compares as unsigned bytes, in every locale.
static int compare(const void *a, const void *b) {
  return strcmp(((const sht__entry *)a)->name, ((const sht__entry *)b)->name);
}

sht_status sht__entries_read(const char *folder, sht__entries *out, sht_error *error) {
  *out = (sht__entries){0};
  DIR *directory = opendir(folder);
  if (directory == NULL) {
    return fail_folder(folder, errno, error);
  }
  sht_status status = read_all(folder, directory, out, error);
  (void)closedir(directory);
  if (out->count > 1) {
    qsort(out->items, out->count, sizeof *out->items, compare);
  }
  return status;
}

void sht__entries_close(sht__entries *entries) {
  for (uint64_t i = 0; i < entries->count; i++) {
    free(entries->items[i].name);
  }
  sht_free(entries->items);
  *entries = (sht__entries){0};
}

const sht__entry *sht__entries_find(const sht__entries *entries, const char *name) {
  const sht__entry wanted = {(char *)name, SHT__ENTRY_OTHER};
  return entries->count == 0 ? NULL : bsearch(&wanted, entries->items, entries->count, sizeof *entries->items, compare);
}
