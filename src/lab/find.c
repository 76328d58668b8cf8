// Finding one run by what a person types: see sht_store_find.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "lab/files.h"

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

static bool starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

// 2: this very run; 1: its name or identity begins so; 0: neither.
static int match(const sht_run *run, const char *name) {
  const char *own = base_name(run->folder);
  if (strcmp(own, name) == 0 || strcmp(run->folder, name) == 0) {
    return 2;
  }
  return starts_with(own, name) || (run->id[0] != '\0' && starts_with(run->id, name));
}

static sht_status fail_missing(const char *store, const sht_run *runs, uint64_t count, const char *name,
                               sht_error *error) {
  const char **names = NULL;
  if (count == 0) {
    return SHT_FAIL(error, SHT_MISSING, "%s: holds no runs yet; train one with shatter train", store);
  }
  SHT_TRY(SHT_ALLOC(&names, count + 1, "names of the runs", error));
  for (uint64_t i = 0; i < count; i++) {
    names[i] = base_name(runs[i].folder);
  }
  const char *nearest = sht_text_nearest(name, names);
  sht_status status =
      SHT_FAIL(error, SHT_MISSING, "%s: no run \"%s\"; %s %s", store, name,
               nearest != NULL ? "did you mean" : "the newest is", nearest != NULL ? nearest : names[0]);
  sht_free((void *)names);
  return status;
}

static sht_status fail_ambiguous(const sht_run *runs, uint64_t count, const char *name, sht_error *error) {
  enum { SHOWN = 5 };
  char list[SHT_TEXT_MAX * 2] = "";
  uint64_t found = 0;
  for (uint64_t i = 0; i < count; i++) {
    if (match(&runs[i], name) > 0 && found++ < SHOWN) {
      size_t at = strlen(list);
      (void)snprintf(list + at, sizeof list - at, "%s%.200s", at == 0 ? "" : ", ", base_name(runs[i].folder));
    }
  }
  return SHT_FAIL(error, SHT_USAGE, "\"%s\" is the beginning of %" PRIu64 " runs: %s%s; give more of the name", name,
                  found, list, found > SHOWN ? ", ..." : "");
}

static sht_status choose(const char *store, const sht_run *runs, uint64_t count, const char *name, sht_run *out,
                         sht_error *error) {
  const sht_run *best = NULL;
  int found = 0;
  if (strcmp(name, "last") == 0 && count > 0) {
    *out = runs[0];
    return SHT_OK;
  }
  for (uint64_t i = 0; i < count; i++) {
    int how = match(&runs[i], name);
    if (how == 2) {
      *out = runs[i];
      return SHT_OK;
    }
    best = how == 1 ? &runs[i] : best;
    found += how;
  }
  if (found == 1) {
    *out = *best;
    return SHT_OK;
  }
  return found == 0 ? fail_missing(store, runs, count, name, error) : fail_ambiguous(runs, count, name, error);
}

// The name without slashes at its end; of a path, its last part when its folder is the store.
static void clean_name(const char *store, const char *name, char *out, size_t size) {
  (void)snprintf(out, size, "%s", name);
  size_t length = strlen(out);
  while (length > 1 && out[length - 1] == '/') {
    out[--length] = '\0';
  }
  char *slash = strrchr(out, '/');
  if (slash == NULL || slash == out) {
    return;
  }
  *slash = '\0';
  char *parent = realpath(out, NULL);
  char *own = realpath(store, NULL);
  if (parent != NULL && own != NULL && strcmp(parent, own) == 0) {
    memmove(out, slash + 1, strlen(slash + 1) + 1);
  } else {
    *slash = '/';
  }
  free(parent);
  free(own);
}

sht_status sht_store_find(sht_store *store, const char *name, sht_run *out, sht_error *error) {
  char cleaned[SHT_LAB_PATH];
  sht_run *runs = NULL;
  uint64_t count = 0;
  if (name == NULL || name[0] == '\0') {
    return SHT_FAIL(error, SHT_USAGE, "no run is named; give a run's name or \"last\"");
  }
  clean_name(sht_store_path(store), name, cleaned, sizeof cleaned);
  SHT_TRY(sht_store_list(store, &runs, &count, error));
  sht_status status = choose(sht_store_path(store), runs, count, cleaned, out, error);
  sht_free(runs);
  return status;
}
