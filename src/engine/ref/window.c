// Sliding windows: see window.h.
#include "engine/ref/window.h"

// Rows (or columns) of one window: elements first .. end-1 lie in the input; element k reads input position start + k.
typedef struct span {
  int64_t start;
  uint32_t first, end;
} span;

static span span_of(const sht_node *node, uint32_t out, uint32_t size) {
  int64_t start = (int64_t)out * node->stride - node->pad_before;
  int64_t first = start < 0 ? -start : 0;
  int64_t end = (int64_t)size - start < node->kernel ? (int64_t)size - start : node->kernel;
  return (span){.start = start, .first = (uint32_t)first, .end = (uint32_t)end};
}

static void each_tap_of_window(const sht__ref_layer *layer, uint64_t example, uint32_t row, uint32_t column,
                               sht__ref_visit visit, uint64_t argument) {
  const sht_node *node = layer->node;
  const sht_shape in = layer->in[0];
  span rows = span_of(node, row, in.height);
  span columns = span_of(node, column, in.width);
  sht__ref_tap tap = {
      .y_at = ((example * node->out.height + row) * node->out.width + column) * node->out.channels,
      .inside = (rows.end - rows.first) * (columns.end - columns.first),
  };
  for (uint32_t i = rows.first; i < rows.end; i++) {
    for (uint32_t j = columns.first; j < columns.end; j++) {
      uint64_t y = (uint64_t)(rows.start + i);
      uint64_t x = (uint64_t)(columns.start + j);
      tap.x_at = ((example * in.height + y) * in.width + x) * in.channels;
      tap.index = i * node->kernel + j;
      visit(layer, tap, argument);
    }
  }
}

void sht__ref_each_tap(const sht__ref_layer *layer, uint64_t example, sht__ref_visit visit, uint64_t argument) {
  const sht_shape out = layer->node->out;
  for (uint32_t row = 0; row < out.height; row++) {
    for (uint32_t column = 0; column < out.width; column++) {
      each_tap_of_window(layer, example, row, column, visit, argument);
    }
  }
}
