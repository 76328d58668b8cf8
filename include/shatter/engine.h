// The engine: trains and evaluates a compiled model. One interface, several backends.
//
// A backend may keep a copy of a split's pixels on its device: those that an engine has seen must not change while it
// is open. Labels may.
//
// Order of use: sht_engine_open -> put state -> run steps / evaluate / get state -> sht_engine_close.
// Everything is planned and allocated in open; a step allocates nothing. An engine is used by one thread at a time.
// Every function answers SHT_USAGE to a missing pointer or a range outside the data, SHT_CONFIG to data whose shape is
// not the model's, SHT_DATA to a label that is not below K.
// Same bits at any number of threads: the work of a step is cut into tiles that do not depend on it, and sums across
// tiles are added in a fixed tree.
// Letters: P parameters, S statistics (see model.h), K classes, B batch size.
//
// The loss is the mean over the batch of -log softmax(logits)[label].
// Dropout: element e (in H, W, C order) of node `node` for the example with index `example` in its split is dropped in
// `epoch` when word e % 4 of sht_rng_block(sht_rng_make(seed, SHT_PURPOSE_DROPOUT), epoch, node << 32 | example, e / 4)
// is below floor(p * 2^32); what stays is multiplied by 1 / (1 - p). sht_engine_gradient uses the masks of epoch 0.
#ifndef SHATTER_ENGINE_H
#define SHATTER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/data.h"
#include "shatter/error.h"
#include "shatter/model.h"

typedef struct sht_engine sht_engine;
typedef struct sht_engine_group sht_engine_group;

// What is computed in. "ref" always computes in double: with FP64 its state is double too, with FP32 weights, momentum
// and statistics are rounded to float after each step, so that get and put lose nothing and training resumes exactly.
// TF32: float, with the factors of products rounded to 10 bits; "cuda" alone.
typedef enum sht_precision { SHT_FP32, SHT_BF16, SHT_FP64, SHT_TF32 } sht_precision;

typedef struct sht_engine_options {
  const char *backend;     // "ref", "cpu", "cuda"; NULL: "cpu"
  const char *plugin_dir;  // where backends lie; then $SHATTER_PLUGINS, beside the library, LIBDIR/shatter. NULL: these
  sht_precision precision;
  int threads;              // 0: all cores
  uint32_t batch;           // B
  uint64_t seed;            // order of the examples, dropout
  uint64_t train_examples;  // examples in an epoch; the last batch is smaller, nothing dropped
  bool fast;                // allow results that depend on the number of threads
  sht_engine_group *group;  // whose members it is trained with; NULL: alone
} sht_engine_options;

// Hyper-parameters of one step. The update: v <- momentum * v + (g + weight_decay * w); w <- w - learning_rate * v.
typedef struct sht_step_rates {
  float learning_rate;
  float momentum;
  float weight_decay;  // applies to the parameters marked so in the graph
} sht_step_rates;

// What a step says of itself.
typedef struct sht_step_metrics {
  double loss_sum;   // sum over the batch of the cross-entropy, before the update
  uint32_t correct;  // examples whose largest logit is their given label (first index wins ties)
  uint32_t count;    // examples in the batch
  bool finite;       // false: the loss or an updated weight is NaN or infinite
} sht_step_metrics;

typedef enum sht_state {
  SHT_STATE_PARAMETERS,  // [P]
  SHT_STATE_MOMENTUM,    // [P]
  SHT_STATE_STATISTICS,  // [S] running mean and variance of every batch normalisation
  SHT_STATE_GRADIENTS,   // [P] of the last step; get only; available after sht_engine_gradient
} sht_state;

// A group: engines of one network, with other seeds, data and rates, that are trained together on one device, where one
// run cannot fill it. Each is used by a thread of its own. A call of train, gradient or evaluate waits until every
// member has made one; then one pass serves all. A member's results are, bit for bit, those that it has alone.
// Opened for a number of members; each of them leaves once, when its engine is closed or could not be opened: the
// others wait for it no longer. Closed when all have left. How many can be together: sht_engine_info. Where a backend
// has no groups, an engine opened in one is alone and waits for nobody.
sht_status sht_engine_group_open(uint32_t members, sht_engine_group **out, sht_error *error);
void sht_engine_group_leave(sht_engine_group *group);
void sht_engine_group_close(sht_engine_group *group);  // NULL is allowed

// Opens the backend and compiles the graph. `graph` is borrowed until close. Errors: SHT_UNAVAILABLE (no such backend,
// or an operation that it does not support, named), SHT_MEMORY, SHT_CONFIG.
sht_status sht_engine_open(const sht_graph *graph, const sht_engine_options *options, sht_engine **out,
                           sht_error *error);
void sht_engine_close(sht_engine *engine);  // NULL is allowed

// Runs steps first .. first+count-1 of `epoch` (0-based) on `train`. Step s uses examples order[s*B .. ) of the epoch's
// order. metrics: [count]. Stops after a step that is not finite: *done is the number of steps run. In a group it may
// stop earlier, after one step or more.
sht_status sht_engine_train(sht_engine *engine, const sht_pipeline *train, uint32_t epoch, uint64_t first,
                            uint64_t count, const sht_step_rates *rates, sht_step_metrics *metrics, uint64_t *done,
                            sht_error *error);

// Loss and gradients of one batch in training mode, without an update (running statistics do not move):
// then sht_engine_get(..., SHT_STATE_GRADIENTS, ...). examples: [n], n <= B. For tests and measures.
sht_status sht_engine_gradient(sht_engine *engine, const sht_pipeline *data, const uint32_t *examples, uint32_t n,
                               sht_step_metrics *metrics, sht_error *error);

// Evaluation mode (running statistics, no dropout, no augmentation: the centre window) on examples first ..
// first+count-1 of the split, in its order. logits: [count][K] or NULL; losses: [count] against the given labels, or
// NULL.
sht_status sht_engine_evaluate(sht_engine *engine, const sht_pipeline *data, uint64_t first, uint64_t count,
                               float *logits, float *losses, sht_error *error);

// Copies state out of and into the engine, in the graph's order and layout. count must be P or S.
sht_status sht_engine_get(sht_engine *engine, sht_state state, float *values, uint64_t count, sht_error *error);
sht_status sht_engine_put(sht_engine *engine, sht_state state, const float *values, uint64_t count, sht_error *error);

// Facts for people and for a run's identity: "cpu", "oneDNN 2.6.3, avx512_core_bf16", bytes allocated.
typedef struct sht_engine_info {
  char backend[16];
  char numerics[160];  // library, version, instruction set: same text, same bits
  uint64_t bytes;      // allocated for the run
  int threads;
  uint32_t together;  // runs of this network that it is of use to have in a group on this device; 0, 1: none but itself
} sht_engine_info;
void sht_engine_describe(const sht_engine *engine, sht_engine_info *info);

#endif
