// What a backend gives: one struct of functions, exported by its plugin as `sht_backend`.
// An engine's state begins with struct sht_engine, so that the functions of engine.c can dispatch.
#ifndef SHT_ENGINE_BACKEND_H
#define SHT_ENGINE_BACKEND_H

#include "shatter/engine.h"

enum { SHT_BACKEND_VERSION = 1 };

typedef struct sht_backend {
  int version;       // SHT_BACKEND_VERSION
  const char *name;  // "cpu"
  sht_status (*open)(const sht_graph *graph, const sht_engine_options *options, sht_engine **out, sht_error *error);
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

// First member of every backend's own engine struct.
struct sht_engine {
  const sht_backend *backend;
  void *plugin;            // handle of dlopen, closed by engine.c
  const sht_graph *graph;  // borrowed
};

#endif
