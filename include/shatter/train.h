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

// Parts of an epoch that the training curve has a point for each; an epoch of fewer steps has a part a step.
enum { SHT_CURVE_PARTS = 10 };

// One epoch's record; one line of metrics.jsonl. Accuracies are fractions; NaN where not measured, which is also what
// an older program's record gives for what it did not know.
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
  double corrupted_test_accuracy;  // of the same answers, against test labels corrupted as the training labels are
  // What is learned when: evaluation mode, no augmentation, over training examples (config.dynamics says which, the
  // same in every epoch). Of those whose given label is not the true one, the shares that are answered with
  double memorised;  // the given label
  double resisted;   // the true label
  double other;      // neither
  // and of those whose given label is the true one, the share answered with it.
  double clean_fitted;
  // How many were looked at; 0: not measured. A share p of n has a standard error of sqrt(p (1 - p) / n), times
  // sqrt((N - n) / (N - 1)) where the group has N in all: below 1 % with the default of 2,500 each.
  uint64_t dynamics_corrupted;
  uint64_t dynamics_clean;
  // The training curve inside the epoch: online means over its parts; see sht_epoch_curve. [parts], then NaN.
  double curve_loss[SHT_CURVE_PARTS];
  double curve_accuracy[SHT_CURVE_PARTS];
} sht_epoch;

// A record in which nothing has been measured yet: counts 0, figures NaN.
sht_epoch sht_epoch_blank(void);

// A point of the training curve: the online means over the steps first + 1 .. last, counted from the start of training.
typedef struct sht_curve_point {
  uint64_t first;
  uint64_t last;
  double loss;
  double accuracy;
} sht_curve_point;

// The points of one epoch, in order; returns how many: min(SHT_CURVE_PARTS, S) of an epoch of S steps, the last one
// ending at epoch->steps. Part p of P ends after floor((p + 1) S / P) of the epoch's steps.
uint32_t sht_epoch_curve(const sht_epoch *epoch, sht_curve_point out[SHT_CURVE_PARTS]);

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
  uint32_t epochs;        // completed
  uint64_t steps;         // completed
  uint32_t fitted_epoch;  // first epoch at whose end the set was fitted; 0: never
  uint64_t fitted_step;   // its last step; 0: never
  // Finer and from online accuracies alone, to a tenth of an epoch: the end of the first part of an epoch at which the
  // mean over the last N examples trained on (an epoch's worth of steps) is at least fitted_at, or 99.9 %; 0: never.
  uint64_t online_fitted_step;
  uint64_t converged_step;
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
