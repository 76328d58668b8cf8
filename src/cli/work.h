// Shows long work of the library (shatter/work.h) on standard error: one line that is redrawn on a terminal, otherwise
// a plain line every ten seconds.
#ifndef SHT_CLI_WORK_H
#define SHT_CLI_WORK_H

#include "cli/progress.h"
#include "shatter/work.h"

typedef struct sht_work_progress {
  sht_progress_mode mode;
  sht_terminal terminal;
  const char *phase;     // that is shown; NULL: none yet
  double phase_started;  // seconds
  double first_done;     // of that phase, when it was first heard of
  double drawn_at;
  bool on_screen;
} sht_work_progress;

void sht__work_open(sht_work_progress *progress, const sht_cli *cli);
// The observer that draws; it asks signals.h whether to stop. `progress` is borrowed.
sht_work sht__work_observer(sht_work_progress *progress);
// Takes the redrawn line off the screen.
void sht__work_close(sht_work_progress *progress);

#endif
