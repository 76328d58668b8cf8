// What the verbs express and linear share: opening images, reading numbers, showing progress.
#ifndef SHT_CLI_THEORY_H
#define SHT_CLI_THEORY_H

#include "cli/cli.h"
#include "cli/progress.h"
#include "shatter/theory.h"

// Opens --data with --labels, --pixels, --train-size and --test-size, cut as for training (32x32 to the centre 28x28).
sht_status sht__theory_open_data(const sht_cli *cli, sht_dataset **out, sht_error *error);
// A number given as text; fallback when it is not given.
sht_status sht__theory_number(const sht_cli *cli, const char *name, double fallback, double *out, sht_error *error);

// One line on standard error: the stage, its share, time left.
typedef struct sht__theory_progress {
  sht_progress_mode mode;
  char stage[32];
  double started_at;  // of the stage
  double drawn_at;
  bool on_screen;
} sht__theory_progress;

// Installs the signals' handlers; the observer draws and asks them. `progress` is borrowed.
sht_theory_observer sht__theory_observe(const sht_cli *cli, sht__theory_progress *progress);
void sht__theory_progress_close(sht__theory_progress *progress);

#endif
