// Training one network on one (randomised) data set: the loop, its record, checkpoints and outcome.
//
// The loop tells an observer what happens; files and progress are the observer's. Checkpoints are the loop's own.
#ifndef SHATTER_TRAIN_H
#define SHATTER_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/config.h"
#include "shatter/data.h"
#include "shatter/engine.h"
#include "shatter/error.h"
#include "shatter/model.h"

// One epoch's record; one line of metrics.jsonl. Accuracies are fractions; NaN where not measured.
typedef struct sht_epoch {
  uint32_t epoch;          // 1-based: epochs completed
  uint64_t steps;          // steps completed since the start
  double learning_rate;    // used in this epoch
  double train_loss;       // online mean over the epoch's examples
  double train_accuracy;   // online mean
  double train_loss_eval;  // evaluation mode, when online accuracy reached 98 % and at the end; else NaN
  double train_accuracy_eval;
  double test_loss;  // evaluation mode, clean labels
  double test_accuracy;
} sht_epoch;

typedef enum sht_outcome {
  SHT_OUTCOME_RUNNING,
  SHT_OUTCOME_FITTED,      // training accuracy reached fitted_at: in evaluation mode, under augmentation online
  SHT_OUTCOME_NOT_FITTED,  // all epochs done without
  SHT_OUTCOME_DIVERGED,    // NaN or infinity
} sht_outcome;
const char *sht_outcome_name(sht_outcome outcome);  // "fitted"

typedef struct sht_train_result {
  sht_outcome outcome;
  uint64_t parameters;      // P of the model
  uint64_t macs;            // multiply-adds of one example forward
  uint64_t train_examples;  // N
  uint64_t test_examples;   // may be 0: then all test figures are NaN
  uint64_t steps_per_epoch;
  uint32_t epochs;            // completed
  uint64_t steps;             // completed
  uint32_t fitted_epoch;      // first epoch at whose end the set was fitted; 0: never
  uint64_t fitted_step;       // its last step; 0: never
  uint64_t diverged_step;     // 1-based; 0: never
  sht_epoch last;             // the last epoch's record, with evaluation-mode training figures
  double best_test_accuracy;  // over the epochs
  uint32_t best_test_epoch;
  double corrupted_test_accuracy;  // against test labels corrupted the same way; NaN for true labels
  // Under augmentation the training accuracy that counts is the online mean over the epoch's variants (facts.md Table
  // 4): no epoch has train_*_eval, `fitted` goes by train_accuracy, and this is the accuracy without augmentation, in
  // evaluation mode, at the end. Else NaN.
  double plain_train_accuracy;
  char weights_sha256[65];   // of the final parameters, fp32 little-endian, graph order; "" when diverged
  double seconds;            // of this session (in a store: of all sessions); in no deterministic file
  double images_per_second;  // of this session's training steps
} sht_train_result;

// All calls come from the thread that runs sht_train. Any function may be NULL.
typedef struct sht_observer {
  void *context;
  // Before the first step: sizes known. `resumed_epochs` whole epochs were already done.
  void (*started)(void *context, const sht_graph *graph, const sht_dataset *data, uint64_t steps_per_epoch,
                  const sht_engine_info *engine, uint32_t resumed_epochs);
  // After every few steps (at most ten times a second). Sums are of the running epoch.
  void (*progressed)(void *context, uint32_t epoch, uint64_t step_in_epoch, double loss, double accuracy,
                     double images_per_second);
  // After every epoch. Errors stop training and are passed on.
  sht_status (*epoch_done)(void *context, const sht_epoch *epoch, double seconds, sht_error *error);
  // Asked after every chunk of steps: true saves a checkpoint and ends with SHT_STOPPED.
  bool (*stop_requested)(void *context);
  // Before `started`: the records of the epochs already done, from the checkpoint (count 0: training begins at the
  // start). A log kept by the observer is to hold exactly these from now on. Errors stop training and are passed on.
  sht_status (*resumed)(void *context, const sht_epoch *epochs, uint32_t count, sht_error *error);
  // A sentence for the person: a damaged checkpoint was passed over, and so on.
  void (*noted)(void *context, const char *sentence);
  // At the end, when config.save asks for it: what the finished network says of each example of a split ("train",
  // "test"), in the split's order. logits: [count][classes] or NULL; losses: [count], against the given labels, or
  // NULL. indices: [count] each example's place in the source, or NULL when that is 0, 1, 2 ...
  sht_status (*examples_done)(void *context, const char *split, const float *logits, const float *losses,
                              uint64_t count, uint32_t classes, const uint32_t *indices, sht_error *error);
} sht_observer;

// Trains as configured. `folder` holds checkpoints (made by the caller; NULL: none are written): when it has a valid
// one, training goes on from it, bit for bit as if it had never stopped.
// Divergence is an outcome (SHT_OK, outcome DIVERGED). Errors: SHT_STOPPED (resumable), SHT_CONFIG, SHT_DATA, ...
sht_status sht_train(const sht_config *config, const char *folder, const sht_observer *observer,
                     sht_train_result *result, sht_error *error);

#endif
