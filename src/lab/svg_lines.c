// The lines of a figure with their bands, bars and markers: see svg_frame.h.
#include <math.h>

#include "lab/svg_frame.h"
#include "lab/svg_text.h"

enum { DOTS_BELOW = 13, CORNERS_MAX = 4 };

static const double smallest_step = 0.25;  // pixels; nearer points look like one
static const double cap = 3;               // pixels, half the width of an error bar's ends

// The corners of the markers, the circle's radius being 1; areas are alike.
typedef struct shape {
  int corners;  // 0: a circle
  double x[CORNERS_MAX], y[CORNERS_MAX];
} shape;
static const shape shapes[SHT_SVG_COLORS] = {
    {0, {0}, {0}},
    {4, {-0.9, 0.9, 0.9, -0.9}, {-0.9, -0.9, 0.9, 0.9}},
    {3, {-1.15, 0, 1.15}, {0.9, -1.1, 0.9}},
    {4, {-1.25, 0, 1.25, 0}, {0, -1.25, 0, 1.25}},
    {3, {-1.15, 0, 1.15}, {-0.9, 1.1, -0.9}},
    {3, {-0.9, 1.1, -0.9}, {-1.15, 0, 1.15}},
    {4, {-1, 1, -1, 1}, {-1, -1, 1, 1}},
};

static void write_point(FILE *out, const char *command, double x, double y) {
  (void)fputs(command, out);
  sht__xml_number(out, x, 1);
  (void)fputc(' ', out);
  sht__xml_number(out, y, 1);
}

void sht__svg_marker(FILE *out, int style, double x, double y, double radius, bool hollow) {
  int color = sht__svg_color(style);
  const char *stroke = sht__svg_stroke_colors[color];
  const shape *s = &shapes[color];
  (void)fprintf(out, "<%s class=\"%s c%d\" fill=\"%s\" stroke=\"%s\" stroke-width=\"%s\"",
                s->corners == 0 ? "circle" : "path", hollow ? "hollow" : "dot", color, hollow ? "#ffffff" : stroke,
                stroke, hollow ? "1.5" : "1");
  if (s->corners == 0) {
    sht__svg_attribute(out, "cx", x);
    sht__svg_attribute(out, "cy", y);
    sht__svg_attribute(out, "r", radius);
  } else {
    (void)fputs(" d=\"", out);
    for (int i = 0; i < s->corners; i++) {
      write_point(out, i == 0 ? "M" : "L", x + radius * s->x[i], y + radius * s->y[i]);
    }
    (void)fputs("Z\"", out);
  }
  (void)fputs("/>\n", out);
}

static bool has_spread(const sht_svg_line *line, uint64_t i) {
  return line->spread != NULL && sht__frame_shows(line, i) && isfinite(line->spread[i]) && line->spread[i] > 0;
}

// One closed path for each run of neighbouring points that have a spread.
static void write_band(FILE *out, const sht__frame *f, const sht_svg_line *line, int color) {
  for (uint64_t first = 0; first < line->count;) {
    uint64_t end = first;
    while (end < line->count && has_spread(line, end)) {
      end++;
    }
    if (end > first + 1) {
      (void)fprintf(out, "<path class=\"band c%d\" fill=\"%s\" fill-opacity=\"0.16\" d=\"", color,
                    sht__svg_stroke_colors[color]);
      for (uint64_t i = first; i < end; i++) {
        write_point(out, i == first ? "M" : "L", sht__frame_x(f, line->x[i]),
                    sht__frame_y(f, line->y[i] + line->spread[i]));
      }
      for (uint64_t i = end; i > first; i--) {
        write_point(out, "L", sht__frame_x(f, line->x[i - 1]), sht__frame_y(f, line->y[i - 1] - line->spread[i - 1]));
      }
      (void)fputs("Z\"/>\n", out);
    }
    first = end + 1;
  }
}

static void write_bar(FILE *out, const sht__frame *f, const sht_svg_line *line, uint64_t i, int color) {
  double x = sht__frame_x(f, line->x[i]);
  double high = sht__frame_y(f, line->y[i] + line->spread[i]);
  double low = sht__frame_y(f, line->y[i] - line->spread[i]);
  char start[96];
  (void)snprintf(start, sizeof start, "<line class=\"bar c%d\" stroke=\"%s\" stroke-width=\"1.2\"", color,
                 sht__svg_stroke_colors[color]);
  sht__svg_segment(out, start, x, high, x, low);
  sht__svg_segment(out, start, x - cap, high, x + cap, high);
  sht__svg_segment(out, start, x - cap, low, x + cap, low);
}

// The path of a line, without the points that would not be seen apart from the one before.
static void write_points(FILE *out, const sht__frame *f, const sht_svg_line *line) {
  bool drawing = false;
  double last_x = 0;
  double last_y = 0;
  for (uint64_t i = 0; i < line->count; i++) {
    if (!sht__frame_shows(line, i)) {
      drawing = false;
      continue;
    }
    double x = sht__frame_x(f, line->x[i]);
    double y = sht__frame_y(f, line->y[i]);
    bool same = fabs(x - last_x) < smallest_step && fabs(y - last_y) < smallest_step && i + 1 < line->count;
    if (drawing && same) {
      continue;
    }
    write_point(out, drawing ? "L" : "M", x, y);
    drawing = true;
    last_x = x;
    last_y = y;
  }
}

static void write_path(FILE *out, const sht__frame *f, const sht_svg_line *line, int color) {
  (void)fprintf(out,
                "<path class=\"line c%d\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"",
                color, sht__svg_stroke_colors[color]);
  (void)fprintf(out, " stroke-dasharray=\"%s\" d=\"", sht__svg_dash(line->style));
  write_points(out, f, line);
  (void)fputs("\"/>\n", out);
}

static void write_cross(FILE *out, int color, double x, double y) {
  char start[128];
  (void)snprintf(start, sizeof start, "<line class=\"line c%d\" stroke=\"%s\" stroke-width=\"2\"", color,
                 sht__svg_stroke_colors[color]);
  sht__svg_segment(out, start, x - 4, y - 4, x + 4, y + 4);
  sht__svg_segment(out, start, x - 4, y + 4, x + 4, y - 4);
}

static void write_ring(FILE *out, int color, double x, double y) {
  (void)fprintf(out, "<circle class=\"hollow c%d\" fill=\"#ffffff\" stroke=\"%s\" stroke-width=\"1.5\"", color,
                sht__svg_stroke_colors[color]);
  sht__svg_attribute(out, "cx", x);
  sht__svg_attribute(out, "cy", y);
  sht__svg_attribute(out, "r", 4.5);
  (void)fputs("/>\n", out);
}

static void write_dots(FILE *out, const sht__frame *f, const sht_svg_line *line) {
  for (uint64_t i = 0; i < line->count; i++) {
    if (sht__frame_shows(line, i)) {
      double x = sht__frame_x(f, line->x[i]);
      double y = sht__frame_y(f, line->y[i]);
      sht__svg_marker(out, line->style, x, y, line->marked ? 3.4 : 1.6, false);
    }
  }
}

static void write_hollow_markers(FILE *out, const sht__frame *f, const sht_svg_line *line) {
  for (uint64_t i = 0; i < line->hollow_count; i++) {
    if (isfinite(line->hollow_x[i]) && isfinite(line->hollow_y[i])) {
      double x = sht__frame_x(f, line->hollow_x[i]);
      sht__svg_marker(out, line->style, x, sht__frame_y(f, line->hollow_y[i]), 4.4, true);
    }
  }
}

void sht__svg_line_write(FILE *out, const sht__frame *f, const sht_svg_line *line) {
  int color = sht__svg_color(line->style);
  if (!line->marked) {
    write_band(out, f, line, color);
  }
  write_path(out, f, line, color);
  for (uint64_t i = 0; line->marked && i < line->count; i++) {
    if (has_spread(line, i)) {
      write_bar(out, f, line, i, color);
    }
  }
  if (line->marked || line->count < DOTS_BELOW) {
    write_dots(out, f, line);
  }
  write_hollow_markers(out, f, line);
  if (line->mark < line->count && sht__frame_shows(line, line->mark)) {
    write_ring(out, color, sht__frame_x(f, line->x[line->mark]), sht__frame_y(f, line->y[line->mark]));
  }
  double x = 0;
  double y = 0;
  if (line->crossed && sht__frame_end(f, line, &x, &y)) {
    write_cross(out, color, x, y);
  }
}
