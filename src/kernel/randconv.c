// A layer of random convolutions after Coates and Ng, "Learning feature representations with k-means" (2012), with
// patches drawn at random for centres, as the paper does.
//
// A patch x of 6 x 6 positions, all channels (levels in [0,1]), is made free of its mean and divided by the root of its
// variance + 10 / 255^2: n(x). Let m and C be mean and covariance of n over max(N, 20,000) patches of the training
// images, and W = (C + .1 I)^-1/2, which whitens: w(x) = W (n(x) - m). Filters: w(p) / |w(p)| of N patches p. Features:
// max(<f, w(x)> - 1, 0) and max(-<f, w(x)> - 1, 0) at every position where the patch x fits into the image, averaged
// over 3 x 3 overlapping windows that cover five ninths of each side (27 positions: windows of 15, 6 apart). Order in a
// block: [filter][sign][window row][window column]. With `mirror` every feature is the mean of that of the image and of
// its mirror image: a kernel of them takes an image and its mirror image for the same, which is what training on both
// teaches, with as many examples as before.
//
// The root is never taken: with q = n(p) - m and g = (C + .1 I)^-1 q, |w(p)|^2 = <q, g> and <f, w(x)> = <g, n(x) - m> /
// |w(p)|. Both g / |w(p)| and n(x) are rounded to bf16, which defines the features: no more than the rounding of levels
// to 8 bits does to patches. What m gives is put under g in two bf16, of which the second is what the first leaves, and
// ones under n(x). Features are rounded to bf16 as well, so that their inner products are those of exact factors.
//
// Positions are gathered a row at a time, for 32 images; 32 filters then go along the row. The windows' bounds cut
// either side into five segments, of which window i covers segments i to i + 2: responses are summed over segments
// first.
#include "kernel/randconv.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "dense/bf16.h"
#include "dense/small.h"

enum { PATCH = SHT__RANDCONV_PATCH, WINDOWS = SHT__RANDCONV_WINDOWS, SEGMENTS = SHT__RANDCONV_SEGMENTS };
enum { PLACES = WINDOWS * WINDOWS, SIGNS = 2, FEATURES_A_FILTER = SHT__RANDCONV_FEATURES };
enum { WINDOW_SEGMENTS = 3, SHIFTS = SHT__RANDCONV_SHIFTS, BLOCK_FILTERS = 256 };
enum { GROUPS = BLOCK_FILTERS / SHT_LANES, STATISTICS_PATCHES = 20000, DRAWS_MAX = 1000 };

static const float THRESHOLD = SHT__RANDCONV_THRESHOLD;
static const double CONTRAST = SHT__RANDCONV_CONTRAST, WHITENING = 0.1, FLAT = 1e-3;

static uint64_t levels_size(const sht_split *split) {
  return (uint64_t)split->height * split->width * split->channels * SHT_LANES;
}

// Sums of a group of 32 filters: [segment row][segment column][sign][32 filters][32 images].
enum { SUMS = SEGMENTS * SEGMENTS * SIGNS * SHT_BLOCK };

static uint64_t depth_of(uint64_t taps) { return taps + SHIFTS; }

sht_status sht__randconv_describe(const sht_split *train, sht__randconv_shape shape, sht__feature_map *out,
                                  sht_error *error) {
  const uint64_t filters = shape.filters;
  *out = (sht__feature_map){0};
  if (train->height < PATCH + WINDOWS || train->width < PATCH + WINDOWS) {
    return SHT_FAIL(error, SHT_CONFIG, "--features randconv: images of %ux%u are too small, expected at least %dx%d",
                    train->height, train->width, PATCH + WINDOWS, PATCH + WINDOWS);
  }
  double positions = (double)(train->height - PATCH + 1) * (double)(train->width - PATCH + 1);
  uint64_t taps = (uint64_t)PATCH * PATCH * train->channels;
  *out = (sht__feature_map){
      .width = filters * FEATURES_A_FILTER,
      .block = (filters < BLOCK_FILTERS ? filters : BLOCK_FILTERS) * FEATURES_A_FILTER,
      .blocks = (filters + BLOCK_FILTERS - 1) / BLOCK_FILTERS,
      .mirror = shape.mirror,
      .flops = (shape.mirror ? 4 : 2) * positions * (double)taps * (double)filters,
      .scratch = levels_size(train) + depth_of(taps) * SHT_LANES +
                 (train->width - PATCH + 1) * depth_of(taps) / 2 * SHT_LANES + (uint64_t)GROUPS * SUMS,
  };
  return SHT_OK;
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
  float *filters;  // [depth][32]
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

// Filter `f` into column f mod 32 of `filters`; zeros when nothing is left of its patch.
static void make_filter(const sht__randconv *r, uint64_t f, whitening *w) {
  float *to = w->filters + f % SHT_LANES;
  double square = 0, shift = 0;
  for (uint64_t t = 0; t < r->taps; t++) {
    w->patch[t] -= w->mean[t];
    w->solved[t] = w->patch[t];
  }
  sht__small_solve(w->factor, r->taps, w->solved);
  for (uint64_t t = 0; t < r->taps; t++) {
    square += w->patch[t] * w->solved[t];
  }
  const double scale = square > 0 ? 1 / sqrt(square) : 0;
  for (uint64_t t = 0; t < r->taps; t++) {
    const float tap = sht__bf16_round((float)(scale * w->solved[t]));
    to[t * SHT_LANES] = tap;
    shift -= (double)tap * w->mean[t];
  }
  for (uint64_t t = r->taps; t < r->depth; t++) {
    const float part = sht__bf16_round((float)shift);
    to[t * SHT_LANES] = part;
    shift -= part;
  }
}

static void make_group(sht__randconv *r, const sht_split *train, sht_rng rng, uint64_t group, whitening *w) {
  const uint64_t first = group * SHT_LANES;
  memset(w->filters, 0, r->depth * SHT_LANES * sizeof *w->filters);
  for (uint64_t f = first; f < first + SHT_LANES && f < r->filters; f++) {
    draw_patch(train, rng, f, r->taps, w->patch);
    make_filter(r, f, w);
  }
  r->kernels->round_bf16(w->filters, r->bank + group * r->depth / 2 * SHT_LANES, r->depth / 2);
}

static sht_status open_whitening(uint64_t taps, whitening *w, sht_error *error) {
  SHT_TRY(SHT_ALLOC(&w->patch, taps, "a patch", error));
  SHT_TRY(SHT_ALLOC(&w->solved, taps, "a whitened patch", error));
  SHT_TRY(SHT_ALLOC(&w->mean, taps, "the mean of patches", error));
  SHT_TRY(SHT_ALLOC(&w->filters, depth_of(taps) * SHT_LANES, "filters", error));
  return SHT_ALLOC(&w->factor, taps * taps, "whitening of patches", error);
}

static sht_status make_bank(sht__randconv *r, const sht_split *train, uint64_t seed, sht_error *error) {
  const sht_rng rng = sht_rng_make(seed, SHT_PURPOSE_WEIGHTS);
  whitening w = {0};
  sht_status status = open_whitening(r->taps, &w, error);
  if (status == SHT_OK) {
    measure_patches(train, rng, r->filters > STATISTICS_PATCHES ? r->filters : STATISTICS_PATCHES, r->taps, &w);
    for (uint64_t group = 0; group * SHT_LANES < r->filters; group++) {
      make_group(r, train, rng, group, &w);
    }
  }
  sht_free(w.patch);
  sht_free(w.solved);
  sht_free(w.mean);
  sht_free(w.factor);
  sht_free(w.filters);
  return status;
}

// Which of the five segments of a side a position lies in; SEGMENTS: in none, behind the last window.
static uint32_t segment_of(const sht__randconv *r, int side, uint32_t position) {
  uint32_t segment = 0;
  for (uint32_t w = 0; w < WINDOWS; w++) {
    segment += w > 0 && position >= w * r->stride[side] ? 1 : 0;
    segment += position >= w * r->stride[side] + r->window[side] ? 1 : 0;
  }
  return segment;
}

typedef struct buffers {
  float *levels;    // [H W C][32]
  float *panel;     // [depth][32]
  uint32_t *row;    // [W - 5][depth / 2][32] in pairs: the panels of a row of positions
  float *sums;      // [groups][SUMS]
  uint64_t count;   // images
  uint64_t groups;  // of filters, from `first` on
  uint64_t first;
} buffers;

// n of the 6 x 6 x C levels at (y, x) of 32 images, and under it ones for each of the `count` that are there.
static void gather(const sht__randconv *r, const sht_split *split, uint32_t y, uint32_t x, const buffers *b) {
  const uint64_t run = (uint64_t)PATCH * split->channels * SHT_LANES;
  for (uint64_t row = 0; row < PATCH; row++) {
    memcpy(b->panel + row * run, b->levels + ((y + row) * split->width + x) * split->channels * SHT_LANES,
           run * sizeof *b->panel);
  }
  r->kernels->normalise(b->panel, r->taps, (float)CONTRAST);
  for (uint64_t i = r->taps * SHT_LANES; i < r->depth * SHT_LANES; i++) {
    b->panel[i] = i % SHT_LANES < b->count ? 1 : 0;
  }
  r->kernels->round_bf16(b->panel, b->row + x * r->depth / 2 * SHT_LANES, r->depth / 2);
}

// Group g of 32 filters as products take their right factor.
static const uint32_t *right_at(const sht__randconv *r, uint64_t g) {
  return r->turned != NULL ? r->turned + g * sht__block_turned(r->depth / 2) : r->bank + g * r->depth / 2 * SHT_LANES;
}

// Responses at a row of positions, through the thresholds, into the sums of their segments.
static void add_row(const sht__randconv *r, const sht_split *split, uint32_t y, const buffers *b) {
  const uint64_t panel = r->depth / 2 * SHT_LANES;
  const uint32_t row = segment_of(r, 0, y);
  if (row == SEGMENTS) {
    return;
  }
  for (uint32_t x = 0; x < r->positions[1]; x++) {
    gather(r, split, y, x, b);
  }
  for (uint64_t g = 0; g < b->groups; g++) {
    for (uint32_t x = 0; x < r->positions[1]; x++) {
      const uint32_t column = segment_of(r, 1, x);
      float *plus = b->sums + g * SUMS + (uint64_t)(row * SEGMENTS + column) * SIGNS * SHT_BLOCK;
      if (column < SEGMENTS) {
        r->kernels->respond_bf16(plus, plus + SHT_BLOCK, b->row + x * panel, right_at(r, b->first + g), r->depth / 2,
                                 THRESHOLD);
      }
    }
  }
}

// The mean over window (row, column) of a filter's thresholds for 32 images; sums: of the filter and the sign in the
// first segment.
static void write_window(float share, const float *sums, uint64_t row, uint64_t column, float *to) {
  float sum[SHT_LANES] = {0};
  for (uint64_t s = 0; s < (uint64_t)WINDOW_SEGMENTS * WINDOW_SEGMENTS; s++) {
    const uint64_t segment = (row + s / WINDOW_SEGMENTS) * SEGMENTS + column + s % WINDOW_SEGMENTS;
    for (uint64_t lane = 0; lane < SHT_LANES; lane++) {
      sum[lane] += sums[segment * SIGNS * SHT_BLOCK + lane];
    }
  }
  for (uint64_t lane = 0; lane < SHT_LANES; lane++) {
    to[lane] = sht__bf16_round(share * sum[lane]);
  }
}

// From [group][segment][sign][filter][image] to features [filter][sign][window][image].
static void write_features(const sht__randconv *r, uint64_t filters, const float *sums, float *panel) {
  const float share = (r->mirror ? 0.5F : 1.0F) / (float)(r->window[0] * r->window[1]);
  for (uint64_t f = 0; f < filters; f++) {
    for (uint64_t s = 0; s < SIGNS; s++) {
      const float *from = sums + f / SHT_LANES * SUMS + s * SHT_BLOCK + f % SHT_LANES * SHT_LANES;
      for (uint64_t w = 0; w < PLACES; w++) {
        write_window(share, from, w / WINDOWS, w % WINDOWS, panel + ((f * SIGNS + s) * PLACES + w) * SHT_LANES);
      }
    }
  }
}

// Left to right; levels: [H][W][C][32].
static void mirror_levels(const sht_split *split, float *levels) {
  const uint64_t pixel = (uint64_t)split->channels * SHT_LANES, row = split->width * pixel;
  for (uint64_t y = 0; y < split->height; y++) {
    for (uint64_t x = 0; x < split->width / 2; x++) {
      float *left = levels + y * row + x * pixel, *right = levels + y * row + (split->width - 1 - x) * pixel;
      for (uint64_t e = 0; e < pixel; e++) {
        const float level = left[e];
        left[e] = right[e];
        right[e] = level;
      }
    }
  }
}

static void add_rows(const sht__randconv *r, const sht_split *split, const buffers *b) {
  for (uint32_t y = 0; y < r->positions[0]; y++) {
    add_row(r, split, y, b);
  }
}

static void fill(const sht__feature_map *map, const sht_split *split, uint64_t block, uint64_t first, uint64_t count,
                 float *panel, float *scratch) {
  const sht__randconv *r = map->state;
  uint64_t first_filter = block * BLOCK_FILTERS;
  uint64_t filters = r->filters - first_filter < BLOCK_FILTERS ? r->filters - first_filter : BLOCK_FILTERS;
  buffers b = {.levels = scratch, .count = count, .first = first_filter / SHT_LANES};
  b.groups = (filters + SHT_LANES - 1) / SHT_LANES;
  b.panel = b.levels + levels_size(split);
  b.sums = b.panel + r->depth * SHT_LANES;
  b.row = (uint32_t *)(b.sums + (uint64_t)GROUPS * SUMS);
  sht__levels_fill(split, first, count, b.levels);
  memset(b.sums, 0, b.groups * SUMS * sizeof *b.sums);
  add_rows(r, split, &b);
  if (r->mirror) {
    mirror_levels(split, b.levels);
    add_rows(r, split, &b);
  }
  write_features(r, filters, b.sums, panel);
}

static void close_randconv(sht__feature_map *map) {
  sht__randconv *r = map->state;
  if (r != NULL) {
    sht_free(r->bank);
    sht_free(r->turned);
  }
  sht_free(r);
}

static sht_status turn_bank(sht__randconv *r, sht_error *error) {
  const uint64_t groups = (r->filters + SHT_LANES - 1) / SHT_LANES, pairs = r->depth / 2;
  if (r->kernels->turn == NULL) {
    return SHT_OK;
  }
  SHT_TRY(SHT_ALLOC(&r->turned, groups * sht__block_turned(pairs), "random filters", error));
  for (uint64_t g = 0; g < groups; g++) {
    r->kernels->turn(r->bank + g * pairs * SHT_LANES, r->turned + g * sht__block_turned(pairs), pairs);
  }
  return SHT_OK;
}

static void set_windows(sht__randconv *r, int side, uint32_t positions) {
  r->positions[side] = positions;
  r->window[side] = (5 * positions + 8) / 9;
  r->stride[side] = (positions - r->window[side]) / (WINDOWS - 1);
}

sht_status sht__randconv_open(const sht_split *train, sht__randconv_shape shape, uint64_t seed, sht__feature_map *out,
                              sht_error *error) {
  SHT_TRY(sht__randconv_describe(train, shape, out, error));
  out->fill = fill;
  out->close = close_randconv;
  sht__randconv *r = NULL;
  SHT_TRY(SHT_ALLOC(&r, 1, "random convolutions", error));
  out->state = r;
  r->kernels = sht__block_choose();
  r->filters = shape.filters;
  r->mirror = shape.mirror;
  r->taps = (uint64_t)PATCH * PATCH * train->channels;
  r->depth = depth_of(r->taps);
  set_windows(r, 0, train->height - PATCH + 1);
  set_windows(r, 1, train->width - PATCH + 1);
  uint64_t banks = (r->filters + SHT_LANES - 1) / SHT_LANES;
  SHT_TRY(SHT_ALLOC(&r->bank, banks * r->depth / 2 * SHT_LANES, "random filters", error));
  SHT_TRY(make_bank(r, train, seed, error));
  return turn_bank(r, error);
}
