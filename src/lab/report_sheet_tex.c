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

// Rows on a page of LaTeX, and signs in its width at \\small, columns with their gaps.
enum { ROWS_A_PAGE = 40, SIGNS_A_LINE = 100, SIGNS_A_NUMBER = 8, SIGNS_IN_SMALL = 5, LABEL_SIGNS = 40 };

static bool is_long(const sht__sheet *sheet) { return sheet->row_count > ROWS_A_PAGE; }

// Below the heading of its group a row does not repeat it.
static const char *label_of(const sht__sheet_row *row) {
  return row->label + (row->group[0] == '\0' ? 0 : strlen(row->group) + strlen(": "));
}

// Of a column with what stands beside ours, in signs.
static size_t width_of(const sht__sheet *sheet, size_t column) {
  char axis[SHT__PLOT_NAME];
  bool is_test = strcmp(sheet->columns[column].name, "test_accuracy") == 0;
  size_t width = (size_t)SIGNS_A_NUMBER * (size_t)sht__sheet_width(sheet, column);
  width += sht__sheet_has_spread(sheet) ? SIGNS_IN_SMALL : 0;
  width += is_test && sht__sheet_has_best(sheet) ? SIGNS_IN_SMALL : 0;
  size_t head = strlen(sht__quantity_axis(&sheet->columns[column], axis, sizeof axis));
  return head > width ? head : width;
}

static size_t longest_label(const sht__sheet *sheet) {
  size_t longest = 0;
  for (size_t r = 0; r < sheet->row_count; r++) {
    size_t own = strlen(label_of(&sheet->rows[r]));
    longest = own > longest ? own : longest;
  }
  return longest;
}

// Whether the longest row is likely to be wider than an upright page.
static bool is_wide(const sht__sheet *sheet) {
  size_t remark = 0;
  size_t numbers = sht__sheet_has_spread(sheet) ? SIGNS_A_NUMBER / 2 : 0;
  for (size_t r = 0; r < sheet->row_count; r++) {
    remark = strlen(sheet->rows[r].remark) > remark ? strlen(sheet->rows[r].remark) : remark;
  }
  for (size_t c = 0; c < sheet->column_count; c++) {
    numbers += width_of(sheet, c);
  }
  return longest_label(sheet) + remark + numbers > SIGNS_A_LINE;
}

static void write_caption(FILE *out, const sht__sheet *sheet) {
  char legend[SHT__PLOT_NAME];
  (void)fputs("\\caption{", out);
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
  (void)fputs("}", out);
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

// The columns, and the head's lines: where nothing stands beside our values one is enough.
static void write_head(FILE *out, const sht__sheet *sheet) {
  char axis[SHT__PLOT_NAME];
  bool paper = sht__sheet_has_paper(sheet);
  bool spread = sht__sheet_has_spread(sheet);
  bool remarks = sht__sheet_has_remarks(sheet);
  const bool wide = is_wide(sheet);
  (void)fprintf(out, "%s%s", wide && longest_label(sheet) > LABEL_SIGNS ? "p{54mm}" : "l", spread ? "r" : "");
  for (size_t c = 0; c < sheet->column_count; c++) {
    (void)fprintf(out, "%.*s", sht__sheet_width(sheet, c), "rrr");
  }
  (void)fprintf(out, "%s}\n", !remarks ? "" : wide ? "p{30mm}" : "l");
  if (is_long(sheet)) {
    write_caption(out, sheet);
    (void)fputs(" \\\\\n", out);
  }
  (void)fputs("\\toprule\n", out);
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
  (void)fputs(is_long(sheet) ? "\\endhead\n\\bottomrule\n\\endfoot\n" : "", out);
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

static int count_columns(const sht__sheet *sheet) {
  int count = 1 + sht__sheet_has_spread(sheet) + sht__sheet_has_remarks(sheet);
  for (size_t c = 0; c < sheet->column_count; c++) {
    count += sht__sheet_width(sheet, c);
  }
  return count;
}

// What the rows from here on share, above the first of them.
static void write_group(FILE *out, const sht__sheet *sheet, size_t row) {
  const char *group = sheet->rows[row].group;
  if (group[0] != '\0' && (row == 0 || strcmp(sheet->rows[row - 1].group, group) != 0)) {
    (void)fprintf(out, "%s\\multicolumn{%d}{l}{\\textit{", row == 0 ? "" : "\\addlinespace\n", count_columns(sheet));
    write_text(out, group);
    (void)fputs(is_long(sheet) ? "}} \\\\*\n" : "}} \\\\\n", out);
  }
}

static void write_row(FILE *out, const sht__sheet *sheet, size_t row) {
  char text[SHT__TEXT_SIZE];
  // A bracket or a star after the end of the row before would be an argument of that.
  (void)fputs("{}", out);
  write_text(out, label_of(&sheet->rows[row]));
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
  bool many = is_long(sheet);
  bool wide = is_wide(sheet);
  (void)fputs(
      "% \\usepackage{booktabs} in the preamble; for texts outside ASCII also \\usepackage[utf8]{inputenc},\n"
      "% and \\usepackage{textcomp} and \\usepackage[T1]{fontenc} for quotation marks.\n",
      out);
  (void)fputs(many ? "% This table is longer than a page: \\usepackage{longtable}.\n" : "", out);
  (void)fputs(wide ? "% This table is wider than a page: \\usepackage{pdflscape}.\n\\begin{landscape}\n" : "", out);
  const char *size = wide ? "\\footnotesize\\setlength{\\tabcolsep}{3pt}" : "\\small\\setlength{\\tabcolsep}{4pt}";
  if (many) {
    (void)fprintf(out, "\\begingroup%s\n\\begin{longtable}{", size);
  } else {
    (void)fprintf(out, "\\begin{table}\n\\centering%s\n", size);
    (void)fputs("\\setlength{\\abovecaptionskip}{0pt}\\setlength{\\belowcaptionskip}{6pt}\n", out);
    write_caption(out, sheet);
    (void)fputs("\n\\begin{tabular}{", out);
  }
  write_head(out, sheet);
  for (size_t r = 0; r < sheet->row_count; r++) {
    write_group(out, sheet, r);
    write_row(out, sheet, r);
  }
  (void)fputs(many ? "\\end{longtable}\n\\endgroup\n" : "\\bottomrule\n\\end{tabular}\n\\end{table}\n", out);
  (void)fputs(wide ? "\\end{landscape}\n" : "", out);
}
