// Dropout asked for from outside the model's file: see sht_graph_options in shatter/model.h.
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/build.h"

// Sets the probability of the layers that are there; how many.
static int set_layers(sht_graph *graph, float probability) {
  int count = 0;
  for (int i = 0; i < graph->node_count; i++) {
    if (graph->nodes[i].op == SHT_OP_DROPOUT) {
      graph->dropout_set = graph->dropout_set || graph->nodes[i].dropout != probability;
      graph->nodes[i].dropout = probability;
      count++;
    }
  }
  return count;
}

static bool wants_dropout(const sht_graph *graph, const sht_node *node) {
  return node->op == SHT_OP_LINEAR && graph->nodes[node->inputs[0]].op != SHT_OP_INPUT;
}

static sht_node dropout_before(const sht_graph *graph, const sht_node *linear, int input, float probability) {
  sht_node node = {.op = SHT_OP_DROPOUT,
                   .inputs = {input},
                   .input_count = 1,
                   .out = graph->nodes[linear->inputs[0]].out,
                   .dropout = probability,
                   .weight = -1,
                   .bias = -1,
                   .statistics = -1,
                   .line = linear->line};
  (void)snprintf(node.name, sizeof node.name, "%.*s-dropout", (int)(sizeof node.name - sizeof "-dropout"),
                 linear->name);
  return node;
}

// Copies the nodes with the new ones between them. places: [node_count], where each old node comes to stand.
static int insert_layers(const sht_graph *graph, float probability, sht_node *nodes, int *places) {
  int count = 0;
  for (int i = 0; i < graph->node_count; i++) {
    sht_node node = graph->nodes[i];
    for (int k = 0; k < node.input_count; k++) {
      node.inputs[k] = places[node.inputs[k]];
    }
    if (wants_dropout(graph, &graph->nodes[i])) {
      nodes[count] = dropout_before(graph, &graph->nodes[i], node.inputs[0], probability);
      node.inputs[0] = count++;
    }
    places[i] = count;
    nodes[count++] = node;
  }
  return count;
}

sht_status sht__graph_set_dropout(sht_graph *graph, double probability, sht_error *error) {
  sht_node *nodes = NULL;
  int *places = NULL;
  if (set_layers(graph, (float)probability) > 0 || probability == 0) {
    return SHT_OK;
  }
  sht_status status = SHT_ALLOC(&nodes, 2 * (uint64_t)graph->node_count, "layers", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&places, graph->node_count, "layers", error);
  }
  if (status == SHT_OK) {
    int before = graph->node_count;
    graph->node_count = insert_layers(graph, (float)probability, nodes, places);
    graph->dropout_set = graph->node_count > before;
    for (int i = 0; i < graph->parameter_tensors; i++) {
      graph->parameters[i].node = places[graph->parameters[i].node];
    }
    sht_free(graph->nodes);
    graph->nodes = nodes;
    nodes = NULL;
  }
  sht_free(nodes);
  sht_free(places);
  return status;
}
