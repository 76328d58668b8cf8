// Margins: see trained.h.
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "measure/trained.h"
#include "theory/small.h"

static double margin_of(const float *logits, uint32_t label, uint32_t classes) {
  double other = -INFINITY;
  for (uint32_t k = 0; k < classes; k++) {
    other = k != label && logits[k] > other ? logits[k] : other;
  }
  return logits[label] - other;
}

sht_status sht__margins_measure(const float *logits, const uint16_t *labels, uint64_t n, uint32_t classes,
                                double out[SHT_MARGIN_QUANTILES], sht_error *error) {
  static const unsigned percent[SHT_MARGIN_QUANTILES] = {5, 10, 50};
  double *margins = NULL;
  SHT_TRY(SHT_ALLOC(&margins, n, "margins", error));
  for (uint64_t i = 0; i < n; i++) {
    margins[i] = margin_of(logits + i * classes, labels[i], classes);
  }
  qsort(margins, n, sizeof *margins, sht__compare_doubles);
  for (int q = 0; q < SHT_MARGIN_QUANTILES; q++) {
    const uint64_t within = (n * percent[q] + 99) / 100;  // the smallest count that is so many percent
    out[q] = margins[within > 0 ? within - 1 : 0];
  }
  sht_free(margins);
  return SHT_OK;
}
