// An experiment on the screen: its plan, its progress, its summary.
#ifndef SHT_CLI_PLAN_H
#define SHT_CLI_PLAN_H

#include "cli/cli.h"
#include "cli/progress.h"
#include "shatter/schedule.h"

// The shipped experiments, as a table or with --json as an object.
sht_status sht__plan_list(sht_cli *cli, sht_error *error);

// The plan in a few lines: what is shown, at which scale, how many runs are left, how long they take, on what disk.
// Nothing with --quiet when `out` is standard error.
void sht__plan_tell(const sht_cli *cli, const sht_schedule *schedule, FILE *out);
// The same and every run, on standard output.
sht_status sht__plan_print(const sht_cli *cli, const sht_schedule *schedule, sht_error *error);

// The result of each run as a table; how many failed, and why; where the report is.
sht_status sht__plan_summary(const sht_cli *cli, const sht_schedule *schedule, const char *folder, sht_error *error);
// All of it as one object; folder NULL: a plan alone.
sht_status sht__plan_answer(sht_cli *cli, const sht_schedule *schedule, const char *folder, sht_error *error);
// Figures and tables into the folder.
sht_status sht__plan_report(sht_cli *cli, const sht_schedule *schedule, const char *folder,
                            void (*noted)(void *context, const char *sentence), sht_error *error);

// A job script for Slurm: an array of tasks that share the runs that are left.
sht_status sht__plan_slurm(sht_cli *cli, const sht_schedule *schedule, sht_error *error);

// The least share of a core that was free while steps were timed; NaN: none was timed.
double sht__plan_core_share(const sht_schedule *schedule);
// Runs that one process trains together, at most; 1: each has a process of its own.
uint64_t sht__plan_together(const sht_schedule *schedule);
// Distinct runs, of those that are asked for, with a result.
uint64_t sht__plan_done(const sht_schedule *schedule);
// The command that goes on with this experiment, for a shell; free with free().
sht_status sht__plan_command(const sht_cli *cli, const sht_schedule *schedule, char **out, sht_error *error);
// "random labels, seed 2" into out; returns out.
char *sht__plan_run_name(const sht_schedule *schedule, uint64_t index, char *out, size_t size);
// "fitted at step 3,128", "diverged", "failed", "half done" into out; returns out.
char *sht__plan_state(const sht_slot *slot, char *out, size_t size);

// Progress on standard error: a line for all runs and one for each at work, redrawn; or plain lines.
typedef struct sht_plan_progress {
  const sht_schedule *schedule;
  sht_progress_mode mode;
  sht_terminal terminal;
  double began, drawn;
  int lines;  // on the screen
} sht_plan_progress;

void sht__plan_progress_open(sht_plan_progress *progress, const sht_cli *cli, const sht_schedule *schedule);
sht_schedule_observer sht__plan_observer(sht_plan_progress *progress);
void sht__plan_progress_close(sht_plan_progress *progress);

#endif
