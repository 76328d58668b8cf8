// Which runs of a plan are asked for: see shatter/schedule.h, `only`.
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "lab/schedule.h"

enum { NAMES_SHOWN = 8 };

// Whether a name is like one of the patterns with | between them.
static bool is_like(const char *patterns, const char *name) {
  char pattern[SHT_TEXT_MAX];
  for (const char *at = patterns; *at != '\0';) {
    size_t length = strcspn(at, "|");
    (void)snprintf(pattern, sizeof pattern, "%.*s", (int)length, at);
    if (fnmatch(pattern, name, 0) == 0) {
      return true;
    }
    at += length + (at[length] == '|');
  }
  return false;
}

// By its name in a figure, where that has one list along x, all of the list is asked for.
static bool is_asked(const sht_experiment *experiment, uint64_t index, const char *only) {
  const sht_plan_run *run = &experiment->runs[index];
  const sht_plan_set *set = &experiment->sets[run->set];
  bool asked = only == NULL || is_like(only, run->series) || is_like(only, set->name);
  for (uint64_t i = 0; i < experiment->view_count && !asked; i++) {
    const sht_plan_view *view = &experiment->views[i];
    asked = view->set == run->set && is_like(only, view->series[index - set->first]);
  }
  return asked;
}

// The names of all series, each once, ended by NULL. names: [run_count + 1].
static uint64_t list_names(const sht_experiment *experiment, const char **names) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    uint64_t known = 0;
    while (known < count && strcmp(names[known], experiment->runs[i].series) != 0) {
      known++;
    }
    names[known] = experiment->runs[i].series;
    count += known == count;
  }
  names[count] = NULL;
  return count;
}

static sht_status fail_unknown(const sht_experiment *experiment, const char *only, sht_error *error) {
  const char **names = NULL;
  char list[2 * SHT_TEXT_MAX] = "";
  SHT_TRY(SHT_ALLOC(&names, experiment->run_count + 1, "names of the runs", error));
  uint64_t count = list_names(experiment, names);
  for (uint64_t i = 0; i < count && i < NAMES_SHOWN; i++) {
    size_t used = strlen(list);
    (void)snprintf(list + used, sizeof list - used, "%s\"%.100s\"", used > 0 ? "; " : "", names[i]);
  }
  const char *nearest = sht_text_nearest(only, names);
  sht_status status =
      SHT_FAIL(error, SHT_USAGE, "--only \"%s\": %s has no such runs%s%s%s. It has %s%s", only, experiment->name,
               nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"" : "",
               list, count > NAMES_SHOWN ? "; and more" : "");
  sht_free((void *)names);
  return status;
}

// A run that is asked for may be the same as one that is not: their first one then has to be trained.
static void ask(sht_schedule *schedule, uint64_t index) {
  sht_slot *first = &schedule->slots[schedule->slots[index].same_as];
  sht_slot *own = &schedule->slots[index];
  first->asked = own->asked = true;
  first->state = first->state == SHT_SLOT_UNASKED ? SHT_SLOT_WAITING : first->state;
  own->state = own->state == SHT_SLOT_UNASKED ? SHT_SLOT_WAITING : own->state;
}

sht_status sht__schedule_ask(sht_schedule *schedule, const char *only, sht_error *error) {
  const sht_experiment *experiment = schedule->experiment;
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    sht_slot *slot = &schedule->slots[i];
    slot->state = slot->state == SHT_SLOT_WAITING ? SHT_SLOT_UNASKED : slot->state;
  }
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    if (is_asked(experiment, i, only)) {
      ask(schedule, i);
    }
  }
  for (uint64_t i = 0; i < experiment->run_count; i++) {
    const sht_slot *slot = &schedule->slots[i];
    bool counts = slot->same_as == i && slot->asked;
    schedule->asked += counts;
    schedule->asked_found += counts && slot->state == SHT_SLOT_DONE;
  }
  return schedule->asked > 0 ? SHT_OK : fail_unknown(experiment, only, error);
}
