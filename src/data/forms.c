// The ten forms: see forms.h.
#include "data/forms.h"

#include <math.h>

const char *const sht__form_names[SHT_FORMS] = {"disc", "ring",  "square",   "frame",  "triangle",
                                                "star", "cross", "crescent", "corner", "bars"};

// sqrt(SHT_FORM_AREA / area) of the outlines below, so that no class is told by how much it covers.
static const double scales[SHT_FORMS] = {
    0.83683,  // disc: pi
    1.00198,  // ring: pi (1 - 0.55^2)
    0.82407,  // square: 1.8^2
    0.92702,  // frame: 2^2 - 1.2^2
    1.18312,  // triangle: 3 sqrt(3) 0.55^2
    1.20167,  // star: 1.523534
    1.03848,  // cross: 2 * 2 * 0.6 - 0.6^2
    1.12456,  // crescent: 1.739630, by summing a grid
    1.03848,  // corner: the cross's two bars, moved
    0.95743,  // bars: 2 * 2 * 0.6
};

// Normals at 90, 162, 234, 306 and 18 degrees.
static const double five[5][2] = {{0, 1},
                                  {-0.95105651629515353, 0.30901699437494742},
                                  {-0.58778525229247314, -0.80901699437494745},
                                  {0.58778525229247314, -0.80901699437494745},
                                  {0.95105651629515353, 0.30901699437494742}};

static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }

static double box(double x, double y, double half_width, double half_height) {
  return larger(fabs(x) - half_width, fabs(y) - half_height);
}

static double triangle(double x, double y) {
  const double half = 0.5;
  const double sine = 0.86602540378443865;  // of 60 degrees
  return larger(-y, larger(half * y + sine * x, half * y - sine * x)) - 0.55;
}

// A pentagram: inside are the points beyond at most one of its five lines, so the second largest distance decides.
static double star(double x, double y) {
  double largest = -1e9;
  double second = -1e9;
  for (int i = 0; i < 5; i++) {
    double distance = five[i][0] * x + five[i][1] * y;
    second = larger(second, smaller(largest, distance));
    largest = larger(largest, distance);
  }
  return second - 0.36;
}

static double crescent(double x, double y) {
  const double centroid = -0.3373;
  x += centroid;
  return larger(sqrt(x * x + y * y) - 1, 0.75 - sqrt((x - 0.55) * (x - 0.55) + y * y));
}

static double corner(double x, double y) {
  const double centroid = -0.2882;
  x += centroid;
  y += centroid;
  return smaller(box(x + 0.7, y, 0.3, 1), box(x, y + 0.7, 1, 0.3));
}

static double outline(int form, double x, double y) {
  switch (form) {
    case 0:
      return sqrt(x * x + y * y) - 1;
    case 1:
      return fabs(sqrt(x * x + y * y) - 0.775) - 0.225;
    case 2:
      return box(x, y, 0.9, 0.9);
    case 3:
      return fabs(box(x, y, 0.8, 0.8)) - 0.2;
    case 4:
      return triangle(x, y);
    case 5:
      return star(x, y);
    case 6:
      return smaller(box(x, y, 1, 0.3), box(x, y, 0.3, 1));
    case 7:
      return crescent(x, y);
    case 8:
      return corner(x, y);
    default:
      return box(x, fabs(y) - 0.6, 1, 0.3);
  }
}

double sht__form_distance(int form, double x, double y) {
  double scale = scales[form];
  return outline(form, x / scale, y / scale) * scale;
}
