// Randomised copies of a data set: reading what is asked for, and the pixels (labels: labels.c).
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/pool.h"
#include "base/text.h"
#include "data/labels.h"
#include "data/replace.h"
#include "shatter/data.h"

#define TEST_FIRST ((uint64_t)1 << 32)    // index of the first test example
#define SHARED_INDEX ((uint64_t)1 << 33)  // of the permutation that all images share

enum { IMAGES_A_TASK = 64, LEVEL_PARTS = 64 };

static const char *const label_names[] = {"true", "random", "corrupt", "wrong", "matrix", "file", "signs", NULL};
static const char *const pixel_names[] = {"true", "shuffled", "random", "gaussian", NULL};

// Index of `word` in `names`, or -1.
static int find(const char *const *names, const char *word) {
  for (int i = 0; names[i] != NULL; i++) {
    if (strcmp(names[i], word) == 0) {
      return i;
    }
  }
  return -1;
}

static sht_status fail_name(const char *what, const char *text, const char *word, const char *const *names,
                            const char *expected, sht_error *error) {
  const char *nearest = sht_text_nearest(word, names);
  return SHT_FAIL(error, SHT_CONFIG, "%s \"%s\": expected %s%s%s%s", what, text, expected,
                  nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
}

static sht_status parse_argument(const char *labels, const char *argument, sht_randomization *out, sht_error *error) {
  if (out->labels == SHT_LABELS_CORRUPT || out->labels == SHT_LABELS_WRONG) {
    char *stop = NULL;
    double p = argument == NULL ? -1 : strtod(argument, &stop);
    if (argument == NULL || stop == argument || *stop != '\0' || !(p >= 0 && p <= 1)) {
      return SHT_FAIL(error, SHT_CONFIG, "labels \"%s\": expected a probability from 0 to 1, such as %s:0.3", labels,
                      label_names[out->labels]);
    }
    out->label_probability = p;
    return SHT_OK;
  }
  bool path = out->labels == SHT_LABELS_MATRIX || out->labels == SHT_LABELS_FILE;
  if (path && (argument == NULL || argument[0] == '\0' || strlen(argument) >= sizeof out->label_path)) {
    return SHT_FAIL(error, SHT_CONFIG, "labels \"%s\": expected %s:PATH with the path of a file", labels,
                    label_names[out->labels]);
  }
  if (!path && argument != NULL) {
    return SHT_FAIL(error, SHT_CONFIG, "labels \"%s\": %s takes nothing after it; for a probability write corrupt:%s",
                    labels, label_names[out->labels], argument[0] == '\0' ? "0.3" : argument);
  }
  if (path) {
    (void)snprintf(out->label_path, sizeof out->label_path, "%s", argument);
  }
  return SHT_OK;
}

sht_status sht_randomization_parse(const char *labels, const char *pixels, uint64_t seed, sht_randomization *out,
                                   sht_error *error) {
  *out = (sht_randomization){.seed = seed};
  const char *colon = strchr(labels, ':');
  char word[64];
  (void)snprintf(word, sizeof word, "%.*s", (int)(colon == NULL ? 63 : (colon - labels < 63 ? colon - labels : 63)),
                 labels);
  int kind = find(label_names, word);
  if (kind < 0) {
    return fail_name("labels", labels, word, label_names,
                     "true, random, corrupt:P, wrong:P, matrix:PATH, file:PATH or signs", error);
  }
  out->labels = (sht_label_kind)kind;
  SHT_TRY(parse_argument(labels, colon == NULL ? NULL : colon + 1, out, error));
  kind = find(pixel_names, pixels);
  if (kind < 0) {
    return fail_name("pixels", pixels, pixels, pixel_names, "true, shuffled, random or gaussian", error);
  }
  out->pixels = (sht_pixel_kind)kind;
  return SHT_OK;
}

bool sht_labels_are_signs(const char *labels) { return strcmp(labels, label_names[SHT_LABELS_SIGNS]) == 0; }

// What the tasks of one split share.
typedef struct pixel_job {
  sht_split *split;
  uint64_t first;  // index of the split's first example
  sht_rng rng;
  const uint32_t *shared;  // [H*W] the permutation of all images; NULL: each its own
  uint32_t **orders;       // [workers][H*W]
  uint64_t **scratches;    // [workers][2*H*W]
  uint8_t **copies;        // [workers][H*W*C]
  int16_t *gaussian;       // [N][H][W][C] output
  double mean, deviation;  // in grey levels
} pixel_job;

static uint32_t positions(const sht_split *split) { return split->height * split->width; }

static void permute_image(uint8_t *pixels, uint8_t *copy, const uint32_t *order, uint32_t count, uint32_t channels) {
  memcpy(copy, pixels, (uint64_t)count * channels);
  for (uint32_t i = 0; i < count; i++) {
    for (uint32_t c = 0; c < channels; c++) {
      pixels[(uint64_t)i * channels + c] = copy[(uint64_t)order[i] * channels + c];
    }
  }
}

static uint64_t task_end(const sht_split *split, size_t task) {
  uint64_t end = ((uint64_t)task + 1) * IMAGES_A_TASK;
  return end < split->count ? end : split->count;
}

static void permute_task(void *context, size_t task, int worker) {
  const pixel_job *job = context;
  const sht_split *split = job->split;
  uint32_t count = positions(split);
  for (uint64_t i = (uint64_t)task * IMAGES_A_TASK; i < task_end(split, task); i++) {
    const uint32_t *order = job->shared;
    if (order == NULL) {
      sht_rng_permutation(job->rng, 0, job->first + i, count, job->orders[worker], job->scratches[worker]);
      order = job->orders[worker];
    }
    permute_image((uint8_t *)split->pixels + i * count * split->channels, job->copies[worker], order, count,
                  split->channels);
  }
}

static int16_t gaussian_level(double mean, double deviation, double normal) {
  double value = floor(LEVEL_PARTS * (mean + deviation * normal) + 0.5);
  return (int16_t)(value < INT16_MIN ? INT16_MIN : (value > INT16_MAX ? INT16_MAX : value));
}

static void gaussian_task(void *context, size_t task, int worker) {
  (void)worker;
  const pixel_job *job = context;
  uint64_t values = (uint64_t)positions(job->split) * job->split->channels;
  for (uint64_t i = (uint64_t)task * IMAGES_A_TASK; i < task_end(job->split, task); i++) {
    int16_t *out = job->gaussian + i * values;
    for (uint64_t j = 0; j < values; j += 2) {
      double normal[2];
      sht_rng_normal2(job->rng, 0, job->first + i, (uint32_t)(j / 2), normal);
      out[j] = gaussian_level(job->mean, job->deviation, normal[0]);
      if (j + 1 < values) {
        out[j + 1] = gaussian_level(job->mean, job->deviation, normal[1]);
      }
    }
  }
}

static void run_tasks(sht_pool *pool, sht_task run, pixel_job *job) {
  sht_pool_run(pool, (job->split->count + IMAGES_A_TASK - 1) / IMAGES_A_TASK, run, job);
}

static void free_scratch(pixel_job *job, int workers) {
  for (int i = 0; i < workers; i++) {
    sht_free(job->orders == NULL ? NULL : job->orders[i]);
    sht_free(job->scratches == NULL ? NULL : job->scratches[i]);
    sht_free(job->copies == NULL ? NULL : job->copies[i]);
  }
  sht_free(job->orders);
  sht_free(job->scratches);
  sht_free(job->copies);
}

static sht_status make_scratch(pixel_job *job, uint64_t count, uint64_t channels, int workers, sht_error *error) {
  SHT_TRY(SHT_ALLOC(&job->orders, workers, "permutations", error));
  SHT_TRY(SHT_ALLOC(&job->scratches, workers, "permutations", error));
  SHT_TRY(SHT_ALLOC(&job->copies, workers, "permutations", error));
  for (int i = 0; i < workers; i++) {
    SHT_TRY(SHT_ALLOC(&job->orders[i], count, "permutations", error));
    SHT_TRY(SHT_ALLOC(&job->scratches[i], 2 * count, "permutations", error));
    SHT_TRY(SHT_ALLOC(&job->copies[i], count * channels, "permutations", error));
  }
  return SHT_OK;
}

static void permute_splits(sht_dataset *data, const sht_randomization *how, sht_pool *pool, pixel_job *job) {
  if (how->pixels == SHT_PIXELS_SHUFFLED) {
    sht_rng_permutation(job->rng, 0, SHARED_INDEX, positions(&data->train), job->orders[0], job->scratches[0]);
    job->shared = job->orders[0];
  }
  job->split = &data->train;
  run_tasks(pool, permute_task, job);
  job->split = &data->test;
  job->first = TEST_FIRST;
  run_tasks(pool, permute_task, job);
}

static sht_status permute_pixels(sht_dataset *data, const sht_randomization *how, sht_pool *pool, sht_error *error) {
  pixel_job job = {.rng = sht_rng_make(how->seed, SHT_PURPOSE_PIXELS)};
  int workers = pool == NULL ? 1 : sht_pool_threads(pool);
  sht_status status = make_scratch(&job, positions(&data->train), data->train.channels, workers, error);
  if (status == SHT_OK) {
    permute_splits(data, how, pool, &job);
  }
  free_scratch(&job, workers);
  return status;
}

// The one mean and deviation of all pixels of the training set, from exact sums.
static void measure(const sht_split *split, double *mean, double *deviation) {
  const uint8_t *pixels = split->pixels;
  uint64_t values = split->count * positions(split) * split->channels;
  uint64_t sum = 0;
  uint64_t squares = 0;
  for (uint64_t i = 0; i < values; i++) {
    sum += pixels[i];
    squares += (uint64_t)pixels[i] * pixels[i];
  }
  *mean = (double)sum / (double)values;
  // The difference of the exact products fits 128 bits: values < 2^52, squares < 2^68 / 2.
  unsigned __int128 spread = (unsigned __int128)values * squares - (unsigned __int128)sum * sum;
  *deviation = sqrt((double)spread) / (double)values;
}

static sht_status replace_split(pixel_job *job, sht_split *split, uint64_t first, sht_pool *pool, sht_error *error) {
  uint64_t values = (uint64_t)positions(split) * split->channels;
  SHT_TRY(sht_alloc((void **)&job->gaussian, split->count, values * sizeof *job->gaussian, "Gaussian images", error));
  job->split = split;
  job->first = first;
  run_tasks(pool, gaussian_task, job);
  sht_free(split->pixels);
  split->pixels = job->gaussian;
  split->type = SHT_PIXEL_I16;
  return SHT_OK;
}

static sht_status draw_gaussian(sht_dataset *data, const sht_randomization *how, sht_pool *pool, sht_error *error) {
  pixel_job job = {.rng = sht_rng_make(how->seed, SHT_PURPOSE_PIXELS)};
  measure(&data->train, &job.mean, &job.deviation);
  SHT_TRY(replace_split(&job, &data->train, 0, pool, error));
  return replace_split(&job, &data->test, TEST_FIRST, pool, error);
}

static sht_status randomize_pixels(sht_dataset *data, const sht_randomization *how, sht_pool *pool, sht_error *error) {
  if (how->pixels == SHT_PIXELS_TRUE) {
    return SHT_OK;
  }
  if (data->train.type != SHT_PIXEL_U8) {
    return SHT_FAIL(error, SHT_CONFIG, "%s: its pixels have been made Gaussian already; open the set again",
                    data->name);
  }
  return how->pixels == SHT_PIXELS_GAUSSIAN ? draw_gaussian(data, how, pool, error)
                                            : permute_pixels(data, how, pool, error);
}

sht_status sht_dataset_randomize(sht_dataset *data, const sht_randomization *how, sht_pool *pool, sht_error *error) {
  SHT_TRY(sht__replace_check(data, how, error));
  SHT_TRY(sht__labels_apply(data, how, error));
  SHT_TRY(randomize_pixels(data, how, pool, error));
  sht__replace_pixels(data, how);
  return SHT_OK;
}
