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

INLINE uint64_t input_position(const cpu_window *w, window_span rows, window_span columns, int r, int c) {
  return (uint64_t)(rows.origin + r) * w->width + (uint64_t)(columns.origin + c);
}

INLINE void max_at(plane_of x, plane_of y, uint64_t out, uint8_t *winner, const cpu_window *w, window_span rows,
                   window_span columns, bool bf) {
  vf best = splat(-__builtin_inff());
  vi index = (vi){0} + (rows.from * (int)w->kernel + columns.from);
  for (int r = rows.from; r < rows.to; r++) {
    for (int c = columns.from; c < columns.to; c++) {
      vf value = load(x.data, input_position(w, rows, columns, r, c) * x.step, bf);
      vi better = (value > best) | (value != value);
      best = select_where(better, value, best);
      vi here = (vi){0} + (r * (int)w->kernel + c);
      index = (better & here) | (~better & index);
    }
  }
  store(y.data, out * y.step, bf, best);
  vb bytes = __builtin_convertvector(index, vb);
  memcpy(winner + out * V, &bytes, sizeof bytes);
}

INLINE void max_plane(plane_of x, plane_of y, uint8_t *winner, const cpu_window *w, bool bf) {
  uint64_t out = 0;
  for (uint32_t i = 0; i < w->out_height; i++) {
    window_span rows = span_at(i, w, w->height);
    for (uint32_t j = 0; j < w->out_width; j++) {
      max_at(x, y, out++, winner, w, rows, span_at(j, w, w->width), bf);
    }
  }
}

INLINE uint64_t in_plane(const cpu_window *w) { return (uint64_t)w->height * w->width * V; }
INLINE uint64_t out_plane(const cpu_window *w) { return (uint64_t)w->out_height * w->out_width * V; }

static void max_forward(const cpu_array *x, const cpu_array *y, uint8_t *winner, const cpu_window *w) {
  for (uint32_t n = 0; n < w->images; n++) {
    for (uint32_t b = 0; b < w->blocks; b++) {
      uint8_t *index = winner + ((uint64_t)n * w->blocks + b) * out_plane(w);
      if (x->bf16) {
        max_plane(plane_at(x, n, b), plane_at(y, n, b), index, w, true);
      } else {
        max_plane(plane_at(x, n, b), plane_at(y, n, b), index, w, false);
      }
    }
  }
}

// Adds g to the winners' places in the plane.
INLINE void max_scatter(vf g, vi index, float *plane, const cpu_window *w, window_span rows, window_span columns) {
  for (int r = rows.from; r < rows.to; r++) {
    for (int c = columns.from; c < columns.to; c++) {
      uint64_t i = input_position(w, rows, columns, r, c) * V;
      vi hit = index == r * (int)w->kernel + c;
      store(plane, i, false, load(plane, i, false) + select_where(hit, g, splat(0)));
    }
  }
}

static void max_scatter_plane(plane_of dy, const uint8_t *winner, float *plane, const cpu_window *w, bool bf) {
  uint64_t out = 0;
  for (uint32_t i = 0; i < w->out_height; i++) {
    window_span rows = span_at(i, w, w->height);
    for (uint32_t j = 0; j < w->out_width; j++, out++) {
      vb bytes;
      memcpy(&bytes, winner + out * V, sizeof bytes);
      max_scatter(load(dy.data, out * dy.step, bf), __builtin_convertvector(bytes, vi), plane, w, rows,
                  span_at(j, w, w->width));
    }
  }
}

INLINE void store_plane(const float *plane, plane_of dx, const cpu_window *w, bool bf) {
  for (uint64_t p = 0; p < (uint64_t)w->height * w->width; p++) {
    store(dx.data, p * dx.step, bf, load(plane, p * V, false));
  }
}

static void max_backward(const cpu_array *dy, const uint8_t *winner, const cpu_array *dx, float *plane,
                         const cpu_window *w) {
  for (uint32_t n = 0; n < w->images; n++) {
    for (uint32_t b = 0; b < w->blocks; b++) {
      const uint8_t *index = winner + ((uint64_t)n * w->blocks + b) * out_plane(w);
      memset(plane, 0, in_plane(w) * sizeof *plane);
      max_scatter_plane(plane_at(dy, n, b), index, plane, w, dy->bf16);
      store_plane(plane, plane_at(dx, n, b), w, dx->bf16);
    }
  }
}

INLINE float span_weight(window_span rows, window_span columns) {
  return 1.0f / (float)((rows.to - rows.from) * (columns.to - columns.from));
}

INLINE vf mean_at(plane_of x, const cpu_window *w, window_span rows, window_span columns, bool bf) {
  vf sum = {0};
  for (int r = rows.from; r < rows.to; r++) {
    for (int c = columns.from; c < columns.to; c++) {
      sum += load(x.data, input_position(w, rows, columns, r, c) * x.step, bf);
    }
  }
  return sum * span_weight(rows, columns);
}

static void mean_plane(plane_of x, plane_of y, const cpu_window *w, bool bf) {
  uint64_t out = 0;
  for (uint32_t i = 0; i < w->out_height; i++) {
    window_span rows = span_at(i, w, w->height);
    for (uint32_t j = 0; j < w->out_width; j++, out++) {
      store(y.data, out * y.step, bf, mean_at(x, w, rows, span_at(j, w, w->width), bf));
    }
  }
}

static void mean_forward(const cpu_array *x, const cpu_array *y, const cpu_window *w) {
  for (uint32_t n = 0; n < w->images; n++) {
    for (uint32_t b = 0; b < w->blocks; b++) {
      mean_plane(plane_at(x, n, b), plane_at(y, n, b), w, x->bf16);
    }
  }
}

static void mean_scatter_plane(plane_of dy, float *plane, const cpu_window *w, bool bf) {
  uint64_t out = 0;
  for (uint32_t i = 0; i < w->out_height; i++) {
    window_span rows = span_at(i, w, w->height);
    for (uint32_t j = 0; j < w->out_width; j++, out++) {
      window_span columns = span_at(j, w, w->width);
      vf g = load(dy.data, out * dy.step, bf) * span_weight(rows, columns);
      for (int r = rows.from; r < rows.to; r++) {
        for (int c = columns.from; c < columns.to; c++) {
          uint64_t k = input_position(w, rows, columns, r, c) * V;
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
      mean_scatter_plane(plane_at(dy, n, b), plane, w, dy->bf16);
      store_plane(plane, plane_at(dx, n, b), w, dx->bf16);
    }
  }
}
