// Choosing a feature map, and the map that leaves images as they are: see features.h.
#include "kernel/features.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/scalar.h"

enum { FILTERS_MAX = 1 << 20 };

static const float GREY_LEVELS = 255, PARTS_OF_A_LEVEL = 64;

void sht__levels_fill(const sht_split *split, uint64_t first, uint64_t count, float *out) {
  const uint64_t values = (uint64_t)split->height * split->width * split->channels;
  const uint8_t *bytes = split->pixels;
  const int16_t *words = split->pixels;
  for (uint64_t lane = 0; lane < SHT_LANES; lane++) {
    for (uint64_t v = 0; v < values; v++) {
      float level = 0;
      if (lane < count) {
        uint64_t place = (first + lane) * values + v;
        level = split->type == SHT_PIXEL_U8 ? (float)bytes[place] / GREY_LEVELS
                                            : (float)words[place] / (GREY_LEVELS * PARTS_OF_A_LEVEL);
      }
      out[v * SHT_LANES + lane] = level;
    }
  }
}

static void fill_pixels(const sht__feature_map *map, const sht_split *split, uint64_t block, uint64_t first,
                        uint64_t count, float *panel, float *scratch) {
  (void)map;
  (void)block;
  (void)scratch;
  sht__levels_fill(split, first, count, panel);
}

void sht__pixels_map(const sht_split *split, sht__feature_map *out) {
  uint64_t values = (uint64_t)split->height * split->width * split->channels;
  *out = (sht__feature_map){.width = values, .block = values, .blocks = 1, .fill = fill_pixels};
}

// Reads "randconv:N" or "randconv-mirror:N"; false when it is neither. filters 0: the number is not one.
static bool parse_randconv(const char *spec, sht__randconv_shape *out) {
  static const char *const prefixes[] = {"randconv:", "randconv-mirror:"};
  for (int mirror = 0; mirror < 2; mirror++) {
    const size_t length = strlen(prefixes[mirror]);
    if (strncmp(spec, prefixes[mirror], length) == 0) {
      *out = (sht__randconv_shape){.mirror = mirror == 1};
      (void)sht__scalar_count(spec + length, &out->filters);
      return true;
    }
  }
  return false;
}

static sht_status fail_unknown(const char *spec, sht_error *error) {
  static const char *const names[] = {"none", "gabor", "randconv:8000", "randconv-mirror:8000", NULL};
  const char *nearest = sht_text_nearest(spec, names);
  return SHT_FAIL(error, SHT_CONFIG,
                  "--features \"%s\" is not known%s%s%s; there are none, gabor, randconv:N and randconv-mirror:N", spec,
                  nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                  nearest != NULL ? "\"?" : "");
}

static sht_status choose(const char *spec, const sht_split *train, bool make, uint64_t seed, sht__feature_map *out,
                         sht_error *error) {
  sht__randconv_shape shape;
  *out = (sht__feature_map){0};
  if (spec == NULL || strcmp(spec, "none") == 0) {
    sht__pixels_map(train, out);
    return SHT_OK;
  }
  if (strcmp(spec, "gabor") == 0) {
    return sht__gabor_open(train, out, error);
  }
  if (!parse_randconv(spec, &shape)) {
    return fail_unknown(spec, error);
  }
  if (shape.filters == 0 || shape.filters > FILTERS_MAX) {
    return SHT_FAIL(error, SHT_CONFIG, "--features %s: the number of filters must be 1 to %d", spec, FILTERS_MAX);
  }
  return make ? sht__randconv_open(train, shape, seed, out, error) : sht__randconv_describe(train, shape, out, error);
}

sht_status sht__features_open(const char *spec, const sht_split *train, uint64_t seed, sht__feature_map *out,
                              sht_error *error) {
  return choose(spec, train, true, seed, out, error);
}

sht_status sht__features_describe(const char *spec, const sht_split *train, sht__feature_map *out, sht_error *error) {
  return choose(spec, train, false, 0, out, error);
}

void sht__features_close(sht__feature_map *map) {
  if (map->close != NULL) {
    map->close(map);
  }
  *map = (sht__feature_map){0};
}
