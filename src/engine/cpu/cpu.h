// The cpu engine's parts, and how they meet.
//
// A graph is compiled into a list of operations in stages. The batch is cut into shards of a fixed number of images;
// within a stage one thread takes a shard through all of the stage's operations, so that what one leaves the next finds
// in cache. Stages end where something needs the whole batch: batch normalisation's statistics, dense layers, the sums
// of the shards' weight gradients. Those sums are added in a fixed tree, so that the bits do not depend on the threads.
//
// The last shard may be part empty: its missing images have zeros as input and zeros as gradients, and are left out of
// every statistic.
#ifndef SHT_ENGINE_CPU_CPU_H
#define SHT_ENGINE_CPU_CPU_H

#include <oneapi/dnnl/dnnl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "engine/backend.h"
#include "engine/cpu/dense.h"
#include "engine/cpu/kernels.h"

enum { CPU_SHARD_IMAGES = 8, CPU_VIEWS_MAX = 12, CPU_CHUNK = 8192 };

typedef struct cpu_engine cpu_engine;
typedef struct cpu_op cpu_op;

// Memory of one tensor for the whole batch, or (local) for the shard that each worker is at: then it lives within one
// stage and stays in the worker's cache.
typedef struct cpu_buffer {
  uint64_t shard_bytes;
  uint64_t image_bytes;   // shard_bytes / CPU_SHARD_IMAGES, for tensors of images
  uint32_t together;      // shards that have one tensor, as large as shard_bytes for each of them, between them
  int made;               // last stage that writes it, -1: none yet
  int ready;              // first stage in which an operation on shards may read it
  int first, last;        // stages of its first and last use
  int first_op, last_op;  // numbers of the operations of its first and last use
  bool shared;            // used by an operation that is not on shards
  bool local;
  uint64_t offset;  // in the arena of the engine, or of each worker
  char *base;       // address for shard 0, or for worker 0
} cpu_buffer;

// A tensor, or a slice of one in channels.
typedef struct cpu_view {
  cpu_buffer *buffer;  // NULL: none
  uint64_t offset;     // bytes from the start of an image
  cpu_steps steps;     // of tensors of images
  bool bf16;
} cpu_view;

typedef struct cpu_tile {
  cpu_engine *engine;
  uint32_t shard;
  uint32_t images;  // real ones, 1 .. CPU_SHARD_IMAGES
  int worker;
} cpu_tile;

typedef enum cpu_op_kind {
  CPU_OP_SHARD,   // run once for each shard
  CPU_OP_WHOLE,   // run once, after the stage's shards, free to use the pool
  CPU_OP_CHUNKS,  // run for pieces 0 .. chunks-1 in any order, beside the stage's shards
} cpu_op_kind;

struct cpu_op {
  cpu_op_kind kind;
  bool training;  // left out in evaluation
  int stage;
  void (*run_shard)(const cpu_op *op, const cpu_tile *tile);
  void (*run_whole)(const cpu_op *op, cpu_engine *engine);
  void (*run_chunk)(const cpu_op *op, cpu_engine *engine, size_t chunk, int worker);
  size_t chunks;
  cpu_view view[CPU_VIEWS_MAX];  // what it writes, then what it reads
  int outputs, views;
  void *layer;  // what it works on: cpu_conv, cpu_norm, cpu_dense
  const sht_node *node;
  uint32_t runs;      // where the operation goes element by element: runs of an image,
  uint64_t elements;  // and elements of a run
  int parameter;      // index, of updates
  bool flag;          // meaning by operation
};

// A parameter tensor that the engine itself holds (dense layers hold their own).
typedef struct cpu_param {
  const sht_parameter *spec;
  uint64_t count;   // floats, with padding
  uint64_t offset;  // of the tensor in each family
} cpu_param;

typedef struct cpu_conv cpu_conv;
typedef struct cpu_norm cpu_norm;
typedef struct cpu_plan cpu_plan;

// What the operations of a step need to know of it.
typedef struct cpu_step {
  const sht_pipeline *pipeline;
  const uint32_t *examples;  // [n]
  uint32_t n;
  uint32_t shards;  // in use
  uint32_t epoch;
  bool training;
  const sht_step_rates *rates;  // NULL: gradients are stored and nothing is updated
  float *logits;                // [n][K] or NULL
  float *losses;                // [n] or NULL
} cpu_step;

enum { CPU_FAMILIES = 3 };  // SHT_STATE_PARAMETERS, _MOMENTUM, and gradients in the place of statistics

struct cpu_engine {
  sht_engine base;
  sht_precision precision;
  uint64_t seed;
  sht_rng dropout;
  const cpu_kernels *kernels;
  uint32_t block;      // V: channels side by side
  bool channels_last;  // blocks of a position lie side by side (kernels.h), as AMX convolutions want them
  sht_pool *pool;
  int workers;
  uint32_t shards;  // of a full batch

  dnnl_engine_t dnnl;
  dnnl_stream_t *streams;  // [workers]

  cpu_plan *plan;
  cpu_conv **convs;    // [node_count], NULL where the node is none
  cpu_norm **norms;    // [node_count]
  cpu_dense **denses;  // [node_count]: at the first layer of its chain
  cpu_param *params;   // [parameter_tensors]; spec NULL: held by a dense chain
  float *family[CPU_FAMILIES];
  uint64_t family_count;  // floats in each

  char *arena;   // tensors of the whole batch
  char *locals;  // [workers][local_bytes]
  uint64_t local_bytes;
  char *scratch;  // [workers][scratch_bytes]
  uint64_t scratch_bytes;
  uint64_t bytes;  // allocated

  cpu_step step;
  uint16_t *labels;      // [shards * CPU_SHARD_IMAGES]
  double *loss_partial;  // [shards]
  uint32_t *correct;     // [shards]
  atomic_bool infinite;  // an updated parameter is not finite
  atomic_bool failed;    // oneDNN refused to run a primitive

  uint32_t *order;          // [train_examples] of epoch `order_epoch`
  uint64_t *order_scratch;  // [2 * train_examples]
  uint32_t *examples;       // [batch], of evaluation
  int64_t order_epoch;      // -1: none
};

static inline uint32_t cpu_round_up(uint32_t value, uint32_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

static inline cpu_tile cpu_tile_at(cpu_engine *engine, uint32_t shard, int worker) {
  const uint32_t left = engine->step.n - shard * CPU_SHARD_IMAGES;
  return (cpu_tile){engine, shard, left < CPU_SHARD_IMAGES ? left : CPU_SHARD_IMAGES, worker};
}

// Address of the tile's first image.
static inline char *cpu_at(const cpu_view *view, const cpu_tile *tile) {
  const cpu_buffer *b = view->buffer;
  uint64_t step = b->local ? (uint64_t)tile->worker * tile->engine->local_bytes : tile->shard * b->shard_bytes;
  return b->base + step + view->offset;
}

static inline cpu_array cpu_array_at(const cpu_view *view, const cpu_tile *tile) {
  return (cpu_array){cpu_at(view, tile), view->buffer->image_bytes, view->steps, view->bf16};
}

static inline char *cpu_scratch(const cpu_tile *tile) {
  return tile->engine->scratch + (uint64_t)tile->worker * tile->engine->scratch_bytes;
}

// Asks for scratch memory of the workers; called while the plan is made.
static inline void cpu_need_scratch(cpu_engine *engine, uint64_t bytes) {
  bytes = (bytes + 4095) / 4096 * 4096;
  engine->scratch_bytes = bytes > engine->scratch_bytes ? bytes : engine->scratch_bytes;
}

// Tensors of a step in a buffer that shards share by groups.
static inline uint32_t cpu_tensors_in(const cpu_buffer *buffer, uint32_t shards) {
  return (shards + buffer->together - 1) / buffer->together;
}

// Zeroes the tile's missing images.
void cpu_zero_missing(const cpu_view *view, const cpu_tile *tile);

// update.c: the parameters that the engine holds.
sht_status cpu_params_open(cpu_engine *engine, sht_error *error);
static inline float *cpu_param_at(const cpu_engine *engine, int index, int family) {
  return engine->family[family] + engine->params[index].offset;
}
// Runs for a vector what cpu_plan_update's operation does for a chunk: updates, or stores the gradient.
void cpu_param_step(cpu_engine *engine, int index, uint64_t first, uint64_t count, const float *gradient);
void cpu_plan_update(cpu_plan *plan, int parameter, cpu_view partial);

#endif
