// shatter run: all runs of an experiment: the plan, the work, the summary and the report.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/plan.h"
#include "cli/signals.h"
#include "cli/verbs.h"

enum { PATH_BYTES = 2048, WORD_BYTES = 64, CHANGED_BYTES = 24, BEGUN_BYTES = 128 };

static sht_status open_experiment(const sht_cli *cli, sht_experiment **out, sht_error *error) {
  sht_setting above[SHT_CLI_FLAGS_MAX + 1];
  for (int i = 0; i < cli->flag_count; i++) {
    above[i] = (sht_setting){cli->flags[i].option->name, cli->flags[i].text};
  }
  above[cli->flag_count] = (sht_setting){NULL, NULL};
  return sht_experiment_open(cli->arguments[0], sht__cli_text(cli, "scale"), above, out, error);
}

static sht_status open_schedule(const sht_cli *cli, const sht_experiment *experiment, sht_schedule **out,
                                sht_error *error) {
  sht_schedule_options options = {
      .store = cli->config.store,
      .jobs = sht__cli_count(cli, "jobs", 0),
      .threads = cli->config.threads,
      .together = sht__cli_count(cli, "together", 0),
      .leave = sht__cli_is_set(cli, "leave"),
      .only = sht__cli_text(cli, "only"),
      .timed = !sht__cli_is_set(cli, "slurm"),
  };
  if (!cli->quiet) {
    (void)fprintf(stderr, "%s: looking into the store and timing a few steps ...\n", experiment->name);
  }
  return sht_schedule_open(experiment, &options, out, error);
}

// "-changed-1a2b3c4d" for what stands above the page, so that the page's own report is left alone; "" for nothing.
static sht_status name_changes(const sht_experiment *experiment, char out[CHANGED_BYTES], sht_error *error) {
  char hex[65];
  out[0] = '\0';
  if (experiment->changed[0] == '\0') {
    return SHT_OK;
  }
  SHT_TRY(sht_hash_bytes(experiment->changed, strlen(experiment->changed), hex, error));
  (void)snprintf(out, CHANGED_BYTES, "-changed-%.8s", hex);
  return SHT_OK;
}

// "STORE/report-fig1-small", or the folder of --report.
static sht_status report_folder(const sht_cli *cli, const sht_schedule *schedule, char *out, sht_error *error) {
  const sht_experiment *experiment = schedule->experiment;
  const char *asked = sht__cli_text(cli, "report");
  char name[2 * SHT_LABEL_MAX + CHANGED_BYTES + 16];
  char changes[CHANGED_BYTES];
  if (asked != NULL) {
    (void)snprintf(out, PATH_BYTES, "%s", asked);
    return SHT_OK;
  }
  bool full = strcmp(experiment->scale, "full") == 0;
  SHT_TRY(name_changes(experiment, changes, error));
  (void)snprintf(name, sizeof name, "report-%s%s%s%s", experiment->name, full ? "" : "-", full ? "" : experiment->scale,
                 changes);
  return sht_path_join(out, PATH_BYTES, schedule->store, name, error);
}

static void on_noted(void *context, const char *sentence) {
  if (!((const sht_cli *)context)->quiet) {
    (void)fprintf(stderr, "%s\n", sentence);
  }
}

// The exit code tells what a script has to know first: 1, a run has no result; 3, one diverged.
static sht_status judge(const sht_schedule *schedule) {
  sht_status worst = SHT_OK;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    const sht_slot *slot = &schedule->slots[i];
    if (slot->state == SHT_SLOT_ELSEWHERE || slot->state == SHT_SLOT_UNASKED) {
      continue;
    }
    if (slot->state != SHT_SLOT_DONE) {
      return SHT_NO;
    }
    worst = slot->run.result.outcome == SHT_OUTCOME_DIVERGED ? SHT_DIVERGED : worst;
  }
  return worst;
}

// Runs without a result that have saved some of their steps, or were at work and save them when they stop.
static const char *begun_text(const sht_schedule *schedule, char *out, size_t size) {
  uint64_t begun = 0;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    const sht_slot *slot = &schedule->slots[i];
    bool open = slot->state == SHT_SLOT_WAITING || slot->state == SHT_SLOT_RUNNING;
    begun += slot->same_as == i && slot->asked && open && slot->steps_done > 0;
  }
  out[0] = '\0';
  if (begun > 0) {
    (void)snprintf(out, size, ", and of %" PRIu64 " more the part that is done, from which %s on", begun,
                   begun == 1 ? "it goes" : "they go");
  }
  return out;
}

static sht_status stopped(const sht_cli *cli, const sht_schedule *schedule, sht_status status, sht_error *error) {
  char why[SHT_ERROR_MESSAGE_MAX / 2];
  char begun[BEGUN_BYTES];
  char *again = NULL;
  (void)snprintf(why, sizeof why, "%.*s", (int)sizeof why - 1, error->message);
  SHT_TRY(sht__plan_command(cli, schedule, &again, error));
  (void)SHT_FAIL(error, status, "%s; what is done is saved: %" PRIu64 " of %" PRIu64 " runs%s. Go on with:\n  %s", why,
                 sht__plan_done(schedule), schedule->asked, begun_text(schedule, begun, sizeof begun), again);
  free(again);
  return status;
}

static sht_status train_all(const sht_cli *cli, sht_schedule *schedule, sht_error *error) {
  sht_plan_progress progress;
  if (schedule->disk_bytes > schedule->disk_free) {
    char needed[WORD_BYTES], there[WORD_BYTES];
    return SHT_FAIL(error, SHT_DISK,
                    "%s has %s free, the runs need about %s; free some space or choose another --store",
                    schedule->store, sht_text_bytes(schedule->disk_free, there, sizeof there),
                    sht_text_bytes(schedule->disk_bytes, needed, sizeof needed));
  }
  sht__plan_progress_open(&progress, cli, schedule);
  sht_schedule_observer observer = sht__plan_observer(&progress);
  sht_status status = sht_schedule_run(schedule, &observer, error);
  sht__plan_progress_close(&progress);
  return status == SHT_STOPPED || status == SHT_DISK ? stopped(cli, schedule, status, error) : status;
}

static sht_status show(sht_cli *cli, const sht_schedule *schedule, sht_error *error) {
  char folder[PATH_BYTES];
  SHT_TRY(report_folder(cli, schedule, folder, error));
  // The results do not depend on whether a report can be written.
  sht_status written = sht__plan_report(cli, schedule, folder, on_noted, error);
  sht_status told = cli->json ? sht__plan_answer(cli, schedule, folder, written == SHT_OK ? error : NULL)
                              : sht__plan_summary(cli, schedule, folder, written == SHT_OK ? error : NULL);
  if (written != SHT_OK || told != SHT_OK) {
    return written != SHT_OK ? written : told;
  }
  return judge(schedule);
}

static sht_status run_schedule(sht_cli *cli, sht_schedule *schedule, sht_error *error) {
  if (sht__cli_is_set(cli, "slurm")) {
    return sht__plan_slurm(cli, schedule, error);
  }
  if (sht__cli_is_set(cli, "dry-run")) {
    return cli->json ? sht__plan_answer(cli, schedule, NULL, error) : sht__plan_print(cli, schedule, error);
  }
  sht__plan_tell(cli, schedule, stderr);
  SHT_TRY(train_all(cli, schedule, error));
  return show(cli, schedule, error);
}

static sht_status run_experiment(sht_cli *cli, sht_error *error) {
  sht_experiment *experiment = NULL;
  sht_schedule *schedule = NULL;
  SHT_TRY(open_experiment(cli, &experiment, error));
  sht__signals_install();
  sht_status status = open_schedule(cli, experiment, &schedule, error);
  if (status == SHT_OK) {
    status = run_schedule(cli, schedule, error);
  }
  sht_schedule_close(schedule);
  sht_experiment_close(experiment);
  return status;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  bool list = cli->argument_count == 0 || sht__cli_is_set(cli, "list");
  return list ? sht__plan_list(cli, error) : run_experiment(cli, error);
}

static const char *const examples[] = {
    "shatter run",
    "the experiments that come with shatter",
    "shatter run fig1 --scale small",
    "Figure 1 of the paper with fewer images, in minutes",
    "shatter run table1 --dry-run",
    "which runs there are, which are done, how long the rest would take",
    "shatter run table1 --only 'MLP*|Alexnet*'",
    "some of its rows; the report shows the others as far as the store has them",
    "shatter run mine.yaml --jobs 4 --seed 7 --report results",
    "your own page, four runs at a time, another seed, the report in a folder of its own",
    "shatter run table1 --slurm --store /shared/runs >job.sh && sbatch job.sh",
    "the runs spread over a cluster, saved and queued again before their time is up",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "scale",
     .type = SHT_OPTION_TEXT,
     .value_name = "NAME",
     .default_text = "full",
     .help = "a smaller version of the experiment, as its page defines it"},
    {.name = "dry-run", .type = SHT_OPTION_BOOL, .help = "print the plan with every run, and train nothing"},
    {.name = "jobs",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "0",
     .help = "runs at once, each in a process; 0 measures what is quicker: one thread for each, or all cores for one"},
    {.name = "together",
     .type = SHT_OPTION_COUNT,
     .value_name = "N",
     .default_text = "0",
     .help =
         "runs of a network that one process trains together on a card, which one alone would leave idle: at most N "
         "(up to 64), and what it has memory and use for; 0: 32; 1: each by itself"},
    {.name = "only",
     .type = SHT_OPTION_TEXT,
     .value_name = "PATTERN",
     .help = "train only runs whose name, that of their row in tables, of their line in a figure or of their set, is "
             "like this; * stands for anything, | between several"},
    {.name = "leave",
     .type = SHT_OPTION_BOOL,
     .help = "end without awaiting runs that other processes on the store train"},
    {.name = "slurm",
     .type = SHT_OPTION_BOOL,
     .help = "print a job script for Slurm whose tasks share the runs, and train nothing"},
    {.name = "report", .type = SHT_OPTION_TEXT, .value_name = "FOLDER", .help = "where figures and tables go"},
    {.name = "list", .type = SHT_OPTION_BOOL, .help = "list the experiments that come with shatter"},
    SHT_CLI_PROGRESS_OPTION,
    {.name = NULL},
};

static const sht_config_note notes[] = {
    {.name = "threads"},
    {.name = "checkpoint-seconds"},
    {.name = "store"},
    {.name = "data-dir"},
    {.name = "*", .default_text = "as the page says"},
    {.name = NULL},
};

const sht_verb sht__verb_run = {
    .name = "run",
    .arguments = "[NAME|FILE]",
    .arguments_max = 1,
    .summary = "train all runs of an experiment: a figure or table of the paper, or your own page",
    .description =
        "The page (docs/experiments.md) says which runs there are and what is drawn from them; options here stand "
        "above "
        "it. Runs that the store has are not repeated; Ctrl-C saves those at work, and the same command goes on. A run "
        "that fails or diverges is reported and the rest goes on. Exit code 1: a run has no result; 3: one diverged.",
    .examples = examples,
    .config_options = "*",
    .config_notes = notes,
    .options = options,
    .run = run,
};
