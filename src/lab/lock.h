// The lock of a run's folder: held while a process trains the run, and fallen when that process is gone, however it
// ended.
#ifndef SHT_LAB_LOCK_H
#define SHT_LAB_LOCK_H

#include "shatter/lab.h"

// Takes the folder's lock and writes this process's number into it. lock: the descriptor, to be closed also after a
// failure; -1: none. Errors: SHT_UNAVAILABLE when another process trains the run, SHT_DISK.
sht_status sht__lock_take(const char *folder, int *lock, sht_error *error);

// Whether nobody trains the run; its folder or its lock may be gone, or not ours to write. Errors: SHT_DISK when that
// cannot be told.
sht_status sht__lock_ask(const char *folder, bool *is_free, sht_error *error);

#endif
