// Planning a schedule: which runs are one, which are done, how long the rest takes. See shatter/schedule.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/memory.h"
#include "base/pool.h"
#include "lab/schedule.h"
#include "train/session.h"

// A forward pass costs about a third of a training step.
static const double evaluation_share = 1.0 / 3;
static const uint64_t run_overhead_bytes = 256 << 10;  // logs, settings, the model's text

// An identity and where it belongs; sorted for looking up.
typedef struct id_row {
  const char *id;
  uint64_t index;
} id_row;

typedef struct planner {
  sht_schedule *schedule;
  const sht_schedule_options *options;
  sht_run *runs;  // [run_count] of the store
  uint64_t run_count;
  id_row *ids;            // [run_count], sorted
  uint64_t *test_counts;  // [experiment->run_count] test examples
  sht_error *error;
} planner;

static int by_id(const void *a, const void *b) {
  const id_row *left = a;
  const id_row *right = b;
  int order = strcmp(left->id, right->id);
  return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

static int id_matches(const void *key, const void *row) { return strcmp(key, ((const id_row *)row)->id); }

static sht_status read_store(planner *plan) {
  sht_store *store = NULL;
  SHT_TRY(sht_store_open(plan->options->store, &store, plan->error));
  (void)snprintf(plan->schedule->store, sizeof plan->schedule->store, "%s", sht_store_path(store));
  sht_status status = sht_store_list(store, &plan->runs, &plan->run_count, plan->error);
  sht_store_close(store);
  SHT_TRY(status);
  SHT_TRY(SHT_ALLOC(&plan->ids, plan->run_count, "the store's runs", plan->error));
  for (uint64_t i = 0; i < plan->run_count; i++) {
    plan->ids[i] = (id_row){plan->runs[i].id, i};
  }
  if (plan->run_count > 0) {
    qsort(plan->ids, plan->run_count, sizeof *plan->ids, by_id);
  }
  return SHT_OK;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static bool same_dropout(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static bool same_network(const sht_schedule_network *network, const sht_config *config) {
  return strcmp(network->model, config->model) == 0 && strcmp(network->data, config->data) == 0 &&
         strcmp(network->augment, config->augment) == 0 && strcmp(network->device, config->device) == 0 &&
         strcmp(network->precision, config->precision) == 0 && network->batch == config->batch &&
         same_dropout(network->dropout, config->dropout) && network->signs == sht_labels_are_signs(config->labels);
}

static void name_network(sht_schedule_network *network, const sht_config *config) {
  memcpy(network->model, config->model, sizeof network->model);
  memcpy(network->data, config->data, sizeof network->data);
  memcpy(network->augment, config->augment, sizeof network->augment);
  memcpy(network->device, config->device, sizeof network->device);
  memcpy(network->precision, config->precision, sizeof network->precision);
  network->batch = config->batch;
  network->dropout = config->dropout;
  network->signs = sht_labels_are_signs(config->labels);
}

// The network of a configuration, added when it is new, and asked what it computes with.
static sht_status find_network(planner *plan, const sht_config *config, uint32_t *out) {
  sht_schedule *schedule = plan->schedule;
  for (*out = 0; *out < schedule->network_count; ++*out) {
    if (same_network(&schedule->networks[*out], config)) {
      return SHT_OK;
    }
  }
  sht_schedule_network *network = &schedule->networks[schedule->network_count++];
  name_network(network, config);
  network->step_alone = network->step_side_by_side = NAN;
  double none = 0;
  SHT_TRY(sht__network_probe(network, config, 0, 1, &none, plan->error));
  const uint64_t asked = plan->options->together > 0 ? plan->options->together : SHT_TOGETHER_DEFAULT;
  network->together = (uint32_t)least(network->together, least(asked, SHT_TOGETHER_MAX));
  network->together = network->together > 1 ? network->together : 1;
  return SHT_OK;
}

static sht_status count_networks(const sht_experiment *experiment, uint64_t *out, sht_error *error) {
  sht_schedule_network *seen = NULL;
  SHT_TRY(SHT_ALLOC(&seen, experiment->run_count, "the experiment's networks", error));
  *out = 0;
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    const sht_config *config = &experiment->runs[i].config;
    uint64_t at = 0;
    while (at < *out && !same_network(&seen[at], config)) {
      at++;
    }
    if (at == *out) {
      name_network(&seen[(*out)++], config);
    }
  }
  sht_free(seen);
  return SHT_OK;
}

static void take_session(planner *plan, uint64_t index, const sht_session *session) {
  sht_slot *slot = &plan->schedule->slots[index];
  const sht_config *config = &plan->schedule->experiment->runs[index].config;
  memcpy(slot->run.id, session->identity, sizeof slot->run.id);
  slot->run.config = *config;
  slot->run.result.steps_per_epoch = session->steps_per_epoch;
  slot->run.result.train_examples = session->data->train.count;
  slot->steps = session->steps_per_epoch * config->epochs;
  slot->same_as = index;
  plan->test_counts[index] = session->data->test.count;
}

// Finds every run's identity; the data of one run serve the next when they are the same.
static sht_status identify(planner *plan) {
  const sht_experiment *experiment = plan->schedule->experiment;
  sht_session *pair = NULL;
  SHT_TRY(SHT_ALLOC(&pair, 2, "a run's description", plan->error));
  sht_status status = SHT_OK;
  for (uint64_t i = 0; i < experiment->run_count && status == SHT_OK; i++) {
    sht_slot *slot = &plan->schedule->slots[i];
    const sht_config *config = &experiment->runs[i].config;
    sht_session *session = &pair[i % 2];
    sht_session *before = &pair[(i + 1) % 2];
    status = find_network(plan, config, &slot->network);
    if (status == SHT_OK) {
      const char *numerics = plan->schedule->networks[slot->network].numerics;
      status = sht__session_open_unstarted(config, numerics, before, session, plan->error);
    }
    if (status == SHT_OK) {
      take_session(plan, i, session);
    }
    sht__session_close(before);
  }
  sht__session_close(&pair[0]);
  sht__session_close(&pair[1]);
  sht_free(pair);
  return status;
}

// Runs of the plan with one identity point to the first of them.
static sht_status join_equal(planner *plan) {
  sht_schedule *schedule = plan->schedule;
  uint64_t count = schedule->experiment->run_count;
  id_row *rows = NULL;
  SHT_TRY(SHT_ALLOC(&rows, count, "the plan's runs", plan->error));
  for (uint64_t i = 0; i < count; i++) {
    rows[i] = (id_row){schedule->slots[i].run.id, i};
  }
  qsort(rows, count, sizeof *rows, by_id);
  for (uint64_t i = 0; i < count; i++) {
    bool repeats = i > 0 && strcmp(rows[i].id, rows[i - 1].id) == 0;
    sht_slot *slot = &schedule->slots[rows[i].index];
    slot->same_as = repeats ? schedule->slots[rows[i - 1].index].same_as : rows[i].index;
    schedule->distinct += !repeats;
  }
  sht_free(rows);
  return SHT_OK;
}

// What the store has of each run. A run whose examples are to be saved is looked at when its turn comes.
static void compare_with_store(planner *plan) {
  sht_schedule *schedule = plan->schedule;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    sht_slot *slot = &schedule->slots[i];
    const id_row *row =
        plan->run_count == 0 ? NULL : bsearch(slot->run.id, plan->ids, plan->run_count, sizeof *plan->ids, id_matches);
    const sht_run *run = row == NULL ? NULL : &plan->runs[row->index];
    if (run == NULL || run->damaged) {
      continue;
    }
    bool first = slot->same_as == i;
    bool wants_more = strcmp(slot->run.config.save, "none") != 0;
    slot->steps_found = slot->steps_done = run->result.steps;
    slot->epochs_done = run->result.epochs;
    schedule->begun += first && !run->complete && run->result.steps > 0;
    if (run->complete && !wants_more) {
      slot->run = *run;
      slot->state = SHT_SLOT_DONE;
      slot->found = true;
      schedule->found += first;
    }
  }
}

static bool is_pending(const sht_schedule *schedule, uint64_t index) {
  return schedule->slots[index].state == SHT_SLOT_WAITING && schedule->slots[index].same_as == index;
}

// Steps, in units of training steps, that a run still needs, evaluations included.
static double work_left(const planner *plan, uint64_t index) {
  const sht_slot *slot = &plan->schedule->slots[index];
  double batch = (double)slot->run.config.batch;
  double epochs = (double)slot->run.config.epochs - (double)slot->epochs_done;
  double evaluations = epochs * ceil((double)plan->test_counts[index] / batch);
  evaluations += 2 * (double)slot->run.result.steps_per_epoch;  // of the training set, near the end
  return (double)(slot->steps - (slot->steps_done < slot->steps ? slot->steps_done : slot->steps)) +
         evaluation_share * evaluations;
}

// Times each network that has runs to do, `copies` at once with `threads` each.
static sht_status time_networks(planner *plan, uint64_t threads, uint64_t copies, bool side_by_side) {
  sht_schedule *schedule = plan->schedule;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    sht_schedule_network *network = &schedule->networks[schedule->slots[i].network];
    double *seconds = side_by_side ? &network->step_side_by_side : &network->step_alone;
    if (is_pending(schedule, i) && isnan(*seconds)) {
      SHT_TRY(
          sht__network_probe(network, &schedule->experiment->runs[i].config, threads, copies, seconds, plan->error));
    }
  }
  return SHT_OK;
}

// Seconds for everything that is left, `jobs` at a time. Fills the slots' estimates.
static double estimate(planner *plan, uint64_t jobs, bool side_by_side) {
  sht_schedule *schedule = plan->schedule;
  double sum = 0;
  double longest = 0;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    const sht_schedule_network *network = &schedule->networks[schedule->slots[i].network];
    if (is_pending(schedule, i)) {
      double seconds =
          work_left(plan, i) * (side_by_side ? network->step_side_by_side : network->step_alone) + network->opening;
      // Of runs that train together: its share of their time, which it waits for the whole of.
      const double beside = sht__network_group_size(network, network->runs);
      schedule->slots[i].seconds = seconds;
      sum += seconds;
      longest = fmax(longest, seconds * beside);
    }
  }
  return fmax(longest, sum / (double)jobs);
}

static sht_status count_cores(uint64_t *out, sht_error *error) {
  sht_pool *pool = NULL;
  SHT_TRY(sht_pool_open(0, &pool, error));
  *out = (uint64_t)sht_pool_threads(pool);
  sht_pool_close(pool);
  return SHT_OK;
}

// The caller said how many at once.
static sht_status use_given_jobs(planner *plan, uint64_t cores, uint64_t pending) {
  sht_schedule *schedule = plan->schedule;
  uint64_t asked = plan->options->jobs > 0 ? plan->options->jobs : 1;
  schedule->jobs = asked < pending ? asked : pending;
  uint64_t share = cores / schedule->jobs > 0 ? cores / schedule->jobs : 1;
  schedule->threads = plan->options->threads > 0 ? plan->options->threads : share;
  if (plan->options->timed) {
    bool side_by_side = schedule->jobs > 1;
    SHT_TRY(time_networks(plan, schedule->threads, schedule->jobs, side_by_side));
    schedule->seconds = estimate(plan, schedule->jobs, side_by_side);
  }
  return SHT_OK;
}

// As many runs at once as there are cores, or one with all of them: what is quicker by the clock.
static sht_status measure_jobs(planner *plan, uint64_t cores, uint64_t pending) {
  sht_schedule *schedule = plan->schedule;
  uint64_t each = plan->options->threads > 0 ? plan->options->threads : 1;
  uint64_t jobs = least(cores / each > 0 ? cores / each : 1, pending);
  SHT_TRY(time_networks(plan, each, jobs, true));
  double side_by_side = estimate(plan, jobs, true);
  SHT_TRY(time_networks(plan, plan->options->threads > 0 ? each : cores, 1, false));
  double alone = estimate(plan, 1, false);
  schedule->jobs_measured = true;
  if (side_by_side < alone) {
    schedule->jobs = jobs;
    schedule->threads = plan->options->threads > 0 ? each : cores / jobs;
    schedule->seconds = estimate(plan, jobs, true);
  } else {
    schedule->jobs = 1;
    schedule->threads = plan->options->threads > 0 ? each : cores;
    schedule->seconds = alone;
  }
  return SHT_OK;
}

static sht_status choose_jobs(planner *plan) {
  sht_schedule *schedule = plan->schedule;
  uint64_t cores = 1;
  uint64_t pending = 0;
  schedule->seconds = NAN;
  schedule->jobs = schedule->threads = 1;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    pending += is_pending(schedule, i);
    schedule->networks[schedule->slots[i].network].runs += is_pending(schedule, i);
  }
  if (pending == 0) {
    return SHT_OK;
  }
  SHT_TRY(count_cores(&cores, plan->error));
  // Where runs train together, one process has the card.
  bool together = false;
  for (uint32_t i = 0; i < schedule->network_count; i++) {
    together = together || (schedule->networks[i].runs > 1 && schedule->networks[i].together > 1);
  }
  bool choice = plan->options->timed && plan->options->jobs == 0 && pending > 1 && cores > 1 && !together;
  return choice ? measure_jobs(plan, cores, pending) : use_given_jobs(plan, cores, pending);
}

// Weights and one checkpoint (weights and momentum) stay; while a run works it has two.
static void estimate_disk(planner *plan) {
  sht_schedule *schedule = plan->schedule;
  uint64_t largest = 0;
  uint64_t most = 1;  // runs of a process
  struct statvfs space;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    const sht_schedule_network *network = &schedule->networks[schedule->slots[i].network];
    uint64_t parameters = network->parameters;
    if (is_pending(schedule, i)) {
      most = network->together > most ? network->together : most;
      schedule->disk_bytes += 12 * parameters + run_overhead_bytes;
      largest = parameters > largest ? parameters : largest;
    }
  }
  schedule->disk_bytes += 8 * largest * schedule->jobs * most;
  schedule->disk_free = UINT64_MAX;
  if (statvfs(schedule->store, &space) == 0) {
    schedule->disk_free = (uint64_t)space.f_bavail * space.f_frsize;
  }
}

static sht_status open_plan(planner *plan) {
  sht_schedule *schedule = plan->schedule;
  const sht_experiment *experiment = schedule->experiment;
  uint64_t networks = 0;
  SHT_TRY(SHT_ALLOC(&schedule->slots, experiment->run_count, "the schedule", plan->error));
  SHT_TRY(SHT_ALLOC(&plan->test_counts, experiment->run_count, "the schedule", plan->error));
  SHT_TRY(count_networks(experiment, &networks, plan->error));
  return SHT_ALLOC(&schedule->networks, networks, "the experiment's networks", plan->error);
}

static sht_status make_plan(planner *plan) {
  sht_schedule *schedule = plan->schedule;
  SHT_TRY(open_plan(plan));
  SHT_TRY(read_store(plan));
  SHT_TRY(identify(plan));
  SHT_TRY(join_equal(plan));
  compare_with_store(plan);
  SHT_TRY(sht__schedule_ask(schedule, plan->options->only, plan->error));
  SHT_TRY(choose_jobs(plan));
  estimate_disk(plan);
  return SHT_OK;
}

sht_status sht_schedule_open(const sht_experiment *experiment, const sht_schedule_options *options, sht_schedule **out,
                             sht_error *error) {
  *out = NULL;
  if (experiment->run_count == 0) {
    return SHT_FAIL(error, SHT_CONFIG, "%s: the experiment has no runs", experiment->name);
  }
  sht_schedule *schedule = NULL;
  SHT_TRY(SHT_ALLOC(&schedule, 1, "the schedule", error));
  schedule->experiment = experiment;
  schedule->leave = options->leave;
  planner plan = {.schedule = schedule, .options = options, .error = error};
  sht_status status = make_plan(&plan);
  sht_free(plan.test_counts);
  sht_free(plan.ids);
  sht_free(plan.runs);
  if (status != SHT_OK) {
    sht_schedule_close(schedule);
    return status;
  }
  *out = schedule;
  return SHT_OK;
}

void sht_schedule_close(sht_schedule *schedule) {
  if (schedule != NULL) {
    sht_free(schedule->slots);
    sht_free(schedule->networks);
    sht_free(schedule);
  }
}
