// The quantities that figures and tables show: see report_quantity.h.
#include "lab/report_quantity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/report.h"
#include "shatter/data.h"

static const sht__quantity quantities[] = {
    {"steps", "steps", 1, 0, false},
    {"epochs", "epochs", 1, 0, false},
    {"train_loss", "training loss", 1, 4, false},
    {"train_accuracy", "training accuracy", 100, 2, true},
    {"train_error", "training error", 100, 2, true},
    {"test_loss", "test loss", 1, 4, false},
    {"test_accuracy", "test accuracy", 100, 2, true},
    {"test_error", "test error", 100, 2, true},
    {"corruption", "share of random labels", 1, 2, false},
    {"fitted_steps", "steps until fitted", 1, 0, false},
    {"fitted_epochs", "epochs until fitted", 1, 0, false},
    {"relative_time", "relative time to fit", 1, 2, false},
    {"best_test_accuracy", "best test accuracy", 100, 2, true},
    {"rademacher", "Rademacher complexity, at least", 1, 4, false},
};

enum { QUANTITIES = sizeof quantities / sizeof quantities[0], OF_EPOCHS = 8 };

const char *const *sht__quantity_names(void) {
  static const char *names[QUANTITIES + 1];
  for (size_t i = 0; i < QUANTITIES; i++) {
    names[i] = quantities[i].name;
  }
  return names;
}

bool sht__quantity_is_of_epoch(const char *name) {
  for (size_t i = 0; i < OF_EPOCHS; i++) {
    if (strcmp(quantities[i].name, name) == 0) {
      return true;
    }
  }
  return false;
}

bool sht__quantity_find(const char *name, sht__quantity *out) {
  for (size_t i = 0; i < sizeof quantities / sizeof quantities[0]; i++) {
    if (strcmp(name, quantities[i].name) == 0) {
      *out = quantities[i];
      return true;
    }
  }
  const sht_option *option = sht_option_find(name);
  if (option != NULL) {
    *out = (sht__quantity){option->name, option->name, 1, 4, false};
  }
  return option != NULL;
}

char *sht__quantity_axis(const sht__quantity *quantity, char *out, size_t size) {
  (void)snprintf(out, size, quantity->fraction ? "%s (%%)" : "%s", quantity->label);
  return out;
}

static bool is(const sht__quantity *quantity, const char *name) { return strcmp(quantity->name, name) == 0; }

double sht__quantity_of_epoch(const sht__quantity *quantity, const sht_epoch *epoch) {
  const struct {
    const char *name;
    double value;
  } values[] = {
      {"steps", (double)epoch->steps},
      {"epochs", (double)epoch->epoch},
      {"train_loss", epoch->train_loss},
      {"train_accuracy", sht__train_accuracy(epoch)},
      {"train_error", 1 - sht__train_accuracy(epoch)},
      {"test_loss", epoch->test_loss},
      {"test_accuracy", epoch->test_accuracy},
      {"test_error", 1 - epoch->test_accuracy},
  };
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    if (is(quantity, values[i].name)) {
      return values[i].value;
    }
  }
  return NAN;
}

double sht__run_corruption(const sht_run *run) {
  sht__report_run named = {.run = run};
  sht__report_name(&named);
  return named.kind == SHT__KIND_OTHER && named.noise == 0 ? NAN : named.noise;
}

bool sht__run_is_base(const sht_run *base, const sht_run *run) {
  sht_randomization how;
  if (sht_labels_are_signs(run->config.labels) ||
      sht_randomization_parse(base->config.labels, "true", 0, &how, NULL) != SHT_OK ||
      (how.labels != SHT_LABELS_TRUE && !(how.labels == SHT_LABELS_CORRUPT && how.label_probability == 0))) {
    return false;
  }
  for (size_t i = 0; i < sht_option_count; i++) {
    char a[SHT_TEXT_MAX];
    char b[SHT_TEXT_MAX];
    sht_config_get(&base->config, &sht_options[i], a, sizeof a);
    sht_config_get(&run->config, &sht_options[i], b, sizeof b);
    if (sht_options[i].identity && strcmp(sht_options[i].name, "labels") != 0 && strcmp(a, b) != 0) {
      return false;
    }
  }
  return true;
}

bool sht__quantity_is_text(const char *name) {
  const sht_option *option = sht_option_find(name);
  return option != NULL && option->type != SHT_OPTION_COUNT && option->type != SHT_OPTION_NUMBER;
}

bool sht__quantity_is_result(const sht__quantity *quantity) {
  return !is(quantity, "corruption") && (is(quantity, "epochs") || sht_option_find(quantity->name) == NULL);
}

// 0 stands for never.
static double count_of(uint64_t count) { return count == 0 ? NAN : (double)count; }

static double option_of(const char *name, const sht_config *config) {
  const sht_option *option = sht_option_find(name);
  char text[SHT_TEXT_MAX];
  char *end = NULL;
  if (option == NULL) {
    return NAN;
  }
  sht_config_get(config, option, text, sizeof text);
  double value = strtod(text, &end);
  return end == text ? NAN : value;
}

double sht__quantity_of_run(const sht__quantity *quantity, const sht_run *run, const sht_run *base) {
  const sht_train_result *result = &run->result;
  if (is(quantity, "corruption")) {
    return sht__run_corruption(run);
  }
  if (run->id[0] == '\0' || run->damaged) {
    return sht__quantity_is_result(quantity) ? NAN : option_of(quantity->name, &run->config);
  }
  double steps = result->outcome == SHT_OUTCOME_DIVERGED ? NAN : count_of(result->fitted_step);
  if (is(quantity, "fitted_steps")) {
    return steps;
  }
  if (is(quantity, "fitted_epochs")) {
    return isnan(steps) ? NAN : count_of(result->fitted_epoch);
  }
  if (is(quantity, "relative_time")) {
    return base == NULL ? NAN : steps / count_of(base->result.fitted_step);
  }
  if (is(quantity, "best_test_accuracy")) {
    return result->best_test_accuracy;
  }
  if (is(quantity, "rademacher")) {
    return sht_run_rademacher(run);
  }
  if (is(quantity, "train_loss") && isfinite(result->last.train_loss_eval)) {
    return result->last.train_loss_eval;
  }
  return sht__quantity_is_result(quantity) ? sht__quantity_of_epoch(quantity, &result->last)
                                           : option_of(quantity->name, &run->config);
}
