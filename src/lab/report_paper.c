// The paper's numbers beside ours: Zhang et al. 2017, Table 1 (CIFAR-10).
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "lab/report.h"

enum { PAPER_TRAIN = 50000, PAPER_TEST = 10000, PAPER_BATCH = 128, FULL_EPOCHS = 100 };

static const sht__paper_row rows[] = {
    {"inception", false, true, true, 1.0, 0.8905},        {"inception", false, false, true, 1.0, 0.8931},
    {"inception", false, true, false, 1.0, 0.8603},       {"inception", false, false, false, 1.0, 0.8575},
    {"inception", true, false, false, 1.0, 0.0978},       {"inception-nobn", false, true, false, 1.0, 0.8300},
    {"inception-nobn", false, false, false, 1.0, 0.8200}, {"inception-nobn", true, false, false, 1.0, 0.1012},
    {"alexnet", false, true, true, 0.9990, 0.8122},       {"alexnet", false, false, true, 0.9982, 0.7966},
    {"alexnet", false, true, false, 1.0, 0.7736},         {"alexnet", false, false, false, 1.0, 0.7607},
    {"alexnet", true, false, false, 0.9982, 0.0986},      {"mlp-3x512", false, true, false, 1.0, 0.5335},
    {"mlp-3x512", false, false, false, 1.0, 0.5239},      {"mlp-3x512", true, false, false, 1.0, 0.1048},
    {"mlp-1x512", false, true, false, 0.9980, 0.5039},    {"mlp-1x512", false, false, false, 1.0, 0.5051},
    {"mlp-1x512", true, false, false, 0.9934, 0.1061},
};

// The paper's training set is whole. The coefficients of the paper's weight decay are not known, so that any positive
// one counts; NaN is the model's own.
const sht__paper_row *sht__paper_find(const sht__report_run *run) {
  const sht_config *config = &run->run->config;
  bool random = run->kind == SHT__KIND_RANDOM_LABELS;
  bool decay = !(config->weight_decay == 0);
  bool crop = strcmp(config->augment, "crop") == 0;
  bool dropped = isfinite(config->dropout) && config->dropout > 0;
  if (strcmp(config->data, "cifar10") != 0 || (run->kind != SHT__KIND_TRUE && !random) || dropped ||
      config->replace > 0 || (!crop && strcmp(config->augment, "none") != 0)) {
    return NULL;
  }
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (strcmp(rows[i].model, config->model) == 0 && rows[i].random_labels == random && rows[i].weight_decay == decay &&
        rows[i].crop == crop) {
      return &rows[i];
    }
  }
  return NULL;
}

// Whether a rate is the paper's; NaN is the model's own, which is that.
static bool is_rate(double value, double paper) { return isnan(value) || fabs(value - paper) <= 1e-12; }

// Appendix A and section 2: .1 for Inception, .01 for the others, times .95 an epoch, momentum .9.
static bool has_own_rates(const sht_config *config) {
  double rate = strncmp(config->model, "inception", 9) == 0 ? 0.1 : 0.01;
  return !is_rate(config->learning_rate, rate) || !is_rate(config->learning_rate_decay, 0.95) ||
         !is_rate(config->momentum, 0.9);
}

// Examples that a run used: what the result says, else what was asked for, 0 meaning all.
static uint64_t examples_of(uint64_t used, uint64_t asked, uint64_t all) {
  if (used > 0) {
    return used;
  }
  return asked > 0 && asked < all ? asked : all;
}

char *sht__paper_obstacle(const sht_run *run, char *out, size_t size) {
  const sht_config *config = &run->config;
  char number[SHT__TEXT_SIZE];
  uint64_t train = examples_of(run->result.train_examples, config->train_size, PAPER_TRAIN);
  uint64_t test = examples_of(run->result.test_examples, config->test_size, PAPER_TEST);
  out[0] = '\0';
  if (train != PAPER_TRAIN) {
    (void)snprintf(out, size, "trained on %s of 50,000 images", sht_text_count(train, number, sizeof number));
  } else if (test != PAPER_TEST) {
    (void)snprintf(out, size, "tested on %s of 10,000 images", sht_text_count(test, number, sizeof number));
  } else if (config->batch != PAPER_BATCH) {
    (void)snprintf(out, size, "batch of %" PRIu64 ", not %d", config->batch, PAPER_BATCH);
  } else if (has_own_rates(config)) {
    (void)snprintf(out, size, "other learning rate or momentum");
  } else if (run->result.epochs < FULL_EPOCHS) {
    (void)snprintf(out, size, "after %" PRIu32 " epoch%s of %d", run->result.epochs, run->result.epochs == 1 ? "" : "s",
                   FULL_EPOCHS);
  }
  return out;
}
