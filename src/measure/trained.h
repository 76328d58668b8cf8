// A trained network that is ready to be asked: its session with the weights put in.
#ifndef SHT_MEASURE_TRAINED_H
#define SHT_MEASURE_TRAINED_H

#include "shatter/measure.h"
#include "train/session.h"

typedef struct sht__trained {
  sht_session session;
  float *parameters;  // [P] as trained
  float *initial;     // [P] before training
  float *statistics;  // [S]
} sht__trained;

// Errors: those of sht_measure.
sht_status sht__trained_open(const sht_measured *network, sht__trained *out, sht_error *error);
void sht__trained_close(sht__trained *trained);

// Which question `work` is asked between parts: SHT_STOPPED when it says so.
sht_status sht__measure_go_on(const sht_work *work, const char *phase, double done, double total, sht_error *error);

// ||a - b||, b NULL: ||a||. In double, in order.
double sht__parameters_distance(const float *a, const float *b, uint64_t count);

// The class of the largest logit, the first of equal ones; `classes` when that is not finite: no answer. logits: [K]
uint32_t sht__answer_of(const float *logits, uint32_t classes);

// The network's answers to the examples of a split, from first on, in its order. logits: [count][K] or NULL, losses:
// [count] or NULL; accuracy: share whose largest logit is the given label.
sht_status sht__trained_evaluate(sht__trained *trained, const sht_pipeline *pipeline, uint64_t count, const char *phase,
                                 const sht_work *work, float *logits, float *losses, double *accuracy,
                                 sht_error *error);

// How far the largest logit is from being another: see sht_measures.margins. logits: [n][K], labels: [n]. Errors:
// SHT_MEMORY.
sht_status sht__margins_measure(const float *logits, const uint16_t *labels, uint64_t n, uint32_t classes,
                                double out[SHT_MARGIN_QUANTILES], sht_error *error);

// Sharpness, divergence and the PAC-Bayes bound of sht_measures. The parameters are put back.
sht_status sht__sharpness_measure(sht__trained *trained, const sht_measure_options *options, const sht_work *work,
                                  sht_measures *out, sht_error *error);

#endif
