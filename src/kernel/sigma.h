// Choosing the width of a kernel: see sht_sigma_rule.
#ifndef SHT_KERNEL_SIGMA_H
#define SHT_KERNEL_SIGMA_H

#include "kernel/problem.h"

enum { SHT__MEDIAN_EXAMPLES = 2000 };

// Sets problem->gram.function.sigma by the options' rule; trials of a search go into `result`. Errors: SHT_CONFIG
// (streamed features, no two different examples, nothing that can be solved), SHT_MEMORY, SHT_STOPPED.
sht_status sht__sigma_choose(sht__problem *problem, sht_kernel_result *result, sht_error *error);

#endif
