// Text for people and their shells: suggestions for mistyped names, numbers with units, quoted words.
#ifndef SHT_BASE_TEXT_H
#define SHT_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// The nearest of the candidates (NULL-terminated) by edit distance with transpositions, or NULL when none is near
// (more than a third of the length away).
const char *sht_text_nearest(const char *word, const char *const *candidates);

// "1,649,402" / "1.5 GB" / "2 h 05 min" / into out; returns out.
char *sht_text_count(uint64_t count, char *out, size_t size);
char *sht_text_bytes(uint64_t bytes, char *out, size_t size);
char *sht_text_duration(double seconds, char *out, size_t size);

// A word for a POSIX shell: as it is when it holds nothing special, else in single quotes.
void sht_text_shell(FILE *out, const char *word);

#endif
