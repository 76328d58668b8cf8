// Plugins: shared objects beside the library that bring what it is not linked with. Each exports one table, whose first
// member is the version of its interface.
#ifndef SHT_BASE_PLUGIN_H
#define SHT_BASE_PLUGIN_H

#include "shatter/error.h"

typedef struct sht__plugin_request {
  const char *what;     // in messages: "engine 'cpu'"
  const char *kind;     // "engine"
  const char *instead;  // what to do without it: "use the engine 'ref'"
  const char *file;     // "shatter-engine-cpu.so"
  const char *folder;   // looked into first; NULL: none. Then $SHATTER_PLUGINS, the library's folder, shatter/ below it
  const char *symbol;   // of the table: "sht_backend_cpu"
  int version;          // that the table must begin with
  int flags;            // of dlopen, beside RTLD_NOW
} sht__plugin_request;

// Finds, loads and checks: *table is borrowed from *handle (for dlclose; what was loaded stays mapped, since runtimes
// that plugins bring have threads that outlive it). Errors: SHT_UNAVAILABLE.
sht_status sht__plugin_load(const sht__plugin_request *request, const void **table, void **handle, sht_error *error);

#endif
