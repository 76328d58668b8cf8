// Progress on disk: see saved.h.
#include "kernel/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/work.h"

enum { PATH_BYTES = 4096, PROGRESS_MAX = 1 << 20, PIECE = 1 << 26 };
static const char progress_name[] = "progress.json", factor_name[] = "factor.tiles";
static const char *const gram_names[] = {"gram-0.tiles", "gram-1.tiles"};

static uint32_t checksum(const float *data, uint64_t bytes) { return (uint32_t)crc32_z(0, (const Bytef *)data, bytes); }

// Of summed blocks: of how many they are belongs to it.
static uint32_t gram_checksum(const sht__tiles *tiles, uint64_t blocks) {
  const uint32_t sum = checksum(tiles->data, sht__tiles_bytes(tiles->n));
  return (uint32_t)crc32_z(sum, (const Bytef *)&blocks, sizeof blocks);
}

static uint64_t column_bytes(const sht__tiles *tiles, uint64_t j) {
  return (tiles->count - j) * SHT_TILE_SIZE * sizeof(float);
}

static sht_status fail_disk(const char *path, const char *what, uint64_t bytes, sht_error *error) {
  char size[32];
  return SHT_FAIL(error, SHT_DISK, "%s: %s %s failed: %s; free some space or choose another folder", path, what,
                  sht_text_bytes(bytes, size, sizeof size), strerror(errno));
}

// Writes bytes at `offset` of a file in the folder and waits until they are on the disk. A link of that name is not
// followed: what it points to is not ours.
static sht_status put(const sht__saved *saved, const char *name, const void *bytes, uint64_t size, uint64_t offset,
                      sht_error *error) {
  char path[PATH_BYTES];
  SHT_TRY(sht_path_join(path, sizeof path, saved->folder, name, error));
  int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  bool good = file >= 0;
  for (uint64_t done = 0; good && done < size;) {
    uint64_t piece = size - done < PIECE ? size - done : PIECE;
    ssize_t written = pwrite(file, (const char *)bytes + done, piece, (off_t)(offset + done));
    good = written > 0 || (written < 0 && errno == EINTR);
    done += written > 0 ? (uint64_t)written : 0;
  }
  good = good && fdatasync(file) == 0;
  sht_status status = good ? SHT_OK : fail_disk(path, "writing", size, error);
  if (file >= 0) {
    (void)close(file);
  }
  return status;
}

// Reads bytes at `offset`; *sound false when the file ends before.
static sht_status get(const sht__saved *saved, const char *name, void *bytes, uint64_t size, uint64_t offset,
                      bool *sound, sht_error *error) {
  char path[PATH_BYTES];
  SHT_TRY(sht_path_join(path, sizeof path, saved->folder, name, error));
  int file = open(path, O_RDONLY | O_CLOEXEC);
  *sound = file >= 0;
  for (uint64_t done = 0; *sound && done < size;) {
    uint64_t piece = size - done < PIECE ? size - done : PIECE;
    ssize_t got = pread(file, (char *)bytes + done, piece, (off_t)(offset + done));
    *sound = got > 0 || (got < 0 && errno == EINTR);
    done += got > 0 ? (uint64_t)got : 0;
  }
  if (file >= 0) {
    (void)close(file);
  }
  return SHT_OK;
}

static sht_status write_progress(const sht__saved *saved, sht_error *error) {
  char path[PATH_BYTES], *text = NULL, *list = NULL;
  SHT_TRY(sht_path_join(path, sizeof path, saved->folder, progress_name, error));
  SHT_TRY(SHT_ALLOC(&list, 12 * saved->columns + 3, "checksums", error));
  size_t used = (size_t)sprintf(list, "[");
  for (uint64_t j = 0; j < saved->columns; j++) {
    used += (size_t)sprintf(list + used, "%s%" PRIu32, j > 0 ? "," : "", saved->checksums[j]);
  }
  (void)sprintf(list + used, "]");
  sht_json json = {0};
  sht_json_add_text(&json, "identity", saved->identity);
  sht_json_add_number(&json, "jitter", saved->jitter);
  sht_json_add_count(&json, "columns", saved->columns);
  sht_json_add_number(&json, "smallest_pivot", saved->smallest_pivot);
  sht_json_add_raw(&json, "checksums", list);
  sht_json_add_count(&json, "gram_blocks", saved->gram_blocks);
  sht_json_add_count(&json, "gram_slot", saved->gram_slot);
  sht_json_add_count(&json, "gram_checksum", saved->gram_checksum);
  sht_free(list);
  SHT_TRY(sht_json_finish(&json, &text, error));
  sht_status status = sht_file_write(path, text, strlen(text), error);
  sht_free(text);
  return status;
}

static sht_status take_progress(sht__saved *saved, const json_t *json, const char *path, sht_error *error) {
  char identity[sizeof saved->identity];
  uint64_t slot = 0, sum = 0;
  double smallest = 0;
  const json_t *checksums = json_object_get(json, "checksums");
  bool good = sht_json_get_text(json, "identity", identity, sizeof identity) &&
              sht_json_get_number(json, "jitter", &saved->jitter) &&
              sht_json_get_count(json, "columns", &saved->columns) &&
              sht_json_get_number(json, "smallest_pivot", &smallest) &&
              sht_json_get_count(json, "gram_blocks", &saved->gram_blocks) &&
              sht_json_get_count(json, "gram_slot", &slot) && sht_json_get_count(json, "gram_checksum", &sum) &&
              json_is_array(checksums) && json_array_size(checksums) == saved->columns && slot < 2;
  if (good && strcmp(identity, saved->identity) != 0) {
    return SHT_FAIL(error, SHT_CONFIG,
                    "%s: the progress of another problem (other data, options or program); choose another folder, or "
                    "delete the file to begin anew",
                    path);
  }
  if (!good || saved->columns > saved->count) {
    return SHT_FAIL(error, SHT_DATA, "%s: not what this program writes; delete it to begin anew", path);
  }
  saved->smallest_pivot = (float)smallest;
  saved->gram_slot = (uint32_t)slot;
  saved->gram_checksum = (uint32_t)sum;
  for (uint64_t j = 0; j < saved->columns; j++) {
    saved->checksums[j] = (uint32_t)json_integer_value(json_array_get(checksums, j));
  }
  return SHT_OK;
}

static sht_status read_progress(sht__saved *saved, sht_error *error) {
  char path[PATH_BYTES], *text = NULL;
  uint64_t size = 0;
  SHT_TRY(sht_path_join(path, sizeof path, saved->folder, progress_name, error));
  if (!sht_file_exists(path)) {
    return SHT_OK;
  }
  SHT_TRY(sht_file_read(path, PROGRESS_MAX, &text, &size, error));
  json_t *json = NULL;
  sht_status status = sht_json_read(text, size, path, &json, error);
  if (status == SHT_OK) {
    status = take_progress(saved, json, path, error);
    json_decref(json);
  }
  sht_free(text);
  return status;
}

// Bytes of files of ours that are there already.
static uint64_t bytes_there(const sht__saved *saved) {
  const char *const names[] = {factor_name, gram_names[0], gram_names[1]};
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[PATH_BYTES];
    uint64_t size = 0;
    if (sht_path_join(path, sizeof path, saved->folder, names[i], NULL) == SHT_OK &&
        sht_file_size(path, &size, NULL) == SHT_OK) {
      sum += size;
    }
  }
  return sum;
}

static sht_status check_room(const sht__saved *saved, uint64_t need, sht_error *error) {
  struct statvfs disk;
  if (statvfs(saved->folder, &disk) != 0) {
    return SHT_OK;  // not known: writing will tell
  }
  uint64_t have = (uint64_t)disk.f_bavail * disk.f_frsize + bytes_there(saved);
  if (have >= need) {
    return SHT_OK;
  }
  char a[32], b[32];
  return SHT_FAIL(error, SHT_DISK, "%s: saving progress takes %s at once and %s are free; choose another folder",
                  saved->folder, sht_text_bytes(need, a, sizeof a), sht_text_bytes(have, b, sizeof b));
}

sht_status sht__saved_open(const char *folder, const char *identity, uint64_t count, uint64_t need, sht__saved *out,
                           sht_error *error) {
  *out = (sht__saved){.count = count, .smallest_pivot = 1};
  if (strlen(folder) >= sizeof out->folder) {
    return SHT_FAIL(error, SHT_CONFIG, "%s: the path is too long", folder);
  }
  (void)snprintf(out->folder, sizeof out->folder, "%s", folder);
  (void)snprintf(out->identity, sizeof out->identity, "%s", identity);
  SHT_TRY(sht_folder_make(folder, error));
  SHT_TRY(SHT_ALLOC(&out->checksums, count, "checksums", error));
  SHT_TRY(check_room(out, need, error));
  out->gram_saved_at = sht__work_clock();
  return read_progress(out, error);
}

void sht__saved_close(sht__saved *saved) {
  sht_free(saved->checksums);
  saved->checksums = NULL;
}

sht_status sht__saved_start(sht__saved *saved, double jitter, sht_error *error) {
  saved->jitter = jitter;
  saved->columns = 0;
  saved->smallest_pivot = 1;
  return write_progress(saved, error);
}

sht_status sht__saved_add_columns(sht__saved *saved, const sht__tiles *tiles, uint64_t first, uint64_t last,
                                  float smallest, sht_error *error) {
  for (uint64_t j = first; j < last; j++) {
    const float *column = sht__tile_at(tiles, j, j);
    saved->checksums[j] = checksum(column, column_bytes(tiles, j));
    uint64_t offset = sht__tile_index(tiles, j, j) * SHT_TILE_SIZE * sizeof(float);
    SHT_TRY(put(saved, factor_name, column, column_bytes(tiles, j), offset, error));
  }
  saved->columns = last;
  saved->smallest_pivot = smallest;
  return write_progress(saved, error);
}

sht_status sht__saved_load_columns(sht__saved *saved, sht__tiles *tiles, sht_error *error) {
  for (uint64_t j = 0; j < saved->columns; j++) {
    float *column = sht__tile_at(tiles, j, j);
    uint64_t offset = sht__tile_index(tiles, j, j) * SHT_TILE_SIZE * sizeof(float);
    bool sound = false;
    SHT_TRY(get(saved, factor_name, column, column_bytes(tiles, j), offset, &sound, error));
    if (!sound || checksum(column, column_bytes(tiles, j)) != saved->checksums[j]) {
      saved->columns = j;
    }
  }
  return SHT_OK;
}

sht_status sht__saved_add_gram(sht__saved *saved, const sht__tiles *tiles, uint64_t blocks, bool last, double seconds,
                               sht_error *error) {
  double start = sht__work_clock(), pause = 20 * saved->gram_cost > seconds ? 20 * saved->gram_cost : seconds;
  if (!last && start - saved->gram_saved_at < pause) {
    return SHT_OK;
  }
  uint64_t bytes = sht__tiles_bytes(tiles->n);
  SHT_TRY(put(saved, gram_names[1 - saved->gram_slot], tiles->data, bytes, 0, error));
  saved->gram_slot = 1 - saved->gram_slot;
  saved->gram_checksum = gram_checksum(tiles, blocks);
  saved->gram_blocks = blocks;
  saved->gram_saved_at = sht__work_clock();
  saved->gram_cost = saved->gram_saved_at - start;
  return write_progress(saved, error);
}

sht_status sht__saved_load_gram(sht__saved *saved, sht__tiles *tiles, bool *sound, sht_error *error) {
  uint64_t bytes = sht__tiles_bytes(tiles->n);
  SHT_TRY(get(saved, gram_names[saved->gram_slot], tiles->data, bytes, 0, sound, error));
  *sound = *sound && gram_checksum(tiles, saved->gram_blocks) == saved->gram_checksum;
  if (!*sound) {
    memset(tiles->data, 0, bytes);
    saved->gram_blocks = 0;
  }
  return SHT_OK;
}

void sht__saved_remove(sht__saved *saved) {
  const char *const names[] = {progress_name, factor_name, gram_names[0], gram_names[1]};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[PATH_BYTES];
    if (sht_path_join(path, sizeof path, saved->folder, names[i], NULL) == SHT_OK) {
      (void)unlink(path);
    }
  }
  (void)rmdir(saved->folder);  // when nothing else is in it
}
