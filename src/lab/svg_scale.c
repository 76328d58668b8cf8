// Where ticks and labels of a figure go: see svg.h.
#include <math.h>

#include "lab/svg.h"

static const double rounding = 1e-9;  // a tick that misses the end of the range by this share of a step still counts

// The next of 1, 2 or 5 times a power of ten from `step` up.
static double nice_step(double step) {
  double power = pow(10, floor(log10(step)));
  double lead = step / power;
  double nice = 10;
  if (lead <= 1 + rounding) {
    nice = 1;
  } else if (lead <= 2 + rounding) {
    nice = 2;
  } else if (lead <= 5 + rounding) {
    nice = 5;
  }
  return nice * power;
}

double sht__svg_nice_maximum(double maximum) {
  if (!(maximum > 0) || !isfinite(maximum)) {
    return 1;
  }
  double step = nice_step(maximum / 5);
  return step * ceil(maximum / step - rounding);
}

static int decimals_of(double step) {
  int decimals = (int)ceil(-log10(step) - rounding);
  return decimals < 0 ? 0 : decimals;
}

static int linear_ticks(const sht_svg_axis *axis, double wanted, double *ticks, int *decimals) {
  double step = nice_step((axis->maximum - axis->minimum) / wanted);
  double first = ceil(axis->minimum / step - rounding);
  int count = 0;
  while (count < SHT_SVG_TICKS_MAX && (first + count) * step <= axis->maximum + rounding * step) {
    ticks[count] = (first + count) * step;
    count++;
  }
  *decimals = decimals_of(step);
  return count;
}

static int logarithmic_ticks(const sht_svg_axis *axis, double *ticks, int *decimals) {
  int first = (int)ceil(log10(axis->minimum) - rounding);
  int last = (int)floor(log10(axis->maximum) + rounding);
  int count = 0;
  for (int power = first; power <= last && count < SHT_SVG_TICKS_MAX; power++) {
    ticks[count++] = pow(10, power);
  }
  *decimals = first < 0 ? -first : 0;
  return count;
}

int sht__svg_ticks(const sht_svg_axis *axis, double wanted, double *ticks, int *decimals) {
  return axis->logarithmic ? logarithmic_ticks(axis, ticks, decimals) : linear_ticks(axis, wanted, ticks, decimals);
}

// With z[i] = y[i] - i * gap the demand is that z ascends, and the smallest move is isotonic regression: neighbours out
// of order are pooled to their mean until none is (Ayer et al. 1955). Cutting the result to the range keeps it optimal.
void sht__svg_spread(double *y, size_t count, double gap, double low, double high) {
  double mean[SHT_SVG_LINES_MAX];
  size_t members[SHT_SVG_LINES_MAX];
  size_t pools = 0;
  double room = count > 1 ? (high - low) / (double)(count - 1) : high - low;
  gap = fmin(gap, room);
  for (size_t i = 0; i < count; i++) {
    mean[pools] = y[i] - (double)i * gap;
    members[pools++] = 1;
    while (pools > 1 && mean[pools - 2] > mean[pools - 1]) {
      size_t both = members[pools - 2] + members[pools - 1];
      mean[pools - 2] += (mean[pools - 1] - mean[pools - 2]) * (double)members[pools - 1] / (double)both;
      members[pools - 2] = both;
      pools--;
    }
  }
  double highest = high - (count > 0 ? (double)(count - 1) * gap : 0);
  size_t i = 0;
  for (size_t pool = 0; pool < pools; pool++) {
    for (size_t member = 0; member < members[pool]; member++, i++) {
      y[i] = fmax(low, fmin(highest, mean[pool])) + (double)i * gap;
    }
  }
}
