// Backends as plugins: where they are looked for, and what is checked before one is used.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "engine/backend.h"

enum { NAME_MAX_LENGTH = 15, PATH_SIZE = 4096, PLACES = 4 };

// The folders that may hold a plugin, in the order of preference; an empty text is no folder.
typedef struct places {
  char folder[PLACES][PATH_SIZE];
} places;

static bool name_is_sound(const char *name) {
  size_t length = strlen(name);
  return length >= 1 && length <= NAME_MAX_LENGTH && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

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

static void list_places(const char *plugin_dir, places *all) {
  const char *environment = getenv("SHATTER_PLUGINS");
  (void)snprintf(all->folder[0], PATH_SIZE, "%s", plugin_dir == NULL ? "" : plugin_dir);
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

// What to do where a plugin is not found.
static const char *advice_for(const char *name) {
  return strcmp(name, "cuda") == 0 ? "it is built where CUDA's compiler (nvcc) and cuDNN 9 are found: install them and "
                                     "build anew (docs/cuda.md), "
                                     "name its folder in SHATTER_PLUGINS, or use --device cpu"
                                   : "build or install it, name its folder in SHATTER_PLUGINS, or use the engine "
                                     "'ref', which is built in and "
                                     "slow";
}

static sht_status fail_not_found(const char *name, const char *file, const places *all, sht_error *error) {
  char tried[SHT_ERROR_MESSAGE_MAX / 2] = "";
  for (int i = 0; i < PLACES; i++) {
    size_t used = strlen(tried);
    if (all->folder[i][0] != '\0') {
      (void)snprintf(tried + used, sizeof tried - used, "%s%s", used == 0 ? "" : ", ", all->folder[i]);
    }
  }
  return SHT_FAIL(error, SHT_UNAVAILABLE, "engine '%s': its plugin %s is in none of these folders: %s; %s", name, file,
                  tried, advice_for(name));
}

// The backend that the loaded plugin exports, if it is one of ours and of our version.
static sht_status check_backend(void *plugin, const char *name, const char *path, const sht_backend **backend,
                                sht_error *error) {
  char symbol[NAME_MAX_LENGTH + sizeof "sht_backend_"];
  (void)snprintf(symbol, sizeof symbol, "sht_backend_%s", name);
  const sht_backend *found = dlsym(plugin, symbol);
  if (found == NULL) {
    return SHT_FAIL(error, SHT_UNAVAILABLE, "%s: exports no '%s', so it is no shatter engine; build it again", path,
                    symbol);
  }
  if (found->version != SHT_BACKEND_VERSION) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "%s: made for engine interface %d, this shatter has %d; build both from the same source", path,
                    found->version, (int)SHT_BACKEND_VERSION);
  }
  *backend = found;
  return SHT_OK;
}

sht_status sht__backend_load(const char *name, const char *plugin_dir, const sht_backend **backend, void **plugin,
                             sht_error *error) {
  char file[NAME_MAX_LENGTH + sizeof "shatter-engine-.so"];
  char path[PATH_SIZE];
  places all;
  *backend = NULL;
  *plugin = NULL;
  if (!name_is_sound(name)) {
    return SHT_FAIL(error, SHT_CONFIG, "engine '%.64s': expected a name such as 'cpu' or 'ref'", name);
  }
  (void)snprintf(file, sizeof file, "shatter-engine-%s.so", name);
  list_places(plugin_dir, &all);
  if (!find_file(&all, file, path)) {
    return fail_not_found(name, file, &all, error);
  }
  // Never unmapped: the OpenMP runtime that a plugin brings has threads that outlive dlclose.
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == NULL) {
    return SHT_FAIL(error, SHT_UNAVAILABLE,
                    "%s: cannot be loaded (%s); install what it needs, name its folder in LD_LIBRARY_PATH, or use the "
                    "engine 'ref'",
                    path, dlerror());
  }
  sht_status status = check_backend(handle, name, path, backend, error);
  if (status != SHT_OK) {
    dlclose(handle);
    return status;
  }
  *plugin = handle;
  return SHT_OK;
}
