// What a randomised run says: how long it takes beside true data, and with signs for labels how well it correlates with
// them: see shatter/lab.h.
#include <math.h>
#include <string.h>

#include "shatter/lab.h"

// Options in which a run and its baseline may differ: what is randomised, and how long it goes on.
static bool may_differ(const char *name) {
  static const char *const names[] = {"labels", "pixels", "epochs", "stop-when-fitted"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(name, names[i]) == 0) {
      return true;
    }
  }
  return false;
}

static bool agrees(const sht_config *a, const sht_config *b) {
  char left[SHT_TEXT_MAX];
  char right[SHT_TEXT_MAX];
  for (size_t i = 0; i < sht_option_count; i++) {
    if (!sht_options[i].identity || may_differ(sht_options[i].name)) {
      continue;
    }
    sht_config_get(a, &sht_options[i], left, sizeof left);
    sht_config_get(b, &sht_options[i], right, sizeof right);
    if (strcmp(left, right) != 0) {
      return false;
    }
  }
  return true;
}

static bool is_true(const sht_config *config) {
  return strcmp(config->labels, "true") == 0 && strcmp(config->pixels, "true") == 0;
}

const sht_run *sht_run_baseline(const sht_run *run, const sht_run *runs, uint64_t count) {
  const sht_run *best = NULL;
  bool is_comparable = !sht_labels_are_signs(run->config.labels);
  for (uint64_t i = 0; i < count && is_comparable; i++) {
    bool fits = !runs[i].damaged && is_true(&runs[i].config) && agrees(&run->config, &runs[i].config);
    if (fits && (best == NULL || runs[i].result.epochs > best->result.epochs)) {
      best = &runs[i];
    }
  }
  return best;
}

double sht_run_relative_time(const sht_run *run, const sht_run *baseline) {
  if (baseline == NULL || baseline->result.fitted_step == 0 || run->result.fitted_step == 0) {
    return NAN;
  }
  return (double)run->result.fitted_step / (double)baseline->result.fitted_step;
}

double sht_run_rademacher(const sht_run *run) {
  const sht_train_result *result = &run->result;
  bool augmented = !isnan(result->plain_train_accuracy);
  if (!sht_labels_are_signs(run->config.labels) || result->outcome == SHT_OUTCOME_DIVERGED) {
    return NAN;
  }
  return 2 * (augmented ? result->plain_train_accuracy : result->last.train_accuracy_eval) - 1;
}

double sht_lower_bound_shown(double bound) {
  const double rounding = 1e-9;  // 0.998 may be stored a little below itself
  return floor(bound * 1000 + rounding) / 1000;
}
