// The paper's numbers beside ours: Zhang et al. 2017, Table 1 (CIFAR-10), the rows without random cropping.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "lab/report.h"

enum { PAPER_TRAIN = 50000, PAPER_TEST = 10000, PAPER_BATCH = 128, FULL_EPOCHS = 100 };

static const sht__paper_row rows[] = {
    {"inception", false, true, 1.0, 0.8603},       {"inception", false, false, 1.0, 0.8575},
    {"inception", true, false, 1.0, 0.0978},       {"inception-nobn", false, true, 1.0, 0.8300},
    {"inception-nobn", false, false, 1.0, 0.8200}, {"inception-nobn", true, false, 1.0, 0.1012},
    {"alexnet", false, true, 1.0, 0.7736},         {"alexnet", false, false, 1.0, 0.7607},
    {"alexnet", true, false, 0.9982, 0.0986},      {"mlp-3x512", false, true, 1.0, 0.5335},
    {"mlp-3x512", false, false, 1.0, 0.5239},      {"mlp-3x512", true, false, 1.0, 0.1048},
    {"mlp-1x512", false, true, 0.9980, 0.5039},    {"mlp-1x512", false, false, 1.0, 0.5051},
    {"mlp-1x512", true, false, 0.9934, 0.1061},
};

const sht__paper_row *sht__paper_find(const sht__report_run *run) {
  const sht_config *config = &run->run->config;
  bool in_table =
      strcmp(config->data, "cifar10") == 0 && (run->kind == SHT__KIND_TRUE || run->kind == SHT__KIND_RANDOM_LABELS);
  // NaN is the model's own coefficient.
  bool decay = !(config->weight_decay == 0);
  if (!in_table || (decay && !isnan(config->weight_decay))) {
    return NULL;
  }
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    bool random = run->kind == SHT__KIND_RANDOM_LABELS;
    if (strcmp(rows[i].model, config->model) == 0 && rows[i].random_labels == random && rows[i].weight_decay == decay) {
      return &rows[i];
    }
  }
  return NULL;
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
  bool own_rates = !isnan(config->learning_rate) || !isnan(config->learning_rate_decay) || !isnan(config->momentum);
  out[0] = '\0';
  if (train != PAPER_TRAIN) {
    (void)snprintf(out, size, "trained on %s of 50,000 images", sht_text_count(train, number, sizeof number));
  } else if (test != PAPER_TEST) {
    (void)snprintf(out, size, "tested on %s of 10,000 images", sht_text_count(test, number, sizeof number));
  } else if (config->batch != PAPER_BATCH) {
    (void)snprintf(out, size, "batch of %" PRIu64 ", not %d", config->batch, PAPER_BATCH);
  } else if (own_rates) {
    (void)snprintf(out, size, "other learning rate or momentum");
  } else if (run->result.epochs < FULL_EPOCHS) {
    (void)snprintf(out, size, "after %" PRIu32 " epoch%s of %d", run->result.epochs, run->result.epochs == 1 ? "" : "s",
                   FULL_EPOCHS);
  }
  return out;
}
