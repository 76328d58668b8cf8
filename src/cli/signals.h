// Ctrl-C and its kin: the first asks the work to stop at a safe place, the second ends the program at once.
#ifndef SHT_CLI_SIGNALS_H
#define SHT_CLI_SIGNALS_H

#include <stdbool.h>

// SIGINT, SIGTERM and SIGUSR1 (sent by batch systems before their time is up) ask to stop from now on.
void sht__signals_install(void);
// For sht_observer.stop_requested and sht_fetch_options.stop_requested; the context is not used.
bool sht__signals_stop_requested(void *context);
// The exit code that tells what stopped us: 130, 143, 75 (SIGUSR1); 0: no signal came.
int sht__signals_exit_code(void);

#endif
