// The weights and the bias of a layer: what a file says of them, and making them.
#ifndef SHT_MODEL_LAYER_WEIGHTS_H
#define SHT_MODEL_LAYER_WEIGHTS_H

#include "model/build.h"

// What weight decay applies to: `weight-decay: none | weights | all`.
typedef enum sht__decay_scope { SHT__DECAY_NONE, SHT__DECAY_WEIGHTS, SHT__DECAY_ALL } sht__decay_scope;

typedef struct sht__weight_options {
  bool bias;
  sht__decay_scope decay;
  sht__init_rule init, bias_init;
} sht__weight_options;

// Each returns false at a fault.
// *scope keeps its value when the layer does not say.
bool sht__decay_read(sht__layer *layer, sht__decay_scope *scope);
bool sht__weights_read(sht__layer *layer, sht__weight_options *out);
// Makes weight [dims[0]][...] and, if asked for, bias [dims[0]] of the layer's node.
bool sht__weights_add(sht__layer *layer, const sht__weight_options *options, int rank, const uint32_t *dims,
                      uint64_t fan_in, uint64_t fan_out);

#endif
