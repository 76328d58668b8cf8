// Complexity measures of a trained network: the quantities that bounds on the generalisation error are made of, and the
// bounds themselves. Section 2.2 of Zhang et al. 2017 argues that those of its time cannot tell a network that learned
// true labels from one that memorised random ones; this measures both, with what has been proposed since.
//
// Letters: n training examples, P parameters, K classes, w weights, w0 those before training, A the linear map of a
// layer in the Euclidean norm: of a convolution the whole operator on images of its layer's size, with its stride and
// padding, not the matrix of its filters. Batch normalisation, which is a linear map when a network is evaluated, is
// taken into the layer before it where nothing else reads that layer, and is a layer of its own elsewhere.
// Everything is measured in evaluation mode, without augmentation, against the given labels.
// The same bits at any number of threads, with the same engine.
#ifndef SHATTER_MEASURE_H
#define SHATTER_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "shatter/config.h"
#include "shatter/error.h"
#include "shatter/model.h"
#include "shatter/work.h"

// A trained network: a run's configuration and files, or anybody's weights for the same model.
typedef struct sht_measured {
  const sht_config *config;  // data, labels, model, seed; its precision, threads and device are what is used
  const char *model_text;    // of the run's own model.yaml; NULL: of the model that config names
  const char *weights;       // path of its weights.safetensors
} sht_measured;

typedef struct sht_measure_options {
  bool sharpness;  // which takes most of the time
  // So many training examples, spread evenly, tell how noise harms; 0, or more than n: all.
  uint64_t sharpness_examples;
} sht_measure_options;

// A layer with weights.
typedef struct sht_measure_layer {
  char name[SHT_NAME_MAX];
  sht_op op;                // CONV, LINEAR or BATCHNORM
  double spectral;          // ||A||: the largest singular value, from below
  double initial_spectral;  // the same before training
  double norm;              // ||W||_F of its weights, batch normalisation taken in
  double distance;          // ||W - W0||_F
  double two_one;           // ||(A - A0)'||_{2,1}: sum over the outputs of ||row of A - A0||
} sht_measure_layer;

enum { SHT_MARGIN_QUANTILES = 3 };

typedef struct sht_measures {
  uint64_t parameters;  // P
  uint64_t examples;    // n
  uint64_t test_examples;
  double train_accuracy, test_accuracy;
  double norm;      // ||w||, all parameters as they were trained
  double distance;  // ||w - w0||
  // Of the training examples, logit of the given label less the largest other one: the 5th, 10th and 50th percentile
  // (the smallest value that at least so many percent do not exceed).
  double margins[SHT_MARGIN_QUANTILES];
  double data_norm;  // ||X||_F of the whitened training images
  // The network as a function of its whitened image moves its logits by at most this times its move: the product of
  // ||A|| over the layers, over branches the root of the sum of squares (concatenation) or the sum (addition). An
  // overlapping max-pool counts with the windows that a pixel is in, in one direction (2 for 3x3 with stride 2), local
  // response normalisation with what bounds it for all inputs.
  double lipschitz;
  // R = lipschitz * (sum over layers (||(A - A0)'||_{2,1} / ||A||)^(2/3))^(3/2): Bartlett, Foster and Telgarsky 2017,
  // equation 1.2, with the initial weights as reference. Their theorem is about chains of layers without
  // biases: `is_chain`, and biases are left out; of other networks it is the same formula with the bound above in the
  // place of the product.
  double spectral_complexity;
  bool is_chain;
  // Their bound on the test error at the margin g of the 10th percentile, R ||X||_F / (g n), without the 10 % of
  // examples below g, biases, constants and logarithms: above 1 it says nothing. NaN where g is not above 0, or there
  // is but one class.
  double spectral_bound;
  // Root of the sum over all paths from a pixel (or a bias) to a logit of the product of squared weights: Neyshabur,
  // Tomioka and Srebro 2015. A max-pool passes on the largest of its window, local response normalisation divides by
  // the least that it can.
  double path_norm;
  // The largest s, on a grid of eighths of an octave, for which normal noise of that deviation on all parameters (10
  // draws) leaves the mean training accuracy within 10 points, taking it to fall with s; `relative_sharpness` the same
  // with noise in proportion to each parameter. NaN: not measured, or no such s.
  double sharpness, relative_sharpness;
  uint64_t sharpness_examples;
  // PAC-Bayes with normal noise of that deviation around w0 as prior and around w as posterior: the noisy network's
  // test error is, with a probability of 95 % over the training set, at most its training error plus
  // sqrt((KL + log(2 sqrt(n) / .05) + log(grid)) / 2n) (Maurer 2004), KL = ||w - w0||^2 / 2s^2. Training error as
  // estimated above; running statistics of batch normalisation are taken as given.
  double divergence;          // KL, in nats
  double pac_bayes_bound;     // above 1 it says nothing
  sht_measure_layer *layers;  // [layer_count], in the graph's order
  uint32_t layer_count;
} sht_measures;

// work may be NULL. Errors: those of opening the data, the model, the engine and the file of weights; SHT_DATA for
// weights that are not finite or not this model's; SHT_STOPPED, SHT_MEMORY.
sht_status sht_measure(const sht_measured *network, const sht_measure_options *options, const sht_work *work,
                       sht_measures *out, sht_error *error);
void sht_measures_close(sht_measures *measures);

// Two networks of one model on the same test examples: what training on another set, or from another seed, changed.
typedef struct sht_measure_difference {
  uint64_t test_examples;  // compared: all but what config.replace put into either training set
  double distance;         // ||w - w'||
  double loss_mean;        // of |loss - loss'| over the test examples
  double loss_max;
  double disagreement;  // share of test examples that they answer differently
  double accuracy, other_accuracy;
} sht_measure_difference;

// Errors besides those of sht_measure: SHT_USAGE (other models, other test sets).
sht_status sht_measure_compare(const sht_measured *network, const sht_measured *other, const sht_work *work,
                               sht_measure_difference *out, sht_error *error);

#endif
