// The store: a folder of run folders, listed through the index. See shatter/lab.h.
#include <dirent.h>
#include <fcntl.h>
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

// Inode, size and time of the files that a row is made of: it changes when one of them does. store: the folder, opened.
static void make_stamp(int store, const char *name, char *out, size_t size) {
  static const char *const files[] = {SHT_FILE_CONFIG, SHT_FILE_RESULT, SHT_FILE_METRICS, SHT_FILE_ENV,
                                      SHT_FILE_TIMING};
  size_t at = 0;
  out[0] = '\0';
  for (size_t i = 0; i < sizeof files / sizeof files[0] && at < size; i++) {
    char path[SHT_LAB_PATH];
    struct stat info = {0};
    int written = snprintf(path, sizeof path, "%s/%s", name, files[i]);
    bool there = written < (int)sizeof path && fstatat(store, path, &info, 0) == 0;
    written = there ? snprintf(out + at, size - at, "%jx.%jx.%jx.%lx ", (uintmax_t)info.st_ino, (uintmax_t)info.st_size,
                               (uintmax_t)info.st_mtim.tv_sec, info.st_mtim.tv_nsec)
                    : snprintf(out + at, size - at, "- ");
    at += (size_t)written;
  }
}

// A listing on its way.
typedef struct listing {
  sht_names names;   // of the folders
  int folder;        // the store's, opened
  sht_run *runs;     // [names.count]
  bool *known;       // [names.count] that the index had, unchanged
  sht_run **sorted;  // [names.count] scratch
  size_t next;       // name that the next row may be of
  sht_names gone;    // rows without a folder
  sht_status status;
  sht_error *error;
} listing;

// Takes a row whose folder has not changed since.
static void take_row(void *context, const sht_row *row) {
  listing *all = context;
  char stamp[SHT_STAMP_MAX];
  int order = 1;
  while (all->next < all->names.count && (order = strcmp(all->names.names[all->next], row->name)) < 0) {
    all->next++;
  }
  if (all->next == all->names.count || order != 0) {
    all->status = all->status == SHT_OK ? add_name(&all->gone, row->name, all->error) : all->status;
    return;
  }
  make_stamp(all->folder, row->name, stamp, sizeof stamp);
  if (strcmp(row->stamp, stamp) == 0) {
    all->runs[all->next] = row->run;
    all->known[all->next] = true;
  }
  all->next++;
}

// Reads a run from its folder, for the index as well.
static void read_run(sht_store *store, int folder, const char *name, sht_run *run) {
  sht_row row = {0};
  char path[SHT_LAB_PATH];
  make_stamp(folder, name, row.stamp, sizeof row.stamp);
  (void)snprintf(path, sizeof path, "%s/%s", store->path, name);
  sht__run_read(path, &row.run);
  (void)snprintf(row.name, sizeof row.name, "%s", name);
  sht__index_put(store->index, &row);
  *run = row.run;
}

// Brings the index up to the folders.
static void update(sht_store *store, const listing *all) {
  sht__index_begin(store->index);
  for (size_t i = 0; i < all->gone.count; i++) {
    sht__index_drop(store->index, all->gone.names[i]);
  }
  for (size_t i = 0; i < all->names.count; i++) {
    if (!all->known[i]) {
      read_run(store, all->folder, all->names.names[i], &all->runs[i]);
    }
  }
  sht__index_end(store->index);
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

static sht_status list(sht_store *store, listing *all, sht_error *error) {
  SHT_TRY(read_names(store->path, &all->names, error));
  SHT_TRY(SHT_ALLOC(&all->runs, all->names.count, "list of runs", error));
  SHT_TRY(SHT_ALLOC(&all->known, all->names.count, "list of runs", error));
  SHT_TRY(SHT_ALLOC(&all->sorted, all->names.count, "list of models", error));
  SHT_TRY(sht__index_visit(store->index, store->path, take_row, all, error));
  SHT_TRY(all->status);
  update(store, all);
  find_interrupted(all->runs, all->names.count);
  tell_models_apart(all->runs, all->sorted, all->names.count);
  if (all->names.count > 0) {
    qsort(all->runs, all->names.count, sizeof *all->runs, newest_first);
  }
  return SHT_OK;
}

sht_status sht_store_list(sht_store *store, sht_run **runs, uint64_t *count, sht_error *error) {
  listing all = {.folder = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .error = error};
  *runs = NULL;
  *count = 0;
  sht_status status = list(store, &all, error);
  if (status == SHT_OK) {
    *runs = all.runs;
    *count = all.names.count;
  } else {
    sht_free(all.runs);
  }
  if (all.folder >= 0) {
    (void)close(all.folder);
  }
  sht_free(all.known);
  close_names(&all.names);
  close_names(&all.gone);
  sht_free((void *)all.sorted);
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
