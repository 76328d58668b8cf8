// Where the plot lies in a figure, and how elements are written: see svg_frame.h.
#include "lab/svg_frame.h"

#include <math.h>

#include "lab/svg_text.h"

enum { TICK_TEXT = 40 };

static const double side_share = 0.34;  // of the width, that labels beside the plot may take

const char *const sht__svg_stroke_colors[SHT_SVG_COLORS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                            "#e69f00", "#56b4e9", "#222222"};
// The same hues, dark enough for text on white (contrast of at least 4.5).
const char *const sht__svg_text_colors[SHT_SVG_COLORS] = {"#005f94", "#ad4c00", "#00744f", "#a13f77",
                                                          "#8a5c00", "#1c6ea4", "#222222"};
static const char *const dashes[SHT_SVG_COLORS] = {"none", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 2"};

int sht__svg_color(int style) { return style % SHT_SVG_COLORS; }

// A second round through the colours has the dashes moved on by one, so that no two of the first 49 look alike.
const char *sht__svg_dash(int style) { return dashes[(style + style / SHT_SVG_COLORS) % SHT_SVG_COLORS]; }

double sht__swatch_width(double font) { return 1.7 * font; }
double sht__swatch_gap(double font) { return 0.4 * font; }

static double share_of(const sht_svg_axis *axis, double value) {
  if (axis->logarithmic) {
    return (log10(value) - log10(axis->minimum)) / (log10(axis->maximum) - log10(axis->minimum));
  }
  return (value - axis->minimum) / (axis->maximum - axis->minimum);
}

double sht__frame_x(const sht__frame *f, double x) {
  return f->left + share_of(&f->figure->x, x) * (f->right - f->left);
}

double sht__frame_y(const sht__frame *f, double y) {
  double height = f->bottom - f->top;
  return fmax(f->top - height, fmin(f->bottom + height, f->bottom - share_of(&f->figure->y, y) * height));
}

bool sht__frame_shows(const sht_svg_line *line, uint64_t i) { return isfinite(line->x[i]) && isfinite(line->y[i]); }

bool sht__frame_names(const sht_svg_line *line) {
  bool some = line->hollow_count > 0;
  for (uint64_t i = 0; i < line->count && !some; i++) {
    some = sht__frame_shows(line, i);
  }
  return some && line->label != NULL;
}

bool sht__frame_end(const sht__frame *f, const sht_svg_line *line, double *x, double *y) {
  uint64_t last = line->count;
  while (last > 0 && !sht__frame_shows(line, last - 1)) {
    last--;
  }
  if (last == 0) {
    return false;
  }
  *x = sht__frame_x(f, line->x[last - 1]);
  *y = fmax(f->top, fmin(f->bottom, sht__frame_y(f, line->y[last - 1])));
  return true;
}

static double widest_tick(const sht_svg_figure *figure) {
  double ticks[SHT_SVG_TICKS_MAX];
  char text[TICK_TEXT];
  int decimals = 0;
  int count = sht__svg_ticks(&figure->y, 5, ticks, &decimals);
  double widest = 0;
  for (int i = 0; i < count; i++) {
    const char *number = sht__number_text(ticks[i], decimals, false, text, sizeof text);
    widest = fmax(widest, sht__text_width(number, figure->font));
  }
  return widest;
}

static double widest_label(const sht_svg_figure *figure) {
  double widest = 0;
  for (size_t i = 0; i < figure->line_count; i++) {
    if (sht__frame_names(&figure->lines[i])) {
      widest = fmax(widest, sht__text_width(figure->lines[i].label, figure->font));
    }
  }
  return widest;
}

static double height_of_header(const sht_svg_figure *figure) {
  double font = figure->font;
  double height = 0;
  if (figure->heading != NULL) {
    height += (double)sht__svg_heading_lines(figure->heading, figure->width, 1.15 * font) * 1.5 * font;
  }
  if (figure->note != NULL) {
    height += (double)sht__svg_heading_lines(figure->note, figure->width, font) * 1.35 * font;
  }
  return height > 0 ? height + 0.6 * font : 0;
}

sht__frame sht__frame_make(const sht_svg_figure *figure) {
  double font = figure->font;
  double label = widest_label(figure);
  double side = label > 0 ? sht__swatch_width(font) + sht__swatch_gap(font) + label : 0;
  bool below = side > side_share * figure->width;
  double header = height_of_header(figure);
  return (sht__frame){.figure = figure,
                      .left = widest_tick(figure) + font,
                      .right = figure->width - (below ? 0 : side) - font,
                      .top = header + 2 * font,
                      .bottom = header + figure->height - 3 * font,
                      .label_width = below ? figure->width : label,
                      .key_below = below,
                      .key_top = header + figure->height + 0.4 * font,
                      .header_height = header,
                      .total_height = header + figure->height + (below ? sht__svg_key_height(figure) : 0)};
}

void sht__svg_attribute(FILE *out, const char *name, double value) {
  (void)fprintf(out, " %s=\"", name);
  sht__xml_number(out, value, 1);
  (void)fputc('"', out);
}

void sht__svg_segment(FILE *out, const char *start, double x1, double y1, double x2, double y2) {
  (void)fputs(start, out);
  sht__svg_attribute(out, "x1", x1);
  sht__svg_attribute(out, "y1", y1);
  sht__svg_attribute(out, "x2", x2);
  sht__svg_attribute(out, "y2", y2);
  (void)fputs("/>\n", out);
}

void sht__svg_text(FILE *out, const char *style, double x, double y, const char *text) {
  (void)fprintf(out, "<text %s", style);
  sht__svg_attribute(out, "x", x);
  sht__svg_attribute(out, "y", y);
  (void)fputc('>', out);
  sht__xml_text(out, text);
  (void)fputs("</text>\n", out);
}
