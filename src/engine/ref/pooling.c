// Maximum and mean over windows; padding takes no part in either.
#include <math.h>

#include "engine/ref/window.h"

// Scratch of the maximum: index in its window of each output's winner. Windows are visited in row-major order and only
// a larger element takes the place, so the first of equals wins. The comparison lets NaN win.
static void take_larger(const sht__ref_layer *layer, sht__ref_tap tap, uint64_t unused) {
  (void)unused;
  for (uint64_t c = 0; c < layer->node->out.channels; c++) {
    double x = layer->x[0][tap.x_at + c];
    if (!(x <= layer->y[tap.y_at + c])) {
      layer->y[tap.y_at + c] = x;
      layer->scratch[tap.y_at + c] = tap.index;
    }
  }
}

static void max_forward(const sht__ref_layer *layer) {
  for (uint64_t i = 0; i < sht__ref_size(layer); i++) {
    layer->y[i] = -INFINITY;
    layer->scratch[i] = -1;
  }
  for (uint64_t n = 0; n < layer->batch->n; n++) {
    sht__ref_each_tap(layer, n, take_larger, 0);
  }
}

static void give_to_winner(const sht__ref_layer *layer, sht__ref_tap tap, uint64_t unused) {
  (void)unused;
  for (uint64_t c = 0; c < layer->node->out.channels; c++) {
    if (layer->scratch[tap.y_at + c] == (double)tap.index) {
      layer->dx[0][tap.x_at + c] += layer->dy[tap.y_at + c];
    }
  }
}

static void max_backward(const sht__ref_layer *layer) {
  for (uint64_t n = 0; n < layer->batch->n; n++) {
    sht__ref_each_tap(layer, n, give_to_winner, 0);
  }
}

const sht__ref_op sht__ref_maxpool = {
    .scratch_count = sht__ref_scratch_like_output, .forward = max_forward, .backward = max_backward};

static void add_share(const sht__ref_layer *layer, sht__ref_tap tap, uint64_t unused) {
  (void)unused;
  sht__ref_add_scaled(layer->y + tap.y_at, layer->x[0] + tap.x_at, 1.0 / tap.inside, layer->node->out.channels);
}

static void mean_forward(const sht__ref_layer *layer) {
  for (uint64_t i = 0; i < sht__ref_size(layer); i++) {
    layer->y[i] = 0;
  }
  for (uint64_t n = 0; n < layer->batch->n; n++) {
    sht__ref_each_tap(layer, n, add_share, 0);
  }
}

static void give_share(const sht__ref_layer *layer, sht__ref_tap tap, uint64_t unused) {
  (void)unused;
  sht__ref_add_scaled(layer->dx[0] + tap.x_at, layer->dy + tap.y_at, 1.0 / tap.inside, layer->node->out.channels);
}

static void mean_backward(const sht__ref_layer *layer) {
  for (uint64_t n = 0; n < layer->batch->n; n++) {
    sht__ref_each_tap(layer, n, give_share, 0);
  }
}

const sht__ref_op sht__ref_avgpool = {.forward = mean_forward, .backward = mean_backward};
