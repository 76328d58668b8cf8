// Exports figures and tables: see report_files.h.
#include "lab/report_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "lab/files.h"

char *sht__file_name(const char *name, char *out, size_t size) {
  size_t used = 0;
  for (; *name != '\0' && used + 1 < size; name++) {
    bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') ||
                 *name == '_' || (*name == '.' && used > 0);
    out[used++] = (char)(plain ? *name : '-');
  }
  out[used] = '\0';
  if (used == 0) {
    (void)snprintf(out, size, "unnamed");
  }
  return out;
}

static sht_status path_of(char out[SHT_LAB_PATH], const char *folder, const char *name, const char *ending,
                          sht_error *error) {
  char file[SHT__PLOT_NAME + 16];
  (void)snprintf(file, sizeof file, "%s.%s", name, ending);
  return sht_path_join(out, SHT_LAB_PATH, folder, file, error);
}

sht_status sht__text_export(sht__writer writer, const void *what, const char *folder, const char *name,
                            const char *ending, sht_error *error) {
  char path[SHT_LAB_PATH];
  char *text = NULL;
  size_t length = 0;
  SHT_TRY(path_of(path, folder, name, ending, error));
  FILE *out = open_memstream(&text, &length);
  if (out == NULL) {
    return SHT_FAIL(error, SHT_MEMORY, "no memory for %s", path);
  }
  sht_status status = writer(out, what, error);
  if (fclose(out) != 0 && status == SHT_OK) {
    status = SHT_FAIL(error, SHT_MEMORY, "no memory for %s", path);
  }
  if (status == SHT_OK) {
    status = sht_file_write(path, text, length, error);
  }
  free(text);
  return status;
}

static sht_status plot_csv(FILE *out, const void *plot, sht_error *error) {
  (void)error;
  sht__plot_csv(out, plot);
  return SHT_OK;
}

static sht_status plot_svg(FILE *out, const void *plot, sht_error *error) {
  return sht__plot_svg(out, plot, SHT__PLOT_FILE, error);
}

static sht_status sheet_csv(FILE *out, const void *sheet, sht_error *error) {
  (void)error;
  sht__sheet_csv(out, sheet);
  return SHT_OK;
}

static sht_status sheet_tex(FILE *out, const void *sheet, sht_error *error) {
  (void)error;
  sht__sheet_tex(out, sheet);
  return SHT_OK;
}

static sht_status sheet_md(FILE *out, const void *sheet, sht_error *error) {
  (void)error;
  sht__sheet_md(out, sheet, true);
  return SHT_OK;
}

static sht_status convert(const char *svg, const char *format, const sht__plot *plot, sht__export *how,
                          sht_error *error) {
  char path[SHT_LAB_PATH];
  sht_error fault = {0};
  SHT_TRY(path_of(path, how->folder, plot->name, format, error));
  sht_status status = sht__rsvg_convert(svg, format, path, &fault);
  if (status == SHT_UNAVAILABLE) {
    how->no_converter = true;
    if (how->noted != NULL) {
      how->noted(how->context, fault.message);
    }
    return SHT_OK;
  }
  if (status == SHT_INTERNAL) {
    how->first_failure = how->failures++ == 0 ? fault : how->first_failure;
    return SHT_OK;
  }
  return status == SHT_OK ? SHT_OK : SHT_FAIL(error, status, "%s", fault.message);
}

sht_status sht__export_end(const sht__export *how, sht_error *error) {
  if (how->failures == 0) {
    return SHT_OK;
  }
  return SHT_FAIL(error, how->first_failure.status,
                  "%" PRIu64 " file%s of PDF or PNG could not be made, all others are in %s: %s", how->failures,
                  how->failures == 1 ? "" : "s", how->folder, how->first_failure.message);
}

sht_status sht__plot_export(const sht__plot *plot, sht__export *how, sht_error *error) {
  static const struct {
    unsigned bit;
    const char *format;
  } converted[] = {{SHT_REPORT_PDF, "pdf"}, {SHT_REPORT_PNG, "png"}};
  char svg[SHT_LAB_PATH];
  if ((how->formats & SHT_REPORT_CSV) != 0) {
    SHT_TRY(sht__text_export(plot_csv, plot, how->folder, plot->name, "csv", error));
  }
  if ((how->formats & (SHT_REPORT_SVG | SHT_REPORT_PDF | SHT_REPORT_PNG)) == 0 || !sht__plot_has_points(plot)) {
    return SHT_OK;
  }
  SHT_TRY(path_of(svg, how->folder, plot->name, "svg", error));
  SHT_TRY(sht__text_export(plot_svg, plot, how->folder, plot->name, "svg", error));
  for (size_t i = 0; i < sizeof converted / sizeof converted[0]; i++) {
    if ((how->formats & converted[i].bit) != 0 && !how->no_converter) {
      SHT_TRY(convert(svg, converted[i].format, plot, how, error));
    }
  }
  return SHT_OK;
}

sht_status sht__sheet_export(const sht__sheet *sheet, const sht__export *how, sht_error *error) {
  if ((how->formats & SHT_REPORT_CSV) != 0) {
    SHT_TRY(sht__text_export(sheet_csv, sheet, how->folder, sheet->name, "csv", error));
  }
  if ((how->formats & SHT_REPORT_TEX) != 0) {
    SHT_TRY(sht__text_export(sheet_tex, sheet, how->folder, sheet->name, "tex", error));
  }
  if ((how->formats & SHT_REPORT_MD) != 0) {
    SHT_TRY(sht__text_export(sheet_md, sheet, how->folder, sheet->name, "md", error));
  }
  return SHT_OK;
}
