// What a folder holds, in an order that is the same on every machine.
#ifndef SHT_DATA_ENTRIES_H
#define SHT_DATA_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/error.h"

typedef enum sht__entry_kind {
  SHT__ENTRY_FILE,  // a regular file
  SHT__ENTRY_FOLDER,
  SHT__ENTRY_OTHER,   // a pipe, a device
  SHT__ENTRY_BROKEN,  // a link that leads nowhere
} sht__entry_kind;

typedef struct sht__entry {
  char *name;  // owned; free()
  sht__entry_kind kind;
} sht__entry;

// Zero before use.
typedef struct sht__entries {
  sht__entry *items;  // [count] sorted by the bytes of their names
  uint64_t count;
  uint64_t room;
} sht__entries;

// All but hidden entries (".name"); links are followed. Close also after a failure. Errors: SHT_MISSING, SHT_DISK (no
// permission), SHT_MEMORY.
sht_status sht__entries_read(const char *folder, sht__entries *out, sht_error *error);
void sht__entries_close(sht__entries *entries);

// The entry of that name, or NULL.
const sht__entry *sht__entries_find(const sht__entries *entries, const char *name);

#endif
