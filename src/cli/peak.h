// The processor's multiply-add peak, measured: independent multiply-adds in registers on every thread.
#ifndef SHT_CLI_PEAK_H
#define SHT_CLI_PEAK_H

#include "shatter/engine.h"

// GFLOP/s (a multiply-add counts two) of all `threads` (0: all cores) together: the sum over threads of the best of
// many tries of a millisecond, all threads at once, each by its own processor time, so that other work on the machine
// does not show. For bf16 that of AMX where the processor has it, else of its dot product, else the fp32 peak. Errors:
// SHT_MEMORY, SHT_CONFIG.
sht_status sht__peak_measure(sht_precision precision, int threads, double *gflops, sht_error *error);

#endif
