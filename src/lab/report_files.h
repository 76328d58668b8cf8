// The files that a figure or a table is exported to.
#ifndef SHT_LAB_REPORT_FILES_H
#define SHT_LAB_REPORT_FILES_H

#include "lab/report_plot.h"
#include "lab/report_sheet.h"
#include "shatter/lab.h"

typedef struct sht__export {
  const char *folder;
  unsigned formats;  // of sht_report_format
  void (*noted)(void *context, const char *sentence);
  void *context;
  bool no_converter;        // rsvg-convert is not there; said once
  uint64_t failures;        // files that could not be converted
  sht_error first_failure;  // of these
} sht__export;

// Writes FOLDER/NAME.csv, .svg, .pdf, .png of a figure; .csv, .tex, .md of a table, as far as asked for. A conversion
// to PDF or PNG that fails is kept in mind, so that everything else is written.
sht_status sht__plot_export(const sht__plot *plot, sht__export *how, sht_error *error);
sht_status sht__sheet_export(const sht__sheet *sheet, const sht__export *how, sht_error *error);

// After the last file: SHT_OK, or that conversions failed.
sht_status sht__export_end(const sht__export *how, sht_error *error);

// What writes a file's text.
typedef sht_status (*sht__writer)(FILE *out, const void *what, sht_error *error);
// Writes FOLDER/NAME.ENDING whole or not at all.
sht_status sht__text_export(sht__writer writer, const void *what, const char *folder, const char *name,
                            const char *ending, sht_error *error);

// Turns a file of SVG into "pdf" or "png" by rsvg-convert. Errors: SHT_UNAVAILABLE when that is not installed,
// SHT_INTERNAL when it fails.
sht_status sht__rsvg_convert(const char *svg, const char *format, const char *path, sht_error *error);

// A name that is safe as that of a file: letters, digits, points, hyphens and underscores; never hidden. Returns out.
char *sht__file_name(const char *name, char *out, size_t size);

#endif
