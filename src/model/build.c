// The growing graph: see build.h.
#include "model/build.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

// Doubles *block [*room] of `size` bytes each when `used` has reached its end.
static bool grow(sht__builder *builder, void **block, uint64_t used, uint64_t room, uint64_t size) {
  if (used < room) {
    return true;
  }
  void *larger = NULL;
  builder->status = sht_alloc(&larger, room == 0 ? 16 : 2 * room, size, "model", builder->error);
  if (builder->status != SHT_OK) {
    return false;
  }
  if (used > 0) {
    memcpy(larger, *block, used * size);
  }
  sht_free(*block);
  *block = larger;
  return true;
}

static uint64_t next_room(uint64_t used, uint64_t room) { return used < room ? room : room == 0 ? 16 : 2 * room; }

int sht__builder_add_node(sht__builder *builder, const char *name, sht__place at) {
  sht_graph *graph = builder->graph;
  uint64_t used = (uint64_t)graph->node_count;
  if (!grow(builder, (void **)&graph->nodes, used, builder->node_room, sizeof *graph->nodes) ||
      !grow(builder, (void **)&builder->places, used, builder->node_room, sizeof *builder->places)) {
    return -1;
  }
  builder->node_room = next_room(used, builder->node_room);
  sht_node *node = &graph->nodes[used];
  *node = (sht_node){.weight = -1, .bias = -1, .statistics = -1, .line = at.line};
  (void)snprintf(node->name, sizeof node->name, "%s", name);
  builder->places[used] = at;
  return graph->node_count++;
}

sht_node *sht__layer_node(const sht__layer *layer) { return &layer->builder->graph->nodes[layer->node]; }

sht_shape sht__layer_input(const sht__layer *layer, int i) {
  return layer->builder->graph->nodes[sht__layer_node(layer)->inputs[i]].out;
}

int sht__builder_add_parameter(sht__layer *layer, const char *suffix, int rank, const uint32_t *dims) {
  sht__builder *builder = layer->builder;
  sht_graph *graph = builder->graph;
  uint64_t count = 1;
  bool good = true;
  for (int i = 0; i < rank; i++) {
    good = good && sht_size_mul(count, dims[i], &count);
  }
  if (!good || count > UINT32_MAX) {  // the addresses of initial weights have 32 bits for the element
    SHT__LAYER_FAULT(layer, NULL, "make the layer narrower", "more than 4,294,967,295 weights");
    return -1;
  }
  uint64_t used = (uint64_t)graph->parameter_tensors;
  if (!grow(builder, (void **)&graph->parameters, used, builder->parameter_room, sizeof *graph->parameters)) {
    return -1;
  }
  builder->parameter_room = next_room(used, builder->parameter_room);
  sht_parameter *parameter = &graph->parameters[used];
  *parameter = (sht_parameter){.node = layer->node, .rank = rank, .offset = graph->parameter_count, .count = count};
  memcpy(parameter->dims, dims, (size_t)rank * sizeof *dims);
  (void)snprintf(parameter->name, sizeof parameter->name, "%s.%s", sht__layer_node(layer)->name, suffix);
  graph->parameter_count += count;
  return graph->parameter_tensors++;
}

const char *sht__shape_print(sht_shape shape, char *out, size_t size) {
  (void)snprintf(out, size, "%ux%ux%u", shape.channels, shape.height, shape.width);
  return out;
}
