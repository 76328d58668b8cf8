// What the files of this folder ask of a sample.
#ifndef SHT_THEORY_SAMPLE_H
#define SHT_THEORY_SAMPLE_H

#include "shatter/theory.h"

// d
uint64_t sht__sample_dims(const sht_sample *sample);

#endif
