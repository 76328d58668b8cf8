// Training curves: see curves.h.
#include "cli/curves.h"

#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "cli/figure.h"
#include "cli/training.h"

enum { LABEL_BYTES = 128 };

// What is drawn of the runs. Start from {0}.
typedef struct curves {
  sht_series series[SHT_FIGURE_SERIES_MAX];
  char labels[SHT_FIGURE_SERIES_MAX][LABEL_BYTES];
  int count;
} curves;

typedef double (*figure_of)(const sht_epoch *epoch);

static double training_accuracy(const sht_epoch *epoch) {
  return isnan(epoch->train_accuracy_eval) ? epoch->train_accuracy : epoch->train_accuracy_eval;
}
static double test_accuracy(const sht_epoch *epoch) { return epoch->test_accuracy; }

static sht_status add_curve(curves *all, const sht_epoch *epochs, uint64_t count, figure_of get, const char *label,
                            double **values, sht_error *error) {
  SHT_TRY(SHT_ALLOC(values, 2 * count, "a curve", error));
  double *x = *values, *y = *values + count;
  for (uint64_t i = 0; i < count; i++) {
    x[i] = epochs[i].epoch;
    y[i] = get(&epochs[i]);
  }
  char *kept = all->labels[all->count];
  (void)snprintf(kept, LABEL_BYTES, "%s", label);
  all->series[all->count++] = (sht_series){.label = kept, .x = x, .y = y, .count = count};
  return SHT_OK;
}

static sht_status add_run(curves *all, const sht_run *run, bool alone, double *values[2], sht_error *error) {
  sht_epoch *epochs = NULL;
  uint64_t count = 0;
  SHT_TRY(sht_run_epochs(run, &epochs, &count, error));
  char copy[LABEL_BYTES];
  (void)sht__describe_copy(&run->config, copy, sizeof copy);
  sht_status status = SHT_OK;
  if (count > 0) {
    status = add_curve(all, epochs, count, training_accuracy, alone ? "training" : copy, &values[0], error);
  }
  if (count > 0 && alone && status == SHT_OK) {
    status = add_curve(all, epochs, count, test_accuracy, "test", &values[1], error);
  }
  sht_free(epochs);
  return status;
}

static void print(const curves *all, bool alone) {
  sht_terminal terminal = sht__terminal_of(stdout);
  sht_figure figure = {
      .title = alone ? "Accuracy" : "Training accuracy",
      .x_label = "epochs",
      .y_max = 1,
      .percent = true,
      .reference = NAN,
  };
  (void)fputc('\n', stdout);
  sht__figure_print(stdout, &terminal, &figure, all->series, all->count);
}

sht_status sht__print_curves(const sht_run *runs, int count, sht_error *error) {
  curves all = {0};
  double *values[SHT_FIGURE_SERIES_MAX][2] = {{NULL}};
  sht_status status = SHT_OK;
  for (int i = 0; i < count && i < SHT_FIGURE_SERIES_MAX && status == SHT_OK; i++) {
    status = add_run(&all, &runs[i], count == 1, values[i], error);
  }
  if (status == SHT_OK && all.count > 0) {
    print(&all, count == 1);
  }
  for (int i = 0; i < SHT_FIGURE_SERIES_MAX; i++) {
    sht_free(values[i][0]);
    sht_free(values[i][1]);
  }
  return status;
}
