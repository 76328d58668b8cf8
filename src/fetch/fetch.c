// Fetches a data set whole: see fetch.h.
#include "fetch/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "fetch/checksum.h"
#include "fetch/download.h"
#include "fetch/unpack.h"
#include "shatter/data.h"

enum { PATH_SIZE = 4096, URL_SIZE = 4096, REASONS_SIZE = 3072, ASIDE_MAX = 1000 };

typedef struct fetching {
  const sht_fetch_set *set;
  const sht_fetch_options *options;
  sht_fetch_result *result;
  char data_dir[PATH_SIZE];
  char target[PATH_SIZE];  // data_dir/FOLDER
  char work[PATH_SIZE];    // data_dir/.fetch-NAME
  char fresh[PATH_SIZE];   // work/files, which becomes target
  int lock;                // on data_dir
} fetching;

static void note(const fetching *f, const char *sentence) {
  if (f->options->noted != NULL) {
    f->options->noted(f->options->context, sentence);
  }
}

static sht_status find_paths(fetching *f, sht_error *error) {
  char name[128];
  (void)snprintf(name, sizeof name, ".fetch-%s", f->set->name);
  SHT_TRY(sht_data_folder(f->options->data_dir, f->data_dir, sizeof f->data_dir, error));
  SHT_TRY(sht_path_join(f->target, sizeof f->target, f->data_dir, f->set->folder, error));
  SHT_TRY(sht_path_join(f->work, sizeof f->work, f->data_dir, name, error));
  return sht_path_join(f->fresh, sizeof f->fresh, f->work, "files", error);
}

// Whether a folder holds the whole set; the first fault goes into `error`.
static sht_status check_folder(const char *folder, const sht_fetch_set *set, sht_error *error) {
  for (size_t i = 0; i < set->file_count; i++) {
    char path[PATH_SIZE];
    SHT_TRY(sht_path_join(path, sizeof path, folder, set->files[i].name, error));
    SHT_TRY(sht__fetch_check(path, &set->files[i], error));
  }
  return SHT_OK;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
  (void)info, (void)kind, (void)place;
  return remove(path);
}

static void remove_tree(const char *path) { (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

// Where a download lies while it arrives.
static sht_status part_path(const fetching *f, const sht_fetch_file *file, char out[PATH_SIZE], sht_error *error) {
  return sht_path_join(out, PATH_SIZE, f->set->archive_folder != NULL ? f->work : f->fresh, file->name, error);
}

static sht_status check_space(const fetching *f, sht_error *error) {
  uint64_t need = 0;
  for (size_t i = 0; i < f->set->download_count; i++) {
    char path[PATH_SIZE];
    struct stat part = {0};
    SHT_TRY(part_path(f, &f->set->downloads[i], path, error));
    uint64_t size = f->set->downloads[i].size;
    uint64_t have = stat(path, &part) == 0 ? (uint64_t)part.st_size : 0;
    need += size > have ? size - have : 0;
  }
  for (size_t i = 0; f->set->archive_folder != NULL && i < f->set->file_count; i++) {
    need += f->set->files[i].size;
  }
  struct statvfs disk;
  if (statvfs(f->work, &disk) != 0 || disk.f_frsize == 0 || need / disk.f_frsize < disk.f_bavail) {
    return SHT_OK;  // where the system cannot say, the writes will
  }
  char needed[32];
  char there[32];
  return SHT_FAIL(error, SHT_DISK, "%s: %s needs %s, and %s are free; free some space or choose another --data-dir",
                  f->data_dir, f->set->name, sht_text_bytes(need, needed, sizeof needed),
                  sht_text_bytes((uint64_t)disk.f_bavail * disk.f_frsize, there, sizeof there));
}

// One address: what arrives is checked, and thrown away when it is wrong. When the wrong content was partly from an
// earlier attempt, the same address gets another chance from the start.
static sht_status try_address(fetching *f, const sht_fetch_file *file, const char *url, const char *path,
                              sht_error *error) {
  for (;;) {
    uint64_t before = 0;
    bool resumed = sht_file_exists(path) && sht_file_size(path, &before, NULL) == SHT_OK && before > 0;
    sht_status status = sht__fetch_download(url, path, file, f->options, &f->result->bytes, error);
    if (status == SHT_OK) {
      sht_error fault;
      status = sht__fetch_check(path, file, &fault);
      if (status != SHT_OK) {
        status = SHT_FAIL(error, status, "%s: %.1024s", url, fault.message);
      }
    }
    if (status != SHT_DATA) {
      return status;
    }
    (void)unlink(path);
    if (!resumed) {
      return status;
    }
    note(f, "what an earlier attempt left did not fit; starting anew");
  }
}

// The address itself, or the download below it when it is a folder.
static sht_status make_url(const fetching *f, const char *address, const sht_fetch_file *file, char out[URL_SIZE],
                           sht_error *error) {
  size_t length = strlen(address);
  bool folder = length > 0 && address[length - 1] == '/';
  if (!folder && f->options->from != NULL && f->set->download_count > 1) {
    return SHT_FAIL(error, SHT_USAGE,
                    "%s: %s has %zu files to download; give the address of the folder that holds them, ending in '/'",
                    address, f->set->name, f->set->download_count);
  }
  if (snprintf(out, URL_SIZE, "%s%s", address, folder ? file->name : "") >= URL_SIZE) {
    return SHT_FAIL(error, SHT_USAGE, "%.200s...: the address is too long", address);
  }
  return SHT_OK;
}

static sht_status obtain(fetching *f, const sht_fetch_file *file, sht_error *error) {
  const char *const *addresses = f->options->from != NULL ? f->options->from : file->urls;
  char reasons[REASONS_SIZE] = "";
  bool wrong = false;
  char path[PATH_SIZE];
  SHT_TRY(part_path(f, file, path, error));
  for (; *addresses != NULL; addresses++) {
    char url[URL_SIZE];
    sht_error attempt = {0};
    SHT_TRY(make_url(f, *addresses, file, url, error));
    note(f, url);
    sht_status status = try_address(f, file, url, path, &attempt);
    if (status != SHT_UNAVAILABLE && status != SHT_DATA) {
      return status == SHT_OK ? SHT_OK : SHT_FAIL(error, status, "%s", attempt.message);
    }
    wrong = wrong || status == SHT_DATA;
    note(f, attempt.message);
    size_t used = strlen(reasons);
    (void)snprintf(reasons + used, sizeof reasons - used, "\n  %.500s", attempt.message);
  }
  return SHT_FAIL(error, wrong ? SHT_DATA : SHT_UNAVAILABLE,
                  "%s: no address gave the right file:%s\n"
                  "Check the network and fetch again, or give another address with --from (file:// works too)",
                  file->name, reasons);
}

// Moves what stands in the place of the set out of the way; it may be a person's work and is never deleted.
static sht_status move_aside(fetching *f, sht_error *error) {
  struct stat info;
  for (int i = 1; lstat(f->target, &info) == 0; i++) {
    char *aside = f->result->replaced;
    int length = snprintf(aside, sizeof f->result->replaced, "%s.old-%d", f->target, i);
    if (length >= (int)sizeof f->result->replaced || i > ASIDE_MAX) {
      return SHT_FAIL(error, SHT_DISK, "%s: in the way, and cannot be moved; move it yourself", f->target);
    }
    struct stat other;
    if (lstat(aside, &other) != 0 && rename(f->target, aside) != 0) {
      return SHT_FAIL(error, SHT_DISK, "%s: in the way, and cannot be moved: %s", f->target, strerror(errno));
    }
  }
  return SHT_OK;
}

static void sync_folder(const char *path) {
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    (void)fsync(folder);
    (void)close(folder);
  }
}

static sht_status move_into_place(fetching *f, sht_error *error) {
  sync_folder(f->fresh);
  SHT_TRY(move_aside(f, error));
  if (rename(f->fresh, f->target) != 0) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be moved into place: %s", f->target, strerror(errno));
  }
  sync_folder(f->data_dir);
  remove_tree(f->work);
  return SHT_OK;
}

// Fills `fresh` with the set's files, checked.
static sht_status prepare(fetching *f, sht_error *error) {
  const sht_fetch_set *set = f->set;
  SHT_TRY(sht_folder_make(f->fresh, error));
  SHT_TRY(check_space(f, error));
  for (size_t i = 0; i < set->download_count; i++) {
    SHT_TRY(obtain(f, &set->downloads[i], error));
  }
  if (set->archive_folder == NULL) {
    return SHT_OK;
  }
  remove_tree(f->fresh);  // an earlier attempt may have been interrupted while unpacking
  SHT_TRY(sht_folder_make(f->fresh, error));
  for (size_t i = 0; i < set->download_count; i++) {
    char path[PATH_SIZE];
    SHT_TRY(part_path(f, &set->downloads[i], path, error));
    sht_status status = sht__fetch_unpack(path, f->fresh, set, f->options, error);
    if (status == SHT_DATA) {
      (void)unlink(path);
    }
    SHT_TRY(status);
  }
  return check_folder(f->fresh, set, error);
}

// Only one process at a time fetches into a data folder.
static sht_status lock_data_dir(fetching *f, sht_error *error) {
  SHT_TRY(sht_folder_make(f->data_dir, error));
  f->lock = open(f->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (f->lock < 0) {
    return SHT_FAIL(error, SHT_DISK, "%s: cannot be opened: %s", f->data_dir, strerror(errno));
  }
  if (flock(f->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: another shatter is fetching into this folder; wait until it is done",
                    f->data_dir);
  }
  return SHT_OK;
}

static sht_status fetch_locked(fetching *f, sht_error *error) {
  sht_error fault = {0};
  f->result->present = check_folder(f->target, f->set, &fault) == SHT_OK;
  if (f->result->present) {
    return SHT_OK;
  }
  if (sht_folder_exists(f->target)) {
    note(f, fault.message);
  }
  sht_status status = prepare(f, error);
  if (status == SHT_DATA) {
    remove_tree(f->work);
  }
  SHT_TRY(status);
  return move_into_place(f, error);
}

sht_status sht_fetch_install(const sht_fetch_set *set, const sht_fetch_options *options, sht_fetch_result *result,
                             sht_error *error) {
  sht_fetch_result own;
  fetching f = {.set = set, .options = options, .result = result != NULL ? result : &own, .lock = -1};
  memset(f.result, 0, sizeof *f.result);
  SHT_TRY(find_paths(&f, error));
  (void)snprintf(f.result->folder, sizeof f.result->folder, "%s", f.target);
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "libcurl cannot be started on this system");
  }
  sht_status status = lock_data_dir(&f, error);
  if (status == SHT_OK) {
    status = fetch_locked(&f, error);
  }
  if (f.lock >= 0) {
    (void)close(f.lock);
  }
  curl_global_cleanup();
  return status;
}
