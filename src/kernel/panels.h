// The features of many examples, as panels: [ceil(n / 32)][d][32], padded with zero examples to whole tiles of 256, so
// that products of tiles read them as they are. Stored features are fp32, or whole numbers in fours where they are
// levels (levels.h); those of a block that streams are bf16 in pairs (block.h).
#ifndef SHT_KERNEL_PANELS_H
#define SHT_KERNEL_PANELS_H

#include "base/pool.h"
#include "dense/tiles.h"
#include "kernel/features.h"
#include "shatter/work.h"

typedef struct sht__panels {
  uint64_t n;       // examples
  uint64_t width;   // d: features of each (of the block that is held, when streamed)
  float *data;      // [tile rows of n * 8][width][32]; NULL: in pairs or fours
  uint32_t *pairs;  // [tile rows of n * 8][width / 2][32], width even; NULL: in another form
  uint32_t *fours;  // [tile rows of n * 8][ceil(width / 4)][32], zeros beyond width; NULL: in another form
  double scale;     // of fours: what a level is multiplied by
} sht__panels;

static inline float *sht__panel_at(const sht__panels *panels, uint64_t panel) {
  return panels->data + panel * panels->width * SHT_LANES;
}
static inline uint32_t *sht__panel_pairs_at(const sht__panels *panels, uint64_t panel) {
  return panels->pairs + panel * (panels->width / 2) * SHT_LANES;
}

// Fours of features of an example.
static inline uint64_t sht__panel_fours(const sht__panels *panels) { return (panels->width + 3) / 4; }
static inline uint32_t *sht__panel_fours_at(const sht__panels *panels, uint64_t panel) {
  return panels->fours + panel * sht__panel_fours(panels) * SHT_LANES;
}

// Floats of the panels of n examples; UINT64_MAX when that overflows.
uint64_t sht__panels_size(uint64_t n, uint64_t width);
sht_status sht__panels_open(uint64_t n, uint64_t width, sht__panels *out, sht_error *error);
sht_status sht__panels_open_pairs(uint64_t n, uint64_t width, sht__panels *out, sht_error *error);
sht_status sht__panels_open_fours(uint64_t n, uint64_t width, double scale, sht__panels *out, sht_error *error);
void sht__panels_close(sht__panels *panels);

// Writes the features of block `block` of all examples of `split` into panels (of that block's width).
// Errors: SHT_MEMORY, SHT_STOPPED.
sht_status sht__panels_fill(sht__panels *panels, const sht__feature_map *map, const sht_split *split, uint64_t block,
                            sht_pool *pool, const sht_work *work, sht_error *error);
// The same from arrays: inputs: [n][width].
void sht__panels_copy(sht__panels *panels, const float *inputs);
// Value of feature f of example i; not in pairs.
double sht__panels_value(const sht__panels *panels, uint64_t i, uint64_t f);
// The panels of some examples, in the same form: examples order[0] .. order[count-1] of `from`. Errors: SHT_MEMORY.
sht_status sht__panels_select(const sht__panels *from, const uint32_t *order, uint64_t count, sht__panels *out,
                              sht_error *error);

#endif
