// How much noise on the weights the answers bear: see sht_measures.
#include <math.h>

#include "base/memory.h"
#include "data/dataset.h"
#include "measure/draws.h"
#include "measure/trained.h"

// Deviations 2^(j / STEPS_AN_OCTAVE), j = GRID_FIRST .. GRID_LAST.
enum { DRAWS = 10, STEPS_AN_OCTAVE = 8, GRID_FIRST = -160, GRID_LAST = 24, SEARCH_STEPS = 8 };
static const double allowed_drop = 0.1, failure_probability = 0.05;

typedef struct search {
  sht__trained *trained;
  sht_split sample;       // training examples that it is tried on
  sht_pipeline pipeline;  // of them
  float *noisy;           // [P]
  bool relative;          // noise in proportion to each parameter
  double clean;           // accuracy without noise
  const char *phase;
  int evaluated;  // draws so far, of both searches
  const sht_work *work;
} search;

static double deviation_at(int j) { return exp2((double)j / STEPS_AN_OCTAVE); }

static void add_noise(const search *s, int draw, double deviation) {
  const sht_rng rng = sht_rng_make(s->trained->session.config.seed, SHT_PURPOSE_MEASURE);
  const uint64_t count = s->trained->session.graph->parameter_count;
  const float *w = s->trained->parameters;
  for (uint64_t i = 0; i < count; i += 2) {
    double normal[2];
    sht_rng_normal2(rng, SHT__DRAW_NOISE + (uint32_t)draw, i / 2, 0, normal);
    for (uint64_t k = i; k < count && k < i + 2; k++) {
      const double size = s->relative ? fabs((double)w[k]) : 1;
      s->noisy[k] = (float)(w[k] + deviation * size * normal[k - i]);
    }
  }
}

static sht_status evaluate(search *s, double *accuracy, sht_error *error) {
  return sht__trained_evaluate(s->trained, &s->pipeline, s->sample.count, NULL, NULL, NULL, NULL, accuracy, error);
}

// Mean accuracy over the draws.
static sht_status noisy_accuracy(search *s, double deviation, double *mean, sht_error *error) {
  sht_session *session = &s->trained->session;
  double sum = 0;
  for (int draw = 0; draw < DRAWS; draw++) {
    double accuracy = 0;
    SHT_TRY(sht__measure_go_on(s->work, s->phase, s->evaluated++, DRAWS * SEARCH_STEPS, error));
    add_noise(s, draw, deviation);
    SHT_TRY(sht_engine_put(session->engine, SHT_STATE_PARAMETERS, s->noisy, session->graph->parameter_count, error));
    SHT_TRY(evaluate(s, &accuracy, error));
    sum += accuracy;
  }
  *mean = sum / DRAWS;
  return SHT_OK;
}

// The largest deviation of the grid that leaves the accuracy, taking it to fall with the noise, and the accuracy there;
// NaN: none does, or all do (accuracy that has no 10 points to lose).
static sht_status find_deviation(search *s, double *deviation, double *accuracy, sht_error *error) {
  int low = GRID_FIRST - 1, high = GRID_LAST + 1;  // leaves it; does not
  *deviation = *accuracy = NAN;
  s->evaluated = 0;
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    double mean = 0;
    SHT_TRY(noisy_accuracy(s, deviation_at(middle), &mean, error));
    if (mean >= s->clean - allowed_drop) {
      low = middle;
      *deviation = deviation_at(middle);
      *accuracy = mean;
    } else {
      high = middle;
    }
  }
  *deviation = low == GRID_LAST ? (double)NAN : *deviation;
  return SHT_OK;
}

// Maurer's form of the PAC-Bayes bound, for any of the grid's deviations.
static void bound(double accuracy, sht_measures *out) {
  const double n = (double)out->examples;
  const double grid = GRID_LAST - GRID_FIRST + 1;
  out->divergence = out->distance * out->distance / (2 * out->sharpness * out->sharpness);
  const double nats = out->divergence + log(2 * sqrt(n) / failure_probability) + log(grid);
  out->pac_bayes_bound = 1 - accuracy + sqrt(nats / (2 * n));
}

static sht_status find_both(search *s, sht_measures *out, sht_error *error) {
  double accuracy = 0, unused = 0;
  SHT_TRY(evaluate(s, &s->clean, error));
  s->phase = "noise on the weights";
  SHT_TRY(find_deviation(s, &out->sharpness, &accuracy, error));
  bound(accuracy, out);
  s->relative = true;
  s->phase = "noise in proportion to them";
  return find_deviation(s, &out->relative_sharpness, &unused, error);
}

// `count` examples at equal distances: a folder may hold one class after another.
static sht_status open_sample(search *s, uint64_t count, sht_error *error) {
  const sht_split *train = &s->trained->session.data->train;
  bool *chosen = NULL;
  SHT_TRY(SHT_ALLOC(&chosen, train->count, "a sample of the training examples", error));
  for (uint64_t i = 0; i < count; i++) {
    chosen[i * train->count / count] = true;
  }
  sht_status status = sht__split_choose(train, chosen, count, &s->sample, error);
  sht_free(chosen);
  s->pipeline = s->trained->session.train;
  s->pipeline.split = &s->sample;
  return status;
}

sht_status sht__sharpness_measure(sht__trained *trained, const sht_measure_options *options, const sht_work *work,
                                  sht_measures *out, sht_error *error) {
  const uint64_t n = trained->session.data->train.count, asked = options->sharpness_examples;
  const uint64_t count = trained->session.graph->parameter_count;
  search s = {.trained = trained, .work = work};
  out->sharpness_examples = asked == 0 || asked > n ? n : asked;
  sht_status status = open_sample(&s, out->sharpness_examples, error);
  if (status == SHT_OK) {
    status = SHT_ALLOC(&s.noisy, count, "weights with noise", error);
  }
  if (status == SHT_OK) {
    status = find_both(&s, out, error);
  }
  sht_status restored = sht_engine_put(trained->session.engine, SHT_STATE_PARAMETERS, trained->parameters, count,
                                       status == SHT_OK ? error : NULL);
  sht_free(s.noisy);
  sht__split_free(&s.sample);
  return status != SHT_OK ? status : restored;
}
