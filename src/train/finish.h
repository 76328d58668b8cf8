// What follows from the records of the epochs, and the last look at the trained network.
#ifndef SHT_TRAIN_FINISH_H
#define SHT_TRAIN_FINISH_H

#include "train/checkpoint.h"

// Whether the training set is evaluated after this epoch: the online accuracy has come near, or it is the last epoch.
// Never under augmentation, where the online mean is what counts (facts.md Table 4).
bool sht__evaluation_is_due(const sht_config *config, const sht_epoch *record);

// Makes the records those of a run of config->epochs: a checkpoint at the end of a shorter run carries an evaluation of
// its last epoch that the longer run does not make.
void sht__records_trim(const sht_config *config, sht_epoch *records, uint32_t count);

// The first record at which the training set is fitted, or NULL: by evaluation, or under augmentation by the online
// mean.
const sht_epoch *sht__records_fitted(const sht_config *config, const sht_epoch *records, uint32_t count);

bool sht__training_is_over(const sht_config *config, const sht_epoch *records, uint32_t count);

// Fills all but times and hash.
void sht__result_fill(const sht_session *session, const sht_position *at, uint64_t diverged_step,
                      sht_train_result *result);

// Hash of the weights, and the examples that config.save asks for, given to the
// observer. Nothing of it for a run that diverged.
sht_status sht__finish(sht_session *session, const sht_observer *observer, sht_train_result *result, sht_error *error);

#endif
