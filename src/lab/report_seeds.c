// Runs that differ in their seed alone make one row of a report: see report.h.
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "lab/report.h"

// What is the same in all runs of a row.
typedef struct key {
  char hex[65];
} key;

static sht_status key_of(const sht_run *run, key *out, sht_error *error) {
  sht_config config = run->config;
  char *text = NULL;
  config.seed = 0;
  config.model[0] = '\0';  // the group's, wherever its file lay
  SHT_TRY(sht_config_write(&config, true, &text, error));
  sht_status status = sht_hash_bytes(text, strlen(text), out->hex, error);
  sht_text_free(text);
  return status;
}

static bool may_join(const sht_run *run) { return run->complete && run->result.outcome != SHT_OUTCOME_DIVERGED; }

// Where each run goes while rows are made.
typedef struct joining {
  const sht_run **runs;  // [count]
  key *keys;             // [count]
  size_t *rows;          // [count] the row of each run
  size_t count;
} joining;

static bool has_seed(const joining *all, size_t before, size_t row, uint64_t seed) {
  for (size_t i = 0; i < before; i++) {
    if (all->rows[i] == row && all->runs[i]->config.seed == seed) {
      return true;
    }
  }
  return false;
}

// The row that run i joins; `kept` when it makes a new one. leaders: [kept] the first run of each row.
static size_t find_row(const joining *all, size_t i, const size_t *leaders, size_t kept) {
  const sht_run *run = all->runs[i];
  size_t row = 0;
  while (row < kept &&
         !(may_join(run) && may_join(all->runs[leaders[row]]) &&
           strcmp(all->keys[leaders[row]].hex, all->keys[i].hex) == 0 && !has_seed(all, i, row, run->config.seed))) {
    row++;
  }
  return row;
}

// The seeds of a row, ascending; returns how many.
static size_t collect(const joining *all, size_t row, sht__report_seed *out) {
  size_t count = 0;
  for (size_t i = 0; i < all->count; i++) {
    if (all->rows[i] == row) {
      size_t at = count++;
      for (; at > 0 && out[at - 1].run->config.seed > all->runs[i]->config.seed; at--) {
        out[at] = out[at - 1];
      }
      out[at] = (sht__report_seed){.run = all->runs[i]};
    }
  }
  return count;
}

static double mean_at(const sht__report_run *row, size_t offset) {
  sht__moments moments = {0};
  for (size_t i = 0; i < row->seed_count; i++) {
    double value = NAN;
    memcpy(&value, (const char *)&row->seeds[i].run->result + offset, sizeof value);
    sht__moments_add(&moments, value);
  }
  return sht__moments_mean(&moments);
}

static void add_moments(sht__report_run *row) {
  for (size_t i = 0; i < row->seed_count; i++) {
    const sht_train_result *result = &row->seeds[i].run->result;
    sht__moments_add(&row->train, sht__train_accuracy(&result->last));
    sht__moments_add(&row->test, result->last.test_accuracy);
    sht__moments_add(&row->fitted, result->fitted_epoch > 0 ? (double)result->fitted_epoch : (double)NAN);
  }
}

static void fill_mean(const sht__report_run *row, sht_run *mean) {
  static const size_t figures[] = {
      offsetof(sht_train_result, last.train_loss),         offsetof(sht_train_result, last.train_loss_eval),
      offsetof(sht_train_result, last.test_loss),          offsetof(sht_train_result, best_test_accuracy),
      offsetof(sht_train_result, corrupted_test_accuracy), offsetof(sht_train_result, plain_train_accuracy)};
  double steps = 0;
  *mean = *row->seeds[0].run;
  for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
    double value = mean_at(row, figures[i]);
    memcpy((char *)&mean->result + figures[i], &value, sizeof value);
  }
  for (size_t i = 0; i < row->seed_count; i++) {
    const sht_train_result *result = &row->seeds[i].run->result;
    steps += (double)result->fitted_step / (double)row->seed_count;
    mean->result.epochs = result->epochs > mean->result.epochs ? result->epochs : mean->result.epochs;
    mean->result.steps = result->steps > mean->result.steps ? result->steps : mean->result.steps;
  }
  bool fitted = row->fitted.n == row->seed_count;
  mean->result.last.train_accuracy = mean->result.last.train_accuracy_eval = sht__moments_mean(&row->train);
  mean->result.last.test_accuracy = sht__moments_mean(&row->test);
  mean->result.outcome = fitted ? SHT_OUTCOME_FITTED : SHT_OUTCOME_NOT_FITTED;
  mean->result.fitted_epoch = fitted ? (uint32_t)lround(sht__moments_mean(&row->fitted)) : 0;
  mean->result.fitted_step = fitted ? (uint64_t)llround(steps) : 0;
}

static sht_status finish_row(sht__report_run *row, sht_error *error) {
  add_moments(row);
  if (row->seed_count > 1) {
    SHT_TRY(SHT_ALLOC(&row->mean, 1, "mean of the seeds", error));
    fill_mean(row, row->mean);
    row->run = row->mean;
  }
  return SHT_OK;
}

static sht_status join(joining *all, size_t *leaders, sht__report_run *runs, size_t *count, sht__report_seed *seeds,
                       sht_error *error) {
  size_t kept = 0;
  for (size_t i = 0; i < all->count; i++) {
    all->runs[i] = runs[i].run;
    SHT_TRY(key_of(all->runs[i], &all->keys[i], error));
    all->rows[i] = find_row(all, i, leaders, kept);
    if (all->rows[i] == kept) {
      leaders[kept] = i;
      runs[kept++] = runs[i];
    }
  }
  *count = kept;
  for (size_t row = 0; row < kept; row++) {
    runs[row].seeds = seeds;
    runs[row].seed_count = collect(all, row, seeds);
    seeds += runs[row].seed_count;
    SHT_TRY(finish_row(&runs[row], error));
  }
  return SHT_OK;
}

sht_status sht__seeds_join(sht__report_run *runs, size_t *count, sht__report_seed *seeds, sht_error *error) {
  joining all = {.count = *count};
  size_t *leaders = NULL;
  sht_status status = SHT_ALLOC(&all.runs, *count, "runs of a group", error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&all.keys, *count, "keys of the runs", error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&all.rows, *count, "rows of the runs", error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&leaders, *count, "rows of the runs", error);
  }
  if (status == SHT_OK) {
    status = join(&all, leaders, runs, count, seeds, error);
  }
  sht_free((void *)all.runs);
  sht_free(all.keys);
  sht_free(all.rows);
  sht_free(leaders);
  return status;
}
