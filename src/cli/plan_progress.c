// Progress over all runs of an experiment: see plan.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "cli/plan.h"
#include "cli/signals.h"
#include "cli/table.h"

enum { WORD_BYTES = 64, LINE_BYTES = 1024, BAR_COLUMNS = 24, RUNS_SHOWN = 8 };
static const double plain_seconds = 30;
static const double settle_seconds = 3;  // before the pace says anything

// Work left at the pace so far; before there is one, at the measured one. A run that fits early ends early.
static double seconds_left(const sht_plan_progress *progress, double done, double total) {
  double elapsed = sht__clock_seconds() - progress->began;
  double pace = elapsed > settle_seconds && done > 0 ? done / elapsed : (double)progress->schedule->jobs;
  return (total - done) / pace;
}

static uint64_t count_state(const sht_schedule *schedule, sht_slot_state state) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < schedule->experiment->run_count; i++) {
    count += schedule->slots[i].same_as == i && schedule->slots[i].state == state;
  }
  return count;
}

// "12 of 33 runs done, 1 failed, at most 1 h 05 min left"; returns the share of the work that is done.
static double describe_all(const sht_plan_progress *progress, char *out, size_t size) {
  const sht_schedule *schedule = progress->schedule;
  double done = 0, total = 0;
  char duration[WORD_BYTES];
  sht_schedule_work(schedule, &done, &total);
  size_t length =
      (size_t)snprintf(out, size, "%" PRIu64 " of %" PRIu64 " runs done", sht__plan_done(schedule), schedule->asked);
  uint64_t failed = count_state(schedule, SHT_SLOT_FAILED);
  uint64_t elsewhere = count_state(schedule, SHT_SLOT_ELSEWHERE);
  if (failed > 0) {
    length += (size_t)snprintf(out + length, size - length, ", %" PRIu64 " failed", failed);
  }
  if (elsewhere > 0) {
    length += (size_t)snprintf(out + length, size - length, ", %" PRIu64 " in another process", elsewhere);
  }
  double left = seconds_left(progress, done, total);
  if (left >= 0) {
    (void)snprintf(out + length, size - length, ", at most %s left",
                   sht_text_duration(fmax(1, ceil(left)), duration, sizeof duration));
  }
  return total > 0 ? done / total : 1;
}

static void describe_run(const sht_schedule *schedule, uint64_t index, char *out, size_t size) {
  const sht_slot *slot = &schedule->slots[index];
  char name[LINE_BYTES / 2], train[WORD_BYTES];
  if (slot->loss == 0) {  // nothing was heard of its steps yet
    (void)snprintf(out, size, "%s  starting", sht__plan_run_name(schedule, index, name, sizeof name));
    return;
  }
  (void)snprintf(out, size, "%s  epoch %" PRIu64 " of %" PRIu64 "  loss %.4f  train %s",
                 sht__plan_run_name(schedule, index, name, sizeof name), slot->epochs_done + 1, slot->run.config.epochs,
                 slot->loss, sht__percent(slot->accuracy, train, sizeof train));
}

void sht__plan_progress_close(sht_plan_progress *progress) {
  if (progress->lines > 0) {
    (void)fprintf(stderr, "\r\033[%dA\033[J", progress->lines);
    progress->lines = 0;
  }
}

static void print_line(sht_plan_progress *progress, const char *text) {
  int bytes = 0;
  // A line never wraps; cut between characters.
  for (int columns = 0; text[bytes] != '\0'; bytes++) {
    columns += ((unsigned char)text[bytes] & 0xC0) != 0x80;
    if (columns >= progress->terminal.columns) {
      break;
    }
  }
  (void)fprintf(stderr, "%.*s\n", bytes, text);
  progress->lines++;
}

static void draw(sht_plan_progress *progress) {
  const sht_schedule *schedule = progress->schedule;
  char text[LINE_BYTES], line[2 * LINE_BYTES], bar[4 * BAR_COLUMNS] = "";
  double share = describe_all(progress, text, sizeof text);
  size_t length = 0;
  for (int i = 0; i < BAR_COLUMNS && length < sizeof bar; i++) {
    bool full = i < (int)(share * BAR_COLUMNS);
    length += (size_t)snprintf(bar + length, sizeof bar - length, "%s",
                               progress->terminal.unicode ? (full ? "━" : "─") : (full ? "#" : "-"));
  }
  sht__plan_progress_close(progress);
  (void)snprintf(line, sizeof line, "%s  %s", bar, text);
  print_line(progress, line);
  for (uint64_t i = 0; i < schedule->experiment->run_count && progress->lines <= RUNS_SHOWN; i++) {
    if (schedule->slots[i].state == SHT_SLOT_RUNNING && schedule->slots[i].same_as == i) {
      describe_run(schedule, i, text, sizeof text);
      (void)snprintf(line, sizeof line, "  %s", text);
      print_line(progress, line);
    }
  }
  (void)fflush(stderr);
}

static void on_progressed(void *context, const sht_schedule *schedule) {
  (void)schedule;
  sht_plan_progress *progress = context;
  double now = sht__clock_seconds();
  char text[LINE_BYTES];
  if (progress->mode == SHT_PROGRESS_LIVE) {
    draw(progress);
  } else if (progress->mode == SHT_PROGRESS_PLAIN && now - progress->drawn >= plain_seconds) {
    progress->drawn = now;
    (void)describe_all(progress, text, sizeof text);
    (void)fprintf(stderr, "%s\n", text);
  }
}

static void describe_change(const sht_schedule *schedule, uint64_t index, char *out, size_t size) {
  const sht_slot *slot = &schedule->slots[index];
  char name[LINE_BYTES / 2], state[WORD_BYTES], test[WORD_BYTES], duration[WORD_BYTES];
  (void)sht__plan_run_name(schedule, index, name, sizeof name);
  (void)sht__plan_state(slot, state, sizeof state);
  if (slot->state == SHT_SLOT_DONE) {
    (void)snprintf(out, size, "%s: %s, test accuracy %s, %s", name, state,
                   sht__percent(slot->run.result.last.test_accuracy, test, sizeof test),
                   sht_text_duration(sht__clock_seconds() - slot->began, duration, sizeof duration));
  } else if (slot->state == SHT_SLOT_FAILED) {
    (void)snprintf(out, size, "%s: failed: %s", name, slot->problem);
  } else {
    (void)snprintf(out, size, "%s: %s; %s", name, state, schedule->leave ? "left to it" : "its result is awaited");
  }
}

static void on_changed(void *context, const sht_schedule *schedule, uint64_t index) {
  sht_plan_progress *progress = context;
  char text[2 * LINE_BYTES];
  if (progress->mode == SHT_PROGRESS_NONE) {
    return;
  }
  describe_change(schedule, index, text, sizeof text);
  sht__plan_progress_close(progress);
  (void)fprintf(stderr, "[%" PRIu64 "/%" PRIu64 "] %s\n", sht__plan_done(schedule), schedule->asked, text);
}

void sht__plan_progress_open(sht_plan_progress *progress, const sht_cli *cli, const sht_schedule *schedule) {
  *progress = (sht_plan_progress){
      .schedule = schedule, .mode = sht__progress_mode_of(cli), .terminal = sht__terminal_of(stderr)};
  progress->began = progress->drawn = sht__clock_seconds();
}

sht_schedule_observer sht__plan_observer(sht_plan_progress *progress) {
  return (sht_schedule_observer){.context = progress,
                                 .progressed = on_progressed,
                                 .changed = on_changed,
                                 .stop_requested = sht__signals_stop_requested};
}
