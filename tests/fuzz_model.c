// Fuzz target: any bytes as a model file. What opens is consistent; a small one can be initialised.
#include <stdlib.h>

#include "model/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const sht_graph *graph) {
  uint64_t end = 0;
  for (int i = 0; i < graph->parameter_tensors; i++) {
    if (graph->parameters[i].offset != end) {
      abort();
    }
    end += graph->parameters[i].count;
  }
  const sht_node *last = &graph->nodes[graph->node_count - 1];
  if (end != graph->parameter_count || last->out.channels != graph->classes || graph->macs == 0) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const sht_graph_options options = {.input = {3, 28, 28}, .classes = 10};
  sht_graph *graph = NULL;
  sht_error error;
  if (sht__graph_read("fuzz.yaml", "fuzz", (const char *)bytes, size, &options, &graph, &error) != SHT_OK) {
    return 0;
  }
  check(graph);
  if (graph->parameter_count < 100000) {
    float *values = malloc((graph->parameter_count + 1) * sizeof *values);
    float *statistics = malloc((graph->statistic_count + 1) * sizeof *statistics);
    if (values != NULL && statistics != NULL) {
      sht_graph_initialize(graph, 1, values);
      sht_graph_initialize_statistics(graph, statistics);
    }
    free(values);
    free(statistics);
  }
  sht_graph_close(graph);
  return 0;
}
