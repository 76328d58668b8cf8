// What only the whole graph shows: layers that nothing reads, the output's shape, multiply-adds. See build.h.
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "model/build.h"

static void fault_at_node(sht__builder *builder, int node, const char *advice, const char *what) {
  char who[SHT__WHO_SIZE];
  (void)snprintf(who, sizeof who, "layer \"%s\"", builder->graph->nodes[node].name);
  sht__fault(builder->faults, builder->places[node], who, advice, "%s", what);
}

static void check_unread(sht__builder *builder, bool *read) {
  const sht_graph *graph = builder->graph;
  for (int i = 0; i < graph->node_count; i++) {
    for (int j = 0; j < graph->nodes[i].input_count; j++) {
      read[graph->nodes[i].inputs[j]] = true;
    }
  }
  for (int i = 1; i < graph->node_count - 1; i++) {
    if (!read[i]) {
      fault_at_node(builder, i, "read it with from: or remove it", "no layer reads its output");
    }
  }
}

static void check_unused_blocks(sht__builder *builder) {
  const sht__yaml_node *block = builder->blocks == NULL ? NULL : builder->blocks->first;
  for (int i = 0; block != NULL; block = block->next, i++) {
    if ((builder->blocks_used >> i & 1) == 0) {
      sht__fault(builder->faults, block->key_at, NULL, "remove it, or use it as a layer",
                 "the block \"%.40s\" is never used", block->key);
    }
  }
}

static void check_output(sht__builder *builder) {
  sht_graph *graph = builder->graph;
  int last = graph->node_count - 1;
  sht_shape out = graph->nodes[last].out;
  if (builder->own_classes && out.channels > 0 && out.channels <= UINT16_MAX) {
    graph->classes = out.channels;
  }
  if (out.channels != graph->classes || out.height != 1 || out.width != 1) {
    char shape[SHT_NAME_MAX];
    char what[SHT__FAULT_TEXT];
    (void)snprintf(what, sizeof what,
                   "the last layer gives %s (channels x height x width), not one value for each of "
                   "the %" PRIu32 " classes",
                   sht__shape_print(out, shape, sizeof shape), graph->classes);
    fault_at_node(builder, last, "end with \"- linear: {units: classes}\"", what);
  } else if (graph->parameter_count == 0) {
    fault_at_node(builder, last, "add a conv or linear layer", "no layer has weights, so there is nothing to train");
  }
}

// Multiply-adds of one example: outputs times weights of each, padding included. learned[i]: node i, or one that it
// depends on, has parameters; a layer needs the gradient of its input only when that holds for its input.
static bool count_node(sht_graph *graph, int i, bool *learned) {
  const sht_node *node = &graph->nodes[i];
  bool input_learned = false;
  for (int j = 0; j < node->input_count; j++) {
    input_learned = input_learned || learned[node->inputs[j]];
  }
  learned[i] = input_learned || node->weight >= 0 || node->bias >= 0;
  if (node->op != SHT_OP_CONV && node->op != SHT_OP_LINEAR) {
    return true;
  }
  uint64_t positions = (uint64_t)node->out.height * node->out.width;
  uint64_t macs = 0;
  uint64_t training = 0;
  return sht_size_mul(positions, graph->parameters[node->weight].count, &macs) &&
         sht_size_mul(macs, input_learned ? 3 : 2, &training) && sht_size_add(graph->macs, macs, &graph->macs) &&
         sht_size_add(graph->training_macs, training, &graph->training_macs);
}

void sht__graph_check(sht__builder *builder) {
  sht_graph *graph = builder->graph;
  bool *flags = NULL;
  builder->status = SHT_ALLOC(&flags, 2 * (uint64_t)graph->node_count, "model", builder->error);
  if (builder->status != SHT_OK) {
    return;
  }
  check_unused_blocks(builder);
  check_unread(builder, flags);
  check_output(builder);
  for (int i = 0; i < graph->node_count; i++) {
    if (!count_node(graph, i, flags + graph->node_count)) {
      fault_at_node(builder, i, "make the model smaller", "more than 2^64 multiply-adds for one example");
      break;
    }
  }
  sht_free(flags);
}
