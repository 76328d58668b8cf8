// Square windows that slide over an image: convolution and pooling.
#ifndef SHT_MODEL_WINDOW_H
#define SHT_MODEL_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

typedef enum sht__padding_kind { SHT__PADDING_SAME, SHT__PADDING_VALID, SHT__PADDING_FIXED } sht__padding_kind;

typedef struct sht__window {
  uint32_t kernel;
  uint32_t stride;
  sht__padding_kind padding;
  uint32_t fixed;  // of FIXED: on every side
} sht__window;

// Places a window along one side of n pixels: number of positions, and padding before and after.
//   same:  ceil(n/s) positions; total = max((positions-1)*s + k - n, 0), the extra one after (as TensorFlow)
//   valid: floor((n-k)/s) + 1 positions, none padded
//   N:     floor((n+2N-k)/s) + 1 positions
// false when the window does not fit even once.
bool sht__window_place(const sht__window *window, uint32_t n, uint32_t *positions, uint32_t *before, uint32_t *after);

#endif
