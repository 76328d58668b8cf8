// What the runs of a report are called, and how their lines look: see report.h.
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/yaml.h"
#include "lab/files.h"
#include "lab/report.h"
#include "lab/svg.h"
#include "lab/svg_text.h"
#include "model/own.h"
#include "shatter/data.h"

// Adds to a text, cutting it at the end of its room.
static void append(char *text, size_t size, const char *more) {
  size_t used = strlen(text);
  (void)snprintf(text + used, size - used, "%s", more);
}

// "30 % random labels"; also sets the share.
static void name_labels(const sht_randomization *how, sht__report_run *run) {
  char share[SHT__TEXT_SIZE];
  bool wrong = how->labels == SHT_LABELS_WRONG;
  run->noise = how->labels == SHT_LABELS_RANDOM ? 1 : how->label_probability;
  (void)sht__number_text(100 * run->noise, 1, true, share, sizeof share);
  if (run->noise == 1) {
    (void)snprintf(run->name, sizeof run->name, wrong ? "wrong labels" : "random labels");
  } else {
    (void)snprintf(run->name, sizeof run->name, "%s %% %s labels", share, wrong ? "wrong" : "random");
  }
  run->kind = run->noise == 1 && !wrong ? SHT__KIND_RANDOM_LABELS : SHT__KIND_PARTLY_WRONG_LABELS;
}

static void name_pixels(sht_pixel_kind pixels, sht__report_run *run) {
  static const char *const names[] = {"", "shuffled pixels", "random pixels", "Gaussian pixels"};
  static const sht__kind kinds[] = {SHT__KIND_TRUE, SHT__KIND_SHUFFLED_PIXELS, SHT__KIND_RANDOM_PIXELS,
                                    SHT__KIND_GAUSSIAN_PIXELS};
  if (pixels == SHT_PIXELS_TRUE) {
    return;
  }
  run->kind = run->name[0] == '\0' ? kinds[pixels] : SHT__KIND_OTHER;
  append(run->name, sizeof run->name, run->name[0] == '\0' ? "" : " and ");
  append(run->name, sizeof run->name, names[pixels]);
}

void sht__report_name(sht__report_run *run) {
  const sht_config *config = &run->run->config;
  sht_randomization how;
  run->name[0] = '\0';
  run->noise = 0;
  run->kind = SHT__KIND_TRUE;
  if (sht_randomization_parse(config->labels, config->pixels, config->seed, &how, NULL) != SHT_OK) {
    run->kind = SHT__KIND_OTHER;
    (void)snprintf(run->name, sizeof run->name, "labels %.60s, pixels %.60s", config->labels, config->pixels);
    return;
  }
  bool drawn = how.labels == SHT_LABELS_CORRUPT || how.labels == SHT_LABELS_WRONG || how.labels == SHT_LABELS_RANDOM;
  if (drawn && (how.labels == SHT_LABELS_RANDOM || how.label_probability > 0)) {
    name_labels(&how, run);
  } else if (how.labels == SHT_LABELS_MATRIX || how.labels == SHT_LABELS_FILE) {
    run->kind = SHT__KIND_OTHER;
    (void)snprintf(run->name, sizeof run->name,
                   how.labels == SHT_LABELS_MATRIX ? "labels through a noise matrix" : "labels from a file");
  } else if (how.labels == SHT_LABELS_SIGNS) {
    run->kind = SHT__KIND_OTHER;
    (void)snprintf(run->name, sizeof run->name, "random signs");
  }
  name_pixels(how.pixels, run);
  if (run->name[0] == '\0') {
    (void)snprintf(run->name, sizeof run->name, "true data");
  }
}

static bool option_differs(const sht_option *option, const sht_run *a, const sht_run *b) {
  char first[SHT_TEXT_MAX];
  char second[SHT_TEXT_MAX];
  sht_config_get(&a->config, option, first, sizeof first);
  sht_config_get(&b->config, option, second, sizeof second);
  return strcmp(first, second) != 0;
}

static bool is_one_of(const char *name, const char *const *names) {
  while (*names != NULL && strcmp(name, *names) != 0) {
    names++;
  }
  return *names != NULL;
}

size_t sht__report_differences(const sht_run *a, const sht_run *b) {
  static const char *const aside[] = {"model", "labels", "pixels", "epochs", "stop-when-fitted", NULL};
  size_t count = 0;
  for (size_t i = 0; i < sht_option_count; i++) {
    const sht_option *option = &sht_options[i];
    count += option->identity && !is_one_of(option->name, aside) && option_differs(option, a, b);
  }
  return count;
}

// Of a "default" what it is, from the model that the run's folder keeps.
static const char *value_of(const sht_run *run, const sht_option *option, char *out, size_t size) {
  char path[SHT_LAB_PATH];
  char *text = NULL;
  uint64_t length = 0;
  if (option->nullable && sht_path_join(path, sizeof path, run->folder, SHT_FILE_MODEL, NULL) == SHT_OK) {
    (void)sht_file_read(path, SHT__YAML_SIZE_MAX, &text, &length, NULL);
  }
  (void)sht__own_value(&run->config, text, option, out, size);
  sht_free(text);
  return out;
}

static bool differs_anywhere(const sht__report_run *runs, size_t count, const sht_option *option) {
  bool differs = false;
  for (size_t i = 1; i < count && !differs; i++) {
    differs = option_differs(option, runs[0].run, runs[i].run);
  }
  return differs;
}

// Marks the runs that share their label with one of another value; returns whether there are any.
static bool mark_namesakes(sht__report_run *runs, size_t count, const sht_option *option) {
  bool any = false;
  for (size_t i = 0; i < count; i++) {
    runs[i].differs = false;
    for (size_t other = 0; other < count && !runs[i].differs; other++) {
      runs[i].differs =
          strcmp(runs[other].label, runs[i].label) == 0 && option_differs(option, runs[other].run, runs[i].run);
    }
    any = any || runs[i].differs;
  }
  return any;
}

// Adds one option to the labels of the marked runs: ", weight-decay 0".
static void add_option(sht__report_run *runs, size_t count, const sht_option *option) {
  for (size_t i = 0; i < count; i++) {
    if (runs[i].differs && !(runs[i].seed_count > 1 && strcmp(option->name, "seed") == 0)) {
      char value[SHT_TEXT_MAX];
      char text[SHT__LABEL_SIZE];
      (void)snprintf(text, sizeof text, ", %s %.100s", option->name,
                     value_of(runs[i].seeds[0].run, option, value, sizeof value));
      append(runs[i].label, sizeof runs[i].label, text);
    }
  }
}

// Adds a setting to all labels: told of some runs alone, a reader would take the others for equal.
static void add_setting(sht__report_run *runs, size_t count, const sht_option *option) {
  for (size_t i = 0; i < count; i++) {
    runs[i].differs = true;
  }
  add_option(runs, count, option);
}

// Told of namesakes alone: they have a name already, or say little.
static const char *const told_apart[] = {"labels", "pixels", "seed", "epochs", "stop-when-fitted", NULL};

static bool is_setting(const sht_option *option) {
  return option->identity && strcmp(option->name, "model") != 0 && !is_one_of(option->name, told_apart);
}

// Adds the settings that differ among the runs. Those that tell namesakes apart come first, because figures cut long
// labels at their end.
static void add_options(sht__report_run *runs, size_t count) {
  bool later[SHT_OPTIONS_MAX] = {false};  // by the option's row in the table
  for (size_t i = 0; i < sht_option_count; i++) {
    if (!is_setting(&sht_options[i]) || !differs_anywhere(runs, count, &sht_options[i])) {
      continue;
    }
    if (mark_namesakes(runs, count, &sht_options[i])) {
      add_setting(runs, count, &sht_options[i]);
    } else {
      later[i] = true;
    }
  }
  for (const char *const *name = told_apart; *name != NULL; name++) {
    (void)mark_namesakes(runs, count, sht_option_find(*name));
    add_option(runs, count, sht_option_find(*name));
  }
  for (size_t i = 0; i < sht_option_count; i++) {
    if (later[i]) {
      add_setting(runs, count, &sht_options[i]);
    }
  }
}

// A kind has its own style in every figure; a second run of it takes the first one that is free.
static int choose_style(const sht__report_run *runs, size_t index) {
  int style = (int)runs[index].kind;
  for (int next = 0; next < SHT_SVG_LINES_MAX; next++) {
    bool taken = false;
    for (size_t other = 0; other < index; other++) {
      taken = taken || runs[other].style == style;
    }
    if (!taken) {
      break;
    }
    style = next;
  }
  return style;
}

void sht__report_label(sht__report_run *runs, size_t count) {
  for (size_t i = 0; i < count; i++) {
    (void)snprintf(runs[i].label, sizeof runs[i].label, "%s", runs[i].name);
    runs[i].style = choose_style(runs, i);
  }
  add_options(runs, count);
  for (size_t i = 0; i < count; i++) {
    if (runs[i].seed_count > 1) {
      char text[SHT__TEXT_SIZE];
      (void)snprintf(text, sizeof text, " (%zu seeds)", runs[i].seed_count);
      append(runs[i].label, sizeof runs[i].label, text);
    }
  }
}

double sht__train_accuracy(const sht_epoch *epoch) {
  return isfinite(epoch->train_accuracy_eval) ? epoch->train_accuracy_eval : epoch->train_accuracy;
}

char *sht__percent_moments(const sht__moments *moments, char *out, size_t size) {
  char mean[SHT__TEXT_SIZE];
  char spread[SHT__TEXT_SIZE];
  if (moments->n < 2) {
    return sht__percent_text(sht__moments_mean(moments), out, size);
  }
  (void)sht__number_text(100 * sht__moments_mean(moments), 2, false, mean, sizeof mean);
  (void)sht__number_text(100 * sht__moments_deviation(moments), 2, false, spread, sizeof spread);
  (void)snprintf(out, size, "%s \xc2\xb1 %s %%", mean, spread);
  return out;
}

char *sht__percent_text(double fraction, char *out, size_t size) {
  char number[SHT__TEXT_SIZE];
  (void)sht__number_text(100 * fraction, 1, false, number, sizeof number);
  (void)snprintf(out, size, isfinite(fraction) ? "%s %%" : "%s", number);
  return out;
}
