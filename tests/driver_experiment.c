// Drives the report of an experiment from a script. usage: driver_experiment OUT PAGE SCALE [--NAME=VALUE...] FOLDER...
// A run of the plan is the folder whose configuration is its own.
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "lab/files.h"
#include "shatter/experiment.h"

enum { SETTINGS_MAX = 8 };

static bool same_config(const sht_config *a, const sht_config *b) {
  for (size_t i = 0; i < sht_option_count; i++) {
    char first[SHT_TEXT_MAX];
    char second[SHT_TEXT_MAX];
    sht_config_get(a, &sht_options[i], first, sizeof first);
    sht_config_get(b, &sht_options[i], second, sizeof second);
    if (sht_options[i].identity && strcmp(first, second) != 0) {
      return false;
    }
  }
  return true;
}

static void noted(void *context, const char *sentence) {
  (void)context;
  (void)printf("note: %s\n", sentence);
}

static sht_status report(const sht_experiment *experiment, char **folders, uint64_t count, const char *out,
                         sht_error *error) {
  sht_run *read = NULL;
  sht_run *runs = NULL;
  uint64_t matched = 0;
  SHT_TRY(SHT_ALLOC(&read, count, "runs", error));
  SHT_TRY(SHT_ALLOC(&runs, experiment->run_count, "runs", error));
  for (uint64_t i = 0; i < count; i++) {
    sht__run_read(folders[i], &read[i]);
  }
  for (uint64_t r = 0; r < experiment->run_count; r++) {
    runs[r].config = experiment->runs[r].config;
    for (uint64_t i = 0; i < count; i++) {
      if (same_config(&read[i].config, &experiment->runs[r].config)) {
        runs[r] = read[i];
        matched++;
      }
    }
  }
  (void)printf("%lu of %lu runs\n", (unsigned long)matched, (unsigned long)experiment->run_count);
  sht_status status = sht_experiment_report(experiment, runs, out, noted, NULL, error);
  sht_free(read);
  sht_free(runs);
  return status;
}

// The leading --NAME=VALUE words as settings; returns how many there are.
static int read_settings(char **words, int count, sht_setting settings[SETTINGS_MAX + 1]) {
  int found = 0;
  for (; found < count && found < SETTINGS_MAX && strncmp(words[found], "--", 2) == 0; found++) {
    char *equals = strchr(words[found], '=');
    *equals = '\0';
    settings[found] = (sht_setting){words[found] + 2, equals + 1};
  }
  settings[found] = (sht_setting){NULL, NULL};
  return found;
}

int main(int count, char **arguments) {
  sht_error error = {0};
  sht_experiment *experiment = NULL;
  sht_setting settings[SETTINGS_MAX + 1];
  if (count < 4) {
    (void)fputs("usage: driver_experiment OUT PAGE SCALE [--NAME=VALUE...] FOLDER...\n", stderr);
    return 2;
  }
  int first = 4 + read_settings(arguments + 4, count - 4, settings);
  sht_status status = sht_experiment_open(arguments[2], arguments[3], settings, &experiment, &error);
  if (status == SHT_OK) {
    status = report(experiment, arguments + first, (uint64_t)(count - first), arguments[1], &error);
  }
  sht_experiment_close(experiment);
  if (status != SHT_OK) {
    (void)fprintf(stderr, "%s\n", error.message);
  }
  return sht_status_exit_code(status);
}
