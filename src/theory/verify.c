// Does the network represent the sample? All points by prefix sums, some through the engine. See express.h.
#include <math.h>

#include "base/memory.h"
#include "engine/ref/ref.h"
#include "theory/draws.h"
#include "theory/express.h"
#include "theory/sample.h"

enum { TELL_EVERY = 16 };
static const uint64_t batch_values = (uint64_t)1 << 21;  // of all layers: 16 MB
static const uint64_t permutation_max = (uint64_t)1 << 24;

// Values of an interval's units at ascending places: prefix sums of weights and of weights times knots, 106 bits.
typedef struct sweep {
  const sht__units *units;
  uint64_t next;  // first unit that is not yet in the sums
  sht__dd slope, moment;
} sweep;

static double sweep_to(sweep *s, double x) {
  const sht__units *units = s->units;
  for (; s->next < units->count && units->b[s->next] < x; s->next++) {
    s->slope = sht__dd_add(s->slope, (sht__dd){units->w[s->next], 0});
    s->moment = sht__dd_add(s->moment, sht__dd_product(units->w[s->next], units->b[s->next]));
  }
  sht__dd value = sht__dd_scale(s->slope, x);
  return sht__dd_value(sht__dd_add(value, (sht__dd){-s->moment.high, -s->moment.low}));
}

void sht__verify_all(const sht_sample *sample, const sht__projection *projection, const sht__fit *fit,
                     sht_express_result *result) {
  uint64_t block = 0;
  sht__units units = sht__fit_block(fit, 0);
  sweep s = {.units = &units};
  for (uint64_t i = 0; i < sample->count; i++) {
    const sht__place_on_line *place = &projection->line[i];
    if (place->x > units.x[units.count - 1]) {
      units = sht__fit_block(fit, ++block);
      s = (sweep){.units = &units};
    }
    const double error = fabs(sweep_to(&s, place->x) + fit->base - sample->targets[place->point]);
    result->error_exact = error <= result->error_exact ? result->error_exact : error;  // NaN stays
  }
}

// The sum of an interval's units with every operation rounded to float.
static float sum_single(const sht__units *units, float x) {
  float sum = 0;
  for (uint64_t j = 0; j < units->count && (float)units->b[j] < x; j++) {
    sum += (float)units->w[j] * (x - (float)units->b[j]);
  }
  return sum;
}

void sht__verify_single(const sht_sample *sample, const sht__projection *projection, const sht__fit *fit,
                        uint64_t points, sht_express_result *result) {
  const uint64_t n = sample->count;
  const uint64_t step = points < n ? (n + points - 1) / points : 1;
  uint64_t block = fit->blocks - 1;
  for (uint64_t back = 0; back < n; back += step) {  // from the right: the last point is where most terms cancel
    const sht__place_on_line *place = &projection->line[n - 1 - back];
    while (sht__fit_block(fit, block).x[0] > place->x) {
      block--;
    }
    const sht__units units = sht__fit_block(fit, block);
    const float value = sum_single(&units, (float)place->x) + (float)fit->base;
    const double miss = fabs((double)value - sample->targets[place->point]);
    result->error_single = miss <= result->error_single ? result->error_single : miss;
    result->engine_points++;
  }
}

// ---- the engine

typedef struct engine_check {
  const sht_sample *sample;
  sht_engine *engine;
  uint32_t batch;
  uint64_t count;        // points to check
  const uint32_t *list;  // [count] which
  double *rows;          // [batch][d]
  double *values;        // [batch]
} engine_check;

static sht_status check_points(const engine_check *check, const sht_theory_observer *observer, double *largest,
                               sht_error *error) {
  const uint64_t dims = sht__sample_dims(check->sample);
  for (uint64_t at = 0; at < check->count; at += check->batch) {
    const uint64_t left = check->count - at;
    const uint32_t n = left < check->batch ? (uint32_t)left : check->batch;
    if (at % TELL_EVERY == 0) {
      SHT_TRY(sht__theory_tell(observer, "engine", (double)at / (double)check->count, error));
    }
    for (uint32_t i = 0; i < n; i++) {
      check->sample->fill(check->sample, check->list[at + i], 1, check->rows + i * dims);
    }
    sht__ref_apply(check->engine, check->rows, n, check->values);
    for (uint32_t i = 0; i < n; i++) {
      const double miss = fabs(check->values[i] - check->sample->targets[check->list[at + i]]);
      *largest = miss <= *largest ? *largest : miss;
    }
  }
  return SHT_OK;
}

// The first `count` of a seeded order of the points (of the first 2^24 points).
static sht_status list_points(const sht_sample *sample, uint64_t seed, uint32_t **list, sht_error *error) {
  const uint32_t n = (uint32_t)(sample->count < permutation_max ? sample->count : permutation_max);
  uint64_t *scratch = NULL;
  SHT_TRY(SHT_ALLOC(list, n, "order of the points", error));
  sht_status status = SHT_ALLOC(&scratch, 2 * (uint64_t)n, "order of the points", error);
  if (status == SHT_OK) {
    sht_rng_permutation(sht_rng_make(seed, SHT_PURPOSE_THEORY), SHT__DRAW_SUBSET, 0, n, *list, scratch);
  }
  sht_free(scratch);
  return status;
}

static uint32_t batch_for(const sht_graph *graph, uint64_t points) {
  uint64_t values = 0;
  for (int i = 0; i < graph->node_count; i++) {
    values += sht__ref_volume(graph->nodes[i].out);
  }
  uint64_t batch = batch_values / (values > 0 ? values : 1);
  batch = batch > points ? points : batch;
  return batch < 1 ? 1 : (uint32_t)batch;
}

sht_status sht__verify_engine(const sht_sample *sample, const sht__network *network, const sht_express_options *options,
                              const sht_theory_observer *observer, sht_express_result *result, sht_error *error) {
  uint32_t *list = NULL;
  const uint64_t count = options->engine_points < sample->count ? options->engine_points : sample->count;
  const uint32_t batch = batch_for(network->graph, count);
  engine_check check = {.sample = sample, .batch = batch, .count = count};
  const sht_engine_options how = {
      .backend = "ref", .precision = SHT_FP64, .threads = options->threads, .batch = batch, .train_examples = 1};
  SHT_TRY(sht_engine_open(network->graph, &how, &check.engine, error));
  sht__ref_put_doubles(check.engine, network->parameters);
  sht_status status = list_points(sample, options->seed, &list, error);
  check.list = list;
  if (status == SHT_OK) {
    status = SHT_ALLOC(&check.rows, batch * sht__sample_dims(sample), "points", error);
  }
  if (status == SHT_OK) {
    status = SHT_ALLOC(&check.values, batch, "outputs", error);
  }
  if (status == SHT_OK) {
    status = check_points(&check, observer, &result->error_engine, error);
    result->engine_points = count;
  }
  sht_free(check.rows);
  sht_free(check.values);
  sht_free(list);
  sht_engine_close(check.engine);
  return status;
}
