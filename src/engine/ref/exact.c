// The reference engine's numbers in double, past the float interface: for checks that float is too coarse for.
#include <string.h>

#include "engine/ref/ref.h"

void sht__ref_put_doubles(sht_engine *engine, const double *parameters) {
  sht__ref *ref = (sht__ref *)engine;
  memcpy(ref->parameters, parameters, engine->graph->parameter_count * sizeof *parameters);
}

void sht__ref_apply(sht_engine *engine, const double *x, uint32_t n, double *y) {
  sht__ref *ref = (sht__ref *)engine;
  ref->batch.n = n;
  ref->batch.training = false;
  memcpy(ref->layers[0].y, x, sht__ref_size(&ref->layers[0]) * sizeof *x);
  sht__ref_forward(ref);
  const sht__ref_layer *last = &ref->layers[engine->graph->node_count - 1];
  memcpy(y, last->y, sht__ref_size(last) * sizeof *y);
}
