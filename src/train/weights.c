// The weights of a session as a file and as a hash: see session.h.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "train/safetensors.h"
#include "train/session.h"

static sht_status get_state(sht_session *session, sht_state state, uint64_t count, float **out, sht_error *error) {
  SHT_TRY(SHT_ALLOC(out, count, "weights", error));
  return count == 0 ? SHT_OK : sht_engine_get(session->engine, state, *out, count, error);
}

sht_status sht__session_hash_weights(sht_session *session, char hex[65], sht_error *error) {
  float *values = NULL;
  uint64_t count = session->graph->parameter_count;
  sht_status status = get_state(session, SHT_STATE_PARAMETERS, count, &values, error);
  if (status == SHT_OK) {
    status = sht_hash_bytes(values, count * sizeof *values, hex, error);
  }
  sht_free(values);
  return status;
}

static void name_parameter(const sht_parameter *parameter, const float *values, sht_tensor *tensor) {
  (void)snprintf(tensor->name, sizeof tensor->name, "%s", parameter->name);
  tensor->dtype = SHT_DTYPE_F32;
  tensor->rank = parameter->rank;
  for (int i = 0; i < parameter->rank; i++) {
    tensor->dims[i] = parameter->dims[i];
  }
  tensor->bytes = values + parameter->offset;
  tensor->size = parameter->count * sizeof *values;
}

static void name_statistic(const sht_node *node, const char *what, const float *values, sht_tensor *tensor) {
  (void)snprintf(tensor->name, sizeof tensor->name, "%s.%s", node->name, what);
  tensor->dtype = SHT_DTYPE_F32;
  tensor->rank = 1;
  tensor->dims[0] = node->out.channels;
  tensor->bytes = values;
  tensor->size = node->out.channels * sizeof *values;
}

// One tensor a parameter in the graph's order, then the running mean and variance of each batch normalisation.
// tensors: [parameter_tensors + 2 * node_count]. Returns their number.
static int name_tensors(const sht_graph *graph, const float *parameters, const float *statistics, sht_tensor *tensors) {
  int count = 0;
  for (int i = 0; i < graph->parameter_tensors; i++) {
    name_parameter(&graph->parameters[i], parameters, &tensors[count++]);
  }
  for (int i = 0; i < graph->node_count; i++) {
    const sht_node *node = &graph->nodes[i];
    if (node->statistics >= 0) {
      const float *mean = statistics + node->statistics;
      name_statistic(node, "running_mean", mean, &tensors[count++]);
      name_statistic(node, "running_var", mean + node->out.channels, &tensors[count++]);
    }
  }
  return count;
}

sht_status sht__session_write_weights(sht_session *session, const char *path, sht_error *error) {
  const sht_graph *graph = session->graph;
  float *parameters = NULL;
  float *statistics = NULL;
  sht_tensor *tensors = NULL;
  int most = graph->parameter_tensors + 2 * graph->node_count;
  sht_status status = get_state(session, SHT_STATE_PARAMETERS, graph->parameter_count, &parameters, error);
  if (status == SHT_OK) {
    status = get_state(session, SHT_STATE_STATISTICS, graph->statistic_count, &statistics, error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&tensors, most, "list of tensors", error);
  }
  if (status == SHT_OK) {
    const sht_metadata metadata[] = {
        {"format", "pt"}, {"producer", "shatter"}, {"model", graph->name}, {"run", session->identity}};
    int count = name_tensors(graph, parameters, statistics, tensors);
    status = sht_safetensors_write(path, tensors, count, metadata, 4, error);
  }
  sht_free(tensors);
  sht_free(statistics);
  sht_free(parameters);
  return status;
}

// Copies each tensor that the graph names out of the file. tensors: [count], named; their bytes are written to.
static sht_status find_tensors(const sht_graph *graph, const sht_safetensors *file, const sht_tensor *tensors,
                               int count, sht_error *error) {
  for (int i = 0; i < count; i++) {
    const sht_tensor *found = NULL;
    sht_error why = {.message = ""};
    if (sht_safetensors_find(file, tensors[i].name, SHT_DTYPE_F32, tensors[i].size / sizeof(float), &found, &why) !=
        SHT_OK) {
      return SHT_FAIL(error, SHT_DATA, "%.*s: these are not weights of the model %s", SHT_TEXT_MAX * 2, why.message,
                      graph->name);
    }
    memcpy((void *)tensors[i].bytes, found->bytes, tensors[i].size);
  }
  return SHT_OK;
}

static sht_status put_tensors(sht_session *session, const sht_safetensors *file, float *parameters, float *statistics,
                              sht_error *error) {
  const sht_graph *graph = session->graph;
  sht_tensor *tensors = NULL;
  SHT_TRY(SHT_ALLOC(&tensors, graph->parameter_tensors + 2 * graph->node_count, "list of tensors", error));
  const int count = name_tensors(graph, parameters, statistics, tensors);
  sht_status status = find_tensors(graph, file, tensors, count, error);
  sht_free(tensors);
  SHT_TRY(status);
  SHT_TRY(sht_engine_put(session->engine, SHT_STATE_PARAMETERS, parameters, graph->parameter_count, error));
  return graph->statistic_count == 0
             ? SHT_OK
             : sht_engine_put(session->engine, SHT_STATE_STATISTICS, statistics, graph->statistic_count, error);
}

sht_status sht__session_read_weights(sht_session *session, const char *path, sht_error *error) {
  const sht_graph *graph = session->graph;
  sht_safetensors *file = NULL;
  float *values = NULL;
  SHT_TRY(sht_safetensors_open(path, &file, error));
  sht_status status = SHT_ALLOC(&values, graph->parameter_count + graph->statistic_count, "weights", error);
  if (status == SHT_OK) {
    status = put_tensors(session, file, values, values + graph->parameter_count, error);
  }
  sht_free(values);
  sht_safetensors_close(file);
  return status;
}
