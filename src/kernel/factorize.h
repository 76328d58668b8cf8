// From a problem's kernel to its factor in tiles: fills the triangle, factors it, and where fp32 breaks down tries
// again with a growing jitter on the diagonal. Goes on from what was saved.
#ifndef SHT_KERNEL_FACTORIZE_H
#define SHT_KERNEL_FACTORIZE_H

#include "dense/cholesky.h"
#include "kernel/gram.h"
#include "kernel/saved.h"

typedef struct sht__factor_report {
  double jitter;  // 0: none was needed
  double smallest_pivot;
  double gram_seconds, factor_seconds;
  uint64_t resumed_columns;  // of tiles that were read instead of computed
  double factored_flops;     // in factor_seconds
} sht__factor_report;

// tiles: open, of the problem's size. saved: NULL: nothing is saved. gram->train.squares of streamed features are set
// on the way. Errors: SHT_STOPPED, SHT_MEMORY, SHT_DISK, SHT_DATA (a kernel that is not finite).
sht_status sht__factorize(sht__gram *gram, sht__saved *saved, double checkpoint_seconds, sht__tiles *tiles,
                          sht__factor_report *out, sht_error *error);

#endif
