// Progress of long work: see work.h.
#include "cli/work.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/signals.h"

enum { BAR_COLUMNS = 24, WORD_BYTES = 64 };
static const double REDRAW_SECONDS = 0.1, PLAIN_SECONDS = 10;

void sht__work_open(sht_work_progress *progress, const sht_cli *cli) {
  *progress = (sht_work_progress){.mode = sht__progress_mode_of(cli), .terminal = sht__terminal_of(stderr)};
}

void sht__work_close(sht_work_progress *progress) {
  if (progress->on_screen) {
    (void)fputs("\r\033[K", stderr);
    progress->on_screen = false;
  }
}

// "3 min left", from the pace of this phase so far; "" when there is none yet.
static const char *time_left(const sht_work_progress *progress, double done, double total, char *out) {
  double passed = sht__clock_seconds() - progress->phase_started, made = done - progress->first_done;
  char duration[WORD_BYTES / 2];
  out[0] = '\0';
  if (made > 0 && passed > 0.5) {
    double left = ceil(passed / made * (total - done));
    (void)snprintf(out, WORD_BYTES, "%s left", sht_text_duration(left < 1 ? 1 : left, duration, sizeof duration));
  }
  return out;
}

static void draw(sht_work_progress *progress, double done, double total) {
  char left[WORD_BYTES];
  int filled = (int)(done / total * BAR_COLUMNS);
  (void)fprintf(stderr, "\r\033[K%s  ", progress->phase);
  for (int i = 0; i < BAR_COLUMNS; i++) {
    (void)fputs(progress->terminal.unicode ? (i < filled ? "━" : "─") : (i < filled ? "#" : "-"), stderr);
  }
  (void)fprintf(stderr, "  %3.0f %%  %s", floor(100 * done / total), time_left(progress, done, total, left));
  (void)fflush(stderr);
  progress->on_screen = true;
}

static void on_progressed(void *context, const char *phase, double done, double total) {
  sht_work_progress *progress = context;
  double now = sht__clock_seconds();
  if (progress->phase == NULL || strcmp(progress->phase, phase) != 0) {
    progress->phase = phase;
    progress->phase_started = now;
    progress->first_done = done;
  }
  double pause = progress->mode == SHT_PROGRESS_LIVE ? REDRAW_SECONDS : PLAIN_SECONDS;
  progress->drawn_at = progress->drawn_at == 0 ? now : progress->drawn_at;
  if (progress->mode == SHT_PROGRESS_NONE || now - progress->drawn_at < pause || !(total > 0)) {
    return;
  }
  progress->drawn_at = now;
  if (progress->mode == SHT_PROGRESS_LIVE) {
    draw(progress, done, total);
  } else {
    char left[WORD_BYTES];
    (void)fprintf(stderr, "%s %.0f %%  %s\n", phase, floor(100 * done / total), time_left(progress, done, total, left));
  }
}

static void on_noted(void *context, const char *sentence) {
  sht_work_progress *progress = context;
  if (progress->mode != SHT_PROGRESS_NONE) {
    sht__work_close(progress);
    (void)fprintf(stderr, "%s\n", sentence);
  }
}

sht_work sht__work_observer(sht_work_progress *progress) {
  return (sht_work){.context = progress,
                    .progressed = on_progressed,
                    .stop_requested = sht__signals_stop_requested,
                    .noted = on_noted};
}
