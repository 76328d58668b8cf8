// Mean and standard deviation of a few values, one after another (Welford 1962).
#ifndef SHT_LAB_REPORT_MOMENTS_H
#define SHT_LAB_REPORT_MOMENTS_H

#include <math.h>
#include <stdint.h>

// Start from {0}.
typedef struct sht__moments {
  double mean;
  double squares;  // sum of squared distances from the mean
  uint32_t n;
} sht__moments;

// A value that is not finite is not counted.
static inline void sht__moments_add(sht__moments *moments, double value) {
  if (isfinite(value)) {
    double distance = value - moments->mean;
    moments->n++;
    moments->mean += distance / moments->n;
    moments->squares += distance * (value - moments->mean);
  }
}

static inline double sht__moments_mean(const sht__moments *moments) { return moments->n > 0 ? moments->mean : NAN; }

// Of a sample (n - 1); NaN of fewer than two values.
static inline double sht__moments_deviation(const sht__moments *moments) {
  return moments->n > 1 ? sqrt(moments->squares / (moments->n - 1)) : NAN;
}

#endif
