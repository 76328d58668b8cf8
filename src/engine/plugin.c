// Backends as plugins: how one is named, and what it must export.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/plugin.h"
#include "engine/backend.h"

enum { NAME_MAX_LENGTH = 15 };

static bool name_is_sound(const char *name) {
  size_t length = strlen(name);
  return length >= 1 && length <= NAME_MAX_LENGTH && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static const char *instead_of(const char *name) {
  return strcmp(name, "cuda") == 0
             ? "use --device cpu; the cuda engine is built where CUDA's compiler (nvcc) and cuDNN 9 "
               "are found (docs/cuda.md)"
             : "use the engine 'ref', which is built in and slow";
}

sht_status sht__backend_load(const char *name, const char *plugin_dir, const sht_backend **backend, void **plugin,
                             sht_error *error) {
  char file[NAME_MAX_LENGTH + sizeof "shatter-engine-.so"];
  char symbol[NAME_MAX_LENGTH + sizeof "sht_backend_"];
  char what[NAME_MAX_LENGTH + sizeof "engine ''"];
  const void *table = NULL;
  *backend = NULL;
  *plugin = NULL;
  if (!name_is_sound(name)) {
    return SHT_FAIL(error, SHT_CONFIG, "engine '%.64s': expected a name such as 'cpu' or 'ref'", name);
  }
  (void)snprintf(file, sizeof file, "shatter-engine-%s.so", name);
  (void)snprintf(symbol, sizeof symbol, "sht_backend_%s", name);
  (void)snprintf(what, sizeof what, "engine '%s'", name);
  const sht__plugin_request request = {.what = what,
                                       .kind = "engine",
                                       .instead = instead_of(name),
                                       .file = file,
                                       .folder = plugin_dir,
                                       .symbol = symbol,
                                       .version = SHT_BACKEND_VERSION,
                                       .flags = RTLD_LOCAL};
  SHT_TRY(sht__plugin_load(&request, &table, plugin, error));
  *backend = table;
  return SHT_OK;
}
