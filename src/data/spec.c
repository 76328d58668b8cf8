// Telling a known set from a folder, and a folder from its side: see spec.h.
#include "data/spec.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

bool sht__spec_is_known(const char *spec) {
  return strncmp(spec, "shapes:", 7) == 0 || sht_known_data_find(spec) != NULL;
}

static sht_status fail_spec(const char *spec, sht_error *error) {
  static const char *const names[] = {"cifar10", "cifar100", "mnist", "shapes", NULL};
  if (sht_file_exists(spec)) {
    return SHT_FAIL(error, SHT_DATA, "%s: is a file; give the folder that holds the files of the set", spec);
  }
  const char *nearest = sht_text_nearest(spec, names);
  return SHT_FAIL(
      error, SHT_MISSING,
      "\"%s\": no data set of that name and no such folder; known are cifar10, cifar100, mnist, shapes%s%s%s", spec,
      nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
}

// 0 when the text is not a number from 1 to SHT_SIDE_MAX.
static uint32_t side_of(const char *text) {
  for (const char *c = text; *c != '\0'; c++) {
    if (isdigit((unsigned char)*c) == 0) {
      return 0;
    }
  }
  unsigned long long side = strtoull(text, NULL, 10);  // the largest one when it overflows
  return side <= SHT_SIDE_MAX ? (uint32_t)side : 0;
}

sht_status sht__folder_spec_read(const char *spec, sht__folder_spec *out, sht_error *error) {
  const size_t length = strlen(spec);
  if (length >= sizeof out->folder) {
    return SHT_FAIL(error, SHT_CONFIG, "%.200s...: the path is too long; move the folder", spec);
  }
  memcpy(out->folder, spec, length + 1);
  out->side = 0;
  if (sht_folder_exists(spec)) {
    return SHT_OK;
  }
  char *colon = strrchr(out->folder, ':');
  if (colon == NULL) {
    return fail_spec(spec, error);
  }
  *colon = '\0';
  if (!sht_folder_exists(out->folder)) {
    return fail_spec(spec, error);
  }
  out->side = side_of(colon + 1);
  if (out->side == 0) {
    return SHT_FAIL(
        error, SHT_CONFIG,
        "\"%s\": expected the folder alone, or with the side that its pictures are scaled to, from 1 to %d, "
        "such as %s:32",
        spec, SHT_SIDE_MAX, out->folder);
  }
  return SHT_OK;
}

void sht__folder_spec_name(const sht__folder_spec *spec, char *out, size_t size) {
  char side[16] = "";
  if (spec->side != 0) {
    (void)snprintf(side, sizeof side, ":%u", spec->side);
  }
  size_t end = strlen(spec->folder);
  while (end > 1 && spec->folder[end - 1] == '/') {
    end--;
  }
  size_t start = end;
  while (start > 0 && spec->folder[start - 1] != '/') {
    start--;
  }
  const size_t room = size - 1 - strlen(side);
  const size_t length = end - start < room ? end - start : room;
  (void)snprintf(out, size, "%.*s%s", (int)length, spec->folder + start, side);
}
