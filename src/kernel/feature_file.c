// Streamed features in a file: see feature_file.h.
#include "kernel/feature_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/work.h"

enum { PATH_BYTES = 4096, PIECE = 1 << 26 };
// Writing that took so many seconds, and longer than making what was written, ends.
static const double PATIENCE = 10;

static uint64_t bytes_of(uint64_t n, uint64_t width) { return sht__panels_size(n, width / 2) * sizeof(uint32_t); }

uint64_t sht__feature_file_bytes(uint64_t n, const sht__feature_map *map) {
  return map->blocks * bytes_of(n, map->block);
}

static void give_up(sht__feature_file *file) {
  if (file->file >= 0) {
    (void)close(file->file);
  }
  file->file = -1;
}

static bool has_room(const char *folder, uint64_t bytes) {
  struct statvfs disk;
  return statvfs(folder, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize >= bytes;
}

sht_status sht__feature_file_open(const char *folder, uint64_t n, const sht__feature_map *map, uint64_t reserve,
                                  sht__feature_file **out, sht_error *error) {
  char path[PATH_BYTES];
  SHT_TRY(SHT_ALLOC(out, 1, "a file of features", error));
  sht__feature_file *file = *out;
  *file = (sht__feature_file){.file = -1, .bytes = bytes_of(n, map->block), .blocks = map->blocks};
  SHT_TRY(SHT_ALLOC(&file->held, map->blocks, "a list of blocks", error));
  SHT_TRY(sht_folder_make(folder, error));
  SHT_TRY(sht_path_join(path, sizeof path, folder, "features.blocks", error));
  if (has_room(folder, sht__feature_file_bytes(n, map) + reserve)) {
    // Whatever has the name goes, unread and unwritten: it may be a link to something that matters.
    (void)unlink(path);
    file->file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    (void)unlink(path);
  }
  return SHT_OK;
}

void sht__feature_file_close(sht__feature_file *file) {
  if (file != NULL) {
    give_up(file);
    sht_free(file->held);
    sht_free(file);
  }
}

typedef enum direction { IN, OUT } direction;

// The panels' bytes from or to the place of a block; false: not all of them.
static bool move(const sht__feature_file *file, direction way, uint64_t block, const sht__panels *panels) {
  const uint64_t size = bytes_of(panels->n, panels->width), offset = block * file->bytes;
  char *bytes = (char *)panels->pairs;
  bool good = true;
  for (uint64_t done = 0; good && done < size;) {
    const uint64_t piece = size - done < PIECE ? size - done : PIECE;
    const off_t at = (off_t)(offset + done);
    const ssize_t moved =
        way == IN ? pread(file->file, bytes + done, piece, at) : pwrite(file->file, bytes + done, piece, at);
    good = moved > 0 || (moved < 0 && errno == EINTR);
    done += moved > 0 ? (uint64_t)moved : 0;
  }
  return good;
}

// What was read so far, at least once around, took longer than making it again would have.
static bool reads_too_slowly(const sht__feature_file *file) {
  return file->made > 0 && file->read >= file->blocks &&
         file->read_seconds / (double)file->read > file->made_seconds / (double)file->made;
}

bool sht__feature_file_read(sht__feature_file *file, uint64_t block, sht__panels *panels) {
  if (file == NULL || file->file < 0 || !file->held[block]) {
    return false;
  }
  const double start = sht__work_clock();
  const bool good = move(file, IN, block, panels);
  file->read_seconds += sht__work_clock() - start;
  file->read++;
  if (!good || reads_too_slowly(file)) {
    give_up(file);
  }
  return good;
}

void sht__feature_file_add(sht__feature_file *file, uint64_t block, const sht__panels *panels, double seconds) {
  if (file == NULL || file->file < 0) {
    return;
  }
  const double start = sht__work_clock();
  file->held[block] = move(file, OUT, block, panels);
  file->wrote_seconds += sht__work_clock() - start;
  file->made_seconds += seconds;
  file->made++;
  const bool slow = file->wrote_seconds > PATIENCE && file->wrote_seconds > file->made_seconds;
  if (!file->held[block] || slow) {
    give_up(file);
  }
}
