// What the parts of a figure share: where the plot lies in it, and how elements are written.
#ifndef SHT_LAB_SVG_FRAME_H
#define SHT_LAB_SVG_FRAME_H

#include "lab/svg.h"

extern const char *const sht__svg_stroke_colors[SHT_SVG_COLORS];
extern const char *const sht__svg_text_colors[SHT_SVG_COLORS];

// In pixels from the figure's upper left corner.
typedef struct sht__frame {
  const sht_svg_figure *figure;
  double left, right, top, bottom;  // of the plot
  double label_width;               // room for labels beside the plot
  bool key_below;                   // the labels stand in rows below the plot, since they are too long for its side
  double key_top;                   // of those rows
  double header_height;             // of heading and note
  double total_height;
} sht__frame;

sht__frame sht__frame_make(const sht_svg_figure *figure);

double sht__frame_x(const sht__frame *frame, double x);
// Beyond the plot by at most its height, so that a diverging curve leaves the picture without huge coordinates.
double sht__frame_y(const sht__frame *frame, double y);
bool sht__frame_shows(const sht_svg_line *line, uint64_t i);
// Whether the line has a name and a point to put it to.
bool sht__frame_names(const sht_svg_line *line);

// The length of a swatch, and what lies between it and its text.
double sht__swatch_width(double font);
double sht__swatch_gap(double font);

void sht__svg_attribute(FILE *out, const char *name, double value);
// start: "<line class=..."; the coordinates and the end are added.
void sht__svg_segment(FILE *out, const char *start, double x1, double y1, double x2, double y2);
// style: attributes. The text is escaped.
void sht__svg_text(FILE *out, const char *style, double x, double y, const char *text);
// A marker of the style's shape; hollow: its inside has the colour of the paper.
void sht__svg_marker(FILE *out, int style, double x, double y, double radius, bool hollow);

// The parts, from below to above.
void sht__svg_heading_write(FILE *out, const sht__frame *frame);
// The lines that a heading or a note takes in a figure of this width.
size_t sht__svg_heading_lines(const char *text, double width, double font);
void sht__svg_axes_write(FILE *out, const sht__frame *frame);
void sht__svg_line_write(FILE *out, const sht__frame *frame, const sht_svg_line *line);
void sht__svg_labels_write(FILE *out, const sht__frame *frame);
// The height of the key below the plot, were there one.
double sht__svg_key_height(const sht_svg_figure *figure);

// Where the last point that is shown lies, cut to the plot's height; false when there is none.
bool sht__frame_end(const sht__frame *frame, const sht_svg_line *line, double *x, double *y);

#endif
