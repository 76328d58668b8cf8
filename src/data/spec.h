// What a text of --data names: a known set, or a folder as "FOLDER" or "FOLDER:SIDE" (pictures scaled to SIDE).
#ifndef SHT_DATA_SPEC_H
#define SHT_DATA_SPEC_H

#include <stdbool.h>

#include "data/dataset.h"

typedef struct sht__folder_spec {
  char folder[SHT_PATH_MAX];  // as written, without ":SIDE"
  uint32_t side;              // 1 .. SHT_SIDE_MAX; 0: none was given
} sht__folder_spec;

// Reads the spec of a set that is not known by name. A folder that exists by the whole text is that folder, also when
// its own name ends in ":32". Errors: SHT_MISSING (no such folder), SHT_CONFIG (a SIDE that is none), SHT_DATA (a
// file).
sht_status sht__folder_spec_read(const char *spec, sht__folder_spec *out, sht_error *error);

// Whether the spec is "shapes", "shapes:..." or another known name: those come before folders of the same name.
bool sht__spec_is_known(const char *spec);

// What people and run folders call the set: the last part of the folder's path, and ":SIDE" where one was given. out:
// [size].
void sht__folder_spec_name(const sht__folder_spec *spec, char *out, size_t size);

#endif
