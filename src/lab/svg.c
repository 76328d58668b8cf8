// Figures as SVG: see svg.h.
#include "lab/svg.h"

#include <math.h>
#include <string.h>

#include "lab/svg_text.h"

enum { DOTS_BELOW = 13, TICK_TEXT = 40, LABEL_SIZE = 256 };

static const double character_width = 0.55;  // of a sans-serif letter on average, in font sizes
static const double label_share = 0.42;      // of the width, that labels may take at most
static const double smallest_step = 0.25;    // pixels; nearer points look like one

static const char *const stroke_colors[SHT_SVG_COLORS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                          "#e69f00", "#56b4e9", "#222222"};
// The same hues, dark enough for text on white (contrast of at least 4.5).
static const char *const text_colors[SHT_SVG_COLORS] = {"#005f94", "#ad4c00", "#00744f", "#a13f77",
                                                        "#8a5c00", "#1c6ea4", "#222222"};
static const char *const dashes[SHT_SVG_COLORS] = {"none", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 2"};

// The plot's place in the figure, in pixels.
typedef struct frame {
  const sht_svg_figure *figure;
  double left, right, top, bottom;
  double label_width;
} frame;

// Where a line ends.
typedef struct line_end {
  const sht_svg_line *line;
  double x, y;
} line_end;

int sht__svg_color(int style) { return style % SHT_SVG_COLORS; }

// A second round through the colours has the dashes moved on by one, so that no two of the first 49 look alike.
const char *sht__svg_dash(int style) { return dashes[(style + style / SHT_SVG_COLORS) % SHT_SVG_COLORS]; }

static double text_width(const char *text, double font) {
  return text == NULL ? 0 : (double)sht__utf8_count(text) * font * character_width;
}

static double share_of(const sht_svg_axis *axis, double value) {
  if (axis->logarithmic) {
    return (log10(value) - log10(axis->minimum)) / (log10(axis->maximum) - log10(axis->minimum));
  }
  return (value - axis->minimum) / (axis->maximum - axis->minimum);
}

static double place_x(const frame *f, double x) { return f->left + share_of(&f->figure->x, x) * (f->right - f->left); }

// Beyond the frame by at most its height, so that a diverging curve leaves the picture without huge coordinates.
static double place_y(const frame *f, double y) {
  double height = f->bottom - f->top;
  return fmax(f->top - height, fmin(f->bottom + height, f->bottom - share_of(&f->figure->y, y) * height));
}

static bool is_shown(const sht_svg_line *line, uint64_t i) { return isfinite(line->x[i]) && isfinite(line->y[i]); }

static frame make_frame(const sht_svg_figure *figure) {
  double font = figure->font;
  double ticks[SHT_SVG_TICKS_MAX];
  char text[TICK_TEXT];
  int decimals = 0;
  int count = sht__svg_ticks(&figure->y, 5, ticks, &decimals);
  double widest = 0;
  for (int i = 0; i < count; i++) {
    widest = fmax(widest, text_width(sht__number_text(ticks[i], decimals, false, text, sizeof text), font));
  }
  double label = 0;
  for (size_t i = 0; i < figure->line_count; i++) {
    label = fmax(label, text_width(figure->lines[i].label, font));
  }
  label = fmin(label, figure->width * label_share);
  return (frame){.figure = figure,
                 .left = widest + font,
                 .right = figure->width - label - 1.5 * font,
                 .top = 2 * font,
                 .bottom = figure->height - 3 * font,
                 .label_width = label};
}

static void attribute(FILE *out, const char *name, double value) {
  (void)fprintf(out, " %s=\"", name);
  sht__xml_number(out, value, 1);
  (void)fputc('"', out);
}

static void segment(FILE *out, const char *start, double x1, double y1, double x2, double y2) {
  (void)fputs(start, out);
  attribute(out, "x1", x1);
  attribute(out, "y1", y1);
  attribute(out, "x2", x2);
  attribute(out, "y2", y2);
  (void)fputs("/>\n", out);
}

static void text_at(FILE *out, const char *style, double x, double y, const char *text) {
  (void)fprintf(out, "<text %s", style);
  attribute(out, "x", x);
  attribute(out, "y", y);
  (void)fputc('>', out);
  sht__xml_text(out, text);
  (void)fputs("</text>\n", out);
}

static void write_y_axis(FILE *out, const frame *f) {
  double font = f->figure->font;
  double ticks[SHT_SVG_TICKS_MAX];
  char text[TICK_TEXT];
  int decimals = 0;
  int count = sht__svg_ticks(&f->figure->y, 5, ticks, &decimals);
  for (int i = 0; i < count; i++) {
    double y = place_y(f, ticks[i]);
    segment(out, "<line class=\"grid\" stroke=\"#dcdfe3\"", f->left, y, f->right, y);
    text_at(out, "class=\"quiet\" fill=\"#5a6069\" text-anchor=\"end\"", f->left - 0.5 * font, y + 0.35 * font,
            sht__number_text(ticks[i], decimals, false, text, sizeof text));
  }
  text_at(out, "class=\"ink\" fill=\"#1b1f24\"", 0, font, f->figure->y.label);
}

static void write_x_axis(FILE *out, const frame *f) {
  double font = f->figure->font;
  double ticks[SHT_SVG_TICKS_MAX];
  char text[TICK_TEXT];
  int decimals = 0;
  double wanted = fmax(2, fmin(8, (f->right - f->left) / (3.5 * font)));
  int count = sht__svg_ticks(&f->figure->x, wanted, ticks, &decimals);
  for (int i = 0; i < count; i++) {
    double x = place_x(f, ticks[i]);
    segment(out, "<line class=\"axis\" stroke=\"#5a6069\"", x, f->bottom, x, f->bottom + 0.35 * font);
    text_at(out, "class=\"quiet\" fill=\"#5a6069\" text-anchor=\"middle\"", x, f->bottom + 1.4 * font,
            sht__number_text(ticks[i], decimals, false, text, sizeof text));
  }
  segment(out, "<line class=\"axis\" stroke=\"#5a6069\"", f->left, f->bottom, f->right, f->bottom);
  text_at(out, "class=\"ink\" fill=\"#1b1f24\" text-anchor=\"middle\"", (f->left + f->right) / 2,
          f->figure->height - 0.5 * font, f->figure->x.label);
}

static void write_level(FILE *out, const frame *f) {
  const sht_svg_figure *figure = f->figure;
  if (isfinite(figure->level)) {
    double y = place_y(f, figure->level);
    segment(out, "<line class=\"axis\" stroke=\"#5a6069\" stroke-dasharray=\"1 3\"", f->left, y, f->right, y);
    text_at(out, "class=\"quiet\" fill=\"#5a6069\" text-anchor=\"end\"", f->right, y + 1.1 * figure->font,
            figure->level_label);
  }
}

static void write_circle(FILE *out, const char *class_name, const char *fill, int color, double x, double y, double r) {
  (void)fprintf(out, "<circle class=\"%s c%d\" fill=\"%s\" stroke=\"%s\" stroke-width=\"1.5\"", class_name, color, fill,
                stroke_colors[color]);
  attribute(out, "cx", x);
  attribute(out, "cy", y);
  attribute(out, "r", r);
  (void)fputs("/>\n", out);
}

// The path of a line, without the points that would not be seen apart from the one before.
static void write_points(FILE *out, const frame *f, const sht_svg_line *line) {
  bool drawing = false;
  double last_x = 0;
  double last_y = 0;
  for (uint64_t i = 0; i < line->count; i++) {
    if (!is_shown(line, i)) {
      drawing = false;
      continue;
    }
    double x = place_x(f, line->x[i]);
    double y = place_y(f, line->y[i]);
    bool same = fabs(x - last_x) < smallest_step && fabs(y - last_y) < smallest_step && i + 1 < line->count;
    if (drawing && same) {
      continue;
    }
    (void)fputs(drawing ? "L" : "M", out);
    sht__xml_number(out, x, 1);
    (void)fputc(' ', out);
    sht__xml_number(out, y, 1);
    drawing = true;
    last_x = x;
    last_y = y;
  }
}

static void write_path(FILE *out, const frame *f, const sht_svg_line *line, int color) {
  (void)fprintf(out,
                "<path class=\"line c%d\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"",
                color, stroke_colors[color]);
  (void)fprintf(out, " stroke-dasharray=\"%s\" d=\"", sht__svg_dash(line->style));
  write_points(out, f, line);
  (void)fputs("\"/>\n", out);
}

static void write_cross(FILE *out, int color, double x, double y) {
  char start[128];
  (void)snprintf(start, sizeof start, "<line class=\"line c%d\" stroke=\"%s\" stroke-width=\"2\"", color,
                 stroke_colors[color]);
  segment(out, start, x - 4, y - 4, x + 4, y + 4);
  segment(out, start, x - 4, y + 4, x + 4, y - 4);
}

// Where the last point that is shown lies, cut to the frame's height; false when there is none.
static bool find_end(const frame *f, const sht_svg_line *line, line_end *end) {
  uint64_t last = line->count;
  while (last > 0 && !is_shown(line, last - 1)) {
    last--;
  }
  if (last == 0) {
    return false;
  }
  *end = (line_end){line, place_x(f, line->x[last - 1]), place_y(f, line->y[last - 1])};
  end->y = fmax(f->top, fmin(f->bottom, end->y));
  return true;
}

static void write_line(FILE *out, const frame *f, const sht_svg_line *line) {
  int color = sht__svg_color(line->style);
  write_path(out, f, line, color);
  for (uint64_t i = 0; line->count < DOTS_BELOW && i < line->count; i++) {
    if (is_shown(line, i)) {
      write_circle(out, "dot", stroke_colors[color], color, place_x(f, line->x[i]), place_y(f, line->y[i]), 1.5);
    }
  }
  if (line->mark < line->count && is_shown(line, line->mark)) {
    write_circle(out, "paper", "#ffffff", color, place_x(f, line->x[line->mark]), place_y(f, line->y[line->mark]), 4.5);
  }
  line_end end;
  if (line->crossed && find_end(f, line, &end)) {
    write_cross(out, color, end.x, end.y);
  }
}

// As much of the label as fits, with an ellipsis where something is left out.
static void fit_label(const frame *f, const char *label, char out[LABEL_SIZE]) {
  size_t room = (size_t)(f->label_width / (f->figure->font * character_width) + 0.5);
  bool whole = sht__utf8_count(label) <= room && strlen(label) < LABEL_SIZE;
  size_t length = 0;
  for (size_t i = 0; label[length] != '\0' && (whole || (i + 1 < room && length + 8 < LABEL_SIZE)); i++) {
    int bytes = sht__utf8_length(label + length);
    length += bytes > 0 ? (size_t)bytes : 1;
  }
  memcpy(out, label, length);
  memcpy(out + length, whole ? "" : "\xe2\x80\xa6", whole ? 1 : 4);
}

// The ends of the labelled lines, from top to bottom.
static size_t find_ends(const frame *f, line_end ends[SHT_SVG_LINES_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < f->figure->line_count; i++) {
    const sht_svg_line *line = &f->figure->lines[i];
    line_end end;
    if (line->label == NULL || !find_end(f, line, &end)) {
      continue;
    }
    size_t at = count++;
    for (; at > 0 && ends[at - 1].y > end.y; at--) {
      ends[at] = ends[at - 1];
    }
    ends[at] = end;
  }
  return count;
}

static void write_label(FILE *out, const frame *f, const line_end *end, double y) {
  int color = sht__svg_color(end->line->style);
  double font = f->figure->font;
  double x = f->right + font;
  char style[160];
  char label[LABEL_SIZE];
  bool beside = fabs(y - end->y) < 0.3 * font && end->x > f->right - 1;
  if (!beside) {
    (void)snprintf(style, sizeof style, "<line class=\"c%d\" stroke=\"%s\" stroke-opacity=\"0.5\"", color,
                   stroke_colors[color]);
    segment(out, style, end->x + 4, end->y, x - 3, y);
  }
  (void)snprintf(style, sizeof style, "class=\"t%d\" fill=\"%s\"", color, text_colors[color]);
  fit_label(f, end->line->label, label);
  text_at(out, style, x, y + 0.35 * font, label);
}

static void write_labels(FILE *out, const frame *f) {
  line_end ends[SHT_SVG_LINES_MAX];
  double y[SHT_SVG_LINES_MAX];
  size_t count = find_ends(f, ends);
  for (size_t i = 0; i < count; i++) {
    y[i] = ends[i].y;
  }
  sht__svg_spread(y, count, 1.25 * f->figure->font, f->top, f->bottom);
  for (size_t i = 0; i < count; i++) {
    write_label(out, f, &ends[i], y[i]);
  }
}

static bool is_sound(const sht_svg_axis *axis) {
  return isfinite(axis->minimum) && axis->maximum > axis->minimum && isfinite(axis->maximum) &&
         (!axis->logarithmic || axis->minimum > 0);
}

static void write_head(FILE *out, const frame *f) {
  const sht_svg_figure *figure = f->figure;
  (void)fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"", out);
  attribute(out, "width", figure->width);
  attribute(out, "height", figure->height);
  (void)fputs(" viewBox=\"0 0 ", out);
  sht__xml_number(out, figure->width, 1);
  (void)fputc(' ', out);
  sht__xml_number(out, figure->height, 1);
  (void)fprintf(out, "\" font-family=\"system-ui, sans-serif\" aria-labelledby=\"%s-title\"", figure->id);
  attribute(out, "font-size", figure->font);
  (void)fprintf(out, ">\n<title id=\"%s-title\">", figure->id);
  sht__xml_text(out, figure->title);
  (void)fputs("</title>\n<desc>", out);
  sht__xml_text(out, figure->description);
  (void)fprintf(out, "</desc>\n<clipPath id=\"%s-clip\"><rect", figure->id);
  attribute(out, "x", f->left - 6);
  attribute(out, "y", f->top - 6);
  attribute(out, "width", f->right - f->left + 12);
  attribute(out, "height", f->bottom - f->top + 12);
  (void)fputs("/></clipPath>\n", out);
}

sht_status sht__svg_write(FILE *out, const sht_svg_figure *figure, sht_error *error) {
  if (figure->line_count > SHT_SVG_LINES_MAX) {
    return SHT_FAIL(error, SHT_INTERNAL, "%s: %zu lines in a figure, at most %d", figure->id, figure->line_count,
                    SHT_SVG_LINES_MAX);
  }
  if (!is_sound(&figure->x) || !is_sound(&figure->y)) {
    return SHT_FAIL(error, SHT_INTERNAL, "%s: a figure with an impossible axis", figure->id);
  }
  frame f = make_frame(figure);
  write_head(out, &f);
  write_y_axis(out, &f);
  write_x_axis(out, &f);
  write_level(out, &f);
  (void)fprintf(out, "<g clip-path=\"url(#%s-clip)\">\n", figure->id);
  for (size_t i = 0; i < figure->line_count; i++) {
    write_line(out, &f, &figure->lines[i]);
  }
  (void)fputs("</g>\n", out);
  write_labels(out, &f);
  (void)fputs("</svg>\n", out);
  return SHT_OK;
}
