// Numbers of about 106 bits as the sum of two doubles, for sums whose terms cancel (Dekker 1971, Knuth's two-sum).
#ifndef SHT_THEORY_DOUBLE_DOUBLE_H
#define SHT_THEORY_DOUBLE_DOUBLE_H

#include <math.h>

typedef struct sht__dd {
  double high, low;  // the value is high + low, |low| at most half a unit in the last place of high
} sht__dd;

static inline sht__dd sht__dd_sum(double a, double b) {
  double sum = a + b;
  double part = sum - a;
  return (sht__dd){sum, (a - (sum - part)) + (b - part)};
}

static inline sht__dd sht__dd_product(double a, double b) {
  double product = a * b;
  return (sht__dd){product, fma(a, b, -product)};
}

static inline sht__dd sht__dd_add(sht__dd a, sht__dd b) {
  sht__dd high = sht__dd_sum(a.high, b.high);
  sht__dd low = sht__dd_sum(a.low, b.low);
  high = sht__dd_sum(high.high, high.low + low.high);
  return sht__dd_sum(high.high, high.low + low.low);
}

// a * b
static inline sht__dd sht__dd_scale(sht__dd a, double b) {
  sht__dd product = sht__dd_product(a.high, b);
  return sht__dd_sum(product.high, product.low + a.low * b);
}

static inline double sht__dd_value(sht__dd a) { return a.high + a.low; }

#endif
