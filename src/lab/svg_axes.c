// Heading, axes, grid and level of a figure: see svg_frame.h.
#include <math.h>
#include <string.h>

#include "lab/svg_frame.h"
#include "lab/svg_text.h"

enum { TICK_TEXT = 40, LINE_SIZE = 512 };

static const double smallest_tick_gap = 3.5;  // font sizes, along x

// The first line of a text that fits, broken at a space; returns what is left, "" at the end.
static const char *take_line(const char *text, double width, double font, char out[LINE_SIZE]) {
  size_t end = 0;
  size_t at = 0;
  do {
    size_t word = at + strcspn(text + at, " ");
    if (word >= LINE_SIZE) {
      break;
    }
    memcpy(out, text, word);
    out[word] = '\0';
    if (end > 0 && sht__text_width(out, font) > width) {
      break;
    }
    end = word;
    at = word + (text[word] == ' ');
  } while (text[end] != '\0');
  if (end == 0) {
    sht__text_fit(text, width, font, out, LINE_SIZE);
    return "";
  }
  out[end] = '\0';
  return text + end + (text[end] == ' ');
}

size_t sht__svg_heading_lines(const char *text, double width, double font) {
  char line[LINE_SIZE];
  size_t count = 0;
  while (*text != '\0') {
    text = take_line(text, width, font, line);
    count++;
  }
  return count;
}

static double write_lines(FILE *out, const char *text, const char *style, double width, double font, double leading,
                          double y) {
  char line[LINE_SIZE];
  while (text != NULL && *text != '\0') {
    text = take_line(text, width, font, line);
    y += leading;
    sht__svg_text(out, style, 0, y - 0.35 * font, line);
  }
  return y;
}

void sht__svg_heading_write(FILE *out, const sht__frame *f) {
  const sht_svg_figure *figure = f->figure;
  double font = figure->font;
  char style[128];
  (void)snprintf(style, sizeof style, "class=\"ink\" fill=\"#1b1f24\" font-weight=\"600\" font-size=\"%.1f\"",
                 1.15 * font);
  double y = write_lines(out, figure->heading, style, figure->width, 1.15 * font, 1.5 * font, 0);
  (void)write_lines(out, figure->note, "class=\"quiet\" fill=\"#5a6069\"", figure->width, font, 1.35 * font, y);
}

static void write_y_axis(FILE *out, const sht__frame *f) {
  double font = f->figure->font;
  double ticks[SHT_SVG_TICKS_MAX];
  char text[TICK_TEXT];
  int decimals = 0;
  int count = sht__svg_ticks(&f->figure->y, 5, ticks, &decimals);
  for (int i = 0; i < count; i++) {
    double y = sht__frame_y(f, ticks[i]);
    sht__svg_segment(out, "<line class=\"grid\" stroke=\"#dcdfe3\"", f->left, y, f->right, y);
    sht__svg_text(out, "class=\"quiet\" fill=\"#5a6069\" text-anchor=\"end\"", f->left - 0.5 * font, y + 0.35 * font,
                  sht__number_text(ticks[i], decimals, false, text, sizeof text));
  }
  sht__svg_text(out, "class=\"ink\" fill=\"#1b1f24\"", 0, f->header_height + font, f->figure->y.label);
}

static void write_x_axis(FILE *out, const sht__frame *f) {
  double font = f->figure->font;
  double ticks[SHT_SVG_TICKS_MAX];
  char text[TICK_TEXT];
  int decimals = 0;
  double wanted = fmax(2, fmin(8, (f->right - f->left) / (smallest_tick_gap * font)));
  int count = sht__svg_ticks(&f->figure->x, wanted, ticks, &decimals);
  for (int i = 0; i < count; i++) {
    double x = sht__frame_x(f, ticks[i]);
    sht__svg_segment(out, "<line class=\"axis\" stroke=\"#5a6069\"", x, f->bottom, x, f->bottom + 0.35 * font);
    sht__svg_text(out, "class=\"quiet\" fill=\"#5a6069\" text-anchor=\"middle\"", x, f->bottom + 1.4 * font,
                  sht__number_text(ticks[i], decimals, false, text, sizeof text));
  }
  sht__svg_segment(out, "<line class=\"axis\" stroke=\"#5a6069\"", f->left, f->bottom, f->right, f->bottom);
  sht__svg_text(out, "class=\"ink\" fill=\"#1b1f24\" text-anchor=\"middle\"", (f->left + f->right) / 2,
                f->bottom + 2.6 * font, f->figure->x.label);
}

static void write_level(FILE *out, const sht__frame *f) {
  const sht_svg_figure *figure = f->figure;
  if (isfinite(figure->level)) {
    double y = sht__frame_y(f, figure->level);
    sht__svg_segment(out, "<line class=\"axis\" stroke=\"#5a6069\" stroke-dasharray=\"1 3\"", f->left, y, f->right, y);
    sht__svg_text(out, "class=\"quiet\" fill=\"#5a6069\" text-anchor=\"end\"", f->right, y + 1.1 * figure->font,
                  figure->level_label);
  }
}

// What the hollow markers are, above the plot's right end.
static void write_hollow_label(FILE *out, const sht__frame *f) {
  const sht_svg_figure *figure = f->figure;
  bool some = false;
  for (size_t i = 0; i < figure->line_count; i++) {
    some = some || figure->lines[i].hollow_count > 0;
  }
  if (some && figure->hollow_label != NULL) {
    double font = figure->font;
    double y = f->header_height + font;
    double width = sht__text_width(figure->hollow_label, font);
    bool fits = sht__text_width(figure->y.label, font) + width + 2 * font < f->right;
    double x = (fits ? f->right : figure->width) - width;
    (void)fprintf(out,
                  "<circle class=\"hollow neutral\" fill=\"#ffffff\" stroke=\"#5a6069\" stroke-width=\"1.5\" r=\"4\"");
    sht__svg_attribute(out, "cx", x - 0.7 * font);
    sht__svg_attribute(out, "cy", y - 0.35 * font);
    (void)fputs("/>\n", out);
    sht__svg_text(out, "class=\"quiet\" fill=\"#5a6069\"", x, y, figure->hollow_label);
  }
}

void sht__svg_axes_write(FILE *out, const sht__frame *frame) {
  write_y_axis(out, frame);
  write_x_axis(out, frame);
  write_level(out, frame);
  write_hollow_label(out, frame);
}
