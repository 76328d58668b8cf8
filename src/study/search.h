// The search for the largest size that is fitted, apart from what answers.
#ifndef SHT_STUDY_SEARCH_H
#define SHT_STUDY_SEARCH_H

#include "shatter/study.h"

// Tries a size: fills everything of the probe but `examples`.
typedef sht_status (*sht__capacity_try)(void *context, sht_capacity_probe *probe, sht_error *error);

// Whether the mean of as many accuracies as there are seeds, which sum to this, reaches `level`: three of 0.99 each
// reach 0.99, though the sum is rounded below it.
bool sht__capacity_reaches(double sum, uint32_t seeds, double level);

// smallest <= largest; first is brought between them. Fills capacity, not_fitted and probes of `out`. Taken to be so: a
// size below a fitted one is fitted.
sht_status sht__capacity_search(uint64_t smallest, const sht_capacity_options *options, sht__capacity_try attempt,
                                void *context, sht_capacity_result *out, sht_error *error);

#endif
