// Takes the expected files out of a .tar.gz: see unpack.h.
#include "fetch/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fetch/checksum.h"

enum {
  BLOCK = 1 << 16,
  ENTRIES_MAX = 1000,
  FILES_MAX = 64,  // of a set
  PATH_SIZE = 4096,
  EXTRA_BYTES_MAX = 64 * 1024 * 1024,  // of headers and unknown files
};

typedef struct unpacking {
  const char *archive_path;
  const char *folder;
  const sht_fetch_set *set;
  const sht_fetch_options *options;
  struct archive *archive;
  int64_t total_max;      // unpacked bytes
  bool taken[FILES_MAX];  // [set->file_count]
} unpacking;

static bool has_parent_part(const char *name) {
  for (const char *part = name; part != NULL; part = strchr(part, '/')) {
    part += *part == '/';
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) {
      return true;
    }
  }
  return false;
}

// An entry that no honest archive of data has. A hostile archive is refused whole.
static sht_status check_entry(const unpacking *u, struct archive_entry *entry, sht_error *error) {
  const char *name = archive_entry_pathname(entry);
  const char *fault = NULL;
  if (name == NULL || name[0] == '\0') {
    fault = "an entry without a readable name";
  } else if (name[0] == '/') {
    fault = "an absolute path";
  } else if (has_parent_part(name)) {
    fault = "a path that leads outside";
  } else if (archive_entry_hardlink(entry) != NULL || archive_entry_symlink(entry) != NULL) {
    fault = "a link";
  } else if (archive_entry_filetype(entry) != AE_IFREG && archive_entry_filetype(entry) != AE_IFDIR) {
    fault = "neither a file nor a folder";
  } else if (archive_entry_size(entry) > u->total_max) {
    fault = "far larger than the data set";
  }
  if (fault == NULL) {
    return SHT_OK;
  }
  return SHT_FAIL(error, SHT_DATA, "%s: entry \"%.200s\" is %s; the archive is refused", u->archive_path,
                  name == NULL ? "" : name, fault);
}

// The index of the set's file that an entry is, or file_count.
static size_t find_file(const sht_fetch_set *set, struct archive_entry *entry) {
  const char *name = archive_entry_pathname(entry);
  if (strncmp(name, "./", 2) == 0) {
    name += 2;
  }
  size_t length = strlen(set->archive_folder);
  size_t i = set->file_count;
  if (archive_entry_filetype(entry) == AE_IFREG && strncmp(name, set->archive_folder, length) == 0 &&
      name[length] == '/') {
    for (i = 0; i < set->file_count && strcmp(set->files[i].name, name + length + 1) != 0; i++) {
    }
  }
  return i;
}

static sht_status fail_archive(const unpacking *u, sht_error *error) {
  const char *why = archive_error_string(u->archive);
  return SHT_FAIL(error, SHT_DATA, "%s: damaged archive: %s", u->archive_path, why != NULL ? why : "unknown reason");
}

static sht_status copy_data(const unpacking *u, const sht_fetch_file *file, FILE *out, sht_error *error) {
  uint64_t limit = file->size > 0 ? file->size : SHT__FETCH_UNKNOWN_MAX;
  char block[BLOCK];
  for (uint64_t size = 0;;) {
    la_ssize_t got = archive_read_data(u->archive, block, sizeof block);
    if (got < 0) {
      return fail_archive(u, error);
    }
    if (got == 0) {
      return SHT_OK;
    }
    size += (uint64_t)got;
    if (size > limit) {
      return SHT_FAIL(error, SHT_DATA, "%s: %s has more than the expected %" PRIu64 " bytes", u->archive_path,
                      file->name, limit);
    }
    if (fwrite(block, 1, (size_t)got, out) != (size_t)got) {
      return SHT_FAIL(error, SHT_DISK, "%s/%s: cannot write %" PRIu64 " bytes: %s; free some space", u->folder,
                      file->name, limit, strerror(errno));
    }
    if (u->options->stop_requested != NULL && u->options->stop_requested(u->options->context)) {
      return SHT_FAIL(error, SHT_STOPPED, "stopped on request while unpacking %s; fetch again to go on", file->name);
    }
  }
}

static sht_status take_file(unpacking *u, size_t index, sht_error *error) {
  const sht_fetch_file *file = &u->set->files[index];
  char path[PATH_SIZE];
  SHT_TRY(sht_path_join(path, sizeof path, u->folder, file->name, error));
  if (u->taken[index]) {
    return SHT_FAIL(error, SHT_DATA, "%s: holds %s twice", u->archive_path, file->name);
  }
  u->taken[index] = true;
  FILE *out = fopen(path, "wbxe");
  if (out == NULL) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be made: %s", path, strerror(errno));
  }
  sht_status status = copy_data(u, file, out, error);
  bool kept = fflush(out) == 0 && fsync(fileno(out)) == 0;
  kept = fclose(out) == 0 && kept;
  if (status == SHT_OK && !kept) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be written: %s; free some space", path, strerror(errno));
  }
  return status;
}

static sht_status take_all(unpacking *u, sht_error *error) {
  struct archive_entry *entry = NULL;
  for (int entries = 0;; entries++) {
    int code = archive_read_next_header(u->archive, &entry);
    if (code == ARCHIVE_EOF) {
      return SHT_OK;
    }
    if (code != ARCHIVE_OK) {
      return fail_archive(u, error);
    }
    if (entries >= ENTRIES_MAX || archive_filter_bytes(u->archive, 0) > u->total_max) {
      return SHT_FAIL(error, SHT_DATA, "%s: far more in it than the data set has", u->archive_path);
    }
    SHT_TRY(check_entry(u, entry, error));
    size_t index = find_file(u->set, entry);
    if (index < u->set->file_count) {
      SHT_TRY(take_file(u, index, error));
    }
  }
}

static sht_status open_and_take(unpacking *u, sht_error *error) {
  u->archive = archive_read_new();
  if (u->archive == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory to unpack %s", u->archive_path);
  }
  (void)archive_read_support_filter_gzip(u->archive);
  (void)archive_read_support_format_tar(u->archive);
  sht_status status = archive_read_open_filename(u->archive, u->archive_path, BLOCK) == ARCHIVE_OK
                          ? take_all(u, error)
                          : fail_archive(u, error);
  (void)archive_read_free(u->archive);
  return status;
}

sht_status sht__fetch_unpack(const char *archive, const char *folder, const sht_fetch_set *set,
                             const sht_fetch_options *options, sht_error *error) {
  unpacking u = {.archive_path = archive, .folder = folder, .set = set, .options = options};
  if (set->file_count > FILES_MAX) {
    return SHT_FAIL(error, SHT_INTERNAL, "%s: more than %d files in a set", set->name, FILES_MAX);
  }
  u.total_max = EXTRA_BYTES_MAX;
  for (size_t i = 0; i < set->file_count; i++) {
    u.total_max += (int64_t)set->files[i].size;
  }
  SHT_TRY(open_and_take(&u, error));
  for (size_t i = 0; i < set->file_count; i++) {
    if (!u.taken[i]) {
      return SHT_FAIL(error, SHT_DATA, "%s: %s/%s is not in it", archive, set->archive_folder, set->files[i].name);
    }
  }
  return SHT_OK;
}
