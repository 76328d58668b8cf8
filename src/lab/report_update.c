// Tables inside a page of Markdown: see report_update.h.
#include "lab/report_update.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "lab/answers.h"
#include "lab/experiment_report.h"
#include "lab/files.h"
#include "lab/svg_text.h"

enum { PAGE_SIZE_MAX = 1 << 24, WORD_SIZE = 64 };

static const char opening[] = "<!-- measured:";
static const char ending[] = "<!-- end -->";

typedef struct block {
  char experiment[WORD_SIZE], view[WORD_SIZE], scale[WORD_SIZE];
  const char *old, *end;  // inside the page: the text to be replaced, and the line that ends the block
} block;

// What is made anew.
typedef struct page {
  const char *path, *text, *store;
  const sht__answers *answers;  // of the store
  bool lossy;
} page;

// An experiment with its runs, for all blocks in a row that show it.
typedef struct source {
  block what;
  sht_experiment *experiment;
  sht_run *runs;
  sht__results results;
} source;

// A view of curves or a sweep: its measured points, one row for each; of a curve only the last one.
static void write_points(FILE *out, const sht__plot *plot) {
  char axis[SHT__PLOT_NAME];
  char text[SHT__TEXT_SIZE];
  uint64_t points = 0;
  uint64_t measured = 0;
  (void)fprintf(out, "| series | %s |", sht__quantity_axis(&plot->x, axis, sizeof axis));
  (void)fprintf(out, " %s |\n| --- | ---: | ---: |\n", sht__quantity_axis(&plot->y, axis, sizeof axis));
  for (size_t i = 0; i < plot->series_count; i++) {
    const sht__plot_series *s = &plot->series[i];
    for (uint64_t p = plot->marked || s->count == 0 ? 0 : s->count - 1; p < s->count; p++) {
      points++;
      if (!isfinite(s->y[p])) {
        continue;
      }
      measured++;
      (void)fputs("| ", out);
      sht__md_text(out, s->label);
      (void)fprintf(out, " | %s |", sht__cell_value_text(&plot->x, s->x[p], text, sizeof text));
      (void)fprintf(out, " %s |\n", sht__cell_value_text(&plot->y, s->y[p], text, sizeof text));
    }
  }
  if (plot->marked && measured < points) {
    (void)fprintf(out, "\n%" PRIu64 " of %" PRIu64 " points; the others are not measured yet or were not fitted.\n",
                  measured, points);
  }
}

static sht_status write_plots(FILE *out, const sht__results *results, uint64_t index, sht_error *error) {
  uint32_t parts = 0;
  SHT_TRY(sht__view_parts(&results->experiment->views[index], &parts, error));
  for (uint32_t part = 0; part < parts; part++) {
    sht__plot plot;
    sht_status status = sht__view_plot(results, index, part, &plot, error);
    if (status == SHT_OK) {
      sht__md_text(out, plot.finding);
      (void)fputs(".\n", out);
    }
    if (status == SHT_OK && sht__plot_has_points(&plot)) {
      (void)fputc('\n', out);
      write_points(out, &plot);
    }
    if (status == SHT_OK && plot.means[0] != '\0') {
      (void)fputc('\n', out);
      sht__md_text(out, plot.means);
      (void)fputc('\n', out);
    }
    if (status == SHT_OK && plot.variant.note[0] != '\0') {
      (void)fputs("\n**", out);
      sht__md_text(out, plot.variant.note);
      (void)fputs("**\n", out);
    }
    sht__plot_close(&plot);
    SHT_TRY(status);
  }
  return SHT_OK;
}

static sht_status write_sheet(FILE *out, const sht__results *results, uint64_t index, sht_error *error) {
  sht__sheet sheet;
  sht_status status = sht__view_sheet(results, index, &sheet, error);
  if (status == SHT_OK) {
    sht__md_text(out, sheet.finding);
    (void)fputs(".\n\n", out);
    sht__sheet_md(out, &sheet, true);
  }
  sht__sheet_close(&sheet);
  return status;
}

static sht_status find_view(const sht_experiment *experiment, const block *what, uint64_t *index, sht_error *error) {
  for (*index = 0; *index < experiment->view_count; (*index)++) {
    if (strcmp(experiment->views[*index].name, what->view) == 0) {
      return SHT_OK;
    }
  }
  return SHT_FAIL(error, SHT_MISSING, "%s has no figure or table \"%s\"", what->experiment, what->view);
}

static sht_status write_results(FILE *out, const sht__results *results, const block *what, sht_error *error) {
  uint64_t index = 0;
  SHT_TRY(find_view(results->experiment, what, &index, error));
  (void)fputc('\n', out);
  SHT_TRY(results->experiment->views[index].kind == SHT_VIEW_TABLE ? write_sheet(out, results, index, error)
                                                                   : write_plots(out, results, index, error));
  (void)fputc('\n', out);
  return SHT_OK;
}

static void close_source(source *s) {
  if (s->results.experiment != NULL) {
    sht__results_close(&s->results);
  }
  sht_free(s->runs);
  sht_experiment_close(s->experiment);
  *s = (source){.experiment = NULL};
}

static sht_status open_source(const block *what, const sht__answers *answers, source *s, sht_error *error) {
  s->what = *what;
  SHT_TRY(sht_experiment_open(what->experiment, what->scale, NULL, &s->experiment, error));
  SHT_TRY(sht__answers_take(answers, s->experiment, &s->runs, error));
  return sht__results_open(s->experiment, s->runs, &s->results, error);
}

static sht_status make_block(FILE *out, const block *what, const sht__answers *answers, source *s, sht_error *error) {
  bool same = s->experiment != NULL && strcmp(s->what.experiment, what->experiment) == 0 &&
              strcmp(s->what.scale, what->scale) == 0;
  if (!same) {
    close_source(s);
    SHT_TRY(open_source(what, answers, s, error));
  }
  return write_results(out, &s->results, what, error);
}

// The next line of `text` that begins with a mark; NULL: there is none. Marks that a page shows inside its text do not
// begin a line.
static const char *find_line(const char *text, const char *mark) {
  while (text != NULL && strncmp(text, mark, strlen(mark)) != 0) {
    text = strchr(text, '\n');
    text = text == NULL ? NULL : text + 1;
  }
  return text;
}

static uint64_t line_number(const page *p, const char *at) {
  uint64_t number = 1;
  for (const char *c = p->text; c < at; c++) {
    number += *c == '\n';
  }
  return number;
}

// Reads what the block shows; its old text is what stands between its line and `end`.
static sht_status read_block(const page *p, const char *line, block *out, sht_error *error) {
  uint64_t number = line_number(p, line);
  *out = (block){.scale = ""};
  int words = sscanf(line + strlen(opening), " %63s %63s %63s", out->experiment, out->view, out->scale);
  if (words == 3 && strncmp(out->scale, "--", 2) == 0) {
    out->scale[0] = '\0';
  }
  if (words < 3 || strncmp(out->view, "--", 2) == 0) {
    return SHT_FAIL(error, SHT_DATA, "%s:%" PRIu64 ": write %s EXPERIMENT VIEW -->", p->path, number, opening);
  }
  out->old = line + strcspn(line, "\n");
  out->old += *out->old == '\n';
  out->end = find_line(out->old, ending);
  const char *next = find_line(out->old, opening);
  if (out->end == NULL || (next != NULL && next < out->end)) {
    return SHT_FAIL(error, SHT_DATA, "%s:%" PRIu64 ": no line %s ends this block%s; nothing was changed", p->path,
                    number, ending, next != NULL ? " before the next one begins" : "");
  }
  return SHT_OK;
}

// Cells of tables that begin with a number; U+2212 is a minus sign.
static uint64_t count_numbers(const char *text, size_t size) {
  uint64_t count = 0;
  for (size_t i = 0; i + 2 < size; i++) {
    const char *cell = &text[i + 2];
    bool begins = text[i] == '|' && text[i + 1] == ' ';
    count += begins && (strchr("0123456789+", *cell) != NULL || strncmp(cell, "\xe2\x88\x92", 3) == 0);
  }
  return count;
}

// A row of a table: its line, and what stands in its first cell.
typedef struct row {
  const char *line, *name;
  size_t size, name_size;
} row;

// The next row from `from` on; false: there is none before `end`.
static bool find_row(const char *from, const char *end, row *out) {
  for (const char *line = from; line < end; line += out->size + 1) {
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    *out = (row){.line = line, .name = line + 2, .size = (size_t)((newline == NULL ? end : newline) - line)};
    const char *bar = out->size > 3 && line[0] == '|' ? memchr(line + 3, '|', out->size - 3) : NULL;
    if (bar != NULL) {
      out->name_size = (size_t)(bar - 1 - out->name);
      return true;
    }
  }
  return false;
}

// The numbers of all rows of that name: a line of a figure has several.
static uint64_t count_of_name(const char *text, const char *end, const row *named) {
  uint64_t count = 0;
  row r;
  for (const char *at = text; find_row(at, end, &r); at = r.line + r.size) {
    bool same = r.name_size == named->name_size && memcmp(r.name, named->name, r.name_size) == 0;
    count += same ? count_numbers(r.line, r.size) : 0;
  }
  return count;
}

// An empty or mistyped store would put "not measured" in the place of what was measured, in all rows or in one.
static sht_status check_loss(const page *p, const block *what, const char *made, size_t size, sht_error *error) {
  row old;
  for (const char *at = what->old; !p->lossy && find_row(at, what->end, &old); at = old.line + old.size) {
    uint64_t before = count_of_name(what->old, what->end, &old);
    uint64_t after = count_of_name(made, made + size, &old);
    if (after < before) {
      return SHT_FAIL(error, SHT_DATA,
                      "%s:%" PRIu64 ": the store %s has %" PRIu64 " of the %" PRIu64
                      " numbers of \"%.*s\" in %s %s"
                      "; nothing was changed. Give the --store that they are from, or --lossy to let them go",
                      p->path, line_number(p, old.line), sht__store_choose(p->store), after, before, (int)old.name_size,
                      old.name, what->experiment, what->view);
    }
  }
  return SHT_OK;
}

static sht_status write_block(FILE *out, const page *p, const block *what, source *s, sht_error *error) {
  char *made = NULL;
  size_t size = 0;
  FILE *writer = open_memstream(&made, &size);
  if (writer == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for %s", p->path);
  }
  sht_status status = make_block(writer, what, p->answers, s, error);
  if (fclose(writer) != 0 && status == SHT_OK) {
    status = SHT_FAIL(error, SHT_MEMORY, "no memory for %s", p->path);
  }
  if (status == SHT_OK) {
    status = check_loss(p, what, made, size, error);
  }
  if (status == SHT_OK) {
    (void)fwrite(made, 1, size, out);
  }
  free(made);
  return status;
}

static sht_status write_blocks(FILE *out, const page *p, source *s, uint64_t *blocks, sht_error *error) {
  const char *at = p->text;
  for (const char *line = find_line(at, opening); line != NULL; line = find_line(at, opening)) {
    block what;
    SHT_TRY(read_block(p, line, &what, error));
    (void)fwrite(at, 1, (size_t)(what.old - at), out);
    SHT_TRY(write_block(out, p, &what, s, error));
    at = what.end;
    (*blocks)++;
  }
  (void)fputs(at, out);
  return SHT_OK;
}

static sht_status write_page(FILE *out, const page *p, uint64_t *blocks, sht_error *error) {
  source s = {.experiment = NULL};
  sht_status status = write_blocks(out, p, &s, blocks, error);
  close_source(&s);
  return status;
}

// Writes the page anew when all of its blocks could be made.
static sht_status update_page(const page *p, uint64_t *blocks, sht_error *error) {
  char *made = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&made, &length);
  sht_status status =
      out == NULL ? SHT_FAIL(error, SHT_MEMORY, "no memory for %s", p->path) : write_page(out, p, blocks, error);
  if (out != NULL && fclose(out) != 0 && status == SHT_OK) {
    status = SHT_FAIL(error, SHT_MEMORY, "no memory for %s", p->path);
  }
  if (status == SHT_OK) {
    status = sht_file_write(p->path, made, length, error);
  }
  free(made);
  return status;
}

sht_status sht__report_update(const char *path, const char *store, bool lossy, uint64_t *blocks, sht_error *error) {
  char *text = NULL;
  uint64_t size = 0;
  sht__answers answers;
  *blocks = 0;
  sht_status status = sht__answers_open(store, &answers, error);
  if (status == SHT_OK) {
    status = sht_file_read(path, PAGE_SIZE_MAX, &text, &size, error);
  }
  if (status == SHT_OK) {
    const page p = {.path = path, .text = text, .store = store, .answers = &answers, .lossy = lossy};
    status = update_page(&p, blocks, error);
  }
  sht_free(text);
  sht__answers_close(&answers);
  return status;
}
