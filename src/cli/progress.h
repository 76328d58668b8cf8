// Shows a training run while it works, on standard error: two lines that are redrawn at most ten times a second on a
// terminal, otherwise a plain line an epoch (and every 30 seconds of a longer epoch).
#ifndef SHT_CLI_PROGRESS_H
#define SHT_CLI_PROGRESS_H

#include "cli/cli.h"
#include "cli/terminal.h"
#include "shatter/train.h"

typedef enum sht_progress_mode { SHT_PROGRESS_NONE, SHT_PROGRESS_PLAIN, SHT_PROGRESS_LIVE } sht_progress_mode;

typedef struct sht_progress {
  sht_progress_mode mode;
  sht_terminal terminal;
  char title[64];            // "random labels"
  int ink;                   // of the title
  uint64_t epochs;           // to be done in all
  bool may_end_early;        // stops when fitted
  uint64_t steps_per_epoch;  // known from `started` on
  uint64_t first_step;       // done before this session
  uint64_t done_steps;       // since the start of the run
  double started_at;         // seconds of the monotonic clock
  double drawn_at;           // when a line was last shown
  bool on_screen;            // the two lines stand above the cursor
  double images_per_second;
  sht_epoch last;  // of the last whole epoch; epoch 0: none yet
} sht_progress;

// What --progress, --quiet and the terminal say together.
sht_progress_mode sht__progress_mode_of(const sht_cli *cli);
// title: which of several runs this is; "": none.
void sht__progress_open(sht_progress *progress, const sht_cli *cli, const sht_config *config, const char *title,
                        int ink);
// The observer that draws; stop_requested is that of signals.h. `progress` is borrowed.
sht_observer sht__progress_observer(sht_progress *progress);
// Takes the redrawn lines off the screen.
void sht__progress_close(sht_progress *progress);

// Seconds of a clock that never goes back.
double sht__clock_seconds(void);

#endif
