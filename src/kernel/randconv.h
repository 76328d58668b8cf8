// The layer of random convolutions as those see it who make its features elsewhere: what randconv.c defines, its shape
// and its filters.
#ifndef SHT_KERNEL_RANDCONV_H
#define SHT_KERNEL_RANDCONV_H

#include "kernel/features.h"

enum {
  SHT__RANDCONV_PATCH = 6,     // positions on a side of a patch
  SHT__RANDCONV_SHIFTS = 2,    // values under the taps of a filter: what the mean of patches gives
  SHT__RANDCONV_WINDOWS = 3,   // on a side
  SHT__RANDCONV_SEGMENTS = 5,  // that their bounds cut a side into
  SHT__RANDCONV_FEATURES = 2 * SHT__RANDCONV_WINDOWS * SHT__RANDCONV_WINDOWS,  // of a filter
};

#define SHT__RANDCONV_THRESHOLD 1.0F
#define SHT__RANDCONV_CONTRAST (10.0 / (255 * 255))

typedef struct sht__randconv {
  const sht__block_kernels *kernels;
  uint64_t filters, taps;         // N; 36 C
  bool mirror;                    // see sht__randconv_shape
  uint64_t depth;                 // taps + 2
  uint32_t positions[2];          // H - 5, W - 5
  uint32_t window[2], stride[2];  // of averages, in positions
  uint32_t
      *bank;  // [ceil(N / 32)][depth / 2][32] in pairs: g / |w(p)|, then -<g, m> / |w(p)|; missing filters are zero
  uint32_t *turned;  // the same turned (block.h), for kernels that want that; else NULL
} sht__randconv;

#endif
