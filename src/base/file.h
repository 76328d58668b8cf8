// Files: read whole with a size limit, write so that a reader sees the old or the new file and never half of one.
#ifndef SHT_BASE_FILE_H
#define SHT_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shatter/error.h"

// Size in bytes of a regular file. Errors: SHT_MISSING, SHT_DATA (a folder, say), SHT_DISK.
sht_status sht_file_size(const char *path, uint64_t *size, sht_error *error);
bool sht_file_exists(const char *path);
bool sht_folder_exists(const char *path);

// The whole file, NUL-terminated after its last byte; free with sht_free. SHT_DATA when longer than `limit`.
sht_status sht_file_read(const char *path, uint64_t limit, char **out, uint64_t *size, sht_error *error);

// Writes path.tmp.PID, syncs it, renames it to path, syncs the folder. On failure the old file stands and the temporary
// one is gone. Through a link the file that it leads to is replaced; into a device or a pipe the bytes are written as
// they are. Errors: SHT_DISK with the bytes that were needed.
sht_status sht_file_write(const char *path, const void *bytes, uint64_t size, sht_error *error);

// Appends in one write() (O_APPEND).
sht_status sht_file_append(const char *path, const void *bytes, uint64_t size, sht_error *error);

// mkdir -p.
sht_status sht_folder_make(const char *path, sht_error *error);

// Joins folder and name into out [size]; SHT_CONFIG when too long.
sht_status sht_path_join(char *out, size_t size, const char *folder, const char *name, sht_error *error);

#endif
