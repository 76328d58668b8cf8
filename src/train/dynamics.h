// What is learned when: as what the network takes training examples whose given label is not the true one, measured
// after each epoch in evaluation mode on a part of the training set that stays the same. The figures are in sht_epoch.
#ifndef SHT_TRAIN_DYNAMICS_H
#define SHT_TRAIN_DYNAMICS_H

#include "train/evaluate.h"

// Reads config.dynamics into the largest number of examples to watch: "off" 0, "all" UINT64_MAX, "auto" 5,000, or the
// number itself. Errors: SHT_CONFIG with a suggestion.
sht_status sht__dynamics_parse(const char *text, uint64_t *limit, sht_error *error);

// Chooses what is watched into session->watched and watched_split: nothing when no label is corrupted; all of the
// training set when that is no more than the limit; else `limit` examples in the split's order, drawn by the seed
// without replacement: half corrupted and half clean, or more of the one kind where there are too few of the other. For
// a session whose data and pipelines are ready. Errors: SHT_CONFIG, SHT_MEMORY.
sht_status sht__dynamics_open(sht_session *session, sht_error *error);
void sht__dynamics_close(sht_session *session);

// Adds one answer to the counts, beside the label given and the true one.
void sht__dynamics_count(sht_answers *answers, uint32_t answer, uint16_t given, uint16_t truth);

// Turns counts into the record's shares; a group without examples gives NaN.
void sht__dynamics_file(const sht_answers *answers, sht_epoch *record);

#endif
