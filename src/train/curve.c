// The training curve inside an epoch: see curve.h.
#include "train/curve.h"

#include <math.h>

static uint64_t parts_of(uint64_t steps) { return steps < SHT_CURVE_PARTS ? steps : SHT_CURVE_PARTS; }

// Steps of the epoch done when the part ends.
static uint64_t end_of(uint64_t part, uint64_t steps) { return (part + 1) * steps / parts_of(steps); }

sht_epoch sht_epoch_blank(void) {
  sht_epoch blank = {.learning_rate = NAN,
                     .train_loss = NAN,
                     .train_accuracy = NAN,
                     .train_loss_eval = NAN,
                     .train_accuracy_eval = NAN,
                     .test_loss = NAN,
                     .test_accuracy = NAN,
                     .corrupted_test_accuracy = NAN,
                     .memorised = NAN,
                     .resisted = NAN,
                     .other = NAN,
                     .clean_fitted = NAN};
  for (int part = 0; part < SHT_CURVE_PARTS; part++) {
    blank.curve_loss[part] = blank.curve_accuracy[part] = NAN;
  }
  return blank;
}

uint32_t sht_epoch_curve(const sht_epoch *epoch, sht_curve_point out[SHT_CURVE_PARTS]) {
  if (epoch->epoch == 0) {
    return 0;
  }
  uint64_t steps = epoch->steps / epoch->epoch;
  uint64_t before = epoch->steps - steps;
  uint64_t parts = parts_of(steps);
  for (uint64_t part = 0; part < parts; part++) {
    out[part] = (sht_curve_point){.first = part == 0 ? before : out[part - 1].last,
                                  .last = before + end_of(part, steps),
                                  .loss = epoch->curve_loss[part],
                                  .accuracy = epoch->curve_accuracy[part]};
  }
  return (uint32_t)parts;
}

void sht__curve_add(sht_curve_sums *sums, uint64_t step, uint64_t steps, const sht_step_metrics *metrics) {
  uint64_t part = ((step + 1) * parts_of(steps) - 1) / steps;  // the first whose end is beyond the step
  sums->loss[part] += metrics->loss_sum;
  sums->correct[part] += metrics->correct;
  sums->seen[part] += metrics->count;
}

void sht__curve_close(const sht_curve_sums *sums, uint64_t seen, sht_epoch *record) {
  uint64_t covered = 0;
  for (int part = 0; part < SHT_CURVE_PARTS; part++) {
    covered += sums->seen[part];
  }
  for (int part = 0; part < SHT_CURVE_PARTS; part++) {
    bool known = covered == seen && sums->seen[part] > 0;
    double count = (double)sums->seen[part];
    record->curve_loss[part] = known ? sums->loss[part] / count : (double)NAN;
    record->curve_accuracy[part] = known ? (double)sums->correct[part] / count : (double)NAN;
  }
}

static uint64_t examples_until(uint64_t steps, uint64_t examples, uint64_t batch) {
  return steps > examples / batch ? examples : steps * batch;
}

uint64_t sht__curve_reached(const sht_epoch *records, uint32_t count, uint64_t examples, uint64_t batch, double level) {
  uint64_t steps = (examples + batch - 1) / batch;
  uint64_t parts = parts_of(steps);
  double correct[SHT_CURVE_PARTS];  // of the latest part of each place in the epoch
  for (int part = 0; part < SHT_CURVE_PARTS; part++) {
    correct[part] = part < (int)parts ? (double)NAN : 0;
  }
  for (uint64_t at = 0; at < count * parts; at++) {
    uint64_t part = at % parts;
    uint64_t first = part == 0 ? 0 : examples_until(end_of(part - 1, steps), examples, batch);
    uint64_t size = examples_until(end_of(part, steps), examples, batch) - first;
    double sum = 0;
    correct[part] = records[at / parts].curve_accuracy[part] * (double)size;
    for (int i = 0; i < SHT_CURVE_PARTS; i++) {
      sum += correct[i];
    }
    if (round(sum) / (double)examples >= level) {  // the sum is a whole number but for rounding
      return at / parts * steps + end_of(part, steps);
    }
  }
  return 0;
}
