// Checks a configuration as a whole: see check.h.
#include "config/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/value.h"

typedef struct checker {
  const sht_config *config;
  const sht__option_places *places;
  sht__faults *faults;
} checker;

static bool equal(const char *a, const char *b) { return strcmp(a, b) == 0; }

static sht__place place_of(const checker *check, const char *name) {
  const sht_option *option = sht_option_find(name);
  return check->places->at == NULL ? (sht__place){0} : check->places->at[option - sht_options];
}

// The place of whichever of the two was said further down.
static sht__place later_of(const checker *check, const char *first, const char *second) {
  sht__place a = place_of(check, first);
  sht__place b = place_of(check, second);
  bool is_first = a.line > b.line || (a.line == b.line && a.column > b.column);
  sht__place later = is_first ? a : b;
  return later.line > 0 ? later : check->places->otherwise;
}

static void check_ranges(const checker *check) {
  sht_config scratch = *check->config;
  for (size_t i = 0; i < sht_option_count; i++) {
    const char *name = sht_options[i].name;
    char text[SHT_TEXT_MAX];
    sht__complaint complaint;
    sht_config_get(check->config, &sht_options[i], text, sizeof text);
    if (!sht__value_set(&scratch, &sht_options[i], text, &complaint)) {
      sht__fault(check->faults, later_of(check, name, name), check->places->who, complaint.advice, "%s",
                 complaint.sentence);
    }
  }
}

static void check_precision(const checker *check) {
  const sht_config *config = check->config;
  const sht__place at = later_of(check, "precision", "device");
  bool is_ref = equal(config->device, "ref");
  if (is_ref && equal(config->precision, "bf16")) {
    sht__fault(check->faults, at, check->places->who, "use precision fp32 or fp64, or the device cpu",
               "the device ref does not compute in bf16");
  }
  if (!is_ref && equal(config->precision, "fp64")) {
    sht__fault(check->faults, at, check->places->who, "use precision fp32 or bf16, or the device ref",
               "the device %s does not compute in fp64", config->device);
  }
  if (equal(config->precision, "tf32") && !equal(config->device, "cuda")) {
    sht__fault(check->faults, at, check->places->who, "use precision fp32, or the device cuda",
               "the device %s does not compute in tf32", config->device);
  }
}

static void check_data(const checker *check) {
  const sht_config *config = check->config;
  if (config->train_size != 0 && config->batch > config->train_size) {
    sht__fault(check->faults, later_of(check, "batch", "train-size"), check->places->who,
               "make the batch smaller or the training set larger",
               "a batch of %" PRIu64 " does not fit in a training set of %" PRIu64, config->batch, config->train_size);
  }
  if (config->model[0] == '\0') {
    sht__fault(check->faults, later_of(check, "model", "model"), check->places->who, "name one", "there is no model");
  }
  if (config->data[0] == '\0') {
    sht__fault(check->faults, later_of(check, "data", "data"), check->places->who, "name one", "there is no data");
  }
}

void sht__config_check(const sht_config *config, const sht__option_places *places, sht__faults *faults) {
  const checker check = {config, places, faults};
  check_ranges(&check);
  check_precision(&check);
  check_data(&check);
}
