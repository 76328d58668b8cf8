// A table before it is written: the paper's values beside ours, for HTML, CSV, LaTeX, Markdown and the terminal.
#ifndef SHT_LAB_REPORT_SHEET_H
#define SHT_LAB_REPORT_SHEET_H

#include "lab/report_plot.h"

enum { SHT__SHEET_COLUMNS = 8 };

// Values are as measured; NaN where there is none.
typedef struct sht__cell {
  double value;   // mean over the runs
  double spread;  // their standard deviation; NaN where fewer than two runs have a value
  double best;    // of test_accuracy: the best during training
  double paper;
  uint32_t n;  // runs that have a value
} sht__cell;

typedef struct sht__sheet_row {
  char label[SHT__LABEL_SIZE];
  // What the rows of a group share, and their labels begin with: "alexnet on cifar10", before ": "; "": no groups.
  char group[SHT__LABEL_SIZE / 2];
  char remark[128];              // "not measured yet", "after 12 of 100 epochs", "not fitted"; ""
  uint32_t complete, fitted;     // runs that have ended; of these those that fitted their training set
  sht__kind kind;                // of the data
  bool comparable;               // finished and of the paper's size, so that a difference to the paper can be formed
  char command[SHT__PLOT_TEXT];  // that makes it
} sht__sheet_row;

typedef struct sht__sheet {
  char name[SHT__PLOT_NAME];
  char id[SHT__PLOT_NAME];
  char what[SHT__PLOT_TEXT];
  char finding[SHT__PLOT_TEXT];
  sht__variant variant;
  sht__quantity columns[SHT__SHEET_COLUMNS];
  bool has_paper[SHT__SHEET_COLUMNS];
  bool has_difference[SHT__SHEET_COLUMNS];  // in some row
  size_t column_count;
  sht__sheet_row *rows;  // [row_count], owned
  sht__cell *cells;      // [row_count][column_count], owned
  size_t row_count;
} sht__sheet;

// Room for rows whose cells are all NaN. Close it also after a failure.
sht_status sht__sheet_open(sht__sheet *sheet, size_t rows, sht_error *error);
void sht__sheet_close(sht__sheet *sheet);
sht__cell *sht__sheet_cell(const sht__sheet *sheet, size_t row, size_t column);
// Sets has_paper and has_difference from the cells.
void sht__sheet_finish(sht__sheet *sheet);
// Whether any column has values of the paper's.
bool sht__sheet_has_paper(const sht__sheet *sheet);
// Where a column is shown: ours, and of the paper's and the difference what there is. 1 to 3.
int sht__sheet_width(const sht__sheet *sheet, size_t column);

// Ours less the paper's; NaN where they cannot be compared.
double sht__sheet_difference(const sht__sheet *sheet, size_t row, size_t column);
bool sht__sheet_has_spread(const sht__sheet *sheet);
bool sht__sheet_has_remarks(const sht__sheet *sheet);
// The most runs behind a value of the row.
uint32_t sht__sheet_row_runs(const sht__sheet *sheet, size_t row);
bool sht__sheet_has_best(const sht__sheet *sheet);

// Texts for people. Each returns out; "–" for NaN.
char *sht__cell_value_text(const sht__quantity *quantity, double value, char *out, size_t size);
char *sht__cell_difference_text(const sht__quantity *quantity, double difference, char *out, size_t size);
// What the numbers in small print are: "Mean and standard deviation over the seeds." and so on; "" when there are none.
char *sht__sheet_legend(const sht__sheet *sheet, char *out, size_t size);

// The table of the runs of a report: training and test accuracy beside the paper's Table 1, and when they were fitted.
sht_status sht__report_sheet(const sht__report *report, sht__sheet *out, sht_error *error);

sht_status sht__sheet_html(FILE *out, const sht__sheet *sheet, sht_error *error);
// series, then for each column NAME, NAME_sd, NAME_n, NAME_best, NAME_paper, NAME_difference, then remark and variant.
void sht__sheet_csv(FILE *out, const sht__sheet *sheet);
// A table environment for the booktabs package.
void sht__sheet_tex(FILE *out, const sht__sheet *sheet);
// Text that ends no cell and begins no markup.
void sht__md_text(FILE *out, const char *text);
// A pipe table. with_commands: a last column has the command of each row.
void sht__sheet_md(FILE *out, const sht__sheet *sheet, bool with_commands);

#endif
