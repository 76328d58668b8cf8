// Products with the kernel matrix of streamed features: F (F^T v), a pass over the blocks.
#ifndef SHT_KERNEL_GRAM_STREAM_H
#define SHT_KERNEL_GRAM_STREAM_H

#include "kernel/gram.h"

// out = F_rows F^T v + factor v, rows: other examples, or NULL: the training examples (then v is added). v:
// [columns][n], out: [columns][rows]. Errors: SHT_MEMORY, SHT_STOPPED.
sht_status sht__stream_multiply(const sht__gram *gram, const sht__side *rows, const double *v, double factor,
                                double *out, uint64_t columns, sht_error *error);

#endif
