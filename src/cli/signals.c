// Signals: see signals.h. What a handler leaves behind has to be global: one number.
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "shatter/error.h"

enum { SIGNAL_BASE = 128 };

static volatile sig_atomic_t received;

static void ask_to_stop(int number) {
  if (received != 0 && number != SIGUSR1) {
    _exit(SIGNAL_BASE + number);
  }
  if (received == 0) {
    received = number;
  }
}

void sht__signals_install(void) {
  struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = SA_RESTART};
  (void)sigemptyset(&action.sa_mask);
  static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    (void)sigaction(numbers[i], &action, NULL);
  }
  // A write beyond the limit of a file's size is to fail with a sentence, as on a full disk.
  (void)signal(SIGXFSZ, SIG_IGN);
}

bool sht__signals_stop_requested(void *context) {
  (void)context;
  return received != 0;
}

int sht__signals_exit_code(void) {
  if (received == 0) {
    return 0;
  }
  return received == SIGUSR1 ? sht_status_exit_code(SHT_STOPPED) : SIGNAL_BASE + received;
}
