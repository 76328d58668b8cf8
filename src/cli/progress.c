// Progress of a training run: see progress.h.
#include "cli/progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cli/signals.h"

enum { BAR_COLUMNS = 24, LINE_BYTES = 512, WORD_BYTES = 40 };
static const double REDRAW_SECONDS = 0.1;
static const double PLAIN_SECONDS = 30;

double sht__clock_seconds(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

sht_progress_mode sht__progress_mode_of(const sht_cli *cli) {
  const char *wanted = sht__cli_text(cli, "progress");
  if (cli->quiet || (wanted != NULL && strcmp(wanted, "none") == 0)) {
    return SHT_PROGRESS_NONE;
  }
  bool plain = wanted != NULL && strcmp(wanted, "plain") == 0;
  return !plain && sht__terminal_of(stderr).live ? SHT_PROGRESS_LIVE : SHT_PROGRESS_PLAIN;
}

void sht__progress_open(sht_progress *progress, const sht_cli *cli, const sht_config *config, const char *title,
                        int ink) {
  *progress = (sht_progress){
      .mode = sht__progress_mode_of(cli),
      .terminal = sht__terminal_of(stderr),
      .ink = ink,
      .epochs = config->epochs,
      .may_end_early = config->stop_when_fitted,
      .started_at = sht__clock_seconds(),
  };
  (void)snprintf(progress->title, sizeof progress->title, "%s", title);
}

void sht__progress_close(sht_progress *progress) {
  if (progress->on_screen) {
    (void)fputs("\r\033[A\033[J", stderr);
    progress->on_screen = false;
  }
}

static const char *percent(double fraction, char *out) {
  (void)snprintf(out, WORD_BYTES, isnan(fraction) ? "-" : "%.1f %%", 100 * fraction);
  return out;
}

// Seconds until the last epoch is done at the pace of this session; NaN when there is none yet.
static double seconds_left(const sht_progress *progress) {
  uint64_t total = progress->epochs * progress->steps_per_epoch;
  uint64_t done = progress->done_steps - progress->first_step;
  if (done == 0 || progress->done_steps > total) {
    return NAN;
  }
  double pace = (sht__clock_seconds() - progress->started_at) / (double)done;
  return pace * (double)(total - progress->done_steps);
}

static void describe_left(const sht_progress *progress, char *out) {
  char duration[WORD_BYTES];
  double left = seconds_left(progress);
  if (isnan(left)) {
    out[0] = '\0';
  } else {
    // Tenths of a second and milliseconds would only flicker.
    (void)sht_text_duration(left < 1 ? 1 : left < 10 ? ceil(left) : left, duration, sizeof duration);
    char *tenths = strstr(duration, ".0 s");
    if (tenths != NULL) {
      memmove(tenths, tenths + 2, strlen(tenths + 2) + 1);
    }
    (void)snprintf(out, (size_t)2 * WORD_BYTES, "%s%s left", progress->may_end_early ? "at most " : "", duration);
  }
}

static void draw_bar(const sht_progress *progress, double share, char *out, size_t size) {
  const char *full = progress->terminal.unicode ? "━" : "#";
  const char *empty = progress->terminal.unicode ? "─" : "-";
  int filled = (int)(share * BAR_COLUMNS);
  size_t used = 0;
  out[0] = '\0';
  for (int i = 0; i < BAR_COLUMNS && used < size; i++) {
    used += (size_t)snprintf(out + used, size - used, "%s", i < filled ? full : empty);
  }
}

// Cuts a line without escape codes to the width of the terminal, so that it never wraps.
static void cut(char *line, int columns) {
  int seen = 0;
  for (; *line != '\0'; line++) {
    seen += ((unsigned char)*line & 0xC0) != 0x80;
    if (seen > columns - 1) {
      *line = '\0';
      return;
    }
  }
}

// "2,439 images/s", or nothing before the first are counted.
static const char *rate_text(const sht_progress *progress, char out[WORD_BYTES]) {
  char number[WORD_BYTES / 2];
  out[0] = '\0';
  if (progress->images_per_second > 0) {
    (void)snprintf(out, WORD_BYTES, "%s images/s",
                   sht_text_count((uint64_t)progress->images_per_second, number, sizeof number));
  }
  return out;
}

static void draw(sht_progress *progress, uint32_t epoch, double loss, double accuracy) {
  char bar[LINE_BYTES / 2], left[WORD_BYTES * 2], first[LINE_BYTES], second[LINE_BYTES];
  char train[WORD_BYTES], test[WORD_BYTES], rate[WORD_BYTES];
  double total = (double)(progress->epochs * progress->steps_per_epoch);
  draw_bar(progress, total > 0 ? (double)progress->done_steps / total : 0, bar, sizeof bar);
  describe_left(progress, left);
  (void)snprintf(first, sizeof first, " %s  epoch %" PRIu32 " of %" PRIu64 "  %s", bar, epoch, progress->epochs, left);
  int used = snprintf(second, sizeof second, "  loss %.4f   train %s", loss, percent(accuracy, train));
  if (progress->last.epoch > 0) {
    used += snprintf(second + used, sizeof second - (size_t)used, "   test %s",
                     percent(progress->last.test_accuracy, test));
  }
  (void)snprintf(second + used, sizeof second - (size_t)used, "   %s", rate_text(progress, rate));
  cut(first, progress->terminal.columns - sht__text_columns(progress->title));
  cut(second, progress->terminal.columns);
  (void)fprintf(stderr, "%s\033[2K%s%s%s%s\n\033[2K%s%s%s\r", progress->on_screen ? "\r\033[A" : "",
                sht__ink(&progress->terminal, progress->ink), progress->title, sht__ink_end(&progress->terminal), first,
                sht__ink(&progress->terminal, SHT_INK_DIM), second, sht__ink_end(&progress->terminal));
  (void)fflush(stderr);
  progress->on_screen = true;
  progress->drawn_at = sht__clock_seconds();
}

static void print_plain(sht_progress *progress, uint32_t epoch, const char *figures) {
  char left[WORD_BYTES * 2], rate[WORD_BYTES];
  describe_left(progress, left);
  (void)fprintf(stderr, "%s%sepoch %" PRIu32 "/%" PRIu64 "  %s  %s%s%s\n", progress->title,
                progress->title[0] != '\0' ? "  " : "", epoch, progress->epochs, figures, rate_text(progress, rate),
                progress->images_per_second > 0 ? "  " : "", left);
  (void)fflush(stderr);
  progress->drawn_at = sht__clock_seconds();
}

// Prints a sentence above the redrawn lines.
static void print_note(sht_progress *progress, const char *sentence) {
  if (progress->mode != SHT_PROGRESS_NONE) {
    sht__progress_close(progress);
    (void)fprintf(stderr, "%s\n", sentence);
  }
}

static void on_started(void *context, const sht_graph *graph, const sht_dataset *data, uint64_t steps_per_epoch,
                       const sht_engine_info *engine, uint32_t resumed_epochs) {
  sht_progress *progress = context;
  progress->steps_per_epoch = steps_per_epoch;
  progress->first_step = resumed_epochs * steps_per_epoch;
  progress->done_steps = progress->first_step;
  progress->started_at = sht__clock_seconds();
  progress->drawn_at = progress->mode == SHT_PROGRESS_PLAIN ? progress->started_at : 0;
  char sentence[LINE_BYTES], parameters[WORD_BYTES], examples[WORD_BYTES];
  (void)sht_text_count(graph->parameter_count, parameters, sizeof parameters);
  (void)sht_text_count(data->train.count, examples, sizeof examples);
  if (progress->title[0] == '\0') {
    (void)snprintf(sentence, sizeof sentence, "%s (%s parameters) on %s (%s examples), %s with %d thread%s",
                   graph->name, parameters, data->name, examples, engine->backend, engine->threads,
                   engine->threads == 1 ? "" : "s");
    print_note(progress, sentence);
  }
  if (resumed_epochs > 0) {
    (void)snprintf(sentence, sizeof sentence, "going on after epoch %" PRIu32, resumed_epochs);
    print_note(progress, sentence);
  }
}

static void on_progressed(void *context, uint32_t epoch, uint64_t step_in_epoch, double loss, double accuracy,
                          double images_per_second) {
  sht_progress *progress = context;
  progress->images_per_second = images_per_second;
  progress->done_steps = (epoch > 0 ? epoch - 1 : 0) * progress->steps_per_epoch + step_in_epoch;
  double waited = sht__clock_seconds() - progress->drawn_at;
  if (progress->mode == SHT_PROGRESS_LIVE && waited >= REDRAW_SECONDS) {
    draw(progress, epoch, loss, accuracy);
  } else if (progress->mode == SHT_PROGRESS_PLAIN && waited >= PLAIN_SECONDS) {
    char figures[LINE_BYTES], train[WORD_BYTES];
    (void)snprintf(figures, sizeof figures, "step %" PRIu64 "/%" PRIu64 "  loss %.4f  train %s", step_in_epoch,
                   progress->steps_per_epoch, loss, percent(accuracy, train));
    print_plain(progress, epoch, figures);
  }
}

static sht_status on_epoch_done(void *context, const sht_epoch *epoch, double seconds, sht_error *error) {
  (void)seconds;
  (void)error;
  sht_progress *progress = context;
  progress->last = *epoch;
  progress->done_steps = epoch->epoch * progress->steps_per_epoch;
  if (progress->mode == SHT_PROGRESS_PLAIN) {
    char figures[LINE_BYTES], train[WORD_BYTES], test[WORD_BYTES];
    (void)snprintf(figures, sizeof figures, "loss %.4f  train %s  test %s", epoch->train_loss,
                   percent(epoch->train_accuracy, train), percent(epoch->test_accuracy, test));
    print_plain(progress, epoch->epoch, figures);
  }
  return SHT_OK;
}

static void on_noted(void *context, const char *sentence) { print_note(context, sentence); }

sht_observer sht__progress_observer(sht_progress *progress) {
  return (sht_observer){
      .context = progress,
      .started = on_started,
      .progressed = on_progressed,
      .epoch_done = on_epoch_done,
      .stop_requested = sht__signals_stop_requested,
      .noted = on_noted,
  };
}
