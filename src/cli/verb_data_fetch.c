// shatter data fetch: downloads a known data set.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/answer.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "fetch/fetch.h"

enum { WORD_BYTES = 32 };
static const double PLAIN_SECONDS = 30;

// Shows a download on standard error: one line redrawn on a terminal, a plain line every 30 seconds elsewhere.
typedef struct fetch_display {
  sht_progress_mode mode;
  bool on_screen;
  double shown_at;
} fetch_display;

static void clear(fetch_display *display) {
  if (display->on_screen) {
    (void)fputs("\r\033[2K", stderr);
    display->on_screen = false;
  }
}

static void on_progressed(void *context, const char *file, uint64_t bytes, uint64_t total) {
  fetch_display *display = context;
  bool live = display->mode == SHT_PROGRESS_LIVE;
  if (display->mode == SHT_PROGRESS_NONE || (!live && sht__clock_seconds() - display->shown_at < PLAIN_SECONDS)) {
    return;
  }
  char have[WORD_BYTES], whole[WORD_BYTES] = "";
  clear(display);
  (void)fprintf(stderr, "%s: %s", file, sht_text_bytes(bytes, have, sizeof have));
  if (total > 0) {
    (void)fprintf(stderr, " of %s (%.0f %%)", sht_text_bytes(total, whole, sizeof whole),
                  100.0 * (double)bytes / (double)total);
  }
  (void)fputs(live ? "" : "\n", stderr);
  (void)fflush(stderr);
  display->on_screen = live;
  display->shown_at = sht__clock_seconds();
}

static void on_noted(void *context, const char *sentence) {
  fetch_display *display = context;
  if (display->mode != SHT_PROGRESS_NONE) {
    clear(display);
    (void)fprintf(stderr, "%s\n", sentence);
  }
}

static sht_status tell(sht_cli *cli, const sht_fetch_result *result, sht_error *error) {
  if (cli->json) {
    sht_json json = {0};
    sht_json_add_text(&json, "data", cli->arguments[0]);
    sht_json_add_text(&json, "folder", result->folder);
    sht_json_add_bool(&json, "present", result->present);
    sht_json_add_count(&json, "bytes", result->bytes);
    if (result->replaced[0] != '\0') {
      sht_json_add_text(&json, "replaced", result->replaced);
    }
    return sht__answer_print(cli, &json, error);
  }
  char bytes[WORD_BYTES];
  if (result->present) {
    (void)printf("%s is here already, complete and checked: %s\n", cli->arguments[0], result->folder);
  } else {
    (void)printf("%s fetched (%s), checked and unpacked: %s\n", cli->arguments[0],
                 sht_text_bytes(result->bytes, bytes, sizeof bytes), result->folder);
  }
  if (result->replaced[0] != '\0') {
    (void)printf("What lay there before was incomplete or different; it is now in %s\n", result->replaced);
  }
  return SHT_OK;
}

static sht_status run(sht_cli *cli, sht_error *error) {
  sht__signals_install();
  fetch_display display = {.mode = sht__progress_mode_of(cli), .shown_at = sht__clock_seconds()};
  const char *from = sht__cli_text(cli, "from");
  const char *const addresses[] = {from, NULL};
  sht_fetch_options options = {
      .data_dir = cli->config.data_dir,
      .from = from != NULL ? addresses : NULL,
      .context = &display,
      .progressed = on_progressed,
      .noted = on_noted,
      .stop_requested = sht__signals_stop_requested,
  };
  sht_fetch_result result;
  sht_status status = sht_fetch(cli->arguments[0], &options, &result, error);
  clear(&display);
  return status == SHT_OK ? tell(cli, &result, error) : status;
}

static const char *const examples[] = {
    "shatter data fetch cifar10",
    "170 MB from the official address, or a mirror when that fails",
    "shatter data fetch mnist --from http://localhost:8000/mnist/",
    "from an address of one's own",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "from", .type = SHT_OPTION_TEXT, .value_name = "URL", .help = "fetch from here and nowhere else"},
    SHT_CLI_PROGRESS_OPTION,
    {.name = NULL},
};

const sht_verb sht__verb_data_fetch = {
    .name = "data fetch",
    .arguments = "NAME",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "download a data set: resumed, checked, unpacked, moved into place whole",
    .description = "Ctrl-C keeps what has come; the next call goes on from there.",
    .examples = examples,
    .config_options = "data-dir",
    .options = options,
    .run = run,
};
