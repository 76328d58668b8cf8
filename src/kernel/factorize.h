// From a problem's kernel to its factor in tiles: fills the triangle, factors it, and where fp32 breaks down tries
// again with a growing jitter on the diagonal. Goes on from what was saved.
#ifndef SHT_KERNEL_FACTORIZE_H
#define SHT_KERNEL_FACTORIZE_H

#include "dense/cholesky.h"
#include "kernel/gram.h"
#include "kernel/kept.h"

typedef struct sht__factor_report {
  double jitter;  // 0: none was needed
  double smallest_pivot;
  double gram_seconds, factor_seconds;
  double gram_flops;         // that were done in gram_seconds
  uint64_t resumed_columns;  // of tiles that were read instead of computed
  double factored_flops;     // in factor_seconds
} sht__factor_report;

// tiles: open, of the problem's size. saved: of the factor; NULL: nothing is saved. kept: NULL: nowhere (stored
// features need none). gram->train.squares of streamed features are set on the way. Errors: SHT_STOPPED, SHT_MEMORY,
// SHT_DISK, SHT_DATA (a kernel that is not finite).
sht_status sht__factorize(sht__gram *gram, sht__saved *saved, sht__kept_products *kept, double checkpoint_seconds,
                          sht__tiles *tiles, sht__factor_report *out, sht_error *error);

// Whether the inverse's diagonal of a factor of n rows can be trusted: fp32 rounds a pivot by about sqrt(n) 2^-24 of
// the matrix's diagonal, so that of a smallest pivot p (relative to it) a share of about sqrt(n) 2^-24 / p is noise, at
// most one per cent here.
bool sht__pivots_are_sound(uint64_t n, double smallest_pivot);

#endif
