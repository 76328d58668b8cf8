// Sliding windows: the places where a convolution or a pooling reads.
#ifndef SHT_ENGINE_REF_WINDOW_H
#define SHT_ENGINE_REF_WINDOW_H

#include "engine/ref/layer.h"

// One element of one window: input pixel -> output pixel. Padding has no taps.
typedef struct sht__ref_tap {
  uint64_t x_at;    // offset of the input pixel's first channel in x
  uint64_t y_at;    // offset of the output pixel's first channel in y
  uint32_t index;   // row * kernel + column in the window
  uint32_t inside;  // elements of this window that lie in the input
} sht__ref_tap;

typedef void (*sht__ref_visit)(const sht__ref_layer *layer, sht__ref_tap tap, uint64_t argument);

// Calls visit for every tap of one example, windows in row-major order and elements of a window in row-major order.
void sht__ref_each_tap(const sht__ref_layer *layer, uint64_t example, sht__ref_visit visit, uint64_t argument);

#endif
