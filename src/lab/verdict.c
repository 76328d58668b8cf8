// What true and randomised runs say together, in words: see report.h and shatter/lab.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/report.h"
#include "lab/svg_text.h"

enum { CLAUSES_MAX = 6 };

// Test accuracy above chance by less than this is not called learning.
static const double hardly_above_chance = 0.05;

static bool is_fitted(const sht__report_run *run) {
  return run->run->result.fitted_epoch > 0 && run->run->result.outcome != SHT_OUTCOME_DIVERGED;
}

// The fitted run on true data that differs from this one in nothing else than how long it may take; NULL: none.
static const sht_run *find_baseline(const sht__report_group *group, const sht__report_run *run) {
  for (size_t i = 0; i < group->run_count; i++) {
    const sht__report_run *other = &group->runs[i];
    if (other != run && other->kind == SHT__KIND_TRUE && is_fitted(other) &&
        sht__report_differences(other->run, run->run) == 0) {
      return other->run;
    }
  }
  return NULL;
}

// How much longer than on true data, " (3.3 times as long)"; nothing when there is no run to compare with.
static void write_ratio(FILE *out, const sht__report_group *group, const sht__report_run *run) {
  char number[SHT__TEXT_SIZE];
  double ratio = sht_run_relative_time(run->run, find_baseline(group, run));
  if (isfinite(ratio)) {
    (void)fprintf(out, " (%s times as long)", sht__number_text(ratio, 1, true, number, sizeof number));
  }
}

static void write_accuracy(FILE *out, const char *name, const sht__moments *moments) {
  char text[2 * SHT__TEXT_SIZE];
  if (moments->n > 0) {
    (void)fprintf(out, ", %s accuracy %s", name, sht__percent_moments(moments, text, sizeof text));
  }
}

// "fitted in 13.3 ± 0.6 epochs"
static void write_epochs(FILE *out, const sht__report_run *run) {
  char mean[SHT__TEXT_SIZE];
  char spread[SHT__TEXT_SIZE];
  uint32_t epoch = run->run->result.fitted_epoch;
  if (run->seed_count == 1) {
    (void)fprintf(out, "fitted in %" PRIu32 " epoch%s", epoch, epoch == 1 ? "" : "s");
  } else {
    (void)fprintf(out, "fitted in %s \xc2\xb1 %s epochs",
                  sht__number_text(sht__moments_mean(&run->fitted), 1, true, mean, sizeof mean),
                  sht__number_text(sht__moments_deviation(&run->fitted), 1, true, spread, sizeof spread));
  }
}

// "random labels fitted in 40 epochs (3.3 times as long), test accuracy 10.2 %"
static void write_clause(FILE *out, const sht__report_group *group, const sht__report_run *run) {
  const sht_train_result *result = &run->run->result;
  (void)fprintf(out, "%s ", run->label);
  if (result->outcome == SHT_OUTCOME_DIVERGED) {
    (void)fprintf(out, "diverged at step %" PRIu64, result->diverged_step);
    return;
  }
  if (is_fitted(run)) {
    write_epochs(out, run);
    write_ratio(out, group, run);
  } else if (!run->run->complete) {
    (void)fprintf(out, "unfinished (%" PRIu32 " of %" PRIu64 " epochs so far)", result->epochs,
                  run->run->config.epochs);
  } else if (run->fitted.n > 0) {
    (void)fprintf(out, "fitted with %" PRIu32 " of %zu seeds", run->fitted.n, run->seed_count);
  } else {
    (void)fprintf(out, "not fitted after %" PRIu32 " epoch%s", result->epochs, result->epochs == 1 ? "" : "s");
  }
  if (!is_fitted(run)) {
    write_accuracy(out, "training", &run->train);
  }
  write_accuracy(out, "test", &run->test);
}

static void write_facts(FILE *out, const sht__report_group *group) {
  char name[2 * SHT_TEXT_MAX];
  (void)fprintf(out, "%s: ", sht__report_group_name(group, name, sizeof name));
  bool several = false;
  size_t more = 0;
  for (size_t i = 0; i < group->run_count; i++) {
    if (i < CLAUSES_MAX) {
      (void)fputs(i == 0 ? "" : "; ", out);
      write_clause(out, group, &group->runs[i]);
    } else {
      more += group->runs[i].seed_count;
    }
    several = several || group->runs[i].seed_count > 1;
  }
  if (more > 0) {
    (void)fprintf(out, "; and %zu run%s more", more, more == 1 ? "" : "s");
  }
  (void)fputs(several ? " (of several seeds mean \xc2\xb1 standard deviation)." : ".", out);
}

// What was memorised, said so that it claims no more than the kind allows.
static const char *memorised(const sht__report_run *run) {
  switch (run->kind) {
    case SHT__KIND_RANDOM_LABELS:
      return "labels that mean nothing";
    case SHT__KIND_GAUSSIAN_PIXELS:
      return "images of pure noise";
    case SHT__KIND_RANDOM_PIXELS:
      return "images whose pixels are scrambled";
    default:
      return NULL;
  }
}

// The fitted run that says most about memorising, or NULL.
static const sht__report_run *find_memorised(const sht__report_group *group) {
  for (size_t i = 0; i < group->run_count; i++) {
    if (is_fitted(&group->runs[i]) && memorised(&group->runs[i]) != NULL) {
      return &group->runs[i];
    }
  }
  return NULL;
}

static void write_memorised(FILE *out, const sht__report_group *group, const sht__report_run *run) {
  const sht__report_run *base = group->base;
  char accuracy[2 * SHT__TEXT_SIZE];
  bool alike = base != NULL && sht__report_differences(base->run, run->run) == 0;
  (void)fprintf(out, " The same network%s memorises %s, so a training set that is fitted is no evidence of learning",
                alike ? ", trained the same way," : "", memorised(run));
  double test = base == NULL ? NAN : base->run->result.last.test_accuracy;
  if (!isfinite(test)) {
    (void)fputc('.', out);
  } else if (group->classes > 0 && test < 1.0 / group->classes + hardly_above_chance) {
    (void)fputs("; on new examples it is hardly better than chance with the true data either.", out);
  } else {
    (void)fprintf(out, ", and neither its size nor its training error explains the %s on new examples.",
                  sht__percent_moments(&base->test, accuracy, sizeof accuracy));
  }
}

static void write_not_fitted(FILE *out, const sht__report_run *run) {
  if (run->run->result.outcome == SHT_OUTCOME_DIVERGED) {
    (void)fputs(" A run that diverged says nothing about what the network can memorise; try a smaller learning rate.",
                out);
  } else if (!run->run->complete) {
    (void)fputs(" Nothing follows from a randomised run before it has ended.", out);
  } else {
    (void)fprintf(out, " That %s were not fitted in this time does not show that they cannot be.", run->name);
  }
}

// The run that bounds it best; NULL: none has ended.
static const sht__report_run *find_rademacher(const sht__report_group *group) {
  const sht__report_run *best = NULL;
  for (size_t i = 0; i < group->run_count; i++) {
    double bound = sht_run_rademacher(group->runs[i].run);
    if (isfinite(bound) && (best == NULL || bound > sht_run_rademacher(best->run))) {
      best = &group->runs[i];
    }
  }
  return best;
}

static void write_rademacher(FILE *out, const sht__report_group *group) {
  const sht__report_run *best = find_rademacher(group);
  char number[SHT__TEXT_SIZE];
  if (best == NULL) {
    (void)fputs(" Nothing follows before a run has ended.", out);
    return;
  }
  (void)sht__number_text(sht_lower_bound_shown(sht_run_rademacher(best->run)), 3, false, number, sizeof number);
  (void)fprintf(out,
                " The signs were drawn by a fair coin, so that by these draws the empirical Rademacher complexity of "
                "this network is at least %s",
                number);
  if (group->run_count > 1) {
    (void)fprintf(out, " (%s)", best->label);
  }
  (void)fputs(", where 1 is the most: the nearer, the less a bound on the generalisation error says that rests on it.",
              out);
}

void sht__verdict_write(FILE *out, const sht__report_group *group) {
  write_facts(out, group);
  if (group->signs) {
    write_rademacher(out, group);
    return;
  }
  const sht__report_run *learnt_by_heart = find_memorised(group);
  if (learnt_by_heart != NULL) {
    write_memorised(out, group, learnt_by_heart);
  } else if (group->random != NULL && !is_fitted(group->random)) {
    write_not_fitted(out, group->random);
  } else if (group->random != NULL) {
    (void)fprintf(out, " It fits the training set with %s too.", group->random->name);
  }
  if (group->base == NULL) {
    (void)fputs(" There is no run on the true data to compare with.", out);
  } else if (group->random == NULL) {
    (void)fputs(" There is no randomised run to compare with; train one with --labels random.", out);
  }
}

static bool fits_all_random_labels(const sht__report_group *group) {
  bool all = true;
  for (size_t i = 0; i < group->run_count; i++) {
    all = all && (group->runs[i].kind != SHT__KIND_RANDOM_LABELS || is_fitted(&group->runs[i]));
  }
  return all;
}

// Whether a group shows by itself what the paper says, with no exception that is to be told: the same training fits
// true and meaningless labels, and learns something of the true ones.
static bool shows_memorising(const sht__report_group *group) {
  const sht__report_run *base = group->base, *random = group->random;
  return fits_all_random_labels(group) && base != NULL && random != NULL && random->kind == SHT__KIND_RANDOM_LABELS &&
         is_fitted(base) && is_fitted(random) && sht__report_differences(base->run, random->run) == 0 &&
         group->classes > 0 && sht__moments_mean(&base->test) >= 1.0 / group->classes + hardly_above_chance;
}

bool sht__verdict_is_shared(const sht__report *report) {
  bool shared = report->group_count > 1;
  for (size_t g = 0; g < report->group_count; g++) {
    shared = shared && shows_memorising(&report->groups[g]);
  }
  return shared;
}

// "Each of these 3 networks"; of a network on several data sets, where the groups are more than the networks, no
// number.
static void write_networks(FILE *out, const sht__report *report) {
  bool distinct = true;
  for (size_t g = 0; g < report->group_count; g++) {
    for (size_t other = 0; other < g; other++) {
      distinct = distinct && !sht__report_same_model(report->groups[g].base->run, report->groups[other].base->run);
    }
  }
  if (distinct) {
    (void)fprintf(out, "Each of these %zu networks, trained the same way,", report->group_count);
  } else {
    (void)fputs("On each data set the same network, trained the same way,", out);
  }
}

// "50.0 to 60.0 %", the range of the test accuracies.
static void write_range(FILE *out, const sht__report *report) {
  char low[SHT__TEXT_SIZE], high[SHT__TEXT_SIZE];
  double least = 1, most = 0;
  for (size_t g = 0; g < report->group_count; g++) {
    const double test = sht__moments_mean(&report->groups[g].base->test);
    least = fmin(least, test);
    most = fmax(most, test);
  }
  (void)sht__percent_text(least, low, sizeof low);
  (void)sht__percent_text(most, high, sizeof high);
  if (strcmp(low, high) != 0) {
    (void)fprintf(out, "%s to ", sht__number_text(100 * least, 1, false, low, sizeof low));
  }
  (void)fputs(high, out);
}

void sht__verdict_write_shared(FILE *out, const sht__report *report) {
  bool several = false;
  for (size_t g = 0; g < report->group_count; g++) {
    several = several || report->groups[g].base->seed_count > 1 || report->groups[g].random->seed_count > 1;
  }
  write_networks(out, report);
  (void)fputs(
      " memorises labels that mean nothing, so a training set that is fitted is no evidence of learning, and neither "
      "its size nor its training error explains the ",
      out);
  write_range(out, report);
  (void)fputs(" on new examples", out);
  (void)fputs(several ? " (of several seeds mean \xc2\xb1 standard deviation)." : ".", out);
}

void sht__verdict_write_pair(FILE *out, const sht__report_group *group) {
  (void)fprintf(out, "%s on %s: ", group->model, group->data);
  write_clause(out, group, group->base);
  (void)fputs("; ", out);
  write_clause(out, group, group->random);
}

// Adds a group's sentences when they fit whole; else as much of the first one's as fits, or an ellipsis.
static bool add_text(const char *text, char *out, uint64_t size, uint64_t *used) {
  static const char more[] = " ...";
  uint64_t room = size - *used - sizeof more;
  bool fits = strlen(text) <= room;
  if (fits || *used == 0) {
    *used += (uint64_t)snprintf(out + *used, size - *used, "%.*s", (int)room, text);
    *used = strlen(out);
  }
  if (!fits) {
    (void)snprintf(out + *used, size - *used, "%s", more);
  }
  return fits;
}

static sht_status write_groups(const sht__report *report, char *out, uint64_t size, sht_error *error) {
  uint64_t used = 0;
  bool fits = true;
  for (size_t i = 0; i < report->group_count && fits; i++) {
    char *text = NULL;
    size_t length = 0;
    FILE *writer = open_memstream(&text, &length);
    if (writer == NULL) {
      return SHT_FAIL(error, SHT_MEMORY, "no memory for the verdict");
    }
    (void)fputs(i == 0 ? "" : " ", writer);
    sht__verdict_write(writer, &report->groups[i]);
    if (fclose(writer) != 0) {
      free(text);
      return SHT_FAIL(error, SHT_MEMORY, "no memory for the verdict");
    }
    fits = add_text(text, out, size, &used);
    free(text);
  }
  return SHT_OK;
}

sht_status sht_report_verdict(const sht_run *runs, uint64_t count, char *out, uint64_t size, sht_error *error) {
  sht__report report;
  if (size < SHT__LABEL_SIZE) {
    return SHT_FAIL(error, SHT_INTERNAL, "a verdict needs room for %d bytes", SHT__LABEL_SIZE);
  }
  (void)snprintf(out, size, "There is no run yet; `shatter demo` makes the first ones.");
  sht_status status = sht__report_open(runs, count, false, &report, error);
  if (status == SHT_OK && count > 0) {
    status = write_groups(&report, out, size, error);
  }
  sht__report_close(&report);
  return status;
}
