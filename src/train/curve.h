// The training curve inside an epoch: sums over its parts while it runs, and when the online accuracy reached a level.
#ifndef SHT_TRAIN_CURVE_H
#define SHT_TRAIN_CURVE_H

#include "shatter/train.h"

// Of the running epoch, for each part. An epoch's own mean is summed apart, so that its bits do not depend on this.
typedef struct sht_curve_sums {
  double loss[SHT_CURVE_PARTS];
  uint64_t correct[SHT_CURVE_PARTS];
  uint64_t seen[SHT_CURVE_PARTS];  // examples
} sht_curve_sums;

// Adds step `step` (0-based) of an epoch of `steps` steps.
void sht__curve_add(sht_curve_sums *sums, uint64_t step, uint64_t steps, const sht_step_metrics *metrics);

// Files the means in the record of an epoch of `seen` examples: NaN all through when the sums do not cover them, as
// after a checkpoint of an older program.
void sht__curve_close(const sht_curve_sums *sums, uint64_t seen, sht_epoch *record);

// The end of the first part of an epoch such that the online accuracy over it and the parts before it, an epoch's worth
// of steps and so `examples` examples (N) in batches of `batch`, is at least `level`; 0: never. records: [count].
uint64_t sht__curve_reached(const sht_epoch *records, uint32_t count, uint64_t examples, uint64_t batch, double level);

#endif
