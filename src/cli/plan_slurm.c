// A job script for Slurm that trains an experiment: see plan.h.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/answer.h"
#include "cli/plan.h"
#include "lab/report_files.h"

enum { PATH_BYTES = 4096 };

static void put_program(FILE *out) {
  char path[PATH_BYTES];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  path[length > 0 ? length : 0] = '\0';
  sht_text_shell(out, length > 0 ? path : "shatter");
}

// One of the verb's own options, where it was given.
static void put_option(FILE *out, const sht_cli *cli, const char *name) {
  if (sht__cli_text(cli, name) != NULL) {
    (void)fprintf(out, " --%s=", name);
    sht_text_shell(out, sht__cli_text(cli, name));
  }
}

// Paths among the options are those of the folder that the script was made in.
static void put_folder(FILE *out) {
  char path[PATH_BYTES];
  if (getcwd(path, sizeof path) != NULL) {
    (void)fputs("cd ", out);
    sht_text_shell(out, path);
    (void)fputs(" || exit 1\n", out);
  }
}

static void put_command(FILE *out, const sht_cli *cli, const sht_schedule *schedule) {
  put_program(out);
  (void)fputs(" run ", out);
  sht_text_shell(out, cli->arguments[0]);
  put_option(out, cli, "scale");
  put_option(out, cli, "report");
  put_option(out, cli, "only");
  put_option(out, cli, "together");
  for (int i = 0; i < cli->flag_count; i++) {
    const char *name = cli->flags[i].option->name;
    if (strcmp(name, "store") != 0 && strcmp(name, "threads") != 0) {
      (void)fprintf(out, " --%s=", name);
      sht_text_shell(out, cli->flags[i].text);
    }
  }
  (void)fputs(" --store ", out);
  sht_text_shell(out, schedule->store);
  (void)fputs(" --jobs 1 --threads \"${SLURM_CPUS_PER_TASK:-1}\" --leave --progress plain", out);
}

static void put_script(FILE *out, const sht_cli *cli, const sht_schedule *schedule, uint64_t tasks) {
  char name[SHT_LABEL_MAX];
  (void)sht__file_name(schedule->experiment->name, name, sizeof name);
  (void)fprintf(
      out,
      "#!/bin/sh\n"
      "#SBATCH --job-name=shatter-%s\n"
      "#SBATCH --array=1-%" PRIu64
      "\n"
      "#SBATCH --signal=USR1@120\n"
      "#SBATCH --requeue\n"
      "#SBATCH --open-mode=append\n"
      "# %" PRIu64
      " runs of %s are left. Every task trains those that no other task has taken, so that fewer tasks\n"
      "# than runs do as well (sbatch --array=1-8). Two minutes before its time is up a task saves its run, ends with\n"
      "# code 75 and is queued again. The store has to be a folder that all nodes see and whose locks they share.\n"
      "# Cores for each task: sbatch --cpus-per-task=N; srun has to be told of them again.\n",
      name, tasks, tasks, name);
  put_folder(out);
  (void)fputs("srun --ntasks=1 --cpus-per-task=\"${SLURM_CPUS_PER_TASK:-1}\" ", out);
  put_command(out, cli, schedule);
  (void)fputs(
      "\n"
      "code=$?\n"
      "if [ \"$code\" -eq 75 ]; then\n"
      "  scontrol requeue \"${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}\"\n"
      "fi\n"
      "exit \"$code\"\n",
      out);
}

sht_status sht__plan_slurm(sht_cli *cli, const sht_schedule *schedule, sht_error *error) {
  uint64_t tasks = schedule->asked - schedule->asked_found;
  char *text = NULL;
  size_t size = 0;
  if (tasks == 0) {
    return SHT_FAIL(error, SHT_NO, "%s: every run has its result already; nothing is left for a job",
                    schedule->experiment->name);
  }
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for the job script");
  }
  put_script(out, cli, schedule, tasks);
  (void)fclose(out);
  if (cli->json) {
    sht_json json = {0};
    sht_json_add_text(&json, "script", text);
    free(text);
    return sht__answer_print(cli, &json, error);
  }
  (void)fputs(text, stdout);
  free(text);
  return SHT_OK;
}
