// Opening a training session: see session.h.
#include "train/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/pool.h"
#include "train/dynamics.h"

// How the data are changed, out of the options' texts.
static sht_status parse_changes(sht_session *session, sht_error *error) {
  const sht_config *config = &session->config;
  SHT_TRY(sht_randomization_parse(config->labels, config->pixels, config->seed, &session->randomization, error));
  session->randomization.replace = config->replace;
  return sht_augmentation_parse(config->augment, &session->augment, error);
}

static sht_status open_data(sht_session *session, sht_error *error) {
  const sht_config *config = &session->config;
  sht_dataset_options options = {
      .data_dir = config->data_dir[0] != '\0' ? config->data_dir : NULL,
      .train_limit = config->train_size,
      .test_limit = config->test_size,
      .seed = config->seed,
  };
  SHT_TRY(parse_changes(session, error));
  SHT_TRY(sht_dataset_open(config->data, &options, &session->data, error));
  if (session->data->train.count == 0 || session->data->train.count > UINT32_MAX) {
    return SHT_FAIL(error, SHT_DATA, "%s: %" PRIu64 " training examples, expected 1 to %" PRIu32, config->data,
                    session->data->train.count, UINT32_MAX);
  }
  return SHT_OK;
}

static void take_default(double *value, double of_model) { *value = isnan(*value) ? of_model : *value; }

void sht__config_resolve(sht_config *config, const sht_recipe *recipe) {
  take_default(&config->learning_rate, recipe->learning_rate);
  take_default(&config->learning_rate_decay, recipe->learning_rate_decay);
  take_default(&config->momentum, recipe->momentum);
  take_default(&config->weight_decay, recipe->weight_decay);
}

static sht_status open_graph_on(sht_session *session, uint32_t height, uint32_t width, sht_error *error) {
  sht_graph_options options = {
      .input = {.channels = session->data->train.channels, .height = height, .width = width},
      .classes = sht_randomization_classes(&session->randomization, session->data->classes),
      .set_dropout = !isnan(session->config.dropout),
      .dropout = session->config.dropout,
      .text = session->model_text,
  };
  return sht_graph_open(session->config.model, &options, &session->graph, error);
}

// A model whose file requires the whole image gets it.
static sht_status open_graph(sht_session *session, sht_error *error) {
  const sht_split *split = &session->data->train;
  uint32_t height = 0;
  uint32_t width = 0;
  sht_split_window(split, &height, &width);
  bool cut = height != split->height;
  sht_status status = open_graph_on(session, height, width, error);
  if (status == SHT_CONFIG && cut && open_graph_on(session, split->height, split->width, NULL) == SHT_OK) {
    status = SHT_OK;
  }
  SHT_TRY(status);
  // The model's own probability, said again, makes no other run.
  session->config.dropout = session->graph->dropout_set ? session->config.dropout : (double)NAN;
  sht__config_resolve(&session->config, &session->graph->recipe);
  return SHT_OK;
}

// Whether test labels can be corrupted as the training labels are. A file says nothing of them, and true labels and
// signs are not corrupted.
static bool has_corrupted_copy(sht_label_kind labels) {
  return labels != SHT_LABELS_TRUE && labels != SHT_LABELS_FILE && labels != SHT_LABELS_SIGNS;
}

static sht_status prepare_data(sht_session *session, sht_error *error) {
  sht_dataset *data = session->data;
  sht_shape input = session->graph->input;
  SHT_TRY(sht_augmentation_check(&session->augment, &session->randomization, &data->train, input.height, input.width,
                                 error));
  bool cut = input.height != data->train.height || input.width != data->train.width;
  if (cut && !sht_augmentation_reads_around(&session->augment)) {
    SHT_TRY(sht_dataset_crop(data, input.height, input.width, error));
  }
  sht_pool *pool = NULL;
  SHT_TRY(sht_pool_open((int)session->config.threads, &pool, error));
  sht_status status = sht_dataset_randomize(data, &session->randomization, pool, error);
  sht_pool_close(pool);
  SHT_TRY(status);
  if (!has_corrupted_copy(session->randomization.labels)) {
    return SHT_OK;
  }
  SHT_TRY(SHT_ALLOC(&session->corrupted_test_labels, data->test.count, "corrupted test labels", error));
  return sht_dataset_corrupt_test_labels(data, &session->randomization, session->corrupted_test_labels, error);
}

static sht_precision precision_of(const char *name) {
  return strcmp(name, "bf16") == 0   ? SHT_BF16
         : strcmp(name, "fp64") == 0 ? SHT_FP64
         : strcmp(name, "tf32") == 0 ? SHT_TF32
                                     : SHT_FP32;
}

// Puts the initial weights, no momentum, and fresh running statistics.
static sht_status put_initial_state(sht_session *session, sht_error *error) {
  const sht_graph *graph = session->graph;
  uint64_t larger = graph->parameter_count > graph->statistic_count ? graph->parameter_count : graph->statistic_count;
  float *values = NULL;
  SHT_TRY(SHT_ALLOC(&values, larger, "initial weights", error));
  sht_status status = sht_engine_put(session->engine, SHT_STATE_MOMENTUM, values, graph->parameter_count, error);
  if (status == SHT_OK) {
    sht_graph_initialize(graph, session->config.seed, values);
    status = sht_engine_put(session->engine, SHT_STATE_PARAMETERS, values, graph->parameter_count, error);
  }
  if (status == SHT_OK && graph->statistic_count > 0) {
    sht_graph_initialize_statistics(graph, values);
    status = sht_engine_put(session->engine, SHT_STATE_STATISTICS, values, graph->statistic_count, error);
  }
  sht_free(values);
  return status;
}

sht_engine_options sht__session_engine_options(const sht_session *session) {
  const sht_config *config = &session->config;
  return (sht_engine_options){
      .backend = config->device,
      .precision = precision_of(config->precision),
      .threads = (int)config->threads,
      .batch = (uint32_t)config->batch,
      .seed = config->seed,
      .train_examples = session->data->train.count,
      .fast = config->fast,
      .group = session->group,
  };
}

static sht_status open_engine(sht_session *session, sht_error *error) {
  const sht_engine_options options = sht__session_engine_options(session);
  SHT_TRY(sht_engine_open(session->graph, &options, &session->engine, error));
  sht_engine_describe(session->engine, &session->info);
  return put_initial_state(session, error);
}

static sht_pipeline pipeline_of(const sht_session *session, const sht_split *split) {
  sht_shape input = session->graph->input;
  return (sht_pipeline){
      .split = split, .height = input.height, .width = input.width, .whiten = true, .seed = session->config.seed};
}

static sht_status open_all(sht_session *session, sht_error *error) {
  uint64_t unused;
  SHT_TRY(sht_config_check(&session->config, error));
  SHT_TRY(sht__dynamics_parse(session->config.dynamics, &unused, error));
  SHT_TRY(open_data(session, error));
  SHT_TRY(open_graph(session, error));
  SHT_TRY(prepare_data(session, error));
  SHT_TRY(open_engine(session, error));
  session->train = pipeline_of(session, &session->data->train);
  session->train.augment = session->augment;
  session->test = pipeline_of(session, &session->data->test);
  SHT_TRY(sht__dynamics_open(session, error));
  session->steps_per_epoch = (session->data->train.count + session->config.batch - 1) / session->config.batch;
  return sht__session_identify(session, error);
}

sht_status sht__session_open(const sht_config *config, const char *model_text, sht_session *session, sht_error *error) {
  return sht__session_open_in(NULL, config, model_text, session, error);
}

sht_status sht__session_open_in(sht_engine_group *group, const sht_config *config, const char *model_text,
                                sht_session *session, sht_error *error) {
  *session = (sht_session){.config = *config, .model_text = model_text, .group = group};
  sht_status status = open_all(session, error);
  if (status != SHT_OK) {
    sht__session_close(session);
  }
  return status;
}

// Signs take the place of the true labels, so that a set that has them serves none but another that will.
static bool same_data(const sht_session *a, const sht_session *b) {
  return sht_labels_are_signs(a->config.labels) == sht_labels_are_signs(b->config.labels) &&
         strcmp(a->config.data, b->config.data) == 0 && strcmp(a->config.data_dir, b->config.data_dir) == 0 &&
         a->config.train_size == b->config.train_size && a->config.test_size == b->config.test_size &&
         a->config.seed == b->config.seed;
}

// Takes over the data of `before`, with their true labels again. The pixels, in which an example may have been
// replaced, are not looked at.
static void take_data(sht_session *session, sht_session *before) {
  session->data = before->data;
  before->data = NULL;
  const sht_split *train = &session->data->train;
  if (before->randomization.replace > 0) {
    train->true_labels[before->randomization.replace - 1] = before->replaced_label;
  }
  memcpy(train->labels, train->true_labels, train->count * sizeof *train->labels);
}

// Of training example `number`, from 1 on; 0 where there is none.
static uint16_t true_label_of(const sht_dataset *data, uint64_t number) {
  return number > 0 && number <= data->train.count ? data->train.true_labels[number - 1] : 0;
}

static sht_status open_unstarted(sht_session *session, sht_session *before, sht_error *error) {
  SHT_TRY(sht_config_check(&session->config, error));
  if (before != NULL && before->data != NULL && same_data(session, before)) {
    take_data(session, before);
    SHT_TRY(parse_changes(session, error));
  } else {
    SHT_TRY(open_data(session, error));
  }
  SHT_TRY(open_graph(session, error));
  uint64_t watched = 0;
  SHT_TRY(sht__dynamics_parse(session->config.dynamics, &watched, error));
  SHT_TRY(sht_augmentation_check(&session->augment, &session->randomization, &session->data->train,
                                 session->graph->input.height, session->graph->input.width, error));
  session->steps_per_epoch = (session->data->train.count + session->config.batch - 1) / session->config.batch;
  sht_randomization labels_alone = session->randomization;
  labels_alone.pixels = SHT_PIXELS_TRUE;
  session->replaced_label = true_label_of(session->data, labels_alone.replace);
  SHT_TRY(sht_dataset_randomize(session->data, &labels_alone, NULL, error));
  return sht__session_identify(session, error);
}

sht_status sht__session_open_unstarted(const sht_config *config, const char *numerics, sht_session *before,
                                       sht_session *session, sht_error *error) {
  *session = (sht_session){.config = *config};
  (void)snprintf(session->info.numerics, sizeof session->info.numerics, "%s", numerics);
  sht_status status = open_unstarted(session, before, error);
  if (status != SHT_OK) {
    sht__session_close(session);
  }
  return status;
}

void sht__session_close(sht_session *session) {
  sht_engine_close(session->engine);
  sht_graph_close(session->graph);
  sht__dynamics_close(session);
  sht_dataset_close(session->data);
  sht_free(session->corrupted_test_labels);
  sht_free(session->train_indices);
  sht_free(session->test_indices);
  *session = (sht_session){0};
}
