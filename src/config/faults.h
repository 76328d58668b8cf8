// Collects every fault of one file and tells them all in one message, each as
//   FILE:LINE:COLUMN: sentence
//       the source line
//           ^
//     advice
// in the order of the file. A fault that a block of a model repeats at each use is told once.
#ifndef SHT_CONFIG_FAULTS_H
#define SHT_CONFIG_FAULTS_H

#include <stddef.h>

#include "shatter/error.h"

enum { SHT__FAULTS_KEPT = 16, SHT__FAULT_TEXT = 320 };

// A place in a file, both from 1; line 0: the file as a whole.
typedef struct sht__place {
  int line;
  int column;  // in characters
} sht__place;

typedef struct sht__fault_row {
  sht__place at;
  size_t who_length;  // of the opening of `sentence` that names who is meant
  char sentence[SHT__FAULT_TEXT];
  char advice[SHT__FAULT_TEXT];
} sht__fault_row;

typedef struct sht__faults {
  const char *path;  // borrowed: how messages call the file
  const char *text;  // borrowed: its content, for the source lines; NULL: none
  int count;         // faults found; the first SHT__FAULTS_KEPT are kept
  sht__fault_row rows[SHT__FAULTS_KEPT];
} sht__faults;

void sht__faults_start(sht__faults *faults, const char *path, const char *text);

// who: opens the sentence (`layer "conv1"`), or NULL. advice: what to do, or NULL.
void sht__fault(sht__faults *faults, sht__place at, const char *who, const char *advice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

// SHT_OK when there are no faults; otherwise `status` with all of them.
sht_status sht__faults_end(sht__faults *faults, sht_status status, sht_error *error);

// `did you mean "kernel"?` when a candidate is near, else `known WHAT: a, b, c`. candidates: NULL-terminated.
// Returns out.
const char *sht__advise(char *out, size_t size, const char *what, const char *word, const char *const *candidates);

#endif
