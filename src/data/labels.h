// What labels are given: the kinds of sht_label_kind.
#ifndef SHT_DATA_LABELS_H
#define SHT_DATA_LABELS_H

#include "shatter/data.h"

// Gives the training examples their labels. Errors: as sht_dataset_randomize.
sht_status sht__labels_apply(sht_dataset *data, const sht_randomization *how, sht_error *error);

// Reads a matrix of K x K probabilities from text in bytes [size] (NUL-terminated), a row a line, separated by blanks
// or commas; lines that are blank or start with # are skipped. matrix: [K][K]. Errors: SHT_DATA.
sht_status sht__labels_parse_matrix(const char *path, const char *bytes, uint64_t size, uint32_t classes,
                                    double *matrix, sht_error *error);

// Reads `count` labels below `classes` from bytes [size] (NUL-terminated): NPY, or text with one integer a line.
// labels: [count]. Errors: SHT_DATA.
sht_status sht__labels_parse_file(const char *path, const char *bytes, uint64_t size, uint32_t classes, uint64_t count,
                                  uint16_t *labels, sht_error *error);

#endif
