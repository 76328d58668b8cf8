// The store: a folder of run folders, listed through the index. See shatter/lab.h.
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "lab/files.h"
#include "lab/index.h"
#include "lab/lock.h"

struct sht_store {
  char path[SHT_TEXT_MAX];
  sht_index *index;  // NULL: none can be had; folders are read each time
};

const char *sht_store_path(const sht_store *store) { return store->path; }

const char *sht__store_choose(const char *path) {
  const char *chosen = path;
  if (chosen == NULL || chosen[0] == '\0') {
    chosen = getenv("SHATTER_STORE");
  }
  return chosen == NULL || chosen[0] == '\0' ? "./shatter-runs" : chosen;
}

static sht_status open_folder(const char *path, bool indexed, sht_store **out, sht_error *error) {
  sht_store *store = NULL;
  if (strlen(path) >= sizeof store->path) {
    return SHT_FAIL(error, SHT_CONFIG, "%s: the path is too long", path);
  }
  SHT_TRY(SHT_ALLOC(&store, 1, "store", error));
  (void)snprintf(store->path, sizeof store->path, "%s", path);
  store->index = indexed ? sht__index_open(path) : NULL;
  *out = store;
  return SHT_OK;
}

sht_status sht_store_open(const char *path, sht_store **out, sht_error *error) {
  const char *chosen = sht__store_choose(path);
  *out = NULL;
  SHT_TRY(sht_folder_make(chosen, error));
  if (access(chosen, W_OK | X_OK) != 0) {
    return SHT_FAIL(error, SHT_DISK, "%s: the store cannot be written; choose another folder with --store", chosen);
  }
  return open_folder(chosen, true, out, error);
}

sht_status sht_store_open_readable(const char *path, sht_store **out, sht_error *error) {
  const char *chosen = sht__store_choose(path);
  *out = NULL;
  if (!sht_folder_exists(chosen)) {
    return SHT_FAIL(error, SHT_MISSING, "there is no store %s; give the folder of the runs with --store", chosen);
  }
  return open_folder(chosen, access(chosen, W_OK | X_OK) == 0 && sht__index_exists(chosen), out, error);
}

void sht_store_close(sht_store *store) {
  if (store != NULL) {
    sht__index_close(store->index);
    sht_free(store);
  }
}

// Names of the run folders in a store.
typedef struct sht_names {
  char **names;  // [count], sorted by strcmp
  size_t count, room;
} sht_names;

static void close_names(sht_names *names) {
  for (size_t i = 0; i < names->count; i++) {
    free(names->names[i]);
  }
  free((void *)names->names);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static sht_status add_name(sht_names *names, const char *name, sht_error *error) {
  if (names->count == names->room) {
    size_t room = 2 * names->room + 64;
    char **grown = realloc((void *)names->names, room * sizeof *grown);
    if (grown == NULL) {
      return SHT_FAIL(error, SHT_MEMORY, "no memory for the names of %zu runs", room);
    }
    names->names = grown;
    names->room = room;
  }
  names->names[names->count] = strdup(name);
  if (names->names[names->count] == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the names of the runs");
  }
  names->count++;
  return SHT_OK;
}

// A run folder is one that holds a config.yaml.
static bool is_run(DIR *folder, const struct dirent *entry) {
  char path[SHT_RUN_NAME_MAX + 16];
  struct stat info;
  if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)) {
    return false;
  }
  int written = snprintf(path, sizeof path, "%s/%s", entry->d_name, SHT_FILE_CONFIG);
  return written < (int)sizeof path && fstatat(dirfd(folder), path, &info, 0) == 0;
}

static sht_status read_names(const char *store, sht_names *names, sht_error *error) {
  DIR *folder = opendir(store);
  sht_status status = SHT_OK;
  if (folder == NULL) {
    return SHT_FAIL(error, SHT_DISK, "%s: the store cannot be read; check the folder's permissions", store);
  }
  for (struct dirent *entry = readdir(folder); entry != NULL && status == SHT_OK; entry = readdir(folder)) {
    if (is_run(folder, entry)) {
      status = add_name(names, entry->d_name, error);
    }
  }
  (void)closedir(folder);
  if (names->count > 0) {
    qsort((void *)names->names, names->count, sizeof *names->names, by_name);
  }
  return status;
}

// Inode, size and time of the files that a row is made of: it changes when one of them does.
static void make_stamp(const char *store, const char *name, char *out, size_t size) {
  static const char *const files[] = {SHT_FILE_CONFIG, SHT_FILE_RESULT, SHT_FILE_METRICS, SHT_FILE_ENV,
                                      SHT_FILE_TIMING};
  size_t at = 0;
  out[0] = '\0';
  for (size_t i = 0; i < sizeof files / sizeof files[0] && at < size; i++) {
    char path[SHT_LAB_PATH];
    struct stat info = {0};
    int written = snprintf(path, sizeof path, "%s/%s/%s", store, name, files[i]);
    bool there = written < (int)sizeof path && stat(path, &info) == 0;
    written = there ? snprintf(out + at, size - at, "%jx.%jx.%jx.%lx ", (uintmax_t)info.st_ino, (uintmax_t)info.st_size,
                               (uintmax_t)info.st_mtim.tv_sec, info.st_mtim.tv_nsec)
                    : snprintf(out + at, size - at, "- ");
    at += (size_t)written;
  }
}

// A run: the index's own row when nothing changed, else what is in the folder.
static void refresh(sht_store *store, const char *name, const sht_row *known, sht_run *run) {
  sht_row row = {0};
  char folder[SHT_LAB_PATH];
  make_stamp(store->path, name, row.stamp, sizeof row.stamp);
  if (known != NULL && strcmp(known->stamp, row.stamp) == 0) {
    *run = known->run;
    return;
  }
  (void)snprintf(folder, sizeof folder, "%s/%s", store->path, name);
  sht__run_read(folder, &row.run);
  (void)snprintf(row.name, sizeof row.name, "%s", name);
  sht__index_put(store->index, &row);
  *run = row.run;
}

// Walks names and known rows, both sorted, side by side. runs: [names->count].
static void merge(sht_store *store, const sht_names *names, const sht_row *known, uint64_t known_count, sht_run *runs) {
  uint64_t k = 0;
  for (size_t i = 0; i < names->count; i++) {
    int order = -1;
    while (k < known_count && (order = strcmp(known[k].name, names->names[i])) < 0) {
      sht__index_drop(store->index, known[k++].name);
    }
    bool match = k < known_count && order == 0;
    refresh(store, names->names[i], match ? &known[k] : NULL, &runs[i]);
    k += match;
  }
  while (k < known_count) {
    sht__index_drop(store->index, known[k++].name);
  }
}

// What is asked each time: a process that is gone changes no file. A run whose lock cannot be asked passes for running.
static void find_interrupted(sht_run *runs, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    bool is_free = false;
    runs[i].interrupted =
        !runs[i].complete && !runs[i].damaged && sht__lock_ask(runs[i].folder, &is_free, NULL) == SHT_OK && is_free;
  }
}

static int by_model(const void *a, const void *b) {
  const sht_run *left = *(sht_run *const *)a;
  const sht_run *right = *(sht_run *const *)b;
  int order = strcmp(left->model, right->model);
  return order != 0 ? order : strcmp(left->model_id, right->model_id);
}

// Puts the beginning of their identity behind the names of models that are not shipped; runs: [count] of one name.
static void mark_models(sht_run **runs, uint64_t count) {
  enum { DIGITS = 8 };
  if (strcmp(runs[0]->model_id, runs[count - 1]->model_id) == 0) {
    return;
  }
  for (uint64_t i = 0; i < count; i++) {
    size_t used = strlen(runs[i]->model);
    if (runs[i]->model_id[0] != '\0') {
      (void)snprintf(runs[i]->model + used, sizeof runs[i]->model - used, " (%.*s)", DIGITS, runs[i]->model_id);
    }
  }
}

// Tells different models of one name apart. sorted: scratch [count].
static void tell_models_apart(sht_run *runs, sht_run **sorted, uint64_t count) {
  uint64_t kept = 0;
  for (uint64_t i = 0; i < count; i++) {
    if (runs[i].model[0] != '\0') {
      sorted[kept++] = &runs[i];
    }
  }
  if (kept > 0) {
    qsort((void *)sorted, kept, sizeof *sorted, by_model);
  }
  for (uint64_t first = 0, next = 0; first < kept; first = next) {
    for (next = first; next < kept && strcmp(sorted[first]->model, sorted[next]->model) == 0;) {
      next++;
    }
    mark_models(&sorted[first], next - first);
  }
}

static int newest_first(const void *a, const void *b) {
  const sht_run *left = a;
  const sht_run *right = b;
  if (left->created != right->created) {
    return left->created > right->created ? -1 : 1;
  }
  return strcmp(left->folder, right->folder);
}

sht_status sht_store_list(sht_store *store, sht_run **runs, uint64_t *count, sht_error *error) {
  sht_names names = {0};
  sht_row *known = NULL;
  sht_run **sorted = NULL;
  uint64_t known_count = 0;
  *runs = NULL;
  *count = 0;
  sht_status status = read_names(store->path, &names, error);
  if (status == SHT_OK) {
    status = sht__index_load(store->index, store->path, &known, &known_count, error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(runs, names.count, "list of runs", error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&sorted, names.count, "list of models", error);
  }
  if (status == SHT_OK) {
    sht__index_begin(store->index);
    merge(store, &names, known, known_count, *runs);
    sht__index_end(store->index);
    *count = names.count;
    find_interrupted(*runs, *count);
    tell_models_apart(*runs, sorted, *count);
    qsort(*runs, *count, sizeof **runs, newest_first);
  }
  sht_free((void *)sorted);
  sht_free(known);
  close_names(&names);
  return status;
}

sht_status sht_store_rebuild(sht_store *store, sht_error *error) {
  sht_run *runs = NULL;
  uint64_t count = 0;
  sht__index_clear(store->index);
  SHT_TRY(sht_store_list(store, &runs, &count, error));
  sht_free(runs);
  return SHT_OK;
}
