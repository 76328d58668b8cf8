// What is saved of a solution on its way, so that it goes on after an end at any instant.
//
// In the folder: progress.json (written whole or not at all, after what it speaks of is on the disk), factor.tiles (the
// factor's columns of tiles as they become final, each with a checksum in progress.json), and, for streamed features,
// gram-0.tiles and gram-1.tiles in turns (the whole triangle of inner products after some blocks).
#ifndef SHT_KERNEL_SAVED_H
#define SHT_KERNEL_SAVED_H

#include <stdbool.h>

#include "dense/tiles.h"
#include "shatter/error.h"

typedef struct sht__saved {
  char folder[4096];
  char identity[65];     // of the problem: another one's progress is refused
  uint64_t count;        // N
  uint32_t *checksums;   // [N] of the factor's columns
  uint64_t columns;      // of the factor that are saved
  float smallest_pivot;  // of them; 1: none
  double jitter;         // that the factor has
  uint64_t gram_blocks;  // that the saved triangle holds; 0: none
  uint32_t gram_slot;    // which of the two files
  uint32_t gram_checksum;
  double gram_saved_at, gram_cost;  // seconds: when, and how long it took
} sht__saved;

// Makes the folder when absent, and reads its progress. Errors: SHT_CONFIG (the progress of another problem), SHT_DATA,
// SHT_DISK (no room for `need` bytes), SHT_MEMORY. Close in every case.
sht_status sht__saved_open(const char *folder, const char *identity, uint64_t count, uint64_t need, sht__saved *out,
                           sht_error *error);
void sht__saved_close(sht__saved *saved);

// Begins a factor with another jitter: no columns.
sht_status sht__saved_start(sht__saved *saved, double jitter, sht_error *error);
// Saves the columns first .. last-1 of the factor; smallest: pivot of all columns before `last`.
sht_status sht__saved_add_columns(sht__saved *saved, const sht__tiles *tiles, uint64_t first, uint64_t last,
                                  float smallest, sht_error *error);
// Reads the saved columns; saved->columns becomes the number of those that are sound.
sht_status sht__saved_load_columns(sht__saved *saved, sht__tiles *tiles, sht_error *error);

// Saves the triangle after `blocks` blocks when `last` or when more than `seconds` and twenty times the time that the
// last saving took have passed.
sht_status sht__saved_add_gram(sht__saved *saved, const sht__tiles *tiles, uint64_t blocks, bool last, double seconds,
                               sht_error *error);
// Reads the triangle; *sound false (and no blocks) when it is not what was written.
sht_status sht__saved_load_gram(sht__saved *saved, sht__tiles *tiles, bool *sound, sht_error *error);

// Takes all files away: the work is done.
void sht__saved_remove(sht__saved *saved);

#endif
