// Two networks side by side: see sht_measure_compare.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "measure/trained.h"

// What the network says of each test example.
typedef struct answers {
  float *logits;   // [m][K]
  float *losses;   // [m]
  uint64_t count;  // m
  uint32_t classes;
  double accuracy;
} answers;

static sht_status ask(sht__trained *trained, const char *phase, const sht_work *work, answers *out, sht_error *error) {
  out->count = trained->session.data->test.count;
  out->classes = trained->session.graph->classes;
  SHT_TRY(SHT_ALLOC(&out->logits, out->count * out->classes, "logits", error));
  SHT_TRY(SHT_ALLOC(&out->losses, out->count, "losses", error));
  return sht__trained_evaluate(trained, &trained->session.test, out->count, phase, work, out->logits, out->losses,
                               &out->accuracy, error);
}

// left_out: [2] test examples that one of the networks was trained on; a->count: none.
static void compare(const answers *a, const answers *b, const uint64_t left_out[2], sht_measure_difference *out) {
  double sum = 0;
  uint64_t unlike = 0;
  for (uint64_t i = 0; i < a->count; i++) {
    if (i == left_out[0] || i == left_out[1]) {
      continue;
    }
    out->test_examples++;
    const double moved = fabs((double)a->losses[i] - b->losses[i]);
    sum += moved;
    out->loss_max = fmax(out->loss_max, moved);
    unlike += sht__answer_of(a->logits + i * a->classes, a->classes) !=
              sht__answer_of(b->logits + i * b->classes, b->classes);
  }
  out->loss_mean = sum / (double)out->test_examples;
  out->disagreement = (double)unlike / (double)out->test_examples;
  out->accuracy = a->accuracy;
  out->other_accuracy = b->accuracy;
}

// The test example that stands in the training set (--replace); the number of them when none does.
static uint64_t trained_on(const sht__trained *trained) {
  const sht_config *config = &trained->session.config;
  const uint64_t count = trained->session.data->test.count;
  return config->replace == 0 ? count : sht_replacement_index(config->seed, config->replace, count);
}

// Whether both networks see the same images and labels, however much of the source is kept around the window.
static sht_status see_the_same(const sht_pipeline *a, const sht_pipeline *b, bool *same, sht_error *error) {
  const uint64_t values = (uint64_t)a->height * a->width * a->split->channels;
  float *images = NULL;
  *same = a->split->count == b->split->count && a->height == b->height && a->width == b->width &&
          a->split->channels == b->split->channels;
  SHT_TRY(SHT_ALLOC(&images, 2 * values, "images", error));
  for (uint64_t i = 0; i < a->split->count && *same; i++) {
    const uint32_t example = (uint32_t)i;
    uint16_t labels[2] = {0};
    sht_pipeline_fill(a, 0, &example, 1, images, &labels[0]);
    sht_pipeline_fill(b, 0, &example, 1, images + values, &labels[1]);
    *same = labels[0] == labels[1] && memcmp(images, images + values, values * sizeof *images) == 0;
  }
  sht_free(images);
  return SHT_OK;
}

// A model has one text and other weights where images or classes are others, as with signs for labels.
static sht_status fail_other_network(const sht_graph *own, const sht_graph *other, sht_error *error) {
  if (strcmp(own->text, other->text) != 0) {
    return SHT_FAIL(error, SHT_USAGE, "%s and %s are other models; runs of one model can be compared", own->name,
                    other->name);
  }
  return SHT_FAIL(error, SHT_USAGE,
                  "%s has %" PRIu64 " parameters and %" PRIu32 " outputs in one run, %" PRIu64 " and %" PRIu32
                  " in the other; runs can be compared on images of one size, with labels of as many classes",
                  own->name, own->parameter_count, own->classes, other->parameter_count, other->classes);
}

static sht_status check_comparable(const sht__trained *a, const sht__trained *b, sht_error *error) {
  const sht_graph *own = a->session.graph, *other = b->session.graph;
  if (own->parameter_count != other->parameter_count || own->classes != other->classes ||
      strcmp(own->text, other->text) != 0) {
    return fail_other_network(own, other, error);
  }
  bool same = false;
  SHT_TRY(see_the_same(&a->session.test, &b->session.test, &same, error));
  if (a->session.data->test.count == 0 || !same) {
    return SHT_FAIL(error, SHT_USAGE,
                    "the two runs have no test examples in common: they are compared on the same ones, so that data, "
                    "--test-size and --pixels have to agree, and --seed where a part of the data was drawn by it");
  }
  return SHT_OK;
}

static sht_status compare_opened(sht__trained *a, sht__trained *b, const sht_work *work, sht_measure_difference *out,
                                 sht_error *error) {
  answers own = {0}, other = {0};
  SHT_TRY(check_comparable(a, b, error));
  out->distance = sht__parameters_distance(a->parameters, b->parameters, a->session.graph->parameter_count);
  sht_status status = ask(a, "test examples", work, &own, error);
  if (status == SHT_OK) {
    status = ask(b, "test examples of the other", work, &other, error);
  }
  if (status == SHT_OK) {
    const uint64_t left_out[2] = {trained_on(a), trained_on(b)};
    compare(&own, &other, left_out, out);
  }
  sht_free(own.logits);
  sht_free(own.losses);
  sht_free(other.logits);
  sht_free(other.losses);
  return status;
}

sht_status sht_measure_compare(const sht_measured *network, const sht_measured *other, const sht_work *work,
                               sht_measure_difference *out, sht_error *error) {
  sht__trained a, b;
  *out = (sht_measure_difference){0};
  SHT_TRY(sht__trained_open(network, &a, error));
  sht_status status = sht__trained_open(other, &b, error);
  if (status == SHT_OK) {
    status = compare_opened(&a, &b, work, out, error);
    sht__trained_close(&b);
  }
  sht__trained_close(&a);
  return status;
}
