// The training curves of runs as a figure of text.
#ifndef SHT_CLI_CURVES_H
#define SHT_CLI_CURVES_H

#include "cli/terminal.h"
#include "shatter/lab.h"

// Training accuracy over the epochs of up to SHT_FIGURE_SERIES_MAX runs, one curve each; one run alone: its training
// and its test accuracy. Printed on standard output. Nothing is printed when there is no whole epoch yet.
sht_status sht__print_curves(const sht_run *runs, int count, sht_error *error);

#endif
