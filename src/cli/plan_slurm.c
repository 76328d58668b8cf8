// A job script for Slurm that trains an experiment: see plan.h.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/answer.h"
#include "cli/plan.h"

enum { PATH_BYTES = 4096 };

// A word for a POSIX shell, in single quotes.
static void put_word(FILE *out, const char *word) {
  (void)fputc('\'', out);
  for (; *word != '\0'; word++) {
    (void)fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
  }
  (void)fputc('\'', out);
}

// The absolute path of an existing file, or the word itself.
static void put_path(FILE *out, const char *path) {
  char *absolute = realpath(path, NULL);
  put_word(out, absolute != NULL ? absolute : path);
  free(absolute);
}

static void put_program(FILE *out) {
  char path[PATH_BYTES];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  path[length > 0 ? length : 0] = '\0';
  put_word(out, length > 0 ? path : "shatter");
}

static void put_command(FILE *out, const sht_cli *cli, const sht_schedule *schedule) {
  put_program(out);
  (void)fputs(" run ", out);
  put_path(out, cli->arguments[0]);
  if (sht__cli_text(cli, "scale") != NULL) {
    (void)fputs(" --scale ", out);
    put_word(out, sht__cli_text(cli, "scale"));
  }
  for (int i = 0; i < cli->flag_count; i++) {
    const char *name = cli->flags[i].option->name;
    if (strcmp(name, "store") != 0 && strcmp(name, "threads") != 0) {
      (void)fprintf(out, " --%s=", name);
      put_word(out, cli->flags[i].text);
    }
  }
  (void)fputs(" --store ", out);
  put_path(out, schedule->store);
  (void)fputs(" --jobs 1 --threads \"${SLURM_CPUS_PER_TASK:-1}\" --leave --progress plain", out);
}

static void put_script(FILE *out, const sht_cli *cli, const sht_schedule *schedule, uint64_t tasks) {
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
      "srun --ntasks=1 ",
      schedule->experiment->name, tasks, tasks, schedule->experiment->name);
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
  uint64_t tasks = schedule->distinct - schedule->found;
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
