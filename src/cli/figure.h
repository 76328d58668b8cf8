// Curves as a small figure of text: braille dots where the terminal knows Unicode, letters elsewhere; each curve is
// labelled at its end, in its colour.
#ifndef SHT_CLI_FIGURE_H
#define SHT_CLI_FIGURE_H

#include <stddef.h>
#include <stdio.h>

#include "cli/terminal.h"

typedef struct sht_series {
  const char *label;
  const double *x;  // [count]
  const double *y;  // [count]; what is not finite is left out
  size_t count;
} sht_series;

typedef struct sht_figure {
  const char *title;    // says what is seen
  const char *x_label;  // "epochs"
  double y_min, y_max;  // what does not lie between is cut to them
  bool percent;         // y holds fractions, shown as percent
  double reference;     // a dotted line at this height; NaN: none
} sht_figure;

enum { SHT_FIGURE_SERIES_MAX = 8 };

void sht__figure_print(FILE *out, const sht_terminal *terminal, const sht_figure *figure, const sht_series *series,
                       int count);

#endif
