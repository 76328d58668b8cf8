// A report of single runs as files: see shatter/lab.h.
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "lab/files.h"
#include "lab/report_files.h"
#include "lab/report_measure.h"
#include "lab/report_sheet.h"

static const char *const columns[] = {"train_accuracy", "test_accuracy", "fitted_epochs"};

// Over seeds, of a column.
static const sht__moments *moments_of(const sht__report_run *run, size_t column) {
  return column == 0 ? &run->train : column == 1 ? &run->test : &run->fitted;
}

static sht_status fill_row(const sht__report_run *run, sht__sheet *sheet, size_t row, bool several, sht_error *error) {
  sht__sheet_row *r = &sheet->rows[row];
  const sht__paper_row *paper = sht__paper_find(run);
  (void)sht__paper_obstacle(run->run, r->remark, sizeof r->remark);
  r->comparable = r->remark[0] == '\0';
  if (paper == NULL) {
    r->remark[0] = '\0';
  }
  (void)snprintf(r->group, sizeof r->group, several ? "%.100s on %.100s" : "%.0s%.0s", sht_run_model(run->run),
                 run->run->config.data);
  (void)snprintf(r->label, sizeof r->label, "%s%s%.250s", r->group, several ? ": " : "", run->label);
  for (size_t c = 0; c < sheet->column_count; c++) {
    sht__cell *cell = sht__sheet_cell(sheet, row, c);
    cell->value = sht__quantity_of_run(&sheet->columns[c], run->run, NULL);
    cell->n = isfinite(cell->value);
    if (run->seed_count > 1) {
      const sht__moments *moments = moments_of(run, c);
      cell->value = sht__moments_mean(moments);
      cell->spread = sht__moments_deviation(moments);
      cell->n = moments->n;
    }
  }
  if (paper != NULL) {
    sht__sheet_cell(sheet, row, 0)->paper = paper->train_accuracy;
    sht__sheet_cell(sheet, row, 1)->paper = paper->test_accuracy;
  }
  sht__sheet_cell(sheet, row, 1)->best = run->run->result.best_test_accuracy;
  return sht__command_text(&run->run->config, r->command, sizeof r->command, error);
}

sht_status sht__report_sheet(const sht__report *report, sht__sheet *out, sht_error *error) {
  *out = (sht__sheet){.name = "runs", .id = "runs", .finding = "Accuracy of each run beside the paper's"};
  out->column_count = sizeof columns / sizeof columns[0];
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
    (void)sht__quantity_find(columns[i], &out->columns[i]);
  }
  SHT_TRY(sht__sheet_open(out, report->run_count, error));
  size_t row = 0;
  for (size_t g = 0; g < report->group_count; g++) {
    for (size_t i = 0; i < report->groups[g].run_count; i++) {
      SHT_TRY(fill_row(&report->groups[g].runs[i], out, row++, report->group_count > 1, error));
    }
  }
  sht__sheet_finish(out);
  return SHT_OK;
}

static sht_status export_sheet(const sht__report *report, const sht__export *how, sht_error *error) {
  sht__sheet sheet;
  sht_status status = sht__report_sheet(report, &sheet, error);
  if (status == SHT_OK) {
    status = sht__sheet_export(&sheet, how, error);
  }
  sht__sheet_close(&sheet);
  return status;
}

static sht_status export_figure(const sht__report_group *group, size_t number, size_t index, sht__export *how,
                                sht_error *error) {
  sht__plot plot;
  sht_status status = sht__group_plot(group, number, index, &plot, error);
  if (status == SHT_OK && sht__plot_has_points(&plot)) {
    status = sht__plot_export(&plot, how, error);
  }
  sht__plot_close(&plot);
  return status;
}

static sht_status export_report(const sht__report *report, sht__export *how, sht_error *error) {
  SHT_TRY(export_sheet(report, how, error));
  for (size_t g = 0; g < report->group_count; g++) {
    for (size_t i = 0; i < sht__group_plot_count(&report->groups[g]); i++) {
      SHT_TRY(export_figure(&report->groups[g], g + 1, i, how, error));
    }
  }
  return sht__export_end(how, error);
}

sht_status sht_report_export(const sht_run *runs, uint64_t count, const char *folder, unsigned formats,
                             void (*noted)(void *context, const char *sentence), void *context, sht_error *error) {
  sht__report report;
  sht__export how = {.folder = folder, .formats = formats, .noted = noted, .context = context};
  char page[SHT_LAB_PATH];
  if (count == 0) {
    return SHT_FAIL(error, SHT_MISSING, "there is no run to report on; `shatter demo` makes the first ones");
  }
  SHT_TRY(sht_folder_make(folder, error));
  SHT_TRY(sht_path_join(page, sizeof page, folder, "index.html", error));
  if ((formats & SHT_REPORT_HTML) != 0) {
    SHT_TRY(sht_report_write(runs, count, page, error));
  }
  sht_status status = sht__report_open(runs, count, true, &report, error);
  if (status == SHT_OK) {
    status = export_report(&report, &how, error);
  }
  sht__report_close(&report);
  return status;
}
