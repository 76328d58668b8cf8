// Features that are levels: see levels.h.
#include "kernel/levels.h"

#include <string.h>

enum { FOUR = 4, BYTE = 8, LEVEL_MAX = 255, SIGNED_ZERO = 128 };

// Takes 128 from each of the four bytes of a word, as a number with a sign.
static const uint32_t SIGNS = 0x80808080;

static uint64_t width_of(const sht_kernel_examples *e) {
  return e->images != NULL ? (uint64_t)e->images->height * e->images->width * e->images->channels : e->width;
}

bool sht__levels_are(const sht_kernel_examples *e) {
  if (width_of(e) > SHT__LEVELS_WIDTH_MAX) {
    return false;
  }
  if (e->images != NULL) {
    return e->images->type == SHT_PIXEL_U8;
  }
  for (uint64_t i = 0; i < e->count * e->width; i++) {
    if (!(e->inputs[i] >= 0 && e->inputs[i] <= LEVEL_MAX && e->inputs[i] == (float)(uint8_t)e->inputs[i])) {
      return false;
    }
  }
  return true;
}

static uint32_t level_at(const sht_kernel_examples *e, uint64_t place) {
  return e->images != NULL ? ((const uint8_t *)e->images->pixels)[place] : (uint32_t)e->inputs[place];
}

sht_status sht__levels_open(const sht_kernel_examples *e, sht__panels *out, sht_error *error) {
  SHT_TRY(sht__panels_open_fours(e->count, width_of(e), e->images != NULL ? 1.0 / LEVEL_MAX : 1, out, error));
  for (uint64_t i = 0; i < e->count; i++) {
    uint32_t *panel = sht__panel_fours_at(out, i / SHT_LANES) + i % SHT_LANES;
    for (uint64_t f = 0; f < out->width; f++) {
      panel[f / FOUR * SHT_LANES] |= level_at(e, i * out->width + f) << f % FOUR * BYTE;
    }
  }
  return SHT_OK;
}

void sht__levels_measure(const sht__panels *panels, double *squares, double *lacks) {
  const uint64_t rows = sht__tile_rows(panels->n) * SHT_TILE;
  for (uint64_t i = 0; i < rows; i++) {
    const uint32_t *panel = sht__panel_fours_at(panels, i / SHT_LANES) + i % SHT_LANES;
    uint64_t sum = 0, square = 0;
    for (uint64_t four = 0; four < sht__panel_fours(panels); four++) {
      for (uint32_t word = panel[four * SHT_LANES]; word != 0; word >>= BYTE) {
        const uint64_t level = word & LEVEL_MAX;
        sum += level;
        square += level * level;
      }
    }
    squares[i] = (double)square * (panels->scale * panels->scale);
    lacks[i] = (double)(SIGNED_ZERO * sum);
  }
}

// Fours first .. first+count-1 of a panel less 128, as products take their right factor. to: [SHT__LEVELS_CHUNK][32].
static void sign_chunk(const sht__block_kernels *kernels, const sht__panels *panels, uint64_t panel, uint64_t first,
                       uint64_t count, uint32_t *to) {
  uint32_t signs[SHT__LEVELS_CHUNK * SHT_LANES] __attribute__((aligned(64)));
  uint32_t *less = kernels->turn != NULL ? signs : to;
  const uint32_t *from = sht__panel_fours_at(panels, panel) + first * SHT_LANES;
  for (uint64_t word = 0; word < count * SHT_LANES; word++) {
    less[word] = from[word] ^ SIGNS;
  }
  if (kernels->turn != NULL) {
    kernels->turn(less, to, count);
  }
}

// sums: [8][256][32].
static void add_chunk(const sht__block_kernels *kernels, const sht__panels *rows, uint64_t i,
                      const sht__panels *columns, uint64_t j, uint64_t first, uint64_t count, int32_t *sums) {
  uint32_t right[SHT__LEVELS_CHUNK * SHT_LANES] __attribute__((aligned(64)));
  const sht__block_walk walk = {
      .panels = SHT_TILE_PANELS, .c_step = SHT_PANEL, .a_step = sht__panel_fours(rows) * SHT_LANES};
  const uint32_t *left = sht__panel_fours_at(rows, i * SHT_TILE_PANELS) + first * SHT_LANES;
  for (uint64_t q = 0; q < SHT_TILE_PANELS; q++) {
    sign_chunk(kernels, columns, j * SHT_TILE_PANELS + q, first, count, right);
    kernels->multiply_bytes(sums + q * SHT_BLOCK, left, right, count, &walk);
  }
}

void sht__levels_tile(const sht__block_kernels *kernels, const sht__panels *rows, const double *lacks, uint64_t i,
                      const sht__panels *columns, uint64_t j, double *tile, double *scratch) {
  int32_t *sums = (int32_t *)scratch;
  const double scale = rows->scale * columns->scale;
  memset(sums, 0, SHT_TILE_SIZE * sizeof *sums);
  for (uint64_t first = 0; first < sht__panel_fours(columns); first += SHT__LEVELS_CHUNK) {
    const uint64_t left = sht__panel_fours(columns) - first;
    const uint64_t count = left < SHT__LEVELS_CHUNK ? left : SHT__LEVELS_CHUNK;
    add_chunk(kernels, rows, i, columns, j, first, count, sums);
  }
  for (size_t p = 0; p < SHT_TILE_PANELS; p++) {
    const double *lack = lacks + (i * SHT_TILE_PANELS + p) * SHT_LANES;
    for (size_t e = p * SHT_PANEL; e < (p + 1) * SHT_PANEL; e++) {
      tile[e] = ((double)sums[e] + lack[e % SHT_LANES]) * scale;
    }
  }
}
