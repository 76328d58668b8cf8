// A layer of random convolutions after Coates and Ng, "Learning feature representations with k-means" (2012), with
// patches drawn at random for centres, as the paper does.
//
// A patch x of 6 x 6 positions, all channels (levels in [0,1]), is made free of its mean and divided by the root of its
// variance + 10 / 255^2: n(x). Let m and C be mean and covariance of n over max(N, 20,000) patches of the training
// images, and W = (C + .1 I)^-1/2, which whitens: w(x) = W (n(x) - m). Filters: w(p) / |w(p)| of N patches p. Features:
// max(<f, w(x)> - 1, 0) and max(-<f, w(x)> - 1, 0) at every position where the patch x fits into the image, averaged
// over 3 x 3 overlapping windows that cover five ninths of each side (27 positions: windows of 15, 6 apart). Order in a
// block: [filter][sign][window row][window column].
//
// The root is never taken: with q = n(p) - m and g = (C + .1 I)^-1 q, |w(p)|^2 = <q, g> and <f, w(x)> = <g, n(x) - m> /
// |w(p)|. The last is one product when a 1 is put under n(x).
//
// A position of 32 images is gathered once into a panel and multiplied with 32 filters at a time.
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "dense/small.h"
#include "kernel/features.h"

enum { PATCH = 6, WINDOWS = 3, PLACES = WINDOWS * WINDOWS, SIGNS = 2, FEATURES_A_FILTER = SIGNS * PLACES };
enum { BLOCK_FILTERS = 128 };
enum { GROUPS = BLOCK_FILTERS / SHT_LANES, STATISTICS_PATCHES = 20000, DRAWS_MAX = 1000 };

static const float THRESHOLD = 1;
static const double CONTRAST = 10.0 / (255 * 255), WHITENING = 0.1, FLAT = 1e-3;

typedef struct randconv {
  const sht__block_kernels *kernels;
  uint64_t filters, taps;  // N; 36 C
  uint64_t depth;          // taps + 1
  uint32_t positions[2];   // H - 5, W - 5
  uint32_t window[2], stride[2];
  float *bank;  // [ceil(N / 32)][depth][32]: g / |w(p)|, then -<g, m> / |w(p)|; missing filters are zero
} randconv;

static uint64_t levels_size(const sht_split *split) {
  return (uint64_t)split->height * split->width * split->channels * SHT_LANES;
}

// Sums of a group of 32 filters over one row of positions: [window column][sign][32 filters][32 images].
enum { ROW_SUMS = WINDOWS * SIGNS * SHT_BLOCK };
// The same for all windows: [window row][window column][sign][32][32].
enum { SUMS = WINDOWS * ROW_SUMS };

void sht__randconv_describe(const sht_split *train, uint64_t filters, sht__feature_map *out) {
  double positions = (double)(train->height - PATCH + 1) * (double)(train->width - PATCH + 1);
  uint64_t taps = (uint64_t)PATCH * PATCH * train->channels;
  *out = (sht__feature_map){
      .width = filters * FEATURES_A_FILTER,
      .block = (filters < BLOCK_FILTERS ? filters : BLOCK_FILTERS) * FEATURES_A_FILTER,
      .blocks = (filters + BLOCK_FILTERS - 1) / BLOCK_FILTERS,
      .flops = 2 * positions * (double)taps * (double)filters,
      .scratch = levels_size(train) + (taps + 1) * SHT_LANES + SHT_BLOCK + (uint64_t)GROUPS * (ROW_SUMS + SUMS),
  };
}

// n(p) of patch number `index`: out: [taps]. Flat patches are drawn again.
static void draw_patch(const sht_split *train, sht_rng rng, uint64_t index, uint64_t taps, double *out) {
  const uint64_t row = (uint64_t)train->width * train->channels, run = (uint64_t)PATCH * train->channels;
  const uint8_t *bytes = train->pixels;
  const int16_t *words = train->pixels;
  double variance = 0;
  for (uint32_t draw = 0; draw < DRAWS_MAX && variance <= CONTRAST * FLAT; draw++) {
    uint64_t image = sht_rng_below(rng, 0, index, 3 * draw, (uint32_t)train->count);
    uint64_t y = sht_rng_below(rng, 0, index, 3 * draw + 1, train->height - PATCH + 1);
    uint64_t x = sht_rng_below(rng, 0, index, 3 * draw + 2, train->width - PATCH + 1);
    uint64_t start = (image * train->height + y) * row + x * train->channels;
    double mean = 0;
    for (uint64_t t = 0; t < taps; t++) {
      uint64_t place = start + t / run * row + t % run;
      out[t] = train->type == SHT_PIXEL_U8 ? bytes[place] / 255.0 : words[place] / (255.0 * 64);
      mean += out[t] / (double)taps;
    }
    variance = 0;
    for (uint64_t t = 0; t < taps; t++) {
      out[t] -= mean;
      variance += out[t] * out[t] / (double)taps;
    }
  }
  for (uint64_t t = 0; t < taps; t++) {
    out[t] /= sqrt(variance + CONTRAST);
  }
}

typedef struct whitening {
  double *patch;   // [taps]
  double *solved;  // [taps]
  double *mean;    // [taps] m
  double *factor;  // [taps][taps] of C + .1 I
} whitening;

static void measure_patches(const sht_split *train, sht_rng rng, uint64_t patches, uint64_t taps, whitening *w) {
  double *c = w->factor;
  for (uint64_t p = 0; p < patches; p++) {
    draw_patch(train, rng, p, taps, w->patch);
    for (uint64_t i = 0; i < taps; i++) {
      w->mean[i] += w->patch[i] / (double)patches;
      for (uint64_t j = 0; j <= i; j++) {
        c[i * taps + j] += w->patch[i] * w->patch[j] / (double)patches;
      }
    }
  }
  for (uint64_t i = 0; i < taps; i++) {
    for (uint64_t j = 0; j <= i; j++) {
      c[i * taps + j] -= w->mean[i] * w->mean[j];
    }
    c[i * taps + i] += WHITENING;
  }
  (void)sht__small_factor(c, taps);  // positive definite: a covariance plus a multiple of the identity
}

// Filter `f` into the bank; zeros when nothing is left of its patch.
static void make_filter(randconv *r, uint64_t f, whitening *w) {
  float *to = r->bank + f / SHT_LANES * r->depth * SHT_LANES + f % SHT_LANES;
  double square = 0, shift = 0;
  for (uint64_t t = 0; t < r->taps; t++) {
    w->patch[t] -= w->mean[t];
    w->solved[t] = w->patch[t];
  }
  sht__small_solve(w->factor, r->taps, w->solved);
  for (uint64_t t = 0; t < r->taps; t++) {
    square += w->patch[t] * w->solved[t];
    shift += w->mean[t] * w->solved[t];
  }
  const double scale = square > 0 ? 1 / sqrt(square) : 0;
  for (uint64_t t = 0; t < r->taps; t++) {
    to[t * SHT_LANES] = (float)(scale * w->solved[t]);
  }
  to[r->taps * SHT_LANES] = (float)(-scale * shift);
}

static sht_status open_whitening(uint64_t taps, whitening *w, sht_error *error) {
  SHT_TRY(SHT_ALLOC(&w->patch, taps, "a patch", error));
  SHT_TRY(SHT_ALLOC(&w->solved, taps, "a whitened patch", error));
  SHT_TRY(SHT_ALLOC(&w->mean, taps, "the mean of patches", error));
  return SHT_ALLOC(&w->factor, taps * taps, "whitening of patches", error);
}

static sht_status make_bank(randconv *r, const sht_split *train, uint64_t seed, sht_error *error) {
  const sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_WEIGHTS);
  whitening w = {0};
  sht_status status = open_whitening(r->taps, &w, error);
  if (status == SHT_OK) {
    measure_patches(train, rng, r->filters > STATISTICS_PATCHES ? r->filters : STATISTICS_PATCHES, r->taps, &w);
    for (uint64_t f = 0; f < r->filters; f++) {
      draw_patch(train, rng, f, r->taps, w.patch);
      make_filter(r, f, &w);
    }
  }
  sht_free(w.patch);
  sht_free(w.solved);
  sht_free(w.mean);
  sht_free(w.factor);
  return status;
}

static bool covers(const randconv *r, int side, uint32_t window, uint32_t position) {
  uint32_t first = window * r->stride[side];
  return position >= first && position < first + r->window[side];
}

// n of the 6 x 6 x C levels at (y, x) of 32 images, and under it a 1 for each of the `count` that are there: panel:
// [depth][32].
static void gather(const randconv *r, const sht_split *split, const float *levels, uint64_t count, uint32_t y,
                   uint32_t x, float *panel) {
  const uint64_t run = (uint64_t)PATCH * split->channels * SHT_LANES;
  for (uint64_t row = 0; row < PATCH; row++) {
    memcpy(panel + row * run, levels + ((y + row) * split->width + x) * split->channels * SHT_LANES,
           run * sizeof *panel);
  }
  r->kernels->normalise(panel, r->taps, (float)CONTRAST);
  for (uint64_t lane = 0; lane < SHT_LANES; lane++) {
    panel[r->taps * SHT_LANES + lane] = lane < count ? 1 : 0;
  }
}

typedef struct buffers {
  float *levels;    // [H W C][32]
  float *panel;     // [depth][32]
  float *response;  // [32 filters][32 images]
  float *row_sums;  // [GROUPS][ROW_SUMS]
  float *sums;      // [GROUPS][SUMS]
  uint64_t count;   // images
} buffers;

// Thresholds of one row of positions, summed over the columns of each window.
static void sum_row(const randconv *r, const sht_split *split, uint64_t first_group, uint64_t groups, uint32_t y,
                    const buffers *b) {
  memset(b->row_sums, 0, groups * ROW_SUMS * sizeof *b->row_sums);
  for (uint32_t x = 0; x < r->positions[1]; x++) {
    gather(r, split, b->levels, b->count, y, x, b->panel);
    for (uint64_t g = 0; g < groups; g++) {
      memset(b->response, 0, SHT_BLOCK * sizeof *b->response);
      r->kernels->multiply(b->response, b->panel, r->bank + (first_group + g) * r->depth * SHT_LANES, r->depth, 1);
      for (uint32_t w = 0; w < WINDOWS; w++) {
        if (covers(r, 1, w, x)) {
          float *plus = b->row_sums + g * ROW_SUMS + (uint64_t)w * SIGNS * SHT_BLOCK;
          r->kernels->add_thresholds(b->response, THRESHOLD, plus, plus + SHT_BLOCK, SHT_BLOCK);
        }
      }
    }
  }
}

static void add_row(const randconv *r, uint64_t groups, uint32_t y, const buffers *b) {
  for (uint64_t g = 0; g < groups; g++) {
    for (uint32_t w = 0; w < WINDOWS; w++) {
      float *to = b->sums + g * SUMS + (uint64_t)w * ROW_SUMS;
      for (uint64_t i = 0; i < ROW_SUMS && covers(r, 0, w, y); i++) {
        to[i] += b->row_sums[g * ROW_SUMS + i];
      }
    }
  }
}

// From [group][window][sign][filter][image] to features [filter][sign][window][image], means instead of sums.
static void write_features(const randconv *r, uint64_t filters, const float *sums, float *panel) {
  const float share = 1.0F / (float)(r->window[0] * r->window[1]);
  for (uint64_t f = 0; f < filters; f++) {
    for (uint64_t s = 0; s < SIGNS; s++) {
      for (uint64_t w = 0; w < PLACES; w++) {
        const float *from = sums + f / SHT_LANES * SUMS + (w * SIGNS + s) * SHT_BLOCK + f % SHT_LANES * SHT_LANES;
        float *to = panel + ((f * SIGNS + s) * PLACES + w) * SHT_LANES;
        for (uint64_t lane = 0; lane < SHT_LANES; lane++) {
          to[lane] = share * from[lane];
        }
      }
    }
  }
}

static void fill(const sht__feature_map *map, const sht_split *split, uint64_t block, uint64_t first, uint64_t count,
                 float *panel, float *scratch) {
  const randconv *r = map->state;
  uint64_t first_filter = block * BLOCK_FILTERS;
  uint64_t filters = r->filters - first_filter < BLOCK_FILTERS ? r->filters - first_filter : BLOCK_FILTERS;
  uint64_t groups = (filters + SHT_LANES - 1) / SHT_LANES;
  buffers b = {.levels = scratch, .count = count};
  b.panel = b.levels + levels_size(split);
  b.response = b.panel + r->depth * SHT_LANES;
  b.row_sums = b.response + SHT_BLOCK;
  b.sums = b.row_sums + (uint64_t)GROUPS * ROW_SUMS;
  sht__levels_fill(split, first, count, b.levels);
  memset(b.sums, 0, groups * SUMS * sizeof *b.sums);
  for (uint32_t y = 0; y < r->positions[0]; y++) {
    sum_row(r, split, first_filter / SHT_LANES, groups, y, &b);
    add_row(r, groups, y, &b);
  }
  write_features(r, filters, b.sums, panel);
}

static void close_randconv(sht__feature_map *map) {
  randconv *r = map->state;
  if (r != NULL) {
    sht_free(r->bank);
  }
  sht_free(r);
}

static void set_windows(randconv *r, int side, uint32_t positions) {
  r->positions[side] = positions;
  r->window[side] = (5 * positions + 8) / 9;
  r->stride[side] = (positions - r->window[side]) / (WINDOWS - 1);
}

sht_status sht__randconv_open(const sht_split *train, uint64_t filters, uint64_t seed, sht__feature_map *out,
                              sht_error *error) {
  *out = (sht__feature_map){0};
  if (train->height < PATCH + WINDOWS || train->width < PATCH + WINDOWS) {
    return SHT_FAIL(error, SHT_CONFIG, "--features randconv: images of %ux%u are too small, expected at least %dx%d",
                    train->height, train->width, PATCH + WINDOWS, PATCH + WINDOWS);
  }
  sht__randconv_describe(train, filters, out);
  out->fill = fill;
  out->close = close_randconv;
  randconv *r = NULL;
  SHT_TRY(SHT_ALLOC(&r, 1, "random convolutions", error));
  out->state = r;
  r->kernels = sht__block_choose();
  r->filters = filters;
  r->taps = (uint64_t)PATCH * PATCH * train->channels;
  r->depth = r->taps + 1;
  set_windows(r, 0, train->height - PATCH + 1);
  set_windows(r, 1, train->width - PATCH + 1);
  uint64_t banks = (filters + SHT_LANES - 1) / SHT_LANES;
  SHT_TRY(SHT_ALLOC(&r->bank, banks * r->depth * SHT_LANES, "random filters", error));
  return make_bank(r, train, seed, error);
}
