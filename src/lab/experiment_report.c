// The files of an experiment's report: see shatter/experiment.h.
#include "lab/experiment_report.h"

#include "base/file.h"

static const unsigned all_formats =
    SHT_REPORT_CSV | SHT_REPORT_SVG | SHT_REPORT_TEX | SHT_REPORT_PDF | SHT_REPORT_PNG | SHT_REPORT_MD;

static sht_status export_plots(const sht__results *results, uint64_t index, sht__export *how, sht_error *error) {
  uint32_t parts = 0;
  SHT_TRY(sht__view_parts(&results->experiment->views[index], &parts, error));
  for (uint32_t part = 0; part < parts; part++) {
    sht__plot plot;
    sht_status status = sht__view_plot(results, index, part, &plot, error);
    if (status == SHT_OK) {
      status = sht__plot_export(&plot, how, error);
    }
    sht__plot_close(&plot);
    SHT_TRY(status);
  }
  return SHT_OK;
}

static sht_status export_view(const sht__results *results, uint64_t index, sht__export *how, sht_error *error) {
  if (results->experiment->views[index].kind != SHT_VIEW_TABLE) {
    return export_plots(results, index, how, error);
  }
  sht__sheet sheet;
  sht_status status = sht__view_sheet(results, index, &sheet, error);
  if (status == SHT_OK) {
    status = sht__sheet_export(&sheet, how, error);
  }
  sht__sheet_close(&sheet);
  return status;
}

sht_status sht_experiment_report(const sht_experiment *experiment, const sht_run *runs, const char *folder,
                                 void (*noted)(void *context, const char *sentence), void *context, sht_error *error) {
  sht__results results;
  sht__export how = {.folder = folder, .formats = all_formats, .noted = noted, .context = context};
  SHT_TRY(sht_folder_make(folder, error));
  sht_status status = sht__results_open(experiment, runs, &results, error);
  if (status == SHT_OK) {
    status = sht__text_export(sht__experiment_page, &results, folder, "index", "html", error);
  }
  for (uint64_t i = 0; i < experiment->view_count && status == SHT_OK; i++) {
    status = export_view(&results, i, &how, error);
  }
  if (status == SHT_OK) {
    status = sht__export_end(&how, error);
  }
  sht__results_close(&results);
  return status;
}
