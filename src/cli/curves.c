// Training curves: see curves.h.
#include "cli/curves.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

// Curves of several models name theirs.
static bool is_one_model(const sht_run *runs, int count) {
  for (int i = 1; i < count; i++) {
    if (strcmp(sht_run_model(&runs[i]), sht_run_model(&runs[0])) != 0) {
      return false;
    }
  }
  return true;
}

static void name_run(const sht_run *run, bool one_model, char *out, size_t size) {
  size_t used = 0;
  if (!one_model) {
    (void)snprintf(out, size, "%s, ", sht_run_model(run));
    used = strlen(out);
  }
  (void)sht__describe_copy(&run->config, out + used, size - used);
}

// label: NULL for a run alone, whose training and test curves are drawn.
static sht_status add_run(curves *all, const sht_run *run, const char *label, double *values[2], sht_error *error) {
  sht_epoch *epochs = NULL;
  uint64_t count = 0;
  SHT_TRY(sht_run_epochs(run, &epochs, &count, error));
  sht_status status = SHT_OK;
  if (count > 0) {
    status = add_curve(all, epochs, count, training_accuracy, label == NULL ? "training" : label, &values[0], error);
  }
  if (count > 0 && label == NULL && status == SHT_OK) {
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
  const bool one_model = is_one_model(runs, count);
  double *values[SHT_FIGURE_SERIES_MAX][2] = {{NULL}};
  sht_status status = SHT_OK;
  for (int i = 0; i < count && i < SHT_FIGURE_SERIES_MAX && status == SHT_OK; i++) {
    char label[LABEL_BYTES];
    name_run(&runs[i], one_model, label, sizeof label);
    status = add_run(&all, &runs[i], count == 1 ? NULL : label, values[i], error);
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
