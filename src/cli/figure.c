// Figures of text: see figure.h.
#include "cli/figure.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
  ROWS = 12,
  COLUMNS_MAX = 100,
  DOTS_X = 2,  // of a braille character
  DOTS_Y = 4,
  AXIS_COLUMNS = 8,
  LABEL_COLUMNS_MAX = 32,
};

typedef struct figure_canvas {
  int columns;
  bool unicode;
  unsigned char dots[ROWS][COLUMNS_MAX];  // bits of U+2800, or non-zero
  int owner[ROWS][COLUMNS_MAX];           // series that drew last, -1: none, -2: the reference line
  int label_row[SHT_FIGURE_SERIES_MAX];   // -1: none
} figure_canvas;

// The figure's place in the space of the data.
typedef struct figure_frame {
  double x_min, x_max, y_min, y_max;
} figure_frame;

static void dot(figure_canvas *canvas, int x, int y, int owner) {
  static const unsigned char bits[DOTS_Y][DOTS_X] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
  int column = x / DOTS_X, row = y / DOTS_Y;
  if (column < 0 || column >= canvas->columns || row < 0 || row >= ROWS) {
    return;
  }
  if (owner != canvas->owner[row][column]) {
    canvas->dots[row][column] = 0;  // colours and letters are one a character
  }
  canvas->dots[row][column] |= bits[y % DOTS_Y][x % DOTS_X];
  canvas->owner[row][column] = owner;
}

static int place(double value, double low, double high, int dots) {
  double share = high > low ? (value - low) / (high - low) : 0;
  share = share < 0 ? 0 : share > 1 ? 1 : share;
  return (int)lround(share * (dots - 1));
}

static void line(figure_canvas *canvas, int x0, int y0, int x1, int y1, int owner) {
  int steps = (int)fmax(fmax(abs(x1 - x0), abs(y1 - y0)), 1);
  for (int i = 0; i <= steps; i++) {
    double share = (double)i / steps;
    dot(canvas, (int)lround(x0 + share * (x1 - x0)), (int)lround(y0 + share * (y1 - y0)), owner);
  }
}

static void draw_series(figure_canvas *canvas, const figure_frame *frame, const sht_series *series, int owner) {
  int width = canvas->columns * DOTS_X, height = ROWS * DOTS_Y;
  int last_x = -1, last_y = -1;
  canvas->label_row[owner] = -1;
  for (size_t i = 0; i < series->count; i++) {
    if (!isfinite(series->x[i]) || !isfinite(series->y[i])) {
      continue;
    }
    int x = place(series->x[i], frame->x_min, frame->x_max, width);
    int y = height - 1 - place(series->y[i], frame->y_min, frame->y_max, height);
    line(canvas, last_x < 0 ? x : last_x, last_x < 0 ? y : last_y, x, y, owner);
    last_x = x;
    last_y = y;
  }
  if (last_x >= 0) {
    canvas->label_row[owner] = last_y / DOTS_Y;
  }
}

static void draw_reference(figure_canvas *canvas, const figure_frame *frame, double height) {
  int y = ROWS * DOTS_Y - 1 - place(height, frame->y_min, frame->y_max, ROWS * DOTS_Y);
  for (int x = 0; x < canvas->columns * DOTS_X; x += 4) {
    dot(canvas, x, y, -2);
  }
}

static bool row_is_taken(const figure_canvas *canvas, int count, int but, int row) {
  for (int i = 0; i < count; i++) {
    if (i != but && canvas->label_row[i] == row) {
      return true;
    }
  }
  return false;
}

// Labels that would share a row move to the nearest free one.
static void spread_labels(figure_canvas *canvas, int count) {
  for (int i = 1; i < count; i++) {
    int wanted = canvas->label_row[i];
    for (int away = 1; wanted >= 0 && away < 2 * ROWS && row_is_taken(canvas, i, i, canvas->label_row[i]); away++) {
      int row = wanted + (away % 2 == 1 ? (away + 1) / 2 : -away / 2);
      canvas->label_row[i] = row >= 0 && row < ROWS ? row : canvas->label_row[i];
    }
  }
}

static figure_frame frame_of(const sht_figure *figure, const sht_series *series, int count) {
  figure_frame all = {.x_min = INFINITY, .x_max = -INFINITY, .y_min = figure->y_min, .y_max = figure->y_max};
  for (int s = 0; s < count; s++) {
    for (size_t i = 0; i < series[s].count; i++) {
      all.x_min = fmin(all.x_min, series[s].x[i]);
      all.x_max = fmax(all.x_max, series[s].x[i]);
    }
  }
  return all;
}

static void print_dot(FILE *out, const figure_canvas *canvas, int row, int column) {
  unsigned char bits = canvas->dots[row][column];
  int owner = canvas->owner[row][column];
  if (bits == 0) {
    (void)fputc(' ', out);
  } else if (canvas->unicode) {
    (void)fprintf(out, "%c%c%c", 0xE2, 0xA0 | (bits >> 6), 0x80 | (bits & 0x3F));
  } else {
    (void)fputc(owner == -2 ? '.' : 'a' + owner, out);
  }
}

static void print_axis(FILE *out, const sht_figure *figure, int row, bool unicode) {
  const char *bar = unicode ? "│" : "|";
  bool marked = row == 0 || row == ROWS - 1 || row == ROWS / 2;
  if (!marked) {
    (void)fprintf(out, "%*s %s", AXIS_COLUMNS - 2, "", bar);
    return;
  }
  double share = 1 - (double)row / (ROWS - 1);
  double value = figure->y_min + share * (figure->y_max - figure->y_min);
  char text[32];
  (void)snprintf(text, sizeof text, figure->percent ? "%.0f %%" : "%.2f", figure->percent ? 100 * value : value);
  (void)fprintf(out, "%*s %s", AXIS_COLUMNS - 2, text, unicode ? "┤" : "+");
}

static void print_labels(FILE *out, const sht_terminal *terminal, const figure_canvas *canvas, const sht_series *series,
                         int count, int row) {
  for (int s = 0; s < count; s++) {
    if (canvas->label_row[s] == row) {
      (void)fprintf(out, " %s", sht__ink(terminal, SHT_INK_SERIES + s));
      if (!canvas->unicode) {
        (void)fprintf(out, "%c: ", 'a' + s);
      }
      (void)fprintf(out, "%s%s", series[s].label, sht__ink_end(terminal));
    }
  }
}

static void print_row(FILE *out, const sht_terminal *terminal, const sht_figure *figure, const figure_canvas *canvas,
                      const sht_series *series, int count, int row) {
  print_axis(out, figure, row, canvas->unicode);
  int owner = -1;
  for (int column = 0; column < canvas->columns; column++) {
    int next = canvas->dots[row][column] != 0 ? canvas->owner[row][column] : -1;
    if (next != owner) {
      (void)fputs(owner != -1 ? sht__ink_end(terminal) : "", out);
      (void)fputs(next >= 0 ? sht__ink(terminal, SHT_INK_SERIES + next) : "", out);
      (void)fputs(next == -2 ? sht__ink(terminal, SHT_INK_DIM) : "", out);
      owner = next;
    }
    print_dot(out, canvas, row, column);
  }
  (void)fputs(owner != -1 ? sht__ink_end(terminal) : "", out);
  print_labels(out, terminal, canvas, series, count, row);
  (void)fputc('\n', out);
}

static void print_foot(FILE *out, const sht_figure *figure, const figure_canvas *canvas, const figure_frame *frame) {
  (void)fprintf(out, "%*s%s", AXIS_COLUMNS - 1, "", canvas->unicode ? "└" : "+");
  for (int i = 0; i < canvas->columns; i++) {
    (void)fputs(canvas->unicode ? "─" : "-", out);
  }
  char right[32];
  int right_columns = snprintf(right, sizeof right, "%.6g %s", frame->x_max, figure->x_label);
  int left_columns = fprintf(out, "\n%*s%.6g", AXIS_COLUMNS, "", frame->x_min) - 1 - AXIS_COLUMNS;
  int gap = canvas->columns - left_columns - right_columns;
  (void)fprintf(out, "%*s%s\n", gap > 1 ? gap : 1, "", right);
}

void sht__figure_print(FILE *out, const sht_terminal *terminal, const sht_figure *figure, const sht_series *series,
                       int count) {
  figure_canvas canvas = {.unicode = terminal->unicode};
  memset(canvas.owner, -1, sizeof canvas.owner);
  count = count < SHT_FIGURE_SERIES_MAX ? count : SHT_FIGURE_SERIES_MAX;
  int label = 0;
  for (int s = 0; s < count; s++) {
    int columns = sht__text_columns(series[s].label) + 1 + (terminal->unicode ? 0 : 3);
    label = columns > label ? columns : label;
  }
  label = label < LABEL_COLUMNS_MAX ? label : LABEL_COLUMNS_MAX;
  int columns = (terminal->columns < COLUMNS_MAX ? terminal->columns : COLUMNS_MAX) - AXIS_COLUMNS - label - 1;
  canvas.columns = columns > 10 ? columns : 10;
  figure_frame frame = frame_of(figure, series, count);
  if (!isnan(figure->reference)) {
    draw_reference(&canvas, &frame, figure->reference);
  }
  for (int s = 0; s < count; s++) {
    draw_series(&canvas, &frame, &series[s], s);
  }
  spread_labels(&canvas, count);
  (void)fprintf(out, "%s%s%s\n", sht__ink(terminal, SHT_INK_BOLD), figure->title, sht__ink_end(terminal));
  for (int row = 0; row < ROWS; row++) {
    print_row(out, terminal, figure, &canvas, series, count, row);
  }
  print_foot(out, figure, &canvas, &frame);
}
