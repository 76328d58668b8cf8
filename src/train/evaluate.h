// Evaluation of a whole split in blocks: mean loss, accuracy, and on request what the network says of each example.
#ifndef SHT_TRAIN_EVALUATE_H
#define SHT_TRAIN_EVALUATE_H

#include "train/session.h"

// What a network answers, beside the label given and the true one. "clean": they are the same; "corrupted": they
// differ.
typedef struct sht_answers {
  uint64_t corrupted;     // of these,
  uint64_t memorised;     // answered with the given label
  uint64_t resisted;      // answered with the true label
  uint64_t clean;         // of these,
  uint64_t clean_fitted;  // answered with their label
} sht_answers;

typedef struct sht_evaluation {
  double loss;                // mean cross-entropy against the given labels; NaN for an empty split
  double accuracy;            // fraction whose largest logit is the given label (first index wins ties)
  double corrupted_accuracy;  // against other labels, when given; else NaN
  sht_answers answers;        // beside the true labels
} sht_evaluation;

typedef struct sht_evaluate_options {
  const sht_pipeline *pipeline;
  const uint16_t *other_labels;  // [N] for corrupted_accuracy, or NULL
  float *logits;                 // [N][K] or NULL
  float *losses;                 // [N] or NULL
  const sht_observer *observer;  // asked between blocks whether to stop; may be NULL
} sht_evaluate_options;

// Evaluation mode, in the split's order. Sums are taken in that order in double: the same at any number of threads.
// Errors: SHT_STOPPED when the observer asks for it, and the engine's.
sht_status sht__evaluate(sht_session *session, const sht_evaluate_options *options, sht_evaluation *out,
                         sht_error *error);

#endif
