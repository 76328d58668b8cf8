// A table as LaTeX, for the booktabs package: see report_sheet.h.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lab/report_sheet.h"
#include "lab/svg_text.h"

static const char *replacement_of(char character) {
  switch (character) {
    case '\\':
      return "\\textbackslash{}";
    case '~':
      return "\\textasciitilde{}";
    case '^':
      return "\\textasciicircum{}";
    case '<':
      return "\\textless{}";
    case '>':
      return "\\textgreater{}";
    case '|':
      return "\\textbar{}";
    case '"':
      return "\\textquotedbl{}";
    case '\'':
      return "\\textquotesingle{}";
    default:
      return (unsigned char)character < 0x20 || character == 0x7f ? " " : NULL;
  }
}

// The few characters outside ASCII that our own texts have.
static bool write_known(FILE *out, const char *text, int length) {
  static const struct {
    const char *utf8, *tex;
  } known[] = {{"\xe2\x80\x93", "--"}, {"\xe2\x88\x92", "$-$"}, {"\xc2\xb1", "$\\pm$"}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (length > 1 && strncmp(text, known[i].utf8, (size_t)length) == 0) {
      (void)fputs(known[i].tex, out);
      return true;
    }
  }
  return false;
}

// Text that is text and nothing else.
static void write_text(FILE *out, const char *text) {
  while (*text != '\0') {
    const char *replacement = replacement_of(*text);
    int length = sht__utf8_length(text);
    if (replacement != NULL) {
      (void)fputs(replacement, out);
    } else if (strchr("&%$#_{}", *text) != NULL) {
      (void)fprintf(out, "\\%c", *text);
    } else if (length == 0) {
      (void)fputc('?', out);
    } else if (!write_known(out, text, length)) {
      (void)fwrite(text, 1, (size_t)length, out);
    }
    text += length > 0 ? length : 1;
  }
}

// A label has letters, digits, points and hyphens alone.
static void write_label(FILE *out, const char *name) {
  for (; *name != '\0'; name++) {
    bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9');
    (void)fputc(plain || *name == '.' ? *name : '-', out);
  }
}

// The quantities, and the rules below them.
static void write_quantities(FILE *out, const sht__sheet *sheet) {
  char axis[SHT__PLOT_NAME];
  bool spread = sht__sheet_has_spread(sheet);
  int column = spread ? 3 : 2;
  (void)fputs(spread ? " & " : "", out);
  for (size_t c = 0; c < sheet->column_count; c++) {
    (void)fprintf(out, " & \\multicolumn{%d}{c}{", sht__sheet_width(sheet, c));
    write_text(out, sht__quantity_axis(&sheet->columns[c], axis, sizeof axis));
    (void)fputs("}", out);
  }
  (void)fputs(sht__sheet_has_remarks(sheet) ? " & \\\\\n" : " \\\\\n", out);
  for (size_t c = 0; c < sheet->column_count; c++) {
    int width = sht__sheet_width(sheet, c);
    (void)fprintf(out, "\\cmidrule(lr){%d-%d}", column, column + width - 1);
    column += width;
  }
  (void)fputs("\n", out);
}

// Where nothing stands beside our values one line is enough.
static void write_head(FILE *out, const sht__sheet *sheet) {
  char axis[SHT__PLOT_NAME];
  bool paper = sht__sheet_has_paper(sheet);
  bool spread = sht__sheet_has_spread(sheet);
  bool remarks = sht__sheet_has_remarks(sheet);
  (void)fputs(spread ? "\\begin{tabular}{lr" : "\\begin{tabular}{l", out);
  for (size_t c = 0; c < sheet->column_count; c++) {
    (void)fprintf(out, "%.*s", sht__sheet_width(sheet, c), "rrr");
  }
  (void)fputs(remarks ? "l}\n\\toprule\n" : "}\n\\toprule\n", out);
  if (paper) {
    write_quantities(out, sheet);
  }
  (void)fputs(spread ? "run & $n$" : "run", out);
  for (size_t c = 0; c < sheet->column_count; c++) {
    (void)fputs(sheet->has_paper[c] ? " & paper & " : " & ", out);
    write_text(out, paper ? "ours" : sht__quantity_axis(&sheet->columns[c], axis, sizeof axis));
    (void)fputs(sheet->has_difference[c] ? " & diff." : "", out);
  }
  (void)fputs(remarks ? " & remark \\\\\n\\midrule\n" : " \\\\\n\\midrule\n", out);
}

static void write_ours(FILE *out, const sht__quantity *quantity, const sht__cell *cell) {
  char text[SHT__TEXT_SIZE];
  write_text(out, sht__cell_value_text(quantity, cell->value, text, sizeof text));
  if (isfinite(cell->spread)) {
    (void)fprintf(out, " {\\scriptsize $\\pm$ %s}", sht__cell_value_text(quantity, cell->spread, text, sizeof text));
  }
  if (isfinite(cell->best)) {
    (void)fprintf(out, " {\\scriptsize (%s)}", sht__cell_value_text(quantity, cell->best, text, sizeof text));
  }
}

static void write_row(FILE *out, const sht__sheet *sheet, size_t row) {
  char text[SHT__TEXT_SIZE];
  // A bracket or a star after the end of the row before would be an argument of that.
  (void)fputs("{}", out);
  write_text(out, sheet->rows[row].label);
  if (sht__sheet_has_spread(sheet)) {
    (void)fprintf(out, " & %" PRIu32, sht__sheet_row_runs(sheet, row));
  }
  for (size_t c = 0; c < sheet->column_count; c++) {
    const sht__quantity *quantity = &sheet->columns[c];
    const sht__cell *cell = sht__sheet_cell(sheet, row, c);
    (void)fputs(" & ", out);
    if (sheet->has_paper[c]) {
      write_text(out, sht__cell_value_text(quantity, cell->paper, text, sizeof text));
      (void)fputs(" & ", out);
    }
    write_ours(out, quantity, cell);
    if (sheet->has_difference[c]) {
      (void)fputs(" & ", out);
      double difference = sht__sheet_difference(sheet, row, c);
      write_text(out, sht__cell_difference_text(quantity, difference, text, sizeof text));
    }
  }
  if (sht__sheet_has_remarks(sheet)) {
    (void)fputs(" & ", out);
    write_text(out, sheet->rows[row].remark);
  }
  (void)fputs(" \\\\\n", out);
}

void sht__sheet_tex(FILE *out, const sht__sheet *sheet) {
  char legend[SHT__PLOT_NAME];
  (void)fputs(
      "% \\usepackage{booktabs} in the preamble; for texts outside ASCII also \\usepackage[utf8]{inputenc},\n"
      "% and \\usepackage{textcomp} and \\usepackage[T1]{fontenc} for quotation marks.\n"
      "\\begin{table}\n\\centering\\small\\setlength{\\tabcolsep}{4pt}\n"
      "\\setlength{\\abovecaptionskip}{0pt}\\setlength{\\belowcaptionskip}{6pt}\n\\caption{",
      out);
  write_text(out, sheet->finding);
  (void)fputs(". ", out);
  write_text(out, sht__sheet_legend(sheet, legend, sizeof legend));
  if (sheet->variant.note[0] != '\0') {
    (void)fputs(" \\textbf{", out);
    write_text(out, sheet->variant.note);
    (void)fputc('}', out);
  }
  (void)fputs("}\n\\label{tab:", out);
  write_label(out, sheet->name);
  (void)fputs("}\n", out);
  write_head(out, sheet);
  for (size_t r = 0; r < sheet->row_count; r++) {
    write_row(out, sheet, r);
  }
  (void)fputs("\\bottomrule\n\\end{tabular}\n\\end{table}\n", out);
}
