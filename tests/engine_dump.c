// Writes what an engine computes on one of the shipped models, for an oracle to repeat:
//
//   engine_dump MODEL BACKEND PRECISION FOLDER
//
// tensors.txt: a line "NAME DECAYED DIM..." for each parameter tensor in graph order. The rest are raw little-endian
// doubles (exact copies of floats where the engine has floats):
//   images [STEPS*BATCH][H][W][C] and labels, in the order in which the steps use them; initial [P];
//   first-logits [BATCH][K] of the first batch's examples in evaluation mode; loss: mean loss of the first batch;
//   gradients [P] of the first batch; after STEPS steps: weights, momentum [P], statistics [S], last-logits [BATCH][K].
// Exit code: that of the library's status; 69 when the backend is not to be had.
#include "engine/ref/ref.h"
#include "engine_graphs.h"
#include "shatter/engine.h"

enum { BATCH = 8, STEPS = 3, EXAMPLES = BATCH * STEPS, SEED = 21 };
static const sht_step_rates rates = {.learning_rate = 0.02F, .momentum = 0.9F, .weight_decay = 1e-3F};

typedef struct dump {
  const char *folder;
  sht_graph *graph;
  engine_data data;
  sht_engine *engine;
  uint32_t order[EXAMPLES];
} dump;

static sht_status write_doubles(const dump *d, const char *name, const double *values, uint64_t count,
                                sht_error *error) {
  char path[1024];
  (void)snprintf(path, sizeof path, "%s/%s", d->folder, name);
  FILE *file = fopen(path, "wb");
  bool written = file != NULL && fwrite(values, sizeof *values, count, file) == count;
  if (file == NULL || fclose(file) != 0 || !written) {
    return SHT_FAIL(error, SHT_DISK, "%s cannot be written", path);
  }
  return SHT_OK;
}

static sht_status write_floats(const dump *d, const char *name, const float *values, uint64_t count, sht_error *error) {
  double *wide = calloc(count, sizeof *wide);
  assert(wide != NULL);
  for (uint64_t i = 0; i < count; i++) {
    wide[i] = (double)values[i];
  }
  sht_status status = write_doubles(d, name, wide, count, error);
  free(wide);
  return status;
}

// The reference's state in full, other engines' as they give it.
static sht_status write_state(const dump *d, const char *name, sht_state state, sht_error *error) {
  uint64_t count = state == SHT_STATE_STATISTICS ? d->graph->statistic_count : d->graph->parameter_count;
  if (d->engine->backend == &sht__backend_ref) {
    const sht__ref *ref = (const sht__ref *)d->engine;
    const double *const values[] = {[SHT_STATE_PARAMETERS] = ref->parameters,
                                    [SHT_STATE_MOMENTUM] = ref->momentum,
                                    [SHT_STATE_STATISTICS] = ref->statistics,
                                    [SHT_STATE_GRADIENTS] = ref->gradients};
    return write_doubles(d, name, values[state], count, error);
  }
  float *values = calloc(count + 1, sizeof *values);
  assert(values != NULL);
  sht_status status = sht_engine_get(d->engine, state, values, count, error);
  status = status == SHT_OK ? write_floats(d, name, values, count, error) : status;
  free(values);
  return status;
}

// Logits of the first BATCH examples of the split, in evaluation mode.
static sht_status write_logits(const dump *d, const char *name, sht_error *error) {
  float logits[BATCH * 16];
  assert(d->graph->classes <= 16);
  SHT_TRY(sht_engine_evaluate(d->engine, &d->data.pipeline, 0, BATCH, logits, NULL, error));
  if (d->engine->backend == &sht__backend_ref) {
    const sht__ref *ref = (const sht__ref *)d->engine;
    const double *exact = ref->layers[d->graph->node_count - 1].y;
    return write_doubles(d, name, exact, BATCH * (uint64_t)d->graph->classes, error);
  }
  return write_floats(d, name, logits, BATCH * (uint64_t)d->graph->classes, error);
}

static sht_status write_tensors(const dump *d, sht_error *error) {
  char path[1024];
  (void)snprintf(path, sizeof path, "%s/tensors.txt", d->folder);
  FILE *file = fopen(path, "w");
  if (file == NULL) {
    return SHT_FAIL(error, SHT_DISK, "%s cannot be written", path);
  }
  for (int i = 0; i < d->graph->parameter_tensors; i++) {
    const sht_parameter *tensor = &d->graph->parameters[i];
    (void)fprintf(file, "%s %d", tensor->name, tensor->weight_decay);
    for (int j = 0; j < tensor->rank; j++) {
      (void)fprintf(file, " %u", tensor->dims[j]);
    }
    (void)fputc('\n', file);
  }
  return fclose(file) == 0 ? SHT_OK : SHT_FAIL(error, SHT_DISK, "%s cannot be written", path);
}

// Examples in the order `order`: images as the pipeline gives them, and labels.
static sht_status write_examples(const dump *d, const char *images, const char *labels, const uint32_t *order,
                                 sht_error *error) {
  const uint64_t size = sht__ref_volume(d->graph->input);
  float *x = calloc(EXAMPLES * size, sizeof *x);
  uint16_t given[EXAMPLES];
  float wide[EXAMPLES];
  assert(x != NULL);
  sht_pipeline_fill(&d->data.pipeline, 0, order, EXAMPLES, x, given);
  for (int i = 0; i < EXAMPLES; i++) {
    wide[i] = given[i];
  }
  sht_status status = write_floats(d, images, x, EXAMPLES * size, error);
  free(x);
  SHT_TRY(status);
  return write_floats(d, labels, wide, EXAMPLES, error);
}

static sht_status put_initial_state(const dump *d, sht_error *error) {
  const uint64_t largest = d->graph->parameter_count + d->graph->statistic_count;
  float *values = calloc(largest, sizeof *values);
  assert(values != NULL);
  graph_fill_parameters(d->graph, SEED, values);
  sht_status status = sht_engine_put(d->engine, SHT_STATE_PARAMETERS, values, d->graph->parameter_count, error);
  status = status == SHT_OK ? write_floats(d, "initial", values, d->graph->parameter_count, error) : status;
  memset(values, 0, largest * sizeof *values);
  if (status == SHT_OK) {
    status = sht_engine_put(d->engine, SHT_STATE_MOMENTUM, values, d->graph->parameter_count, error);
  }
  sht_graph_initialize_statistics(d->graph, values);
  if (status == SHT_OK) {
    status = sht_engine_put(d->engine, SHT_STATE_STATISTICS, values, d->graph->statistic_count, error);
  }
  free(values);
  return status;
}

static sht_status write_all(const dump *d, sht_error *error) {
  sht_step_metrics metrics[STEPS];
  uint64_t done = 0;
  uint32_t in_place[EXAMPLES];
  for (uint32_t i = 0; i < EXAMPLES; i++) {
    in_place[i] = i;
  }
  SHT_TRY(write_tensors(d, error));
  SHT_TRY(write_examples(d, "images", "labels", d->order, error));
  SHT_TRY(write_examples(d, "split-images", "split-labels", in_place, error));
  SHT_TRY(put_initial_state(d, error));
  SHT_TRY(write_logits(d, "first-logits", error));
  SHT_TRY(sht_engine_gradient(d->engine, &d->data.pipeline, d->order, BATCH, metrics, error));
  double loss = metrics[0].loss_sum / BATCH;
  SHT_TRY(write_doubles(d, "loss", &loss, 1, error));
  SHT_TRY(write_state(d, "gradients", SHT_STATE_GRADIENTS, error));
  SHT_TRY(sht_engine_train(d->engine, &d->data.pipeline, 0, 0, STEPS, &rates, metrics, &done, error));
  SHT_TRY(write_state(d, "weights", SHT_STATE_PARAMETERS, error));
  SHT_TRY(write_state(d, "momentum", SHT_STATE_MOMENTUM, error));
  SHT_TRY(write_state(d, "statistics", SHT_STATE_STATISTICS, error));
  return write_logits(d, "last-logits", error);
}

static sht_status run(char **arguments, dump *d, sht_error *error) {
  const sht_graph_options model = {.input = {3, 28, 28}, .classes = 10};
  uint64_t scratch[2 * EXAMPLES];
  SHT_TRY(sht_graph_open(arguments[1], &model, &d->graph, error));
  const char *precision = arguments[3];
  sht_engine_options options = {
      .backend = arguments[2], .threads = 2, .batch = BATCH, .seed = SEED, .train_examples = EXAMPLES};
  options.precision = strcmp(precision, "fp64") == 0 ? SHT_FP64 : strcmp(precision, "bf16") == 0 ? SHT_BF16 : SHT_FP32;
  d->folder = arguments[4];
  SHT_TRY(sht_engine_open(d->graph, &options, &d->engine, error));
  engine_data_open(&d->data, d->graph, EXAMPLES, SEED);
  sht_order_fill(SEED, 0, EXAMPLES, d->order, scratch);
  return write_all(d, error);
}

int main(int count, char **arguments) {
  if (count != 5) {
    (void)fputs("usage: engine_dump MODEL BACKEND PRECISION FOLDER\n", stderr);
    return sht_status_exit_code(SHT_USAGE);
  }
  dump d = {.folder = NULL};
  sht_error error = {.message = ""};
  sht_status status = run(arguments, &d, &error);
  if (status != SHT_OK) {
    (void)fprintf(stderr, "engine_dump: %s\n", error.message);
  }
  engine_data_close(&d.data);
  sht_engine_close(d.engine);
  sht_graph_close(d.graph);
  return sht_status_exit_code(status);
}
