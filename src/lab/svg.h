// Figures as SVG: lines over two axes, each labelled at its end. The colours are Okabe and Ito's, which nearly everyone
// can tell apart, and each line also has a dash and a marker of its own.
//
// The text is complete by itself (a file of it can be printed or turned into a PDF); a page that holds it may restyle
// the classes: c0..c6 (strokes), t0..t6 (texts), line, band, dot, hollow, ink, quiet, axis, grid.
#ifndef SHT_LAB_SVG_H
#define SHT_LAB_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shatter/error.h"

enum {
  SHT_SVG_LINES_MAX = 32,
  SHT_SVG_COLORS = 7,
  SHT_SVG_TICKS_MAX = 24,
};
#define SHT_SVG_NO_MARK UINT64_MAX

typedef struct sht_svg_line {
  const char *label;     // NULL: none
  const double *x;       // [count] in the order in which they are joined
  const double *y;       // [count]; a point that is not finite breaks the line
  const double *spread;  // [count] half the height of the band or bar around y; not positive: none there. NULL: none
  uint64_t count;
  int style;               // 0, 1, ...: colour, dash and marker; style 0 is solid
  bool marked;             // each point gets a marker, and spreads are bars; else spreads are a band
  uint64_t mark;           // this point gets an open circle; SHT_SVG_NO_MARK: none does
  bool crossed;            // the last point gets a cross
  const double *hollow_x;  // [hollow_count] points of another source: hollow markers that are not joined
  const double *hollow_y;  // [hollow_count]
  uint64_t hollow_count;
} sht_svg_line;

typedef struct sht_svg_axis {
  const char *label;  // "steps (thousands)"
  double minimum;     // shown range; a logarithmic axis needs minimum > 0
  double maximum;     // above minimum
  bool logarithmic;
} sht_svg_axis;

typedef struct sht_svg_figure {
  const char *id;           // begins the ids inside; letters, digits, hyphens; unique on a page
  const char *title;        // read aloud
  const char *description;  // read aloud
  const char *heading;      // shown above the plot; NULL: none
  const char *note;         // shown below that; NULL: none
  sht_svg_axis x;
  sht_svg_axis y;
  const sht_svg_line *lines;  // [line_count]
  size_t line_count;          // at most SHT_SVG_LINES_MAX
  double level;               // a dotted horizontal line at this y; NaN: none
  const char *level_label;
  const char *hollow_label;  // what hollow markers are: "paper"; NULL: nothing is said
  double width;              // pixels
  double height;             // pixels, of plot and axes; heading, note and a key below come on top of that
  double font;               // pixels
} sht_svg_figure;

// Writes one <svg> element. Errors: SHT_INTERNAL (too many lines, an impossible axis).
sht_status sht__svg_write(FILE *out, const sht_svg_figure *figure, sht_error *error);

// A short piece of a line with its marker, to stand in a table beside the figure.
void sht__svg_swatch_write(FILE *out, int style, bool marked);

// How the lines of a style look: an index into the colours, and SVG's stroke-dasharray ("none": solid).
int sht__svg_color(int style);
const char *sht__svg_dash(int style);

// The end on a round tick of the smallest range from 0 that holds `maximum`; 1 when that is not positive and finite.
double sht__svg_nice_maximum(double maximum);

// Round values (1, 2 or 5 times a power of ten apart; powers of ten on a logarithmic axis) inside the range, about
// `wanted` of them. ticks: [SHT_SVG_TICKS_MAX]. Returns how many; *decimals: that they need to be written.
int sht__svg_ticks(const sht_svg_axis *axis, double wanted, double *ticks, int *decimals);

// Moves positions apart to at least `gap`, inside [low, high], by the smallest sum of squared moves. y: [count] in
// ascending order, count at most SHT_SVG_LINES_MAX. Where there is no room, the gap shrinks.
void sht__svg_spread(double *y, size_t count, double gap, double low, double high);

#endif
