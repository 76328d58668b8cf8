// The processor's multiply-add peak, measured: independent multiply-adds in registers on every thread.
#ifndef SHT_CLI_PEAK_H
#define SHT_CLI_PEAK_H

#include "shatter/engine.h"

// GFLOP/s (a multiply-add counts two) of all `threads` (0: all cores) together, the best of a few tries. For bf16 on a
// processor without its dot product, the fp32 peak. Errors: SHT_MEMORY, SHT_CONFIG.
sht_status sht__peak_measure(sht_precision precision, int threads, double *gflops, sht_error *error);

#endif
