// Pooling. Part of kernels_body.h.
#include "engine/cpu/kernels_vector.h"

// The part of the window at an output row (or column) that lies inside the input: indices [from, to) into the window,
// and the input row of index 0, which may be negative.
typedef struct window_span {
  int from, to, origin;
} window_span;

INLINE window_span span_at(uint32_t out, const cpu_window *w, uint32_t size) {
  int origin = (int)(out * w->stride) - (int)w->pad;
  int from = origin < 0 ? -origin : 0;
  int room = (int)size - origin;
  return (window_span){from, room < (int)w->kernel ? room : (int)w->kernel, origin};
}

INLINE uint64_t input_index(const cpu_window *w, window_span rows, window_span columns, int r, int c) {
  return ((uint64_t)(rows.origin + r) * w->width + (uint64_t)(columns.origin + c)) * V;
}

INLINE void max_at(const char *x, uint64_t plane, char *y, uint64_t out, uint8_t *winner, const cpu_window *w,
                   window_span rows, window_span columns, bool bf) {
  vf best = splat(-__builtin_inff());
  vi index = (vi){0} + (rows.from * (int)w->kernel + columns.from);
  for (int r = rows.from; r < rows.to; r++) {
    for (int c = columns.from; c < columns.to; c++) {
      vf value = load(x, plane + input_index(w, rows, columns, r, c), bf);
      vi better = (value > best) | (value != value);
      best = select_where(better, value, best);
      vi here = (vi){0} + (r * (int)w->kernel + c);
      index = (better & here) | (~better & index);
    }
  }
  store(y, out, bf, best);
  vb bytes = __builtin_convertvector(index, vb);
  memcpy(winner + out, &bytes, sizeof bytes);
}

INLINE void max_plane(const char *x, uint64_t plane, char *y, uint64_t out, uint8_t *winner, const cpu_window *w,
                      bool bf) {
  for (uint32_t i = 0; i < w->out_height; i++) {
    window_span rows = span_at(i, w, w->height);
    for (uint32_t j = 0; j < w->out_width; j++) {
      max_at(x, plane, y, out, winner, w, rows, span_at(j, w, w->width), bf);
      out += V;
    }
  }
}

INLINE uint64_t in_plane(const cpu_window *w) { return (uint64_t)w->height * w->width * V; }
INLINE uint64_t out_plane(const cpu_window *w) { return (uint64_t)w->out_height * w->out_width * V; }

static void max_forward(const cpu_array *x, const cpu_array *y, uint8_t *winner, const cpu_window *w) {
  for (uint32_t n = 0; n < w->images; n++) {
    uint8_t *index = winner + (uint64_t)n * w->blocks * out_plane(w);
    for (uint32_t b = 0; b < w->blocks; b++) {
      if (x->bf16) {
        max_plane(image_of(x, n), b * in_plane(w), image_of(y, n), b * out_plane(w), index, w, true);
      } else {
        max_plane(image_of(x, n), b * in_plane(w), image_of(y, n), b * out_plane(w), index, w, false);
      }
    }
  }
}

// Adds g to the winners' places in the plane.
INLINE void max_scatter(vf g, vi index, float *plane, const cpu_window *w, window_span rows, window_span columns) {
  for (int r = rows.from; r < rows.to; r++) {
    for (int c = columns.from; c < columns.to; c++) {
      uint64_t i = input_index(w, rows, columns, r, c);
      vi hit = index == r * (int)w->kernel + c;
      store(plane, i, false, load(plane, i, false) + select_where(hit, g, splat(0)));
    }
  }
}

static void max_scatter_plane(const char *dy, uint64_t out, const uint8_t *winner, float *plane, const cpu_window *w,
                              bool bf) {
  for (uint32_t i = 0; i < w->out_height; i++) {
    window_span rows = span_at(i, w, w->height);
    for (uint32_t j = 0; j < w->out_width; j++, out += V) {
      vb bytes;
      memcpy(&bytes, winner + out, sizeof bytes);
      max_scatter(load(dy, out, bf), __builtin_convertvector(bytes, vi), plane, w, rows, span_at(j, w, w->width));
    }
  }
}

INLINE void store_plane(const float *plane, char *dx, uint64_t first, const cpu_window *w, bool bf) {
  for (uint64_t i = 0; i < in_plane(w); i += V) {
    store(dx, first + i, bf, load(plane, i, false));
  }
}

static void max_backward(const cpu_array *dy, const uint8_t *winner, const cpu_array *dx, float *plane,
                         const cpu_window *w) {
  for (uint32_t n = 0; n < w->images; n++) {
    const uint8_t *index = winner + (uint64_t)n * w->blocks * out_plane(w);
    for (uint32_t b = 0; b < w->blocks; b++) {
      memset(plane, 0, in_plane(w) * sizeof *plane);
      max_scatter_plane(image_of(dy, n), b * out_plane(w), index, plane, w, dy->bf16);
      store_plane(plane, image_of(dx, n), b * in_plane(w), w, dx->bf16);
    }
  }
}

INLINE float span_weight(window_span rows, window_span columns) {
  return 1.0f / (float)((rows.to - rows.from) * (columns.to - columns.from));
}

INLINE vf mean_at(const char *x, uint64_t plane, const cpu_window *w, window_span rows, window_span columns, bool bf) {
  vf sum = {0};
  for (int r = rows.from; r < rows.to; r++) {
    for (int c = columns.from; c < columns.to; c++) {
      sum += load(x, plane + input_index(w, rows, columns, r, c), bf);
    }
  }
  return sum * span_weight(rows, columns);
}

static void mean_plane(const char *x, uint64_t plane, char *y, uint64_t out, const cpu_window *w, bool bf) {
  for (uint32_t i = 0; i < w->out_height; i++) {
    window_span rows = span_at(i, w, w->height);
    for (uint32_t j = 0; j < w->out_width; j++, out += V) {
      store(y, out, bf, mean_at(x, plane, w, rows, span_at(j, w, w->width), bf));
    }
  }
}

static void mean_forward(const cpu_array *x, const cpu_array *y, const cpu_window *w) {
  for (uint32_t n = 0; n < w->images; n++) {
    for (uint32_t b = 0; b < w->blocks; b++) {
      mean_plane(image_of(x, n), b * in_plane(w), image_of(y, n), b * out_plane(w), w, x->bf16);
    }
  }
}

static void mean_scatter_plane(const char *dy, uint64_t out, float *plane, const cpu_window *w, bool bf) {
  for (uint32_t i = 0; i < w->out_height; i++) {
    window_span rows = span_at(i, w, w->height);
    for (uint32_t j = 0; j < w->out_width; j++, out += V) {
      window_span columns = span_at(j, w, w->width);
      vf g = load(dy, out, bf) * span_weight(rows, columns);
      for (int r = rows.from; r < rows.to; r++) {
        for (int c = columns.from; c < columns.to; c++) {
          uint64_t k = input_index(w, rows, columns, r, c);
          store(plane, k, false, load(plane, k, false) + g);
        }
      }
    }
  }
}

static void mean_backward(const cpu_array *dy, const cpu_array *dx, float *plane, const cpu_window *w) {
  for (uint32_t n = 0; n < w->images; n++) {
    for (uint32_t b = 0; b < w->blocks; b++) {
      memset(plane, 0, in_plane(w) * sizeof *plane);
      mean_scatter_plane(image_of(dy, n), b * out_plane(w), plane, w, dy->bf16);
      store_plane(plane, image_of(dx, n), b * in_plane(w), w, dx->bf16);
    }
  }
}
