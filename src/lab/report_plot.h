// A figure before it is drawn: the same numbers go into SVG, CSV and the table on the page.
#ifndef SHT_LAB_REPORT_PLOT_H
#define SHT_LAB_REPORT_PLOT_H

#include "lab/report.h"
#include "lab/report_quantity.h"
#include "lab/svg.h"

enum { SHT__PLOT_NAME = 160, SHT__PLOT_TEXT = 1024 };

// What sets an experiment apart from the one that its page describes; both "" when nothing does.
typedef struct sht__variant {
  char note[SHT__PLOT_TEXT];  // in sentences, to stand in each output: that runs are scaled down, that options differ
  char mark[SHT__PLOT_TEXT];  // in a few words: "scale small, changed: epochs 3"
} sht__variant;

// One line. Values are as measured (fractions, steps), not as people see them.
typedef struct sht__plot_series {
  char label[SHT__LABEL_SIZE];
  double *x;       // [count], owned, with the three below in one block
  double *y;       // [count] means over the runs
  double *spread;  // [count] their standard deviation; NaN where fewer than two runs have a value
  double *n;       // [count] the runs that have a value
  uint64_t count;
  int style;
  uint64_t mark;  // as in svg.h
  bool crossed;
  double *paper_x;  // [paper_count], owned, with paper_y in one block; the paper's points
  double *paper_y;
  uint64_t paper_count;
} sht__plot_series;

typedef struct sht__plot {
  char name[SHT__PLOT_NAME];     // "1a": of its files
  char id[SHT__PLOT_NAME];       // letters, digits and hyphens; unique on its page
  char what[SHT__PLOT_TEXT];     // "Figure 1a: training loss ..."; "": nothing but the finding is said
  char finding[SHT__PLOT_TEXT];  // the title
  char caption[SHT__PLOT_TEXT];
  char means[SHT__PLOT_TEXT];  // of the caption: which runs were computed otherwise than planned (in bf16, say)
  sht__variant variant;
  sht__quantity x, y;
  size_t quantities;   // on its axis, one after another for each series; 0 or 1: one
  const char *leader;  // the last of them, which the finding speaks of; NULL: y
  bool marked;         // a marker a point: a sweep
  bool wide;           // takes the page's whole width
  double level;
  char level_label[64];
  sht__plot_series *series;  // [series_count], owned
  size_t series_count;
} sht__plot;

// Room for a series of `count` points, all NaN, at the end of plot->series, which has room for it already.
sht_status sht__plot_series_open(sht__plot *plot, const char *label, uint64_t count, sht_error *error);
sht_status sht__plot_paper_open(sht__plot_series *series, uint64_t count, sht_error *error);
void sht__plot_close(sht__plot *plot);
// Adds a sentence to the caption.
void sht__plot_explain(sht__plot *plot, const char *sentence);
// Whether any line has a point.
bool sht__plot_has_points(const sht__plot *plot);
// The most runs behind a point.
double sht__plot_runs(const sht__plot *plot);

typedef enum sht__plot_size { SHT__PLOT_WIDE, SHT__PLOT_HALF, SHT__PLOT_NARROW, SHT__PLOT_FILE } sht__plot_size;

// The drawing; of the size FILE it has its heading and note inside.
sht_status sht__plot_svg(FILE *out, const sht__plot *plot, sht__plot_size size, sht_error *error);
// series,x,y,y_sd,n,source,variant; source is "measured" or "paper", variant its mark.
void sht__plot_csv(FILE *out, const sht__plot *plot);
// A <figure> with the drawing for wide and narrow screens, its caption, its numbers and its CSV.
sht_status sht__plot_html(FILE *out, const sht__plot *plot, sht_error *error);

// <a> with the CSV inside, to be saved under NAME.csv.
void sht__csv_link(FILE *out, const char *name, const char *csv);

#endif
