// Text for people: see text.h.
#include "base/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { WORD_MAX = 63 };

static int min3(int a, int b, int c) {
  int least = a < b ? a : b;
  return least < c ? least : c;
}

// Edit distance in which swapping two neighbours counts as one (optimal string alignment).
static int edit_distance(const char *a, const char *b) {
  int n = (int)strlen(a);
  int m = (int)strlen(b);
  int rows[WORD_MAX + 1][WORD_MAX + 1];
  for (int i = 0; i <= n; i++) {
    for (int j = 0; j <= m; j++) {
      if (i == 0 || j == 0) {
        rows[i][j] = i + j;
        continue;
      }
      int change = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      rows[i][j] = min3(change, rows[i - 1][j] + 1, rows[i][j - 1] + 1);
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && rows[i - 2][j - 2] + 1 < rows[i][j]) {
        rows[i][j] = rows[i - 2][j - 2] + 1;
      }
    }
  }
  return rows[n][m];
}

const char *sht_text_nearest(const char *word, const char *const *candidates) {
  size_t length = strlen(word);
  if (length > WORD_MAX) {
    return NULL;
  }
  const char *nearest = NULL;
  int least = (int)(length / 3) + 1;
  for (; *candidates != NULL; candidates++) {
    if (strlen(*candidates) > WORD_MAX) {
      continue;
    }
    int distance = edit_distance(word, *candidates);
    if (distance < least || (nearest == NULL && distance == least)) {
      least = distance;
      nearest = *candidates;
    }
  }
  return nearest;
}

char *sht_text_count(uint64_t count, char *out, size_t size) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
  size_t at = 0;
  for (int i = 0; i < length && at + 2 < size; i++) {
    if (i > 0 && (length - i) % 3 == 0) {
      out[at++] = ',';
    }
    out[at++] = digits[i];
  }
  out[at < size ? at : size - 1] = '\0';
  return out;
}

char *sht_text_bytes(uint64_t bytes, char *out, size_t size) {
  static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
  double value = (double)bytes;
  int unit = 0;
  while (value >= 999.5 && unit < 6) {
    value /= 1000;
    unit++;
  }
  (void)snprintf(out, size, unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return out;
}

char *sht_text_duration(double seconds, char *out, size_t size) {
  if (!(seconds < 1e9)) {
    (void)snprintf(out, size, "unknown");
  } else if (seconds < 1) {
    (void)snprintf(out, size, "%.0f ms", seconds * 1000);
  } else if (seconds < 9.95) {
    (void)snprintf(out, size, "%.1f s", seconds);
  } else if (seconds < 60) {
    (void)snprintf(out, size, "%.0f s", seconds);
  } else if (seconds < 3600) {
    (void)snprintf(out, size, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
  } else {
    (void)snprintf(out, size, "%d h %02d min", (int)(seconds / 3600), (int)(seconds / 60) % 60);
  }
  return out;
}

void sht_text_shell(FILE *out, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,+=@%";
  if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
    (void)fputs(word, out);
    return;
  }
  (void)fputc('\'', out);
  for (; *word != '\0'; word++) {
    (void)fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
  }
  (void)fputc('\'', out);
}
