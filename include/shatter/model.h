// Models: text (YAML) -> a graph with static shapes, parameters, operation counts and initial weights.
//
// Letters: C channels, H height, W width of one example; K classes; P parameters in all; S running statistics in all.
// A graph is immutable after sht_graph_open and may be shared between threads.
#ifndef SHATTER_MODEL_H
#define SHATTER_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/error.h"
#include "shatter/random.h"

typedef enum sht_op {
  SHT_OP_INPUT,
  SHT_OP_CONV,       // C_out filters KxK, stride, padding; bias optional
  SHT_OP_LINEAR,     // y = W x + b on the example flattened in (H, W, C) order; bias optional
  SHT_OP_BATCHNORM,  // biased variance over batch and positions, epsilon, shift, optional scale, running mean decay
  SHT_OP_RELU,
  SHT_OP_MAXPOOL,  // padding never wins
  SHT_OP_AVGPOOL,  // padding is not counted in the mean
  SHT_OP_LRN,      // y = x / (bias + alpha * sum of squares over 2*radius+1 channels)^beta; alpha is not divided
  SHT_OP_DROPOUT,  // training: x * mask / (1 - p)
  SHT_OP_ADD,      // sum of inputs of one shape
  SHT_OP_CONCAT,   // inputs joined in channels
  SHT_OP_SHIFT,    // y_j = x - s_j: one value to several, each less a shift of its own
} sht_op;

enum { SHT_NODE_INPUTS_MAX = 8, SHT_NAME_MAX = 64 };

typedef struct sht_shape {
  uint32_t channels;  // C
  uint32_t height;    // H
  uint32_t width;     // W
} sht_shape;

typedef struct sht_node {
  sht_op op;
  char name[SHT_NAME_MAX];
  int inputs[SHT_NODE_INPUTS_MAX];  // indices of earlier nodes
  int input_count;
  sht_shape out;    // shape of one example's output
  uint32_t kernel;  // square windows: CONV, MAXPOOL, AVGPOOL
  uint32_t stride;
  uint32_t pad_before;  // top and left; 'same' padding as TensorFlow: total = max((ceil(n/s)-1)*s+k-n, 0), extra after
  uint32_t pad_after;   // bottom and right
  float epsilon;        // BATCHNORM
  float decay;          // BATCHNORM: running = decay * running + (1 - decay) * batch
  uint32_t lrn_radius;  // LRN
  float lrn_bias, lrn_alpha, lrn_beta;
  float dropout;       // probability of dropping
  int weight;          // index into parameters, -1: none. CONV and LINEAR weight; BATCHNORM scale
  int bias;            // index into parameters, -1: none. CONV and LINEAR bias; BATCHNORM shift; SHIFT [C]
  int64_t statistics;  // BATCHNORM: offset of running mean [C], then running variance [C], in statistics; else -1
  int line;            // in the model's file, for messages
} sht_node;

typedef enum sht_init_kind {
  SHT_INIT_CONSTANT,          // value
  SHT_INIT_NORMAL,            // normal(0, deviation)
  SHT_INIT_TRUNCATED_NORMAL,  // normal(0, deviation), redrawn beyond two deviations
  SHT_INIT_UNIFORM,           // uniform(-value, value)
} sht_init_kind;

typedef struct sht_parameter {
  char name[SHT_NAME_MAX + 16];  // "conv1.weight"
  int node;                      // index of its node
  int rank;
  uint32_t dims[4];  // CONV weight [O][I][K][K]; LINEAR weight [O][H*W*C]; vectors [C]
  uint64_t offset;   // in the vector of all parameters
  uint64_t count;    // product of dims
  sht_init_kind init;
  float init_value;   // constant, deviation or half-width
  bool weight_decay;  // whether weight decay applies (weights: yes; biases and shifts: no, unless the model says)
} sht_parameter;

// Training defaults that a model's file may give (facts.md section 4).
typedef struct sht_recipe {
  double learning_rate;
  double learning_rate_decay;  // factor per epoch
  double momentum;
  double weight_decay;  // the model's default coefficient, used when weight decay is on
} sht_recipe;

typedef struct sht_graph {
  char name[SHT_NAME_MAX];
  sht_shape input;   // C, H, W of one example
  uint32_t classes;  // K: the last node's output is [K]
  sht_node *nodes;   // [node_count], topological order; nodes[0] is the input, the last gives the logits
  int node_count;
  sht_parameter *parameters;  // [parameter_tensors]
  int parameter_tensors;
  uint64_t parameter_count;  // P; running statistics are not counted
  uint64_t statistic_count;  // S
  uint64_t macs;             // multiply-adds of one example forward, padding included (conv and linear)
  uint64_t training_macs;    // forward + weight gradients + input gradients, without the first layer's input gradient
  sht_recipe recipe;
  bool dropout_set;  // the options' dropout made it another network than the file's
  char *text;        // the YAML it was read from, NUL-terminated: part of a run's identity
} sht_graph;

typedef struct sht_graph_options {
  sht_shape input;   // shape of the data after cropping; the model's file may require another
  uint32_t classes;  // K
  // Without data: a shape that the file states stands in for `input`, a number of outputs for `classes`.
  bool own_input, own_classes;
  const char *models_dir;  // where the shipped models live; NULL: built in
  // Whether `dropout` decides, and not the model's file: the probability of its dropout layers; where it has none, of
  // one put before each linear layer that does not read the images (hidden units, and the features of a convolutional
  // network). 0 takes dropout out.
  bool set_dropout;
  double dropout;
  const char *text;  // the model's text, kept from when it was read, in the place of the file's; NULL: reads the file
} sht_graph_options;

// Opens a shipped model by name ("mlp-1x512") or a user's file (a path that exists, or ends in .yaml; of a folder, of a
// run or of `shatter express`, its model.yaml).
// Errors: SHT_MISSING (with a suggestion), SHT_CONFIG (every fault of the file, each with file:line:column and layer).
sht_status sht_graph_open(const char *spec, const sht_graph_options *options, sht_graph **out, sht_error *error);
void sht_graph_close(sht_graph *graph);  // NULL is allowed

// What a model's file says whatever the data: its recipe and its text, which is freed with sht_free. Errors: as
// sht_graph_open, SHT_CONFIG for faults of the recipe alone.
sht_status sht_model_read(const char *spec, sht_recipe *recipe, char **text, sht_error *error);

// What a model is called whose specification and text are these: the name of a shipped one, what the text calls itself,
// or else the file's stem. Whether it is a shipped one is returned. text: NUL-terminated; NULL where it is not known.
bool sht_model_name(const char *spec, const char *text, char out[SHT_NAME_MAX]);

// Names of the shipped models, NULL-terminated, static storage.
const char *const *sht_model_names(void);
const char *sht_op_name(sht_op op);

// Initial parameters: [P], addressed by (seed, SHT_PURPOSE_WEIGHTS, tensor, element): the same on every backend.
void sht_graph_initialize(const sht_graph *graph, uint64_t seed, float *parameters);
// Initial running statistics: mean 0, variance 1. statistics: [S].
void sht_graph_initialize_statistics(const sht_graph *graph, float *statistics);

#endif
