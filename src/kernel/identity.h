// What makes two calls the same problem, so that one may go on with what the other saved.
#ifndef SHT_KERNEL_IDENTITY_H
#define SHT_KERNEL_IDENTITY_H

#include "kernel/problem.h"

// SHA-256 over the data, the features, the kernel with the sigma that was chosen, the ridge, and the arithmetic.
sht_status sht__problem_identity(const sht__problem *problem, char hex[65], sht_error *error);
// Of the inner products that are kept: over both sides' data, the features, and the arithmetic.
sht_status sht__products_identity(const sht__problem *problem, char hex[65], sht_error *error);

#endif
