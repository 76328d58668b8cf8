// One training example that is another: `replace` of sht_randomization.
#ifndef SHT_DATA_REPLACE_H
#define SHT_DATA_REPLACE_H

#include "shatter/data.h"

// Whether `how` can be done to this set. Errors: SHT_CONFIG, as sht_dataset_randomize.
sht_status sht__replace_check(const sht_dataset *data, const sht_randomization *how, sht_error *error);

// Copies the test example's pixels, which have been randomised already, so that they are those of another image of the
// same kind, Gaussian ones too; the statistics of the training set are then those without.
void sht__replace_pixels(sht_dataset *data, const sht_randomization *how);

#endif
