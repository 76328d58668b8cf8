// The curve of one run: a quantity over the epochs, or where it was recorded inside them, over parts of the epochs.
#ifndef SHT_LAB_REPORT_CURVE_H
#define SHT_LAB_REPORT_CURVE_H

#include "lab/report_plot.h"

typedef struct sht__run_curve {
  double *x;  // [count], owned, with y in one block
  double *y;  // [count]
  uint64_t count;
  bool settled;  // the run has ended, and not by diverging: beside longer ones its last value stands on. Set by callers
} sht__run_curve;

// epochs: [count]. Training losses over steps have ten points an epoch where all epochs have recorded them.
sht_status sht__run_curve_open(const sht__quantity *x, const sht__quantity *y, const sht_epoch *epochs, uint64_t count,
                               sht__run_curve *out, sht_error *error);
void sht__run_curve_close(sht__run_curve *curve);

// The mean of the curves of several seeds into a series of the plot, as long as the longest of them; where one that had
// ended earlier stands on, the caption says so.
void sht__run_curves_average(const sht__run_curve *curves, size_t count, sht__plot *plot, sht__plot_series *out);

#endif
