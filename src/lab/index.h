// The SQLite index of a store: what was read from each run folder, and a stamp that tells whether it changed since.
// The folders are the truth. Losing the index, or failing to write it, costs time and nothing else.
#ifndef SHT_LAB_INDEX_H
#define SHT_LAB_INDEX_H

#include "shatter/lab.h"

typedef struct sht_index sht_index;

enum { SHT_STAMP_MAX = 256, SHT_RUN_NAME_MAX = 256 };

// A row: the run and the stamp of its folder's files.
typedef struct sht_row {
  char name[SHT_RUN_NAME_MAX];  // of the folder
  char stamp[SHT_STAMP_MAX];
  sht_run run;
} sht_row;

// Opens STORE/index.sqlite; a damaged one, or one of another version, is replaced by an empty one. NULL when there can
// be none (a store without write permission, say).
sht_index *sht__index_open(const char *store);
bool sht__index_exists(const char *store);
void sht__index_close(sht_index *index);  // NULL is allowed

// Shows all rows, one after the other (10,000 at once are 150 MB), in the order of strcmp of their names; a row is the
// visitor's until it returns. An index that cannot be read has none. `store`: the folders' parent, for run.folder.
// Errors: SHT_MEMORY.
typedef void (*sht__row_visitor)(void *context, const sht_row *row);
sht_status sht__index_visit(sht_index *index, const char *store, sht__row_visitor visit, void *context,
                            sht_error *error);

// Changes between begin and end become visible together. Failures are ignored: the next listing tries again.
void sht__index_begin(sht_index *index);
void sht__index_put(sht_index *index, const sht_row *row);
void sht__index_drop(sht_index *index, const char *name);
void sht__index_end(sht_index *index);

// Empties it.
void sht__index_clear(sht_index *index);

#endif
