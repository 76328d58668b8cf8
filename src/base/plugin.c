// Where plugins are looked for, and what is checked before one is used: see plugin.h.
#include "base/plugin.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { PATH_SIZE = 4096, PLACES = 4 };

// The folders that may hold a plugin, in the order of preference; an empty text is no folder.
typedef struct places {
  char folder[PLACES][PATH_SIZE];
} places;

// The folder of the library (or of the program that it is linked into).
static void own_folder(char out[PATH_SIZE]) {
  Dl_info info;
  out[0] = '\0';
  if (dladdr((const void *)own_folder, &info) == 0 || info.dli_fname == NULL) {
    return;
  }
  const char *slash = strrchr(info.dli_fname, '/');
  if (slash != NULL) {
    (void)snprintf(out, PATH_SIZE, "%.*s", (int)(slash - info.dli_fname), info.dli_fname);
  }
}

static void list_places(const char *folder, places *all) {
  const char *environment = getenv("SHATTER_PLUGINS");
  (void)snprintf(all->folder[0], PATH_SIZE, "%s", folder == NULL ? "" : folder);
  (void)snprintf(all->folder[1], PATH_SIZE, "%s", environment == NULL ? "" : environment);
  own_folder(all->folder[2]);
  all->folder[3][0] = '\0';
  if (all->folder[2][0] != '\0') {
    // Installed, the library lies in LIBDIR and its plugins in LIBDIR/shatter.
    (void)sht_path_join(all->folder[3], PATH_SIZE, all->folder[2], "shatter", NULL);
  }
}

// The first folder that holds the file: its path in `path`.
static bool find_file(const places *all, const char *file, char path[PATH_SIZE]) {
  for (int i = 0; i < PLACES; i++) {
    if (all->folder[i][0] != '\0' && sht_path_join(path, PATH_SIZE, all->folder[i], file, NULL) == SHT_OK &&
        sht_file_exists(path)) {
      return true;
    }
  }
  return false;
}

static sht_status fail_not_found(const sht__plugin_request *request, const places *all, sht_error *error) {
  char tried[SHT_ERROR_MESSAGE_MAX / 2] = "";
  for (int i = 0; i < PLACES; i++) {
    size_t used = strlen(tried);
    if (all->folder[i][0] != '\0') {
      (void)snprintf(tried + used, sizeof tried - used, "%s%s", used == 0 ? "" : ", ", all->folder[i]);
    }
  }
  return SHT_FAIL(error, SHT_UNAVAILABLE,
                  "%s: the plugin %s is in none of these folders: %s; build or install it, name its folder in "
                  "SHATTER_PLUGINS, or %s",
                  request->what, request->file, tried, request->instead);
}

// The table that the loaded plugin exports, if it is one of ours and of our version.
static sht_status check_table(void *handle, const sht__plugin_request *request, const char *path, const void **table,
                              sht_error *error) {
  const int *found = dlsym(handle, request->symbol);
  if (found == NULL) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: exports no '%s', so it is no shatter %s; build it again", path,
                    request->symbol, request->kind);
  }
  if (*found != request->version) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "%s: made for %s interface %d, this shatter has %d; build both from the same source", path,
                    request->kind, *found, request->version);
  }
  *table = found;
  return SHT_OK;
}

sht_status sht__plugin_load(const sht__plugin_request *request, const void **table, void **handle, sht_error *error) {
  char path[PATH_SIZE];
  places all;
  *table = NULL;
  *handle = NULL;
  list_places(request->folder, &all);
  if (!find_file(&all, request->file, path)) {
    return fail_not_found(request, &all, error);
  }
  void *loaded = dlopen(path, RTLD_NOW | RTLD_NODELETE | request->flags);
  if (loaded == NULL) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "%s: cannot be loaded (%s); install what it needs, name its folder in LD_LIBRARY_PATH, or %s", path,
                    dlerror(), request->instead);
  }
  sht_status status = check_table(loaded, request, path, table, error);
  if (status != SHT_OK) {
    dlclose(loaded);
    return status;
  }
  *handle = loaded;
  return SHT_OK;
}
