// The features of many examples, as panels: [ceil(n / 32)][d][32], padded with zero examples to whole tiles of 256, so
// that products of tiles read them as they are. Stored features are fp32, those of a block that streams bf16 in pairs
// (block.h).
#ifndef SHT_KERNEL_PANELS_H
#define SHT_KERNEL_PANELS_H

#include "base/pool.h"
#include "dense/tiles.h"
#include "kernel/features.h"
#include "shatter/work.h"

typedef struct sht__panels {
  uint64_t n;       // examples
  uint64_t width;   // d: features of each (of the block that is held, when streamed)
  float *data;      // [tile rows of n * 8][width][32]; NULL: in pairs
  uint32_t *pairs;  // [tile rows of n * 8][width / 2][32], width even; NULL: in fp32
} sht__panels;

static inline float *sht__panel_at(const sht__panels *panels, uint64_t panel) {
  return panels->data + panel * panels->width * SHT_LANES;
}
static inline uint32_t *sht__panel_pairs_at(const sht__panels *panels, uint64_t panel) {
  return panels->pairs + panel * (panels->width / 2) * SHT_LANES;
}

// Floats of the panels of n examples; UINT64_MAX when that overflows.
uint64_t sht__panels_size(uint64_t n, uint64_t width);
sht_status sht__panels_open(uint64_t n, uint64_t width, sht__panels *out, sht_error *error);
sht_status sht__panels_open_pairs(uint64_t n, uint64_t width, sht__panels *out, sht_error *error);
void sht__panels_close(sht__panels *panels);

// Writes the features of block `block` of all examples of `split` into panels (of that block's width).
// Errors: SHT_MEMORY, SHT_STOPPED.
sht_status sht__panels_fill(sht__panels *panels, const sht__feature_map *map, const sht_split *split, uint64_t block,
                            sht_pool *pool, const sht_work *work, sht_error *error);
// The same from arrays: inputs: [n][width].
void sht__panels_copy(sht__panels *panels, const float *inputs);
// Value of feature f of example i.
static inline float sht__panels_value(const sht__panels *panels, uint64_t i, uint64_t f) {
  return sht__panel_at(panels, i / SHT_LANES)[f * SHT_LANES + i % SHT_LANES];
}

#endif
