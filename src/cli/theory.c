// Shared by express and linear: see theory.h.
#include "cli/theory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "base/text.h"
#include "cli/given.h"
#include "cli/signals.h"

enum { WHOLE_SIDE = 32, CROPPED_SIDE = 28, WORD_BYTES = 40 };
static const double redraw_seconds = 0.1, plain_seconds = 30;

static sht_status randomize(const sht_cli *cli, sht_dataset *data, sht_error *error) {
  sht_randomization how;
  sht_pool *pool = NULL;
  SHT_TRY(sht_randomization_parse(cli->config.labels, cli->config.pixels, cli->config.seed, &how, error));
  if (data->train.height == WHOLE_SIDE && data->train.width == WHOLE_SIDE) {
    SHT_TRY(sht_dataset_crop(data, CROPPED_SIDE, CROPPED_SIDE, error));
  }
  SHT_TRY(sht_pool_open((int)cli->config.threads, &pool, error));
  sht_status status = sht_dataset_randomize(data, &how, pool, error);
  sht_pool_close(pool);
  return status;
}

// A verb's own default that asks for more examples than there are gives way to all there are.
static sht_status open_within(const sht_cli *cli, sht_dataset_options *options, sht_dataset **out, sht_error *error) {
  uint64_t *const limits[] = {&options->test_limit, &options->train_limit};
  static const char *const flags[] = {"test-size", "train-size"};
  sht_status status = sht_dataset_open(cli->config.data, options, out, error);
  for (int i = 0; i < 2 && status == SHT_CONFIG; i++) {
    if (*limits[i] != 0 && !sht__is_given(cli, flags[i])) {
      *limits[i] = 0;
      status = sht_dataset_open(cli->config.data, options, out, error);
    }
  }
  return status;
}

sht_status sht__theory_open_data(const sht_cli *cli, sht_dataset **out, sht_error *error) {
  sht_dataset_options options = {
      .data_dir = cli->config.data_dir[0] != '\0' ? cli->config.data_dir : NULL,
      .train_limit = cli->config.train_size,
      .test_limit = cli->config.test_size,
      .seed = cli->config.seed,
  };
  SHT_TRY(open_within(cli, &options, out, error));
  return randomize(cli, *out, error);
}

sht_status sht__theory_number(const sht_cli *cli, const char *name, double fallback, double *out, sht_error *error) {
  const char *text = sht__cli_text(cli, name);
  *out = fallback;
  if (text == NULL) {
    return SHT_OK;
  }
  char *end = NULL;
  errno = 0;
  *out = strtod(text, &end);
  if (end == text || *end != '\0' || errno != 0 || !isfinite(*out)) {
    return SHT_FAIL(error, SHT_USAGE, "--%s takes a number such as 0.1 or 1e-3, not \"%s\"", name, text);
  }
  return SHT_OK;
}

// ---- progress

static void draw(sht__theory_progress *progress, double share, double now) {
  char left[WORD_BYTES] = "";
  const double spent = now - progress->started_at;
  if (share > 0.02 && spent > 1) {
    char duration[WORD_BYTES];
    (void)snprintf(left, sizeof left, ", %s left",
                   sht_text_duration(spent / share * (1 - share), duration, sizeof duration));
  }
  const bool live = progress->mode == SHT_PROGRESS_LIVE;
  (void)fprintf(stderr, "%s%s %3.0f %%%s%s", live ? "\r\033[K" : "", progress->stage, 100 * share, left,
                live ? "" : "\n");
  (void)fflush(stderr);
  progress->on_screen = live;
  progress->drawn_at = now;
}

static void progressed(void *context, const char *stage, double share) {
  sht__theory_progress *progress = context;
  const double now = sht__clock_seconds();
  if (strncmp(stage, progress->stage, sizeof progress->stage - 1) != 0) {
    (void)snprintf(progress->stage, sizeof progress->stage, "%s", stage);
    progress->started_at = now;
  }
  const double wait = progress->mode == SHT_PROGRESS_LIVE ? redraw_seconds : plain_seconds;
  if (progress->mode != SHT_PROGRESS_NONE && now - progress->drawn_at >= wait) {
    draw(progress, share, now);
  }
}

sht_theory_observer sht__theory_observe(const sht_cli *cli, sht__theory_progress *progress) {
  *progress = (sht__theory_progress){
      .mode = sht__progress_mode_of(cli), .started_at = sht__clock_seconds(), .drawn_at = sht__clock_seconds()};
  sht__signals_install();
  return (sht_theory_observer){
      .context = progress, .progressed = progressed, .stop_requested = sht__signals_stop_requested};
}

void sht__theory_progress_close(sht__theory_progress *progress) {
  if (progress->on_screen) {
    (void)fputs("\r\033[K", stderr);
    progress->on_screen = false;
  }
}
