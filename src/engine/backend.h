// What a backend gives: one struct of functions. A plugin `shatter-engine-NAME.so` exports it as
// `const sht_backend sht_backend_NAME`; the reference is compiled in.
//
// Arguments reach a backend checked (engine.c): no NULL that the header does not allow, ranges inside the split, shapes
// equal to the graph's, labels below K. A backend checks only what it alone can know.
#ifndef SHT_ENGINE_BACKEND_H
#define SHT_ENGINE_BACKEND_H

#include "shatter/engine.h"

enum { SHT_BACKEND_VERSION = 3 };

typedef struct sht_backend {
  int version;       // SHT_BACKEND_VERSION
  const char *name;  // "cpu"
  // Leaves *out NULL on failure, with nothing allocated.
  sht_status (*open)(const sht_graph *graph, const sht_engine_options *options, sht_engine **out, sht_error *error);
  // The same as a member of a group. NULL: the backend has no groups, and an engine opened with one is alone.
  sht_status (*join)(sht_engine_group *group, const sht_graph *graph, const sht_engine_options *options,
                     sht_engine **out, sht_error *error);
  void (*close)(sht_engine *engine);
  sht_status (*train)(sht_engine *engine, const sht_pipeline *train, uint32_t epoch, uint64_t first, uint64_t count,
                      const sht_step_rates *rates, sht_step_metrics *metrics, uint64_t *done, sht_error *error);
  sht_status (*gradient)(sht_engine *engine, const sht_pipeline *data, const uint32_t *examples, uint32_t n,
                         sht_step_metrics *metrics, sht_error *error);
  sht_status (*evaluate)(sht_engine *engine, const sht_pipeline *data, uint64_t first, uint64_t count, float *logits,
                         float *losses, sht_error *error);
  sht_status (*get)(sht_engine *engine, sht_state state, float *values, uint64_t count, sht_error *error);
  sht_status (*put)(sht_engine *engine, sht_state state, const float *values, uint64_t count, sht_error *error);
  void (*describe)(const sht_engine *engine, sht_engine_info *info);
} sht_backend;

// First member of every backend's own engine struct. engine.c fills it after the backend's open; a backend that needs
// the graph earlier sets it itself.
struct sht_engine {
  const sht_backend *backend;
  void *plugin;             // handle of dlopen, closed by engine.c; NULL for the reference
  const sht_graph *graph;   // borrowed
  uint32_t batch;           // B
  uint64_t train_examples;  // examples in an epoch
};

// The reference (src/engine/ref).
extern const sht_backend sht__backend_ref;

// Finds and loads the backend `name`: *plugin is its handle, for dlclose. Errors: SHT_UNAVAILABLE, SHT_CONFIG.
sht_status sht__backend_load(const char *name, const char *plugin_dir, const sht_backend **backend, void **plugin,
                             sht_error *error);

#endif
