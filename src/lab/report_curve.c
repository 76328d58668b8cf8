// The curve of one run: see report_curve.h.
#include "lab/report_curve.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lab/report_moments.h"

static bool is_finer(const sht__quantity *x, const sht__quantity *y, const sht_epoch *epochs, uint64_t count) {
  if (strcmp(x->name, "steps") != 0 || strcmp(y->name, "train_loss") != 0) {
    return false;
  }
  bool recorded = true;
  for (uint64_t i = 0; i < count; i++) {
    recorded = recorded && isfinite(epochs[i].curve_loss[0]);
  }
  return recorded;
}

static void add_parts(const sht_epoch *epoch, sht__run_curve *curve) {
  sht_curve_point points[SHT_CURVE_PARTS];
  uint32_t parts = sht_epoch_curve(epoch, points);
  for (uint32_t p = 0; p < parts; p++) {
    // A mean over steps stands in their middle.
    curve->x[curve->count] = 0.5 * (double)(points[p].first + points[p].last);
    curve->y[curve->count++] = points[p].loss;
  }
}

sht_status sht__run_curve_open(const sht__quantity *x, const sht__quantity *y, const sht_epoch *epochs, uint64_t count,
                               sht__run_curve *out, sht_error *error) {
  bool finer = is_finer(x, y, epochs, count);
  uint64_t room = finer ? count * SHT_CURVE_PARTS : count;
  *out = (sht__run_curve){0};
  SHT_TRY(SHT_ALLOC(&out->x, 2 * room, "points of a curve", error));
  out->y = out->x + room;
  for (uint64_t i = 0; i < count; i++) {
    if (finer) {
      add_parts(&epochs[i], out);
    } else {
      out->x[out->count] = sht__quantity_of_epoch(x, &epochs[i]);
      out->y[out->count++] = sht__quantity_of_epoch(y, &epochs[i]);
    }
  }
  return SHT_OK;
}

void sht__run_curve_close(sht__run_curve *curve) {
  sht_free(curve->x);
  *curve = (sht__run_curve){0};
}

// Seeds that end when they are fitted end in different epochs: without the last values of the others a mean would end
// as that of the slowest alone. Returns whether any was carried on.
static bool average(const sht__run_curve *curves, size_t count, sht__plot_series *out) {
  bool carried = false;
  for (uint64_t p = 0; p < out->count; p++) {
    sht__moments x = {0};
    sht__moments y = {0};
    for (size_t c = 0; c < count; c++) {
      const sht__run_curve *curve = &curves[c];
      if (p < curve->count) {
        sht__moments_add(&x, curve->x[p]);
        sht__moments_add(&y, curve->y[p]);
      } else if (curve->settled && curve->count > 0) {
        sht__moments_add(&y, curve->y[curve->count - 1]);
        carried = true;
      }
    }
    out->x[p] = sht__moments_mean(&x);
    out->y[p] = sht__moments_mean(&y);
    out->spread[p] = sht__moments_deviation(&y);
    out->n[p] = y.n;
  }
  return carried;
}

static void explain_carried(sht__plot *plot) {
  static const char sentence[] = "Of a seed that ended earlier the last value stands on.";
  if (strstr(plot->caption, sentence) == NULL) {
    sht__plot_explain(plot, sentence);
  }
}

void sht__run_curves_average(const sht__run_curve *curves, size_t count, sht__plot *plot, sht__plot_series *out) {
  if (average(curves, count, out)) {
    explain_carried(plot);
  }
}
