// What the parts of a report share: runs sorted into groups that can be compared, their names, and what is said of
// them.
#ifndef SHT_LAB_REPORT_H
#define SHT_LAB_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lab/report_moments.h"
#include "shatter/lab.h"

enum { SHT__KIND_SIZE = 192, SHT__LABEL_SIZE = 512, SHT__TEXT_SIZE = 32 };

// The kinds of data that a network is trained on, in the order in which they are shown.
typedef enum sht__kind {
  SHT__KIND_TRUE,
  SHT__KIND_RANDOM_LABELS,
  SHT__KIND_SHUFFLED_PIXELS,
  SHT__KIND_RANDOM_PIXELS,
  SHT__KIND_GAUSSIAN_PIXELS,
  SHT__KIND_PARTLY_WRONG_LABELS,
  SHT__KIND_OTHER,
} sht__kind;

// One of the runs behind a row.
typedef struct sht__report_seed {
  const sht_run *run;
  sht_epoch *epochs;  // [epoch_count], owned
  uint64_t epoch_count;
} sht__report_seed;

// A row: a run, or the mean of finished runs that differ in their seed alone.
typedef struct sht__report_run {
  const sht_run *run;             // of several seeds `mean`
  const sht__report_seed *seeds;  // [seed_count], ascending
  size_t seed_count;
  sht_run *mean;                     // owned; NULL of one seed. Fitted when all seeds are, then in their mean epoch
  sht__moments train, test, fitted;  // over the seeds: last accuracies; epochs of those that fitted
  const sht_epoch *epochs;           // [epoch_count] of the first seed
  uint64_t epoch_count;
  sht__kind kind;
  double noise;                 // share of the labels that is randomised; 0 of kind OTHER: not known
  char name[SHT__KIND_SIZE];    // of the kind: "random labels"
  char label[SHT__LABEL_SIZE];  // and what tells it from other runs of its group: "random labels, seed 2"
  int style;                    // of its lines
  bool differs;                 // scratch of sht__report_label
  char problem[512];            // why its curve is missing; "": it is not
} sht__report_run;

// Runs of one model on one data set, true data first; those with signs for labels, another task, by themselves.
typedef struct sht__report_group {
  const char *model;
  const char *data;
  bool signs;
  uint32_t classes;             // 0: not known
  const sht__report_run *runs;  // [run_count]
  size_t run_count;
  const sht__report_run *base;    // on true data, to compare with; NULL: there is none
  const sht__report_run *random;  // the randomised run that says most; NULL: there is none
} sht__report_group;

typedef struct sht__report {
  sht__report_run *runs;  // [run_count], group by group
  size_t run_count;
  sht__report_seed *seeds;  // [seed_count], row by row
  size_t seed_count;
  sht__report_group *groups;  // [group_count], by data set and model
  size_t group_count;
} sht__report;

// Sorts and names runs (without those that are damaged), and reads their epochs when asked to. `runs` is borrowed.
// Close also after a failure.
sht_status sht__report_open(const sht_run *runs, uint64_t count, bool with_epochs, sht__report *out, sht_error *error);
void sht__report_close(sht__report *report);

// Makes one row of runs [*count] that differ in their seed alone, where they are finished and did not diverge. seeds:
// room for as many as there are runs. Free each row's mean.
sht_status sht__seeds_join(sht__report_run *runs, size_t *count, sht__report_seed *seeds, sht_error *error);

// Fills kind, noise and name from the run's configuration.
void sht__report_name(sht__report_run *run);
// Fills label and style of the runs of a group.
void sht__report_label(sht__report_run *runs, size_t count);
// "alexnet on cifar10", "alexnet on cifar10 with random signs". Returns out.
char *sht__report_group_name(const sht__report_group *group, char *out, size_t size);
// Whether it is one model, wherever its file lay.
bool sht__report_same_model(const sht_run *a, const sht_run *b);
// Of two runs of one model, how many options differ, beyond labels, pixels and the number of epochs.
size_t sht__report_differences(const sht_run *a, const sht_run *b);

// Evaluation mode where that was measured, else the mean during the epoch.
double sht__train_accuracy(const sht_epoch *epoch);
// "99.4 ± 0.2 %", of one value "99.4 %". Returns out.
char *sht__percent_moments(const sht__moments *moments, char *out, size_t size);
// "99.4 %"; a dash for NaN. Returns out.
char *sht__percent_text(double fraction, char *out, size_t size);

// Table 1 of the paper. NULL when it has no row for the run's configuration.
typedef struct sht__paper_row {
  const char *model;
  bool random_labels;
  bool weight_decay;
  bool crop;              // random cropping
  double train_accuracy;  // fractions
  double test_accuracy;
} sht__paper_row;
const sht__paper_row *sht__paper_find(const sht__report_run *run);
// Why the run cannot be set beside its row: "trained on 5,000 of 50,000 images". "" when it can. Returns out.
char *sht__paper_obstacle(const sht_run *run, char *out, size_t size);

// What a group says, in a few sentences.
void sht__verdict_write(FILE *out, const sht__report_group *group);
// Whether every group of several says the same: random labels are fitted as true ones are, which are learnt. Then that
// is said once, and of each group its two runs alone: "alexnet on cifar10: true data fitted in 27 epochs, ...".
bool sht__verdict_is_shared(const sht__report *report);
void sht__verdict_write_shared(FILE *out, const sht__report *report);
void sht__verdict_write_pair(FILE *out, const sht__report_group *group);

// The command that trains the run, for a shell.
void sht__command_write(FILE *out, const sht_config *config);
// The same into out [size], cut at its end.
sht_status sht__command_text(const sht_config *config, char *out, size_t size, sht_error *error);
// The same as a piece of a page.
void sht__command_html(FILE *out, const sht_config *config);

// The parts of the page.
extern const char sht__report_style[];
sht_status sht__figures_write(FILE *out, const sht__report_group *group, size_t number, sht_error *error);
void sht__runs_write(FILE *out, const sht__report *report);
void sht__settings_write(FILE *out, const sht__report *report);
// The page's beginning, up to its <title>; the verdict of a group in its box, or of all groups in one.
void sht__head_write(FILE *out);
sht_status sht__verdict_html(FILE *out, const sht__report_group *group, sht_error *error);
sht_status sht__verdict_shared_html(FILE *out, const sht__report *report, sht_error *error);
// What the words mean; fitted_at: the training accuracy from which a set counts as fitted.
void sht__terms_write(FILE *out, double fitted_at);
void sht__foot_write(FILE *out);

#endif
