// Doubling, then closing in: see search.h.
#include "study/search.h"

#include <inttypes.h>
#include <math.h>

typedef struct search {
  uint64_t smallest, largest;
  sht__capacity_try attempt;
  void *context;
  sht_capacity_result *out;  // capacity: largest fitted so far; not_fitted: smallest not fitted so far
} search;

static sht_status try_size(search *s, uint64_t examples, sht_error *error) {
  sht_capacity_result *out = s->out;
  if (out->probe_count == SHT_CAPACITY_PROBES_MAX) {
    return SHT_FAIL(error, SHT_INTERNAL, "%d sizes were tried, and the largest that is fitted is still open",
                    SHT_CAPACITY_PROBES_MAX);
  }
  sht_capacity_probe probe = {.examples = examples};
  SHT_TRY(s->attempt(s->context, &probe, error));
  out->probes[out->probe_count++] = probe;
  *(probe.fitted ? &out->capacity : &out->not_fitted) = examples;
  return SHT_OK;
}

static uint64_t within(const search *s, uint64_t size) {
  return size < s->smallest ? s->smallest : (size > s->largest ? s->largest : size);
}

// Doubles while sizes are fitted, or halves while they are not, until both kinds are known or there are no more.
static sht_status bracket(search *s, uint64_t size, sht_error *error) {
  sht_capacity_result *out = s->out;
  for (;;) {
    SHT_TRY(try_size(s, size, error));
    const bool up = out->not_fitted == 0;
    if ((out->capacity > 0 && out->not_fitted > 0) || size == (up ? s->largest : s->smallest)) {
      return SHT_OK;
    }
    size = within(s, up ? size * 2 : size / 2);
  }
}

// The geometric mean of the two, between them.
static uint64_t middle(uint64_t low, uint64_t high) {
  const uint64_t mean = (uint64_t)llround(sqrt((double)low * (double)high));
  return mean <= low ? low + 1 : (mean >= high ? high - 1 : mean);
}

bool sht__capacity_reaches(double sum, uint32_t seeds, double level) {
  static const double rounding = 1e-12;  // far below what one example of 2^24 weighs
  return sum / seeds >= level - rounding;
}

sht_status sht__capacity_search(uint64_t smallest, const sht_capacity_options *options, sht__capacity_try attempt,
                                void *context, sht_capacity_result *out, sht_error *error) {
  search s = {.smallest = smallest, .largest = options->largest, .attempt = attempt, .context = context, .out = out};
  SHT_TRY(bracket(&s, within(&s, options->first), error));
  while (out->capacity > 0 && out->not_fitted > out->capacity + 1 &&
         (double)out->not_fitted > (double)out->capacity * (1 + options->tolerance)) {
    SHT_TRY(try_size(&s, middle(out->capacity, out->not_fitted), error));
  }
  return SHT_OK;
}
