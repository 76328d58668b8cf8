// shatter report: pages, figures and tables of runs, and the tables of a page of Markdown.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/answer.h"
#include "cli/curves.h"
#include "cli/table.h"
#include "cli/training.h"
#include "cli/verbs.h"
#include "lab/report_sheet.h"
#include "lab/report_update.h"
#include "lab/report_values.h"

enum { VERDICT_BYTES = 4096, FORMATS_BYTES = 128, CURVES_MAX = 8 };

static const char *const format_names[] = {"html", "csv", "svg", "tex", "pdf", "png", "md", NULL};

// "html,csv" as a set of bits.
static sht_status read_formats(const char *text, unsigned *out, sht_error *error) {
  char copy[FORMATS_BYTES];
  char *rest = copy;
  *out = 0;
  (void)snprintf(copy, sizeof copy, "%s", text);
  for (char *word = strsep(&rest, ","); word != NULL; word = strsep(&rest, ",")) {
    size_t i = 0;
    while (format_names[i] != NULL && strcmp(format_names[i], word) != 0) {
      i++;
    }
    if (format_names[i] == NULL) {
      const char *nearest = sht_text_nearest(word, format_names);
      return SHT_FAIL(error, SHT_USAGE, "--format: there is no \"%s\"%s%s; write some of html,csv,svg,tex,pdf,png,md",
                      word, nearest == NULL ? "" : ", do you mean ", nearest == NULL ? "" : nearest);
    }
    *out |= 1U << i;
  }
  return SHT_OK;
}

// The runs named on the command line, or all complete ones of the store. Free *runs with sht_free.
static sht_status choose_runs(const sht_cli *cli, sht_store *store, sht_run **runs, uint64_t *count, sht_error *error) {
  if (cli->argument_count == 0) {
    SHT_TRY(sht_store_list(store, runs, count, error));
    uint64_t kept = 0;
    for (uint64_t i = 0; i < *count; i++) {
      if ((*runs)[i].complete && !(*runs)[i].damaged) {
        (*runs)[kept++] = (*runs)[i];
      }
    }
    *count = kept;
    return SHT_OK;
  }
  *count = (uint64_t)cli->argument_count;
  SHT_TRY(SHT_ALLOC(runs, *count, "the runs of the report", error));
  for (int i = 0; i < cli->argument_count; i++) {
    SHT_TRY(sht_store_find(store, cli->arguments[i], &(*runs)[i], error));
  }
  return SHT_OK;
}

static void add_row(sht_table *table, const sht__sheet *sheet, size_t row) {
  char text[SHT__TEXT_SIZE];
  sht__table_add(table, "%s", sheet->rows[row].label);
  for (size_t c = 0; c < sheet->column_count; c++) {
    const sht__quantity *quantity = &sheet->columns[c];
    const sht__cell *cell = sht__sheet_cell(sheet, row, c);
    char spread[SHT__TEXT_SIZE];
    (void)sht__cell_value_text(quantity, cell->value, text, sizeof text);
    if (isfinite(cell->spread)) {
      (void)sht__cell_value_text(quantity, cell->spread, spread, sizeof spread);
    }
    sht__table_add(table, "%s%s%s", text, isfinite(cell->spread) ? " \xc2\xb1 " : "",
                   isfinite(cell->spread) ? spread : "");
    if (sheet->has_paper[c]) {
      sht__table_add(table, "%s", sht__cell_value_text(quantity, cell->paper, text, sizeof text));
      double difference = sht__sheet_difference(sheet, row, c);
      sht__table_add(table, "%s", sht__cell_difference_text(quantity, difference, text, sizeof text));
    }
  }
  sht__table_add(table, "%s", sheet->rows[row].remark);
}

// Ours, the paper's, and the difference in points.
static sht_status print_sheet(const sht__sheet *sheet, sht_error *error) {
  sht_table table;
  sht_terminal terminal = sht__terminal_of(stdout);
  char alignment[SHT_TABLE_COLUMNS_MAX + 1] = "l";
  size_t used = 1;
  for (size_t c = 0; c < sheet->column_count; c++) {
    used += (size_t)snprintf(alignment + used, sizeof alignment - used, "%s", sheet->has_paper[c] ? "rrr" : "r");
  }
  (void)snprintf(alignment + used, sizeof alignment - used, "l");
  SHT_TRY(sht__table_open(&table, alignment, error));
  sht__table_add(&table, "RUN");
  for (size_t c = 0; c < sheet->column_count; c++) {
    char axis[SHT__PLOT_NAME];
    sht__table_add(&table, "%s", sht__quantity_axis(&sheet->columns[c], axis, sizeof axis));
    if (sheet->has_paper[c]) {
      sht__table_add(&table, "PAPER");
      sht__table_add(&table, "DIFFERENCE");
    }
  }
  sht__table_add(&table, "REMARK");
  for (size_t r = 0; r < sheet->row_count; r++) {
    add_row(&table, sheet, r);
  }
  return sht__table_print(&table, stdout, &terminal, error);
}

static sht_status print_summary(const sht_run *runs, uint64_t count, sht_error *error) {
  sht__report report;
  sht__sheet sheet = {.row_count = 0};
  sht_status status = sht__report_open(runs, count, false, &report, error);
  if (status == SHT_OK) {
    status = sht__report_sheet(&report, &sheet, error);
  }
  if (status == SHT_OK) {
    (void)fputc('\n', stdout);
    status = print_sheet(&sheet, error);
  }
  bool one = report.group_count == 1 && count <= CURVES_MAX;
  sht__sheet_close(&sheet);
  sht__report_close(&report);
  if (status == SHT_OK && !one) {
    (void)puts("\nTheir curves stand in the report; here those of at most 8 runs of one model and data set are drawn.");
  }
  return status == SHT_OK && one ? sht__print_curves(runs, (int)count, error) : status;
}

static void on_noted(void *context, const char *sentence) {
  (void)context;
  (void)fprintf(stderr, "%s\n", sentence);
}

// A page alone goes to a file; anything else, and a page for a folder that is there, into a folder.
static sht_status write_files(const sht_cli *cli, const sht_run *runs, uint64_t count, const char **path,
                              sht_error *error) {
  const char *formats_text = sht__cli_text(cli, "format");
  const char *given = sht__cli_text(cli, "output");
  unsigned formats = 0;
  SHT_TRY(read_formats(formats_text == NULL ? "html" : formats_text, &formats, error));
  bool into_folder = formats != SHT_REPORT_HTML || (given != NULL && sht_folder_exists(given));
  *path = given != NULL ? given : into_folder ? "report" : "report.html";
  return into_folder ? sht_report_export(runs, count, *path, formats, on_noted, NULL, error)
                     : sht_report_write(runs, count, *path, error);
}

static sht_status tell(sht_cli *cli, const sht_run *runs, uint64_t count, const char *path, const char *verdict,
                       sht_error *error) {
  if (cli->json) {
    sht_json json = {0};
    sht_json_add_text(&json, "output", path);
    sht_json_add_count(&json, "runs", count);
    sht_json_add_text(&json, "verdict", verdict);
    return sht__answer_print(cli, &json, error);
  }
  (void)printf("%s\n", verdict);
  SHT_TRY(print_summary(runs, count, error));
  (void)printf("\nReport on %" PRIu64 " run%s: %s\n", count, count == 1 ? "" : "s", path);
  return SHT_OK;
}

static sht_status write_report(sht_cli *cli, const sht_run *runs, uint64_t count, sht_error *error) {
  const char *path = NULL;
  char verdict[VERDICT_BYTES];
  SHT_TRY(sht_report_verdict(runs, count, verdict, sizeof verdict, error));
  // What there is to say does not depend on whether its files can be written.
  sht_status written = write_files(cli, runs, count, &path, error);
  if (path == NULL) {
    return written;
  }
  sht_status told = tell(cli, runs, count, path, verdict, written == SHT_OK ? error : NULL);
  return written != SHT_OK ? written : told;
}

static sht_status report(sht_cli *cli, sht_store *store, sht_error *error) {
  sht_run *runs = NULL;
  uint64_t count = 0;
  sht_status status = choose_runs(cli, store, &runs, &count, error);
  if (status == SHT_OK && count == 0) {
    status = SHT_FAIL(error, SHT_MISSING, "no complete run in %s; `shatter demo` makes the first ones",
                      sht_store_path(store));
  }
  if (status == SHT_OK) {
    status = write_report(cli, runs, count, error);
  }
  sht_free(runs);
  return status;
}

// what: "block" or "value".
static sht_status tell_update(sht_cli *cli, const char *path, const char *what, uint64_t count, sht_error *error) {
  if (cli->json) {
    sht_json json = {0};
    sht_json_add_text(&json, "output", path);
    sht_json_add_count(&json, strcmp(what, "value") == 0 ? "values" : "blocks", count);
    return sht__answer_print(cli, &json, error);
  }
  (void)printf("%s: %" PRIu64 " %s%s made anew\n", path, count, what, count == 1 ? "" : "s");
  return SHT_OK;
}

static sht_status update(sht_cli *cli, const char *path, sht_error *error) {
  const char *results = sht__cli_text(cli, "values");
  uint64_t count = 0;
  if (results != NULL) {
    SHT_TRY(sht__report_values(path, results, &count, error));
    return tell_update(cli, path, "value", count, error);
  }
  SHT_TRY(sht__report_update(path, cli->config.store, sht__cli_is_set(cli, "lossy"), &count, error));
  return tell_update(cli, path, "block", count, error);
}

static sht_status run(sht_cli *cli, sht_error *error) {
  const char *page = sht__cli_text(cli, "update");
  sht_store *store = NULL;
  if (page != NULL) {
    return update(cli, page, error);
  }
  SHT_TRY(sht__open_store_to_read(cli, cli->argument_count > 0 ? cli->arguments[0] : NULL, &store, error));
  sht_status status = report(cli, store, error);
  sht_store_close(store);
  return status;
}

static const char *const examples[] = {
    "shatter report -o report.html",
    "every complete run of the store on one page",
    "shatter report 0f3a9c 77be02 -o two --format html,csv,svg,tex,pdf,png",
    "two runs, also as files for a paper, in the folder two",
    "shatter report --update docs/paper.md",
    "the tables of a page between <!-- measured: EXPERIMENT VIEW --> and <!-- end -->, from the store",
    NULL,
};

static const sht_cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .type = SHT_OPTION_TEXT,
     .value_name = "PATH",
     .default_text = "report.html",
     .help = "the page to write; with other formats than html the folder"},
    {.name = "format",
     .type = SHT_OPTION_TEXT,
     .value_name = "LIST",
     .default_text = "html",
     .help = "some of html,csv,svg,tex,pdf,png,md; pdf and png need rsvg-convert (Debian: librsvg2-bin)"},
    {.name = "update",
     .type = SHT_OPTION_TEXT,
     .value_name = "PAGE",
     .help = "make the tables inside a page of Markdown anew"},
    {.name = "values",
     .type = SHT_OPTION_TEXT,
     .value_name = "FOLDER",
     .help =
         "with --update: not the tables but the single values, <!-- value: FILE KEY FORMAT --> to <!-- end -->, from "
         "JSON results in this folder"},
    {.name = "lossy",
     .type = SHT_OPTION_BOOL,
     .help = "with --update: also where the store has fewer numbers for a row than the page"},
    {.name = NULL},
};

const sht_verb sht__verb_report = {
    .name = "report",
    .arguments = "[RUN ...]",
    .arguments_max = SHT_CLI_ANY_NUMBER,
    .summary = "a page of curves, tables, verdict and commands; also CSV, SVG, LaTeX, PDF, PNG, Markdown",
    .description = "The page needs nothing else: no network, no scripts from elsewhere.",
    .examples = examples,
    .config_options = "store",
    .options = options,
    .run = run,
};
