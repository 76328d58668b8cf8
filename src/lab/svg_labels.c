// The names of a figure's lines: at their ends, or where these are too long for that in rows below the plot: see
// svg_frame.h.
#include <math.h>

#include "lab/svg_frame.h"
#include "lab/svg_text.h"

enum { LABEL_SIZE = 256 };

static const double touching = 3;      // pixels; ends nearer than that look like one
static const double far_end = 6;       // font sizes left of the plot's right side
static const double row_height = 1.5;  // of the key, in font sizes

// Where a line ends.
typedef struct line_end {
  const sht_svg_line *line;
  double x, y;
  double mean_y;  // of the whole line on the page, to order lines that end together
} line_end;

static void write_swatch(FILE *out, int style, bool marked, double x, double y, double width) {
  char start[160];
  int color = sht__svg_color(style);
  (void)snprintf(start, sizeof start, "<line class=\"c%d\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"",
                 color, sht__svg_stroke_colors[color], sht__svg_dash(style));
  sht__svg_segment(out, start, x, y, x + width, y);
  if (marked) {
    sht__svg_marker(out, style, x + width / 2, y, 3.4, false);
  }
}

void sht__svg_swatch_write(FILE *out, int style, bool marked) {
  (void)fputs("<svg class=\"swatch\" width=\"26\" height=\"10\" viewBox=\"0 0 26 10\" aria-hidden=\"true\">", out);
  write_swatch(out, style, marked, 0, 5, 26);
  (void)fputs("</svg>", out);
}

// Swatch and name, beginning at x; y: the middle of the letters.
static void write_entry(FILE *out, const sht__frame *f, const sht_svg_line *line, double x, double y, double room) {
  double font = f->figure->font;
  char style[64];
  char label[LABEL_SIZE];
  int color = sht__svg_color(line->style);
  double swatch = sht__swatch_width(font);
  write_swatch(out, line->style, line->marked, x, y, swatch);
  (void)snprintf(style, sizeof style, "class=\"t%d\" fill=\"%s\"", color, sht__svg_text_colors[color]);
  sht__text_fit(line->label, room, font, label, sizeof label);
  sht__svg_text(out, style, x + swatch + sht__swatch_gap(font), y + 0.35 * font, label);
}

// The width of an entry of the key, with the gap to the next one.
static double entry_width(const sht_svg_figure *figure, const sht_svg_line *line) {
  double font = figure->font;
  double wanted = sht__swatch_width(font) + sht__swatch_gap(font) + sht__text_width(line->label, font) + 1.2 * font;
  return fmin(wanted, figure->width);
}

// Walks over the entries of the key; writes them when `out` is not NULL. Returns the number of rows.
static int walk_key(FILE *out, const sht_svg_figure *figure, const sht__frame *f) {
  double x = 0;
  int row = 0;
  int rows = 0;
  for (size_t i = 0; i < figure->line_count; i++) {
    const sht_svg_line *line = &figure->lines[i];
    if (!sht__frame_names(line)) {
      continue;
    }
    double width = entry_width(figure, line);
    if (x > 0 && x + width > figure->width + 1.2 * figure->font) {
      x = 0;
      row++;
    }
    if (out != NULL) {
      double used = sht__swatch_width(figure->font) + sht__swatch_gap(figure->font);
      write_entry(out, f, line, x, f->key_top + (row + 0.5) * row_height * figure->font, figure->width - used);
    }
    x += width;
    rows = row + 1;
  }
  return rows;
}

double sht__svg_key_height(const sht_svg_figure *figure) {
  return (walk_key(NULL, figure, NULL) * row_height + 0.6) * figure->font;
}

static double mean_height(const sht__frame *f, const sht_svg_line *line) {
  double sum = 0;
  uint64_t count = 0;
  for (uint64_t i = 0; i < line->count; i++) {
    if (sht__frame_shows(line, i)) {
      sum += sht__frame_y(f, line->y[i]);
      count++;
    }
  }
  return count > 0 ? sum / (double)count : 0;
}

static bool is_above(const line_end *a, const line_end *b) {
  return fabs(a->y - b->y) > touching ? a->y < b->y : a->mean_y < b->mean_y;
}

// The ends of the labelled lines, from top to bottom.
static size_t find_ends(const sht__frame *f, line_end ends[SHT_SVG_LINES_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < f->figure->line_count; i++) {
    const sht_svg_line *line = &f->figure->lines[i];
    line_end end = {.line = line};
    if (line->label == NULL || !sht__frame_end(f, line, &end.x, &end.y)) {
      continue;
    }
    end.mean_y = mean_height(f, line);
    size_t at = count++;
    for (; at > 0 && is_above(&end, &ends[at - 1]); at--) {
      ends[at] = ends[at - 1];
    }
    ends[at] = end;
  }
  return count;
}

// Lines that end in one point would have their leaders begin there: those say nothing and are left out.
static bool ends_alone(const line_end *ends, size_t count, size_t index) {
  for (size_t i = 0; i < count; i++) {
    if (i != index && fabs(ends[i].y - ends[index].y) <= touching && fabs(ends[i].x - ends[index].x) <= touching) {
      return false;
    }
  }
  return true;
}

static void write_leader(FILE *out, const sht__frame *f, const line_end *end, double x, double y) {
  int color = sht__svg_color(end->line->style);
  char start[96];
  bool beside = fabs(y - end->y) < 0.3 * f->figure->font && end->x > f->right - 1;
  // Across the plot it would look like another line.
  bool far = end->x < f->right - far_end * f->figure->font;
  if (!beside && !far) {
    (void)snprintf(start, sizeof start, "<line class=\"c%d\" stroke=\"%s\" stroke-opacity=\"0.5\"", color,
                   sht__svg_stroke_colors[color]);
    sht__svg_segment(out, start, end->x + 4, end->y, x - 2, y);
  }
}

static void write_side_labels(FILE *out, const sht__frame *f) {
  line_end ends[SHT_SVG_LINES_MAX];
  double y[SHT_SVG_LINES_MAX];
  size_t count = find_ends(f, ends);
  for (size_t i = 0; i < count; i++) {
    // In ascending order also where ends touch.
    y[i] = i == 0 ? ends[i].y : fmax(y[i - 1], ends[i].y);
  }
  sht__svg_spread(y, count, 1.35 * f->figure->font, f->top, f->bottom);
  double x = f->right + 0.9 * f->figure->font;
  for (size_t i = 0; i < count; i++) {
    if (ends_alone(ends, count, i)) {
      write_leader(out, f, &ends[i], x, y[i]);
    }
    write_entry(out, f, ends[i].line, x, y[i], f->label_width);
  }
}

void sht__svg_labels_write(FILE *out, const sht__frame *frame) {
  if (frame->key_below) {
    (void)walk_key(out, frame->figure, frame);
  } else {
    write_side_labels(out, frame);
  }
}
